//! A small vfio-user client, and the board that it asks, served by a thread.
#![allow(clippy::unwrap_used, reason = "helpers of tests, which clippy does not take for tests")]

use std::io::{IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rproc_board::Description;
use rproc_board::ram::Ram;
use rproc_board::serve::{Ending, Listener, Notice, ServeError, Session};
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};

/// The longest that anything here may take.
const LIMIT: Duration = Duration::from_secs(20);
/// Guest memory as QEMU's `virt` machine has it: 2 GiB from here.
const MEMORY_BASE: u64 = 0x4000_0000;
const MEMORY_SIZE: u64 = 0x8000_0000;

type Notices = Arc<(Mutex<Vec<Notice>>, Condvar)>;

/// A board that is served.
pub struct Served {
    path: PathBuf,
    stop: Arc<AtomicBool>,
    notices: Notices,
    thread: JoinHandle<Result<Ending, ServeError>>,
}

impl Served {
    pub fn start(description: &'static Description) -> Self {
        Self::start_with(description, Some(LIMIT))
    }

    pub fn start_with(description: &'static Description, wait: Option<Duration>) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("rproc-serve-{}-{number}", std::process::id()));
        let listener = Listener::bind(&path).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let notices = Notices::default();
        let (stopped, told) = (stop.clone(), notices.clone());
        let thread = std::thread::spawn(move || {
            let observer = Arc::new(move |notice| {
                told.0.lock().unwrap().push(notice);
                told.1.notify_all();
            });
            Session { description, wait, stop: &stopped, observer }.serve(listener)
        });
        Served { path, stop, notices, thread }
    }

    pub fn connect(&self) -> Client {
        let stream = UnixStream::connect(&self.path).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        let memory = Ram::new("guest", MEMORY_SIZE).unwrap();
        let interrupt = eventfd(0, EventfdFlags::NONBLOCK).unwrap();
        Client { stream, memory, interrupt, next: 1 }
    }

    /// Waits for a notice.
    #[track_caller]
    pub fn wait_for(&self, wanted: impl Fn(&Notice) -> bool) {
        let notices = self.notices.0.lock().unwrap();
        let missing = |notices: &mut Vec<Notice>| !notices.iter().any(&wanted);
        let (notices, timeout) = self.notices.1.wait_timeout_while(notices, LIMIT, missing).unwrap();
        assert!(!timeout.timed_out(), "{notices:?}");
    }

    /// How it ended by itself.
    pub fn end(self) -> Result<Ending, ServeError> {
        let began = Instant::now();
        while !self.thread.is_finished() {
            assert!(began.elapsed() < LIMIT, "it does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(!self.path.exists(), "the socket is left behind");
        self.thread.join().unwrap()
    }

    /// How it ended when told to.
    pub fn stop(self) -> Result<Ending, ServeError> {
        self.stop.store(true, Ordering::Release);
        self.end()
    }
}

/// A client with 2 GiB of memory and an eventfd.
pub struct Client {
    stream: UnixStream,
    memory: Ram,
    interrupt: OwnedFd,
    next: u16,
}

impl Client {
    fn send(&mut self, command: u16, flags: u32, body: &[u8], descriptors: &[BorrowedFd<'_>]) {
        let mut message = Vec::new();
        message.extend(self.next.to_le_bytes());
        message.extend(command.to_le_bytes());
        message.extend((16 + body.len() as u32).to_le_bytes());
        message.extend(flags.to_le_bytes());
        message.extend([0; 4]);
        message.extend(body);
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() {
            control.push(SendAncillaryMessage::ScmRights(descriptors));
        }
        let sent = sendmsg(&self.stream, &[IoSlice::new(&message)], &mut control, SendFlags::empty());
        assert_eq!(sent.unwrap(), message.len());
    }

    fn receive(&mut self, command: u16) -> (Result<Vec<u8>, u32>, Option<OwnedFd>) {
        let mut header = [0; 16];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let parts = &mut [IoSliceMut::new(&mut header)];
        let received = recvmsg(&self.stream, parts, &mut control, RecvFlags::empty()).unwrap();
        assert_eq!(received.bytes, 16, "QEMU wants the header whole");
        let descriptor = control.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut rights) => rights.next(),
            _ => None,
        });
        let word = |at: usize| u32::from_le_bytes(header[at..at + 4].try_into().unwrap());
        assert_eq!(header[..2], self.next.to_le_bytes());
        assert_eq!(header[2..4], command.to_le_bytes());
        let mut body = vec![0; word(4) as usize - 16];
        self.stream.read_exact(&mut body).unwrap();
        self.next += 1;
        let result = match word(8) {
            1 => Ok(body),
            0x21 => Err(word(12)),
            flags => panic!("a reply with flags {flags:#x}"),
        };
        (result, descriptor)
    }

    /// Sends a command and gives the body of its reply, or the error number.
    pub fn ask(&mut self, command: u16, body: &[u8]) -> Result<Vec<u8>, u32> {
        self.send(command, 0, body, &[]);
        self.receive(command).0
    }

    pub fn raw(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    pub fn version(&mut self) {
        let body = [&[0, 0, 0, 0][..], b"{\"capabilities\":{}}\0"].concat();
        let reply = self.ask(1, &body).unwrap();
        assert_eq!(reply[..4], [0; 4], "QEMU insists on version 0.0");
        assert!(reply.ends_with(b"}}\0"));
    }

    /// What QEMU does before its machine starts.
    pub fn attach(&mut self) {
        self.version();
        let mut body = [32u32, 3].map(u32::to_le_bytes).concat();
        body.extend([0, MEMORY_BASE, MEMORY_SIZE].map(u64::to_le_bytes).concat());
        let memory = self.memory.file().try_clone().unwrap();
        self.send(2, 0, &body, &[memory.as_fd()]);
        self.receive(2).0.unwrap();
        assert_eq!(self.ask(4, &numbers(&[16, 0, 0, 0])).unwrap(), numbers(&[16, 3, 9, 5]));
        let info = self.ask(7, &numbers(&[16, 0, 0, 0])).unwrap();
        assert_eq!(info, numbers(&[16, 7, 0, 1]), "one pin: eventfd, maskable, masks itself");
        let eventfd = self.interrupt.try_clone().unwrap();
        self.send(8, 0, &numbers(&[20, 0b10_0100, 0, 0, 1]), &[eventfd.as_fd()]);
        self.receive(8).0.unwrap();
        self.reset();
    }

    pub fn reset(&mut self) {
        self.ask(13, &[]).unwrap();
    }

    pub fn unmap_all(&mut self) {
        let mut body = numbers(&[24, 2]);
        body.extend([0; 16]);
        self.ask(3, &body).unwrap();
    }

    /// Maps the BAR of memories.
    pub fn map_memories(&mut self) -> Ram {
        let mut body = numbers(&[32, 0, 4, 0]);
        body.extend([0; 16]);
        self.send(5, 0, &body, &[]);
        let (reply, descriptor) = self.receive(5);
        let mut expected = numbers(&[32, 7, 4, 0]);
        expected.extend([0x10_0000u64, 0].map(u64::to_le_bytes).concat());
        assert_eq!(reply.unwrap(), expected);
        Ram::over(descriptor.unwrap().into(), 0, 0x10_0000).unwrap()
    }

    pub fn send_read(&mut self, region: u32, offset: u64, count: u32) {
        let body = [&offset.to_le_bytes()[..], &numbers(&[region, count])].concat();
        self.send(9, 0, &body, &[]);
    }

    pub fn read(&mut self, region: u32, offset: u64, count: u32) -> Result<Vec<u8>, u32> {
        self.send_read(region, offset, count);
        Ok(self.receive(9).0?.split_off(16))
    }

    #[track_caller]
    pub fn read32(&mut self, region: u32, offset: u64) -> u32 {
        u32::from_le_bytes(self.read(region, offset, 4).unwrap().try_into().unwrap())
    }

    fn send_write(&mut self, region: u32, offset: u64, data: &[u8], flags: u32) {
        let head = numbers(&[region, data.len() as u32]);
        self.send(10, flags, &[&offset.to_le_bytes()[..], &head, data].concat(), &[]);
    }

    #[track_caller]
    pub fn write(&mut self, region: u32, offset: u64, data: &[u8]) {
        self.send_write(region, offset, data, 0);
        self.receive(10).0.unwrap();
    }

    #[track_caller]
    pub fn write32(&mut self, region: u32, offset: u64, value: u32) {
        self.write(region, offset, &value.to_le_bytes());
    }

    /// Writes without waiting for a reply, as QEMU does by default.
    pub fn post32(&mut self, region: u32, offset: u64, value: u32) {
        self.send_write(region, offset, &value.to_le_bytes(), 0x10);
    }

    /// Takes the pin's mask off, as QEMU does with the next access after an interrupt.
    pub fn unmask(&mut self) {
        self.ask(8, &numbers(&[20, 0b1_0001, 0, 0, 1])).unwrap();
    }

    /// Takes the eventfd from the pin, and gives it to a message.
    pub fn listen_to_message(&mut self, message: u32) {
        self.ask(8, &numbers(&[20, 0b10_0001, 0, 0, 0])).unwrap();
        assert_eq!(self.ask(7, &numbers(&[16, 0, 1, 0])).unwrap(), numbers(&[16, 1, 1, 2]), "two messages");
        let eventfd = self.interrupt.try_clone().unwrap();
        self.send(8, 0, &numbers(&[20, 0b10_0100, 1, message, 1]), &[eventfd.as_fd()]);
        self.receive(8).0.unwrap();
    }

    fn interrupted(&self, limit: Duration) -> bool {
        let limit = Timespec { tv_sec: limit.as_secs() as i64, tv_nsec: limit.subsec_nanos().into() };
        let mut fds = [PollFd::new(&self.interrupt, PollFlags::IN)];
        let ready = poll(&mut fds, Some(&limit)).unwrap() > 0;
        ready && rustix::io::read(&self.interrupt, &mut [0; 8]).is_ok()
    }

    #[track_caller]
    pub fn await_interrupt(&self) {
        assert!(self.interrupted(LIMIT), "no interrupt came");
    }

    #[track_caller]
    pub fn assert_no_interrupt(&self) {
        assert!(!self.interrupted(Duration::from_millis(20)));
    }

    /// Writes guest memory.
    pub fn put(&mut self, address: u64, bytes: &[u8]) {
        self.memory.write(address - MEMORY_BASE, bytes).unwrap();
    }

    /// A word of guest memory.
    pub fn word(&self, address: u64) -> u32 {
        let mut word = [0; 4];
        self.memory.read(address - MEMORY_BASE, &mut word).unwrap();
        u32::from_le_bytes(word)
    }

    /// Waits until a word of guest memory is not zero.
    #[track_caller]
    pub fn await_change(&self, address: u64) {
        let began = Instant::now();
        while self.word(address) == 0 {
            assert!(began.elapsed() < LIMIT, "nothing was written to {address:#x}");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

fn numbers(numbers: &[u32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}
