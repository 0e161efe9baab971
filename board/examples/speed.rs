//! Prints how many instructions a second of CPU the emulated cores execute, what a further core costs, and how many RPMsg messages a
//! second of CPU go to a sample and back: `cargo run --release -p rproc-board --example speed`. An argument names another sample of
//! `firmware/elf` than `echo-m33.elf` for that.

#[path = "../tests/support/assembly.rs"]
#[allow(dead_code, reason = "the tests use the other programs")]
mod assembly;
#[path = "../tests/guest/words.rs"]
#[rustfmt::skip]
#[allow(dead_code, reason = "the tests use the other programs")]
mod guest;
#[path = "../tests/signing/mod.rs"]
mod signing;

use std::error::Error;
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use rproc_board::system::{System, VirtualProcessor};
use rproc_board::{Board, Initiator, boards};
use rproc_lifecycle::{ChannelId, Event};

const CODE: u32 = 0x8010_0000;
const M0_CODE: u32 = 0x200C_0000;
const M0_RESULT: u32 = 0x200C_4000;
const IPCC2: u32 = 0x4625_0000;
const ROUND_TRIPS: u32 = 5000;
/// The longest wait, of virtual time.
const LIMIT: Duration = Duration::from_secs(1);

fn main() -> Result<(), Box<dyn Error>> {
    let sample = std::env::args().nth(1);
    cores()?;
    // The third is what the real system's suite `rpmsg` exchanges.
    for (in_flight, bytes) in [(1, 1..=1), (1, 64..=64), (1, 1..=496), (1, 496..=496), (8, 1..=1)] {
        echo(sample.as_deref().unwrap_or("echo-m33.elf"), in_flight, bytes)?;
    }
    Ok(())
}

/// CPU time of this thread: the machine may be shared. Where the kernel does not tell, time by the clock.
fn cpu(begun: Instant) -> Duration {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanoseconds = told.and_then(|line| line.split(' ').next()?.parse().ok());
    nanoseconds.map_or_else(|| begun.elapsed(), Duration::from_nanos)
}

/// The interpreter alone, and several cores at once.
fn cores() -> Result<(), Box<dyn Error>> {
    let (count, it_block) = (Some(guest::COUNT), Some(guest::IT_BLOCK));
    let busy = || Some(assembly::count(M0_CODE, M0_RESULT));
    let asleep = || Some(assembly::mailbox(M0_CODE, IPCC2, 13, M0_RESULT));
    let ev1 = boards::stm32mp257f_ev1();
    // No chip here has three: this one has its Cortex-M0+ twice, under one reset and with one program.
    let mut three = ev1.clone();
    three.coprocessors.extend(ev1.coprocessor(2).cloned());
    for (name, description, m33, m0, milliseconds) in [
        ("M33, stores in a loop", ev1, count, None, 20),
        ("M33, SysTick in IT blocks", ev1, it_block, None, 20),
        ("M0+, stores in a loop", ev1, None, busy(), 400),
        ("M0+ twice, stores in a loop", &three, None, busy(), 400),
        ("M33 and M0+, stores in a loop", ev1, count, busy(), 20),
        ("M33 and M0+ twice, stores in a loop", &three, count, busy(), 20),
        ("M33, stores in a loop, M0+ asleep", ev1, count, asleep(), 20),
        ("M33, stores in a loop, M0+ twice and asleep", &three, count, asleep(), 20),
    ] {
        let mut board = Board::new(description)?;
        let secure = board.port(Initiator::A35Secure);
        if let Some(program) = m33 {
            let bytes: Vec<u8> = program.iter().flat_map(|word| word.to_le_bytes()).collect();
            secure.write(u64::from(CODE), &bytes)?;
            secure.write32(0x4880_20A8, CODE)?;
            secure.write32(0x4420_0434, 1)?;
        }
        if let Some(program) = m0 {
            secure.write(u64::from(program.base), &program.image())?;
            secure.write32(0x4420_0490, 0b10)?;
        }
        let clock = Instant::now();
        let begun = cpu(clock);
        board.run_for(Duration::from_millis(milliseconds));
        let spent = cpu(clock) - begun;
        let instructions = board.instructions();
        let each = spent.as_secs_f64() * 1e9 / instructions as f64;
        println!("{name}: {instructions} instructions, {:.2} MIPS, {each:.0} ns each", 1e3 / each);
    }
    Ok(())
}

/// Messages of each of so many bytes, in turn, to a sample on the M33 and back, so many of them on their way at once.
fn echo(sample: &str, in_flight: u32, bytes: RangeInclusive<usize>) -> Result<(), Box<dyn Error>> {
    let mut system = signing::system(sample);
    let payload = vec![0x5A; *bytes.end()];
    // By the clock: the kernel counts CPU time in ticks, which are longer than this.
    let begun = Instant::now();
    m33(&mut system)?.boot()?;
    let channel = announced(&mut system)?;
    m33(&mut system)?.send(channel, payload.get(..*bytes.start()).unwrap_or_default(), LIMIT)?;
    let processor = m33(&mut system)?;
    if !(0..100).any(|_| came(processor) > 0) {
        return Err("the first message does not come back".into());
    }
    let first = begun.elapsed();
    let mut sizes = bytes.clone().cycle();
    let before = m33(&mut system)?.machine().board().instructions();
    let (clock, virtual_time) = (Instant::now(), m33(&mut system)?.machine().board().now());
    let begun = cpu(clock);
    let (mut sent, mut received) = (0, 0);
    while received < ROUND_TRIPS {
        while sent < ROUND_TRIPS && sent - received < in_flight {
            let size = sizes.next().unwrap_or_default();
            m33(&mut system)?.send(channel, payload.get(..size).unwrap_or_default(), LIMIT)?;
            sent += 1;
        }
        received += came(m33(&mut system)?);
    }
    let spent = cpu(clock) - begun;
    let instructions = m33(&mut system)?.machine().board().instructions() - before;
    let virtual_time = m33(&mut system)?.machine().board().now() - virtual_time;
    let (each, trips) = (spent / ROUND_TRIPS, f64::from(ROUND_TRIPS));
    let (least, most) = bytes.into_inner();
    println!(
        "{sample}, {least} to {most} bytes, {in_flight} on their way: {:.0} round trips a second of CPU, {each:.1?} and {:.0} instructions each, {:.1?} of virtual time; the first {:.1?} after `start` by the clock",
        trips / spent.as_secs_f64(),
        instructions as f64 / trips,
        virtual_time / ROUND_TRIPS,
        first
    );
    Ok(())
}

/// How many messages have come when something has happened.
fn came(processor: &mut VirtualProcessor) -> u32 {
    let events = processor.wait(LIMIT);
    events.iter().filter(|event| matches!(event, Event::MessageReceived { .. })).count() as u32
}

/// The processor that echoes.
fn m33(system: &mut System) -> Result<&mut VirtualProcessor, Box<dyn Error>> {
    Ok(system.processor("m33").ok_or("the board has no m33")?)
}

fn announced(system: &mut System) -> Result<ChannelId, Box<dyn Error>> {
    for _ in 0..100 {
        for event in m33(system)?.wait(Duration::from_millis(10)) {
            if let Event::ChannelAnnounced(channel) = event {
                return Ok(channel.id);
            }
        }
    }
    Err("the echo announces no channel".into())
}
