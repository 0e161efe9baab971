//! Images with what must become of them: NAME.img and NAME.expect, a line of a hexadecimal TEE result and, optionally, words
//! of the reason.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use rproc_abi::TeeResult;
use rproc_tee::ServiceError;

use crate::service::result;

/// An image and the verdict on it.
pub struct Case {
    /// The file's name without its ending.
    pub name: String,
    /// The image's bytes.
    pub image: Vec<u8>,
    /// What LOAD must answer.
    pub result: TeeResult,
    /// A part of the refusal's sentence or its reason's name; empty where it does not matter.
    pub words: String,
}

/// The images of a folder, by name.
pub fn images(folder: &Path) -> Result<Vec<PathBuf>> {
    let cannot = || format!("cannot read {}", folder.display());
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(cannot)? {
        let path = entry.with_context(cannot)?.path();
        if path.extension().is_some_and(|extension| extension == "img") {
            paths.push(path);
        }
    }
    ensure!(!paths.is_empty(), "{} has no .img file", folder.display());
    paths.sort();
    Ok(paths)
}

/// The cases of a folder, by name.
pub fn cases(folder: &Path) -> Result<Vec<Case>> {
    images(folder)?.iter().map(|path| Case::read(path)).collect()
}

/// A file's name without its ending.
pub fn name(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

impl Case {
    fn read(path: &Path) -> Result<Self> {
        let expect = path.with_extension("expect");
        let cannot = |path: &Path| format!("cannot read {}", path.display());
        let image = std::fs::read(path).with_context(|| cannot(path))?;
        let text = std::fs::read_to_string(&expect).with_context(|| cannot(&expect))?;
        let (result, words) =
            parse(&text).with_context(|| format!("{} has no TEE result", expect.display()))?;
        Ok(Self { name: name(path), image, result, words })
    }

    /// LOAD must have answered as expected, in words too.
    pub fn check(&self, outcome: &Result<(), ServiceError>) -> Result<String> {
        let found = result(outcome);
        let refusal = outcome.as_ref().err().and_then(|error| error.refusal);
        let said = match (&refusal, outcome) {
            (Some(refusal), _) => format!("{}: {refusal}", refusal.reason.name()),
            (None, Err(error)) => error.to_string(),
            (None, Ok(())) => "loaded".to_owned(),
        };
        ensure!(found == self.result, "expected {}, found {found} ({said})", self.result);
        ensure!(said.contains(&self.words), "expected {:?}, found {said:?}", self.words);
        Ok(said)
    }
}

fn parse(text: &str) -> Option<(TeeResult, String)> {
    let text = text.trim();
    let (number, words) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let number = number.strip_prefix("0x").unwrap_or(number);
    Some((TeeResult(u32::from_str_radix(number, 16).ok()?), words.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expectations_are_a_result_and_words() {
        assert_eq!(
            parse("0xffff000f segment-digest\n"),
            Some((TeeResult::SECURITY, "segment-digest".to_owned()))
        );
        assert_eq!(parse("0"), Some((TeeResult::SUCCESS, String::new())));
        assert_eq!(parse("security"), None);
        assert_eq!(parse(""), None);
    }

    #[test]
    fn another_result_is_a_failure() {
        let case =
            Case { name: String::new(), image: Vec::new(), result: TeeResult::SUCCESS, words: String::new() };
        assert!(case.check(&Ok(())).is_ok());
        assert!(Case { result: TeeResult::SECURITY, ..case }.check(&Ok(())).is_err());
    }
}
