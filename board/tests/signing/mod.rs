//! Signs firmware for tests, as `rproc sign` does.
#![allow(clippy::unwrap_used, reason = "helpers of tests, which clippy does not take for tests")]
#![allow(dead_code, reason = "each test binary uses the part that it needs")]

use rproc_abi::ProcessorId;
use rproc_board::Board;
use rproc_board::boot_stage::{self, Firmware, Protection};
use rproc_board::system::{System, SystemConfig};
use rproc_board::tee::{Counters, Services, TeeConfig, TrustedKeys};
use rproc_devicetree::Tree;
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

/// Signs for the Cortex-M33 of an STM32MP257 with everything bound.
pub fn sign(elf: &[u8]) -> Vec<u8> {
    sign_for(elf, ProcessorId::CORTEX_M33, "stm32mp257")
}

/// Signs with everything bound.
pub fn sign_for(elf: &[u8], processor: ProcessorId, soc: &str) -> Vec<u8> {
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
        .target(Target::new(processor.0, soc).unwrap())
        .security_counter(1)
        .key_fingerprint(&fingerprint)
        .bind_elf_metadata();
    builder.sign::<sha2::Sha256, _>(&mut key).unwrap().to_vec()
}

/// Starts a bundled firmware on a board that has no TEE yet, as a first-stage loader does.
pub fn boot_stage(board: &Board, id: ProcessorId, sample: &str, protection: Protection) {
    let elf = firmware(sample);
    let file = ElfFile::parse(&elf).unwrap();
    let loaded = file.segments().filter(|segment| segment.is_load() && segment.file_size > 0);
    let segments: Vec<(u64, &[u8])> =
        loaded.map(|segment| (segment.physical_address, file.segment_bytes(&segment).unwrap())).collect();
    let vector_table = file.vector_table().unwrap().unwrap().load_address.unwrap() as u32;
    let table = file.find_resource_table().unwrap();
    let resource_table = table.map(|table| table.load_address.unwrap() as u32);
    let firmware = Firmware { segments: &segments, vector_table, resource_table };
    boot_stage::start(board, id, &firmware, protection).unwrap();
}

/// A strict TEE that trusts that key.
pub fn tee() -> TeeConfig {
    TeeConfig {
        keys: TrustedKeys::new([key().public_key()]),
        policy: Policy::Strict,
        services: Services::all(),
        counters: Counters::new(),
    }
}

/// A system with this bundled firmware, signed, not yet booted; its TEE is strict.
pub fn system(image: &str) -> System {
    let [linux, secure] = [
        &include_bytes!("../../../bindings/boards/stm32mp257f-ev1/linux.dtb")[..],
        include_bytes!("../../../bindings/boards/stm32mp257f-ev1/secure.dtb"),
    ];
    let mut system = System::start(SystemConfig {
        linux_tree: &Tree::parse(linux).unwrap(),
        secure_tree: &Tree::parse(secure).unwrap(),
        processors: &["m33"],
        tee: tee(),
        real_time: false,
    })
    .unwrap();
    system.processors[0].set_firmware(sign(&firmware(image))).unwrap();
    system
}
