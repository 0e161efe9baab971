//! The catch-all behind every peripheral address without a model: it reads back what was written.

use std::collections::{BTreeMap, BTreeSet};

use super::RegisterWrite;

/// Register blocks are taken to be this large when the first access to one is reported.
const BLOCK: u64 = 0x400;

/// Words by address.
#[derive(Debug, Default)]
pub struct Storage {
    words: BTreeMap<u64, u32>,
    seen: BTreeSet<u64>,
}

impl Storage {
    /// Whether this is the first access to the register block around `address`.
    pub fn is_new(&mut self, address: u64) -> bool {
        self.seen.insert(address / BLOCK)
    }

    /// What was last written, else 0.
    pub fn read(&self, address: u64) -> u32 {
        self.words.get(&address).copied().unwrap_or(0)
    }

    /// Keeps a word.
    pub fn write(&mut self, address: u64, write: RegisterWrite) {
        let slot = self.words.entry(address).or_insert(0);
        *slot = write.merge(*slot);
    }
}
