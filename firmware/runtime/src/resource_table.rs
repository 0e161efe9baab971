//! The resource table: what the firmware asks of the host, completed by the host in place before and during the start
//! (Linux `include/linux/remoteproc.h`).

use crate::trace;
use core::mem::{offset_of, size_of};
use core::sync::atomic::{AtomicPtr, AtomicU8, AtomicU32, Ordering};
use rproc_rpmsg::remote::{ANY_ADDRESS, Vdev, Vring};

const TYPE_TRACE: u32 = 2;
const TYPE_VDEV: u32 = 3;
const VIRTIO_ID_RPMSG: u32 = 7;
const VRINGS: u32 = 2;
const ALIGN: u32 = 16;
const BUFFERS: u32 = 16;

/// `struct fw_rsc_vdev_vring`.
#[repr(C)]
struct VringEntry {
    device_address: AtomicU32,
    align: u32,
    num: u32,
    notify_id: AtomicU32,
    physical_address: AtomicU32,
}

impl VringEntry {
    const fn new(notify_id: u32) -> Self {
        Self {
            device_address: AtomicU32::new(ANY_ADDRESS),
            align: ALIGN,
            num: BUFFERS,
            notify_id: AtomicU32::new(notify_id),
            physical_address: AtomicU32::new(0),
        }
    }
    fn read(&self) -> Vring {
        let address = self.device_address.load(Ordering::Acquire);
        Vring { address, align: self.align, num: self.num }
    }
}

/// `struct fw_rsc_hdr` and `struct fw_rsc_vdev`.
#[repr(C)]
struct VdevEntry {
    kind: u32,
    id: u32,
    notify_id: AtomicU32,
    device_features: u32,
    guest_features: AtomicU32,
    config_length: u32,
    /// Status in the lowest byte, number of vrings in the next: one word, read in one access.
    status_and_vrings: AtomicU32,
    vrings: [VringEntry; 2],
}

/// `struct fw_rsc_hdr` and `struct fw_rsc_trace`.
#[repr(C)]
struct TraceEntry {
    kind: u32,
    buffer: AtomicPtr<[AtomicU8; trace::SIZE]>,
    length: u32,
    reserved: u32,
    name: [u8; 32],
}

/// A table of version 1 with one RPMsg vdev of two 16-entry vrings, and the trace buffer.
#[repr(C)]
pub struct ResourceTable {
    version: u32,
    entries: u32,
    reserved: [u32; 2],
    offsets: [u32; 2],
    vdev: VdevEntry,
    trace: TraceEntry,
}

impl ResourceTable {
    /// A table whose trace entry has this name, of at most 31 bytes.
    pub const fn new(trace_name: &str) -> Self {
        let mut name = [0; 32];
        let (field, _) = name.split_at_mut(trace_name.len());
        field.copy_from_slice(trace_name.as_bytes());
        Self {
            version: 1,
            entries: 2,
            reserved: [0; 2],
            offsets: [offset_of!(Self, vdev) as u32, offset_of!(Self, trace) as u32],
            vdev: VdevEntry {
                kind: TYPE_VDEV,
                id: VIRTIO_ID_RPMSG,
                notify_id: AtomicU32::new(0),
                device_features: rproc_rpmsg::name_service::FEATURE,
                guest_features: AtomicU32::new(0),
                config_length: 0,
                status_and_vrings: AtomicU32::new(VRINGS << 8),
                vrings: [VringEntry::new(0), VringEntry::new(1)],
            },
            trace: TraceEntry {
                kind: TYPE_TRACE,
                buffer: AtomicPtr::new((&raw const trace::BUFFER).cast_mut()),
                length: size_of::<[AtomicU8; trace::SIZE]>() as u32,
                reserved: 0,
                name,
            },
        }
    }

    /// The vdev as the host has completed it by now.
    pub fn vdev(&self) -> Vdev {
        let status = self.vdev.status_and_vrings.load(Ordering::Acquire) as u8;
        let [to_host, to_remote] = &self.vdev.vrings;
        Vdev {
            status,
            features: self.vdev.guest_features.load(Ordering::Acquire),
            vrings: [to_host.read(), to_remote.read()],
        }
    }
}

/// Defines the firmware's resource table as `static RESOURCE_TABLE`, where the loader looks for it.
#[macro_export]
macro_rules! resource_table {
    () => {
        // SAFETY: the section is the linker script's, where nothing but this table is placed.
        #[used]
        #[unsafe(link_section = ".resource_table")]
        static RESOURCE_TABLE: $crate::resource_table::ResourceTable =
            $crate::resource_table::ResourceTable::new($crate::chip::TRACE_NAME);
    };
}
