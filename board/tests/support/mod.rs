//! What the board's tests share: loading a guest program and starting the M33 as a driver would.
#![allow(dead_code, reason = "each test binary uses its own part")]
#![allow(clippy::unwrap_used, reason = "helpers of tests, which clippy does not take for tests")]

#[path = "../guest/words.rs"]
#[rustfmt::skip]
pub mod guest;

use rproc_board::core::WorkArounds;
use rproc_board::{Board, CoreKind, CoreName, Initiator, boards};

/// The Cortex-M33.
pub const M33: CoreName = CoreName { id: 1, kind: CoreKind::CortexM33F };
/// Where guest programs run: `cm33_cube_fw`.
pub const CODE: u64 = 0x8010_0000;
/// Where they leave their results: `ipc_shmem`.
pub const RESULTS: u64 = 0x8120_0000;
pub const RCC: u64 = 0x4420_0000;
pub const CA35SYSCFG: u64 = 0x4880_0000;

pub fn board() -> Board {
    Board::new(boards::stm32mp257f_ev1()).unwrap()
}

pub fn board_without(work_around: rproc_board::core::WorkAround) -> Board {
    Board::with_work_arounds(boards::stm32mp257f_ev1(), &[], WorkArounds::without(work_around)).unwrap()
}

pub fn load(board: &Board, program: &[u32]) {
    let bytes: Vec<u8> = program.iter().flat_map(|word| word.to_le_bytes()).collect();
    board.port(Initiator::A35Secure).write(CODE, &bytes).unwrap();
}

/// Reset, vector, release: what `rproc-platform` does.
pub fn start(board: &Board) {
    let secure = board.port(Initiator::A35Secure);
    secure.write32(RCC + 0x40C, 1).unwrap();
    secure.write32(CA35SYSCFG + 0x20A0, 0).unwrap();
    secure.write32(CA35SYSCFG + 0x20A8, CODE as u32).unwrap();
    secure.write32(RCC + 0x434, 1).unwrap();
}

pub fn stop(board: &Board) {
    let secure = board.port(Initiator::A35Secure);
    secure.write32(RCC + 0x434, 0).unwrap();
    secure.write32(RCC + 0x40C, 1).unwrap();
}

pub fn result(board: &Board, index: u64) -> u32 {
    board.port(Initiator::A35NonSecure).read32(RESULTS + 4 * index).unwrap()
}

pub fn set_result(board: &Board, index: u64, value: u32) {
    board.port(Initiator::A35NonSecure).write32(RESULTS + 4 * index, value).unwrap();
}

/// Receive interrupt of IPCC1 on, channel 2 open, as Linux's mailbox driver leaves them.
pub fn open_mailbox(board: &Board) {
    let linux = board.port(Initiator::A35NonSecure);
    linux.write32(0x4049_0000, 1).unwrap();
    linux.write32(0x4049_0004, !0b10).unwrap();
}
