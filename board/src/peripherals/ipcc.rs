//! IPCC: the mailbox. Each of two processors has a flag a channel that only it sets and only the other clears.
//!
//! Register facts: Linux `drivers/mailbox/stm32-ipcc.c` and ST's `stm32mp2xx_hal_ipcc.c`. Bank of processor 1 at 0, of processor
//! 2 at 0x10.

use super::RegisterWrite;

/// CR: receive interrupt (a channel towards me is occupied) and transmit interrupt (one of mine is free).
const RX_ENABLE: u32 = 1 << 0;
const TX_ENABLE: u32 = 1 << 16;

/// Which end of the mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// Processor 1: the A35 in IPCC1, the M0+ in IPCC2.
    One,
    /// Processor 2: the M33 in IPCC1, the A35 in IPCC2.
    Two,
}

impl Side {
    const fn index(self) -> usize {
        match self {
            Side::One => 0,
            Side::Two => 1,
        }
    }

    /// The opposite end.
    pub const fn other(self) -> Side {
        match self {
            Side::One => Side::Two,
            Side::Two => Side::One,
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Bank {
    cr: u32,
    /// Bit n masks channel n+1's receive interrupt, bit n+16 its transmit interrupt.
    mr: u32,
    /// Channels this side has set and the other has not cleared yet.
    sent: u32,
}

/// One mailbox.
#[derive(Debug)]
pub struct Ipcc {
    channels: u32,
    banks: [Bank; 2],
}

impl Ipcc {
    /// A mailbox at reset with 1 to 16 channels: no flag set, every channel masked, interrupts off.
    pub fn new(channels: u32) -> Self {
        Ipcc { channels: channels.clamp(1, 16), banks: [Bank { cr: 0, mr: !0, sent: 0 }; 2] }
    }

    /// The end whose bank an offset belongs to; none for the identification registers.
    pub fn side_of(offset: u32) -> Option<Side> {
        match offset {
            0x00..0x10 => Some(Side::One),
            0x10..0x20 => Some(Side::Two),
            _ => None,
        }
    }

    /// Register read. `SCR` and unknown offsets read 0.
    pub fn read(&self, offset: u32) -> u32 {
        match (Self::side_of(offset), offset) {
            (Some(side), _) => {
                let bank = self.bank(side);
                match offset & 0xF {
                    0x0 => bank.cr,
                    0x4 => bank.mr,
                    0xC => bank.sent,
                    _ => 0,
                }
            }
            (None, 0x3F0) => self.channels,
            (None, 0x3F4) => 0x10,
            _ => 0,
        }
    }

    /// Register write.
    pub fn write(&mut self, offset: u32, write: RegisterWrite) {
        let Some(side) = Self::side_of(offset) else { return };
        let channels = self.channel_mask();
        match offset & 0xF {
            0x0 => {
                let bank = self.bank_mut(side);
                bank.cr = write.merge(bank.cr) & (RX_ENABLE | TX_ENABLE);
            }
            0x4 => {
                let absent = !(channels | channels << 16);
                let bank = self.bank_mut(side);
                bank.mr = write.merge(bank.mr) | absent;
            }
            0x8 => {
                self.bank_mut(side.other()).sent &= !(write.value & channels);
                self.bank_mut(side).sent |= write.value >> 16 & channels;
            }
            _ => {}
        }
    }

    /// Level of a side's receive interrupt: an unmasked channel towards it is occupied.
    pub fn rx_line(&self, side: Side) -> bool {
        let (mine, theirs) = (self.bank(side), self.bank(side.other()));
        mine.cr & RX_ENABLE != 0 && theirs.sent & !mine.mr & self.channel_mask() != 0
    }

    /// Level of a side's transmit interrupt: an unmasked channel of its own is free.
    pub fn tx_line(&self, side: Side) -> bool {
        let mine = self.bank(side);
        mine.cr & TX_ENABLE != 0 && !mine.sent & !(mine.mr >> 16) & self.channel_mask() != 0
    }

    fn channel_mask(&self) -> u32 {
        (1 << self.channels) - 1
    }

    fn bank(&self, side: Side) -> &Bank {
        let [one, two] = &self.banks;
        if side.index() == 0 { one } else { two }
    }

    fn bank_mut(&mut self, side: Side) -> &mut Bank {
        let [one, two] = &mut self.banks;
        if side.index() == 0 { one } else { two }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn write(ipcc: &mut Ipcc, offset: u32, value: u32) {
        ipcc.write(offset, RegisterWrite::word(value));
    }

    #[test]
    fn reset_values() {
        let ipcc = Ipcc::new(16);
        assert_eq!((ipcc.read(0x00), ipcc.read(0x04), ipcc.read(0x0C)), (0, !0, 0));
        assert_eq!((ipcc.read(0x10), ipcc.read(0x14), ipcc.read(0x1C)), (0, !0, 0));
        assert_eq!(ipcc.read(0x3F0) & 0xFF, 16);
    }

    #[test]
    fn a_message_and_its_acknowledgement() {
        let mut ipcc = Ipcc::new(16);
        write(&mut ipcc, 0x10, RX_ENABLE);
        write(&mut ipcc, 0x14, !(1 << 1));
        write(&mut ipcc, 0x00, TX_ENABLE);
        write(&mut ipcc, 0x04, !(1 << 17));
        assert!(ipcc.tx_line(Side::One), "channel 2 is free");
        write(&mut ipcc, 0x08, 1 << 17);
        assert!(ipcc.rx_line(Side::Two) && !ipcc.tx_line(Side::One));
        assert_eq!((ipcc.read(0x0C), ipcc.read(0x08)), (2, 0));
        write(&mut ipcc, 0x18, 1 << 1);
        assert!(!ipcc.rx_line(Side::Two) && ipcc.tx_line(Side::One));
    }

    #[test]
    fn the_sender_cannot_clear_its_own_flag() {
        let mut ipcc = Ipcc::new(16);
        write(&mut ipcc, 0x08, 1 << 16);
        write(&mut ipcc, 0x08, 1);
        assert_eq!(ipcc.read(0x0C), 1);
    }

    #[derive(Default)]
    struct Model {
        occupied: BTreeSet<(usize, u32)>,
        open: BTreeSet<(usize, u32)>,
        enabled: BTreeSet<(usize, bool)>,
    }

    proptest! {
        #[test]
        fn agrees_with_a_model_of_sets(channels in 1u32..=16, ops in proptest::collection::vec((0usize..2, 0u32..3, any::<u32>()), 1..60)) {
            let mut ipcc = Ipcc::new(channels);
            let mut model = Model::default();
            for (side, register, value) in ops {
                write(&mut ipcc, side as u32 * 0x10 + register * 4, value);
                match register {
                    0 => for tx in [false, true] {
                        let bit = if tx { 16 } else { 0 };
                        if value >> bit & 1 == 1 { model.enabled.insert((side, tx)); } else { model.enabled.remove(&(side, tx)); }
                    },
                    1 => for bit in 0..32 {
                        if value >> bit & 1 == 0 && bit % 16 < channels { model.open.insert((side, bit)); } else { model.open.remove(&(side, bit)); }
                    },
                    _ => for channel in 0..channels {
                        if value >> channel & 1 == 1 { model.occupied.remove(&(1 - side, channel)); }
                        if value >> (channel + 16) & 1 == 1 { model.occupied.insert((side, channel)); }
                    },
                }
                for (index, end) in [Side::One, Side::Two].into_iter().enumerate() {
                    let rx = (0..channels).any(|c| model.occupied.contains(&(1 - index, c)) && model.open.contains(&(index, c)));
                    let tx = (0..channels).any(|c| !model.occupied.contains(&(index, c)) && model.open.contains(&(index, c + 16)));
                    prop_assert_eq!(ipcc.rx_line(end), rx && model.enabled.contains(&(index, false)));
                    prop_assert_eq!(ipcc.tx_line(end), tx && model.enabled.contains(&(index, true)));
                    let flags = (0..channels).filter(|&c| model.occupied.contains(&(index, c))).fold(0, |f, c| f | 1 << c);
                    prop_assert_eq!(ipcc.read(index as u32 * 0x10 + 0xC), flags);
                }
            }
        }
    }
}
