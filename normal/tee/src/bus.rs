//! The TEE bus: services that the TEE enumerates, drivers that match them by UUID, services that appear late.

use std::collections::BTreeSet;
use std::error::Error as StdError;

use rproc_abi::enumeration::{Scope, uuids};
use rproc_abi::{Login, Output, Outputs, Param, TeeResult, Uuid};
use thiserror::Error;

use crate::{TeeClient, TeeError};

/// A service on the bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Device {
    /// By which drivers match it.
    pub uuid: Uuid,
    /// When it became visible.
    pub scope: Scope,
}

impl Device {
    /// The name that Linux gives it (`drivers/tee/optee/device.c`).
    pub fn name(&self) -> String {
        format!("optee-ta-{}", self.uuid)
    }
}

/// A driver of the bus (`struct tee_client_driver`).
pub trait Driver<C> {
    /// Its name, for messages.
    fn name(&self) -> &str;

    /// The services it drives (`id_table`).
    fn services(&self) -> &[Uuid];

    /// A service that it drives is there.
    fn probe(&mut self, client: &C, device: &Device) -> Result<(), Box<dyn StdError + Send + Sync>>;

    /// A probed service goes, or the driver does.
    fn remove(&mut self, client: &C, device: &Device);
}

/// What became of a driver's wish for a service; never "perhaps later, for ever".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The service is there and the driver took it.
    Bound,
    /// The service is there and the driver refused it, as [`TeeBus::scan`] reported.
    ProbeFailed,
    /// The service is not there; those that need tee-supplicant were not asked for yet.
    WaitsForSupplicant,
    /// The service is not there and no later scan will bring it.
    Absent,
}

/// The bus could not do what it was asked.
#[derive(Debug, Error)]
pub enum BusError {
    /// The enumeration service did not answer.
    #[error("the TEE does not enumerate its services: {0}")]
    Enumeration(#[source] TeeError),
    /// Its answer is no list of UUIDs.
    #[error(
        "the TEE's list of services has {found} bytes, which is no whole number of 16-byte UUIDs of at most {limit} bytes"
    )]
    BadList {
        /// Bytes of the answer.
        found: usize,
        /// Bytes that were there for it.
        limit: usize,
    },
    /// A driver refused its service.
    #[error("{driver} cannot drive {device}: {source}")]
    Probe {
        /// The driver's name.
        driver: String,
        /// The device's name.
        device: String,
        /// Why.
        source: Box<dyn StdError + Send + Sync>,
    },
}

struct Slot<C> {
    driver: Box<dyn Driver<C>>,
    bound: Vec<Device>,
    failed: BTreeSet<Uuid>,
}

/// The bus. Scan it once when the TEE's driver is there, and once more when tee-supplicant is.
pub struct TeeBus<C> {
    client: C,
    devices: Vec<Device>,
    drivers: Vec<Slot<C>>,
    scanned: Vec<Scope>,
}

impl<C: TeeClient> TeeBus<C> {
    /// An empty bus.
    pub fn new(client: C) -> Self {
        Self { client, devices: Vec::new(), drivers: Vec::new(), scanned: Vec::new() }
    }

    /// The services found so far, in the order in which they were.
    pub fn devices(&self) -> &[Device] {
        &self.devices
    }

    /// Registers a driver and offers it the services that are there.
    pub fn register(&mut self, driver: Box<dyn Driver<C>>) -> Vec<BusError> {
        self.drivers.push(Slot { driver, bound: Vec::new(), failed: BTreeSet::new() });
        self.match_drivers()
    }

    /// Asks the TEE which services it has and offers the new ones to the drivers. Gives the probes that failed;
    /// the others stand.
    pub fn scan(&mut self, scope: Scope) -> Result<Vec<BusError>, BusError> {
        for uuid in self.enumerate(scope)? {
            if self.devices.iter().all(|device| device.uuid != uuid) {
                self.devices.push(Device { uuid, scope });
            }
        }
        self.scanned.push(scope);
        Ok(self.match_drivers())
    }

    /// What became of the wish for this service.
    pub fn outcome(&self, service: Uuid) -> Outcome {
        if self.drivers.iter().any(|slot| slot.bound.iter().any(|device| device.uuid == service)) {
            Outcome::Bound
        } else if self.devices.iter().any(|device| device.uuid == service) {
            Outcome::ProbeFailed
        } else if self.scanned.contains(&Scope::Supplicant) {
            Outcome::Absent
        } else {
            Outcome::WaitsForSupplicant
        }
    }

    fn match_drivers(&mut self) -> Vec<BusError> {
        let mut errors = Vec::new();
        for slot in &mut self.drivers {
            for device in &self.devices {
                let known = slot.bound.contains(device) || slot.failed.contains(&device.uuid);
                if known || !slot.driver.services().contains(&device.uuid) {
                    continue;
                }
                match slot.driver.probe(&self.client, device) {
                    Ok(()) => slot.bound.push(*device),
                    Err(source) => {
                        slot.failed.insert(device.uuid);
                        errors.push(BusError::Probe {
                            driver: slot.driver.name().to_owned(),
                            device: device.name(),
                            source,
                        });
                    }
                }
            }
        }
        errors
    }

    fn enumerate(&self, scope: Scope) -> Result<Vec<Uuid>, BusError> {
        let client = &self.client;
        let none = || [Param::None, Param::None, Param::None, Param::None];
        let session = client
            .open_session(Uuid::DEVICE_ENUMERATION, Login::Public, none())
            .map_err(BusError::Enumeration)?;
        let list = self.list(scope, session);
        client.close_session(session);
        list
    }

    fn list(&self, scope: Scope, session: crate::SessionId) -> Result<Vec<Uuid>, BusError> {
        let client = &self.client;
        // Asked twice, as Linux does: once for the size, once for the list.
        let buffer = client.share(0).map_err(BusError::Enumeration)?;
        let (command, params) = scope.into_params(buffer.whole());
        let asked = client.invoke(session, command, params);
        client.unshare(buffer);
        let needed = match asked {
            Ok(outputs) => size_of(&outputs),
            Err(error) if error.result == TeeResult::SHORT_BUFFER => size_of(&error.outputs),
            Err(error) => return Err(BusError::Enumeration(error)),
        };
        if needed == 0 {
            return Ok(Vec::new());
        }
        let buffer = client.share(needed).map_err(BusError::Enumeration)?;
        let (command, params) = scope.into_params(buffer.whole());
        let read =
            client.invoke(session, command, params).map_err(BusError::Enumeration).and_then(|outputs| {
                let found = size_of(&outputs);
                if found > needed || !found.is_multiple_of(16) {
                    return Err(BusError::BadList { found, limit: needed });
                }
                let mut list = vec![0; found];
                client.read_shared(buffer, 0, &mut list).map_err(BusError::Enumeration)?;
                Ok(uuids(&list).collect())
            });
        client.unshare(buffer);
        read
    }
}

impl<C> Drop for TeeBus<C> {
    fn drop(&mut self) {
        for slot in &mut self.drivers {
            for device in slot.bound.drain(..) {
                slot.driver.remove(&self.client, &device);
            }
        }
    }
}

fn size_of(outputs: &Outputs) -> usize {
    match outputs {
        [Output::Size(size), ..] => *size,
        _ => 0,
    }
}
