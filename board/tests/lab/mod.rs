//! A laboratory for attacks: a board with a TEE, the images to attack it with, and what must hold after each refusal.
#![allow(dead_code, reason = "each test binary uses the part that it needs")]
#![allow(clippy::unwrap_used, reason = "helpers of tests, which clippy does not take for tests")]

pub mod bench;
pub mod elf;
pub mod export;
pub mod forge;

use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::Duration;

use rproc_abi::refusal::Reason;
use rproc_abi::{Login, ProcessorId, Refusal, TeeResult};
use rproc_board::tee::{Counters, HostTee, SecureEvent, Services, TeeConfig, TrustedKeys, regions_of};
use rproc_board::{Board, Bus, Initiator, Port, boards};
use rproc_keys::{PrivateKey, development_key};
use rproc_platform::{Region, RegionKind};
use rproc_service::Policy;
use rproc_tee::{RemoteprocService, ServiceError};

pub const M33: ProcessorId = ProcessorId::CORTEX_M33;
/// RCC's register with BOOT_CPU2 in bit 0.
pub const CPUBOOTCR: u64 = 0x4420_0434;

/// The key that the laboratory's boards trust.
pub fn key() -> PrivateKey {
    development_key().unwrap()
}

/// The Cortex-M33's memory, as the board's device tree has it, each part at each address that the processor has of it.
pub fn mapped() -> &'static [Region] {
    regions_of(boards::stm32mp257f_ev1().coprocessor(M33.0))
}

/// The same memory, each part once.
pub fn regions() -> impl Iterator<Item = &'static Region> {
    mapped().iter().filter(|region| region.device == region.physical)
}

/// A board with a TEE, and a kernel's session with its remoteproc service.
pub struct Lab {
    pub board: Board,
    pub tee: Arc<HostTee>,
    pub service: RemoteprocService<Arc<HostTee>>,
    policy: Policy,
}

/// A board with the strict policy, and the good image that it takes.
pub fn strict() -> (Lab, Vec<u8>) {
    (Lab::new(Policy::Strict), forge::good())
}

impl Lab {
    pub fn new(policy: Policy) -> Self {
        Self::with(policy, Counters::new())
    }

    /// With security counters that may have had an earlier life.
    pub fn with(policy: Policy, counters: Counters) -> Self {
        let board = Board::new(boards::stm32mp257f_ev1()).unwrap();
        let config = TeeConfig {
            keys: TrustedKeys::new([key().public_key()]),
            policy,
            services: Services::all(),
            counters,
        };
        let tee = Arc::new(HostTee::new(board.bus().clone(), config));
        let service = RemoteprocService::open(tee.clone(), Login::ReeKernel, M33).unwrap();
        Self { board, tee, service, policy }
    }

    pub fn linux(&self) -> Port {
        self.board.port(Initiator::A35NonSecure)
    }

    pub fn secure(&self) -> Port {
        self.board.port(Initiator::A35Secure)
    }

    pub fn load(&self, image: &[u8]) -> Result<(), Refusal> {
        self.service.load(M33, image).map_err(refusal)
    }

    /// Loads an image that must be refused, and checks that nothing of it is left. Returns why it was refused.
    #[track_caller]
    pub fn refused(&mut self, image: &[u8]) -> Refusal {
        let refusal = match self.load(image) {
            Ok(()) => panic!("the image was loaded"),
            Err(refusal) => refusal,
        };
        self.assert_clean();
        if self.policy == Policy::Strict {
            export::refused(image, &refusal);
        }
        refusal
    }

    /// As [`Lab::refused`], for exactly this reason, with the result code that goes with it.
    #[track_caller]
    pub fn refused_for(&mut self, image: &[u8], reason: Reason) -> Refusal {
        let refusal = self.refused(image);
        assert_eq!(refusal.reason, reason, "{refusal}");
        refusal
    }

    /// Nothing is loaded, nothing runs, the processor's memory is zero, and closed if it was ever used.
    #[track_caller]
    pub fn assert_clean(&mut self) {
        assert_eq!(
            self.service.start(M33).map_err(refusal).unwrap_err().reason,
            Reason::NotLoaded,
            "nothing is loaded"
        );
        assert_eq!(self.secure().read32(CPUBOOTCR).unwrap() & 1, 0, "the processor is held");
        self.board.run_for(Duration::from_micros(1));
        assert!(!self.board.is_running());
        assert_zero(self.board.bus());
        self.assert_open_or_closed();
        let log = self.tee.drain_log();
        assert!(!log.iter().any(|(_, event)| matches!(event, SecureEvent::Released { .. })), "{log:?}");
        self.board.drain_events();
    }

    /// Linux gets at all of the firmware's memory, as boot firmware left it, or at none of it, once the TEE has used it.
    #[track_caller]
    pub fn assert_open_or_closed(&mut self) {
        if self.linux().read32(mapped()[0].physical).is_ok() {
            self.assert_open()
        } else {
            self.assert_closed()
        }
    }

    /// Linux reads and writes both ends of every region.
    #[track_caller]
    pub fn assert_open(&self) {
        for region in regions() {
            for address in ends(region) {
                self.linux().write32(address, 0x1234_5678).unwrap();
                assert_eq!(self.linux().read32(address).unwrap(), 0x1234_5678);
                self.linux().write32(address, 0).unwrap();
            }
        }
    }

    /// Linux neither reads nor writes the firmware's regions, anywhere, and is told on.
    #[track_caller]
    pub fn assert_closed(&mut self) {
        self.board.drain_events();
        for region in regions().filter(|region| region.kind == RegionKind::Firmware) {
            let middle = region.physical + region.size / 2;
            for address in ends(region).into_iter().chain([middle]) {
                assert!(self.linux().read32(address).is_err(), "{} can be read at {address:#x}", region.name);
                assert!(
                    self.linux().write32(address, 0).is_err(),
                    "{} can be written at {address:#x}",
                    region.name
                );
            }
        }
        assert_eq!(self.board.drain_events().len(), 5 * 3 * 2, "each attempt is logged");
    }

    /// The good image still loads, runs and goes.
    #[track_caller]
    pub fn assert_works(&mut self, image: &[u8]) {
        self.load(image).unwrap();
        self.run();
        self.service.stop(M33).unwrap();
        self.service.release(M33).unwrap();
        self.tee.drain_log();
        self.assert_clean();
    }

    /// Starts what is loaded and sees it count.
    #[track_caller]
    pub fn run(&mut self) {
        let before = self.linux().read32(elf::COUNTER).unwrap();
        self.service.start(M33).unwrap();
        self.board.run_for(Duration::from_micros(100));
        assert!(self.board.is_running());
        assert!(self.linux().read32(elf::COUNTER).unwrap() > before, "the firmware counts");
    }

    /// What the secure Cortex-A sees in memory.
    pub fn memory(&self, range: Range<u64>) -> Vec<u8> {
        let mut bytes = vec![0; (range.end - range.start) as usize];
        self.secure().read(range.start, &mut bytes).unwrap();
        bytes
    }

    /// Fills every region with what a hostile Linux would like to have executed.
    pub fn poison(&self) {
        for region in regions() {
            self.linux().fill(region.physical, region.size, 0xE7).unwrap();
        }
    }
}

fn ends(region: &Region) -> [u64; 2] {
    [region.physical, region.physical + region.size - 4]
}

/// The reason that the service gave, which must go with the result code on the wire.
#[track_caller]
pub fn refusal(error: ServiceError) -> Refusal {
    let refusal = error.refusal.unwrap_or_else(|| panic!("refused without a reason: {error}"));
    assert_eq!(refusal.result(), error.tee.result);
    assert_ne!(error.tee.result, TeeResult::GENERIC);
    refusal
}

/// All memory of the processor is zero.
#[track_caller]
pub fn assert_zero(bus: &Bus) {
    assert_zero_but(bus, &[]);
}

/// All memory of the processor is zero but these ranges, which are not looked at.
///
/// Looks into the banks' files, where memory that nobody touched is a hole and costs nothing.
#[track_caller]
pub fn assert_zero_but(bus: &Bus, spared: &[Range<u64>]) {
    for region in regions() {
        let end = region.physical + region.size;
        let bank = bus
            .banks()
            .iter()
            .find(|bank| (bank.base..bank.base + bank.ram.size()).contains(&region.physical))
            .unwrap();
        let mut at = region.physical;
        while let Some(data) = next_data(bank.ram.file(), at - bank.base).map(|offset| bank.base + offset)
            && data < end
        {
            let mut bytes = vec![0; (end - data).min(4096) as usize];
            bank.ram.file().read_exact_at(&mut bytes, data - bank.base).unwrap();
            let found = (data..)
                .zip(&bytes)
                .find(|(address, byte)| **byte != 0 && !spared.iter().any(|range| range.contains(address)));
            assert_eq!(found, None, "{} is not zero at {:#x?}", region.name, found.map(|found| found.0));
            at = data + bytes.len() as u64;
        }
    }
}

/// Where the next byte is that is not in a hole.
fn next_data(file: &std::fs::File, offset: u64) -> Option<u64> {
    use rustix::fs::{SeekFrom, seek};
    seek(file, SeekFrom::Data(offset)).ok()
}
