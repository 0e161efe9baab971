//! A signed image, read as far as it can be, whatever is damaged.

use rproc_abi::Refusal;
use rproc_abi::refusal::{Fact, Reason};
use rproc_elf::ElfFile;
use rproc_image::binding::check_value;
use rproc_image::tlv::TlvReader;
use rproc_image::{Error, HEADER_SIZE, HashTable, SignatureAlgorithm, Tlv, TlvKind};

use crate::failure::Refused;
use crate::inspect::model::{Container, Covers, Elf, Header, Inspection, Parts, Tlv as TlvModel};
use crate::inspect::{elf, meaning};
use crate::limits;
use crate::load_plan::LoadPlan;
use crate::text::hex;

/// The TLVs that every image has.
const REQUIRED: [TlvKind; 6] = [
    TlvKind::SIGN_TYPE,
    TlvKind::NUM_IMG,
    TlvKind::IMG_TYPE,
    TlvKind::IMG_SIZE,
    TlvKind::HASH_TYPE,
    TlvKind::HASH_TABLE,
];

/// The longest value that the JSON output holds.
const VALUE_LIMIT: usize = 4096;

/// Fills in what the file shows.
pub fn inspect(file: &[u8], inspection: &mut Inspection) {
    let problems = &mut inspection.problems;
    let checked = rproc_image::Header::of_file(file).and_then(|header| header.layout(file.len() as u64));
    problems.extend(checked.err().map(Refused::from));
    let Some(header) = header(file) else { return };
    let parts = parts(&header);
    let tlvs = read_tlvs(file, &header, problems);
    check_tlvs(&tlvs, problems);
    inspection.elf_files = elf_files(file, &parts, &tlvs, problems);
    let has = |kind| find(&tlvs, kind).is_some();
    inspection.container = Some(Container {
        header,
        parts,
        algorithm: find(&tlvs, TlvKind::SIGN_TYPE)
            .and_then(|value| SignatureAlgorithm::from_code(*value.first()?))
            .map(|algorithm| algorithm.to_string()),
        claimed_key: find(&tlvs, TlvKind::KEY_FINGERPRINT).filter(|value| value.len() == 32).map(hex),
        covers: Covers {
            segments: hash_table(&tlvs).map_or(0, |table| table.len() as u64),
            elf_metadata: has(TlvKind::ELF_METADATA_DIGEST),
            target: has(TlvKind::TARGET),
            security_counter: has(TlvKind::SECURITY_COUNTER),
            boot_address: has(TlvKind::BOOT_ADDRESS),
            resource_table: has(TlvKind::RESOURCE_TABLE),
        },
        tlvs: tlvs.iter().map(tlv_model).collect(),
    });
}

/// The words of the header, right or wrong; `None` when the file is too short for one.
fn header(file: &[u8]) -> Option<Header> {
    let bytes: &[u8; HEADER_SIZE] = file.first_chunk()?;
    let [magic, version, tlv_len, sign_len, img_len] = *bytes.as_chunks::<4>().0.first_chunk::<5>()?;
    let word = u32::from_le_bytes;
    Some(Header {
        magic: word(magic),
        version: word(version),
        tlv_len: word(tlv_len),
        sign_len: word(sign_len),
        img_len: word(img_len),
    })
}

/// Where the header says the parts are. None of the sums can overflow: the lengths have 32 bits.
fn parts(header: &Header) -> Parts {
    let pad8 = |len: u32| u64::from(len).next_multiple_of(8);
    let tlvs = HEADER_SIZE as u64;
    let signature = tlvs + pad8(header.tlv_len);
    let images = signature + pad8(header.sign_len);
    Parts {
        signed: (0..signature).into(),
        tlvs: (tlvs..tlvs + u64::from(header.tlv_len)).into(),
        signature: (signature..signature + u64::from(header.sign_len)).into(),
        images: (images..images + u64::from(header.img_len)).into(),
    }
}

/// The bytes of a range, as far as the file goes.
fn cut(file: &[u8], start: u64, end: u64) -> &[u8] {
    let at = |offset: u64| usize::try_from(offset).map_or(file.len(), |offset| offset.min(file.len()));
    file.get(at(start)..at(end)).unwrap_or_default()
}

fn read_tlvs<'a>(file: &'a [u8], header: &Header, problems: &mut Vec<Refused>) -> Vec<Tlv<'a>> {
    // The service takes no more, and a hostile file could have millions.
    problems.extend(limits::check_metadata(limits::TLVS, header.tlv_len.into()).err().map(Refused::from));
    let end = parts(header).signed.end.min(HEADER_SIZE as u64 + limits::TLVS);
    let area = cut(file, HEADER_SIZE as u64, end);
    let mut tlvs = Vec::new();
    for tlv in TlvReader::new(area, header.tlv_len.min(u32::try_from(area.len()).unwrap_or(u32::MAX))) {
        match tlv {
            Ok(tlv) => tlvs.push(tlv),
            Err(error) => problems.push(error.into()),
        }
    }
    tlvs
}

fn check_tlvs(tlvs: &[Tlv<'_>], problems: &mut Vec<Refused>) {
    let mut first_of = std::collections::BTreeMap::new();
    for tlv in tlvs {
        if let Some(first) = first_of.insert(tlv.kind, tlv.offset) {
            problems.push(Error::DuplicateTlv { kind: tlv.kind, first, second: tlv.offset }.into());
        }
        problems.extend(check_value(tlv.kind, tlv.value).err().map(Refused::from));
    }
    let missing = REQUIRED.into_iter().filter(|kind| !first_of.contains_key(kind));
    problems.extend(missing.map(|kind| Error::MissingTlv { kind }.into()));
    for kind in [TlvKind::ENC_TYPE, TlvKind::ENC_TABLE] {
        if first_of.contains_key(&kind) {
            problems.push(Error::Encrypted { kind }.into());
        }
    }
}

fn find<'a>(tlvs: &[Tlv<'a>], kind: TlvKind) -> Option<&'a [u8]> {
    tlvs.iter().find(|tlv| tlv.kind == kind).map(|tlv| tlv.value)
}

fn hash_table<'a>(tlvs: &[Tlv<'a>]) -> Option<HashTable<'a>> {
    HashTable::parse(find(tlvs, TlvKind::HASH_TABLE)?).ok()
}

fn elf_files(file: &[u8], parts: &Parts, tlvs: &[Tlv<'_>], problems: &mut Vec<Refused>) -> Vec<Elf> {
    let mut table = hash_table(tlvs);
    let sizes = find(tlvs, TlvKind::IMG_SIZE).unwrap_or_default().as_chunks::<4>().0;
    let sizes = sizes.iter().map(|bytes| u64::from(u32::from_le_bytes(*bytes)));
    let images = parts.images.end - parts.images.start;
    let sum: u64 = sizes.clone().sum();
    if sum != images {
        problems.push(Error::ImagesLength { expected: images, found: sum }.into());
    }
    let (mut found, mut described) = (Vec::new(), Vec::new());
    let mut start = parts.images.start;
    for (image, size) in (0u32..).zip(sizes) {
        let end = start.saturating_add(size);
        match ElfFile::parse(cut(file, start, end)) {
            Ok(elf_file) => {
                described.push(elf::describe(image, start, &elf_file, table.as_mut(), problems));
                found.push(elf_file);
            }
            Err(error) => problems.push(Refused::from(error).at(format!("in image {image}"))),
        }
        start = end;
    }
    if let Some(left) = table.filter(|table| !table.is_empty() && !found.is_empty()) {
        problems.push(
            Refusal::new(Reason::SegmentTableChanged)
                .expected(Fact::Number(0))
                .found(Fact::Number(left.len() as u64))
                .into(),
        );
    }
    if !found.is_empty() {
        let plan = LoadPlan::of(found.iter().map(|elf| (elf.bytes().len() as u64, elf.segments())));
        problems.extend(plan.err().map(Refused::from));
    }
    described
}

fn tlv_model(tlv: &Tlv<'_>) -> TlvModel {
    TlvModel {
        offset: tlv.offset,
        kind: tlv.kind.0,
        name: tlv.kind.name(),
        length: tlv.value.len() as u64,
        value: (tlv.value.len() <= VALUE_LIMIT).then(|| hex(tlv.value)),
        meaning: meaning::of(tlv),
    }
}
