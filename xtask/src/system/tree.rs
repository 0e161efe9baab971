//! The device tree: QEMU's own for just this machine, with the SoC's DDR carve-outs kept from Linux.

use anyhow::{Context, Result};
use std::fs;
use std::path::Path;
use std::process::Command;

use super::machine::machine_options;
use super::packages::qemu;
use crate::process::output;

/// From the first of the M33's carve-outs to the end of OP-TEE's on the STM32MP257F-EV1; Linux's memory begins after it.
const NODES: &str = "
/ {
	reserved-memory {
		#address-cells = <2>;
		#size-cells = <2>;
		ranges;
		stm32mp25@80000000 {
			reg = <0 0x80000000 0 0x4000000>;
			no-map;
		};
	};
};
";

/// Writes the blob to `into`. TF-A's image must be the one that will be booted: QEMU's tree says what is in secure memory.
pub fn make(qemu_tree: &Path, flash: &Path, into: &Path) -> Result<()> {
    let dumped = into.with_extension("dumped");
    let source = into.with_extension("dts");
    let mut command = qemu(qemu_tree);
    command.args(machine_options(&format!(",dumpdtb={}", dumped.display()))).arg("-bios").arg(flash);
    output(&mut command).context("QEMU's device tree")?;
    let dts = output(Command::new("dtc").args(["-q", "-I", "dtb", "-O", "dts"]).arg(&dumped))?;
    // Seeds of QEMU's: the same in every boot they would be worse than none.
    let kept: String =
        dts.lines().filter(|line| !line.contains("-seed =")).map(|line| format!("{line}\n")).collect();
    fs::write(&source, kept + NODES)?;
    output(Command::new("dtc").args(["-q", "-I", "dts", "-O", "dtb", "-o"]).arg(into).arg(&source))?;
    fs::remove_file(dumped)?;
    Ok(fs::remove_file(source)?)
}
