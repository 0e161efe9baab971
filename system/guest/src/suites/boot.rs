//! One life of a firmware: load, table, start, its trace, stop, dump, release.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use rproc_abi::service::TableLocation;
use rproc_elf::resource_table::{EntryKind, Trace};
use rproc_elf::{ElfFile, ResourceTable};

use crate::firmware::Firmware;
use crate::memory;
use crate::report::Report;
use crate::service::{Target, ensure_same};

/// What is booted.
#[derive(Args)]
pub struct Arguments {
    /// A good image whose firmware has a trace buffer
    image: PathBuf,
    /// A part of a line that the firmware traces
    #[arg(long, value_name = "TEXT", default_value = "waiting for the host")]
    expect: String,
}

/// How long the firmware may take to say it.
const LIMIT: Duration = Duration::from_secs(10);
/// `e_type` of a core file.
const ELF_CORE: u16 = 4;

/// Runs the suite.
pub fn run(arguments: &Arguments, target: &Target, report: &mut Report) -> Result<()> {
    let firmware = Firmware::read(&arguments.image)?;
    let core = target.core();
    let service = target.fresh()?;
    report.test("load", || {
        service.load(core, &firmware.image)?;
        Ok(format!("{} bytes are in memory as signed", firmware.ensure_in_memory()?))
    });
    let mut trace = None;
    report.test("table", || {
        let table = service.resource_table(core)?.context("the firmware has no resource table")?;
        let found = find_trace(table)?;
        trace = Some(found);
        Ok(format!("{:#x}, {} bytes, trace buffer at {:#x}", table.address, table.size, found.da))
    });
    report.test("start", || {
        service.start(core)?;
        Ok("started")
    });
    report.test("trace", || await_line(trace.context("no trace buffer")?, &arguments.expect));
    report.test("another-session", || {
        // State is the service's, not the session's.
        let table = target.open()?.resource_table(core)?;
        ensure!(table.is_some(), "another session sees no table");
        Ok("sees the running firmware")
    });
    report.test("stop", || {
        service.stop(core)?;
        Ok("stopped")
    });
    report.test("coredump", || check_dump(&service.coredump(core)?, &firmware));
    report.test("release", || {
        service.release(core)?;
        Ok(format!("{} bytes are zero", firmware.ensure_wiped()?))
    });
    Ok(())
}

fn find_trace(table: TableLocation) -> Result<Trace> {
    let bytes = memory::read(table.address, usize::try_from(table.size)?)?;
    let table = ResourceTable::parse(&bytes)?;
    for entry in table.entries() {
        if let EntryKind::Trace(trace) = entry?.kind {
            return Ok(trace);
        }
    }
    bail!("the resource table has no trace entry")
}

/// Waits until the text is in the trace buffer.
fn await_line(trace: Trace, text: &str) -> Result<String> {
    let begin = Instant::now();
    loop {
        let bytes = memory::read(trace.da.into(), usize::try_from(trace.len)?)?;
        let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
        let said = String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).into_owned();
        if said.contains(text) {
            return Ok(format!("{said:?} after {} ms", begin.elapsed().as_millis()));
        }
        ensure!(begin.elapsed() < LIMIT, "the firmware said {said:?} within {LIMIT:?}, not {text:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn check_dump(dump: &[u8], firmware: &Firmware) -> Result<String> {
    let file = ElfFile::parse(dump)?;
    ensure!(file.header().kind() == ELF_CORE, "an ELF file of type {}", file.header().kind());
    let mut found = 0;
    for segment in firmware.segments.iter().filter(|segment| !segment.writable && !segment.bytes.is_empty()) {
        let here = file
            .segments()
            .find(|region| region.memory_range().is_ok_and(|range| range.contains(&segment.address)))
            .with_context(|| format!("{:#x} is not in the dump", segment.address))?;
        let mut region = file.segment_bytes(&here)?.to_vec();
        // Zeros at a region's end are left out.
        region.resize(usize::try_from(here.memory_size)?, 0);
        let start = usize::try_from(segment.address - here.physical_address)?;
        let bytes = region.get(start..start + segment.bytes.len()).context("a segment leaves its region")?;
        ensure_same(bytes, &segment.bytes, segment.address)?;
        found += bytes.len();
    }
    ensure!(found != 0, "the firmware has no read-only segment to look for");
    Ok(format!("{} bytes, with {found} bytes of code as signed", dump.len()))
}
