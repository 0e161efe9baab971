//! The Cortex-M33's answer reaches Linux as an interrupt: through the board's mailbox, the PCI device's pin and the GIC.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use rproc_aperture::{DEVICE_ID, VENDOR_ID};

use crate::firmware::Firmware;
use crate::pci;
use crate::report::Report;
use crate::service::Target;
use crate::window::Window;

/// IPCC1's registers of the Cortex-A side (Linux `drivers/mailbox/stm32-ipcc.c`).
const IPCC1: u64 = 0x4049_0000;
const CONTROL: u64 = IPCC1;
const FREE_INTERRUPT: u32 = 1 << 16;
const MASK: u64 = IPCC1 + 0x4;
const SET_CLEAR: u64 = IPCC1 + 0x8;
const FLAGS: u64 = IPCC1 + 0xc;
/// The shutdown mailbox, channel 3, in the halves of these registers that are about sending.
const SHUTDOWN: u32 = 1 << (16 + 2);
const SHUTDOWN_FLAG: u32 = 1 << 2;

/// Linux's driver that hands a PCI device's interrupts to programs (`drivers/uio/uio_pci_generic.c`).
const DRIVER: &str = "/sys/bus/pci/drivers/uio_pci_generic";
const DEVICE: &str = "/dev/uio0";
/// How long the answer may take.
const LIMIT: Duration = Duration::from_secs(10);

/// Runs the suite.
pub fn run(image: &Path, target: &Target, report: &mut Report) -> Result<()> {
    let firmware = Firmware::read(image)?;
    let service = target.fresh()?;
    fs::write(format!("{DRIVER}/new_id"), format!("{VENDOR_ID:x} {DEVICE_ID:x}"))
        .with_context(|| format!("{DRIVER} does not take the device: is uio_pci_generic loaded?"))?;
    let registers = pci::registers()?;
    service.load(target.core(), &firmware.image)?;
    service.start(target.core())?;
    let mut took = None;
    report.test("shutdown-acknowledged", || {
        let time = ask_to_shut_down(&registers)?;
        took = Some(time);
        Ok(format!("the firmware freed the channel, and Linux was interrupted, after {time:?}"))
    });
    if let Some(took) = took {
        report.value("kick-to-interrupt", took.as_micros(), "us");
    }
    target.reset(&service)
}

/// Kicks, and waits for the interrupt that the channel is free again.
fn ask_to_shut_down(registers: &Window) -> Result<Duration> {
    // Opened before the kick: only interrupts from here on count.
    let mut interrupts = File::open(DEVICE).with_context(|| format!("cannot open {DEVICE}"))?;
    registers.write(pci::register(MASK)?, u32::MAX)?;
    registers.write(pci::register(CONTROL)?, FREE_INTERRUPT)?;
    let begin = Instant::now();
    registers.write(pci::register(SET_CLEAR)?, SHUTDOWN)?;
    registers.write(pci::register(MASK)?, !SHUTDOWN)?;
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut count = [0; 4];
        // Nobody may be waiting any more.
        let _ = sender.send(interrupts.read_exact(&mut count));
    });
    let interrupted = receiver.recv_timeout(LIMIT);
    let took = begin.elapsed();
    let still_set = registers.read(pci::register(FLAGS)?)? & SHUTDOWN_FLAG != 0;
    registers.write(pci::register(MASK)?, u32::MAX)?;
    let free = if still_set { "has not" } else { "has" };
    interrupted
        .with_context(|| format!("no interrupt within {LIMIT:?}; the firmware {free} freed the channel"))?
        .with_context(|| format!("cannot read {DEVICE}"))?;
    ensure!(!still_set, "an interrupt came, but the firmware has not freed the channel");
    Ok(took)
}
