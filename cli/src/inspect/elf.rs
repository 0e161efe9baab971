//! One ELF file: header, program headers, the sections that matter, the resource table.

use rproc_abi::Refusal;
use rproc_abi::refusal::{Fact, Place, Reason};
use rproc_elf::resource_table::{self, EntryKind};
use rproc_elf::segment::{FLAG_EXECUTE, FLAG_READ, FLAG_WRITE};
use rproc_elf::{Class, ElfFile, LoadedSection, ProgramHeader, ResourceTable as Table};
use rproc_image::{HashEntry, HashTable, Sha256 as _};
use sha2::Sha256;

use crate::failure::Refused;
use crate::inspect::model::{Elf, Entry, Memory, ResourceTable, Section, Segment, Vring};

/// Describes image number `image`, which starts at `offset` of the inspected file. Its program headers and segments are
/// held against the next entries of `table`, if there is one.
pub fn describe(
    image: u32,
    offset: u64,
    file: &ElfFile<'_>,
    table: Option<&mut HashTable<'_>>,
    problems: &mut Vec<Refused>,
) -> Elf {
    let entries = table.and_then(|table| {
        let (entries, rest) = table.split_at(file.segments().len())?;
        *table = rest;
        Some(entries)
    });
    // Real segments hardly overlap; a hostile file could have every one of 65534 cover all of it.
    let mut left_to_hash = (file.bytes().len() as u64).saturating_mul(2);
    let segments = (0u32..)
        .zip(file.segments())
        .map(|(index, header)| {
            let entry = entries.map(|entries| entries.get(index as usize)).filter(|_| {
                let left = left_to_hash.checked_sub(header.file_size);
                left_to_hash = left.unwrap_or(left_to_hash);
                left.is_some()
            });
            let as_in_hash_table = entry.map(|entry| {
                let place = Place::Segment { image, index };
                held_against(file, &header, entry)
                    .map_err(|refusal| problems.push(refusal.at(place).into()))
                    .is_ok()
            });
            segment(index, &header, as_in_hash_table)
        })
        .collect();
    let mut note = |error: rproc_elf::Error| {
        problems.push(Refused::from(error).at(format!("in image {image}")));
        None
    };
    let vector_table = file.vector_table().unwrap_or_else(&mut note).map(|found| section(&found));
    let resource_table = file.find_resource_table().unwrap_or_else(&mut note);
    let resource_table = resource_table.map(|found| resource_table_of(image, file, &found, problems));
    Elf {
        offset,
        size: file.bytes().len() as u64,
        class: match file.header().class() {
            Class::Elf32 => 32,
            Class::Elf64 => 64,
        },
        machine: file.header().machine(),
        entry: file.header().entry(),
        segments,
        vector_table,
        resource_table,
    }
}

/// Whether a segment is what the hash table, verified or not, says.
fn held_against(
    file: &ElfFile<'_>,
    header: &ProgramHeader,
    entry: Option<HashEntry<'_>>,
) -> Result<(), Refusal> {
    let Some(entry) = entry.filter(|entry| entry.header == *header) else {
        return Err(Refusal::new(Reason::SegmentTableChanged));
    };
    let mut hash = Sha256::default();
    rproc_image::Sha256::update(&mut hash, file.segment_bytes(header)?);
    let found = hash.finish();
    if found != *entry.digest {
        return Err(Refusal::new(Reason::SegmentDigest)
            .expected(Fact::Digest(*entry.digest))
            .found(Fact::Digest(found)));
    }
    Ok(())
}

fn segment(index: u32, header: &ProgramHeader, as_in_hash_table: Option<bool>) -> Segment {
    let flags = [(FLAG_READ, 'r'), (FLAG_WRITE, 'w'), (FLAG_EXECUTE, 'x')];
    Segment {
        index,
        kind: header.kind,
        offset: header.offset,
        virtual_address: header.virtual_address,
        address: header.physical_address,
        file_size: header.file_size,
        memory_size: header.memory_size,
        flags: flags
            .map(|(flag, letter)| if header.flags & flag != 0 { letter } else { '-' })
            .iter()
            .collect(),
        as_in_hash_table,
    }
}

fn section(found: &LoadedSection<'_>) -> Section {
    Section {
        name: found.section.name.to_string(),
        link_address: found.address,
        load_address: found.load_address,
        size: found.size,
    }
}

fn resource_table_of(
    image: u32,
    file: &ElfFile<'_>,
    found: &LoadedSection<'_>,
    problems: &mut Vec<Refused>,
) -> ResourceTable {
    let bad = |error: resource_table::Error| {
        Refused::from(Refusal::new(Reason::BadResourceTable))
            .saying(error)
            .at(format!("in section {} of image {image}", found.section.name))
    };
    let bytes = file.section_bytes(&found.section).unwrap_or_default();
    let entries = match Table::parse(bytes) {
        Ok(table) => table.entries().collect(),
        Err(error) => vec![Err(error)],
    };
    let entries = entries
        .into_iter()
        .map_while(|decoded| match decoded {
            Ok(decoded) => Some(entry(&decoded.kind)),
            Err(error) => {
                problems.push(bad(error));
                None
            }
        })
        .collect();
    ResourceTable { section: section(found), entries }
}

fn entry(kind: &EntryKind) -> Entry {
    let memory = |memory: &resource_table::Memory| Memory {
        name: memory.name.to_string(),
        device_address: memory.da,
        physical_address: memory.pa,
        size: memory.len,
        flags: memory.flags,
    };
    match kind {
        EntryKind::Carveout(carveout) => Entry::Carveout(memory(carveout)),
        EntryKind::DeviceMemory(device) => Entry::DeviceMemory(memory(device)),
        EntryKind::Trace(trace) => {
            Entry::Trace { name: trace.name.to_string(), device_address: trace.da, size: trace.len }
        }
        EntryKind::Vdev(vdev) => Entry::Vdev {
            id: vdev.id,
            features: vdev.device_features,
            config_size: vdev.config_len,
            vrings: vdev
                .vrings
                .iter()
                .map(|ring| Vring {
                    device_address: ring.da,
                    alignment: ring.align,
                    buffers: ring.num,
                    notify_id: ring.notifyid,
                })
                .collect(),
        },
        EntryKind::Vendor { kind } => Entry::Vendor { code: *kind },
        EntryKind::Unknown { kind } => Entry::Unknown { code: *kind },
    }
}
