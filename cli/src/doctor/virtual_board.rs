//! A virtual board under the doctor: its TEE, its mailboxes and clocks, and its own time.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::ValueEnum;
use rproc_abi::enumeration::Scope;
use rproc_abi::{Login, ProcessorId};
use rproc_board::clocks::LinuxClocks;
use rproc_board::description::Family;
use rproc_board::tee::{Counters, HostTee, Presence as Hosted, Services, TeeConfig, TrustedKeys};
use rproc_board::{Board, Initiator};
use rproc_devicetree::{MailboxRef, Owner, ProviderRef, Tree};
use rproc_doctor::{Firmware, Known, NeedKind, Observation, Presence};
use rproc_service::Policy;

use super::machine::Machine;
use super::subject::{Providers, Subject};
use super::wish::Wishes;
use super::{Arguments, owners};
use crate::board::Trees;
use crate::board::nodes::{is_compatible, is_off};
use crate::failure::Failure;

/// When tee-supplicant starts, as on a Linux whose init starts it with the other services.
const SUPPLICANT: Duration = Duration::from_secs(2);

/// When a TEE has a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ServicePresence {
    /// From the start
    AtOnce,
    /// Once tee-supplicant runs
    Late,
    /// Never
    Absent,
}

/// What this Linux drives mailboxes and clocks by.
const DRIVERS: [&str; 6] = [
    "st,stm32mp1-ipcc",
    "st,stm32mp25-ipcc",
    "st,stm32mp1-rcc",
    "st,stm32mp25-rcc",
    "st,stm32mp21-rcc",
    "linaro,scmi-optee",
];

/// The board, its TEE and what its Linux knows of them.
pub struct VirtualBoard {
    name: String,
    linux: Tree,
    board: Board,
    tee: Arc<HostTee>,
    wishes: Wishes<Arc<HostTee>>,
    subjects: Vec<Subject>,
    clocks: Option<LinuxClocks>,
    /// When tee-supplicant starts, while it does not run.
    supplicant: Option<Duration>,
    scanned: bool,
    firmware: Option<PathBuf>,
}

impl VirtualBoard {
    /// Boots a board and its TEE.
    pub fn new(arguments: &Arguments) -> Result<Self, Failure> {
        let found = Trees::find(
            arguments.board.as_deref(),
            arguments.linux_tree.as_deref(),
            arguments.secure_tree.as_deref(),
        )?;
        let (linux, secure) = owners::change(found, &arguments.owner)?;
        let trees = Trees::read(&linux, &secure)?;
        let subjects = Subject::all(&linux, &trees.linux, Some(&trees.secure));
        let board = Board::new(&trees.description).map_err(anyhow::Error::new)?;
        // What is nobody's, or somebody's by one tree only, the TEE keeps.
        let kept = trees.owners.iter().filter(|one| matches!(one.owner, Owner::Tee | Owner::Nobody));
        let services = Services {
            remoteproc: match arguments.service {
                ServicePresence::AtOnce => Hosted::Always,
                ServicePresence::Late => Hosted::WithSupplicant,
                ServicePresence::Absent => Hosted::Absent,
            },
            owned: kept.map(|one| ProcessorId(one.id)).collect(),
            ..Services::all()
        };
        let config = TeeConfig {
            keys: TrustedKeys::new([]),
            policy: Policy::Compatible,
            services,
            counters: Counters::new(),
        };
        let tee = Arc::new(HostTee::new(board.bus().clone(), config));
        let asked = subjects.iter().map(|subject| subject.id).collect();
        let wishes = Wishes::new(tee.clone(), Login::ReeKernel, asked);
        let clocks = match trees.description.family {
            Family::Stm32mp25 => Some(
                LinuxClocks::new(
                    tee.clone(),
                    board.port(Initiator::A35NonSecure),
                    trees.description.registers.rcc,
                )
                .map_err(anyhow::Error::new)?,
            ),
            Family::Stm32mp15 => None,
        };
        Ok(Self {
            name: format!("virtual {}", trees.description.name),
            linux,
            board,
            tee,
            wishes,
            subjects,
            clocks,
            supplicant: (!arguments.no_supplicant).then_some(SUPPLICANT),
            scanned: false,
            firmware: arguments.firmware.clone(),
        })
    }

    fn is_driven(&self, provider: &str) -> bool {
        !is_off(&self.linux, provider) && is_compatible(&self.linux, provider, &DRIVERS)
    }

    fn scan(&mut self, scope: Scope) -> Result<(), Failure> {
        Ok(self.wishes.scan(scope).map_err(anyhow::Error::new)?)
    }
}

impl Machine for VirtualBoard {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn now(&self) -> Duration {
        self.board.now()
    }

    fn look(&mut self) -> Result<Vec<Observation>, Failure> {
        if !self.scanned {
            self.scanned = true;
            self.scan(Scope::Always)?;
        }
        if self.supplicant.is_some_and(|start| start <= self.now()) {
            self.supplicant = None;
            self.tee.start_supplicant();
            self.scan(Scope::Supplicant)?;
        }
        let (service, answers) = (self.wishes.service(), self.wishes.answers());
        let known = |id| answers.get(&id).copied().unwrap_or(Known::NotAsked);
        Ok(self.subjects.iter().map(|one| one.observe(&service, known(one.id), &*self)).collect())
    }

    fn wait(&mut self, deadline: Duration) {
        let until = self.supplicant.map_or(deadline, |start| start.min(deadline));
        // No processor runs and no interrupt is enabled, so nothing ends the wait early.
        self.board.run_until(until);
    }
}

impl Providers for VirtualBoard {
    fn mailbox(&self, channel: &MailboxRef) -> Presence {
        if !self.is_driven(&channel.controller) {
            return Presence::Never;
        }
        let mailboxes = &self.board.bus().description().mailboxes;
        match mailboxes.iter().find(|site| Some(site.registers) == channel.controller_address) {
            Some(site) if channel.channel < site.channels => Presence::There,
            Some(_) => Presence::NoSuch,
            None => Presence::Never,
        }
    }

    fn provider(&self, kind: NeedKind, reference: &ProviderRef) -> Presence {
        if is_off(&self.linux, &reference.provider) {
            return Presence::Never;
        }
        let clocks = match (&self.clocks, kind) {
            (Some(_), NeedKind::Clock) if !self.is_driven(&reference.provider) => return Presence::Never,
            (Some(clocks), NeedKind::Clock) => clocks,
            // The board's power domains and resets are where its trees say that they are.
            _ => return Presence::There,
        };
        let known: BTreeSet<_> = clocks.clocks.summary().into_iter().map(|state| state.clock).collect();
        match clocks.find(reference) {
            Some(clock) if known.contains(&clock) => Presence::There,
            Some(_) => Presence::NoSuch,
            None => Presence::Never,
        }
    }

    fn firmware(&self, name: &str) -> Option<Firmware> {
        let folder = self.firmware.as_ref()?;
        let there = folder.join(name).is_file();
        Some(Firmware { name: name.to_owned(), folder: folder.display().to_string(), there })
    }
}
