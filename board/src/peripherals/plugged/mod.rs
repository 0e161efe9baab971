//! The register blocks that a board's description lists one by one, each with its interrupts and resets.

mod exti;
mod timer;
mod watchdog;

use rproc_aperture::WATCHDOGS;

use super::Peripheral;
use crate::description::{Description, Family, WatchdogSite};
use exti::{ExtiBlock, SharedExti, Wire};
use timer::TimerBlock;
use watchdog::WatchdogBlock;

/// Size of the register blocks here.
const SIZE: u64 = 0x400;

/// A block and the range of addresses it has.
#[derive(Debug)]
pub struct Plugged {
    /// Physical address of its first register (non-secure alias).
    pub base: u64,
    /// Bytes of registers.
    pub size: u64,
    /// The block.
    pub peripheral: Box<dyn Peripheral>,
}

/// The EXTI line of a watchdog's reset, in the controller that has the watchdogs' lines: EXTI on an STM32MP15 (RM0436, the table of
/// EXTI events; the SPI is the one that Linux's trees name), EXTI2 on an STM32MP25.
fn line_of(family: Family, watchdog: &WatchdogSite) -> Option<u8> {
    match family {
        Family::Stm32mp15 => (watchdog.spi == 143).then_some(68),
        Family::Stm32mp25 => WATCHDOGS.iter().find(|known| known.spi == watchdog.spi).map(|known| known.line),
    }
}

/// The controller (physical address of its registers) and the line that tell the A side of a watchdog's reset.
pub fn watchdog_line(description: &Description, watchdog: &WatchdogSite) -> Option<(u64, u8)> {
    let [first, second] = description.registers.exti;
    let controller = match description.family {
        Family::Stm32mp15 => first,
        Family::Stm32mp25 => second,
    };
    Some((controller?, line_of(description.family, watchdog)?))
}

/// The blocks of a board that come one by one from its description, at power-on.
pub fn plugged(description: &Description) -> Vec<Plugged> {
    let mut blocks = Vec::new();
    let mut plug =
        |base, peripheral: Box<dyn Peripheral>| blocks.push(Plugged { base, size: SIZE, peripheral });
    let exti = SharedExti::default();
    let mut wires = Vec::new();
    for site in &description.watchdogs {
        let line = line_of(description.family, site);
        wires.extend(line.map(|line| Wire { line, spi: site.spi, coprocessor: site.coprocessor }));
        plug(site.registers, Box::new(WatchdogBlock::new(*site, line.map(|line| (exti.clone(), line)))));
    }
    let [first, second] = description.registers.exti;
    let (with_watchdogs, other) = match description.family {
        Family::Stm32mp15 => (first, second),
        Family::Stm32mp25 => (second, first),
    };
    if let Some(base) = with_watchdogs {
        plug(base, Box::new(ExtiBlock::new(exti, wires)));
    }
    if let Some(base) = other {
        plug(base, Box::new(ExtiBlock::new(SharedExti::default(), Vec::new())));
    }
    for site in &description.timers {
        plug(site.registers, Box::new(TimerBlock::new(*site)));
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boards;

    #[test]
    fn every_watchdog_of_every_board_has_a_line() {
        for board in [boards::stm32mp157f_dk2(), boards::stm32mp257f_ev1(), boards::stm32mp215f_dk()] {
            for watchdog in &board.watchdogs {
                assert!(line_of(board.family, watchdog).is_some(), "{} of {}", watchdog.name, board.name);
            }
            assert!(!board.watchdogs.is_empty());
        }
    }

    #[test]
    fn no_two_blocks_of_a_board_share_an_address() {
        for board in [boards::stm32mp157f_dk2(), boards::stm32mp257f_ev1(), boards::stm32mp215f_dk()] {
            let mut bases: Vec<u64> = plugged(board).iter().map(|block| block.base).collect();
            let count = bases.len();
            bases.sort_unstable();
            bases.dedup();
            assert_eq!(bases.len(), count, "{}", board.name);
        }
    }
}
