//! The hardware that the normal world itself reaches: shared memory, mailboxes and time.

use std::fmt;
use std::time::Duration;

use rproc_rpmsg::memory::Memory;

/// A mailbox channel by its role; the names are those of the device tree and of Linux's stm32 driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum Mailbox {
    /// `vq0`: the first ring, messages to the host.
    #[cfg_attr(feature = "serde", serde(rename = "vq0"))]
    Queue0,
    /// `vq1`: the second ring, messages to the firmware.
    #[cfg_attr(feature = "serde", serde(rename = "vq1"))]
    Queue1,
    /// `shutdown`: the firmware is asked to come to rest.
    #[cfg_attr(feature = "serde", serde(rename = "shutdown"))]
    Shutdown,
    /// `detach`: the firmware is told that this side leaves.
    #[cfg_attr(feature = "serde", serde(rename = "detach"))]
    Detach,
}

impl Mailbox {
    /// Every role.
    pub const ALL: [Mailbox; 4] = [Mailbox::Queue0, Mailbox::Queue1, Mailbox::Shutdown, Mailbox::Detach];

    /// The name in `mbox-names`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Mailbox::Queue0 => "vq0",
            Mailbox::Queue1 => "vq1",
            Mailbox::Shutdown => "shutdown",
            Mailbox::Detach => "detach",
        }
    }

    /// The role of a name in `mbox-names`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Mailbox> {
        Mailbox::ALL.into_iter().find(|mailbox| mailbox.name() == name)
    }
}

impl fmt::Display for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Kinds of crash that Linux tells apart (`enum rproc_crash_type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
pub enum CrashKind {
    /// Its memory management unit refused an access.
    MmuFault,
    /// Its watchdog ran out.
    Watchdog,
    /// It, or its hardware, reported an error that cannot be mended.
    FatalError,
}

impl fmt::Display for CrashKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            CrashKind::MmuFault => "mmufault",
            CrashKind::Watchdog => "watchdog",
            CrashKind::FatalError => "fatal error",
        })
    }
}

/// A report that a processor crashed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Crash {
    /// How Linux would call it.
    pub kind: CrashKind,
    /// What is known about it, as a sentence.
    pub reason: String,
}

/// Interrupts of one processor, as the application processor takes them or leaves them pending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interrupts {
    /// A signal of the firmware, or one of ours that it took.
    pub mailbox: bool,
    /// A crash, by a watchdog or another report of the hardware.
    pub crash: bool,
}

impl Interrupts {
    /// Neither.
    pub const NONE: Interrupts = Interrupts { mailbox: false, crash: false };
    /// Both.
    pub const ALL: Interrupts = Interrupts { mailbox: true, crash: true };
}

impl Default for Interrupts {
    fn default() -> Self {
        Interrupts::NONE
    }
}

/// Why waiting ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wake {
    /// The firmware signalled on this mailbox, or took the signal that was sent on it.
    Mailbox(Mailbox),
    /// The processor crashed.
    Crash(Crash),
    /// The time was over.
    TimedOut,
}

/// What the application processor reaches without a loader, for one remote processor.
///
/// Memory addresses are physical, as the application processor sees them. A mailbox channel has two signals, one each way:
/// who sends sets it, who receives clears it (STM32 IPCC; facts in the STM32MP25 reference manual, IPCC chapter).
pub trait Machine: Memory {
    /// Signals the firmware on a mailbox. A signal that the firmware has not taken yet stays one signal.
    fn kick(&mut self, mailbox: Mailbox);

    /// Whether the firmware has not yet taken the last signal sent on this mailbox.
    fn is_unacknowledged(&mut self, mailbox: Mailbox) -> bool;

    /// Whether the firmware has signalled on this mailbox.
    fn is_pending(&mut self, mailbox: Mailbox) -> bool;

    /// Takes the firmware's signal on this mailbox.
    fn acknowledge(&mut self, mailbox: Mailbox);

    /// Waits for a mailbox or a crash, at most for `limit`. A signal that is pending already ends the wait at once. Virtual
    /// time goes on while waiting, and only then.
    fn wait(&mut self, limit: Duration) -> Wake;

    /// Which interrupts end a wait from now on; at first all do. The others stay pending where they are raised, and the firmware
    /// sees that nobody takes them.
    fn listen(&mut self, to: Interrupts);

    /// Time since some fixed moment; never goes back.
    fn now(&self) -> Duration;
}
