//! What the guest said, line by line, and what of it was expected.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// One test of the guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Test {
    /// Boot and name, `early/states.start-when-off`.
    pub name: String,
    /// Why it failed; `None` when it passed.
    pub failure: Option<String>,
}

/// All results of all boots.
#[derive(Default)]
pub struct Report {
    /// In the order in which they ran.
    pub tests: Vec<Test>,
    /// Measurements by boot and name: number and unit.
    pub values: BTreeMap<String, (f64, String)>,
}

impl Report {
    /// Adds what one boot's console says. `suites` must each have begun and ended with as many tests as they count.
    pub fn add(&mut self, boot: &str, console: &[String], suites: &[&str]) {
        let mut since = self.tests.len();
        let mut ended = Vec::new();
        for line in console {
            if let Some(rest) = after(line, "rproc-test: ") {
                self.tests.push(test(boot, rest));
            } else if let Some(rest) = after(line, "rproc-value: ") {
                if let Some((name, number, unit)) = value(rest) {
                    self.values.insert(format!("{boot}/{name}"), (number, unit));
                }
            } else if let Some(rest) = after(line, "rproc-suite: ") {
                let mut words = rest.split_whitespace();
                let (suite, counted) = (words.next().unwrap_or_default(), counts(rest));
                let run = self.tests.len() - since;
                if counted != Some(run) {
                    let failure = format!("the suite counts {counted:?} tests and the console shows {run}");
                    self.fail(boot, suite, failure);
                }
                ended.push(suite.to_owned());
                since = self.tests.len();
            }
        }
        for suite in suites {
            match ended.iter().position(|name| name == suite) {
                Some(at) => drop(ended.swap_remove(at)),
                None => self.fail(boot, suite, "the suite did not come to its end".to_owned()),
            }
        }
    }

    /// Adds a check of the host's own.
    pub fn check(&mut self, name: &str, result: Result<(), String>) {
        self.tests.push(Test { name: name.to_owned(), failure: result.err() });
    }

    /// Adds a measurement of the host's own.
    pub fn measure(&mut self, name: &str, number: f64, unit: &str) {
        self.values.insert(name.to_owned(), (number, unit.to_owned()));
    }

    fn fail(&mut self, boot: &str, suite: &str, failure: String) {
        self.tests.push(Test { name: format!("{boot}/{suite}"), failure: Some(failure) });
    }

    /// A measurement.
    pub fn value(&self, name: &str) -> Option<f64> {
        self.values.get(name).map(|(number, _)| *number)
    }

    /// The tests that failed.
    pub fn failures(&self) -> impl Iterator<Item = &Test> {
        self.tests.iter().filter(|test| test.failure.is_some())
    }

    /// How many tests each suite of each boot has, and how many of them passed; as a Markdown table.
    pub fn table(&self) -> String {
        let mut suites: Vec<(String, usize, usize)> = Vec::new();
        for test in &self.tests {
            let suite = test.name.split_once('.').map_or(test.name.as_str(), |(suite, _)| suite);
            let passed = usize::from(test.failure.is_none());
            match suites.iter_mut().find(|(name, _, _)| name == suite) {
                Some((_, all, ok)) => (*all, *ok) = (*all + 1, *ok + passed),
                None => suites.push((suite.to_owned(), 1, passed)),
            }
        }
        let mut table = "| boot/suite | tests | passed |\n|---|---:|---:|\n".to_owned();
        for (suite, all, ok) in suites {
            // Writing to a String cannot fail.
            let _ = writeln!(table, "| {suite} | {all} | {ok} |");
        }
        table
    }

    /// The measurements as a Markdown table.
    pub fn figures(&self) -> String {
        let mut table = "| measurement | value |\n|---|---:|\n".to_owned();
        for (name, (number, unit)) in &self.values {
            let _ = writeln!(table, "| {name} | {number} {unit} |");
        }
        table
    }
}

/// The kernel may write to the console in the middle of a program's line, but programs here write whole lines.
fn after<'a>(line: &'a str, mark: &str) -> Option<&'a str> {
    line.find(mark).and_then(|at| line.get(at + mark.len()..))
}

fn test(boot: &str, rest: &str) -> Test {
    let (name, verdict) = rest.split_once(' ').unwrap_or((rest, "failed without a verdict"));
    let failure = if verdict == "ok" || verdict.starts_with("ok ") {
        None
    } else {
        Some(verdict.strip_prefix("failed ").unwrap_or(verdict).to_owned())
    };
    Test { name: format!("{boot}/{name}"), failure }
}

fn value(rest: &str) -> Option<(String, f64, String)> {
    let mut words = rest.split_whitespace();
    let (name, number) = (words.next()?, words.next()?.parse().ok()?);
    Some((name.to_owned(), number, words.collect::<Vec<_>>().join(" ")))
}

/// The sum of "ok" and "failed" of a suite's last line.
fn counts(rest: &str) -> Option<usize> {
    let words: Vec<&str> = rest.split_whitespace().collect();
    let before = |word| {
        let at = words.iter().position(|found| *found == word)?;
        words.get(at.checked_sub(1)?)?.parse::<usize>().ok()
    };
    Some(before("ok")? + before("failed")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_console_is_understood() {
        let mut report = Report::default();
        report.add(
            "early",
            &lines(
                "[ 1.0] noise\nrproc-test: states.start ok\nrproc-test: states.stop failed found 0xffff0006\n\
                 rproc-value: call 0.6 ms\nrproc-suite: states done 1 ok 1 failed",
            ),
            &["states"],
        );
        assert_eq!(report.tests.len(), 2);
        let failed: Vec<_> = report.failures().collect();
        assert_eq!(failed[0].name, "early/states.stop");
        assert_eq!(failed[0].failure.as_deref(), Some("found 0xffff0006"));
        assert_eq!(report.value("early/call"), Some(0.6));
        assert!(report.table().contains("| early/states | 2 | 1 |"));
    }

    #[test]
    fn a_suite_that_ends_early_or_loses_a_test_fails() {
        let mut report = Report::default();
        report.add("early", &lines("rproc-test: bus.listed ok"), &["bus"]);
        assert_eq!(report.failures().count(), 1);
        let mut report = Report::default();
        report.add(
            "early",
            &lines("rproc-test: bus.listed ok\nrproc-suite: bus done 2 ok 0 failed"),
            &["bus"],
        );
        assert_eq!(report.failures().count(), 1);
        let mut report = Report::default();
        report.add("early", &lines("rproc-test: bus.listed"), &[]);
        assert_eq!(report.failures().count(), 1, "no verdict is no success");
    }
}
