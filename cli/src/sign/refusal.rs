//! Why an ELF file cannot be signed or loaded, with the name of the file.

use std::path::{Path, PathBuf};

use rproc_abi::Refusal;
use rproc_abi::refusal::Reason;
use rproc_elf::ElfFile;
use rproc_image::BuildError;

use crate::failure::Refused;

/// What a file is wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Into a signed image.
    Sign,
    /// Into a processor's memory, whoever loads it.
    Load,
}

impl Purpose {
    const fn participle(self) -> &'static str {
        match self {
            Self::Sign => "signed",
            Self::Load => "loaded",
        }
    }
}

fn unsupported(path: &Path, purpose: Purpose, expected: &str, found: &str, step: &str) -> Refused {
    Refused {
        next_step: step.to_owned(),
        expected: Some(expected.to_owned()),
        found: Some(found.to_owned()),
        ..Refused::from(Refusal::new(Reason::UnsupportedImage)).saying(format!(
            "{} cannot be {}",
            path.display(),
            purpose.participle()
        ))
    }
}

/// `e_type` of relocatable files, executables, shared objects and core files (ELF specification).
const RELOCATABLE: u16 = 1;
const EXECUTABLE: u16 = 2;
const SHARED: u16 = 3;
const CORE: u16 = 4;

/// Refuses what no linker wrote as a program: nobody relocates firmware, and a core file is what is left of one.
///
/// # Errors
/// [`Reason::UnsupportedImage`].
pub fn check_kind(path: &Path, purpose: Purpose, file: &ElfFile<'_>) -> Result<(), Refused> {
    let found = match file.header().kind() {
        EXECUTABLE | SHARED => return Ok(()),
        RELOCATABLE => "an object file (type 1, REL)".to_owned(),
        CORE => "a core file (type 4, CORE)".to_owned(),
        other => format!("ELF type {other}"),
    };
    let expected = "an executable (type 2, EXEC)";
    Err(unsupported(path, purpose, expected, &found, "give the program that the linker wrote"))
}

/// The refusal of the file at `path`.
pub fn of_build(path: &Path, purpose: Purpose, error: BuildError) -> Refused {
    let unsupported =
        |expected: &str, found: &str, step: &str| unsupported(path, purpose, expected, found, step);
    let path = path.display();
    let cannot = |error: rproc_elf::Error| {
        let refused =
            Refused::from(error).saying(format!("{path} cannot be {}: {error}", purpose.participle()));
        match purpose {
            Purpose::Load if refused.reason == Reason::BadElf.name() => {
                Refused { next_step: "give the ELF file that the linker wrote".to_owned(), ..refused }
            }
            _ => refused,
        }
    };
    let build = "build the firmware for a Cortex-M, for example with --target thumbv8m.main-none-eabi";
    match error {
        BuildError::AlreadySigned { .. } => Refused {
            reason: "already-signed",
            sentence: format!("{path} is already signed"),
            expected: None,
            found: None,
            place: None,
            next_step: "sign the ELF file that it was made of".to_owned(),
        },
        BuildError::Elf { error: rproc_elf::Error::Truncated { found: 0, .. }, .. } => {
            Refused::empty(path, "an ELF file")
        }
        BuildError::Elf { error, .. } => cannot(error),
        BuildError::Segment { segment, error, .. } => {
            cannot(error).at(format!("in segment {segment} of {path}"))
        }
        BuildError::NotElf32 { .. } => unsupported("a 32-bit ELF file", "a 64-bit ELF file", build),
        BuildError::NotArm { found, .. } => {
            unsupported("ELF machine 40 (Arm)", &format!("ELF machine {found}"), build)
        }
        BuildError::NoLoadSegment { segments, .. } => Refused {
            found: Some(format!("{segments} segments, none of them PT_LOAD")),
            ..Refused::from(Refusal::new(Reason::NoLoadableSegment))
                .saying(format!("{path} has no segment to load: it may be an object file"))
        },
        // The rest does not come from one file.
        error => Refused::from(Refusal::new(Reason::UnsupportedImage)).saying(error),
    }
}

/// Says which file is meant where a refusal has only its number.
pub fn naming(files: &[PathBuf], refused: Refused) -> Refused {
    let named = refused.place.as_deref().and_then(|place| {
        let (start, number) = place.rsplit_once("image ")?;
        let file: &PathBuf = files.get(number.parse::<usize>().ok()?)?;
        Some(format!("{start}{}", file.display()))
    });
    Refused { place: named.or(refused.place), ..refused }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rproc_abi::refusal::Place;

    #[test]
    fn files_are_named_instead_of_counted() {
        let files = [PathBuf::from("a.elf"), PathBuf::from("b.elf")];
        let place = |place| naming(&files, Refusal::new(Reason::SegmentOverlap).at(place).into()).place;
        assert_eq!(place(Place::Segment { image: 1, index: 3 }).as_deref(), Some("in segment 3 of b.elf"));
        assert_eq!(place(Place::Image { image: 0 }).as_deref(), Some("in a.elf"));
        assert_eq!(place(Place::Image { image: 2 }).as_deref(), Some("in image 2"));
        assert_eq!(place(Place::Offset(4)).as_deref(), Some("at byte 0x4 of the image"));
        assert_eq!(place(Place::None), None);
    }
}
