//! Who may use a byte of memory, as the firewalls' registers say: RISAF4, RISAB3 to RISAB5, RISAL, ETZPC.

use rproc_abi::ProcessorId;

use super::reset::Registers;

pub(super) const DDR: u64 = 0x8000_0000;
pub(super) const RISAF4: u64 = 0x420d_0000;
/// Registers of RISAB3 to RISAB5, and the first address that each guards.
const RISABS: [(u64, u64); 3] =
    [(0x4211_0000, 0x0a04_0000), (0x4212_0000, 0x0a06_0000), (0x4213_0000, 0x0a08_0000)];
const RIFSC: u64 = 0x4208_0000;
/// First address and end of LPSRAM1 to LPSRAM3.
const LPSRAM: [(u64, u64); 3] =
    [(0x200c_0000, 0x200c_2000), (0x200c_2000, 0x200c_4000), (0x200c_4000, 0x200c_8000)];
const ETZPC: u64 = 0x5c00_7000;
/// Number, first address and end of SRAM1 to SRAM4 and RETRAM.
const MCU: [(u64, u64, u64); 5] = [
    (80, 0x1000_0000, 0x1002_0000),
    (81, 0x1002_0000, 0x1004_0000),
    (82, 0x1004_0000, 0x1005_0000),
    (83, 0x1005_0000, 0x1006_0000),
    (84, 0x3800_0000, 0x3801_0000),
];

/// Who wants to use memory.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    /// The normal world of the Cortex-A.
    Linux,
    /// A coprocessor.
    Processor(ProcessorId),
}

impl Who {
    /// Compartment of an STM32MP25.
    const fn compartment(self) -> u32 {
        match self {
            Self::Linux => 1,
            Self::Processor(ProcessorId::CORTEX_M33) => 2,
            Self::Processor(_) => 3,
        }
    }
}

/// One address for a byte that has two.
pub(super) const fn canonical(address: u64) -> u64 {
    match address {
        0x3000_0000..0x3006_0000 => address - 0x2000_0000,
        _ => address,
    }
}

/// Whether a register may decide about a page.
pub(super) fn guards(register: u64, page: u64) -> bool {
    let guard = register & !0xfff;
    match guard {
        RISAF4 => page >= DDR,
        RIFSC => (LPSRAM[0].0..LPSRAM[2].1).contains(&page),
        ETZPC => MCU.iter().any(|(_, start, end)| (*start..*end).contains(&canonical(page))),
        _ => RISABS.iter().any(|(registers, first)| {
            let index = page.wrapping_sub(*first) / 0x1000;
            guard == *registers
                && index < 32
                && match register - guard {
                    offset @ (0x100..0x180 | 0xa00..0xa80) => (offset & 0x7f) / 4 == index,
                    _ => true,
                }
        }),
    }
}

/// Whether `who` can read or write a byte.
pub(super) fn allows(registers: &Registers, who: Who, address: u64) -> bool {
    let address = canonical(address);
    let read = |register| registers.read(register);
    if address >= DDR {
        let offset = (address - DDR) as u32;
        let covering = (1..=15).map(|n| RISAF4 + 0x40 * n).find(|region| {
            let (start, end) = (read(region + 4), read(region + 8) | 0xfff);
            read(*region) & 1 != 0 && (start..=end).contains(&offset)
        });
        let listed = 0x0001_0001 << who.compartment();
        return covering.is_some_and(|region| read(region) & 1 << 8 == 0 && read(region + 0xc) & listed != 0);
    }
    if let Some((guard, first)) = RISABS.iter().find(|(_, at)| (*at..at + 0x2_0000).contains(&address)) {
        let page = (address - first) / 0x1000;
        let lists = guard + 0x20 * u64::from(who.compartment());
        let secure = read(guard + 0x100 + 4 * page) & 0xff == 0xff;
        let filtered = read(guard + 0xa00 + 4 * page) & 1 != 0;
        let listed = [0x808, 0x810].iter().any(|list| read(lists + list) >> page & 1 != 0);
        return !secure && (!filtered || listed);
    }
    if let Some(bank) = LPSRAM.iter().position(|(start, end)| (*start..*end).contains(&address)) {
        let offset = (address - LPSRAM[bank].0) as u32;
        let rights = [0, 8].map(|half| {
            let place = read(RIFSC + 0x924 + half);
            let (start, size) = (8 * (place & 0x7ff), 8 * (place >> 16));
            let inside = bank != 2 || (start..start + size).contains(&offset);
            let rights = read(RIFSC + 0x900 + 0x10 * bank as u64 + half);
            (inside && rights & 1 != 0).then_some(rights)
        });
        let mut rights = rights.into_iter().flatten().peekable();
        return rights.peek().is_none()
            || rights.any(|rights| rights >> 4 & 7 == who.compartment() && rights & 1 << 8 == 0);
    }
    if let Some((id, ..)) = MCU.iter().find(|(_, start, end)| (*start..*end).contains(&address)) {
        let decprot = read(ETZPC + 0x10 + 4 * (id / 16)) >> (2 * (id % 16)) & 3;
        return match who {
            Who::Linux => decprot & 1 != 0,
            Who::Processor(_) => decprot & 2 != 0,
        };
    }
    true
}
