//! A copy that is quick whatever the alignments of its two ends are.

use core::arch::asm;

/// Copies `len` bytes.
///
/// The core's `memcpy` goes byte by byte where the two ends are not equally aligned, and the parts of a container lie at 4 beyond a
/// multiple of 8, wherever their segments go.
///
/// # Safety
/// Both ranges are mapped, as ordinary memory, and do not overlap; nobody else reads or writes the destination meanwhile. Somebody
/// may write the source, which changes what is copied and nothing else.
pub unsafe fn unaligned(to: *mut u8, from: *const u8, len: usize) {
    let pairs = len / 16 * 16;
    // SAFETY: as promised above. Unaligned accesses are allowed there (the build script checks that). Either loop is passed by when
    // it has nothing to do. Plain registers and the flags only.
    unsafe {
        asm!(
            "cbz {pairs}, 3f",
            "2: ldp {a}, {b}, [{from}], #16",
            "stp {a}, {b}, [{to}], #16",
            "subs {pairs}, {pairs}, #16",
            "b.ne 2b",
            "3: cbz {rest}, 5f",
            "4: ldrb {a:w}, [{from}], #1",
            "strb {a:w}, [{to}], #1",
            "subs {rest}, {rest}, #1",
            "b.ne 4b",
            "5:",
            a = out(reg) _,
            b = out(reg) _,
            from = inout(reg) from => _,
            to = inout(reg) to => _,
            pairs = inout(reg) pairs => _,
            rest = inout(reg) len - pairs => _,
            options(nostack),
        );
    }
}
