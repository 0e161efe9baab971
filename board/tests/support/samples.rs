//! Puts a bundled firmware onto a board and starts it, register by register, as a driver would.
#![allow(dead_code, reason = "each test binary uses its own part")]
#![allow(clippy::unwrap_used, reason = "helpers of tests, which clippy does not take for tests")]

use rproc_board::{Board, Description, Event, Happening, Initiator, boards};
use rproc_elf::ElfFile;

/// A processor with samples of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chip {
    /// Cortex-M4 of an STM32MP157F-DK2.
    M4,
    /// Cortex-M33 of an STM32MP257F-EV1.
    M33,
    /// Cortex-M0+ of the same.
    M0,
}

impl Chip {
    pub const ALL: [Chip; 3] = [Chip::M4, Chip::M33, Chip::M0];

    pub fn board(self) -> &'static Description {
        match self {
            Chip::M4 => boards::stm32mp157f_dk2(),
            Chip::M33 | Chip::M0 => boards::stm32mp257f_ev1(),
        }
    }

    /// Processor id.
    pub const fn id(self) -> u32 {
        match self {
            Chip::M4 => 0,
            Chip::M33 => 1,
            Chip::M0 => 2,
        }
    }

    /// The end of its files' names.
    pub const fn suffix(self) -> &'static str {
        match self {
            Chip::M4 => "m4",
            Chip::M33 => "m33",
            Chip::M0 => "m0",
        }
    }

    /// Where its samples' trace buffers are, for the A side.
    pub const fn trace(self) -> u64 {
        match self {
            Chip::M4 => 0x1004_8090,
            Chip::M33 => 0x8120_0090,
            Chip::M0 => 0x200C_4000,
        }
    }

    /// Lets it go. One with a hold is held again at once, so that a later reset leaves it held.
    pub fn start(self, board: &Board) {
        let secure = board.port(Initiator::A35Secure);
        let write = |address, value| secure.write32(address, value).unwrap();
        match self {
            Chip::M4 => {
                write(0x5000_010C, 1);
                write(0x5000_010C, 0);
            }
            Chip::M33 => {
                write(0x4880_20A8, 0x8010_0000);
                write(0x4420_0434, 1);
                write(0x4420_0434, 0);
            }
            Chip::M0 => write(0x4420_0490, 0b10),
        }
    }

    /// Resets it and keeps it down.
    pub fn stop(self, board: &Board) {
        let secure = board.port(Initiator::A35Secure);
        let write = |address, value| secure.write32(address, value).unwrap();
        match self {
            Chip::M4 => write(0x5000_0404, 1 << 1),
            Chip::M33 => write(0x4420_040C, 1),
            Chip::M0 => write(0x4420_0490, 0b01),
        }
    }
}

/// Puts a firmware's segments where a loader would, zeros included.
pub fn place(board: &Board, chip: Chip, firmware: &str) {
    let path = format!("{}/../firmware/elf/{firmware}.elf", env!("CARGO_MANIFEST_DIR"));
    let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let file = ElfFile::parse(&bytes).unwrap();
    let secure = board.port(Initiator::A35Secure);
    for segment in file.segments().filter(|segment| segment.is_load()) {
        // The M4 sees RETRAM at 0.
        let moved = if chip == Chip::M4 && segment.physical_address < 0x1_0000 { 0x3800_0000 } else { 0 };
        let address = segment.physical_address + moved;
        let content = file.segment_bytes(&segment).unwrap();
        secure.write(address, content).unwrap();
        let length = content.len() as u64;
        secure.fill(address + length, segment.memory_size - length, 0).unwrap();
    }
}

/// What the firmware has written into its trace buffer.
pub fn trace(board: &Board, chip: Chip) -> String {
    let mut text = [0; 2048];
    board.port(Initiator::A35Secure).read(chip.trace(), &mut text).unwrap();
    let end = text.iter().position(|byte| *byte == 0).unwrap_or(text.len());
    String::from_utf8_lossy(&text[..end]).into_owned()
}

/// Takes the events and keeps the lines of one UART, with their times in milliseconds.
pub fn lines(board: &mut Board, uart: u64) -> Vec<(u128, String)> {
    let events = board.drain_events().into_iter();
    events
        .filter_map(|Event { at, what }| match what {
            Happening::UartLine { uart: from, line } if from == uart => Some((at.as_millis(), line)),
            _ => None,
        })
        .collect()
}
