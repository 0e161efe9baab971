//! The programs of the workspace in `firmware/`: which binary, for which chip, and what the file is called.

/// A processor that firmware is built for. The firmware's runtime knows it by its target, or by a feature of the runtime.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chip {
    /// The Cortex-M33 of an STM32MP25.
    Stm32mp25M33,
    /// The Cortex-M33 of an STM32MP21.
    Stm32mp21M33,
    /// The Cortex-M4 of an STM32MP15.
    Stm32mp15M4,
    /// The Cortex-M0+ of an STM32MP25.
    Stm32mp25M0,
}

impl Chip {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Stm32mp25M33, Self::Stm32mp21M33, Self::Stm32mp15M4, Self::Stm32mp25M0];

    /// rustc's target.
    pub const fn target(self) -> &'static str {
        match self {
            Self::Stm32mp25M33 | Self::Stm32mp21M33 => "thumbv8m.main-none-eabi",
            Self::Stm32mp15M4 => "thumbv7em-none-eabi",
            Self::Stm32mp25M0 => "thumbv6m-none-eabi",
        }
    }

    /// What tells it from another one with the same target.
    pub const fn feature(self) -> Option<&'static str> {
        match self {
            Self::Stm32mp21M33 => Some("stm32mp21"),
            Self::Stm32mp25M33 | Self::Stm32mp15M4 | Self::Stm32mp25M0 => None,
        }
    }

    /// The programs for it.
    pub fn programs(self) -> impl Iterator<Item = &'static Program> {
        PROGRAMS.iter().filter(move |program| program.chip == self)
    }
}

/// A Rust program.
#[derive(Debug, PartialEq, Eq)]
pub struct Program {
    /// Name of the file in `firmware/elf`, without `.elf`.
    pub name: &'static str,
    /// Name of the binary in the workspace.
    pub binary: &'static str,
    /// Whom it is for.
    pub chip: Chip,
}

const fn m33(name: &'static str, binary: &'static str) -> Program {
    Program { name, binary, chip: Chip::Stm32mp25M33 }
}

const fn mp21(name: &'static str, binary: &'static str) -> Program {
    Program { name, binary, chip: Chip::Stm32mp21M33 }
}

const fn m4(name: &'static str, binary: &'static str) -> Program {
    Program { name, binary, chip: Chip::Stm32mp15M4 }
}

const fn m0(name: &'static str, binary: &'static str) -> Program {
    Program { name, binary, chip: Chip::Stm32mp25M0 }
}

/// Every Rust program.
pub const PROGRAMS: [Program; 20] = [
    m33("echo-m33", "echo"),
    m33("tty-m33", "tty"),
    m33("obey-m33", "obey"),
    m33("starve-m33", "starve"),
    m33("fault", "fault"),
    m33("lockup", "lockup"),
    m33("hang", "hang"),
    m33("forbidden", "forbidden"),
    m33("trap-idle", "trap-idle"),
    m33("trap-it", "trap-it"),
    m33("trap-torn", "trap-torn"),
    m33("trap-warm-reset", "trap-warm-reset"),
    m33("trap-wfe", "trap-wfe"),
    mp21("echo-mp21", "echo"),
    mp21("obey-mp21", "obey"),
    m4("echo-m4", "echo"),
    m4("obey-m4", "obey"),
    m4("starve-m4", "starve"),
    m0("blink-m0", "blink"),
    m0("starve-m0", "starve"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repository;
    use std::collections::BTreeSet;
    use std::fs;

    #[test]
    fn every_binary_of_the_workspace_is_named_here_and_no_other() {
        let firmware = repository().join("firmware");
        let mut binaries = BTreeSet::from(["blink".to_owned()]);
        assert!(firmware.join("blink/src/main.rs").is_file());
        for folder in ["echo/src/bin", "broken/src/bin", "traps/src/bin"] {
            for entry in fs::read_dir(firmware.join(folder)).unwrap() {
                binaries.insert(entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned());
            }
        }
        let named: BTreeSet<_> = PROGRAMS.iter().map(|program| program.binary.to_owned()).collect();
        assert_eq!(named, binaries);
    }

    #[test]
    fn no_two_programs_are_one_file() {
        let names: BTreeSet<_> = PROGRAMS.iter().map(|program| program.name).collect();
        assert_eq!(names.len(), PROGRAMS.len());
    }
}
