//! The PCI configuration space of the device (PCI Local Bus 3.0, type 0 header, the capability of messages).

use rproc_aperture::{
    DEVICE_ID, MEMORY_BAR, MEMORY_BAR_SIZE, MESSAGES, NORMAL_BAR, REGISTER_BAR_SIZE, SECURE_BAR, VENDOR_ID,
};

/// Bytes.
pub const SIZE: usize = 256;

const COMMAND: usize = 0x04;
const STATUS: usize = 0x06;
const REVISION: usize = 0x08;
const CLASS: usize = 0x0b;
const BARS: usize = 0x10;
const SUBSYSTEM_VENDOR: usize = 0x2c;
const SUBSYSTEM: usize = 0x2e;
const CAPABILITIES: usize = 0x34;
const INTERRUPT_LINE: usize = 0x3c;
const INTERRUPT_PIN: usize = 0x3d;

/// Memory decoding, bus mastering, interrupt disable.
const COMMAND_BITS: u16 = 1 << 1 | 1 << 2 | 1 << 10;
const INTERRUPT_DISABLE: u16 = 1 << 10;
const INTERRUPT_STATUS: u8 = 1 << 3;
/// A device that fits no class.
const UNCLASSIFIED: u8 = 0xff;
const PIN_A: u8 = 1;
const STATUS_CAPABILITIES: u8 = 1 << 4;

/// The capability of messages: id and next, control, an address of 64 bits, data.
const MSI: usize = 0x40;
const MSI_ID: u8 = 5;
/// Control: switched on; how many of the possible messages are in use, as a power of two.
const MSI_CONTROL_BITS: u16 = 1 | 7 << 4;
const MSI_64_BITS: u16 = 1 << 7;
/// Control: how many messages are possible, as a power of two.
const MSI_POSSIBLE: u16 = (MESSAGES.ilog2() as u16) << 1;
const _: () = assert!(MESSAGES.is_power_of_two());

/// The bytes, and which of their bits a write changes.
///
/// The BARs are of 32 bits and not prefetchable: reading a hardware semaphore takes it, and a secure world that maps the BARs
/// is spared addresses above 4 GiB.
#[derive(Debug, Clone)]
pub struct ConfigSpace {
    bytes: [u8; SIZE],
    writable: [u8; SIZE],
}

impl ConfigSpace {
    /// The space after a reset.
    pub fn new() -> Self {
        let mut space = ConfigSpace { bytes: [0; SIZE], writable: [0; SIZE] };
        space.put(0, &VENDOR_ID.to_le_bytes());
        space.put(2, &DEVICE_ID.to_le_bytes());
        space.put(REVISION, &[1]);
        space.put(CLASS, &[UNCLASSIFIED]);
        space.put(SUBSYSTEM_VENDOR, &VENDOR_ID.to_le_bytes());
        space.put(SUBSYSTEM, &DEVICE_ID.to_le_bytes());
        space.put(INTERRUPT_PIN, &[PIN_A]);
        space.put(STATUS, &[STATUS_CAPABILITIES]);
        space.put(CAPABILITIES, &[MSI as u8]);
        space.put(MSI, &[MSI_ID, 0]);
        space.put(MSI + 2, &(MSI_64_BITS | MSI_POSSIBLE).to_le_bytes());
        space.open(MSI + 2, &MSI_CONTROL_BITS.to_le_bytes());
        // Addresses are of whole words.
        space.open(MSI + 4, &[0xfc, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
        space.open(COMMAND, &COMMAND_BITS.to_le_bytes());
        space.open(INTERRUPT_LINE, &[0xff]);
        let sizes =
            [(NORMAL_BAR, REGISTER_BAR_SIZE), (SECURE_BAR, REGISTER_BAR_SIZE), (MEMORY_BAR, MEMORY_BAR_SIZE)];
        for (bar, size) in sizes {
            // The address bits below the size stay zero, by which software learns the size.
            let address_bits = !(size as u32 - 1);
            space.open(BARS + 4 * usize::from(bar), &address_bits.to_le_bytes());
        }
        space
    }

    fn put(&mut self, at: usize, value: &[u8]) {
        self.bytes.iter_mut().skip(at).zip(value).for_each(|(byte, value)| *byte = *value);
    }

    fn open(&mut self, at: usize, bits: &[u8]) {
        self.writable.iter_mut().skip(at).zip(bits).for_each(|(byte, bits)| *byte = *bits);
    }

    /// Whether the interrupt pin is disabled.
    pub fn interrupt_disabled(&self) -> bool {
        let [low, high] = [COMMAND, COMMAND + 1].map(|at| self.bytes.get(at).copied().unwrap_or(0));
        u16::from_le_bytes([low, high]) & INTERRUPT_DISABLE != 0
    }

    /// Reads; what lies beyond the space reads zero. `interrupting` is the state that the status register shows, whether the
    /// pin is disabled or not.
    pub fn read(&self, offset: usize, into: &mut [u8], interrupting: bool) {
        for (index, byte) in into.iter_mut().enumerate() {
            let at = offset.saturating_add(index);
            let status = if at == STATUS && interrupting { INTERRUPT_STATUS } else { 0 };
            *byte = self.bytes.get(at).copied().unwrap_or(0) | status;
        }
    }

    /// Writes the bits that can be written; the others keep their value.
    pub fn write(&mut self, offset: usize, from: &[u8]) {
        for (index, value) in from.iter().enumerate() {
            let at = offset.saturating_add(index);
            if let (Some(byte), Some(bits)) = (self.bytes.get_mut(at), self.writable.get(at)) {
                *byte = *byte & !bits | value & bits;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(space: &ConfigSpace, at: usize, interrupting: bool) -> u32 {
        let mut bytes = [0; 4];
        space.read(at, &mut bytes, interrupting);
        u32::from_le_bytes(bytes)
    }

    #[test]
    fn it_is_our_device_with_three_memories_and_a_pin() {
        let mut space = ConfigSpace::new();
        assert_eq!(word(&space, 0, false), 0x5260_1234);
        for (bar, size) in [(0, 0x20_0000u32), (1, 0), (2, 0x20_0000), (3, 0), (4, 0x10_0000), (5, 0)] {
            space.write(0x10 + 4 * bar, &[0xff; 4]);
            assert_eq!(word(&space, 0x10 + 4 * bar, false), size.wrapping_neg(), "BAR{bar}");
        }
        space.write(0, &[0xff; SIZE]);
        assert_eq!(word(&space, 0, false), 0x5260_1234, "ids stay");
        assert_eq!(word(&space, 4, false), 0x10 << 16 | u32::from(COMMAND_BITS));
        assert_eq!(word(&space, 0x3c, false), 0x1ff);
    }

    #[test]
    fn the_status_shows_the_interrupt_even_while_it_is_disabled() {
        let mut space = ConfigSpace::new();
        assert!(!space.interrupt_disabled());
        space.write(5, &[4]);
        assert!(space.interrupt_disabled());
        assert_eq!(word(&space, 4, true) >> 16 & 8, 8);
        assert_eq!(word(&space, 4, false) >> 16 & 8, 0);
    }

    #[test]
    fn two_messages_at_any_address_are_possible() {
        let mut space = ConfigSpace::new();
        assert_eq!(word(&space, 0x34, false), 0x40);
        assert_eq!(
            word(&space, 0x40, false),
            0x82_0005,
            "id 5, the last capability; 64 bits, two messages, off"
        );
        space.write(0x40, &[0xff; 16]);
        assert_eq!(word(&space, 0x40, false), 0xf3_0005);
        assert_eq!(word(&space, 0x44, false), 0xffff_fffc);
        assert_eq!(word(&space, 0x48, false), u32::MAX);
        assert_eq!(word(&space, 0x4c, false), 0xffff);
    }

    #[test]
    fn beyond_its_end_there_is_nothing() {
        let mut space = ConfigSpace::new();
        space.write(usize::MAX - 1, &[0xff; 2]);
        space.write(SIZE, &[0xff; 8]);
        assert_eq!(word(&space, SIZE - 2, false), 0);
        assert_eq!(word(&space, SIZE + 100, true), 0);
    }
}
