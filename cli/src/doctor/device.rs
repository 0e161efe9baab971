//! The machine that rproc runs on: the tree that it booted with, its TEE, its drivers and its firmware files.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rproc_abi::enumeration::Scope;
use rproc_abi::{Login, ProcessorId, Uuid};
use rproc_devicetree::{MailboxRef, Model, ProviderRef, SecureModel, Tree};
use rproc_doctor::{Firmware, Known, NeedKind, Observation, Presence, Service};
use rproc_sysfs::{FirmwareFolders, Linux};
use rproc_tee::{LinuxTee, OpenError};

use super::Arguments;
use super::linux_devices::LinuxDevices;
use super::machine::Machine;
use super::subject::{Providers, Subject};
use super::wish::{Answers, Wishes};
use crate::board::tree_of;
use crate::failure::Failure;
use crate::tee::within_limit;

/// The TEE's device for clients.
const TEE: &str = "/dev/tee0";
/// The tree that Linux booted with.
const TREE: &str = "/sys/firmware/fdt";
/// The same tree, a folder a node.
const NODES: &str = "/sys/firmware/devicetree/base";
/// Linux's buses.
const BUSES: &str = "/sys/bus";
/// How long the machine is left alone between two looks.
const BETWEEN_LOOKS: Duration = Duration::from_millis(500);

/// This machine.
pub struct Device {
    tee: PathBuf,
    tree: Tree,
    subjects: Vec<Subject>,
    devices: LinuxDevices,
    firmware: FirmwareFolders,
    booted: Option<Instant>,
}

impl Device {
    /// Reads the trees.
    pub fn new(arguments: &Arguments) -> Result<Self, Failure> {
        let path = arguments.linux_tree.as_deref().unwrap_or(Path::new(TREE));
        if arguments.linux_tree.is_none() && !path.exists() {
            return Err(Failure::help(
                format!("there is no {TREE}: this machine did not boot with a device tree"),
                "run it on a board, give a tree with --linux-tree, or look at a virtual board with --board",
            ));
        }
        let tree = tree_of(path)?;
        let secure = arguments.secure_tree.as_deref().map(tree_of).transpose()?;
        let secure = secure.as_ref().map(SecureModel::of);
        let subjects = Subject::all(&tree, &Model::of(&tree), secure.as_ref());
        if subjects.is_empty() {
            return Err(Failure::help(
                format!("{} describes no remote processor", path.display()),
                "add one below /firmware/optee/rproc-service@0, as bindings/rproc-service.yaml has it",
            ));
        }
        Ok(Self {
            tee: arguments.device.clone().unwrap_or_else(|| PathBuf::from(TEE)),
            tree,
            subjects,
            devices: LinuxDevices::default(),
            firmware: match &arguments.firmware {
                Some(folder) => FirmwareFolders::only(folder.clone()),
                None => Linux::default().firmware_folders(),
            },
            booted: uptime().and_then(|uptime| Instant::now().checked_sub(uptime)),
        })
    }
}

/// Time since the machine booted.
fn uptime() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/uptime").ok()?;
    Duration::try_from_secs_f64(text.split_whitespace().next()?.parse().ok()?).ok()
}

/// Asks a TEE about the service, and the service about the processors. A service that needs tee-supplicant is there once
/// `on_bus` says that Linux has it on its bus, which is when tee-supplicant first runs.
fn ask(tee: LinuxTee, asked: Vec<ProcessorId>, on_bus: bool) -> Result<(Service, Answers), Failure> {
    let cannot = "cannot ask the TEE for its services";
    let mut wishes = Wishes::new(Arc::new(tee), Login::Group, asked);
    wishes.scan(Scope::Always).context(cannot)?;
    if wishes.service() == Service::WaitsForSupplicant {
        // The TEE tells these whether tee-supplicant runs or not; one that is opened without it waits for ever.
        let mut listed = Wishes::new(wishes.client(), Login::Group, Vec::new());
        listed.scan(Scope::Supplicant).context(cannot)?;
        if listed.service() == Service::Absent || on_bus {
            wishes.scan(Scope::Supplicant).context(cannot)?;
        }
    }
    Ok((wishes.service(), wishes.answers()))
}

impl Machine for Device {
    fn name(&self) -> String {
        let model = self.tree.root().raw("model").and_then(|model| model.strip_suffix(b"\0"));
        model.map_or("this machine".to_owned(), |model| String::from_utf8_lossy(model).into_owned())
    }

    fn now(&self) -> Duration {
        self.booted.map_or(Duration::ZERO, |booted| booted.elapsed())
    }

    fn look(&mut self) -> Result<Vec<Observation>, Failure> {
        self.devices = LinuxDevices::read(Path::new(BUSES), Path::new(NODES));
        let (service, answers) = match LinuxTee::open(&self.tee) {
            Err(OpenError::Missing(_)) => (Service::NoTee, Answers::new()),
            Err(error) => return Err(Failure::help(&error, error.remedy())),
            Ok(tee) => {
                let asked = self.subjects.iter().map(|one| one.id).collect();
                let device = format!("tee/devices/optee-ta-{}", Uuid::REMOTEPROC_TA);
                let on_bus = Path::new(BUSES).join(device).exists();
                within_limit(move || ask(tee, asked, on_bus))?
            }
        };
        let known = |id| answers.get(&id).copied().unwrap_or(Known::NotAsked);
        Ok(self.subjects.iter().map(|one| one.observe(&service, known(one.id), &*self)).collect())
    }

    fn wait(&mut self, deadline: Duration) {
        std::thread::sleep(deadline.saturating_sub(self.now()).min(BETWEEN_LOOKS));
    }
}

impl Providers for Device {
    fn mailbox(&self, channel: &MailboxRef) -> Presence {
        self.devices.presence(&self.tree, &channel.controller)
    }

    fn provider(&self, _: NeedKind, reference: &ProviderRef) -> Presence {
        self.devices.presence(&self.tree, &reference.provider)
    }

    fn firmware(&self, name: &str) -> Option<Firmware> {
        let found = self.firmware.find(name).map(|file| file.folder);
        let there = found.is_some();
        let folder = found.or(self.firmware.paths().last().cloned())?.display().to_string();
        Some(Firmware { name: name.to_owned(), folder, there })
    }

    fn chosen_firmware(&self, processor: &str) -> Option<String> {
        Linux::default().find(processor).and_then(|found| found.firmware()).ok()
    }
}
