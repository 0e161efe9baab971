//! The whole system on one virtual board: device trees, TEE bus, secure world, normal world and remote processors.

mod clocks;
mod control;
mod error;
mod loader;
mod machine;
mod memory;
mod node;
mod service;
mod shared;
mod sleep;
mod supply;
mod timeline;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use rproc_abi::ProcessorId;
use rproc_clocks::Claim;
use rproc_devicetree::{Model, Owner, Ownership, SecureModel, Tree};
use rproc_lifecycle::{AutoBoot, Event, LinuxLoader, Remoteproc};
use rproc_tee::RemoteprocService;

use crate::bus::Initiator;
use crate::clocks::LinuxClocks;
use crate::tee::{HostTee, TeeConfig};
use crate::{Board, BoardError, Description};

pub use control::LinuxControl;
pub use error::SystemError;
pub use loader::{BoardLoader, LoaderError, TeeLoader};
pub use machine::NormalWorld;
pub use memory::LinuxMemory;
pub use shared::SharedBoard;
pub use timeline::{Entry, Moment, Timeline};

use loader::Owned;
use node::Node;
use shared::Ended;
use supply::{ProcessorClocks, ProcessorDomains};

/// A remote processor of a virtual board, under the normal world's remoteproc framework.
pub type VirtualProcessor = Remoteproc<BoardLoader, NormalWorld>;

/// What a system is made of.
pub struct SystemConfig<'a> {
    /// Linux's device tree.
    pub linux_tree: &'a Tree,
    /// The secure side's.
    pub secure_tree: &'a Tree,
    /// Which processors of the trees are driven, each by its name, its path or its id.
    pub processors: &'a [&'a str],
    /// The TEE. Which processors it owns is up to the trees, whatever [`crate::tee::Services::owned`] says.
    pub tee: TeeConfig,
    /// Whether virtual time follows the wall clock.
    pub real_time: bool,
}

/// A board that is up with its TEE, whichever Linux is on it, or none.
pub struct Hardware {
    /// The board.
    pub board: SharedBoard,
    /// Its TEE.
    pub tee: Arc<HostTee>,
}

/// A system that is up, with its processors as they were found: off, unless something before this Linux has started one.
pub struct System {
    /// The processors, in the order in which they were asked for.
    pub processors: Vec<VirtualProcessor>,
    /// The TEE, for what lies outside a processor's life.
    pub tee: Arc<HostTee>,
    /// The board, which the processors share.
    pub board: SharedBoard,
    /// Who owns each processor of the board.
    pub owners: Vec<Ownership>,
    timeline: Rc<RefCell<Timeline>>,
    clocks: Option<Rc<LinuxClocks>>,
    /// The clocks of Linux's own drivers.
    _claims: Vec<Claim>,
    /// While Linux sleeps: the places of the processors that were suspended.
    asleep: Option<Vec<usize>>,
}

impl System {
    /// Reads the trees, boots board and TEE, scans the TEE bus, and binds each processor to who loads it: the service found
    /// there, or Linux. Each driver looks whether its processor runs already; none is booted. Nothing runs when the trees contradict each other.
    ///
    /// # Errors
    /// [`SystemError`].
    pub fn start(config: SystemConfig<'_>) -> Result<Self, SystemError> {
        Self::start_on(config, Board::new)
    }

    /// The same on a board that `make` makes of what the trees describe.
    ///
    /// # Errors
    /// [`SystemError`].
    pub fn start_on(
        config: SystemConfig<'_>,
        make: impl FnOnce(&Description) -> Result<Board, BoardError>,
    ) -> Result<Self, SystemError> {
        let SystemConfig { linux_tree, secure_tree, processors, tee, real_time } = config;
        let linux = Model::of(linux_tree);
        let secure = SecureModel::of(secure_tree);
        let owners = node::owners(&linux, &secure)?;
        let nodes = node::find_all(&linux, &owners, processors)?;
        let description = Description::from_trees(&secure, &linux)?;
        let hardware = Hardware::power_on(make(&description)?, &owners, tee, real_time);
        Self::bind(hardware, &linux, &nodes, owners)
    }

    /// Linux boots on a board that is up: after a boot loader, or after another Linux ([`System::abandon`]). A processor that
    /// something has started runs on, and is found detached; booting it attaches to it. The secure tree is the one that the board
    /// was made of.
    ///
    /// # Errors
    /// As [`System::start`].
    pub fn restart(
        hardware: Hardware,
        linux_tree: &Tree,
        secure_tree: &Tree,
        processors: &[&str],
    ) -> Result<Self, SystemError> {
        let linux = Model::of(linux_tree);
        let owners = node::owners(&linux, &SecureModel::of(secure_tree))?;
        let nodes = node::find_all(&linux, &owners, processors)?;
        Self::bind(hardware, &linux, &nodes, owners)
    }

    /// Linux stops where it is, as in a panic: nothing is shut down, no clock is switched off, and the processors run on.
    pub fn abandon(self) -> Hardware {
        if let Some(clocks) = &self.clocks {
            clocks.clocks.abandon();
        }
        Hardware { board: self.board, tee: self.tee }
    }

    /// Binds each processor to who loads it, and ends Linux's boot: clocks that nobody has claimed go off.
    fn bind(
        hardware: Hardware,
        linux: &Model,
        nodes: &[Node<'_>],
        owners: Vec<Ownership>,
    ) -> Result<Self, SystemError> {
        let mut ground = Ground::of(hardware);
        ground.claim_for_drivers(linux, nodes)?;
        let mut processors = Vec::new();
        for node in nodes {
            processors.push(ground.processor(node)?);
        }
        ground.disable_unused_clocks();
        let Ground { board, tee, timeline, clocks, claims, .. } = ground;
        Ok(Self { processors, tee, board, owners, timeline, clocks, _claims: claims, asleep: None })
    }

    /// The processor of that name.
    pub fn processor(&mut self, name: &str) -> Option<&mut VirtualProcessor> {
        self.processors.iter_mut().find(|processor| processor.description().name == name)
    }

    /// Waits until one of the processors signals or crashes, at most for `limit`, and lets every driver take what its
    /// processor has done; the events come with the processor's place among [`System::processors`].
    pub fn wait(&mut self, limit: Duration) -> Vec<(usize, Event)> {
        let deadline = self.now().saturating_add(limit);
        let listeners: Vec<u32> =
            self.processors.iter().map(|processor| processor.machine().processor()).collect();
        let mut events = Vec::new();
        loop {
            for (place, processor) in self.processors.iter_mut().enumerate() {
                events.extend(processor.wait(Duration::ZERO).into_iter().map(|event| (place, event)));
            }
            if self.wake_with_the_first() {
                continue;
            }
            if !events.is_empty() || self.board.run_until(deadline, &listeners) == Ended::Over {
                return events;
            }
        }
    }

    /// Virtual time since power-on.
    pub fn now(&self) -> Duration {
        self.board.get().now()
    }

    /// Takes what happened since the last time, oldest first.
    pub fn drain(&mut self) -> Vec<Entry> {
        self.timeline.borrow_mut().drain()
    }
}

/// What the processors of a system stand on.
struct Ground {
    board: SharedBoard,
    tee: Arc<HostTee>,
    timeline: Rc<RefCell<Timeline>>,
    service: Option<Rc<RemoteprocService<Arc<HostTee>>>>,
    clocks: Option<Rc<LinuxClocks>>,
    claims: Vec<Claim>,
}

impl Hardware {
    /// Boots the TEE on a board, which gives away what is Linux's.
    fn power_on(board: Board, owners: &[Ownership], mut config: TeeConfig, real_time: bool) -> Self {
        let kept = owners.iter().filter(|one| matches!(one.owner, Owner::Tee | Owner::Nobody));
        config.services.owned = kept.map(|one| ProcessorId(one.id)).collect();
        let tee = Arc::new(HostTee::new(board.bus().clone(), config));
        Self { board: SharedBoard::new(board, real_time), tee }
    }
}

impl Ground {
    fn of(Hardware { board, tee }: Hardware) -> Self {
        let timeline = Timeline::new(tee.clone(), board.get().bus().clone());
        Self {
            board,
            tee,
            timeline: Rc::new(RefCell::new(timeline)),
            service: None,
            clocks: None,
            claims: Vec::new(),
        }
    }

    /// Binds a processor to its loader, its mailbox and what it runs on.
    fn processor(&mut self, node: &Node<'_>) -> Result<VirtualProcessor, SystemError> {
        let Node { owner, processor: found, .. } = node;
        let bus = self.board.get().bus().clone();
        let description = bus.description();
        let name = found.name.clone();
        let told = Moment::DeviceTree {
            board: description.name.clone(),
            processor: name.clone(),
            path: found.path.clone(),
            id: found.id,
            owner: *owner,
        };
        self.timeline.borrow_mut().push(Some(&name), told);
        let owned = match owner {
            Owner::Linux | Owner::LinuxThroughTee => self.linux(node, description)?,
            Owner::Tee | Owner::Nobody => Owned::Tee(self.tee(ProcessorId(found.id))?),
        };
        let loader = BoardLoader::new(owned, self.board.clone(), found.id);
        let machine = NormalWorld::new(self.board.clone(), found.id, &node.channels(description)?);
        let mut processor = Remoteproc::new(node.describe(), loader, machine);
        if !found.clocks.is_empty() {
            let clocks = self.clocks(description, &found.path)?;
            processor.provide_clocks(ProcessorClocks::new(clocks, &name));
        }
        if !found.power_domains.is_empty() {
            processor.provide_power_domains(ProcessorDomains::new(&self.tee));
        }
        let observer = self.timeline.clone();
        processor.observe(move |_, event| {
            observer.borrow_mut().push(Some(&name), Moment::Lifecycle(event.clone()));
        });
        let probed = processor.probe(AutoBoot::No);
        // The service has no command that tells whether a processor runs: it is read off refusals.
        self.timeline.borrow_mut().forget_refusals();
        probed.map_err(|error| SystemError::Probe {
            processor: found.path.clone(),
            reason: error.to_string(),
        })?;
        Ok(processor)
    }

    fn tee(&mut self, processor: ProcessorId) -> Result<TeeLoader, SystemError> {
        let service = match &self.service {
            Some(service) => service.clone(),
            None => Rc::new(service::find(&self.tee, processor, &self.timeline)?),
        };
        self.service = Some(service.clone());
        Ok(TeeLoader::new(service, processor))
    }

    fn linux(&self, node: &Node<'_>, board: &Description) -> Result<Owned, SystemError> {
        let memory = LinuxMemory::new(self.board.get().port(Initiator::A35NonSecure));
        let (control, boot) = LinuxControl::new(node.processor, board, &self.tee, &memory)?;
        Ok(Owned::Linux(Box::new(LinuxLoader::new(node.describe(), boot, memory, control))))
    }
}
