//! Asks the firmware to come to rest, or tells it that this side leaves, and waits for it to take that signal.

use std::time::Duration;

use crate::description::Description;
use crate::event::Event;
use crate::machine::{Machine, Mailbox, Wake};

/// The most wake-ups that are taken for one answer; firmware that signals without end is not waited for.
const MAXIMUM_WAKES: u32 = 10_000;

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Left {
    /// The firmware took it.
    Acknowledged,
    /// It was never sent: there is no mailbox.
    Unwired,
    /// The firmware did not take it in time. The signal stays in the mailbox, as nobody but the receiver can clear it there,
    /// so that a later run may take it.
    TimedOut,
    /// The processor crashed meanwhile.
    Crashed,
}

/// Signals on `mailbox` and waits until the firmware has taken the signal, at most for `limit`.
///
/// A signal of an earlier run that nobody took is waited for first: sent into the same mailbox, the two would be one, and
/// the answer to the old one would pass for the answer to the new.
pub(crate) fn leave(
    mailbox: Mailbox,
    limit: Duration,
    description: &Description,
    machine: &mut impl Machine,
    mut happened: impl FnMut(Duration, Event),
) -> Left {
    let start = machine.now();
    if !description.has_mailbox(mailbox) {
        happened(start, Event::LeaveUnwired { mailbox });
        return Left::Unwired;
    }
    let mut sent = false;
    if machine.is_unacknowledged(mailbox) {
        happened(start, Event::SignalStale { mailbox });
    }
    for _ in 0..MAXIMUM_WAKES {
        let now = machine.now();
        let passed = now.saturating_sub(start);
        if !machine.is_unacknowledged(mailbox) {
            if sent {
                happened(now, Event::LeaveAcknowledged { mailbox, after_us: microseconds(passed) });
                return Left::Acknowledged;
            }
            machine.kick(mailbox);
            sent = true;
            happened(now, Event::LeaveRequested { mailbox });
            continue;
        }
        if passed >= limit {
            break;
        }
        match machine.wait(limit.saturating_sub(passed)) {
            Wake::Mailbox(_) | Wake::TimedOut => {}
            Wake::Crash(crash) => {
                happened(machine.now(), Event::Crashed(crash));
                return Left::Crashed;
            }
        }
        acknowledge_all(description, machine);
    }
    happened(machine.now(), Event::LeaveTimedOut { mailbox, limit_us: microseconds(limit) });
    Left::TimedOut
}

/// Waits until the firmware that was just started takes the signal that an earlier run left in `mailbox`, at most for `limit`. Whether
/// it did, or crashed over it.
pub(crate) fn outlast(
    mailbox: Mailbox,
    limit: Duration,
    description: &Description,
    machine: &mut impl Machine,
    mut happened: impl FnMut(Duration, Event),
) -> bool {
    let start = machine.now();
    for _ in 0..MAXIMUM_WAKES {
        if !machine.is_unacknowledged(mailbox) {
            happened(machine.now(), Event::LateAcknowledgement { mailbox });
            return true;
        }
        let rest = limit.saturating_sub(machine.now().saturating_sub(start));
        if rest.is_zero() {
            break;
        }
        if let Wake::Crash(crash) = machine.wait(rest) {
            happened(machine.now(), Event::Crashed(crash));
            return true;
        }
        acknowledge_all(description, machine);
    }
    false
}

/// Firmware that waits for its own last signals to be taken must not be kept from answering.
fn acknowledge_all(description: &Description, machine: &mut impl Machine) {
    for mailbox in Mailbox::ALL {
        if description.has_mailbox(mailbox) && machine.is_pending(mailbox) {
            machine.acknowledge(mailbox);
        }
    }
}

fn microseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
