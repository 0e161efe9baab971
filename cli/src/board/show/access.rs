//! Who gets through a guard right after boot, in names.

use rproc_devicetree::secure::{Access, EtzpcMode, GuardKind};

/// Someone on the bus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Initiator {
    name: &'static str,
    /// RIF compartment.
    compartment: u8,
    /// May make secure transactions.
    secure: bool,
}

const fn initiator(name: &'static str, compartment: u8, secure: bool) -> Initiator {
    Initiator { name, compartment, secure }
}

/// An STM32MP25's: `M33-S` is the Cortex-M33 in its secure state.
const RIF: [Initiator; 5] = [
    initiator("TEE", 1, true),
    initiator("Linux", 1, false),
    initiator("M33", 2, false),
    initiator("M33-S", 2, true),
    initiator("M0+", 3, false),
];

/// Names of who may read and of who may write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rights {
    /// Who may read.
    pub readers: Vec<&'static str>,
    /// Who may write.
    pub writers: Vec<&'static str>,
}

impl Rights {
    fn both(names: &[&'static str]) -> Self {
        Self { readers: names.to_vec(), writers: names.to_vec() }
    }

    /// By a guard's policy.
    pub fn of(access: Access) -> Self {
        match access {
            Access::Compartments { secure, readers, writers, .. } => {
                let names = |list: Option<u8>| {
                    let through = |one: &&Initiator| {
                        list.is_none_or(|list| list >> one.compartment & 1 != 0) && (one.secure || !secure)
                    };
                    RIF.iter().filter(through).map(|one| one.name).collect()
                };
                Self { readers: names(readers), writers: names(writers) }
            }
            Access::Etzpc { mode, .. } => match mode {
                EtzpcMode::Secure => Self::both(&["TEE"]),
                EtzpcMode::NonSecureRead => {
                    Self { readers: vec!["TEE", "Linux", "M4"], writers: vec!["TEE"] }
                }
                EtzpcMode::Isolated => Self::both(&["M4"]),
                EtzpcMode::NonSecure => Self::both(&["TEE", "Linux", "M4"]),
            },
        }
    }

    /// Of memory that boot firmware says nothing about: a RISAF's is the TEE's, a RISAB's is secure, an ETZPC's too.
    pub fn at_reset(kind: GuardKind) -> Self {
        match kind {
            GuardKind::Risaf { .. } | GuardKind::Etzpc => Self::both(&["TEE"]),
            GuardKind::Risab => Self::both(&["TEE", "M33-S"]),
        }
    }

    /// Of memory that nothing guards, or a RISAL, which lets everyone through until the TEE closes it.
    pub fn unguarded(etzpc: bool) -> Self {
        if etzpc { Self::both(&["TEE", "Linux", "M4"]) } else { Self::both(&RIF.map(|one| one.name)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_are_those_that_the_board_enforces() {
        let rif = |secure, list| {
            Rights::of(Access::Compartments { secure, encrypted: false, readers: list, writers: Some(0b10) })
        };
        // As board/tests/firewall.rs has them.
        assert_eq!(rif(true, Some(0b100)).readers, ["M33-S"], "tfm_code");
        assert_eq!(rif(false, Some(0b111)).readers, ["TEE", "Linux", "M33", "M33-S"], "ipc_shmem");
        assert_eq!(rif(true, None).readers, ["TEE", "M33-S"], "bsec_mirror");
        assert_eq!(rif(false, None).readers, ["TEE", "Linux", "M33", "M33-S", "M0+"], "cm33_sram1");
        assert_eq!(rif(true, None).writers, ["TEE"]);
        let isolated = Rights::of(Access::Etzpc { mode: EtzpcMode::Isolated, locked: true });
        assert_eq!(isolated.readers, ["M4"]);
    }
}
