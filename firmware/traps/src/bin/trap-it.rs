//! Interrupts inside IT blocks: what the block says about the instructions after the interrupt must survive it.
//!
//! Counters, the first six the number of rounds with a wrong result: 0 a tick sliding over ITE and ITT blocks executed a
//! false instruction, 1 … skipped a true one, 2 an SVC inside a block, 3 an interrupt pended inside a block, 4 the same with
//! a handler that returns conditionally, 5 a conditional return that chains into a second interrupt. 6 rounds of the
//! sliding tick, 7 ticks, 8 SVCs, 9 pended interrupts, 10 chained interrupts.
#![no_std]
#![no_main]

use core::sync::atomic::{AtomicU32, Ordering};
use rproc_runtime::cortex_m::{barrier, enable_interrupt, start_tick, stop_tick};
use rproc_runtime::handler;
use rproc_runtime::results::results;

rproc_runtime::entry!(main);
handler!(SysTick, tick);
handler!(SVCall, supervisor_call);
handler!(Interrupt1, chained);

core::arch::global_asm!(
    ".section .text.trap_it, \"ax\"",
    ".syntax unified",
    // u32 slide(void): bit 0 set if a false instruction ran, bit 1 if a true one did not.
    ".global slide",
    ".type slide, %function",
    ".thumb_func",
    "slide:",
    "    movs  r0, #0",
    "    movs  r1, #0",
    "    movs  r2, #0",
    "    cmp   r2, #1",
    "    itete eq",
    "    addeq r0, #1",
    "    addne r1, #1",
    "    addeq r0, #1",
    "    addne r1, #1",
    "    itttt eq",
    "    addeq r0, #1",
    "    addeq r0, #1",
    "    addeq r0, #1",
    "    addeq r0, #1",
    "    itttt ne",
    "    addne r1, #1",
    "    addne r1, #1",
    "    addne r1, #1",
    "    addne r1, #1",
    "    cmp   r0, #0",
    "    it    ne",
    "    movne r0, #1",
    "    cmp   r1, #6",
    "    it    ne",
    "    orrne r0, #2",
    "    bx    lr",
    // u32 call_inside(void): 0 if the block goes on as it must after the SVC.
    ".global call_inside",
    ".type call_inside, %function",
    ".thumb_func",
    "call_inside:",
    "    push  {{r4, lr}}",
    "    movs  r4, #0",
    "    cmp   r4, #1",
    "    ittee ne",
    "    svcne #0",
    "    addne r4, #1",
    "    addeq r4, #2",
    "    addeq r4, #4",
    "    subs  r0, r4, #1",
    "    pop   {{r4, pc}}",
    // u32 pend_inside(u32 *stir, u32 interrupt): the same with an interrupt that the block itself pends.
    ".global pend_inside",
    ".type pend_inside, %function",
    ".thumb_func",
    "pend_inside:",
    "    push  {{r4, lr}}",
    "    movs  r4, #0",
    "    cmp   r4, #1",
    "    ittee ne",
    "    strne r1, [r0]",
    "    addne r4, #1",
    "    addeq r4, #2",
    "    addeq r4, #4",
    "    subs  r0, r4, #1",
    "    pop   {{r4, pc}}",
    // u32 chain(u32 *stir): pends interrupt 0, whose handler pends interrupt 1 and returns conditionally. What was
    // interrupted is no IT block, so each of its instructions must run: returns how many of four did not.
    ".global chain",
    ".type chain, %function",
    ".thumb_func",
    "chain:",
    "    movs  r1, #4",
    "    movs  r2, #0",
    "    cmp   r1, #5",
    "    str   r2, [r0]",
    "    dsb",
    "    subw  r1, r1, #1",
    "    subw  r1, r1, #1",
    "    subw  r1, r1, #1",
    "    subw  r1, r1, #1",
    "    mov   r0, r1",
    "    bx    lr",
    // Counts, then returns as `MODE` says: 0 plainly, 1 from inside an IT block, 2 the same after pending interrupt 1.
    ".global Interrupt0",
    ".type Interrupt0, %function",
    ".thumb_func",
    "Interrupt0:",
    "    ldr   r1, =0x81210000 + 12 + 4 * 9",
    "    ldr   r2, [r1]",
    "    adds  r2, #1",
    "    str   r2, [r1]",
    "    ldr   r1, ={mode}",
    "    ldr   r1, [r1]",
    "    cmp   r1, #1",
    "    bhi   1f",
    "    it    eq",
    "    bxeq  lr",
    "    bx    lr",
    "1:  ldr   r0, =0xE000EF00",
    "    movs  r1, #1",
    "    str   r1, [r0]",
    "    dsb",
    "    cmp   r1, #1",
    "    it    eq",
    "    bxeq  lr",
    "    bx    lr",
    ".size slide, . - slide",
    mode = sym MODE,
);

unsafe extern "C" {
    fn slide() -> u32;
    fn call_inside() -> u32;
    fn pend_inside(stir: u32, interrupt: u32) -> u32;
    fn chain(stir: u32) -> u32;
}

static MODE: AtomicU32 = AtomicU32::new(0);
const STIR: u32 = 0xE000_EF00;

const TICKS: usize = 7;
const SVCS: usize = 8;
const PENDED: usize = 9;
const CHAINED: usize = 10;
const ROUNDS: u32 = 50;

fn main() -> ! {
    let results = results();
    results.start();
    enable_interrupt(0);
    enable_interrupt(1);

    for _ in 0..ROUNDS {
        // SAFETY: keeps the calling convention and touches no memory; the SVC it makes is handled below.
        add(2, unsafe { call_inside() });
    }
    for mode in 0..2 {
        set_mode(mode);
        for _ in 0..ROUNDS {
            // SAFETY: keeps the calling convention, writes the trigger register, and its interrupt is handled above.
            add(3 + mode as usize, unsafe { pend_inside(STIR, 0) });
        }
    }
    set_mode(2);
    for _ in 0..ROUNDS {
        // SAFETY: keeps the calling convention, writes the trigger register, and its two interrupts are handled.
        add(5, unsafe { chain(STIR) });
    }

    // Every period of the tick puts it on other instructions of the loop.
    for period in 301..420 {
        let ticks = results.get(TICKS);
        start_tick(period);
        while results.get(TICKS).wrapping_sub(ticks) < 20 {
            // SAFETY: keeps the calling convention and touches no memory.
            let wrong = unsafe { slide() };
            add(0, wrong & 1);
            add(1, wrong >> 1);
            results.count(6);
        }
        stop_tick();
    }

    let wrong = (0..6).any(|index| results.get(index) != 0);
    let [svcs, pended, chained] = [SVCS, PENDED, CHAINED].map(|index| results.get(index));
    results.finish(!wrong && svcs == ROUNDS && pended == 3 * ROUNDS && chained == ROUNDS)
}

fn set_mode(mode: u32) {
    MODE.store(mode, Ordering::Release);
    barrier();
}

fn add(index: usize, wrong: u32) {
    if wrong != 0 {
        results().count(index);
    }
}

fn tick() {
    results().count(TICKS);
}

fn supervisor_call() {
    results().count(SVCS);
}

fn chained() {
    results().count(CHAINED);
}
