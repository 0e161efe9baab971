//! Running other programs: what they print, or their complaint; and what this one prints.

use anyhow::{Context, Result, bail};
use std::fmt::Arguments;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// Prints a line, as `println!` does, and gives an error where that would panic.
macro_rules! say {
    ($($words:tt)*) => { $crate::process::print(format_args!($($words)*)) };
}

/// Prints a line; see [`say!`].
pub fn print(line: Arguments<'_>) -> Result<()> {
    writeln!(std::io::stdout().lock(), "{line}").context("standard output takes no more")
}

/// What a command prints, without the last line break; its complaint if it fails.
pub fn output(command: &mut Command) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| format!("{name} cannot be run"))?;
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr);
        bail!("{name} failed ({}): {}", output.status, complaint.trim_end());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
}

/// Runs a long command with all that it prints in a file; when it fails, the error has the file's last lines.
pub fn logged(command: &mut Command, log: &Path) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let file = File::create(log).with_context(|| format!("{} cannot be written", log.display()))?;
    let status = command
        .stdin(Stdio::null())
        .stdout(file.try_clone()?)
        .stderr(file)
        .status()
        .with_context(|| format!("{name} cannot be run"))?;
    if !status.success() {
        bail!("{name} failed ({status}); the end of {}:\n{}", log.display(), tail(log, 15));
    }
    Ok(())
}

/// The last lines of a text file, as far as it can be read.
pub fn tail(file: &Path, lines: usize) -> String {
    let text = fs::read(file).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let all: Vec<&str> = text.lines().collect();
    all.get(all.len().saturating_sub(lines)..).unwrap_or_default().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_carries_the_complaint() {
        let error =
            output(Command::new("sh").args(["-c", "echo no good >&2; exit 3"])).unwrap_err().to_string();
        assert!(error.contains("no good") && error.contains('3'), "{error}");
        let log = std::env::temp_dir().join(format!("rproc-xtask-log-{}", std::process::id()));
        let error = logged(Command::new("sh").args(["-c", "echo one; echo two; exit 1"]), &log).unwrap_err();
        fs::remove_file(&log).unwrap();
        assert!(error.to_string().ends_with("one\ntwo"), "{error}");
    }

    #[test]
    fn the_tail_is_the_end() {
        let file = std::env::temp_dir().join(format!("rproc-xtask-tail-{}", std::process::id()));
        fs::write(&file, "a\nb\nc\n").unwrap();
        assert_eq!(tail(&file, 2), "b\nc");
        assert_eq!(tail(&file, 9), "a\nb\nc");
        fs::remove_file(&file).unwrap();
        assert_eq!(tail(&file, 2), "");
    }
}
