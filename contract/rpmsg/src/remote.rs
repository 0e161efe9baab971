//! The firmware's end of a channel: the virtio device. No allocation, a few words of state.

use crate::memory::Memory;
use crate::message::{BUFFER_SIZE, HEADER_SIZE, Message, Payload};
use crate::name_service::{self, Announcement, Change, Name};
use crate::transfer::{Outgoing, ReceiveError, Ring, SendError, fetch};
use crate::vring::{self, Access, Demand, Device, Layout, LayoutError};
use core::ops::Range;
use thiserror::Error;

/// Bit of the vdev's status that the host sets when the rings are ready (`VIRTIO_CONFIG_S_DRIVER_OK`).
pub const DRIVER_OK: u8 = 4;
/// Device address of a ring for which the host has not yet chosen a place (`FW_RSC_ADDR_ANY`).
pub const ANY_ADDRESS: u32 = u32::MAX;

/// One ring as the resource table describes it (`struct fw_rsc_vdev_vring`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vring {
    /// Device address of the ring; [`ANY_ADDRESS`] until the host has placed it.
    pub address: u32,
    /// Alignment of the used ring in bytes.
    pub align: u32,
    /// Entries.
    pub num: u32,
}

/// The vdev entry of a resource table (`struct fw_rsc_vdev`), as the host has completed it in the firmware's memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vdev {
    /// Virtio status; the rings are ready once it has [`DRIVER_OK`].
    pub status: u8,
    /// Features that the host accepted (`gfeatures`).
    pub features: u32,
    /// First ring (to the host) and second ring (to the firmware).
    pub vrings: [Vring; 2],
}

/// Why a vdev cannot be used yet, or at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ConnectError {
    /// The host has not finished; look again later.
    #[error("the host has not set DRIVER_OK (4) in the vdev's status, which is {status:#04x}")]
    NotReady {
        /// Status found.
        status: u8,
    },
    /// The host set DRIVER_OK without placing a ring.
    #[error("the host has set DRIVER_OK but has not placed vring {index}: its address is {address:#x}")]
    NotPlaced {
        /// 0 or 1.
        index: usize,
        /// Address found.
        address: u32,
    },
    /// The description of a ring makes no sense.
    #[error("vring {index} cannot be used: {reason}")]
    Layout {
        /// 0 or 1.
        index: usize,
        /// What is wrong with it.
        reason: LayoutError,
    },
    /// A ring lies outside the memory that both sides share.
    #[error(
        "vring {index} at {start:#x}..{end:#x} lies outside the shared memory {shared_start:#x}..{shared_end:#x}"
    )]
    OutsideShared {
        /// 0 or 1.
        index: usize,
        /// First byte of the ring.
        start: u64,
        /// First byte after it.
        end: u64,
        /// First byte of the shared memory.
        shared_start: u64,
        /// First byte after it.
        shared_end: u64,
    },
}

/// The firmware's end.
#[derive(Debug, Clone)]
pub struct Remote {
    /// As it was when the rings were joined.
    vdev: Vdev,
    transmit: Device,
    receive: Device,
    /// The host has been asked not to tell of every buffer that it posts.
    silent: bool,
    name_service: bool,
}

impl Remote {
    /// Joins the channel that the host has described. Rings and buffers are accepted inside `shared` only, so whatever the
    /// host writes there, the firmware's own memory stays its own.
    pub fn connect(vdev: &Vdev, shared: Range<u64>) -> Result<Self, ConnectError> {
        if vdev.status & DRIVER_OK == 0 {
            return Err(ConnectError::NotReady { status: vdev.status });
        }
        let [to_host, to_remote] = &vdev.vrings;
        Ok(Self {
            vdev: *vdev,
            transmit: join(0, to_host, &shared)?,
            receive: join(1, to_remote, &shared)?,
            silent: false,
            name_service: vdev.features & name_service::FEATURE != 0,
        })
    }

    /// Whether the host has left the channel, or has begun it anew, since it was joined: then it is to be joined again. `vdev` is as the
    /// host has it by now. Rings of which nothing was used yet start over unseen, which is as well.
    ///
    /// # Errors
    /// The memory's.
    pub fn is_over(&self, vdev: &Vdev, memory: &impl Memory) -> Result<bool, vring::Error> {
        let left = vdev.status & DRIVER_OK == 0;
        let moved = vdev.vrings != self.vdev.vrings || vdev.features != self.vdev.features;
        Ok(left || moved || self.transmit.is_reset(memory)? || self.receive.is_reset(memory)?)
    }

    /// Whether the host listens to announcements.
    pub fn has_name_service(&self) -> bool {
        self.name_service
    }

    /// Tells the host that endpoint `address` came or went under `name`.
    pub fn announce(
        &mut self,
        memory: &mut impl Memory,
        name: Name,
        address: u32,
        change: Change,
    ) -> Result<(), SendError> {
        if !self.name_service {
            return Err(SendError::NoNameService);
        }
        let announcement = Announcement { name, address, change }.encode();
        self.send(memory, address, name_service::ADDRESS, &announcement)
    }

    /// Sends `payload`, 0 to 496 bytes, from endpoint `source` to endpoint `destination` of the host. After [`SendError::Full`] the host
    /// signals when it has posted a buffer; while there are some it is asked not to.
    #[inline(always)]
    pub fn send(
        &mut self,
        memory: &mut impl Memory,
        source: u32,
        destination: u32,
        payload: &[u8],
    ) -> Result<(), SendError> {
        let message = Outgoing::new(source, destination, payload)?;
        let buffer = match self.transmit.pop(memory, to_fill(message.length()))? {
            Some(buffer) => {
                if !self.silent {
                    self.ask_for_silence(memory)?;
                }
                buffer
            }
            None => self.ask_for_signals(memory, message.length())?,
        };
        message.store(memory, buffer.within())?;
        self.transmit.push(memory, buffer, message.length())?;
        Ok(())
    }

    /// Asks the host not to signal every buffer that it posts.
    #[cold]
    fn ask_for_silence(&mut self, memory: &mut impl Memory) -> Result<(), vring::Error> {
        self.silent = true;
        self.transmit.enable_notifications(memory, false)
    }

    /// Asks the host to signal the next buffer that it posts. Returns one of at least `minimum` bytes that it posted just before it could
    /// see that.
    #[cold]
    fn ask_for_signals(
        &mut self,
        memory: &mut impl Memory,
        minimum: u32,
    ) -> Result<vring::Buffer, SendError> {
        if self.silent {
            self.silent = false;
            self.transmit.enable_notifications(memory, true)?;
        }
        self.transmit.pop(memory, to_fill(minimum))?.ok_or(SendError::Full)
    }

    /// The next message from the host, if any; its payload is copied into `into`, and its buffer returned.
    pub fn receive<'b>(
        &mut self,
        memory: &mut impl Memory,
        into: &'b mut Payload,
    ) -> Result<Option<Message<'b>>, ReceiveError> {
        let demand =
            Demand { access: Access::DeviceReads, minimum: HEADER_SIZE as u32, maximum: BUFFER_SIZE as u32 };
        let Some(buffer) = self.receive.pop(memory, demand)? else { return Ok(None) };
        let fetched = fetch(memory, buffer.within(), buffer.length(), into);
        self.receive.push(memory, buffer, 0)?;
        let (header, payload) = fetched??;
        Ok(Some(Message { source: header.source, destination: header.destination, payload }))
    }

    /// Whether the host must be kicked for this ring: buffers were filled or returned since the last call, and the host
    /// did not ask for silence.
    pub fn take_notification(&mut self, memory: &impl Memory, ring: Ring) -> Result<bool, vring::Error> {
        match ring {
            Ring::ToHost => self.transmit.take_notification(memory),
            Ring::ToRemote => self.receive.take_notification(memory),
        }
    }
}

/// What a buffer for a message of so many bytes must be. A host may post larger ones than ours; only the first bytes are used.
fn to_fill(minimum: u32) -> Demand {
    Demand { access: Access::DeviceWrites, minimum, maximum: u32::MAX }
}

fn join(index: usize, vring: &Vring, shared: &Range<u64>) -> Result<Device, ConnectError> {
    if matches!(vring.address, 0 | ANY_ADDRESS) {
        return Err(ConnectError::NotPlaced { index, address: vring.address });
    }
    let layout = Layout::new(u64::from(vring.address), vring.num, vring.align)
        .map_err(|reason| ConnectError::Layout { index, reason })?;
    let Range { start, end } = layout.range();
    if start < shared.start || end > shared.end {
        let Range { start: shared_start, end: shared_end } = *shared;
        return Err(ConnectError::OutsideShared { index, start, end, shared_start, shared_end });
    }
    Device::new(layout, shared.clone()).map_err(|reason| ConnectError::Layout { index, reason })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TestMemory;

    const SHARED: Range<u64> = 0x8120_0000..0x8130_0000;

    fn vdev() -> Vdev {
        let vring = |address| Vring { address, align: 16, num: 16 };
        Vdev { status: 7, features: 1, vrings: [vring(0x812F_8000), vring(0x812F_9000)] }
    }

    #[test]
    fn waits_for_driver_ok_and_checks_both_rings() {
        assert!(Remote::connect(&vdev(), SHARED).is_ok());
        let not_ready = Vdev { status: 3, ..vdev() };
        assert_eq!(
            Remote::connect(&not_ready, SHARED).map(|_| ()),
            Err(ConnectError::NotReady { status: 3 })
        );
        for index in 0..2 {
            let with = |vring| {
                let mut vdev = vdev();
                vdev.vrings[index] = vring;
                Remote::connect(&vdev, SHARED).map(|_| ()).unwrap_err()
            };
            let vring = vdev().vrings[index];
            for address in [0, ANY_ADDRESS] {
                assert_eq!(with(Vring { address, ..vring }), ConnectError::NotPlaced { index, address });
            }
            assert_eq!(
                with(Vring { num: 5, ..vring }),
                ConnectError::Layout { index, reason: LayoutError::Num { num: 5 } }
            );
            for address in [0x811F_FFF0, 0x812F_FFF0, 0x8400_0000] {
                assert!(matches!(with(Vring { address, ..vring }), ConnectError::OutsideShared { .. }));
            }
        }
    }

    #[test]
    fn a_channel_is_over_when_the_host_leaves_moves_it_or_resets_a_ring() {
        let memory = TestMemory::new(SHARED);
        let remote = Remote::connect(&vdev(), SHARED).unwrap();
        assert_eq!(remote.is_over(&vdev(), &memory), Ok(false));
        assert_eq!(remote.is_over(&Vdev { status: 0, ..vdev() }, &memory), Ok(true));
        assert_eq!(remote.is_over(&Vdev { features: 0, ..vdev() }, &memory), Ok(true));
        for ring in 0..2 {
            let mut moved = vdev();
            moved.vrings[ring].address += 0x100;
            assert_eq!(remote.is_over(&moved, &memory), Ok(true));
            let mut memory = TestMemory::new(SHARED);
            let layout = [&remote.transmit, &remote.receive][ring].layout();
            memory.store_u16(layout.used() + 2, 1).unwrap();
            assert_eq!(remote.is_over(&vdev(), &memory), Ok(true), "its index is not this side's");
        }
    }

    #[test]
    fn announces_only_to_a_host_that_listens() {
        let mut memory = TestMemory::new(SHARED);
        let mut remote = Remote::connect(&Vdev { features: 0xFFFF_FFFE, ..vdev() }, SHARED).unwrap();
        let name = Name::new("rproc-echo").unwrap();
        let refused = Err(SendError::NoNameService);
        assert_eq!(remote.announce(&mut memory, name, 0x400, Change::Created), refused);
        let mut remote = Remote::connect(&vdev(), SHARED).unwrap();
        assert_eq!(remote.announce(&mut memory, name, 0x400, Change::Created), Err(SendError::Full));
    }
}
