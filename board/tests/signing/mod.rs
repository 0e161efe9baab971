//! Signs firmware for tests, as `rproc sign` does.
#![allow(clippy::unwrap_used, reason = "helpers of tests, which clippy does not take for tests")]
#![allow(dead_code, reason = "each test binary uses the part that it needs")]

use rproc_abi::ProcessorId;
use rproc_board::boards;
use rproc_board::system::{System, SystemConfig};
use rproc_board::tee::{Counters, Services, TeeConfig, TrustedKeys};
use rproc_elf::ElfFile;
use rproc_image::{BoundResourceTable, ContainerBuilder, Target};
use rproc_keys::{PrivateKey, development_key};
use rproc_service::Policy;

/// The bytes of a bundled firmware.
pub fn firmware(name: &str) -> Vec<u8> {
    let path = format!("{}/../firmware/elf/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The key that test boards trust.
pub fn key() -> PrivateKey {
    development_key().unwrap()
}

/// Signs with everything bound.
pub fn sign(elf: &[u8]) -> Vec<u8> {
    let mut key = key();
    let fingerprint = key.public_key().fingerprint();
    let file = ElfFile::parse(elf).unwrap();
    let mut builder = ContainerBuilder::new();
    builder.image(elf).unwrap();
    let table = match file.find_resource_table().unwrap() {
        None => BoundResourceTable::Absent,
        Some(table) => {
            BoundResourceTable::At { address: table.load_address.unwrap() as u32, size: table.size as u32 }
        }
    };
    builder.resource_table(table).unwrap();
    let vectors = file.vector_table().unwrap().unwrap();
    builder
        .boot_address(vectors.load_address.unwrap() as u32)
        .target(Target::new(ProcessorId::CORTEX_M33.0, "stm32mp257").unwrap())
        .security_counter(1)
        .key_fingerprint(&fingerprint)
        .bind_elf_metadata();
    builder.sign::<sha2::Sha256, _>(&mut key).unwrap().to_vec()
}

/// A system with this bundled firmware, signed, not yet booted; its TEE is strict.
pub fn system(image: &str) -> System {
    let mut system = System::start(SystemConfig {
        board: boards::stm32mp257f_ev1(),
        device_tree: include_bytes!("../../../bindings/boards/stm32mp257f-ev1/linux.dtb"),
        processor: "m33",
        tee: TeeConfig {
            keys: TrustedKeys::new([key().public_key()]),
            policy: Policy::Strict,
            services: Services::all(),
            counters: Counters::new(),
        },
        real_time: false,
    })
    .unwrap();
    system.processor.set_firmware(sign(&firmware(image))).unwrap();
    system
}
