//! `rproc inspect`: what is in a signed image or an ELF file. [`model`] documents the JSON output.

mod container;
mod elf;
mod meaning;
mod model;
mod render;

use std::path::{Path, PathBuf};

use clap::Args;
use rproc_elf::ElfFile;
use rproc_elf::header::ELF_MAGIC;
use rproc_image::{BuildError, ContainerBuilder, MAGIC};

use crate::failure::{Failure, Refused};
use crate::input::{Input, Kind};
use crate::output;
use crate::sign::refusal::Purpose;
use crate::sign::{self, Binding, Survey, Wishes};
use crate::text::Fields;
use model::{Inspection, WouldBind};

/// Arguments of `rproc inspect`.
#[derive(Args)]
pub struct Arguments {
    /// A signed image or an ELF file
    file: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Shows what there is, then fails with the first problem, if there is one.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let bytes = Input::open(&arguments.file, Kind::Firmware)?.read_all()?;
    let inspection = inspect(&arguments.file, &bytes)?;
    if arguments.json {
        output::print_json(&inspection)?;
    } else {
        output::print(&render::text(&inspection))?;
    }
    match inspection.problems.into_iter().next() {
        Some(problem) => Err(problem.into()),
        None => Ok(()),
    }
}

/// Reads as much as possible. Only a file that is neither kind is refused at once.
fn inspect(path: &Path, bytes: &[u8]) -> Result<Inspection, Failure> {
    if bytes.is_empty() {
        return Err(Refused::empty(path.display(), "an ELF file or a signed image").into());
    }
    let is_elf = bytes.starts_with(&ELF_MAGIC);
    if !is_elf && !bytes.starts_with(&MAGIC.to_le_bytes()) {
        let error = rproc_image::Header::of_file(bytes).err();
        let refused = error.map_or_else(|| Refused::from(rproc_image::Error::NoImages), Refused::from);
        return Err(Refused { next_step: "give an ELF file or a signed image".to_owned(), ..refused }.into());
    }
    let mut inspection = Inspection {
        file: path.display().to_string(),
        size: bytes.len() as u64,
        kind: if is_elf { "elf" } else { "signed-image" },
        verified: false,
        container: None,
        elf_files: Vec::new(),
        sign_would_bind: None,
        problems: Vec::new(),
    };
    if is_elf {
        inspect_elf(path, bytes, &mut inspection);
    } else {
        container::inspect(bytes, &mut inspection);
    }
    Ok(inspection)
}

fn inspect_elf(path: &Path, bytes: &[u8], inspection: &mut Inspection) {
    let would_refuse = |error: BuildError| sign::refusal::of_build(path, Purpose::Sign, error);
    let file = match ElfFile::parse(bytes) {
        Ok(file) => file,
        Err(error) => {
            inspection.problems.push(would_refuse(BuildError::Elf { image: 0, error }));
            return;
        }
    };
    inspection.elf_files.push(elf::describe(0, 0, &file, None, &mut inspection.problems));
    if let Err(error) = ContainerBuilder::new().image(bytes) {
        inspection.problems.push(would_refuse(error));
        return;
    }
    if let Err(refused) = sign::refusal::check_kind(path, Purpose::Sign, &file) {
        inspection.problems.push(refused);
        return;
    }
    let binding = Survey::of(&[file]).and_then(|survey| Binding::of(Wishes::default(), &survey));
    match binding {
        Ok(binding) => {
            let mut fields = Fields::default();
            binding.describe(&[path.to_owned()], &mut fields);
            inspection.sign_would_bind = Some(WouldBind {
                boot_address: binding.boot_address.as_ref().map(sign::BootAddress::address),
                resource_table: binding.resource_table.as_ref().map(|table| table.load_address),
                text: fields.to_string(),
            });
        }
        // A damaged resource table is a problem of the file already.
        Err(refused) if inspection.problems.contains(&refused) => {}
        Err(refused) => inspection.problems.push(refused),
    }
}
