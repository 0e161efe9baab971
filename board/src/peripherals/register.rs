//! A write to a 32-bit register, of which a narrower access touches only some lanes.

/// The value on the bus and the bits of the register it touches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RegisterWrite {
    /// The value in its place in the register; bits outside [`RegisterWrite::lanes`] are 0.
    pub value: u32,
    /// The bits the access touches.
    pub lanes: u32,
}

impl RegisterWrite {
    /// A whole-word write.
    pub const fn word(value: u32) -> Self {
        RegisterWrite { value, lanes: !0 }
    }

    /// A little-endian write of 1, 2 or 4 naturally aligned bytes at `address`.
    pub fn from_bytes(address: u64, bytes: &[u8]) -> Self {
        let mut write = RegisterWrite { value: 0, lanes: 0 };
        for (lane, byte) in bytes.iter().enumerate() {
            let shift = 8 * ((address as u32 & 3) + lane as u32);
            write.value |= u32::from(*byte).checked_shl(shift).unwrap_or(0);
            write.lanes |= 0xFFu32.checked_shl(shift).unwrap_or(0);
        }
        write
    }

    /// What a plain register that held `old` holds afterwards.
    pub const fn merge(self, old: u32) -> u32 {
        (old & !self.lanes) | (self.value & self.lanes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_lands_in_its_lane() {
        let write = RegisterWrite::from_bytes(0x4000_0002, &[0xAB]);
        assert_eq!(write.merge(0x1122_3344), 0x11AB_3344);
        assert_eq!(RegisterWrite::from_bytes(0x4000_0000, &[1, 2, 3, 4]), RegisterWrite::word(0x0403_0201));
    }
}
