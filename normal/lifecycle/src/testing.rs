//! Test doubles: memory, a board with simulated firmware, and a loader that fails on demand. No silicon behaves like this.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::ops::Range;
use std::rc::Rc;
use std::time::Duration;

use rproc_elf::resource_table::{EntryKind, ResourceTable};
use rproc_elf::testing::resource_table::TableBuilder;
use rproc_rpmsg::memory::{Fault, Memory};
use rproc_rpmsg::message::MAX_PAYLOAD;
use rproc_rpmsg::name_service::{Change, Name};
use rproc_rpmsg::remote::{self, Remote};
use rproc_rpmsg::{ReceiveError, Ring, SendError};

use crate::{Crash, Description, Interrupts, Loader, Machine, Mailbox, MemoryRegion, TableLocation, Wake};

/// The shared memory of the STM32MP25 EV1.
pub(crate) const SHARED: Range<u64> = 0x8120_0000..0x8130_0000;
/// Where the tables of these tests lie, as ST's linker script has it.
pub(crate) const TABLE: u64 = 0x8120_0000;
/// Where the trace buffer lies.
pub(crate) const LOG: u64 = 0x8120_1000;

pub(crate) fn region(name: &str, address: u64, size: u64) -> MemoryRegion {
    MemoryRegion { name: name.to_owned(), address, size }
}

/// The M33 of the example tree.
pub(crate) fn description() -> Description {
    Description {
        name: "m33".to_owned(),
        regions: vec![
            region("vdev0vring0", 0x812f_8000, 0x1000),
            region("vdev0vring1", 0x812f_9000, 0x1000),
            region("vdev0buffer", 0x812f_a000, 0x6000),
            region("ipc-shmem", 0x8120_0000, 0xf_8000),
        ],
        mailboxes: vec![Mailbox::Queue0, Mailbox::Queue1, Mailbox::Shutdown],
        ..Description::default()
    }
}

/// The table of a firmware with RPMsg and a log.
pub(crate) fn table() -> Vec<u8> {
    TableBuilder::new()
        .vdev(7, 1, &[(u32::MAX, 16, 16, 0), (u32::MAX, 16, 16, 1)])
        .trace("m33_log", LOG as u32, 2048)
        .build()
}

/// Shared memory only; everything else faults.
#[derive(Clone)]
pub(crate) struct Ram(Rc<RefCell<Vec<u8>>>);

impl Ram {
    pub(crate) fn new() -> Ram {
        Ram(Rc::new(RefCell::new(vec![0; (SHARED.end - SHARED.start) as usize])))
    }

    fn place(&self, address: u64, len: usize, align: usize) -> Result<Range<usize>, Fault> {
        let fault = Fault { address, len: len as u64 };
        let start = address.checked_sub(SHARED.start).ok_or(fault)? as usize;
        let end = start.checked_add(len).filter(|end| *end <= self.0.borrow().len()).ok_or(fault)?;
        if start.is_multiple_of(align) { Ok(start..end) } else { Err(fault) }
    }

    fn load<const N: usize>(&self, address: u64) -> Result<[u8; N], Fault> {
        let place = self.place(address, N, N)?;
        Ok(self.0.borrow()[place].try_into().unwrap())
    }

    fn store(&self, address: u64, bytes: &[u8], align: usize) -> Result<(), Fault> {
        let place = self.place(address, bytes.len(), align)?;
        self.0.borrow_mut()[place].copy_from_slice(bytes);
        Ok(())
    }
}

impl Memory for Ram {
    fn read(&self, address: u64, buffer: &mut [u8]) -> Result<(), Fault> {
        let place = self.place(address, buffer.len(), 1)?;
        buffer.copy_from_slice(&self.0.borrow()[place]);
        Ok(())
    }
    fn write(&mut self, address: u64, bytes: &[u8]) -> Result<(), Fault> {
        self.store(address, bytes, 1)
    }
    fn load_u16(&self, address: u64) -> Result<u16, Fault> {
        self.load(address).map(u16::from_le_bytes)
    }
    fn load_u32(&self, address: u64) -> Result<u32, Fault> {
        self.load(address).map(u32::from_le_bytes)
    }
    fn store_u16(&mut self, address: u64, value: u16) -> Result<(), Fault> {
        self.store(address, &value.to_le_bytes(), 2)
    }
    fn store_u32(&mut self, address: u64, value: u32) -> Result<(), Fault> {
        self.store(address, &value.to_le_bytes(), 4)
    }
}

/// What both sides of the simulated board share.
pub(crate) struct Board {
    /// Signals each way, by mailbox: to the firmware, to the host.
    to_firmware: RefCell<BTreeSet<Mailbox>>,
    to_host: RefCell<BTreeSet<Mailbox>>,
    now: Cell<Duration>,
    /// What ends a wait.
    heard: Cell<Interrupts>,
    running: Cell<bool>,
    /// The firmware takes shutdown and detach signals.
    pub(crate) polite: Cell<bool>,
    /// The firmware returns transmit buffers and answers.
    pub(crate) awake: Cell<bool>,
    /// The next wait reports this.
    pub(crate) crash: RefCell<Option<Crash>>,
    /// Calls to the loader, in order.
    pub(crate) calls: RefCell<Vec<&'static str>>,
    /// Stopping the processor leaves its signals in the mailboxes, as on silicon.
    pub(crate) sticky: Cell<bool>,
    /// Where the loader says the table is, instead of where it was made to say.
    pub(crate) table: Cell<Option<TableLocation>>,
    /// Loader calls that fail once each.
    pub(crate) failing: RefCell<Vec<&'static str>>,
    firmware: RefCell<Firmware>,
}

/// The firmware: announces an echo, returns what it is sent, and logs.
#[derive(Default)]
struct Firmware {
    remote: Option<Remote>,
    log: u64,
    backlog: Vec<(u32, Vec<u8>)>,
}

/// Address of the firmware's echo endpoint.
pub(crate) const ECHO: u32 = 0x400;

impl Board {
    pub(crate) fn new() -> Rc<Board> {
        Rc::new(Board {
            to_firmware: RefCell::default(),
            to_host: RefCell::default(),
            now: Cell::default(),
            heard: Cell::new(Interrupts::ALL),
            running: Cell::new(false),
            polite: Cell::new(true),
            awake: Cell::new(true),
            sticky: Cell::new(false),
            table: Cell::default(),
            crash: RefCell::default(),
            calls: RefCell::default(),
            failing: RefCell::default(),
            firmware: RefCell::default(),
        })
    }

    pub(crate) fn is_running(&self) -> bool {
        self.running.get()
    }

    /// Lets the firmware run without a loader, as a boot loader would have.
    pub(crate) fn run(&self) {
        self.running.set(true);
    }

    /// Starts the firmware from its beginning.
    pub(crate) fn restart(&self) {
        *self.firmware.borrow_mut() = Firmware::default();
        self.run();
    }

    /// Puts the processor into reset.
    pub(crate) fn halt(&self) {
        self.running.set(false);
        if !self.sticky.get() {
            self.to_firmware.borrow_mut().clear();
            self.to_host.borrow_mut().clear();
        }
    }

    /// The firmware kicks the host.
    pub(crate) fn kick_host(&self, mailbox: Mailbox) {
        self.to_host.borrow_mut().insert(mailbox);
    }

    fn take(&self, mailbox: Mailbox) -> bool {
        self.to_firmware.borrow_mut().remove(&mailbox)
    }

    /// One turn of the firmware's main loop.
    fn turn(&self, ram: &mut Ram) {
        if !self.running.get() || !self.awake.get() {
            return;
        }
        self.now.set(self.now.get() + Duration::from_micros(10));
        let mut firmware = self.firmware.borrow_mut();
        if self.polite.get() {
            for mailbox in [Mailbox::Shutdown, Mailbox::Detach] {
                if self.take(mailbox) {
                    firmware.log(ram, "leaving");
                    firmware.remote = None;
                }
            }
        }
        let kicked = self.take(Mailbox::Queue0) | self.take(Mailbox::Queue1);
        if firmware.remote.is_none() {
            firmware.connect(ram);
        }
        if firmware.exchange(ram, kicked, self).is_err() {
            // The host attached anew without a word, since there is no detach mailbox: its rings start over.
            firmware.remote = None;
        }
    }
}

impl Firmware {
    fn log(&mut self, ram: &mut Ram, line: &str) {
        ram.write(LOG + self.log, format!("{line}\n\0").as_bytes()).unwrap();
        self.log += line.len() as u64 + 1;
    }

    /// Takes messages after a kick, returns them, and kicks the host for what it did.
    fn exchange(&mut self, ram: &mut Ram, kicked: bool, board: &Board) -> Result<(), ReceiveError> {
        let Firmware { remote: Some(remote), backlog, .. } = self else { return Ok(()) };
        let mut payload = [0; MAX_PAYLOAD];
        if kicked {
            while let Some(message) = remote.receive(ram, &mut payload)? {
                backlog.push((message.source, message.payload.to_vec()));
            }
            while let Some((source, payload)) = backlog.first() {
                match remote.send(ram, ECHO, *source, payload) {
                    Ok(()) => drop(backlog.remove(0)),
                    Err(SendError::Full) => break,
                    Err(SendError::Ring(error)) => return Err(error.into()),
                    Err(error) => panic!("{error}"),
                }
            }
        }
        for (ring, mailbox) in [(Ring::ToHost, Mailbox::Queue0), (Ring::ToRemote, Mailbox::Queue1)] {
            if remote.take_notification(ram, ring)? {
                board.kick_host(mailbox);
            }
        }
        Ok(())
    }

    /// Waits for DRIVER_OK in its table, then announces.
    fn connect(&mut self, ram: &mut Ram) {
        let mut bytes = vec![0; table().len()];
        ram.read(TABLE, &mut bytes).unwrap();
        let Ok(table) = ResourceTable::parse(&bytes) else { return };
        let Some(Ok(entry)) = table.entry(0) else { return };
        let EntryKind::Vdev(vdev) = entry.kind else { return };
        let [first, second] = [0, 1].map(|ring| {
            let ring = vdev.vrings[ring];
            remote::Vring { address: ring.da, align: ring.align, num: ring.num }
        });
        let vdev =
            remote::Vdev { status: vdev.status, features: vdev.guest_features, vrings: [first, second] };
        let Ok(mut remote) = Remote::connect(&vdev, SHARED) else { return };
        // Rings that are still those of the talk before: no good to announce on.
        let name = Name::new("rproc-echo").unwrap();
        if remote.announce(ram, name, ECHO, Change::Created).is_err() {
            return;
        }
        self.remote = Some(remote);
        self.log(ram, "ready");
    }
}

/// The normal world's view of the board.
pub(crate) struct FakeMachine {
    pub(crate) ram: Ram,
    pub(crate) board: Rc<Board>,
}

impl Memory for FakeMachine {
    fn read(&self, address: u64, buffer: &mut [u8]) -> Result<(), Fault> {
        self.ram.read(address, buffer)
    }
    fn write(&mut self, address: u64, bytes: &[u8]) -> Result<(), Fault> {
        self.ram.write(address, bytes)
    }
    fn load_u16(&self, address: u64) -> Result<u16, Fault> {
        self.ram.load_u16(address)
    }
    fn load_u32(&self, address: u64) -> Result<u32, Fault> {
        self.ram.load_u32(address)
    }
    fn store_u16(&mut self, address: u64, value: u16) -> Result<(), Fault> {
        self.ram.store_u16(address, value)
    }
    fn store_u32(&mut self, address: u64, value: u32) -> Result<(), Fault> {
        self.ram.store_u32(address, value)
    }
}

impl Machine for FakeMachine {
    fn kick(&mut self, mailbox: Mailbox) {
        assert!(self.board.to_firmware.borrow_mut().insert(mailbox), "a signal on {mailbox} was lost");
    }
    fn is_unacknowledged(&mut self, mailbox: Mailbox) -> bool {
        self.board.to_firmware.borrow().contains(&mailbox)
    }
    fn is_pending(&mut self, mailbox: Mailbox) -> bool {
        self.board.to_host.borrow().contains(&mailbox)
    }
    fn acknowledge(&mut self, mailbox: Mailbox) {
        assert!(self.board.to_host.borrow_mut().remove(&mailbox), "{mailbox} was not signalled");
    }
    fn wait(&mut self, limit: Duration) -> Wake {
        let board = Rc::clone(&self.board);
        let heard = board.heard.get();
        if let Some(crash) = board.crash.borrow_mut().take_if(|_| heard.crash) {
            return Wake::Crash(crash);
        }
        let end = board.now.get() + limit;
        let before = board.to_firmware.borrow().len();
        loop {
            let pending = board.to_host.borrow().first().copied().filter(|_| heard.mailbox);
            if let Some(mailbox) = pending {
                return Wake::Mailbox(mailbox);
            }
            if heard.mailbox && board.to_firmware.borrow().len() < before {
                return Wake::Mailbox(Mailbox::Queue1);
            }
            if board.now.get() >= end {
                board.now.set(end);
                return Wake::TimedOut;
            }
            let at = board.now.get();
            board.turn(&mut self.ram);
            // An idle processor costs no turns: time jumps.
            let signalled = heard.mailbox && !board.to_host.borrow().is_empty();
            if board.now.get() == at || board.now.get() > at && !signalled {
                board.now.set((board.now.get() + limit / 16).min(end));
            }
        }
    }
    fn listen(&mut self, to: Interrupts) {
        self.board.heard.set(to);
    }
    fn now(&self) -> Duration {
        self.board.now.get()
    }
}

/// A failure on demand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} was told to fail")]
pub(crate) struct Failure(pub(crate) &'static str);

/// A loader whose firmware file is the table itself, placed at [`TABLE`].
pub(crate) struct FakeLoader {
    pub(crate) ram: Ram,
    pub(crate) board: Rc<Board>,
    /// Address that it gives for the table.
    pub(crate) table: Option<TableLocation>,
    loaded: bool,
}

impl FakeLoader {
    fn call(&self, name: &'static str) -> Result<(), Failure> {
        self.board.calls.borrow_mut().push(name);
        let mut failing = self.board.failing.borrow_mut();
        match failing.iter().position(|failing| *failing == name) {
            Some(index) => Err(Failure(failing.remove(index))),
            None => Ok(()),
        }
    }
}

impl Loader for FakeLoader {
    type Error = Failure;

    fn is_running(&mut self) -> Result<bool, Failure> {
        Ok(self.board.is_running())
    }
    fn load(&mut self, firmware: &[u8]) -> Result<(), Failure> {
        self.call("load")?;
        assert!(!self.loaded, "loaded twice without a release");
        self.loaded = true;
        self.ram.write(TABLE, firmware).unwrap();
        Ok(())
    }
    fn resource_table(&mut self) -> Result<Option<TableLocation>, Failure> {
        self.call("table")?;
        Ok(self.board.table.get().or(self.table))
    }
    fn start(&mut self) -> Result<(), Failure> {
        self.call("start")?;
        assert!(self.loaded && !self.board.is_running(), "started without being loaded, or twice");
        self.board.restart();
        Ok(())
    }
    fn stop(&mut self) -> Result<(), Failure> {
        self.call("stop")?;
        self.board.halt();
        Ok(())
    }
    fn release(&mut self) -> Result<(), Failure> {
        self.call("release")?;
        assert!(!self.board.is_running(), "released while running");
        self.loaded = false;
        Ok(())
    }
    fn coredump(&mut self) -> Result<Vec<u8>, Failure> {
        self.call("coredump")?;
        Ok(b"core".to_vec())
    }
}

/// A processor that can be booted, and its board.
pub(crate) fn processor() -> (crate::Remoteproc<FakeLoader, FakeMachine>, Rc<Board>, Ram) {
    let (loader, machine) = parts();
    let (board, ram) = (Rc::clone(&machine.board), machine.ram.clone());
    let mut processor = crate::Remoteproc::new(description(), loader, machine);
    processor.set_firmware(table()).unwrap();
    (processor, board, ram)
}

/// A loader and a machine on one board.
pub(crate) fn parts() -> (FakeLoader, FakeMachine) {
    let (board, ram) = (Board::new(), Ram::new());
    let table = Some(TableLocation { address: TABLE, size: table().len() as u64 });
    let loader = FakeLoader { ram: ram.clone(), board: Rc::clone(&board), table, loaded: false };
    (loader, FakeMachine { ram, board })
}
