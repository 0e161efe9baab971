//! `rproc verify`: the checks of the secure world that a file and a key are enough for.
//!
//! With `--json`, one object with these fields:
//!
//! | field | value |
//! |---|---|
//! | `file` | the name as given |
//! | `verified` | boolean |
//! | `refusal` | null, or `reason` (a stable name), `sentence`, `expected`, `found`, `where`, `next_step`; all strings, some null |
//! | `image` | null when refused, or the object below |
//!
//! | field of `image` | value |
//! |---|---|
//! | `algorithm` | string |
//! | `key` | `type` and `fingerprint` (hexadecimal), strings |
//! | `target` | null when not bound, or `soc` and `processor`, strings |
//! | `security_counter`, `boot_address` | number, or null when not bound |
//! | `elf_metadata_bound` | boolean |
//! | `resource_table` | null when there is none, or `address`, `size` (numbers) and `bound` (boolean) |
//! | `resource_table_bound` | boolean: whether the image says where the table is, or that there is none |
//! | `segments` | array of `image`, `index`, `address`, `file_size`, `memory_size`, all numbers |

mod authenticate;
mod elf_head;
mod outcome;
mod resource_table;
mod segments;

use std::path::PathBuf;

use clap::Args;
use rproc_abi::refusal::{Fact, Place, Reason};
use rproc_abi::{ProcessorId, Refusal};
use rproc_image::{Authenticated, TlvKind};
use rproc_keys::PublicKey;

use crate::failure::Failure;
use crate::input::{Input, Kind};
use crate::keys::{KeyFile, is_development_key};
use crate::load_plan::{LoadPlan, needs_boot_address};
use crate::output;
use authenticate::MetadataCopy;
use elf_head::ElfHead;
use outcome::{Outcome, VerifiedImage};

/// Arguments of `rproc verify`.
#[derive(Args)]
pub struct Arguments {
    /// The signed image
    file: PathBuf,
    /// The key to trust: a public key, or the public half of a private one
    #[arg(short, long, value_name = "FILE")]
    key: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Verifies and reports.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let key = KeyFile::read(&arguments.key)?.public()?;
    let input = Input::open(&arguments.file, Kind::Firmware)?;
    let result = verify(&input, &key);
    if arguments.json {
        match &result {
            Ok(image) => output::print_json(&Outcome::verified(&arguments.file, image))?,
            Err(Failure::Refused(refused)) => {
                output::print_json(&Outcome::refused(&arguments.file, refused))?
            }
            Err(Failure::Trouble { .. }) => {}
        }
        return result.map(|_| ());
    }
    let mut text = result?.describe(&arguments.file);
    if is_development_key(&key) {
        text.push_str("note: everybody has this development key; no product may trust it\n");
    }
    output::print(&text)
}

/// Every check, in the order in which the service makes them.
fn verify(input: &Input, key: &PublicKey) -> Result<VerifiedImage, Failure> {
    let copy = MetadataCopy::take(input)?;
    let image = copy.authenticate(key)?;
    let heads = take_heads(input, &image)?;
    let plan =
        LoadPlan::of(heads.iter().map(|head| (head.image_size(), head.entries().map(|entry| entry.header))))?;
    check_boot_address(&image, &plan)?;
    let found = segments::check(input, &heads, image.resource_table().is_none())?;
    let table = resource_table::find(input, &image, &heads, &plan, &found)?;
    Ok(VerifiedImage::new(&image, key, &plan, table))
}

/// The ELF headers of every image, held against the signed table; the table must end with the last image.
fn take_heads<'a>(input: &Input, image: &Authenticated<'a>) -> Result<Vec<ElfHead<'a>>, Failure> {
    let mut table = image.hash_table();
    let mut heads = Vec::new();
    for elf in image.images() {
        heads.push(ElfHead::take(input, &elf, &mut table, image.elf_metadata_digest(elf.index))?);
    }
    if !table.is_empty() {
        return Err(Refusal::new(Reason::SegmentTableChanged)
            .expected(Fact::Number((image.hash_table().len() - table.len()) as u64))
            .found(Fact::Number(image.hash_table().len() as u64))
            .at(Place::Tlv { kind: TlvKind::HASH_TABLE.0 })
            .into());
    }
    Ok(heads)
}

fn check_boot_address(image: &Authenticated<'_>, plan: &LoadPlan) -> Result<(), Refusal> {
    let processor = image.target().map(|target| ProcessorId(target.processor));
    let at = |kind: TlvKind| Place::Tlv { kind: kind.0 };
    if processor == Some(ProcessorId::CORTEX_M33) && image.boot_secure() == Some(true) {
        return Err(Refusal::new(Reason::SecureBootUnsupported).at(at(TlvKind::BOOT_SECURE)));
    }
    match image.boot_address() {
        Some(address) => plan.check_boot_address(address, processor),
        None if needs_boot_address(processor) => {
            Err(Refusal::new(Reason::MissingBootAddress).at(at(TlvKind::BOOT_ADDRESS)))
        }
        None => Ok(()),
    }
}
