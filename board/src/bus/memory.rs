//! The RAM banks with their permission maps, and which bank answers at which address.

use std::io;

use super::access::Initiator;
use crate::description::{Bank, Description};
use crate::firewall::{Maps, PermissionMap, Rights};
use crate::ram::Ram;

/// Page-guarded banks are checked by 512-byte block, the others by 4 KiB page.
const BLOCK_SHIFT: u32 = 9;
const PAGE_SHIFT: u32 = 12;

/// One bank.
#[derive(Debug)]
pub struct MemoryBank {
    /// Its bytes.
    pub ram: Ram,
    /// Who may access them.
    pub permissions: PermissionMap,
    /// A-side address of its first byte.
    pub base: u64,
}

/// Where an address lands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Index of the bank.
    pub bank: usize,
    /// Byte offset inside it.
    pub offset: u64,
    /// Through a window whose transactions are secure.
    pub secure: bool,
}

#[derive(Debug, Clone, Copy)]
struct Span {
    base: u64,
    size: u64,
    bank: usize,
    secure: bool,
}

/// Every bank and every window.
#[derive(Debug)]
pub struct Memories {
    banks: Vec<MemoryBank>,
    /// What the A side sees, and what coprocessors see.
    spans: [Vec<Span>; 2],
}

impl Memories {
    /// The RAM of a board, bank by bank from `source`, which may give less than the description has. Memory is open to
    /// everyone until a guard has been compiled into its map.
    ///
    /// # Errors
    /// Those of `source`.
    pub fn new(
        description: &Description,
        source: &mut dyn FnMut(&Bank) -> io::Result<Ram>,
    ) -> io::Result<Self> {
        let mut banks = Vec::new();
        let mut spans = Vec::new();
        for (bank, site) in description.banks.iter().enumerate() {
            let base = site.base();
            let paged =
                description.risabs.iter().any(|guard| (base..base + site.size).contains(&guard.memory));
            let shift = if paged { BLOCK_SHIFT } else { PAGE_SHIFT };
            let ram = source(site)?;
            let size = ram.size();
            let windows = site.windows.iter();
            spans.extend(
                windows.map(|w| (w.coprocessors_only, Span { base: w.base, size, bank, secure: w.secure })),
            );
            let permissions = PermissionMap::new(size, shift, Rights::ALL);
            banks.push(MemoryBank { ram, permissions, base });
        }
        // Firmware mostly runs from DDR, which descriptions list last.
        spans.reverse();
        let a_side = spans.iter().filter(|(coprocessors_only, _)| !coprocessors_only);
        let a_side = a_side.map(|(_, span)| *span).collect();
        let coprocessors = spans.iter().map(|(_, span)| *span).collect();
        Ok(Memories { banks, spans: [a_side, coprocessors] })
    }

    /// Where an initiator's address lands; none when no RAM answers.
    #[inline]
    pub fn place(&self, by: Initiator, address: u64) -> Option<Place> {
        let [a_side, coprocessors] = &self.spans;
        let spans = if by.is_a_side() { a_side } else { coprocessors };
        spans.iter().find_map(|span| {
            let offset = address.wrapping_sub(span.base);
            (offset < span.size).then_some(Place { bank: span.bank, offset, secure: span.secure })
        })
    }

    /// A bank by index.
    #[inline]
    pub fn bank(&self, index: usize) -> Option<&MemoryBank> {
        self.banks.get(index)
    }

    /// All banks, in the description's order.
    pub fn banks(&self) -> &[MemoryBank] {
        &self.banks
    }
}

impl Maps for Memories {
    fn map_at(&self, address: u64) -> Option<(&PermissionMap, u64)> {
        let place = self.place(Initiator::A35Secure, address)?;
        Some((&self.bank(place.bank)?.permissions, place.offset))
    }
}
