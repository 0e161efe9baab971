//! Failures on the standard error output: `error:` with `help:`, or `refused:` with the facts below it.

use std::fmt::Write as _;
use std::io::Write as _;

use anstyle::{AnsiColor, Style};

use crate::failure::{Failure, Refused};

const ERROR: Style = AnsiColor::Red.on_default().bold();
const HELP: Style = AnsiColor::Cyan.on_default().bold();

/// Prints the failure; without colour when the output is no terminal or `NO_COLOR` is set.
pub fn print(failure: &Failure) {
    // Nothing is left to tell when even this cannot be written.
    let _ = anstream::stderr().lock().write_all(render(failure).as_bytes());
}

/// Prints something worth a look that ends nothing.
pub fn note(text: &str) {
    // As above.
    let _ = writeln!(anstream::stderr().lock(), "{HELP}note:{HELP:#} {text}");
}

/// The lines, with colours.
fn render(failure: &Failure) -> String {
    match failure {
        Failure::Trouble { error, help } => {
            // The alternate form holds the causes too.
            let mut lines = format!("{ERROR}error:{ERROR:#} {error:#}\n");
            if let Some(help) = help {
                // Writing to a string does not fail.
                let _ = writeln!(lines, "{HELP}help:{HELP:#} {help}");
            }
            lines
        }
        Failure::Refused(refused) => render_refused(refused),
    }
}

fn render_refused(refused: &Refused) -> String {
    let mut lines = format!("{ERROR}refused:{ERROR:#} {}\n", refused.sentence);
    let facts = [("expected", &refused.expected), ("found", &refused.found), ("where", &refused.place)];
    for (name, value) in facts {
        if let Some(value) = value {
            let _ = writeln!(lines, "  {:<11}{value}", format!("{name}:"));
        }
    }
    let _ = writeln!(lines, "  {HELP}next step:{HELP:#} {}", refused.next_step);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use anstream::adapter::strip_str;
    use anyhow::Context as _;

    #[test]
    fn an_error_tells_its_causes_and_help() {
        let error = std::result::Result::<(), _>::Err(std::io::Error::other("disk on fire"))
            .context("cannot read app.elf")
            .unwrap_err();
        let failure = Failure::Trouble { error, help: Some("use another disk".to_owned()) };
        assert_eq!(
            strip_str(&render(&failure)).to_string(),
            "error: cannot read app.elf: disk on fire\nhelp: use another disk\n"
        );
    }

    #[test]
    fn a_refusal_leaves_out_what_it_does_not_know() {
        let refused = Refused {
            reason: "x",
            sentence: "no good".to_owned(),
            expected: Some("1".to_owned()),
            found: None,
            place: Some("in image 0".to_owned()),
            next_step: "do better".to_owned(),
        };
        assert_eq!(
            strip_str(&render(&Failure::Refused(refused))).to_string(),
            "refused: no good\n  expected:  1\n  where:     in image 0\n  next step: do better\n"
        );
    }
}
