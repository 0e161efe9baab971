//! The bytes of the segments: read once, hashed, and searched for a resource table on the way.

use std::ops::Range;

use rproc_abi::Refusal;
use rproc_abi::refusal::{Fact, Place, Reason};
use rproc_elf::resource_table::probe;
use rproc_image::{HashEntry, Sha256 as _};
use sha2::Sha256;

use crate::failure::Failure;
use crate::input::Input;
use crate::limits;
use crate::verify::elf_head::ElfHead;

/// How much is read at a time: small enough for the processor's second-level cache.
const STEP: u64 = 128 << 10;

/// A resource table that was recognised by its content.
pub struct ProbedTable {
    /// The segment it is in.
    pub place: Place,
    /// Its device addresses.
    pub memory: Range<u64>,
}

/// Checks the digest of every entry of the signed table, loaded or not. With `search`, also looks for resource tables
/// in what is loaded, at every word, as the service does when the image does not say where the table is.
pub fn check(input: &Input, heads: &[ElfHead<'_>], search: bool) -> Result<Vec<ProbedTable>, Failure> {
    let mut buffer = vec![0; (STEP + limits::RESOURCE_TABLE) as usize];
    let mut found = Vec::new();
    for (image, head) in (0u32..).zip(heads) {
        for (index, entry) in (0u32..).zip(head.entries()) {
            let place = Place::Segment { image, index };
            let file = file_range(head, &entry, place)?;
            let search = search && entry.header.is_load() && entry.header.memory_size != 0;
            let digest = read(input, file, &mut buffer, |offset, bytes| {
                let start = entry.header.physical_address.saturating_add(offset);
                if search {
                    found.extend(tables_in(&bytes).into_iter().map(|table| ProbedTable {
                        place,
                        memory: start.saturating_add(table.start)..start.saturating_add(table.end),
                    }));
                }
            })?;
            if digest != *entry.digest {
                return Err(Refusal::new(Reason::SegmentDigest)
                    .expected(Fact::Digest(*entry.digest))
                    .found(Fact::Digest(digest))
                    .at(place)
                    .into());
            }
        }
    }
    Ok(found)
}

/// Where the bytes of a segment are in the container. The plan has checked the loaded ones; others were only signed.
fn file_range(head: &ElfHead<'_>, entry: &HashEntry<'_>, place: Place) -> Result<Range<u64>, Refusal> {
    let file = entry.header.file_range().map_err(|error| Refusal::from(error).at(place))?;
    if file.end > head.image_size() {
        return Err(Refusal::new(Reason::SegmentOutsideFile)
            .expected(Fact::Range { start: 0, size: head.image_size() })
            .found(Fact::Range { start: file.start, size: entry.header.file_size })
            .at(place));
    }
    Ok(head.offset() + file.start..head.offset() + file.end)
}

/// Hashes a range, and shows `look` each step with as many bytes after it as a resource table may have.
fn read(
    input: &Input,
    range: Range<u64>,
    buffer: &mut [u8],
    mut look: impl FnMut(u64, Window<'_>),
) -> Result<[u8; 32], Failure> {
    let mut hash = Sha256::default();
    let mut at = range.start;
    while at < range.end {
        let left = range.end - at;
        let step = left.min(STEP) as usize;
        let with_tail = left.min(STEP + limits::RESOURCE_TABLE) as usize;
        let bytes = buffer.get_mut(..with_tail).unwrap_or_default();
        input.read_at(at, bytes)?;
        rproc_image::Sha256::update(&mut hash, bytes.get(..step).unwrap_or_default());
        look(at - range.start, Window { bytes, step });
        at += step as u64;
    }
    Ok(hash.finish())
}

/// Some bytes of a segment, of which the first `step` have not been seen before.
struct Window<'b> {
    bytes: &'b [u8],
    step: usize,
}

/// The resource tables that start in the new part of the window, as offsets into it.
fn tables_in(window: &Window<'_>) -> Vec<Range<u64>> {
    let words = window.bytes.get(..window.step).unwrap_or_default().as_chunks::<4>().0;
    let mut tables = Vec::new();
    for (block_index, block) in words.chunks(16).enumerate() {
        // Blocks without a version number, nearly all, are passed over without a branch for each word.
        if !block.iter().fold(false, |hit, word| hit | (u32::from_le_bytes(*word) == 1)) {
            continue;
        }
        for at in (0..block.len()).map(|word| (block_index * 16 + word) * 4) {
            let candidate = window.bytes.get(at..).unwrap_or_default();
            let candidate = candidate.get(..limits::RESOURCE_TABLE as usize).unwrap_or(candidate);
            if let Some(size) = probe(candidate) {
                tables.push(at as u64..(at + size) as u64);
            }
        }
    }
    tables
}

#[cfg(test)]
mod tests {
    use super::*;
    use rproc_elf::testing::resource_table;

    #[test]
    fn tables_are_found_at_every_word_of_the_new_part() {
        let table = resource_table::sample();
        let mut bytes = vec![0xa5; 2000];
        for at in [0, 500, 996] {
            bytes[at..at + table.len()].copy_from_slice(&table);
        }
        let starts = |step| {
            tables_in(&Window { bytes: &bytes, step }).iter().map(|table| table.start).collect::<Vec<_>>()
        };
        assert_eq!(starts(2000), [0, 500, 996]);
        assert_eq!(starts(1000), [0, 500, 996], "it may end in the part that comes next");
        assert_eq!(starts(996), [0, 500]);
    }

    #[test]
    fn steps_cover_a_range_once() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let content: Vec<u8> = (0..STEP * 2 + 77).map(|byte| (byte % 251) as u8).collect();
        std::fs::write(file.path(), &content).unwrap();
        let input = Input::open(file.path(), crate::input::Kind::Firmware).unwrap();
        let mut buffer = vec![0; (STEP + limits::RESOURCE_TABLE) as usize];
        let mut seen = Vec::new();
        let range = 5..content.len() as u64;
        let digest = read(&input, range, &mut buffer, |at, window| {
            assert_eq!(at, seen.len() as u64);
            seen.extend_from_slice(&window.bytes[..window.step]);
        });
        assert_eq!(seen, content[5..]);
        assert_eq!(digest.unwrap()[..], <Sha256 as sha2::Digest>::digest(&content[5..])[..]);
    }
}
