//! Everything that happens to a processor, as values for a log, a timeline or a test.

use crate::machine::{Crash, Mailbox};
use crate::state::State;
use crate::supply::PowerDomain;

/// The local address of an endpoint, by which a channel is named; 1024 and up (Linux `RPMSG_RESERVED_ADDRESSES`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct ChannelId(pub u32);

/// A channel that the firmware announced, and this side's end of it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Channel {
    /// This side's endpoint.
    pub id: ChannelId,
    /// The announced name: 1 to 31 printable ASCII characters.
    pub name: String,
    /// The firmware's endpoint.
    pub remote: u32,
}

/// One thing that happened. Addresses are physical unless they are called device addresses; sizes are in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(tag = "event", rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Event {
    /// The state changed.
    State {
        /// State before.
        from: State,
        /// State now.
        to: State,
    },
    /// A mailbox is not wired; what it is for is done without. Linux's driver warns of each.
    MailboxMissing {
        /// Its role.
        mailbox: Mailbox,
    },
    /// The processor's clocks are claimed, so that nobody switches them off as unused.
    ClocksClaimed {
        /// How many.
        count: usize,
    },
    /// These claims were taken back.
    ClocksReleased {
        /// How many.
        count: usize,
    },
    /// A power domain is kept on, or no longer.
    PowerDomain {
        /// Which.
        domain: PowerDomain,
        /// Kept on from now on.
        on: bool,
    },
    /// A clock's or power domain's provider did not take a claim back.
    SupplyNotReleased {
        /// Which one.
        what: String,
        /// What the provider said.
        reason: String,
    },
    /// The sleeping normal world was woken by the firmware.
    WokenUp {
        /// By a signal on this mailbox.
        mailbox: Mailbox,
    },
    /// The normal world woke up, and the processor could not be given back what it runs on.
    ResumeFailed {
        /// Why, as a sentence.
        reason: String,
    },
    /// The loader took the firmware.
    Loaded {
        /// Size of the firmware file.
        size: u64,
    },
    /// The firmware has a resource table.
    TableFound {
        /// Where it is.
        address: u64,
        /// Its size.
        size: u64,
        /// Its number of entries.
        entries: u32,
    },
    /// The resource table was loaded to one place, and the firmware reads it at another; it is completed at both.
    TableMoved {
        /// Device address that its bytes were loaded to.
        loaded: u64,
        /// Physical address at which the firmware reads it.
        address: u64,
    },
    /// The firmware has no resource table: no trace, no RPMsg.
    NoTable,
    /// A carveout got its memory.
    CarveoutMatched {
        /// Name in the table.
        name: String,
        /// The memory region that holds it.
        region: String,
        /// Where it is.
        address: u64,
        /// Where the processor sees it.
        device_address: u32,
        /// Its size.
        size: u32,
    },
    /// A trace buffer was found.
    TraceFound {
        /// Its number among the trace buffers, from 0.
        trace: usize,
        /// Name in the table.
        name: String,
        /// Where it is; nothing when it lies in no memory region, so that it cannot be read.
        address: Option<u64>,
        /// Where the processor sees it.
        device_address: u32,
        /// Its size.
        size: u32,
    },
    /// A vring got its memory.
    VringPlaced {
        /// The virtio device, from 0.
        vdev: usize,
        /// The vring, from 0.
        vring: usize,
        /// The memory region that holds it.
        region: String,
        /// Where it is.
        address: u64,
        /// Where the processor sees it.
        device_address: u32,
        /// Its size.
        size: u64,
        /// Its number of entries.
        entries: u16,
        /// The number by which both sides name it.
        notify_id: u32,
    },
    /// RPMsg's buffers got their memory.
    BuffersPlaced {
        /// The memory region that holds them.
        region: String,
        /// Where it is.
        address: u64,
        /// Its size.
        size: u64,
        /// Buffers each way.
        each_way: u16,
    },
    /// An entry of the table is of a type that is not handled.
    EntrySkipped {
        /// The entry, from 0.
        entry: u32,
        /// Its type word.
        kind: u32,
    },
    /// A virtio device stays without a driver.
    VdevIgnored {
        /// The virtio device, from 0.
        vdev: usize,
        /// Its virtio id.
        id: u32,
        /// Why.
        reason: String,
    },
    /// The processor was let out of reset.
    Started,
    /// RPMsg waits for messages: buffers are posted, DRIVER_OK is set.
    RpmsgReady {
        /// Features both sides have.
        features: u32,
        /// Receive buffers posted.
        buffers: u16,
    },
    /// The firmware was signalled.
    KickSent {
        /// On which mailbox.
        mailbox: Mailbox,
    },
    /// The firmware signalled.
    KickReceived {
        /// On which mailbox.
        mailbox: Mailbox,
    },
    /// The firmware announced a channel.
    ChannelAnnounced(Channel),
    /// The firmware withdrew a channel.
    ChannelWithdrawn(Channel),
    /// An announcement had no effect.
    AnnouncementIgnored {
        /// The name announced.
        name: String,
        /// The firmware's endpoint.
        remote: u32,
        /// Why.
        reason: String,
    },
    /// A message for one of this side's endpoints came.
    MessageReceived {
        /// The channel.
        channel: ChannelId,
        /// The firmware's endpoint that sent it.
        source: u32,
        /// Its contents, 0 to 496 bytes.
        payload: Vec<u8>,
    },
    /// A message was put into the ring.
    MessageSent {
        /// The channel.
        channel: ChannelId,
        /// The firmware's endpoint that it goes to.
        destination: u32,
        /// Its contents, 0 to 496 bytes.
        payload: Vec<u8>,
    },
    /// A message for an endpoint that does not exist was dropped.
    MessageUndeliverable {
        /// The firmware's endpoint that sent it.
        source: u32,
        /// The endpoint it was for.
        destination: u32,
        /// Its length.
        length: usize,
    },
    /// A malformed message was dropped.
    MessageMalformed {
        /// What was wrong.
        reason: String,
    },
    /// The rings are broken; no more messages are exchanged in this run.
    RpmsgBroken {
        /// What was wrong.
        reason: String,
    },
    /// The firmware logged a line.
    TraceLine {
        /// The trace buffer, from 0.
        trace: usize,
        /// The line; control characters are escaped.
        line: String,
    },
    /// A trace buffer cannot be read.
    TraceUnreadable {
        /// The trace buffer, from 0.
        trace: usize,
        /// Why.
        reason: String,
    },
    /// The firmware was asked to come to rest, or told that this side leaves.
    LeaveRequested {
        /// `shutdown` or `detach`.
        mailbox: Mailbox,
    },
    /// The firmware could not be asked or told, for want of a mailbox.
    LeaveUnwired {
        /// `shutdown` or `detach`.
        mailbox: Mailbox,
    },
    /// The firmware answered that.
    LeaveAcknowledged {
        /// `shutdown` or `detach`.
        mailbox: Mailbox,
        /// After how many microseconds.
        after_us: u64,
    },
    /// The firmware did not answer that.
    LeaveTimedOut {
        /// `shutdown` or `detach`.
        mailbox: Mailbox,
        /// How many microseconds it had.
        limit_us: u64,
    },
    /// The firmware of this run, or of one before, has taken a request that had run out of time.
    LateAcknowledgement {
        /// `shutdown` or `detach`.
        mailbox: Mailbox,
    },
    /// A request of an earlier run is still in the mailbox, so that a new one cannot be told from it; it is waited for first.
    SignalStale {
        /// `shutdown` or `detach`.
        mailbox: Mailbox,
    },
    /// The processor was put into reset.
    Stopped,
    /// The firmware's memory was released.
    Released,
    /// It was not, while another error was being handled.
    ReleaseFailed {
        /// What the loader said.
        reason: String,
    },
    /// The processor crashed.
    Crashed(Crash),
    /// The crashed processor's memory was taken.
    CoredumpTaken {
        /// Size of the core file.
        size: usize,
    },
    /// It could not be taken.
    CoredumpFailed {
        /// What the loader said.
        reason: String,
    },
    /// It does not run again after a crash.
    RecoveryFailed {
        /// Why, as a sentence.
        reason: String,
    },
    /// The processor runs again after a crash.
    Recovered {
        /// How many recoveries there were since the boot.
        count: u32,
    },
}
