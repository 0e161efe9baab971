//! The virtual SoC's registers and on-chip memories, in the BARs of a PCI device of QEMU.

use core::fmt;

use rproc_aperture::{
    DEVICE_ID, IDENTITY_SIZE, Identity, MEMORY_BAR, NotOurs, REGISTER_BAR_SIZE, SECURE_BAR, VENDOR_ID,
    locate_memory, locate_register,
};

use super::pci::{self, Missing};
use crate::mapping::{Area, Mapping, Permanent};

/// First address of the DDR: QEMU's memory is at the SoC's addresses there.
const DDR: u64 = 0x8000_0000;

/// The device, found and identified.
pub struct Registers {
    /// The BAR for the secure world. Mapped for ever, and before any other mapping: see [`Mapping`].
    secure: Permanent,
    /// Physical address of the BAR of memories.
    memories: u64,
    soc: SocName,
}

/// The SoC's name as the device gives it.
#[derive(Clone, Copy)]
pub struct SocName(Identity);

impl AsRef<str> for SocName {
    fn as_ref(&self) -> &str {
        self.0.soc()
    }
}

/// Why there is no SoC.
pub enum NotFound {
    /// The PCI device cannot be used.
    Pci(Missing),
    /// The core cannot map the BAR of registers.
    Mapping(u64),
    /// The device is not a virtual SoC of this version.
    Identity(NotOurs),
}

impl fmt::Display for NotFound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pci(Missing::ConfigurationSpace) => f.write_str("PCI configuration space cannot be mapped"),
            Self::Pci(Missing::Device) => {
                write!(
                    f,
                    "no PCI device {VENDOR_ID:04x}:{DEVICE_ID:04x}: give QEMU the virtual board's socket"
                )
            }
            Self::Pci(Missing::Bar(bar)) => {
                write!(f, "Linux has not assigned BAR {bar} of the PCI device yet")
            }
            Self::Mapping(address) => write!(f, "the registers at {address:#x} cannot be mapped"),
            Self::Identity(NotOurs::Magic(bytes)) => {
                write!(f, "the PCI device begins with {bytes:02x?}, not RPRC")
            }
            Self::Identity(NotOurs::Version(version)) => {
                write!(
                    f,
                    "the PCI device has layout {version}, not 1: use one version of rproc on both sides"
                )
            }
            Self::Identity(NotOurs::Name) => f.write_str("the PCI device does not name a SoC"),
        }
    }
}

impl Registers {
    /// Finds the device and maps its registers.
    pub fn find() -> Result<Self, NotFound> {
        let [secure, memories] =
            pci::find(VENDOR_ID, DEVICE_ID, [SECURE_BAR, MEMORY_BAR]).map_err(NotFound::Pci)?;
        let mapping = Mapping::new(Area::SecureRegisters, secure, REGISTER_BAR_SIZE as usize)
            .ok_or(NotFound::Mapping(secure))?;
        let mut bytes = [0; IDENTITY_SIZE];
        for (word, offset) in bytes.chunks_mut(4).zip((0u64..).step_by(4)) {
            word.copy_from_slice(&mapping.read32(offset).unwrap_or_default().to_le_bytes());
        }
        let soc = SocName(Identity::decode(&bytes).map_err(NotFound::Identity)?);
        Ok(Self { secure: Permanent::new(mapping), memories, soc })
    }

    /// The SoC's name.
    pub fn soc(&self) -> SocName {
        self.soc
    }

    /// Reads a register at an address of the SoC; `None` when nothing is there.
    pub fn read32(&self, address: u64) -> Option<u32> {
        self.secure.read32(locate_register(address, 4)?.offset)
    }

    /// Writes a register at an address of the SoC; `None` when nothing is there.
    pub fn write32(&self, address: u64, value: u32) -> Option<()> {
        self.secure.write32(locate_register(address, 4)?.offset, value)
    }

    /// The physical address of a range of the SoC's memory; `None` when it is no memory.
    pub fn memory(&self, address: u64, size: u64) -> Option<u64> {
        if address >= DDR {
            return Some(address);
        }
        Some(self.memories + locate_memory(address, size)?.offset)
    }
}
