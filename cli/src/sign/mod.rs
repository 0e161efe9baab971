//! `rproc sign`: from ELF files and a private key to an image that the secure world accepts.

mod binding;
pub mod refusal;
mod survey;
mod targets;
mod values;

use std::io::Write as _;
use std::path::PathBuf;

use clap::Args;
use rproc_elf::ElfFile;
use rproc_image::{BuildError, Container, ContainerBuilder, HEADER_SIZE, SignError, Signer as _, TlvKind};
use rproc_keys::PrivateKey;
use sha2::Sha256;

pub use binding::{Binding, BootAddress, Wishes};
pub use survey::{Survey, check_unsigned};

use crate::failure::{Failure, Refused};
use crate::input::{Input, Kind};
use crate::keys::{KeyFile, is_development_key};
use crate::limits;
use crate::load_plan::LoadPlan;
use crate::output::{self, OutputFile};
use crate::report;
use crate::text::{Fields, address, hex, size, table};
use refusal::Purpose;
use values::PlatformTlv;
pub use values::{Number, TargetName};

/// Arguments of `rproc sign`.
#[derive(Args)]
pub struct Arguments {
    /// The ELF files, loaded in this order
    #[arg(required = true, value_name = "ELF")]
    files: Vec<PathBuf>,
    /// The image to write; it appears whole or not at all
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// The private key (PEM or DER)
    #[arg(short, long, value_name = "FILE")]
    key: PathBuf,
    /// Bind to a processor of a SoC, for example stm32mp257:m33; processors are m4, m33, m0
    #[arg(long, value_name = "SOC:PROCESSOR", conflicts_with = "plain")]
    target: Option<TargetName>,
    /// Bind the version for protection against rollback
    #[arg(long, value_name = "NUMBER", default_value = "0", conflicts_with = "plain")]
    counter: Number,
    /// Bind the address of the vector table to boot from instead of the one found in the ELF files
    #[arg(long, value_name = "ADDRESS")]
    boot_address: Option<Number>,
    /// Add a platform TLV: 0x… becomes 4 bytes, little-endian, anything else is text
    #[arg(long, value_name = "ID=VALUE")]
    plat_tlv: Vec<PlatformTlv>,
    /// Write only what OP-TEE's sign_rproc_fw.py writes, which binds much less
    #[arg(long)]
    plain: bool,
}

/// TLVs that have an option of their own or are worked out.
const OWN_TLVS: [(TlvKind, &str); 6] = [
    (TlvKind::BOOT_ADDRESS, "give --boot-address instead"),
    (TlvKind::TARGET, "give --target instead"),
    (TlvKind::SECURITY_COUNTER, "give --counter instead"),
    (TlvKind::RESOURCE_TABLE, "rproc finds the table in the ELF file"),
    (TlvKind::ELF_METADATA_DIGEST, "rproc works the digest out"),
    (TlvKind::KEY_FINGERPRINT, "rproc knows the fingerprint of the key"),
];

/// Signs and writes.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    check_platform_tlvs(arguments)?;
    let doubt = arguments.target.as_ref().map(targets::check).transpose()?.flatten();
    let inputs = arguments
        .files
        .iter()
        .map(|path| Input::open(path, Kind::Firmware))
        .collect::<Result<Vec<_>, _>>()?;
    let key_file = KeyFile::read(&arguments.key)?;
    let mut key = key_file.private()?;
    let identities: Vec<_> = inputs.iter().map(Input::identity).chain([key_file.identity()]).collect();
    let output = OutputFile::new(&arguments.output, &identities)?;
    let contents = inputs.into_iter().map(Input::read_all).collect::<Result<Vec<_>, _>>()?;

    let mut builder = ContainerBuilder::new();
    let mut files = Vec::new();
    for (path, content) in arguments.files.iter().zip(&contents) {
        builder.image(content).map_err(|error| refusal::of_build(path, Purpose::Sign, error))?;
        let file = ElfFile::parse(content).map_err(Refused::from)?;
        refusal::check_kind(path, Purpose::Sign, &file)?;
        files.push(file);
    }
    for tlv in &arguments.plat_tlv {
        builder.platform_tlv(tlv.kind, &tlv.value).map_err(bad_option)?;
    }
    let bound = bind(arguments, &files, &key, &mut builder).map_err(|failure| match failure {
        Failure::Refused(refused) => refusal::naming(&arguments.files, refused).into(),
        trouble => trouble,
    })?;
    let container = builder.sign::<Sha256, _>(&mut key).map_err(|error| match error {
        SignError::Build(error) => bad_option(error),
        SignError::Signer(error) => anyhow::Error::new(error).context("cannot sign").into(),
    })?;
    if !arguments.plain {
        let tlvs = container.pieces().next().map_or(0, <[u8]>::len).saturating_sub(HEADER_SIZE);
        limits::check_metadata(limits::TLVS, tlvs as u64)?;
    }
    output.write(|file| container.write_to(|piece| file.write_all(piece)))?;
    output::print(&summary(arguments, &container, &key, &bound))?;
    if let Some(doubt) = doubt {
        report::note(&doubt);
    }
    Ok(())
}

/// What was bound.
enum Bound {
    /// Nothing but segments, platform TLVs and perhaps a boot address.
    Plain(LoadPlan),
    Full(LoadPlan, Binding),
}

fn bind(
    arguments: &Arguments,
    files: &[ElfFile<'_>],
    key: &PrivateKey,
    builder: &mut ContainerBuilder<'_>,
) -> Result<Bound, Failure> {
    let boot_address = arguments.boot_address.map(|Number(address)| address);
    if arguments.plain {
        let images = files.iter().map(|file| (file.bytes().len() as u64, file.segments()));
        let plan = LoadPlan::of(images)?;
        if let Some(address) = boot_address {
            plan.check_boot_address(address, None)?;
            builder.boot_address(address);
        }
        return Ok(Bound::Plain(plan));
    }
    let survey = Survey::of(files)?;
    let wishes = Wishes { target: arguments.target.clone(), counter: arguments.counter.0, boot_address };
    let binding = Binding::of(wishes, &survey)?;
    binding.apply(builder, &key.public_key().fingerprint()).map_err(bad_option)?;
    Ok(Bound::Full(survey.plan, binding))
}

/// A TLV that is given twice, or given and worked out, would have two sources for one truth.
fn check_platform_tlvs(arguments: &Arguments) -> Result<(), Failure> {
    for (place, tlv) in arguments.plat_tlv.iter().enumerate() {
        if arguments.plat_tlv.iter().take(place).any(|before| before.kind == tlv.kind) {
            return Err(Failure::help(
                format!("--plat-tlv sets TLV {} twice, and an image has each once", tlv.kind),
                "give it once",
            ));
        }
        let own = OWN_TLVS.iter().find(|(kind, _)| *kind == tlv.kind);
        let twice = tlv.kind == TlvKind::BOOT_ADDRESS && arguments.boot_address.is_some();
        if let Some((kind, help)) = own.filter(|_| twice || !arguments.plain) {
            return Err(Failure::help(format!("--plat-tlv cannot set TLV {kind}"), *help));
        }
    }
    Ok(())
}

fn bad_option(error: BuildError) -> Failure {
    match error {
        BuildError::TlvValue(rproc_image::Error::TlvLength { kind, expected, found }) => Failure::help(
            format!("the value given for TLV {kind} has {found} bytes, but it takes {expected}"),
            "a number with 0x becomes 4 bytes, anything else is text",
        ),
        error => anyhow::Error::new(error).context("cannot make this image").into(),
    }
}

fn summary(arguments: &Arguments, container: &Container<'_>, key: &PrivateKey, bound: &Bound) -> String {
    let mut fields = Fields::default();
    for (index, path) in arguments.files.iter().enumerate() {
        fields.add(if index == 0 { "images" } else { "" }, path.display());
    }
    let plan = match bound {
        Bound::Full(plan, binding) => {
            binding.describe(&arguments.files, &mut fields);
            plan
        }
        Bound::Plain(plan) => {
            if let Some(Number(given)) = arguments.boot_address {
                fields.add("boot address", format!("{}, as given", address(given)));
            }
            fields.add("not bound", "target, counter, resource table, ELF metadata (--plain)");
            plan
        }
    };
    for (index, tlv) in arguments.plat_tlv.iter().enumerate() {
        let name = if index == 0 { "platform TLVs" } else { "" };
        fields.add(name, format!("{} = {}", tlv.kind, hex(&tlv.value)));
    }
    fields.add("key", format!("{} {}", key.kind(), hex(&key.public_key().fingerprint())));
    if is_development_key(&key.public_key()) {
        fields.more("note: everybody has this development key; no product may trust it");
    }
    let rows = plan.segments().iter().map(|segment| {
        [
            format!("{}", segment.image),
            format!("{}", segment.index),
            address(segment.address),
            size(segment.file_size),
            size(segment.memory_size),
        ]
    });
    format!(
        "signed {} ({}, {})\n{fields}\n{}",
        arguments.output.display(),
        size(container.file_len()),
        key.algorithm(),
        table(["image", "segment", "address", "in file", "in memory"], rows)
    )
}
