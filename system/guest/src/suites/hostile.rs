//! A thread rewrites the shared buffer while the service loads from it: what is in memory after a success is what was signed.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use rproc_abi::{Origin, TeeResult};
use rproc_tee::{LinuxTee, RemoteprocService, SharedBuffer, TeeClient as _};

use crate::firmware::Firmware;
use crate::report::Report;
use crate::service::{Service, Target};

/// Places that are changed at a time.
const PLACES: usize = 4;
/// Microseconds.
const LONGEST_WAIT: u64 = 2000;

/// What came of the loads.
#[derive(Default)]
struct Counts {
    loaded: u64,
    refused: u64,
}

/// Runs the suite.
pub fn run(image: &Path, seconds: u64, target: &Target, report: &mut Report) -> Result<()> {
    let firmware = Firmware::read(image)?;
    drop(target.fresh()?);
    let tee = target.tee()?;
    let service = RemoteprocService::open(tee.clone(), target.login(), target.core())?;
    let buffer = tee.share(firmware.image.len())?;
    tee.write_shared(buffer, 0, &firmware.image)?;
    let (stop, writes) = (AtomicBool::new(false), AtomicU64::new(0));
    let counts = std::thread::scope(|scope| {
        let rewriter = scope.spawn(|| rewrite(&tee, buffer, &firmware.image, &stop, &writes));
        let counts = load(&service, target, buffer, &firmware, Duration::from_secs(seconds));
        stop.store(true, Ordering::Relaxed);
        // It ends by the flag; a panic in it is a failure of its own.
        rewriter.join().map_err(|_| anyhow::anyhow!("the rewriting thread panicked"))??;
        counts
    });
    let writes = writes.load(Ordering::Relaxed);
    report.test("only-signed-bytes", || {
        let counts = counts?;
        report_counts(&counts, writes)
    });
    report.test("works-afterwards", || {
        target.reset(&service)?;
        tee.write_shared(buffer, 0, &firmware.image)?;
        service.load_shared(target.core(), buffer)?;
        let bytes = firmware.ensure_in_memory()?;
        service.release(target.core())?;
        Ok(format!("{bytes} bytes are in memory as signed"))
    });
    tee.unshare(buffer);
    Ok(())
}

fn report_counts(counts: &Counts, writes: u64) -> Result<String> {
    let Counts { loaded, refused } = counts;
    // Without both, the race was not run.
    ensure!(*loaded > 0, "no load succeeded; {refused} were refused");
    ensure!(*refused > 0, "no load was refused; {loaded} succeeded under {writes} writes");
    Ok(format!("{loaded} loaded as signed, {refused} refused and wiped, under {writes} writes"))
}

fn load(
    service: &Service,
    target: &Target,
    buffer: SharedBuffer,
    firmware: &Firmware,
    time: Duration,
) -> Result<Counts> {
    let mut counts = Counts::default();
    let end = Instant::now() + time;
    while Instant::now() < end {
        match service.load_shared(target.core(), buffer) {
            Ok(()) => {
                firmware.ensure_in_memory().context("after a load that succeeded")?;
                service.release(target.core())?;
                counts.loaded += 1;
            }
            Err(error) => {
                let by_service = error.tee.origin == Origin::TrustedApp
                    && error.tee.result != TeeResult::TARGET_DEAD
                    && error.tee.result != TeeResult::GENERIC;
                ensure!(by_service, "not refused by the service: {error}");
                firmware.ensure_wiped().context("after a load that was refused")?;
                counts.refused += 1;
            }
        }
    }
    Ok(counts)
}

/// Changes bytes in a few places, waits, puts them back, waits: the image is whole about half of the time, and a load
/// meets both. The two waits are random, so that a change also falls between two looks of a load at the same bytes.
fn rewrite(
    tee: &LinuxTee,
    buffer: SharedBuffer,
    image: &[u8],
    stop: &AtomicBool,
    writes: &AtomicU64,
) -> Result<()> {
    let mut random = Xorshift(0x9e37_79b9_7f4a_7c15);
    while !stop.load(Ordering::Relaxed) {
        let mut places = [0; PLACES];
        for place in &mut places {
            *place = usize::try_from(random.next() % image.len() as u64)?;
            let changed: Vec<u8> = piece(image, *place).iter().map(|byte| byte ^ 0x40).collect();
            tee.write_shared(buffer, *place, &changed)?;
        }
        std::thread::sleep(Duration::from_micros(random.next() % LONGEST_WAIT));
        for place in places {
            tee.write_shared(buffer, place, piece(image, place))?;
        }
        writes.fetch_add(2 * PLACES as u64, Ordering::Relaxed);
        std::thread::sleep(Duration::from_micros(random.next() % LONGEST_WAIT));
    }
    Ok(())
}

/// The bytes that are changed at a place.
fn piece(image: &[u8], place: usize) -> &[u8] {
    image.get(place..image.len().min(place + 16)).unwrap_or_default()
}

/// Marsaglia's generator: the same places in each run, which is all that is asked of it.
struct Xorshift(u64);

impl Xorshift {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_race_that_was_not_run_is_no_success() {
        assert!(report_counts(&Counts { loaded: 1, refused: 1 }, 5).is_ok());
        assert!(report_counts(&Counts { loaded: 0, refused: 9 }, 5).is_err());
        assert!(report_counts(&Counts { loaded: 9, refused: 0 }, 5).is_err());
    }
}
