//! One processor: its device, and the life of its firmware as Linux's remoteproc core and the service see it.
// SPDX-License-Identifier: GPL-2.0

use kernel::device::property::FwNode;
use kernel::device::{Core, Device};
use kernel::platform;
use kernel::prelude::*;
use kernel::str::CString;
use kernel::sync::aref::ARef;
use kernel::sync::{new_mutex, Arc, Mutex};
use rproc_abi::service::TableLocation;
use rproc_abi::ProcessorId;

use crate::addresses::{Addresses, DMA_RANGES};
use crate::ffi::{self, unusable, Lifecycle, Mapping, Region, Registered, Remoteproc, Sleeps};
use crate::service::Service;
use crate::supply::Supply;

/// What a processor's device is made with.
pub(crate) struct Place {
    pub(crate) service: Arc<Service>,
    pub(crate) id: ProcessorId,
}

/// A processor that is bound to its device.
pub(crate) struct Driven {
    remoteproc: Registered<Processor>,
    device: ARef<Device>,
}

impl Sleeps for Driven {
    fn sleep(&self) -> Result {
        self.remoteproc.lifecycle().supply.sleep(&self.device)
    }

    fn wake(&self) -> Result {
        self.remoteproc.lifecycle().supply.wake(&self.device)
    }
}

impl platform::Driver for Driven {
    type IdInfo = ();
    type Data<'bound> = Self;

    fn probe<'bound>(
        device: &'bound platform::Device<Core<'_>>,
        _: Option<&'bound Self::IdInfo>,
    ) -> impl PinInit<Self, Error> + 'bound {
        let device = device.as_ref();
        let place = ffi::child_data::<Place>(device).ok_or(ENODEV)?;
        let node = device.fwnode().ok_or(ENODEV)?;
        let name = ffi::node_name(node)?;
        let firmware = firmware(device, node)?;
        let addresses = Addresses::of(node).map_err(|error| {
            unusable(device, error, DMA_RANGES, fmt!("the parent's is not made of entries of 3 cells"))
        })?;
        let regions = Region::all(device)?;
        let supply = Supply::find(device, CString::try_from_fmt(fmt!("{}", node.display_name()))?)?;
        let processor = try_pin_init!(Processor {
            service: place.service.clone(),
            id: place.id,
            addresses,
            regions,
            supply <- supply,
            run <- new_mutex!(Run::default()),
        });
        let runs = place.service.is_started(place.id)?;
        let remoteproc = Registered::new(device, &name, firmware.as_deref(), runs, processor)?;
        if runs {
            dev_info!(device, "{} runs already\n", &*name);
        }
        tell_missing(device, node)?;
        Ok(Self { remoteproc, device: device.into() })
    }
}

/// The firmware's file, where the node names one.
fn firmware(device: &Device, node: &FwNode) -> Result<Option<CString>> {
    const PROPERTY: &CStr = c"firmware-name";
    let name = node.property_read::<CString>(PROPERTY).optional();
    if name.is_none() && node.property_present(PROPERTY) {
        return Err(unusable(device, EINVAL, PROPERTY, fmt!("it is not a string")));
    }
    Ok(name)
}

/// Says in one line what the node does not have, which the processor goes without.
fn tell_missing(device: &Device, node: &FwNode) -> Result {
    const PROPERTIES: [&CStr; 3] = [c"memory-region", c"firmware-name", c"clocks"];
    const NAMED: [(&CStr, &CStr, &[&CStr]); 2] = [
        (c"power-domains", c"power-domain-names", &[c"default", c"sleep"]),
        (c"mboxes", c"mbox-names", &[c"vq0", c"vq1", c"shutdown", c"detach"]),
    ];
    let mut missing = KVec::new();
    let mut add = |words: &[&CStr]| -> Result {
        for word in words {
            missing.extend_from_slice(b" ", GFP_KERNEL)?;
            missing.extend_from_slice(word.to_bytes(), GFP_KERNEL)?;
        }
        Ok(())
    };
    for property in PROPERTIES {
        if !node.property_present(property) {
            add(&[property])?;
        }
    }
    for (property, names, wanted) in NAMED {
        if !node.property_present(property) {
            add(&[property])?;
            continue;
        }
        for name in wanted {
            if node.property_match_string(names, name).is_err() {
                add(&[names, name])?;
            }
        }
    }
    if !missing.is_empty() {
        let missing = core::str::from_utf8(&missing).map_err(|_| EINVAL)?;
        dev_info!(device, "{} does without:{}\n", node.display_name(), missing);
    }
    Ok(())
}

/// A processor as Linux's remoteproc core drives it.
#[pin_data]
struct Processor {
    service: Arc<Service>,
    id: ProcessorId,
    addresses: Addresses,
    regions: KVec<Region>,
    #[pin]
    supply: Supply,
    #[pin]
    run: Mutex<Run>,
}

/// What belongs to one run of a firmware.
#[derive(Default)]
struct Run {
    /// The service has loaded what the next start will run.
    loaded: bool,
    /// The resource table in the processor's memory.
    table: Option<Mapping>,
    /// The image, kept where its firmware may take a request to shut down that is older than it.
    again: Option<VVec<u8>>,
}

/// The region that Linux allocates RPMsg's buffers from.
const BUFFERS: &CStr = c"vdev0buffer";

impl Processor {
    /// Has the service load, and maps the resource table that it then tells.
    fn load_image(&self, remoteproc: &Remoteproc<'_>, image: &[u8]) -> Result {
        self.service.load(remoteproc, self.id, image)?;
        let mut run = self.run.lock();
        run.loaded = true;
        run.table = self.map_table(remoteproc, self.service.table(remoteproc, self.id)?)?;
        Ok(())
    }

    fn map_table(
        &self,
        remoteproc: &Remoteproc<'_>,
        table: Option<TableLocation>,
    ) -> Result<Option<Mapping>> {
        table
            .map(|table| {
                let size = usize::try_from(table.size)?;
                Mapping::new(table.address, size).inspect_err(|_| {
                    dev_err!(
                        remoteproc,
                        "the resource table, {} bytes at {:#x}, is not in memory reserved with `no-map`\n",
                        size,
                        table.address
                    );
                })
            })
            .transpose()
    }

    fn add_regions(&self, remoteproc: &Remoteproc<'_>) -> Result {
        for region in &self.regions {
            let Some(address) = self.addresses.device(region.start, region.size) else {
                dev_err!(
                    remoteproc,
                    "memory-region: {}, {} bytes at {:#x}, has no address of the processor's; see `{}`\n",
                    &*region.name,
                    region.size,
                    region.start,
                    DMA_RANGES
                );
                return Err(EINVAL);
            };
            remoteproc.add_region(region, address, &*region.name == BUFFERS)?;
        }
        Ok(())
    }
}

fn copy(image: &[u8]) -> Result<VVec<u8>> {
    let mut bytes = VVec::with_capacity(image.len(), GFP_KERNEL)?;
    bytes.extend_from_slice(image, GFP_KERNEL)?;
    Ok(bytes)
}

impl Lifecycle for Processor {
    fn runs_already(&self, parent: &Device) -> Result {
        self.supply.claim(parent)
    }

    fn prepare(&self, remoteproc: &Remoteproc<'_>) -> Result {
        self.supply.claim(remoteproc)?;
        self.add_regions(remoteproc).inspect_err(|_| {
            // Nothing is called after a failure here.
            if !remoteproc.is_detached() {
                self.supply.release();
            }
        })
    }

    fn unprepare(&self, remoteproc: &Remoteproc<'_>) -> Result {
        *self.run.lock() = Run::default();
        if remoteproc.is_detached() {
            // It runs on.
            return Ok(());
        }
        let released = self.service.release(remoteproc, self.id);
        self.supply.release();
        released
    }

    fn parse(&self, remoteproc: &Remoteproc<'_>, firmware: &[u8]) -> Result<Option<KVec<u8>>> {
        self.load_image(remoteproc, firmware)?;
        self.run.lock().table.as_ref().map(Mapping::copy).transpose()
    }

    fn load(&self, remoteproc: &Remoteproc<'_>, firmware: &[u8]) -> Result {
        let again = remoteproc.has_old_request().then(|| copy(firmware)).transpose()?;
        self.run.lock().again = again;
        if self.run.lock().loaded {
            return Ok(());
        }
        // A recovery calls nothing after a failure here.
        self.load_image(remoteproc, firmware).inspect_err(|_| {
            // The failure itself is what is told.
            let _ = self.service.release(remoteproc, self.id);
        })
    }

    fn loaded_table<R>(&self, found: impl FnOnce(&Mapping) -> R) -> Option<R> {
        self.run.lock().table.as_ref().map(found)
    }

    fn start(&self, remoteproc: &Remoteproc<'_>) -> Result {
        // Started or refused, what was loaded is used up.
        let again = {
            let mut run = self.run.lock();
            run.loaded = false;
            run.again.take()
        };
        let gone = remoteproc.takes_old_request(|| self.service.start(remoteproc, self.id))?;
        let Some(image) = again.filter(|_| gone) else { return Ok(()) };
        dev_info!(
            remoteproc,
            "it took the request to shut down that firmware before it had left, and is loaded once more\n"
        );
        self.service.stop(remoteproc, self.id)?;
        self.service.load(remoteproc, self.id, &image)?;
        remoteproc.publish_table();
        self.service.start(remoteproc, self.id)
    }

    fn find_table(&self, remoteproc: &Remoteproc<'_>) -> Result {
        let table = self.service.running_table(remoteproc, self.id)?;
        self.run.lock().table = self.map_table(remoteproc, table)?;
        Ok(())
    }

    fn detach(&self, remoteproc: &Remoteproc<'_>) -> Result {
        if let Err(error) = remoteproc.ask_to_detach() {
            dev_warn!(
                remoteproc,
                "it does not answer that Linux leaves ({:?}), which does so all the same\n",
                error
            );
        }
        Ok(())
    }

    fn stop(&self, remoteproc: &Remoteproc<'_>) -> Result {
        if let Err(error) = remoteproc.ask_to_shut_down() {
            dev_warn!(
                remoteproc,
                "it does not answer the request to shut down ({:?}), and is stopped all the same\n",
                error
            );
        }
        self.service.stop(remoteproc, self.id)
    }

    fn coredump(&self, remoteproc: &Remoteproc<'_>) -> Result<VVec<u8>> {
        self.service.coredump(remoteproc, self.id)
    }
}
