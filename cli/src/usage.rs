//! What the parser of the command line says: help, the version, and what is wrong, with a tip that leads on.

use std::io::Write as _;

use clap::Error;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::failure::{Failure, TROUBLE};
use crate::output;

/// Prints it; gives the exit code.
///
/// # Errors
/// The standard output takes no help.
pub fn tell(mut error: Error) -> Result<u8, Failure> {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        output::written(error.print().and_then(|()| std::io::stdout().flush()))?;
        return Ok(0);
    }
    if let Some(tip) = tip(&error) {
        let tips = ContextValue::StyledStrs(vec![tip.to_owned().into()]);
        error.insert(ContextKind::Suggested, tips);
    }
    // Nothing is left to tell when even this message cannot be written.
    let _ = error.print();
    Ok(TROUBLE)
}

/// A tip where the parser has none, or one that misleads.
fn tip(error: &Error) -> Option<&'static str> {
    match (error.kind(), error.get(ContextKind::InvalidArg)?) {
        (ErrorKind::MissingRequiredArgument, ContextValue::Strings(missing)) => {
            let processor = missing.iter().any(|one| one == "<PROCESSOR>");
            processor.then_some("`rproc list` names the processors of this Linux")
        }
        // The parser takes -1s for options, and would have it behind --, where files are.
        (ErrorKind::UnknownArgument, ContextValue::String(given)) => {
            let is_number = given.strip_prefix('-')?.starts_with(|c: char| c.is_ascii_digit() || c == '.');
            is_number.then_some("numbers, addresses and times have no sign; a file of such a name is ./-…")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arguments::Cli;
    use clap::Parser as _;

    #[test]
    fn tips_are_given_where_they_lead_on() {
        let tip_of = |line: &str| {
            let Err(error) = Cli::try_parse_from(line.split_whitespace()) else { panic!("{line}") };
            tip(&error)
        };
        for line in ["rproc run --crash-after -1s", "rproc run --instructions -5", "rproc run --timeout -.5"]
        {
            assert!(tip_of(line).is_some_and(|tip| tip.contains("no sign")), "{line}");
        }
        for line in ["rproc run --bored", "rproc run -x", "rproc sign", "rproc run --timeout 1d"] {
            assert_eq!(tip_of(line), None, "{line}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn who_names_no_processor_is_told_where_their_names_are() {
        for command in ["start", "stop", "firmware", "trace", "coredump"] {
            let Err(error) = Cli::try_parse_from(["rproc", command]) else { panic!("{command}") };
            assert!(tip(&error).is_some_and(|tip| tip.contains("rproc list")), "{command}");
        }
    }
}
