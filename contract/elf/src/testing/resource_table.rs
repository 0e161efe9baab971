//! A builder of resource tables for tests.

use crate::resource_table::{ADDRESS_ANY, Name, layout};
use alloc::vec::Vec;

/// Builds a table, entry by entry. Names longer than 31 bytes become empty.
#[derive(Debug, Clone, Default)]
pub struct TableBuilder {
    entries: Vec<Vec<u8>>,
}

/// The table of ST's OpenAMP examples: an RPMsg device with two vrings of 16 buffers wherever the host likes,
/// and a log of 2 KiB.
pub fn sample() -> Vec<u8> {
    TableBuilder::new()
        .vdev(7, 1, &[(ADDRESS_ANY, 16, 16, 0), (ADDRESS_ANY, 16, 16, 1)])
        .trace("cm33_log", 0x8120_1000, 2048)
        .build()
}

impl TableBuilder {
    /// A table without entries.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds memory to set aside.
    pub fn carveout(self, name: &str, da: u32, pa: u32, len: u32, flags: u32) -> Self {
        self.entry(layout::KIND_CARVEOUT, &[da, pa, len, flags, 0], &name_field(name))
    }

    /// Adds device memory to map.
    pub fn device_memory(self, name: &str, da: u32, pa: u32, len: u32, flags: u32) -> Self {
        self.entry(layout::KIND_DEVICE_MEMORY, &[da, pa, len, flags, 0], &name_field(name))
    }

    /// Adds a log buffer.
    pub fn trace(self, name: &str, da: u32, len: u32) -> Self {
        self.entry(layout::KIND_TRACE, &[da, len, 0], &name_field(name))
    }

    /// Adds a virtio device with vrings of (da, align, num, notifyid).
    pub fn vdev(self, id: u32, features: u32, vrings: &[(u32, u32, u32, u32)]) -> Self {
        let mut tail = Vec::from([0, vrings.len() as u8, 0, 0]);
        for (da, align, num, notifyid) in vrings {
            tail.extend([*da, *align, *num, *notifyid, 0].iter().flat_map(|word| word.to_le_bytes()));
        }
        self.entry(layout::KIND_VDEV, &[id, 0, features, 0, 0], &tail)
    }

    /// Adds an entry of any type with any content.
    pub fn vendor(self, kind: u32, content: &[u8]) -> Self {
        self.entry(kind, &[], content)
    }

    /// The bytes of the table.
    pub fn build(&self) -> Vec<u8> {
        let count = self.entries.len() as u32;
        let mut table: Vec<u8> =
            [layout::VERSION, count, 0, 0].iter().flat_map(|word| word.to_le_bytes()).collect();
        let mut offset = layout::HEADER_SIZE as u32 + 4 * count;
        for entry in &self.entries {
            table.extend(offset.to_le_bytes());
            offset += entry.len() as u32;
        }
        table.extend(self.entries.iter().flatten());
        table
    }

    fn entry(mut self, kind: u32, words: &[u32], tail: &[u8]) -> Self {
        let mut bytes: Vec<u8> = kind.to_le_bytes().to_vec();
        bytes.extend(words.iter().flat_map(|word| word.to_le_bytes()));
        bytes.extend(tail);
        self.entries.push(bytes);
        self
    }
}

fn name_field(name: &str) -> [u8; layout::NAME_SIZE] {
    Name::new(name).map_or([0; layout::NAME_SIZE], |name| *name.raw())
}
