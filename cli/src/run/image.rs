//! What a run loads: a signed image as it is, or an ELF file, signed in memory for the TEE and as it is for Linux.

use std::path::{Path, PathBuf};

use rproc_abi::ProcessorId;
use rproc_elf::{ElfFile, header::ELF_MAGIC};
use rproc_image::{ContainerBuilder, MAGIC};
use rproc_keys::{PrivateKey, PublicKey, development_key};
use sha2::Sha256;

use super::boards::Board;
use super::event::{RunEvent, hex};
use super::samples::{self, Sample};
use crate::failure::{Failure, Refused};
use crate::input::{Input, Kind};
use crate::keys::KeyFile;
use crate::sign::refusal::{self, Purpose};
use crate::sign::{self, Binding, Survey, TargetName, Wishes};

/// The largest file; half of what Linux's side of a board can share with the TEE, and far more than the processor's memory.
const FILE_LIMIT: u64 = 128 << 20;

/// Firmware ready to load.
pub struct Prepared {
    /// The signed container.
    pub container: Vec<u8>,
    /// The key that the platform trusts.
    pub trusted: PublicKey,
    /// What was signed here, if it was.
    pub signed: Option<RunEvent>,
    /// It is a bundled sample that sends every message back.
    pub echoes: bool,
}

/// A processor that is to run something.
pub struct Wanted<'a> {
    /// Its name in the device tree.
    pub core: &'a str,
    /// Its id, where the device tree has it.
    pub id: Option<ProcessorId>,
    /// The file; without one a bundled sample.
    pub file: Option<&'a Path>,
    /// Linux loads it, unsigned.
    pub by_linux: bool,
    /// It is to crash.
    pub crashes: bool,
}

/// Reads the file; an ELF file for the TEE is signed for the board's SoC and the processor, with the key or the development key.
pub fn prepare(wanted: &Wanted<'_>, key: Option<&KeyFile>, board: &Board) -> Result<Prepared, Failure> {
    let soc = board.description.soc;
    let (name, content, echoes) = match wanted.file {
        None => {
            let sample = sample(wanted, soc)?;
            (sample.name.to_owned(), sample.elf.to_vec(), sample.echoes)
        }
        Some(path) => (path.display().to_string(), read(path)?, false),
    };
    if content.is_empty() {
        return Err(Refused::empty(name, "an ELF file or a signed image").into());
    }
    let named = |refused| refusal::naming(&[PathBuf::from(&name)], refused);
    // Of a signed image Linux's loader says what to do.
    if wanted.by_linux && !content.starts_with(&MAGIC.to_le_bytes()) {
        sign::check_unsigned(Path::new(&name), &content).map_err(named)?;
    }
    if !content.starts_with(&ELF_MAGIC) || wanted.by_linux {
        let trusted = match key {
            Some(file) => file.public()?,
            None => development_key().map_err(anyhow::Error::new)?.public_key(),
        };
        return Ok(Prepared { container: content, trusted, signed: None, echoes });
    }
    let own = key.is_some();
    let key = match key {
        Some(file) => file.private().map_err(|failure| failure.context("an ELF file is signed in memory"))?,
        None => development_key().map_err(anyhow::Error::new)?,
    };
    let signed =
        sign_in_memory(&name, &content, key, !own, soc, wanted.id).map_err(|failure| match failure {
            Failure::Refused(refused) => named(refused).into(),
            trouble => trouble,
        })?;
    Ok(Prepared { echoes, ..signed })
}

fn sample(wanted: &Wanted<'_>, soc: &str) -> Result<Sample, Failure> {
    let sample = match wanted.id {
        Some(id) => samples::of(soc, id, wanted.crashes),
        // A processor that nobody knows gets its sentence from the device tree, whatever it is to run.
        None => samples::of("stm32mp257", ProcessorId::CORTEX_M33, false),
    };
    sample.ok_or_else(|| {
        Failure::help(
            format!("there is no bundled sample for the {} of an {soc}", wanted.core),
            "give a file",
        )
    })
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let input = Input::open(path, Kind::Firmware)?;
    if input.len() > FILE_LIMIT {
        let (len, limit) = (input.len(), FILE_LIMIT >> 20);
        return Err(Failure::help(
            format!("{} has {len} bytes, and a virtual board takes at most {limit} MiB", path.display()),
            "strip debug sections from the ELF file and sign it again",
        ));
    }
    input.read_all()
}

fn sign_in_memory(
    name: &str,
    content: &[u8],
    mut key: PrivateKey,
    development_key: bool,
    soc: &str,
    processor: Option<ProcessorId>,
) -> Result<Prepared, Failure> {
    let trusted = key.public_key();
    let mut builder = ContainerBuilder::new();
    let path = Path::new(name);
    builder.image(content).map_err(|error| refusal::of_build(path, Purpose::Load, error))?;
    let elf = ElfFile::parse(content).map_err(Refused::from)?;
    refusal::check_kind(path, Purpose::Load, &elf)?;
    let survey = Survey::of(&[elf])?;
    // A processor of another name has no vector address to bind; the device tree decides whether it exists.
    let target = processor.map(|processor| TargetName { soc: soc.to_owned(), processor });
    let binding = Binding::of(Wishes { target, ..Wishes::default() }, &survey)?;
    let fingerprint = trusted.fingerprint();
    binding.apply(&mut builder, &fingerprint).map_err(anyhow::Error::new)?;
    let container = builder.sign::<Sha256, _>(&mut key).map_err(anyhow::Error::new)?;
    let signed = RunEvent::SignedInMemory {
        file: name.to_owned(),
        key: hex(&fingerprint),
        development_key,
        boot_address: binding.boot_address.as_ref().map(sign::BootAddress::address),
    };
    Ok(Prepared { container: container.to_vec(), trusted, signed: Some(signed), echoes: false })
}
