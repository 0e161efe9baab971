//! What TF-A and OP-TEE leave behind on the board, done as they do it: by register writes from the secure world.

use crate::bus::{AccessError, Initiator, Port};
use crate::description::{BootMode, Description, Family, PolicyRegion, RisabSite, RisafSite};

const RISAF_SECURE: u32 = 1 << 8;
const RISAF_ENABLE: u32 = 1;
const PAGE: u64 = 4096;
/// RCC TZCR of an STM32MP15: bit 0 makes RCC tell secure from non-secure accesses; the M4's reset stays everyone's.
const RCC_TZCR: u64 = 0;
const RCC_TZCR_TZEN: u32 = 1 << 0;
const IAC_WORDS: u64 = 6;

/// Programs the guards as the description's policy says, enables illegal-access reporting and what the clock controller needs.
pub fn run(description: &Description, secure: &Port) -> Result<(), AccessError> {
    debug_assert_eq!(secure.initiator(), Initiator::A35Secure);
    for guard in &description.risafs {
        let span = bank_span(description, guard.memory);
        let regions = description.policy.iter().filter(|region| within(region, span));
        for (number, region) in (1..).zip(regions) {
            let number = region.number.map_or(number, u64::from);
            program_region(guard, number, region, secure)?;
        }
    }
    for guard in &description.risabs {
        let regions =
            description.policy.iter().filter(|r| within(r, (guard.memory, guard.memory + guard.size)));
        for region in regions {
            program_pages(guard, region, secure)?;
        }
    }
    if let Some(etzpc) = &description.etzpc {
        for boot in &etzpc.boot_modes {
            program_mode(etzpc.registers, boot, secure)?;
        }
    }
    if let Some(iac) = description.registers.iac {
        for word in 0..IAC_WORDS {
            secure.write32(iac + 0x100 + 4 * word, !0)?;
            secure.write32(iac + 4 * word, !0)?;
        }
    }
    match description.family {
        Family::Stm32mp15 => secure.write32(description.registers.rcc + RCC_TZCR, RCC_TZCR_TZEN),
        // What firmware finds running when nobody else is there: ST's M33 firmware stops in its error handler when the mailbox
        // has no clock, and an M0+ that a boot loader starts needs its own.
        Family::Stm32mp25 => description.clock_gates.iter().try_for_each(|gate| {
            secure.write32(description.registers.rcc + u64::from(gate.register), gate.bit)
        }),
    }
}

fn bank_span(description: &Description, memory: u64) -> (u64, u64) {
    let banks = description.banks.iter().map(|bank| (bank.base(), bank.size));
    let found =
        banks.map(|(base, size)| (base, base + size)).find(|(start, end)| (*start..*end).contains(&memory));
    found.unwrap_or((memory, memory))
}

fn within(region: &PolicyRegion, (start, end): (u64, u64)) -> bool {
    (start..end).contains(&region.base)
}

fn program_region(
    guard: &RisafSite,
    number: u64,
    region: &PolicyRegion,
    secure: &Port,
) -> Result<(), AccessError> {
    let registers = guard.registers + 0x40 * number;
    let compartments = u32::from(region.compartments.unwrap_or(0xFF));
    let start = region.base - guard.memory;
    secure.write32(registers + 0x4, start as u32)?;
    secure.write32(registers + 0x8, (start + region.size - 1) as u32)?;
    secure.write32(registers + 0xC, compartments | compartments << 16)?;
    secure.write32(registers, RISAF_ENABLE | if region.secure { RISAF_SECURE } else { 0 })
}

/// DECPROT: two bits for each memory or peripheral, sixteen to a register (Linux `drivers/bus/stm32_etzpc.c`).
fn program_mode(etzpc: u64, boot: &BootMode, secure: &Port) -> Result<(), AccessError> {
    let register = etzpc + 0x10 + 4 * u64::from(boot.id / 16);
    let shift = 2 * u32::from(boot.id % 16);
    let modes = secure.read32(register)?;
    secure.write32(register, modes & !(3 << shift) | u32::from(boot.mode) << shift)
}

fn program_pages(guard: &RisabSite, region: &PolicyRegion, secure: &Port) -> Result<(), AccessError> {
    let first = (region.base - guard.memory) / PAGE;
    for page in first..first + region.size / PAGE {
        if let Some(compartments) = region.compartments {
            for compartment in (0..7).filter(|n| compartments >> n & 1 != 0) {
                for list in [0x808, 0x810] {
                    let register = guard.registers + list + 0x20 * compartment;
                    let pages = secure.read32(register)?;
                    secure.write32(register, pages | 1 << page)?;
                }
            }
        }
        secure.write32(guard.registers + 0xA00 + 4 * page, u32::from(region.compartments.is_some()))?;
        secure.write32(guard.registers + 0x100 + 4 * page, if region.secure { 0xFF } else { 0 })?;
    }
    Ok(())
}
