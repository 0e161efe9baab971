//! The samples for the Cortex-M4 and the Cortex-M0+, without a lifecycle around them: registers, memory and interrupts only.
#![allow(clippy::unwrap_used, reason = "helpers of tests, which clippy does not take for tests")]

#[path = "support/samples.rs"]
mod samples;

use std::collections::BTreeSet;
use std::time::Duration;

use rproc_board::{Board, Initiator, Port, Wake};
use rproc_rpmsg::host::{Event, Host};
use rproc_rpmsg::memory::{Fault, Memory};
use rproc_rpmsg::message::MAX_PAYLOAD;
use rproc_rpmsg::vring::Layout;
use samples::{Chip, lines, place, trace};

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

const LPUART1: u64 = 0x4603_0000;
const IPCC2: u64 = 0x4625_0000;

#[test]
fn the_m0_blinks_and_stops_when_it_is_asked_to() {
    let mut board = Board::new(Chip::M0.board()).unwrap();
    place(&board, Chip::M0, "blink-m0");
    Chip::M0.start(&board);
    assert_eq!(board.run_for(ms(350)), Wake::Deadline);
    let said = lines(&mut board, LPUART1);
    let expected: Vec<_> =
        [(0, "blink: ready"), (100, "blink: 1"), (200, "blink: 2"), (300, "blink: 3")].into();
    let said: Vec<_> = said.iter().map(|(at, line)| (*at, line.as_str())).collect();
    assert_eq!(said, expected);

    let linux = board.port(Initiator::A35NonSecure);
    linux.write32(IPCC2 + 0x18, 1 << 18).unwrap();
    assert_eq!(linux.read32(IPCC2 + 0x1C).unwrap(), 1 << 2, "asked");
    assert_eq!(board.run_for(ms(500)), Wake::Idle);
    assert_eq!(linux.read32(IPCC2 + 0x1C).unwrap(), 0, "acknowledged");
    let said: Vec<_> = lines(&mut board, LPUART1).into_iter().map(|(_, line)| line).collect();
    assert_eq!(said, ["blink: shut down"]);
    assert!(trace(&board, Chip::M0).ends_with("blink: 3\nblink: shut down\n"));
    assert!(board.instructions() < 100_000, "it sleeps: {} instructions", board.instructions());
}

const IPCC: u64 = 0x4C00_1000;
const VQ0: u32 = 1 << 0;
const VQ1: u32 = 1 << 1;
const TABLE: u64 = 0x1004_8000;
const RINGS: [u64; 2] = [0x1004_0000, 0x1004_1000];

struct Ddr(Port);

impl Ddr {
    fn number<const N: usize>(&self, address: u64) -> Result<[u8; N], Fault> {
        let mut bytes = [0; N];
        self.read(address, &mut bytes)?;
        Ok(bytes)
    }
}

impl Memory for Ddr {
    fn read(&self, address: u64, buffer: &mut [u8]) -> Result<(), Fault> {
        self.0.read(address, buffer).map_err(|_| Fault { address, len: buffer.len() as u64 })
    }
    fn write(&mut self, address: u64, bytes: &[u8]) -> Result<(), Fault> {
        self.0.write(address, bytes).map_err(|_| Fault { address, len: bytes.len() as u64 })
    }
    fn load_u16(&self, address: u64) -> Result<u16, Fault> {
        Ok(u16::from_le_bytes(self.number(address)?))
    }
    fn load_u32(&self, address: u64) -> Result<u32, Fault> {
        Ok(u32::from_le_bytes(self.number(address)?))
    }
    fn store_u16(&mut self, address: u64, value: u16) -> Result<(), Fault> {
        self.write(address, &value.to_le_bytes())
    }
    fn store_u32(&mut self, address: u64, value: u32) -> Result<(), Fault> {
        self.write(address, &value.to_le_bytes())
    }
}

/// Linux's end of a Cortex-M4's channel.
struct Linux {
    board: Board,
    host: Host,
    memory: Ddr,
}

impl Linux {
    /// Starts a firmware, its rings as Linux's device tree has them, and takes the channel's announcement.
    fn connect(firmware: &str) -> (Linux, String, u32) {
        let board = Board::new(Chip::M4.board()).unwrap();
        place(&board, Chip::M4, firmware);
        let mut memory = Ddr(board.port(Initiator::A35NonSecure));
        let layout = |address| Layout::new(address, 16, 16).unwrap();
        let mut host = Host::new(layout(RINGS[0]), layout(RINGS[1]), 0x1004_2000..0x1004_6000, 16).unwrap();
        host.start(&mut memory).unwrap();
        // The vdev entry is the table's first, 24 bytes in: features, status, and the rings' addresses 28 bytes into it.
        let vdev = TABLE + 24;
        for (ring, address) in RINGS.into_iter().enumerate() {
            memory.store_u32(vdev + 28 + 20 * ring as u64, address as u32).unwrap();
        }
        memory.store_u32(vdev + 16, 1).unwrap();
        memory.write(vdev + 24, &[4]).unwrap();
        memory.0.write32(IPCC, 1).unwrap();
        memory.0.write32(IPCC + 4, !VQ0).unwrap();
        Chip::M4.start(&board);
        let mut linux = Linux { board, host, memory };
        match linux.next() {
            Ok(announcement) => (linux, announcement.0, announcement.1),
            Err(message) => panic!("no announcement but {message:?}"),
        }
    }

    /// Waits for the firmware's signal and takes what it has sent: an announcement, or the bytes of a message.
    fn next(&mut self) -> Result<(String, u32), Vec<u8>> {
        for _ in 0..10 {
            let mut payload = [0; MAX_PAYLOAD];
            match self.host.receive(&mut self.memory, &mut payload).unwrap() {
                Some(Event::Announcement(it)) => return Ok((it.name.to_string(), it.address)),
                Some(Event::Message(message)) => return Err(message.payload.to_vec()),
                None => {}
            }
            match self.board.run_for(ms(100)) {
                Wake::Interrupt(spis) => {
                    assert_eq!(spis, BTreeSet::from([100]));
                    self.memory.0.write32(IPCC + 8, VQ0).unwrap();
                }
                other => panic!("{other:?}: {}", trace(&self.board, Chip::M4)),
            }
        }
        panic!("nothing came: {}", trace(&self.board, Chip::M4))
    }

    fn send(&mut self, address: u32, payload: &[u8]) {
        self.host.send(&mut self.memory, 0x400, address, payload).unwrap();
        self.memory.0.write32(IPCC + 8, VQ1 << 16).unwrap();
    }
}

#[test]
fn the_m4_echoes() {
    let (mut linux, name, address) = Linux::connect("echo-m4");
    assert_eq!((name.as_str(), address), ("rproc-echo", 0x400));
    for round in 0..100u32 {
        let sent = format!("message {round}");
        linux.send(address, sent.as_bytes());
        assert_eq!(linux.next(), Err(sent.into_bytes()));
    }
    linux.memory.0.write32(IPCC + 8, 1 << 18).unwrap();
    assert_eq!(linux.board.run_for(ms(100)), Wake::Idle);
    assert_eq!(linux.memory.0.read32(IPCC + 0xC).unwrap(), 0, "the shutdown request is acknowledged");
}

#[test]
fn the_m4_obeys() {
    let obeys = |order: &str| {
        let (mut linux, name, address) = Linux::connect("obey-m4");
        assert_eq!(name, "rproc-obey");
        linux.send(address, order.as_bytes());
        assert_eq!(linux.next(), Err(order.as_bytes().to_vec()), "the answer comes before the deed");
        linux
    };
    for (order, from, to) in [("starve", 95, 102), ("feed", 490, 515)] {
        let mut linux = obeys(order);
        let start = linux.board.now();
        assert_eq!(linux.board.run_for(ms(2000)), Wake::Interrupt(BTreeSet::from([143])), "{order}");
        let after = linux.board.now() - start;
        assert!((ms(from)..ms(to)).contains(&after), "{order}: {after:?}");
    }
    let mut linux = obeys("fault");
    assert!(matches!(linux.board.run_for(ms(2000)), Wake::Crashed(_)));
    assert!(trace(&linux.board, Chip::M4).contains("fault: exception 3"));

    for (order, acknowledged) in [("late", Some(700)), ("deaf", None), ("nothing", Some(0))] {
        let mut linux = obeys(order);
        linux.memory.0.write32(IPCC + 8, 1 << 18).unwrap();
        let start = linux.board.now();
        let answered = (0..2000).find(|_| {
            linux.board.run_for(ms(1));
            linux.memory.0.read32(IPCC + 0xC).unwrap() & 1 << 2 == 0
        });
        assert_eq!(
            answered.map(|after| after / 10 * 10),
            acknowledged,
            "{order} {:?}",
            linux.board.now() - start
        );
    }
}
