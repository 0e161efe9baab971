//! What the device tree says about one processor, as far as its lifecycle needs it.

use std::ops::Range;

use crate::machine::{Interrupts, Mailbox};
use crate::supply::{Clock, PowerDomain};

/// A region of reserved memory that the processor's node names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemoryRegion {
    /// Node name without the unit address; carveouts are found by it.
    pub name: String,
    /// Physical address as the application processor sees it.
    pub address: u64,
    /// Size in bytes.
    pub size: u64,
}

impl MemoryRegion {
    /// First address to one past the last; a region that would run over the end of the address space stops there.
    #[must_use]
    pub fn range(&self) -> Range<u64> {
        self.address..self.address.saturating_add(self.size)
    }
}

/// A window through which the processor sees memory elsewhere than the application processor (`dma-ranges`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Translation {
    /// Where the processor sees it.
    pub device_address: u64,
    /// Where the application processor sees it.
    pub address: u64,
    /// Size in bytes.
    pub size: u64,
}

/// One processor as the normal world knows it before any firmware is loaded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Description {
    /// The processor's name, such as `m33`.
    pub name: String,
    /// Its memory regions. Firmware-given addresses are used only inside them.
    pub regions: Vec<MemoryRegion>,
    /// The mailboxes that are wired.
    pub mailboxes: Vec<Mailbox>,
    /// Address windows; when there are none, both sides see memory at the same addresses.
    pub translations: Vec<Translation>,
    /// The clocks that have to be on while it runs, in the order of `clocks`. The same one may be there twice.
    pub clocks: Vec<Clock>,
    /// The power domains of `power-domain-names`.
    pub power_domains: Vec<PowerDomain>,
    /// Which of its interrupts wake the normal world: its mailbox's by `wakeup-source` at the mailbox's node (Linux
    /// `stm32-ipcc.c`), its watchdog's by the same at its own (`stm32_rproc.c`).
    pub wakeup: Interrupts,
}

impl Description {
    /// Whether the node names this power domain.
    #[must_use]
    pub fn has_domain(&self, domain: PowerDomain) -> bool {
        self.power_domains.contains(&domain)
    }

    /// The region of that name.
    #[must_use]
    pub fn region(&self, name: &str) -> Option<&MemoryRegion> {
        self.regions.iter().find(|region| region.name == name)
    }

    /// The region that holds all `size` bytes from `address` on.
    #[must_use]
    pub fn region_around(&self, address: u64, size: u64) -> Option<&MemoryRegion> {
        let end = address.checked_add(size)?;
        self.regions.iter().find(|region| region.range().start <= address && end <= region.range().end)
    }

    /// Whether a mailbox is wired.
    #[must_use]
    pub fn has_mailbox(&self, mailbox: Mailbox) -> bool {
        self.mailboxes.contains(&mailbox)
    }

    /// Where the processor sees `size` bytes at a physical address.
    #[must_use]
    pub fn device_address(&self, address: u64, size: u64) -> Option<u64> {
        self.translate(address, size, |window| (window.address, window.device_address))
    }

    /// Where the application processor sees `size` bytes at a device address.
    #[must_use]
    pub fn physical_address(&self, device_address: u64, size: u64) -> Option<u64> {
        self.translate(device_address, size, |window| (window.device_address, window.address))
    }

    fn translate(&self, from: u64, size: u64, sides: impl Fn(&Translation) -> (u64, u64)) -> Option<u64> {
        let end = from.checked_add(size)?;
        if self.translations.is_empty() {
            return Some(from);
        }
        self.translations.iter().find_map(|window| {
            let (source, target) = sides(window);
            let offset = from.checked_sub(source)?;
            (end <= source.checked_add(window.size)?).then(|| target.checked_add(offset))?
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_translate_what_lies_wholly_inside() {
        // STM32MP15: the M4 sees RETRAM at 0.
        let windows = vec![Translation { device_address: 0, address: 0x3800_0000, size: 0x1_0000 }];
        let description = Description { translations: windows, ..Description::default() };
        assert_eq!(description.physical_address(0x100, 0x10), Some(0x3800_0100));
        assert_eq!(description.device_address(0x3800_fff0, 0x10), Some(0xfff0));
        assert_eq!(description.device_address(0x3800_fff0, 0x11), None);
        assert_eq!(description.physical_address(u64::MAX, 2), None);
        assert_eq!(Description::default().physical_address(7, 1), Some(7));
    }
}
