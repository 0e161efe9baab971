//! The thread that runs the board, with virtual time following the wall clock.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use super::{Notice, Observer};
use crate::Board;

/// Virtual time that passes between two looks at the wall clock. A core that computes without a pause needs some
/// milliseconds of the host's time for it.
const SLICE: Duration = Duration::from_micros(100);
/// While the core runs but has nothing to do: how long until the next look at memory that another process may have changed.
const RUNNING: Duration = Duration::from_millis(1);
/// While the core is held or has crashed: how long an event of the bus may wait to be told.
const RESTING: Duration = Duration::from_millis(20);
/// Virtual time that a core which was busy may have to catch up with.
const MOST_BEHIND: Duration = Duration::from_millis(10);

/// The running thread; it ends when this is dropped.
#[derive(Debug)]
pub struct Emulation {
    thread: Option<JoinHandle<()>>,
    stop: Arc<AtomicBool>,
}

impl Emulation {
    /// Starts the thread.
    ///
    /// # Errors
    /// The host gives no thread.
    pub fn start(board: Board, observer: Observer) -> io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let work = move || run(board, &stopped, &observer);
        let thread = Builder::new().name("coprocessors".to_owned()).spawn(work)?;
        Ok(Emulation { thread: Some(thread), stop })
    }

    /// Has the thread look at the board at once.
    pub fn wake(&self) {
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }
}

impl Drop for Emulation {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        self.wake();
        if let Some(thread) = self.thread.take() {
            // Nothing is left to tell of a thread that panicked: the panic told.
            let _ = thread.join();
        }
    }
}

fn run(mut board: Board, stop: &AtomicBool, observer: &Observer) {
    // The client is interrupted through the bus's listener, so that no interrupt stands in the core's way.
    let description = board.bus().description();
    let mailboxes = description.mailboxes.iter().flat_map(|mailbox| [mailbox.spi.rx, mailbox.spi.tx]);
    let watchdogs = description.watchdogs.iter().map(|watchdog| watchdog.spi);
    let lines: Vec<u16> = mailboxes.chain(watchdogs).chain(description.iac_spi).collect();
    for spi in lines {
        board.set_interrupt_enabled(spi, false);
    }
    let began = Instant::now();
    let mut pace = Pace::default();
    let mut lost = 0;
    while !stop.load(Ordering::Acquire) {
        let target = pace.target(began.elapsed(), board.now());
        board.run_until(target.min(board.now().saturating_add(SLICE)));
        tell(&mut board, &mut lost, observer);
        if board.now() >= target {
            std::thread::park_timeout(if board.is_running() { RUNNING } else { RESTING });
        }
    }
    tell(&mut board, &mut lost, observer);
}

/// Tells what has happened, and how much could not be told.
fn tell(board: &mut Board, lost: &mut u64, observer: &Observer) {
    for event in board.drain_events() {
        observer(Notice::Board(event));
    }
    let dropped = board.bus().dropped_events();
    if dropped > *lost {
        observer(Notice::Lost { events: dropped - *lost });
        *lost = dropped;
    }
}

/// Virtual time beside the wall clock. What a busy core cannot keep up with is not made up for later.
#[derive(Debug, Default)]
struct Pace {
    forgiven: Duration,
}

impl Pace {
    /// Where virtual time should be.
    fn target(&mut self, elapsed: Duration, now: Duration) -> Duration {
        let target = elapsed.saturating_sub(self.forgiven);
        let behind = target.saturating_sub(now);
        self.forgiven += behind.saturating_sub(MOST_BEHIND);
        target.min(now.saturating_add(MOST_BEHIND))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_that_a_busy_core_lost_stays_lost() {
        let ms = Duration::from_millis;
        let mut pace = Pace::default();
        assert_eq!(pace.target(ms(5), ms(0)), ms(5));
        assert_eq!(pace.target(ms(100), ms(5)), ms(15), "85 ms are forgiven");
        assert_eq!(pace.target(ms(101), ms(15)), ms(16));
        assert_eq!(pace.target(ms(101), ms(20)), ms(16), "ahead, it waits");
    }
}
