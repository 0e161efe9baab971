//! Writes two patterns in turn, for ever, for another thread to look at: it must never see anything in between.
//!
//! Counter 0's low half-word holds 0x00FF or 0x0100, counter 1 holds 0x0000FFFF or 0x00010000; counter 2 counts rounds.
//! `done` is 1 as soon as the patterns alternate.
#![no_std]
#![no_main]

use rproc_runtime::results::results;

rproc_runtime::entry!(main);

core::arch::global_asm!(
    ".section .text.alternate, \"ax\"",
    ".global alternate",
    ".type alternate, %function",
    ".thumb_func",
    "alternate:", // r0: counter 0, followed by counters 1 and 2; r1: done
    "    movs  r2, #0xFF",
    "    movw  r3, #0x100",
    "    movw  r4, #0xFFFF",
    "    mov   r5, #0x10000",
    "    movs  r6, #0",
    "    movs  r7, #1",
    "1:  strh  r2, [r0]",
    "    str   r4, [r0, #4]",
    "    strh  r3, [r0]",
    "    str   r5, [r0, #4]",
    "    adds  r6, #1",
    "    str   r6, [r0, #8]",
    "    str   r7, [r1]",
    "    b     1b",
);

unsafe extern "C" {
    fn alternate(counters: *mut u32, done: *mut u32) -> !;
}

fn main() -> ! {
    let results = results();
    results.start();
    let [first, ..] = &results.counters;
    // SAFETY: writes the first three counters and `done`, which are atomics, so writing behind a shared reference is fine.
    unsafe { alternate(first.as_ptr(), results.done.as_ptr()) }
}
