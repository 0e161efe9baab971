//! The bundled samples: which firmware a processor runs when no file is given.

use rproc_abi::ProcessorId;

/// A bundled firmware.
#[derive(Clone, Copy)]
pub struct Sample {
    /// What reports call it.
    pub name: &'static str,
    /// The ELF file.
    pub elf: &'static [u8],
    /// It sends every message back.
    pub echoes: bool,
}

macro_rules! sample {
    ($name:literal, $file:literal, $echoes:literal) => {
        Sample { name: $name, elf: include_bytes!(concat!("../../../firmware/elf/", $file)), echoes: $echoes }
    };
}

/// The sample of a processor of a SoC: interrupts are other ones elsewhere. One that is to crash is the one that obeys orders,
/// where there is one.
pub fn of(soc: &str, processor: ProcessorId, crashes: bool) -> Option<Sample> {
    Some(match (soc, processor, crashes) {
        ("stm32mp257", ProcessorId::CORTEX_M33, false) => {
            sample!("the bundled echo sample", "echo-m33.elf", true)
        }
        ("stm32mp257", ProcessorId::CORTEX_M33, true) => {
            sample!("the bundled obey sample", "obey-m33.elf", true)
        }
        ("stm32mp215", ProcessorId::CORTEX_M33, false) => {
            sample!("the bundled echo sample", "echo-mp21.elf", true)
        }
        ("stm32mp215", ProcessorId::CORTEX_M33, true) => {
            sample!("the bundled obey sample", "obey-mp21.elf", true)
        }
        ("stm32mp157", ProcessorId::CORTEX_M4, false) => {
            sample!("the bundled echo sample", "echo-m4.elf", true)
        }
        ("stm32mp157", ProcessorId::CORTEX_M4, true) => {
            sample!("the bundled obey sample", "obey-m4.elf", true)
        }
        ("stm32mp257", ProcessorId::CORTEX_M0_PLUS, _) => {
            sample!("the bundled blink sample", "blink-m0.elf", false)
        }
        _ => return None,
    })
}
