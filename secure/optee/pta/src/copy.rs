//! A copy that is quick whatever the alignments of its two ends are.

use core::arch::asm;

/// Copies as many bytes as both have.
///
/// The core's `memcpy` goes byte by byte where the two ends are not equally aligned, and the parts of a container lie at 4 beyond a
/// multiple of 8, wherever their segments go.
pub fn unaligned(to: &mut [u8], from: &[u8]) {
    let len = to.len().min(from.len());
    let (pairs, rest) = (len / 16 * 16, len % 16);
    if pairs > 0 {
        // SAFETY: both ranges have `pairs` bytes, a multiple of 16 above 0, and do not overlap, because one of them is borrowed
        // alone. Both are ordinary memory, where the processor takes unaligned accesses (the build script checks that). Plain
        // registers only: what is not changed stays as it is, but for the flags.
        unsafe {
            asm!(
                "2: ldp {a}, {b}, [{from}], #16",
                "stp {a}, {b}, [{to}], #16",
                "subs {left}, {left}, #16",
                "b.ne 2b",
                a = out(reg) _,
                b = out(reg) _,
                from = inout(reg) from.as_ptr() => _,
                to = inout(reg) to.as_mut_ptr() => _,
                left = inout(reg) pairs => _,
                options(nostack),
            );
        }
    }
    for (to, from) in to.iter_mut().zip(from).skip(pairs).take(rest) {
        *to = *from;
    }
}
