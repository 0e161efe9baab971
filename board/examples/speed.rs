//! Prints how many instructions a second the emulated cores execute: `cargo run --release -p rproc-board --example speed`.

#[path = "../tests/support/assembly.rs"]
#[allow(dead_code, reason = "the tests use the other programs")]
mod assembly;
#[path = "../tests/guest/words.rs"]
#[rustfmt::skip]
#[allow(dead_code, reason = "the tests use the other programs")]
mod guest;

use std::error::Error;
use std::time::{Duration, Instant};

use rproc_board::{Board, Initiator, boards};

const CODE: u32 = 0x8010_0000;
const M0_CODE: u32 = 0x200C_0000;
const M0_RESULT: u32 = 0x200C_4000;

fn main() -> Result<(), Box<dyn Error>> {
    let (count, it_block) = (Some(guest::COUNT), Some(guest::IT_BLOCK));
    for (name, m33, m0, milliseconds) in [
        ("M33, stores in a loop", count, false, 20),
        ("M33, SysTick in IT blocks", it_block, false, 20),
        ("M0+, stores in a loop", None, true, 400),
        ("M33 and M0+, stores in a loop", count, true, 20),
    ] {
        let mut board = Board::new(boards::stm32mp257f_ev1())?;
        let secure = board.port(Initiator::A35Secure);
        if let Some(program) = m33 {
            let bytes: Vec<u8> = program.iter().flat_map(|word| word.to_le_bytes()).collect();
            secure.write(u64::from(CODE), &bytes)?;
            secure.write32(0x4880_20A8, CODE)?;
            secure.write32(0x4420_0434, 1)?;
        }
        if m0 {
            secure.write(u64::from(M0_CODE), &assembly::count(M0_CODE, M0_RESULT).image())?;
            secure.write32(0x4420_0490, 0b10)?;
        }
        let begun = Instant::now();
        board.run_for(Duration::from_millis(milliseconds));
        let seconds = begun.elapsed().as_secs_f64();
        let instructions = board.instructions();
        println!("{name}: {instructions} instructions, {:.2} MIPS", instructions as f64 / seconds / 1e6);
    }
    Ok(())
}
