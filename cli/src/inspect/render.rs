//! An inspection as text.

use std::fmt::Write as _;

use rproc_elf::header::MACHINE_ARM;
use rproc_elf::resource_table::ADDRESS_ANY;
use rproc_elf::segment::LOAD;

use crate::inspect::model::{Container, Elf, Entry, Extent, Inspection, Memory, ResourceTable, Section};
use crate::text::{Fields, address, size, table};

/// The whole report.
pub fn text(inspection: &Inspection) -> String {
    let mut text = String::new();
    let what = if inspection.kind == "elf" { "an ELF file, not signed" } else { "a signed image" };
    // Writing to a string does not fail, here and below.
    let _ = writeln!(text, "{}: {what}, {}", inspection.file, size(inspection.size));
    if let Some(container) = &inspection.container {
        text.push_str("not verified: give `rproc verify` a key\n\n");
        describe_container(container, &mut text);
    }
    for (index, elf) in inspection.elf_files.iter().enumerate() {
        describe_elf(index, elf, inspection.container.is_some(), &mut text);
    }
    if let Some(bind) = &inspection.sign_would_bind {
        let _ = write!(text, "\nrproc sign would bind\n{}", bind.text);
    }
    if !inspection.problems.is_empty() {
        text.push_str("\nproblems\n");
        for problem in &inspection.problems {
            let place = problem.place.as_deref().map(|place| format!(", {place}")).unwrap_or_default();
            let _ = writeln!(text, "  {}: {}{place}", problem.reason, problem.sentence);
        }
    }
    text
}

fn describe_container(container: &Container, text: &mut String) {
    let extent = |extent: Extent| format!("{:#x}..{:#x}", extent.start, extent.end);
    let header = &container.header;
    let mut fields = Fields::default();
    fields.add("header", format!("magic {:#010x}, version {}", header.magic, header.version));
    fields.add("TLVs", format!("{} at {}", size(header.tlv_len.into()), extent(container.parts.tlvs)));
    let algorithm = container.algorithm.as_deref().unwrap_or("of unknown algorithm");
    let signature = extent(container.parts.signature);
    fields.add("signature", format!("{} at {signature}, {algorithm}", size(header.sign_len.into())));
    fields.add("images", format!("{} at {}", size(header.img_len.into()), extent(container.parts.images)));
    fields.add("claimed key", container.claimed_key.as_deref().unwrap_or("none"));
    let _ = writeln!(text, "{fields}");
    let rows = container.tlvs.iter().map(|tlv| {
        [
            format!("{:#x}", tlv.offset),
            tlv.name.map_or_else(|| format!("{:#x}", tlv.kind), |name| format!("{name} ({:#x})", tlv.kind)),
            size(tlv.length),
            tlv.meaning.clone(),
        ]
    });
    let _ = writeln!(text, "{}", table(["offset", "TLV", "length", "value"], rows));
    describe_covers(container, text);
}

/// What the signature covers, and what it does not.
fn describe_covers(container: &Container, text: &mut String) {
    let covers = &container.covers;
    let mut fields = Fields::default();
    fields.add("header, TLVs", format!("{:#x}..{:#x}", 0, container.parts.signed.end));
    fields.add("segments", format!("{} program headers and their bytes, by HASHTABLE", covers.segments));
    for (name, covered) in [
        ("ELF metadata", covers.elf_metadata),
        ("target", covers.target),
        ("counter", covers.security_counter),
        ("boot address", covers.boot_address),
        ("resource table", covers.resource_table),
    ] {
        fields.add(name, if covered { "bound" } else { "not bound" });
    }
    let _ = write!(text, "what the signature covers, once verified\n{fields}");
}

fn describe_elf(index: usize, elf: &Elf, in_container: bool, text: &mut String) {
    let machine = match elf.machine {
        MACHINE_ARM => "Arm".to_owned(),
        other => format!("machine {other}"),
    };
    let place = match in_container {
        true => format!("image {index} at {:#x}, {}: ", elf.offset, size(elf.size)),
        false => String::new(),
    };
    let _ = writeln!(text, "\n{place}ELF{}, {machine}, entry {}\n", elf.class, address(elf.entry));
    let rows = elf.segments.iter().map(|segment| {
        [
            segment.index.to_string(),
            if segment.kind == LOAD { "load".to_owned() } else { format!("{:#x}", segment.kind) },
            address(segment.address),
            size(segment.file_size),
            size(segment.memory_size),
            segment.flags.clone(),
            match segment.as_in_hash_table {
                Some(true) => "as in the table",
                Some(false) => "DIFFERS",
                None => "",
            }
            .to_owned(),
        ]
    });
    let header = ["segment", "type", "address", "in file", "in memory", "flags"];
    if in_container {
        let [a, b, c, d, e, f] = header;
        text.push_str(&table([a, b, c, d, e, f, "digest"], rows));
    } else {
        text.push_str(&table(header, rows.map(|[a, b, c, d, e, f, _]| [a, b, c, d, e, f])));
    }
    let mut fields = Fields::default();
    if let Some(section) = &elf.vector_table {
        fields.add("vector table", placed(section));
    }
    if let Some(resources) = &elf.resource_table {
        describe_resource_table(resources, &mut fields);
    }
    let fields = fields.to_string();
    if !fields.is_empty() {
        let _ = write!(text, "\n{fields}");
    }
}

fn placed(section: &Section) -> String {
    let place = match section.load_address {
        Some(load) if load == section.link_address => format!("loaded to {}", address(load)),
        Some(load) => format!("loaded to {}, linked at {}", address(load), address(section.link_address)),
        None => format!("not loaded, linked at {}", address(section.link_address)),
    };
    format!("{}, {}, {place}", section.name, size(section.size))
}

fn describe_resource_table(resources: &ResourceTable, fields: &mut Fields) {
    fields.add("resource table", placed(&resources.section));
    for entry in &resources.entries {
        match entry {
            Entry::Carveout(memory) => fields.more(format!("carveout {}", describe_memory(memory))),
            Entry::DeviceMemory(memory) => fields.more(format!("device memory {}", describe_memory(memory))),
            Entry::Trace { name, device_address, size: len } => fields.more(format!(
                "trace {name:?} at {}, {}",
                anywhere(*device_address),
                size((*len).into())
            )),
            Entry::Vdev { id, features, config_size, vrings } => {
                let name = if *id == 7 { " (RPMsg)" } else { "" };
                let config = size((*config_size).into());
                fields.more(format!("vdev {id}{name}, features {features:#x}, configuration {config}"));
                for ring in vrings {
                    let place = anywhere(ring.device_address);
                    fields.more(format!(
                        "  vring {} at {place}, {} buffers, alignment {}",
                        ring.notify_id, ring.buffers, ring.alignment
                    ));
                }
            }
            Entry::Vendor { code } => fields.more(format!("vendor entry of type {code}")),
            Entry::Unknown { code } => fields.more(format!("entry of unknown type {code}")),
        }
    }
}

fn describe_memory(memory: &Memory) -> String {
    let (device, physical) = (anywhere(memory.device_address), anywhere(memory.physical_address));
    format!("{:?} at {device}, physical {physical}, {}", memory.name, size(memory.size.into()))
}

fn anywhere(device_address: u32) -> String {
    match device_address {
        ADDRESS_ANY => "any address".to_owned(),
        known => address(known),
    }
}
