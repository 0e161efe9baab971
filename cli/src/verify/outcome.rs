//! What a verification found, as text and as JSON.

use std::path::Path;

use rproc_abi::ProcessorId;
use rproc_image::Authenticated;
use rproc_keys::PublicKey;
use serde::Serialize;

use crate::failure::Refused;
use crate::load_plan::LoadPlan;
use crate::text::{Fields, address, hex, size, table};
use crate::verify::resource_table::TableAt;

/// The JSON object.
#[derive(Serialize)]
pub struct Outcome<'a> {
    file: String,
    verified: bool,
    refusal: Option<&'a Refused>,
    image: Option<&'a VerifiedImage>,
}

impl<'a> Outcome<'a> {
    /// A good image.
    pub fn verified(file: &Path, image: &'a VerifiedImage) -> Self {
        Self { file: file.display().to_string(), verified: true, refusal: None, image: Some(image) }
    }

    /// A refused one.
    pub fn refused(file: &Path, refusal: &'a Refused) -> Self {
        Self { file: file.display().to_string(), verified: false, refusal: Some(refusal), image: None }
    }
}

/// What a good image is and binds.
#[derive(Serialize)]
pub struct VerifiedImage {
    algorithm: String,
    key: Key,
    target: Option<Target>,
    security_counter: Option<u32>,
    boot_address: Option<u32>,
    elf_metadata_bound: bool,
    resource_table: Option<ResourceTable>,
    resource_table_bound: bool,
    segments: Vec<Segment>,
}

#[derive(Serialize)]
struct Key {
    #[serde(rename = "type")]
    kind: String,
    fingerprint: String,
}

#[derive(Serialize)]
struct Target {
    soc: String,
    processor: String,
}

#[derive(Serialize)]
struct ResourceTable {
    address: u64,
    size: u64,
    bound: bool,
}

#[derive(Serialize)]
struct Segment {
    image: u32,
    index: u32,
    address: u64,
    file_size: u64,
    memory_size: u64,
}

impl VerifiedImage {
    /// Collects what was verified.
    pub fn new(image: &Authenticated<'_>, key: &PublicKey, plan: &LoadPlan, table: Option<TableAt>) -> Self {
        let bound = image.resource_table().is_some();
        Self {
            algorithm: image.signature_algorithm().to_string(),
            key: Key { kind: key.kind().to_string(), fingerprint: hex(&key.fingerprint()) },
            target: image.target().map(|target| Target {
                soc: target.soc().to_owned(),
                processor: ProcessorId(target.processor).to_string(),
            }),
            security_counter: image.security_counter(),
            boot_address: image.boot_address(),
            elf_metadata_bound: image.elf_metadata_digest(0).is_some(),
            resource_table: table.map(|TableAt { address, size }| ResourceTable { address, size, bound }),
            resource_table_bound: bound,
            segments: plan
                .segments()
                .iter()
                .map(|segment| Segment {
                    image: segment.image,
                    index: segment.index,
                    address: segment.address,
                    file_size: segment.file_size,
                    memory_size: segment.memory_size,
                })
                .collect(),
        }
    }

    /// The text for people.
    pub fn describe(&self, file: &Path) -> String {
        let mut fields = Fields::default();
        fields.add("signature", &self.algorithm);
        fields.add("key", format!("{} {}", self.key.kind, self.key.fingerprint));
        match &self.target {
            Some(target) => fields.add("target", format!("{}:{}", target.soc, target.processor)),
            None => fields.add("target", "not bound: any processor may load it"),
        }
        match self.security_counter {
            Some(counter) => fields.add("counter", counter),
            None => fields.add("counter", "not bound: counts as 0"),
        }
        match self.boot_address {
            Some(boot) => fields.add("boot address", address(boot)),
            None => fields.add("boot address", "not bound"),
        }
        match (&self.resource_table, self.resource_table_bound) {
            (Some(table), bound) => {
                let how = if bound { "bound" } else { "not bound, found in the signed segments" };
                fields
                    .add("resource table", format!("{}, {}, {how}", address(table.address), size(table.size)))
            }
            (None, true) => fields.add("resource table", "none, which is bound"),
            (None, false) => fields.add("resource table", "not bound, and none found"),
        }
        fields.add(
            "ELF metadata",
            if self.elf_metadata_bound {
                "bound and as signed"
            } else {
                "not bound: only program headers are"
            },
        );
        let rows = self.segments.iter().map(|segment| {
            [
                segment.image.to_string(),
                segment.index.to_string(),
                address(segment.address),
                size(segment.file_size),
                size(segment.memory_size),
            ]
        });
        format!(
            "verified {}: signature, headers and all segments are good\n{fields}\n{}",
            file.display(),
            table(["image", "segment", "address", "in file", "in memory"], rows)
        )
    }
}
