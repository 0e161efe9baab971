//! The bundled samples: which firmware a processor runs when no file is given.

use rproc_abi::ProcessorId;

/// A bundled firmware.
#[derive(Clone, Copy)]
pub struct Sample {
    /// What reports call it.
    pub name: &'static str,
    /// The SoC that it is for: its interrupts are other ones elsewhere.
    pub soc: &'static str,
    /// The ELF file.
    pub elf: &'static [u8],
    /// It sends every message back.
    pub echoes: bool,
}

macro_rules! sample {
    ($name:literal, $soc:literal, $file:literal, $echoes:literal) => {
        Sample {
            name: $name,
            soc: $soc,
            elf: include_bytes!(concat!("../../../firmware/elf/", $file)),
            echoes: $echoes,
        }
    };
}

/// The sample of a processor. One that is to crash is the one that obeys orders, where there is one.
pub fn of(processor: ProcessorId, crashes: bool) -> Option<Sample> {
    Some(match (processor, crashes) {
        (ProcessorId::CORTEX_M33, false) => {
            sample!("the bundled echo sample", "stm32mp257", "echo-m33.elf", true)
        }
        (ProcessorId::CORTEX_M33, true) => {
            sample!("the bundled obey sample", "stm32mp257", "obey-m33.elf", true)
        }
        (ProcessorId::CORTEX_M4, false) => {
            sample!("the bundled echo sample", "stm32mp157", "echo-m4.elf", true)
        }
        (ProcessorId::CORTEX_M4, true) => {
            sample!("the bundled obey sample", "stm32mp157", "obey-m4.elf", true)
        }
        (ProcessorId::CORTEX_M0_PLUS, _) => {
            sample!("the bundled blink sample", "stm32mp257", "blink-m0.elf", false)
        }
        _ => return None,
    })
}
