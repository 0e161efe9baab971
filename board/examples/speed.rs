//! Prints how many instructions a second the emulated Cortex-M33 executes: `cargo run --release -p rproc-board --example speed`.

#[path = "../tests/guest/words.rs"]
#[rustfmt::skip]
#[allow(dead_code, reason = "the tests use the other programs")]
mod guest;

use std::error::Error;
use std::time::{Duration, Instant};

use rproc_board::{Board, Initiator, boards};

const CODE: u32 = 0x8010_0000;

fn main() -> Result<(), Box<dyn Error>> {
    for (name, program) in [("stores in a loop", guest::COUNT), ("SysTick in IT blocks", guest::IT_BLOCK)] {
        let mut board = Board::new(boards::stm32mp257f_ev1())?;
        let secure = board.port(Initiator::A35Secure);
        let bytes: Vec<u8> = program.iter().flat_map(|word| word.to_le_bytes()).collect();
        secure.write(u64::from(CODE), &bytes)?;
        secure.write32(0x4880_20A8, CODE)?;
        secure.write32(0x4420_0434, 1)?;
        let begun = Instant::now();
        board.run_for(Duration::from_millis(20));
        let seconds = begun.elapsed().as_secs_f64();
        let instructions = board.instructions();
        println!("{name}: {instructions} instructions, {:.2} MIPS", instructions as f64 / seconds / 1e6);
    }
    Ok(())
}
