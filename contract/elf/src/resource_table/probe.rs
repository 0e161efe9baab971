//! Recognising a resource table at the start of bytes that nobody calls one.

use super::{Entry, EntryKind, Error, ResourceTable, layout};

/// The most entries that [`probe`] believes; real tables have a handful.
pub const MAX_PROBED_ENTRIES: u32 = 64;

/// Whether `bytes` begin with a complete and plausible resource table, and how many bytes it takes: the end of its
/// last entry.
///
/// A plain version-1 container does not say where the resource table is, but its segments are authenticated. Since
/// linker scripts of such firmware give the table a segment of its own or put it first in one, a segment that starts
/// with a table is how a verifier finds it without trusting the section headers. To keep other content from being
/// taken for a table, this is stricter than [`ResourceTable::parse`]: 1 to [`MAX_PROBED_ENTRIES`] entries, each
/// of a known or a vendor's type, in the order of their offsets, behind the array of offsets, without overlap. A vendor's
/// entry must not be the last one, for nothing then says where it ends.
pub fn probe(bytes: &[u8]) -> Option<usize> {
    let table = ResourceTable::parse(bytes).ok()?;
    if !(1..=MAX_PROBED_ENTRIES).contains(&table.len()) {
        return None;
    }
    let mut end = layout::HEADER_SIZE as u64 + u64::from(table.len()) * 4;
    let mut open_ended = false;
    for entry in table.entries() {
        let next = end_of_entry(entry, end)?;
        open_ended = next.open_ended;
        end = next.end;
    }
    let end = usize::try_from(end).ok()?;
    (!open_ended && end <= bytes.len()).then_some(end)
}

struct EndOfEntry {
    end: u64,
    open_ended: bool,
}

/// Where a plausible entry ends that may not start before `floor`.
fn end_of_entry(entry: Result<Entry, Error>, floor: u64) -> Option<EndOfEntry> {
    let entry = entry.ok()?;
    let start = u64::from(entry.offset);
    if start < floor || matches!(entry.kind, EntryKind::Unknown { .. }) {
        return None;
    }
    // Of a vendor's entry only the type word is known to be there.
    Some(EndOfEntry { end: start + entry.size().unwrap_or(4), open_ended: entry.size().is_none() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::resource_table::{TableBuilder, sample};

    #[test]
    fn finds_the_end_of_a_table_with_other_bytes_behind_it() {
        let mut bytes = sample();
        let len = bytes.len();
        assert_eq!(probe(&bytes), Some(len));
        bytes.extend([0xa5; 100]);
        assert_eq!(probe(&bytes), Some(len));
        for cut in 0..len {
            assert_eq!(probe(&bytes[..cut]), None, "{cut} bytes");
        }
    }

    #[test]
    fn a_vendor_entry_is_fine_between_others_but_not_last() {
        let between = TableBuilder::new().vendor(128, &[1; 10]).trace("t", 0, 1).build();
        assert_eq!(probe(&between), Some(between.len()));
        let last = TableBuilder::new().trace("t", 0, 1).vendor(512, &[1; 10]).build();
        assert_eq!(probe(&last), None);
    }

    #[test]
    fn refuses_what_only_looks_like_a_table() {
        assert_eq!(probe(&TableBuilder::new().build()), None, "no entries");
        assert_eq!(
            probe(&TableBuilder::new().vendor(513, &[]).trace("t", 0, 1).build()),
            None,
            "unknown type"
        );
        let mut many = TableBuilder::new();
        for _ in 0..65 {
            many = many.trace("t", 0, 1);
        }
        assert_eq!(probe(&many.build()), None, "65 entries");

        let two = TableBuilder::new().trace("a", 0, 1).trace("b", 0, 1).build();
        assert!(probe(&two).is_some());
        let mut same = two.clone();
        same.copy_within(16..20, 20);
        assert_eq!(probe(&same), None, "offsets not increasing");
        let mut overlapping = two.clone();
        overlapping[20] -= 1;
        assert_eq!(probe(&overlapping), None, "overlap");
        let mut early = two.clone();
        early[16] = 20;
        assert_eq!(probe(&early), None, "inside the offsets");
    }
}
