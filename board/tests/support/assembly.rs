//! Tiny programs in Thumb's narrow instructions, put together by hand: any Cortex-M runs them.

/// First code behind the vectors: 64 words.
const CODE: u32 = 0x100;
/// `b .`
const SPIN: u16 = 0xE7FE;

/// A program for one place in memory.
pub struct Program {
    /// Where it runs.
    pub base: u32,
    /// Instructions; the reset vector is the first.
    pub code: Vec<u16>,
    /// Index of the handler of SysTick and every external interrupt; without one they spin, as faults do.
    pub handler: Option<usize>,
}

impl Program {
    /// The image: vectors and code.
    pub fn image(&self) -> Vec<u8> {
        let mut code = self.code.clone();
        code.push(SPIN);
        let at = |index: usize| self.base + CODE + 2 * index as u32 + 1;
        let fault = at(code.len() - 1);
        let handler = self.handler.map_or(fault, at);
        let vectors = (0..CODE / 4).map(|entry| match entry {
            0 => self.base + 0x1000,
            1 => at(0),
            15.. => handler,
            _ => fault,
        });
        let vectors = vectors.flat_map(u32::to_le_bytes);
        vectors.chain(code.into_iter().flat_map(u16::to_le_bytes)).collect()
    }
}

fn low(word: u32) -> u16 {
    word as u16
}

fn high(word: u32) -> u16 {
    (word >> 16) as u16
}

/// Counts up at `result` without a pause.
pub fn count(base: u32, result: u32) -> Program {
    // ldr r0, =result; movs r1, #0; 1: adds r1, #1; str r1, [r0]; b 1b
    let code = vec![0x4802, 0x2100, 0x3101, 0x6001, 0xE7FC, 0xBF00, low(result), high(result)];
    Program { base, code, handler: None }
}

/// One instruction of one or two halfwords with `r0 = operand` and `r1 = 0`, then 0x600D at `result`.
pub fn attempt(base: u32, instruction: [u16; 2], operand: u32, result: u32) -> Program {
    // ldr r0, =operand; movs r1, #0; the instruction; ldr r2, =result; ldr r3, =0x600D; str r3, [r2]; b .
    let [first, second] = instruction;
    let mut code = vec![0x4803, 0x2100, first, second, 0x4A02, 0x4B03, 0x6013, SPIN];
    code.extend([operand, result, 0x600D].into_iter().flat_map(|word| [low(word), high(word)]));
    Program { base, code, handler: None }
}

/// Waits for a message on channel 1 of a mailbox (`bank` is its own bank, `irq` below 32 its interrupt), takes it and counts it at
/// `result`.
pub fn mailbox(base: u32, bank: u32, irq: u16, result: u32) -> Program {
    let shift_irq = 0x0009 | irq << 6;
    let mut code = vec![
        // ldr r3, =bank; movs r1, #1; str r1, [r3]; mvns r2, r1; str r2, [r3, #4]
        0x4B09, 0x2101, 0x6019, 0x43CA, 0x605A, // ldr r2, =ISER; lsls r1, r1, #irq; str r1, [r2]
        0x4A08, shift_irq, 0x6011, // 1: wfi; b 1b
        0xBF30, 0xE7FD,
        // The handler. ldr r3, =bank; movs r1, #1; str r1, [r3, #8]; ldr r2, =result; ldr r3, [r2]; adds r3, #1; str r3, [r2]
        0x4B04, 0x2101, 0x6099, 0x4A05, 0x6813, 0x3301, 0x6013, // bx lr; nop; nop
        0x4770, 0xBF00, 0xBF00,
    ];
    code.extend([bank, 0xE000_E100, result].into_iter().flat_map(|word| [low(word), high(word)]));
    Program { base, code, handler: Some(10) }
}

/// SysTick on its external reference, every 32 of its periods; counts at `result`.
pub fn tick(base: u32, result: u32) -> Program {
    let mut code = vec![
        // ldr r2, =SYST; movs r1, #31; str r1, [r2, #4]; movs r1, #0; str r1, [r2, #8]; movs r1, #3; str r1, [r2]
        0x4A07, 0x211F, 0x6051, 0x2100, 0x6091, 0x2103, 0x6011, // 1: wfi; b 1b; nop
        0xBF30, 0xE7FD, 0xBF00,
        // The handler. ldr r2, =result; ldr r3, [r2]; adds r3, #1; str r3, [r2]; bx lr; nop
        0x4A03, 0x6813, 0x3301, 0x6013, 0x4770, 0xBF00,
    ];
    code.extend([0xE000_E010, result].into_iter().flat_map(|word| [low(word), high(word)]));
    Program { base, code, handler: Some(10) }
}
