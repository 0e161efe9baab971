//! The device tree: QEMU's own for just this machine, with the SoC's DDR carve-outs kept from Linux.

use anyhow::{Context, Result};
use std::fs;
use std::path::Path;
use std::process::Command;

use super::machine::machine_options;
use super::packages::qemu;
use crate::process::output;

/// The DDR of the STM32MP257F-EV1 from the first of the M33's carve-outs to the end of OP-TEE's, behind which Linux's memory begins; in
/// it what Linux shares with the M33, as bindings/boards/stm32mp257f-ev1/linux.dts has it. The service's node is that file's too,
/// with what this machine has of it.
pub const NODES: &str = r#"
/ {
	reserved-memory {
		#address-cells = <2>;
		#size-cells = <2>;
		ranges;
		firmware@80000000 {
			reg = <0 0x80000000 0 0x1200000>;
			no-map;
		};
		ipc_shmem: ipc-shmem@81200000 {
			reg = <0 0x81200000 0 0xf8000>;
			no-map;
		};
		vdev0vring0: vdev0vring0@812f8000 {
			reg = <0 0x812f8000 0 0x1000>;
			no-map;
		};
		vdev0vring1: vdev0vring1@812f9000 {
			reg = <0 0x812f9000 0 0x1000>;
			no-map;
		};
		vdev0buffer: vdev0buffer@812fa000 {
			compatible = "shared-dma-pool";
			reg = <0 0x812fa000 0 0x6000>;
			no-map;
		};
		secure@81300000 {
			reg = <0 0x81300000 0 0x2d00000>;
			no-map;
		};
	};
	firmware {
		optee {
			compatible = "linaro,optee-tz";
			method = "smc";
			/* OP-TEE's notifications, CFG_CORE_ASYNC_NOTIF_GIC_INTID; it adds them only to a node that it makes itself */
			interrupts = <0 187 1>;
			#address-cells = <1>;
			#size-cells = <0>;
			rproc-service@0 {
				compatible = "rproc-service-80a4c275-0a47-4905-8285-1486a9771a08";
				reg = <0>;
				#address-cells = <1>;
				#size-cells = <0>;
				m33@1 {
					reg = <1>;
					memory-region = <&vdev0vring0>, <&vdev0vring1>, <&vdev0buffer>, <&ipc_shmem>;
				};
				m0@2 {
					reg = <2>;
				};
			};
		};
	};
};
"#;

/// The board's first IPCC, a node of the PCI device that it is part of, which is the only one and so in slot 1. The device gives Linux
/// the board's interrupts, by the numbers that they have at the chip's GIC.
const IPCC: &str = "
&{/pcie@10000000} {
	ipcc1: mailbox@1,0 {
		reg = <0x800 0 0 0 0>;
		#mbox-cells = <1>;
		interrupt-controller;
		#interrupt-cells = <3>;
	};
};
";
const M33: &str = "reg = <1>;\n";
const MAILBOXES: &str = "interrupt-parent = <&ipcc1>;\n\t\t\t\t\tinterrupts = <0 4 4>;\n\t\t\t\t\t\
    mboxes = <&ipcc1 0>, <&ipcc1 1>, <&ipcc1 2>;\n\t\t\t\t\tmbox-names = \"vq0\", \"vq1\", \"shutdown\";\n";

/// The nodes with the M33's mailboxes and its watchdog's interrupt, which it then does not go without.
pub fn with_mailboxes() -> String {
    NODES.replacen(M33, &[M33, MAILBOXES].concat(), 1) + IPCC
}

/// Writes the blob to `into`. TF-A's image must be the one that will be booted: QEMU's tree says what is in secure memory.
pub fn make(qemu_tree: &Path, flash: &Path, nodes: &str, into: &Path) -> Result<()> {
    let dumped = into.with_extension("dumped");
    let source = into.with_extension("dts");
    let mut command = qemu(qemu_tree);
    command.args(machine_options(&format!(",dumpdtb={}", dumped.display()))).arg("-bios").arg(flash);
    output(&mut command).context("QEMU's device tree")?;
    let dts = output(Command::new("dtc").args(["-q", "-I", "dtb", "-O", "dts"]).arg(&dumped))?;
    // Seeds of QEMU's: the same in every boot they would be worse than none.
    let kept: String =
        dts.lines().filter(|line| !line.contains("-seed =")).map(|line| format!("{line}\n")).collect();
    fs::write(&source, kept + nodes)?;
    output(Command::new("dtc").args(["-q", "-I", "dts", "-O", "dtb", "-o"]).arg(into).arg(&source))?;
    fs::remove_file(dumped)?;
    Ok(fs::remove_file(source)?)
}
