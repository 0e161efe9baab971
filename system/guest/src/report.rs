//! The lines that the host reads.

use std::fmt::Display;
use std::io::Write as _;
use std::time::Duration;

use anyhow::Result;

/// A suite as it runs.
pub struct Report {
    suite: &'static str,
    ok: u32,
    failed: u32,
}

impl Report {
    /// Nothing has run yet.
    pub fn new(suite: &'static str) -> Self {
        Self { suite, ok: 0, failed: 0 }
    }

    /// Runs a test; what it returns says in words what was seen. The line's name is `SUITE.NAME`.
    pub fn test<T: Display>(&mut self, name: impl Display, test: impl FnOnce() -> Result<T>) {
        let (verdict, words) = match test() {
            Ok(words) => {
                self.ok += 1;
                ("ok", one_line(&words.to_string()))
            }
            Err(error) => {
                self.failed += 1;
                ("failed", one_line(&format!("{error:#}")))
            }
        };
        line(&format!("rproc-test: {}.{name} {verdict} {words}", self.suite));
    }

    /// A measurement; its unit is one word.
    pub fn value(&self, name: impl Display, number: impl Display, unit: &str) {
        line(&format!("rproc-value: {}.{name} {number} {unit}", self.suite));
    }

    /// The last line. Gives whether all went well.
    pub fn finish(self) -> bool {
        line(&format!("rproc-suite: {} done {} ok {} failed", self.suite, self.ok, self.failed));
        self.failed == 0
    }
}

/// Ends the process with code 2 when the limit passes: a call into the TEE may never come back.
pub fn end_after(suite: &'static str, limit: Duration) {
    std::thread::spawn(move || {
        std::thread::sleep(limit);
        line(&format!("rproc-test: {suite}.limit failed the suite took longer than {limit:?}"));
        std::process::exit(2);
    });
}

fn one_line(words: &str) -> String {
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Written at once, so that lines of threads and of the kernel do not mix more than the console makes them.
fn line(text: &str) {
    let mut stdout = std::io::stdout().lock();
    // Nobody is left to tell when the console is gone.
    let _ = stdout.write_all(format!("{text}\n").as_bytes()).and_then(|()| stdout.flush());
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::bail;

    #[test]
    fn a_failure_counts_and_words_stay_on_one_line() {
        let mut report = Report::new("x");
        report.test("good", || Ok("fine"));
        assert!(Report { ok: 1, ..Report::new("x") }.finish());
        report.test("bad", || -> Result<&str> { bail!("two\nlines") });
        assert_eq!((report.ok, report.failed), (1, 1));
        assert!(!report.finish());
        assert_eq!(one_line("two\n  lines"), "two lines");
    }
}
