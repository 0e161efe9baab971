//! How long a load, a call into the TEE and a kick of the mailbox take.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use rproc_tee::{RemoteprocService, SharedBuffer, TeeClient as _};

use super::verdict;
use crate::firmware::Firmware;
use crate::pci;
use crate::report::Report;
use crate::service::{Service, Target};
use crate::window::Window;

/// Loads of each image that count.
const LOADS: usize = 9;
/// Loads before those, in which QEMU translates the code that it has not met yet.
const WARM_UP: usize = 2;
/// Calls and kicks that one figure is the mean of.
const REPEATS: u32 = 1000;
/// IPCC1's registers of the Cortex-A side (Linux `drivers/mailbox/stm32-ipcc.c`).
const IPCC1: u64 = 0x4049_0000;
const SET_CLEAR: u64 = IPCC1 + 0x8;
const FLAGS: u64 = IPCC1 + 0xc;
/// Sets the flag of channel 16, which no firmware listens to.
const KICK: u32 = 1 << 31;

/// Runs the suite.
pub fn run(folder: &Path, target: &Target, report: &mut Report) -> Result<()> {
    let mut last = None;
    for path in verdict::images(folder)? {
        let name = verdict::name(&path);
        let firmware = Firmware::read(&path)?;
        let mut times = None;
        report.test(format!("load-{name}"), || {
            let measured = loads(target, &firmware)?;
            times = Some(measured);
            Ok(format!("{} bytes, {LOADS} times", firmware.image.len()))
        });
        if let Some(times) = times {
            report.value(format!("load-{name}-median"), milliseconds(times.median), "ms");
            report.value(format!("load-{name}-min"), milliseconds(times.least), "ms");
            report.value(format!("release-{name}-median"), milliseconds(times.release), "ms");
        }
        last = Some(firmware);
    }
    let firmware = last.context("no image")?;
    // Upstream's TA has one session at a time.
    let service = target.open()?;
    let mut call = None;
    report.test("call", || {
        service.load(target.core(), &firmware.image)?;
        let time = mean(|| Ok(service.resource_table(target.core()).map(drop)?));
        service.release(target.core())?;
        call = Some(time?);
        Ok(format!("GET_RSC_TABLE {REPEATS} times"))
    });
    if let Some(call) = call {
        report.value("call", microseconds(call), "us");
    }
    kicks(report)
}

/// Kicks by Linux's own access; one through the TEE costs a call and the same access from the secure world.
fn kicks(report: &mut Report) -> Result<()> {
    let registers: Window = match pci::registers() {
        Ok(registers) => registers,
        Err(error) => {
            report.test("kick", || -> Result<&str> { Err(error) });
            return Ok(());
        }
    };
    let (set, flags) = (pci::register(SET_CLEAR)?, pci::register(FLAGS)?);
    let mut found = None;
    report.test("kick", || {
        let write = mean(|| registers.write(set, KICK))?;
        let both = mean(|| {
            registers.write(set, KICK)?;
            registers.read(flags).map(drop)
        })?;
        let seen = registers.read(flags)?;
        ensure!(seen != u32::MAX, "the mailbox does not answer");
        found = Some((write, both));
        Ok(format!("{REPEATS} writes, {REPEATS} writes with a read"))
    });
    if let Some((write, both)) = found {
        report.value("kick-write", microseconds(write), "us");
        report.value("kick-write-read", microseconds(both), "us");
    }
    Ok(())
}

#[derive(Clone, Copy)]
struct Times {
    median: Duration,
    least: Duration,
    release: Duration,
}

/// The commands alone: the image is shared once, because what Linux takes to share it is the same whoever loads it.
fn loads(target: &Target, firmware: &Firmware) -> Result<Times> {
    let tee = target.tee()?;
    let service = RemoteprocService::open(tee.clone(), target.login(), target.core())?;
    let buffer = tee.share(firmware.image.len())?;
    tee.write_shared(buffer, 0, &firmware.image)?;
    let times = shared_loads(&service, target, buffer);
    tee.unshare(buffer);
    times
}

fn shared_loads(service: &Service, target: &Target, buffer: SharedBuffer) -> Result<Times> {
    let (mut loads, mut releases) = (Vec::new(), Vec::new());
    for _ in 0..WARM_UP {
        service.load_shared(target.core(), buffer)?;
        service.release(target.core())?;
    }
    for _ in 0..LOADS {
        let begin = Instant::now();
        service.load_shared(target.core(), buffer)?;
        loads.push(begin.elapsed());
        let begin = Instant::now();
        service.release(target.core())?;
        releases.push(begin.elapsed());
    }
    let least = loads.iter().min().copied().context("no load")?;
    Ok(Times { median: median(loads)?, least, release: median(releases)? })
}

fn median(mut times: Vec<Duration>) -> Result<Duration> {
    times.sort_unstable();
    times.get(times.len() / 2).copied().context("nothing measured")
}

fn mean(mut act: impl FnMut() -> Result<()>) -> Result<Duration> {
    let begin = Instant::now();
    for _ in 0..REPEATS {
        act()?;
    }
    Ok(begin.elapsed() / REPEATS)
}

fn milliseconds(time: Duration) -> String {
    format!("{:.3}", time.as_secs_f64() * 1e3)
}

fn microseconds(time: Duration) -> String {
    format!("{:.2}", time.as_secs_f64() * 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_one() {
        let times = [5, 1, 9].map(Duration::from_millis).to_vec();
        assert_eq!(median(times).unwrap(), Duration::from_millis(5));
        assert!(median(Vec::new()).is_err());
        assert_eq!(milliseconds(Duration::from_micros(1500)), "1.500");
    }
}
