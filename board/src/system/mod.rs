//! The whole system on one virtual board: device tree, TEE bus, secure world, normal world and remote processor.

mod loader;
mod machine;
mod timeline;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use rproc_abi::enumeration::Scope;
use rproc_abi::{Login, ProcessorId, Uuid};
use rproc_devicetree::{LookupError, Model, Processor, Tree};
use rproc_lifecycle::{Description as ProcessorDescription, Mailbox, MemoryRegion, Remoteproc};
use rproc_tee::{BusError, Device, Driver, Outcome, RemoteprocService, ServiceError, TeeBus};

use crate::tee::{HostTee, TeeConfig};
use crate::{Board, BoardError, Description};

pub use loader::TeeLoader;
pub use machine::NormalWorld;
pub use timeline::{Entry, Moment, Timeline};

/// A remote processor of a virtual board, under the normal world's remoteproc framework.
pub type VirtualProcessor = Remoteproc<TeeLoader, NormalWorld>;

/// What a system is made of.
pub struct SystemConfig<'a> {
    /// The board.
    pub board: &'a Description,
    /// Its Linux-side device tree, as a blob.
    pub device_tree: &'a [u8],
    /// Which processor of the tree: its name, its path or its id.
    pub processor: &'a str,
    /// The TEE.
    pub tee: TeeConfig,
    /// Whether virtual time follows the wall clock.
    pub real_time: bool,
}

/// A system that could not be brought up.
#[derive(Debug, thiserror::Error)]
pub enum SystemError {
    /// The device tree cannot be read.
    #[error("the device tree cannot be read: {0}")]
    DeviceTree(#[from] rproc_devicetree::Error),
    /// The device tree does not have the processor.
    #[error(transparent)]
    Processor(#[from] LookupError),
    /// The processor needs a mailbox that is not the board's.
    #[error(
        "mailbox {name} of {processor} is channel {channel} of {controller}, which this board does not have"
    )]
    Mailbox {
        /// Path of the processor's node.
        processor: String,
        /// The mailbox's name.
        name: String,
        /// Path of the controller's node.
        controller: String,
        /// The channel.
        channel: u32,
    },
    /// The board cannot be made.
    #[error(transparent)]
    Board(#[from] BoardError),
    /// The TEE's bus cannot be scanned.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// The TEE has no remoteproc service.
    #[error("the TEE has no remoteproc service {uuid}: neither at once nor once tee-supplicant runs")]
    NoService {
        /// What was looked for.
        uuid: Uuid,
    },
    /// The service would not be opened.
    #[error(transparent)]
    Service(#[from] ServiceError),
}

/// A system that is up, with its processor off.
pub struct System {
    /// The processor.
    pub processor: VirtualProcessor,
    /// The TEE, for what lies outside the processor's life.
    pub tee: Arc<HostTee>,
    timeline: Rc<RefCell<Timeline>>,
}

impl System {
    /// Reads the tree, boots board and TEE, scans the TEE bus and binds the processor to the service found there.
    pub fn start(config: SystemConfig<'_>) -> Result<Self, SystemError> {
        let model = Model::of(&Tree::parse(config.device_tree)?);
        let node = model.processor(config.processor)?;
        let board = Board::new(config.board)?;
        let tee = Arc::new(HostTee::new(board.bus().clone(), config.tee));
        let timeline = Rc::new(RefCell::new(Timeline::new(tee.clone(), board.bus().clone())));
        timeline.borrow_mut().push(Moment::DeviceTree {
            board: config.board.name.clone(),
            processor: node.name.clone(),
            path: node.path.clone(),
            id: node.id,
        });
        let service = find_service(&tee, ProcessorId(node.id), &timeline)?;
        let channels = channels(node, config.board)?;
        let machine = NormalWorld::new(board, node.id, &channels, config.real_time);
        let loader = TeeLoader::new(service, ProcessorId(node.id));
        let mut processor = Remoteproc::new(describe(node), loader, machine);
        let observer = timeline.clone();
        processor.observe(move |_, event| observer.borrow_mut().push(Moment::Lifecycle(event.clone())));
        Ok(Self { processor, tee, timeline })
    }

    /// Takes what happened since the last time, oldest first.
    pub fn drain(&mut self) -> Vec<Entry> {
        self.timeline.borrow_mut().drain()
    }
}

/// What the lifecycle needs of the processor's node.
fn describe(node: &Processor) -> ProcessorDescription {
    ProcessorDescription {
        name: node.name.clone(),
        regions: node
            .memory_regions
            .iter()
            .map(|region| MemoryRegion {
                name: region.name.clone(),
                address: region.address,
                size: region.size,
            })
            .collect(),
        mailboxes: node.mailboxes.keys().filter_map(|name| Mailbox::from_name(name)).collect(),
        ..ProcessorDescription::default()
    }
}

/// The IPCC channel of each mailbox.
fn channels(node: &Processor, board: &Description) -> Result<Vec<(Mailbox, u32)>, SystemError> {
    let mut channels = Vec::new();
    for (name, reference) in &node.mailboxes {
        let Some(mailbox) = Mailbox::from_name(name) else { continue };
        let site = board.mailbox_of(node.id).filter(|site| {
            reference.controller_address == Some(site.registers) && reference.channel < site.channels
        });
        if site.is_none() {
            return Err(SystemError::Mailbox {
                processor: node.path.clone(),
                name: name.clone(),
                controller: reference.controller.clone(),
                channel: reference.channel,
            });
        }
        channels.push((mailbox, reference.channel));
    }
    Ok(channels)
}

/// Finds the service where Linux would: on the TEE bus, at once or once tee-supplicant runs.
fn find_service(
    tee: &Arc<HostTee>,
    processor: ProcessorId,
    timeline: &Rc<RefCell<Timeline>>,
) -> Result<RemoteprocService<Arc<HostTee>>, SystemError> {
    let probed = Rc::new(RefCell::new(None));
    let mut bus = TeeBus::new(tee.clone());
    bus.register(Box::new(RemoteprocDriver { processor, probed: probed.clone() }));
    bus.scan(Scope::Always)?;
    if bus.outcome(Uuid::REMOTEPROC_TA) == Outcome::WaitsForSupplicant {
        tee.start_supplicant();
        bus.scan(Scope::Supplicant)?;
    }
    for device in bus.devices() {
        timeline.borrow_mut().push(Moment::ServiceFound { device: device.name(), scope: device.scope });
    }
    match probed.borrow_mut().take() {
        Some(opened) => Ok(opened?),
        None => Err(SystemError::NoService { uuid: Uuid::REMOTEPROC_TA }),
    }
}

type Probed = Rc<RefCell<Option<Result<RemoteprocService<Arc<HostTee>>, ServiceError>>>>;

/// The driver of the remoteproc service on the TEE bus: opens it as the kernel, which the service insists on.
struct RemoteprocDriver {
    processor: ProcessorId,
    probed: Probed,
}

impl Driver<Arc<HostTee>> for RemoteprocDriver {
    fn name(&self) -> &str {
        "rproc-tee"
    }

    fn services(&self) -> &[Uuid] {
        &[Uuid::REMOTEPROC_TA]
    }

    fn probe(
        &mut self,
        client: &Arc<HostTee>,
        _: &Device,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let opened = RemoteprocService::open(client.clone(), Login::ReeKernel, self.processor);
        let failed = opened.as_ref().err().map(ToString::to_string);
        *self.probed.borrow_mut() = Some(opened);
        failed.map_or(Ok(()), |reason| Err(reason.into()))
    }

    fn remove(&mut self, _: &Arc<HostTee>, _: &Device) {}
}
