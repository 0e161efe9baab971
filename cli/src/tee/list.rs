//! `rproc tee list`: what the TEE enumerates, and what Linux's TEE bus made of it.
//!
//! With `--json`, one object: `remoteproc` (boolean, whether the service for remote processors is among them) and
//! `services`, an array of
//!
//! | field | value |
//! |---|---|
//! | `uuid` | string |
//! | `name` | string, or null for a service that rproc does not know |
//! | `listed` | `always`, `supplicant` (once tee-supplicant runs), or null when only Linux has it |
//! | `device` | name on Linux's TEE bus, or null |
//! | `driver` | name of the driver that has it, or null |

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::Context as _;
use clap::Args;
use rproc_abi::Uuid;
use rproc_abi::enumeration::Scope;
use rproc_tee::TeeBus;
use serde::Serialize;

use super::connection::Device;
use super::services;
use crate::failure::Failure;
use crate::output;
use crate::text;

/// Where Linux shows the devices of its TEE bus.
const BUS: &str = "/sys/bus/tee/devices";

/// Arguments of `rproc tee list`.
#[derive(Args)]
pub struct Arguments {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    device: Device,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Listing {
    remoteproc: bool,
    services: Vec<Service>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Service {
    uuid: String,
    name: Option<&'static str>,
    listed: Option<&'static str>,
    device: Option<String>,
    driver: Option<String>,
}

/// A device of Linux's bus: its name and its driver's.
type LinuxDevice = (String, Option<String>);

/// Lists.
pub fn run(arguments: Arguments) -> Result<(), Failure> {
    let listed = arguments.device.with(|tee| {
        let mut bus = TeeBus::new(tee);
        for scope in [Scope::Always, Scope::Supplicant] {
            // The bus has no drivers here, so no probe can fail.
            bus.scan(scope).map_err(anyhow::Error::new)?;
        }
        Ok(bus.devices().iter().map(|device| (device.uuid, device.scope)).collect::<Vec<_>>())
    })?;
    let listing = Listing::new(&listed, linux_devices(Path::new(BUS))?);
    if arguments.json { output::print_json(&listing) } else { output::print(&listing.describe()) }
}

impl Listing {
    fn new(listed: &[(Uuid, Scope)], mut linux: BTreeMap<Uuid, LinuxDevice>) -> Self {
        let mut services: Vec<Service> = listed
            .iter()
            .map(|(uuid, scope)| Service::new(*uuid, Some(*scope), linux.remove(uuid)))
            .collect();
        services.extend(linux.into_iter().map(|(uuid, device)| Service::new(uuid, None, Some(device))));
        let remoteproc = Uuid::REMOTEPROC_TA.to_string();
        Self { remoteproc: services.iter().any(|service| service.uuid == remoteproc), services }
    }

    fn describe(&self) -> String {
        let rows = self.services.iter().map(|service| {
            [
                service.uuid.clone(),
                service.name.unwrap_or("unknown").to_owned(),
                match service.listed {
                    Some("always") => "always",
                    Some(_) => "with tee-supplicant",
                    None => "no longer",
                }
                .to_owned(),
                service.device.as_ref().map_or("no", |_| "yes").to_owned(),
                service.driver.clone().unwrap_or_else(|| "-".to_owned()),
            ]
        });
        let mut text = text::table(["service", "name", "listed", "on Linux's bus", "driver"], rows);
        text.push_str(if self.remoteproc {
            "the remoteproc service is there\n"
        } else {
            "the remoteproc service is not listed; one that OP-TEE loads from a file never is, and may still be used\n"
        });
        text
    }
}

impl Service {
    fn new(uuid: Uuid, scope: Option<Scope>, linux: Option<LinuxDevice>) -> Self {
        let (device, driver) = linux.unzip();
        Self {
            uuid: uuid.to_string(),
            name: services::name(uuid),
            listed: scope.map(|scope| match scope {
                Scope::Always => "always",
                Scope::Supplicant => "supplicant",
            }),
            device,
            driver: driver.flatten(),
        }
    }
}

/// The devices of Linux's TEE bus by UUID; none when the kernel has no such bus.
fn linux_devices(bus: &Path) -> Result<BTreeMap<Uuid, LinuxDevice>, Failure> {
    let cannot = || format!("cannot read {}", bus.display());
    let entries = match fs::read_dir(bus) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(BTreeMap::new()),
        entries => entries.with_context(cannot)?,
    };
    let mut devices = BTreeMap::new();
    for entry in entries {
        let entry = entry.with_context(cannot)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        // `optee-ta-` and a UUID; other TEEs' drivers may name theirs otherwise.
        if let Some(uuid) = name.strip_prefix("optee-ta-").and_then(|uuid| uuid.parse().ok()) {
            let driver = fs::read_link(entry.path().join("driver")).ok();
            let driver = driver.and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned()));
            devices.insert(uuid, (name, driver));
        }
    }
    Ok(devices)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OTHER: Uuid = Uuid::DEVICE_ENUMERATION;

    #[test]
    fn both_lists_become_one() {
        let folder = tempfile::tempdir().unwrap();
        let device = folder.path().join(format!("optee-ta-{OTHER}"));
        fs::create_dir(&device).unwrap();
        fs::create_dir(folder.path().join("something-else")).unwrap();
        std::os::unix::fs::symlink("../../drivers/optee-rng", device.join("driver")).unwrap();
        let linux = linux_devices(folder.path()).unwrap();
        assert_eq!(linux[&OTHER], (format!("optee-ta-{OTHER}"), Some("optee-rng".to_owned())));

        let listing = Listing::new(&[(Uuid::REMOTEPROC_TA, Scope::Supplicant)], linux.clone());
        assert!(listing.remoteproc);
        let [ours, other] = &listing.services[..] else { panic!("{listing:?}") };
        assert_eq!((ours.name, ours.listed, &ours.device), (Some("remoteproc"), Some("supplicant"), &None));
        assert_eq!((other.name, other.listed, other.driver.as_deref()), (None, None, Some("optee-rng")));

        let alone = Listing::new(&[(OTHER, Scope::Always)], linux);
        assert_eq!((alone.remoteproc, alone.services.len()), (false, 1));
        assert!(alone.describe().contains("not listed"));
    }

    #[test]
    fn a_kernel_without_the_bus_has_no_devices() {
        assert!(linux_devices(Path::new("/no/such/bus")).unwrap().is_empty());
    }
}
