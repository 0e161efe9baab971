//! Which instructions Armv6-M lacks (Arm DDI 0419, chapter A5): an emulated Armv7-M core that stands for a Cortex-M0+ is shown an
//! undefined one instead.

/// `UDF #0`, which is undefined on every core.
pub const UNDEFINED: u16 = 0xDE00;

/// Whether the instruction at a halfword has a second one.
pub const fn is_wide(first: u16) -> bool {
    first >= 0xE800
}

/// Whether a narrow instruction is one of Armv6-M.
///
/// Missing are CBZ and CBNZ, IT with a mask, and undefined or unallocated encodings, which the emulator refuses itself.
pub const fn has_narrow(instruction: u16) -> bool {
    match instruction {
        // CBZ and CBNZ: 1011 x0x1.
        0xB100..=0xB1FF | 0xB300..=0xB3FF | 0xB900..=0xB9FF | 0xBB00..=0xBBFF => false,
        // Hints have an empty mask; the others are IT.
        0xBF00..=0xBFFF => instruction & 0xF == 0,
        _ => true,
    }
}

/// Whether a wide instruction is one of Armv6-M: BL, MSR, MRS, DSB, DMB, ISB, and UDF.W, which is undefined anyway.
pub const fn has_wide(first: u16, second: u16) -> bool {
    // BL: 11110 S imm10, 11 J1 1 J2 imm11.
    if first & 0xF800 == 0xF000 && second & 0xD000 == 0xD000 {
        return true;
    }
    // MSR (register) to a special register: 0xF380 | Rn, 0x88 SYSm.
    let msr = first & 0xFFF0 == 0xF380 && second & 0xFF00 == 0x8800;
    // MRS: 0xF3EF, 1000 Rd SYSm.
    let mrs = first == 0xF3EF && second & 0xF000 == 0x8000;
    // DSB, DMB, ISB: 0xF3BF, 0x8F4x, 0x8F5x, 0x8F6x.
    let barrier = first == 0xF3BF && matches!(second & 0xFFF0, 0x8F40 | 0x8F50 | 0x8F60);
    msr || mrs || barrier
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_armv6_m_has() {
        for (name, first, second) in [
            ("bl", 0xF000, 0xF800),
            ("bl backwards", 0xF7FF, 0xFFFE),
            ("msr primask, r0", 0xF380, 0x8810),
            ("mrs r0, ipsr", 0xF3EF, 0x8005),
            ("dsb", 0xF3BF, 0x8F4F),
            ("dmb", 0xF3BF, 0x8F5F),
            ("isb", 0xF3BF, 0x8F6F),
        ] {
            assert!(is_wide(first) && has_wide(first, second), "{name}");
        }
        for narrow in [0xBF00, 0xBF30, 0xB510, 0xBD10, 0xB662, 0xBA00, 0xB200, 0x4770, 0xC103, 0xE7FE] {
            assert!(!is_wide(narrow) && has_narrow(narrow), "{narrow:#x}");
        }
    }

    #[test]
    fn what_armv6_m_lacks() {
        for (name, first, second) in [
            ("movw r0, #0", 0xF240, 0x0000),
            ("sdiv r0, r0, r1", 0xFB90, 0xF0F1),
            ("ldrex r0, [r1]", 0xE851, 0x0F00),
            ("b.w", 0xF000, 0x9000),
            ("beq.w", 0xF000, 0x8000),
            ("clrex", 0xF3BF, 0x8F2F),
            ("nop.w", 0xF3AF, 0x8000),
            ("ldr.w r0, [r1]", 0xF8D1, 0x0000),
            ("tbb [r0, r1]", 0xE8D0, 0xF001),
        ] {
            assert!(is_wide(first) && !has_wide(first, second), "{name}");
        }
        for (name, narrow) in [("cbz r0", 0xB100), ("cbnz r7", 0xBB07), ("it eq", 0xBF08), ("ite ne", 0xBF14)]
        {
            assert!(!is_wide(narrow) && !has_narrow(narrow), "{name}");
        }
    }
}
