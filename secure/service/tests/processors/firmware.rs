//! The firmware of three processors, each in the memory that its driver knows, and the images that hold it.

use std::collections::BTreeMap;

use rproc_abi::ProcessorId;
use rproc_elf::testing::{ElfBuilder, resource_table};
use rproc_image::{BoundResourceTable, ContainerBuilder, SignatureAlgorithm, Signer, Target};
use rproc_platform::{Region, RegionKind};
use sha2::Sha256;

use crate::model::{Command, Firmware};

/// The SoC of this test, which has the processors of two.
pub const SOC: &str = "three";

const fn region(name: &'static str, device: u64, physical: u64, size: u64, kind: RegionKind) -> Region {
    Region { name, device, physical, size, kind }
}

pub static M33_REGIONS: [Region; 3] = [
    region("code", 0x8010_0000, 0x8010_0000, 0x1000, RegionKind::Firmware),
    region("data", 0x0a04_1000, 0x0a04_1000, 0x1000, RegionKind::Firmware),
    region("shared", 0x8120_0000, 0x8120_0000, 0x1000, RegionKind::Shared),
];
pub static M0_REGIONS: [Region; 3] = [
    region("code", 0x200c_0000, 0x200c_0000, 0x2000, RegionKind::Firmware),
    region("data", 0x200c_2000, 0x200c_2000, 0x2000, RegionKind::Firmware),
    region("shared", 0x200c_4000, 0x200c_4000, 0x4000, RegionKind::Shared),
];
pub static M4_REGIONS: [Region; 4] = [
    region("code", 0, 0x3800_0000, 0x1000, RegionKind::Firmware),
    region("data", 0x1000_0000, 0x1000_0000, 0x1000, RegionKind::Firmware),
    region("data again", 0x3000_0000, 0x3000_0000, 0x1000, RegionKind::Firmware),
    region("shared", 0x1004_8000, 0x1004_8000, 0x1000, RegionKind::Shared),
];

/// One of the three processors.
#[derive(Clone, Copy)]
pub struct Site {
    pub id: ProcessorId,
    pub regions: &'static [Region],
    /// Device address of the vector table, of a segment of data, and of the resource table.
    code: u32,
    data: u32,
    pub table: u32,
    /// What is added to a device address of the first region, to make it the Cortex-A's.
    shift: u64,
    /// It stays held when it resets itself.
    pub holds: bool,
}

pub const M33: Site = Site {
    id: ProcessorId::CORTEX_M33,
    regions: &M33_REGIONS,
    code: 0x8010_0000,
    data: 0x0a04_1000,
    table: 0x8120_0000,
    shift: 0,
    holds: false,
};
pub const M0: Site = Site {
    id: ProcessorId::CORTEX_M0_PLUS,
    regions: &M0_REGIONS,
    code: 0x200c_0000,
    data: 0x200c_2000,
    table: 0x200c_4000,
    shift: 0,
    holds: false,
};
pub const M4: Site = Site {
    id: ProcessorId::CORTEX_M4,
    regions: &M4_REGIONS,
    code: 0,
    data: 0x1000_0000,
    table: 0x1004_8000,
    shift: 0x3800_0000,
    holds: true,
};

/// Signs as the toy key store wants it.
struct ToySigner;

impl Signer for ToySigner {
    type Error = ();

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::EcdsaP256Sha256
    }

    fn signature_len(&self) -> u32 {
        64
    }

    fn sign_digest(&mut self, digest: &[u8; 32]) -> Result<Vec<u8>, ()> {
        Ok([*digest, *digest].concat())
    }
}

/// Bytes that only this firmware of this processor has.
fn byte(site: &Site, firmware: Firmware) -> u8 {
    0x10 * (site.id.0 as u8 + 1) + 1 + u8::from(firmware == Firmware::B)
}

impl Site {
    fn segments(&self, firmware: Firmware) -> [(u32, Vec<u8>); 3] {
        let fill = |size| vec![byte(self, firmware); size];
        [(self.code, fill(200)), (self.data, fill(70)), (self.table, resource_table::sample())]
    }

    pub fn elf(&self, firmware: Firmware) -> Vec<u8> {
        let [(code, vectors), (data, bytes), (table, entries)] = self.segments(firmware);
        ElfBuilder::elf32()
            .vectors(code.into(), &vectors)
            .resource_table(table.into(), &entries)
            .load(data.into(), &bytes)
            .build()
    }

    /// A container for this processor, of any ELF file.
    pub fn sign(&self, elf: &[u8]) -> Vec<u8> {
        let table =
            BoundResourceTable::At { address: self.table, size: resource_table::sample().len() as u32 };
        let mut builder = ContainerBuilder::new();
        builder.image(elf).unwrap().resource_table(table).unwrap();
        builder.target(Target::new(self.id.0, SOC).unwrap()).security_counter(0).bind_elf_metadata();
        builder.boot_address(self.code);
        builder.sign::<Sha256, _>(&mut ToySigner).unwrap().to_vec()
    }

    /// The image that a command loads.
    pub fn image(&self, command: Command) -> Option<Vec<u8>> {
        let good = || self.sign(&self.elf(Firmware::A));
        Some(match command {
            Command::Load(firmware) => self.sign(&self.elf(firmware)),
            Command::LoadForged => {
                let mut image = good();
                let elf = self.elf(Firmware::A).len().next_multiple_of(8);
                let signature = image.len() - elf - 64;
                image[signature] ^= 1;
                image
            }
            Command::LoadBroken => {
                let mut image = good();
                let data = vec![byte(self, Firmware::A); 70];
                let at = image.windows(70).rposition(|part| part == data).unwrap();
                image[at] ^= 1;
                image
            }
            Command::LoadForeign => {
                Site { id: ProcessorId(self.id.0 ^ 1), ..*self }.sign(&self.elf(Firmware::A))
            }
            _ => return None,
        })
    }

    /// What is in memory with this firmware, by the Cortex-A's address, without zeros.
    pub fn bytes(&self, firmware: Firmware) -> BTreeMap<u64, u8> {
        let mut bytes = BTreeMap::new();
        for (device, content) in self.segments(firmware) {
            let shift = if device == self.code { self.shift } else { 0 };
            let placed = (u64::from(device) + shift..).zip(content);
            bytes.extend(placed.filter(|(_, byte)| *byte != 0));
        }
        bytes
    }
}
