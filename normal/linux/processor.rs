//! One processor: its device, and the life of its firmware as Linux's remoteproc core and the service see it.
// SPDX-License-Identifier: GPL-2.0

use kernel::device::Core;
use kernel::prelude::*;
use kernel::str::CString;
use kernel::sync::{new_mutex, Arc, Mutex};
use kernel::platform;
use rproc_abi::ProcessorId;

use crate::ffi::{self, Lifecycle, Mapping, Registered, Remoteproc};
use crate::service::Service;

/// What a processor's device is made with.
pub(crate) struct Place {
    pub(crate) service: Arc<Service>,
    pub(crate) id: ProcessorId,
}

/// A processor that is bound to its device.
pub(crate) struct Driven {
    _remoteproc: Registered<Processor>,
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
        let firmware = node.property_read::<CString>(c"firmware-name").optional();
        let processor = try_pin_init!(Processor {
            service: place.service.clone(),
            id: place.id,
            run <- new_mutex!(Run::default()),
        });
        Ok(Self { _remoteproc: Registered::new(device, &name, firmware.as_deref(), processor)? })
    }
}

/// A processor as Linux's remoteproc core drives it.
#[pin_data]
struct Processor {
    service: Arc<Service>,
    id: ProcessorId,
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
}

/// The region that Linux allocates RPMsg's buffers from.
const BUFFERS: &CStr = c"vdev0buffer";

impl Processor {
    /// Has the service load, and maps the resource table that it then tells.
    fn load_image(&self, remoteproc: &Remoteproc<'_>, image: &[u8]) -> Result {
        self.service.load(remoteproc, self.id, image)?;
        let mut run = self.run.lock();
        run.loaded = true;
        run.table = None;
        if let Some(table) = self.service.table(remoteproc, self.id)? {
            let size = usize::try_from(table.size)?;
            run.table = Some(Mapping::new(table.address, size).inspect_err(|_| {
                dev_err!(
                    remoteproc,
                    "the resource table, {} bytes at {:#x}, is not in memory reserved with `no-map`\n",
                    size,
                    table.address
                );
            })?);
        }
        Ok(())
    }
}

impl Lifecycle for Processor {
    fn prepare(&self, remoteproc: &Remoteproc<'_>) -> Result {
        remoteproc.add_memory_regions(|name| name == BUFFERS)
    }

    fn unprepare(&self, remoteproc: &Remoteproc<'_>) -> Result {
        *self.run.lock() = Run::default();
        self.service.release(remoteproc, self.id)
    }

    fn parse(&self, remoteproc: &Remoteproc<'_>, firmware: &[u8]) -> Result<Option<KVec<u8>>> {
        self.load_image(remoteproc, firmware)?;
        self.run.lock().table.as_ref().map(Mapping::copy).transpose()
    }

    fn load(&self, remoteproc: &Remoteproc<'_>, firmware: &[u8]) -> Result {
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
        self.run.lock().loaded = false;
        self.service.start(remoteproc, self.id)
    }

    fn stop(&self, remoteproc: &Remoteproc<'_>) -> Result {
        if let Err(error) = remoteproc.ask_to_shut_down() {
            dev_warn!(remoteproc, "it does not answer the request to shut down ({:?}), and is stopped all the same\n", error);
        }
        self.service.stop(remoteproc, self.id)
    }

    fn coredump(&self, remoteproc: &Remoteproc<'_>) -> Result<VVec<u8>> {
        self.service.coredump(remoteproc, self.id)
    }
}
