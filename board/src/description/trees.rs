//! A board's description from its two device trees; the wiring that no tree states comes from [`crate::soc`].

use std::collections::BTreeSet;

use rproc_devicetree::secure::{
    Access, BlockKind, BootWord, EtzpcMode, Guard, GuardKind, GuardedRegion, RegionUse, SecureProcessor,
};
use rproc_devicetree::{Finding, Model, Processor, SecureModel};
use rproc_platform::{BeforeTee, Word};

use super::{
    Bank, BootMode, Coprocessor, CoprocessorRegion, Description, EtzpcSite, MailboxInterrupts, MailboxSite,
    Memory, PolicyRegion, RegisterMap, Translation, WatchdogSite, Window,
};
use crate::peripherals::Side;
use crate::soc::{self, CoreWiring, Soc};

/// Trees that are no board.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DescriptionError {
    /// The secure tree has flaws.
    #[error("the secure tree cannot be used: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Flawed(Vec<Finding>),
    /// Nothing is known of the SoC.
    #[error(
        "the secure tree is of {}, and no SoC among that is modelled; those that are: {}",
        if found.is_empty() { "nothing (`compatible` of the root is missing)".to_owned() } else { found.join(", ") },
        soc::KNOWN.iter().map(|soc| soc.compatible).collect::<Vec<_>>().join(", ")
    )]
    UnknownSoc {
        /// The root's `compatible`.
        found: Vec<String>,
    },
    /// The two trees are of different boards.
    #[error("Linux's tree is of {linux} and the secure tree of {secure}; give the two trees of one board")]
    DifferentBoards {
        /// What Linux's tree says first.
        linux: String,
        /// What the secure tree says first.
        secure: String,
    },
    /// The DDR does not begin where this SoC's does, or is in pieces.
    #[error("the secure tree has DDR at {found:x?}; this SoC has one piece of it, from {expected:#x}")]
    Ddr {
        /// What the tree says.
        found: Vec<std::ops::Range<u64>>,
        /// Where it begins.
        expected: u64,
    },
    /// A node describes hardware that this SoC does not have there.
    #[error("{path} is a {what} at {address:#x}, where a {soc} has none; correct its reg, or disable it")]
    NotThere {
        /// Path of the node in the secure tree.
        path: String,
        /// What it would be.
        what: &'static str,
        /// Its physical address.
        address: u64,
        /// The SoC.
        soc: &'static str,
    },
    /// A register block that every board of this SoC needs is missing.
    #[error("the secure tree has no {what}, which a {soc} needs; add its node, or enable it")]
    Missing {
        /// What it is.
        what: &'static str,
        /// The SoC.
        soc: &'static str,
    },
    /// A processor that this SoC does not have.
    #[error("{path} is processor {id}, which a {soc} does not have; it has: {}", known.join(", "))]
    NoProcessor {
        /// Path of the node.
        path: String,
        /// The id.
        id: u32,
        /// The SoC.
        soc: &'static str,
        /// Its processors, as `name (id)`.
        known: Vec<String>,
    },
    /// A policy that the virtual board cannot program.
    #[error("{path}: {what}; the virtual board programs {expected}")]
    Policy {
        /// Path of the region's node.
        path: String,
        /// What it says.
        what: &'static str,
        /// What could be programmed.
        expected: &'static str,
    },
}

impl Description {
    /// The board that both trees describe.
    ///
    /// # Errors
    /// The trees are flawed, of different boards, or describe something that their SoC does not have.
    pub fn from_trees(secure: &SecureModel, linux: &Model) -> Result<Self, DescriptionError> {
        let flaws: Vec<Finding> = secure.errors().cloned().collect();
        if !flaws.is_empty() {
            return Err(DescriptionError::Flawed(flaws));
        }
        let found = || DescriptionError::UnknownSoc { found: secure.compatible.clone() };
        let soc = secure.compatible.iter().find_map(|name| soc::by_compatible(name)).ok_or_else(found)?;
        let compatible = secure.compatible.first().cloned().unwrap_or_default();
        if linux.compatible.first() != Some(&compatible) {
            let linux = linux.compatible.first().cloned().unwrap_or_else(|| "nothing".to_owned());
            return Err(DescriptionError::DifferentBoards { linux, secure: compatible });
        }
        let (banks, memories) = memories(soc, secure)?;
        let coprocessors = coprocessors(soc, secure, linux)?;
        let mut description = Description {
            name: compatible.rsplit(',').next().unwrap_or_default().to_uppercase(),
            compatible,
            soc: soc.name,
            family: soc.family,
            banks,
            memories,
            risafs: Vec::new(),
            risabs: Vec::new(),
            // No tree states them: every SoC of the family has them, over all of its LPSRAM.
            risals: soc.risals.to_vec(),
            etzpc: None,
            policy: Vec::new(),
            peripherals: soc.peripherals,
            registers: registers(soc, secure)?,
            uarts: addresses(secure, BlockKind::Uart).filter(|base| soc.uarts.contains(base)).collect(),
            mailboxes: mailboxes(soc, secure, linux, &coprocessors)?,
            watchdogs: watchdogs(soc, secure)?,
            timers: soc.timers.to_vec(),
            clock_gates: soc.clock_gates.to_vec(),
            coprocessors,
            iac_spi: secure
                .blocks(BlockKind::Iac)
                .next()
                .and_then(|iac| iac.interrupts.first().copied().or(soc.iac_spi)),
        };
        for guard in &secure.guards {
            description.guard(soc, guard)?;
        }
        Ok(description)
    }

    /// Takes a guard of the tree with its policy. A guard over memory that the board does not model is left out.
    fn guard(&mut self, soc: &Soc, guard: &Guard) -> Result<(), DescriptionError> {
        let unknown = |what| DescriptionError::NotThere {
            path: guard.path.clone(),
            what,
            address: guard.registers,
            soc: soc.name,
        };
        let modelled = self.banks.iter().any(|bank| {
            let end = bank.base() + bank.size;
            guard.memory.start < end && bank.base() < guard.memory.end
        });
        match guard.kind {
            GuardKind::Etzpc => {
                let (registers, guarded) = soc.etzpc.ok_or_else(|| unknown("ETZPC"))?;
                if registers != guard.registers {
                    return Err(unknown("ETZPC"));
                }
                let boot_modes = guard.regions.iter().filter_map(boot_mode).collect();
                self.etzpc = Some(EtzpcSite { registers, guarded: guarded.to_vec(), boot_modes });
            }
            _ if !modelled => return Ok(()),
            GuardKind::Risaf { .. } => {
                let site = soc.risafs.iter().find(|site| site.registers == guard.registers);
                self.risafs.push(*site.ok_or_else(|| unknown("RISAF"))?);
            }
            GuardKind::Risab => {
                let site = soc.risabs.iter().find(|site| site.registers == guard.registers);
                self.risabs.push(*site.ok_or_else(|| unknown("RISAB"))?);
            }
        }
        for region in guard.regions.iter().filter(|region| !region.range.is_empty()) {
            self.policy.extend(policy(region)?);
        }
        Ok(())
    }
}

/// What boot firmware writes into an entry of the ETZPC.
fn boot_mode(region: &GuardedRegion) -> Option<BootMode> {
    let Access::Etzpc { mode, .. } = region.access else { return None };
    let mode = match mode {
        EtzpcMode::Secure => 0,
        EtzpcMode::NonSecureRead => 1,
        EtzpcMode::Isolated => 2,
        EtzpcMode::NonSecure => 3,
    };
    Some(BootMode { id: region.number?, mode })
}

fn policy(region: &GuardedRegion) -> Result<Option<PolicyRegion>, DescriptionError> {
    let (secure, compartments) = match region.access {
        Access::Compartments { secure, readers, writers, .. } if readers == writers => (secure, readers),
        Access::Compartments { .. } => {
            return Err(DescriptionError::Policy {
                path: region.path.clone(),
                what: "the compartments that may read are not those that may write",
                expected: "one list for both",
            });
        }
        Access::Etzpc { mode: EtzpcMode::NonSecure, .. } => (false, None),
        Access::Etzpc { mode: EtzpcMode::Secure, .. } => (true, None),
        // Neither the one nor the other: its mode says so (see `EtzpcSite::boot_modes`).
        Access::Etzpc { .. } => return Ok(None),
    };
    Ok(Some(PolicyRegion {
        // OP-TEE's labels are its node names with underscores.
        name: region.name.replace('-', "_"),
        base: region.range.start,
        size: region.range.end - region.range.start,
        secure,
        compartments,
        number: region.number.filter(|_| matches!(region.access, Access::Compartments { .. })),
    }))
}

/// The banks that the tree's memories lie in, and those memories.
fn memories(soc: &Soc, secure: &SecureModel) -> Result<(Vec<Bank>, Vec<Memory>), DescriptionError> {
    let mut memories = Vec::new();
    let base = |windows: &[Window]| windows.first().map_or(0, |window| window.base);
    for memory in &secure.memories {
        let inside = soc.banks.iter().any(|bank| {
            let base = base(bank.windows);
            base <= memory.range.start && memory.range.end <= base + bank.size
        });
        if !inside {
            return Err(DescriptionError::NotThere {
                path: memory.path.clone(),
                what: "memory",
                address: memory.range.start,
                soc: soc.name,
            });
        }
        let (name, base) = (memory.name.clone(), memory.range.start);
        memories.push(Memory { name, base, size: memory.range.end - base });
    }
    let holds = |base: u64, size| memories.iter().any(|memory| (base..base + size).contains(&memory.base));
    let used = soc.banks.iter().filter(|bank| holds(base(bank.windows), bank.size));
    let mut banks: Vec<Bank> = used
        .map(|bank| Bank { name: bank.name.to_owned(), size: bank.size, windows: bank.windows.to_vec() })
        .collect();
    let [ddr] = secure.ddr.as_slice() else {
        return Err(DescriptionError::Ddr { found: secure.ddr.clone(), expected: soc.ddr });
    };
    if ddr.start != soc.ddr {
        return Err(DescriptionError::Ddr { found: secure.ddr.clone(), expected: soc.ddr });
    }
    let size = ddr.end - ddr.start;
    let window = Window { base: ddr.start, secure: false, coprocessors_only: false };
    banks.push(Bank { name: "DDR".to_owned(), size, windows: vec![window] });
    memories.push(Memory { name: "DDR".to_owned(), base: ddr.start, size });
    Ok((banks, memories))
}

fn addresses(secure: &SecureModel, kind: BlockKind) -> impl Iterator<Item = u64> {
    secure.blocks(kind).map(|block| block.address)
}

/// The single register blocks: those that the SoC has must be in the tree.
fn registers(soc: &Soc, secure: &SecureModel) -> Result<RegisterMap, DescriptionError> {
    let needed = |kind, what| {
        let missing = DescriptionError::Missing { what, soc: soc.name };
        addresses(secure, kind).next().ok_or(missing)
    };
    let of_family = |here: Option<u64>, kind, what| here.map(|_| needed(kind, what)).transpose();
    let there =
        |exti: Option<u64>| exti.filter(|exti| addresses(secure, BlockKind::Exti).any(|at| at == *exti));
    let wired = &soc.registers;
    Ok(RegisterMap {
        hsem: needed(BlockKind::Semaphores, "HSEM")?,
        rcc: needed(BlockKind::Rcc, "RCC")?,
        pwr: needed(BlockKind::Power, "PWR")?,
        tamp: needed(BlockKind::Tamp, "TAMP")?,
        syscfg: needed(BlockKind::Syscfg, "SYSCFG")?,
        bsec: needed(BlockKind::Bsec, "BSEC")?,
        exti: wired.exti.map(there),
        ca35syscfg: of_family(wired.ca35syscfg, BlockKind::Ca35Syscfg, "CA35SYSCFG")?,
        rifsc: of_family(wired.rifsc, BlockKind::Rifsc, "RIFSC")?,
        iac: of_family(wired.iac, BlockKind::Iac, "IAC")?,
    })
}

/// Every processor that either tree has a node of.
fn coprocessors(
    soc: &Soc,
    secure: &SecureModel,
    linux: &Model,
) -> Result<Vec<Coprocessor>, DescriptionError> {
    let of_linux = linux.processors().chain(linux.platform.iter().map(|one| &one.processor));
    let of_linux = of_linux.map(|one: &Processor| (one.id, &one.path));
    let named: BTreeSet<_> =
        secure.processors.iter().map(|one| (one.id, &one.path)).chain(of_linux).collect();
    let mut coprocessors: Vec<Coprocessor> = Vec::new();
    for (id, path) in named {
        if coprocessors.iter().any(|known| known.id == id) {
            continue;
        }
        let wiring = soc.cores.iter().find(|core| core.id == id);
        let wiring = wiring.ok_or_else(|| DescriptionError::NoProcessor {
            path: path.clone(),
            id,
            soc: soc.name,
            known: soc.cores.iter().map(|core| format!("{} ({})", core.name, core.id)).collect(),
        })?;
        coprocessors.push(coprocessor(wiring, secure.processor(id)));
    }
    Ok(coprocessors)
}

fn coprocessor(wiring: &CoreWiring, node: Option<&SecureProcessor>) -> Coprocessor {
    let hertz = node.and_then(|node| node.hertz).map_or(wiring.hertz, u64::from);
    let translations = node.map(|node| node.translations.as_slice()).unwrap_or_default();
    let regions = node.map(|node| node.regions.as_slice()).unwrap_or_default();
    Coprocessor {
        id: wiring.id,
        name: wiring.name.to_owned(),
        kind: wiring.kind,
        hertz,
        systick_reference_hertz: wiring.systick_reference_hertz,
        initiator: wiring.initiator,
        translations: translations
            .iter()
            .map(|one| Translation { device: one.device, physical: one.physical, size: one.size })
            .collect(),
        regions: regions
            .iter()
            .map(|one| CoprocessorRegion {
                name: one.region.name.replace('-', "_"),
                device: one.device.clone(),
                physical: one.region.address,
                size: one.region.size,
                shared: one.usage == RegionUse::Ipc,
            })
            .collect(),
        before_tee: node.map_or(BeforeTee::default(), |node| BeforeTee {
            may_run: node.started_before_tee,
            resource_table: node.table_word.map(word),
            state: node.state_word.map(word),
        }),
    }
}

const fn word(word: BootWord) -> Word {
    Word { address: word.register, mask: word.mask }
}

/// The mailboxes of the processors that are there.
fn mailboxes(
    soc: &Soc,
    secure: &SecureModel,
    linux: &Model,
    coprocessors: &[Coprocessor],
) -> Result<Vec<MailboxSite>, DescriptionError> {
    let mut sites = Vec::new();
    for block in secure.blocks(BlockKind::Mailbox) {
        let site = soc.mailboxes.iter().find(|site| site.registers == block.address);
        let mut site = *site.ok_or_else(|| DescriptionError::NotThere {
            path: block.path.clone(),
            what: "mailbox",
            address: block.address,
            soc: soc.name,
        })?;
        if !coprocessors.iter().any(|one| one.id == site.coprocessor) {
            continue;
        }
        if let Some(node) = linux.mailbox_controllers.iter().find(|node| node.address == block.address) {
            site.a_side = if node.side == 0 { Side::One } else { Side::Two };
            site.spi =
                MailboxInterrupts { rx: node.rx.unwrap_or(site.spi.rx), tx: node.tx.unwrap_or(site.spi.tx) };
        }
        sites.push(site);
    }
    Ok(sites)
}

/// The watchdogs that the processors' nodes name.
fn watchdogs(soc: &Soc, secure: &SecureModel) -> Result<Vec<WatchdogSite>, DescriptionError> {
    let mut sites = Vec::new();
    for processor in &secure.processors {
        for path in &processor.watchdogs {
            let block = secure.blocks.iter().find(|block| block.path == *path);
            let Some(block) = block else { continue };
            let site = soc.watchdogs.iter().find(|site| site.registers == block.address);
            let mut site = *site.ok_or_else(|| DescriptionError::NotThere {
                path: path.clone(),
                what: "watchdog",
                address: block.address,
                soc: soc.name,
            })?;
            site.coprocessor = processor.id;
            site.spi = block.interrupts.first().copied().unwrap_or(site.spi);
            sites.push(site);
        }
    }
    Ok(sites)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boards::{self, BOARDS};
    use crate::description::{CoreKind, WatchdogKind};
    use rproc_devicetree::Tree;

    #[test]
    fn the_ev1_is_what_op_tees_policy_says() {
        let board = boards::stm32mp257f_ev1();
        let policy = |name: &str| board.policy.iter().find(|region| region.name == name).unwrap();
        // OP-TEE's stm32mp257f-ev1-ca35tdcid-resmem.dtsi and -rif.dtsi: address, size, secure, compartments, RISAF region.
        for (name, base, size, secure, compartments, number) in [
            ("tfa_bl31", 0x0a00_0000, 0x2_0000, true, Some(0b10), None),
            ("hpdma_lli", 0x0a02_0000, 0x2_0000, false, None, None),
            ("bsec_mirror", 0x0a04_0000, 0x1000, true, None, None),
            ("cm33_sram1", 0x0a04_1000, 0x1_f000, false, None, None),
            ("cm33_sram2", 0x0a06_0000, 0x2_0000, false, None, None),
            ("ddr_param", 0x0a09_f000, 0x1000, true, None, None),
            ("tfm_code", 0x8000_0000, 0x10_0000, true, Some(0b100), Some(1)),
            ("cm33_cube_fw", 0x8010_0000, 0x80_0000, false, Some(0b111), Some(2)),
            ("tfm_data", 0x8090_0000, 0x10_0000, true, Some(0b100), Some(3)),
            ("cm33_cube_data", 0x80a0_0000, 0x80_0000, false, Some(0b111), Some(4)),
            ("ipc_shmem", 0x8120_0000, 0x10_0000, false, Some(0b111), Some(5)),
            ("spare1", 0x8130_0000, 0xcc_0000, false, Some(0b111), Some(6)),
            ("bl31_context", 0x81fc_0000, 0x4_0000, true, Some(0b11), Some(7)),
            ("op_tee", 0x8200_0000, 0x200_0000, true, Some(0b11), Some(8)),
        ] {
            let expected = PolicyRegion { name: name.to_owned(), base, size, secure, compartments, number };
            assert_eq!(*policy(name), expected);
        }
        // Two regions differ from OP-TEE's: see the tree.
        assert!(!policy("cm33_retram").secure);
        assert_eq!((policy("linuxkernel1").base, policy("linuxkernel1").size), (0x8400_0000, 0x3c00_0000));
        assert_eq!((board.policy.len(), board.risafs.len(), board.risabs.len()), (16, 1, 6));
        assert_eq!(board.memories.iter().map(|memory| memory.size).sum::<u64>(), (1024 << 20) + (800 << 10));
    }

    #[test]
    fn processors_mailboxes_and_watchdogs_are_those_of_the_proposal() {
        let board = boards::stm32mp257f_ev1();
        let kinds: Vec<_> = board.coprocessors.iter().map(|one| (one.id, one.kind, one.hertz)).collect();
        assert_eq!(kinds, [(1, CoreKind::CortexM33F, 400_000_000), (2, CoreKind::CortexM0Plus, 16_000_000)]);
        let mailbox =
            |id| board.mailbox_of(id).map(|one| (one.registers, one.a_side, one.spi.rx, one.nvic.rx));
        assert_eq!(mailbox(1), Some((0x4049_0000, Side::One, 171, 171)));
        assert_eq!(mailbox(2), Some((0x4625_0000, Side::Two, 175, 13)));
        let dogs: Vec<_> = board.watchdogs.iter().map(|one| (one.name, one.coprocessor, one.spi)).collect();
        assert_eq!(dogs, [("IWDG3", 1, 4), ("IWDG4", 1, 6), ("IWDG5", 2, 7), ("WWDG2", 2, 11)]);
        let ipc = board.coprocessors[0].regions.iter().find(|region| region.shared).unwrap();
        assert_eq!((ipc.physical, ipc.size), (0x8120_0000, 0x10_0000));
    }

    #[test]
    fn the_dk2_boots_its_m4_from_zero_under_an_etzpc() {
        let board = boards::stm32mp157f_dk2();
        let etzpc = board.etzpc.as_ref().unwrap();
        assert!(etzpc.boot_modes.contains(&BootMode { id: 26, mode: 2 }), "WWDG1 is the M4's");
        assert!(etzpc.boot_modes.contains(&BootMode { id: 84, mode: 3 }), "RETRAM is everyone's");
        assert_eq!(board.policy.iter().map(|region| region.size).sum::<u64>(), 448 << 10);
        let m4 = board.coprocessor(0).unwrap();
        assert_eq!(m4.regions[0].device, [0, 0x3800_0000]);
        assert_eq!(m4.translations[0], Translation { device: 0, physical: 0x3800_0000, size: 0x1_0000 });
        assert_eq!((board.watchdogs[0].kind, board.watchdogs[0].spi), (WatchdogKind::Wwdg, 143));
        assert_eq!(board.mailbox_of(0).unwrap().spi, MailboxInterrupts { rx: 100, tx: 101 });
    }

    #[test]
    fn the_dk_of_the_mp21_is_an_ev1_without_the_m0() {
        let (dk, ev1) = (boards::stm32mp215f_dk(), boards::stm32mp257f_ev1());
        assert_eq!((&dk.banks, &dk.policy, &dk.risabs), (&ev1.banks, &ev1.policy, &ev1.risabs));
        assert_eq!((dk.name.as_str(), dk.soc), ("STM32MP215F-DK", "stm32mp215"));
        assert_eq!((dk.coprocessors.len(), dk.mailboxes.len(), dk.watchdogs.len()), (1, 1, 2));
        assert_eq!(dk.mailboxes[0].nvic.rx, 152);
    }

    fn parsed(name: &str) -> (Tree, Tree) {
        let board = BOARDS.iter().find(|board| board.name == name).unwrap();
        (Tree::parse(board.secure_tree).unwrap(), Tree::parse(board.linux_tree).unwrap())
    }

    fn made(secure: &Tree, linux: &Tree) -> Result<Description, DescriptionError> {
        Description::from_trees(&SecureModel::of(secure), &Model::of(linux))
    }

    #[test]
    fn trees_that_are_no_board_are_refused_with_the_reason() {
        let (secure, linux) = parsed("stm32mp257f-ev1");
        let (_, other) = parsed("stm32mp215f-dk");
        assert!(matches!(made(&secure, &other), Err(DescriptionError::DifferentBoards { .. })));
        let unknown = secure.with_string("/", "compatible", "acme,board").unwrap();
        let text = made(&unknown, &linux).unwrap_err().to_string();
        assert!(text.contains("acme,board") && text.contains("st,stm32mp257"), "{text}");
        let off = |path: &str| secure.with_string(path, "status", "disabled").unwrap();
        let without_rcc = made(&off("/soc@0/rcc@44200000"), &linux).unwrap_err();
        assert!(matches!(without_rcc, DescriptionError::Missing { what: "RCC", .. }), "{without_rcc}");
        let without_guard = made(&off("/soc@0/risab@42140000"), &linux).unwrap();
        assert_eq!(without_guard.risabs.len(), 5);
        let (mp15, _) = parsed("stm32mp157f-dk2");
        let flawed = mp15.with_string("/reserved-memory/retram@38000000", "reg", "x").unwrap();
        assert!(matches!(made(&flawed, &linux), Err(DescriptionError::Flawed(_))));
    }
}
