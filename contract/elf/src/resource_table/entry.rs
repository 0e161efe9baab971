//! One entry of a resource table, decoded.

use super::{Error, layout};
use core::fmt;
use core::ops::Deref;

/// A fixed field of 32 bytes that holds a name up to the first NUL, as a carveout's or a trace buffer's.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Name([u8; layout::NAME_SIZE]);

impl Name {
    /// A name of at most 31 bytes without NUL, or `None`.
    pub fn new(name: &str) -> Option<Self> {
        let mut field = [0; layout::NAME_SIZE];
        let (text, _nul) = field.split_at_mut_checked(name.len())?;
        if name.len() == layout::NAME_SIZE || name.contains('\0') {
            return None;
        }
        text.copy_from_slice(name.as_bytes());
        Some(Self(field))
    }

    /// The bytes before the first NUL; all 32 when there is none.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.split(|byte| *byte == 0).next().unwrap_or_default()
    }

    /// The name as text, or `None` when it is not UTF-8.
    pub fn to_str(&self) -> Option<&str> {
        core::str::from_utf8(self.as_bytes()).ok()
    }

    /// The field as it stands in the table, with what follows the NUL.
    pub fn raw(&self) -> &[u8; layout::NAME_SIZE] {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_lossy(f, self.as_bytes())
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

impl PartialEq<str> for Name {
    fn eq(&self, other: &str) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

/// Writes text, with U+FFFD for what is not UTF-8.
pub(crate) fn write_lossy(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    for chunk in bytes.utf8_chunks() {
        f.write_str(chunk.valid())?;
        for _ in chunk.invalid() {
            f.write_str("\u{fffd}")?;
        }
    }
    Ok(())
}

/// Memory that the firmware asks for (carveout) or asks to reach (device memory).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// Device address, or [`super::ADDRESS_ANY`].
    pub da: u32,
    /// Physical address, or [`super::ADDRESS_ANY`].
    pub pa: u32,
    /// Size in bytes.
    pub len: u32,
    /// IOMMU protection flags.
    pub flags: u32,
    /// The name that matches it with a memory region.
    pub name: Name,
}

/// A buffer that the firmware writes its log into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trace {
    /// Device address.
    pub da: u32,
    /// Size in bytes.
    pub len: u32,
    /// Name of the log.
    pub name: Name,
}

/// One ring of a virtio device.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Vring {
    /// Device address, or [`super::ADDRESS_ANY`].
    pub da: u32,
    /// Alignment in bytes between the ring's parts; not 0.
    pub align: u32,
    /// Number of buffers; not 0.
    pub num: u32,
    /// The number that both sides name this ring by when they kick.
    pub notifyid: u32,
    /// Physical address.
    pub pa: u32,
}

/// The rings of a virtio device, at most two.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Vrings {
    rings: [Vring; layout::vdev::MAX_VRINGS],
    count: u8,
}

impl Deref for Vrings {
    type Target = [Vring];

    fn deref(&self) -> &[Vring] {
        self.rings.get(..usize::from(self.count)).unwrap_or(&self.rings)
    }
}

impl fmt::Debug for Vrings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// A virtio device that the firmware implements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vdev {
    /// Virtio device id; 7 is RPMsg.
    pub id: u32,
    /// The number the host chose for configuration changes.
    pub notifyid: u32,
    /// The features that the firmware offers.
    pub device_features: u32,
    /// The features that the host accepted.
    pub guest_features: u32,
    /// Size in bytes of the configuration space, which follows the vrings.
    pub config_len: u32,
    /// The virtio device status.
    pub status: u8,
    /// The rings.
    pub vrings: Vrings,
}

/// What an entry asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// Memory to set aside.
    Carveout(Memory),
    /// A device's registers to map into the processor's IOMMU.
    DeviceMemory(Memory),
    /// A log buffer.
    Trace(Trace),
    /// A virtio device.
    Vdev(Vdev),
    /// A type in the vendor's range, whose content only the vendor's driver knows.
    Vendor {
        /// The type, 128 to 512.
        kind: u32,
    },
    /// A type that nobody knows; Linux warns and goes on.
    Unknown {
        /// The type.
        kind: u32,
    },
}

impl EntryKind {
    /// The type word of the entry.
    pub fn code(&self) -> u32 {
        match *self {
            Self::Carveout(_) => layout::KIND_CARVEOUT,
            Self::DeviceMemory(_) => layout::KIND_DEVICE_MEMORY,
            Self::Trace(_) => layout::KIND_TRACE,
            Self::Vdev(_) => layout::KIND_VDEV,
            Self::Vendor { kind } | Self::Unknown { kind } => kind,
        }
    }
}

/// One entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Index in the table, from 0.
    pub index: u32,
    /// Offset of the entry's type word from the start of the table; the fields are at the offsets of [`layout`].
    pub offset: u32,
    /// What it asks for.
    pub kind: EntryKind,
}

impl Entry {
    /// Size in bytes from the type word on, with vrings and configuration space, or `None` for types whose
    /// content is not known.
    pub fn size(&self) -> Option<u64> {
        Some(match &self.kind {
            EntryKind::Carveout(_) | EntryKind::DeviceMemory(_) => layout::memory::SIZE as u64,
            EntryKind::Trace(_) => layout::trace::SIZE as u64,
            EntryKind::Vdev(vdev) => vdev_size(vdev.vrings.count, vdev.config_len),
            EntryKind::Vendor { .. } | EntryKind::Unknown { .. } => return None,
        })
    }

    /// Decodes the entry at `offset` of a table.
    pub(super) fn read(table: &[u8], index: u32, offset: u32) -> Result<Self, Error> {
        let bytes = usize::try_from(offset).ok().and_then(|at| table.get(at..)).unwrap_or_default();
        let mut fields = Fields { rest: bytes, whole: bytes, index, offset };
        let kind = match fields.word(4)? {
            layout::KIND_CARVEOUT => EntryKind::Carveout(fields.memory()?),
            layout::KIND_DEVICE_MEMORY => EntryKind::DeviceMemory(fields.memory()?),
            layout::KIND_TRACE => EntryKind::Trace(fields.trace()?),
            layout::KIND_VDEV => EntryKind::Vdev(fields.vdev()?),
            kind if layout::KIND_VENDOR.contains(&kind) => EntryKind::Vendor { kind },
            kind => EntryKind::Unknown { kind },
        };
        Ok(Self { index, offset, kind })
    }
}

fn vdev_size(vring_count: u8, config_len: u32) -> u64 {
    layout::vdev::SIZE as u64 + u64::from(vring_count) * layout::vring::SIZE as u64 + u64::from(config_len)
}

/// The bytes of one entry, read from the front.
struct Fields<'a> {
    rest: &'a [u8],
    whole: &'a [u8],
    index: u32,
    offset: u32,
}

impl Fields<'_> {
    /// The next `N` bytes of an entry that needs `needed` bytes in all.
    fn take<const N: usize>(&mut self, needed: u64) -> Result<[u8; N], Error> {
        let (taken, rest) = self.rest.split_first_chunk::<N>().ok_or(self.truncated(needed))?;
        self.rest = rest;
        Ok(*taken)
    }

    fn word(&mut self, needed: u64) -> Result<u32, Error> {
        self.take(needed).map(u32::from_le_bytes)
    }

    fn truncated(&self, needed: u64) -> Error {
        Error::EntryTruncated {
            index: self.index,
            offset: self.offset,
            needed,
            found: self.whole.len() as u64,
        }
    }

    fn reserved(&self, found: u32) -> Result<(), Error> {
        if found != 0 {
            return Err(Error::EntryReserved { index: self.index, found });
        }
        Ok(())
    }

    fn memory(&mut self) -> Result<Memory, Error> {
        let size = layout::memory::SIZE as u64;
        let [da, pa, len, flags, reserved] =
            [self.word(size)?, self.word(size)?, self.word(size)?, self.word(size)?, self.word(size)?];
        let name = Name(self.take(size)?);
        self.reserved(reserved)?;
        Ok(Memory { da, pa, len, flags, name })
    }

    fn trace(&mut self) -> Result<Trace, Error> {
        let size = layout::trace::SIZE as u64;
        let [da, len, reserved] = [self.word(size)?, self.word(size)?, self.word(size)?];
        let name = Name(self.take(size)?);
        self.reserved(reserved)?;
        Ok(Trace { da, len, name })
    }

    fn vdev(&mut self) -> Result<Vdev, Error> {
        let fixed = layout::vdev::SIZE as u64;
        let [id, notifyid, device_features, guest_features, config_len] =
            [self.word(fixed)?, self.word(fixed)?, self.word(fixed)?, self.word(fixed)?, self.word(fixed)?];
        let [status, count, reserved_low, reserved_high] = self.take(fixed)?;
        self.reserved(u32::from(u16::from_le_bytes([reserved_low, reserved_high])))?;
        if usize::from(count) > layout::vdev::MAX_VRINGS {
            return Err(Error::TooManyVrings { index: self.index, found: count });
        }
        let size = vdev_size(count, config_len);
        if size > self.whole.len() as u64 {
            return Err(self.truncated(size));
        }
        let mut vrings = Vrings { rings: [Vring::default(); layout::vdev::MAX_VRINGS], count };
        for (vring, ring) in (0..count).zip(&mut vrings.rings) {
            *ring = self.vring(vring, size)?;
        }
        Ok(Vdev { id, notifyid, device_features, guest_features, config_len, status, vrings })
    }

    fn vring(&mut self, vring: u8, size: u64) -> Result<Vring, Error> {
        let [da, align, num, notifyid, pa] =
            [self.word(size)?, self.word(size)?, self.word(size)?, self.word(size)?, self.word(size)?];
        if num == 0 || align == 0 {
            return Err(Error::BadVring { index: self.index, vring, num, align });
        }
        Ok(Vring { da, align, num, notifyid, pa })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn names_end_at_the_nul_or_at_the_field() {
        let name = Name::new("vdev0vring0").unwrap();
        assert_eq!(name.to_string(), "vdev0vring0");
        assert!(name == *"vdev0vring0" && name != *"vdev0vring");
        assert_eq!(Name::new(&"x".repeat(31)).unwrap().as_bytes().len(), 31);
        assert_eq!(Name::new(&"x".repeat(32)), None);
        assert_eq!(Name::new(&"x".repeat(33)), None);
        assert_eq!(Name::new("a\0b"), None);
        assert_eq!(Name([b'y'; 32]).as_bytes().len(), 32);
        let mut odd = [0; 32];
        odd[..3].copy_from_slice(&[b'a', 0xff, b'b']);
        assert_eq!((Name(odd).to_str(), Name(odd).to_string().as_str()), (None, "a\u{fffd}b"));
    }
}
