//! The device tree: QEMU's own for just this machine, and what an STM32MP25's has for remote processors, in each published form.

use anyhow::{Context, Result};
use std::fs;
use std::path::Path;
use std::process::Command;

use super::machine::machine_options;
use super::packages::qemu;
use crate::process::output;

/// A way to describe the service and its processors. In the texts, `{uuid}` is the service's; in a processor's, `{name}`, `{id}`
/// and `{address}` are its own.
#[derive(Debug)]
pub struct Form {
    /// As it is called.
    pub name: &'static str,
    /// The nodes of the service and of buses, with `{processors}` where the processors' go.
    frame: &'static str,
    /// What a processor's node is called.
    node: &'static str,
    /// What it has in this form only.
    own: &'static str,
}

/// A service below OP-TEE, whose processors are below it. The thread that proposed the service has no more than the name to know a
/// processor by.
pub const THREAD: Form = Form { name: "thread", frame: NESTED, node: "{name}_rproc", own: "" };

/// Version 20 of the series `remoteproc-tee`: the same with ids, and a compatible for a driver of the vendor's.
pub const V20: Form = Form {
    name: "v20",
    frame: NESTED,
    node: "{name}@{id}",
    own: r#"compatible = "st,stm32mp25-{name}-tee"; reg = <{id}>;"#,
};

/// Version 21: the service beside OP-TEE, named by its bare UUID, and processors anywhere that refer to it.
pub const V21: Form = Form {
    name: "v21",
    frame: r#"/ { firmware { tee_rproc: optee-rproc { compatible = "{uuid}"; }; }; {processors} };"#,
    node: "{name}@{id}",
    own: r#"compatible = "st,stm32mp2-{name}-tee"; reg = <0 {id} 0 0>; rproc-tee-phandle = <&tee_rproc {id}>;"#,
};

/// Version 22: as 21, but the processor's node is the ordinary one of its bus, with a property of the vendor's.
pub const V22: Form = Form {
    name: "v22",
    frame: r#"/ {
	firmware { tee_rproc: optee-rproc { compatible = "{uuid}"; }; };
	ahb@a040000 {
		compatible = "st,mlahb", "simple-bus";
		#address-cells = <1>;
		#size-cells = <1>;
		ranges = <0x0a040000 0x0 0x0a040000 0x60000>, <0x200c0000 0x0 0x200c0000 0x8000>;
		dma-ranges = <0x0a000000 0x0 0x0a000000 0xc0000>, <0x20000000 0x0 0x0a000000 0xc0000>,
			     <0x80000000 0x0 0x80000000 0x40000000>;
		{processors}
	};
};"#,
    node: "{name}@{address}",
    own: r#"compatible = "st,stm32mp2-{name}"; reg = <0x{address} 0x4000>; st,rproc-tee = <&tee_rproc {id}>;"#,
};

const NESTED: &str = r#"/ {
	firmware {
		optee {
			#address-cells = <1>;
			#size-cells = <0>;
			rproc-service@0 {
				compatible = "rproc-service-{uuid}";
				reg = <0>;
				#address-cells = <1>;
				#size-cells = <0>;
				{processors}
			};
		};
	};
};"#;

const UUID: &str = "80a4c275-0a47-4905-8285-1486a9771a08";

/// A processor, the same in every form.
struct Processor {
    name: &'static str,
    id: u32,
    /// Its first memory, which names its node where it stands on its bus.
    address: &'static str,
    properties: &'static str,
    mailboxes: &'static str,
    domains: &'static str,
}

const PROCESSORS: [Processor; 2] = [
    Processor {
        name: "m33",
        id: 1,
        address: "a041000",
        properties: "memory-region = <&vdev0vring0>, <&vdev0vring1>, <&vdev0buffer>, <&ipc_shmem>;",
        mailboxes: r#"interrupt-parent = <&ipcc1>; interrupts = <0 4 4>;
			mboxes = <&ipcc1 0>, <&ipcc1 1>, <&ipcc1 2>, <&ipcc1 3>; mbox-names = "vq0", "vq1", "shutdown", "detach";
			clocks = <&m33_clock>, <&m33_bus_clock>, <&m33_clock>; st,auto-boot;"#,
        domains: r#"power-domains = <&m33_default>, <&m33_sleep>; power-domain-names = "default", "sleep";"#,
    },
    Processor {
        name: "m0",
        id: 2,
        address: "200c0000",
        properties: "",
        mailboxes: "interrupt-parent = <&ipcc1>; interrupts = <0 7 4>;",
        domains: "",
    },
];

/// The DDR of the STM32MP257F-EV1 from the first of the M33's carve-outs to the end of OP-TEE's, behind which Linux's memory begins; in
/// it what Linux shares with the M33, as bindings/boards/stm32mp257f-ev1/linux.dts has it.
const BASE: &str = r#"
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
/// Clocks without hardware.
const SUPPLY: &str = r#"
&{/} {
	m33_clock: clock-m33 {
		compatible = "fixed-clock";
		#clock-cells = <0>;
		clock-frequency = <400000000>;
		clock-output-names = "rproc-m33";
	};
	m33_bus_clock: clock-m33-bus {
		compatible = "fixed-clock";
		#clock-cells = <0>;
		clock-frequency = <200000000>;
		clock-output-names = "rproc-m33-bus";
	};
};
"#;

/// Power domains of Linux's `cpuidle-psci-domain`, which Debian's kernel has: it makes one of each child of this node where the firmware
/// can be told to power down what Linux says (TF-A's OS-initiated mode), and no domain is any CPU's. TF-A makes the node where a tree has none.
const PSCI: &str = r#"
/ {
	psci {
		compatible = "arm,psci-1.0", "arm,psci-0.2";
		method = "smc";
		m33_default: power-domain-m33 { #power-domain-cells = <0>; };
		m33_sleep: power-domain-m33-sleep { #power-domain-cells = <0>; };
	};
};
"#;

/// What a form leaves out with a line for each: a second node of the service, whose processors are not looked at.
pub const SECOND_SERVICE: &str = r#"
/ {
	firmware { second: optee-rproc { compatible = "80a4c275-0a47-4905-8285-1486a9771a08"; }; };
	m33@9 { reg = <0 9 0 0>; st,rproc-tee = <&second 1>; };
};
"#;

/// Nodes that a form with links leaves out, one line for each: a processor that the service does not drive, one that has a node
/// already, a link cut short, a link to something else, and one below a service that has no processor's id.
pub const ODD_LINKS: &str = r#"
/ {
	m7@7 { reg = <0 7 0 0>; rproc-tee-phandle = <&tee_rproc 7>; };
	again@8 { reg = <0 8 0 0>; st,rproc-tee = <&tee_rproc 1>; };
	short@9 { reg = <0 9 0 0>; rproc-tee-phandle = <&tee_rproc>; };
	astray@a { reg = <0 10 0 0>; st,rproc-tee = <&vdev0buffer 1>; };
	off@b { reg = <0 11 0 0>; st,rproc-tee = <&tee_rproc 1>; status = "disabled"; };
	firmware { optee-rproc { nameless { }; wide { reg = <1 0>; }; }; };
};
"#;

/// The tree of a boot.
#[derive(Clone, Copy, Debug)]
pub struct Tree {
    /// How it describes the service and the processors.
    pub form: &'static Form,
    /// Whether the M33 has its mailboxes and clocks, and each its watchdog's interrupt, without which it then does not go.
    pub mailboxes: bool,
    /// Whether the M33 has power domains. Linux makes them only while one of its processors runs (see [`PSCI`]).
    pub domains: bool,
    /// Further nodes.
    pub more: &'static str,
}

impl Tree {
    /// The processors in this form, without mailboxes and clocks.
    pub const fn new(form: &'static Form) -> Self {
        Self { form, mailboxes: false, domains: false, more: "" }
    }

    /// A name of its own among the trees.
    pub fn name(&self) -> String {
        let mailboxes = if self.mailboxes { "-mailboxes" } else { "" };
        let domains = if self.domains { "-domains" } else { "" };
        let more = if self.more.is_empty() { "" } else { "-more" };
        format!("{}{mailboxes}{domains}{more}", self.form.name)
    }

    /// The source of what is added to QEMU's tree.
    pub fn nodes(&self) -> String {
        let processors: String = PROCESSORS.iter().map(|processor| self.processor(processor)).collect();
        let frame = self.form.frame.replace("{uuid}", UUID).replace("{processors}", &processors);
        let (mailboxes, clocks) = if self.mailboxes { (IPCC, SUPPLY) } else { ("", "") };
        let domains = if self.domains { PSCI } else { "" };
        [BASE, &frame, mailboxes, clocks, domains, self.more].concat()
    }

    fn processor(&self, processor: &Processor) -> String {
        let Processor { name, id, address, properties, mailboxes, domains } = processor;
        let Form { node, own, .. } = self.form;
        let mailboxes = if self.mailboxes { mailboxes } else { "" };
        let domains = if self.domains { domains } else { "" };
        [node, " { ", own, " ", properties, " ", mailboxes, " ", domains, " };\n"]
            .concat()
            .replace("{name}", name)
            .replace("{id}", &id.to_string())
            .replace("{address}", address)
    }
}

/// Writes the blob to `into`. TF-A's image must be the one that will be booted: QEMU's tree says what is in secure memory.
pub fn make(qemu_tree: &Path, flash: &Path, messages: bool, nodes: &str, into: &Path) -> Result<()> {
    let dumped = into.with_extension("dumped");
    let source = into.with_extension("dts");
    let mut command = qemu(qemu_tree);
    command
        .args(machine_options(messages, &format!(",dumpdtb={}", dumped.display())))
        .arg("-bios")
        .arg(flash);
    output(&mut command).context("QEMU's device tree")?;
    let dts = output(Command::new("dtc").args(["-q", "-I", "dtb", "-O", "dts"]).arg(&dumped))?;
    // Seeds of QEMU's: the same in every boot they would be worse than none.
    let kept: String =
        dts.lines().filter(|line| !line.contains("-seed =")).map(|line| format!("{line}\n")).collect();
    fs::write(&source, kept + nodes)?;
    compile(&source, into)?;
    fs::remove_file(dumped)?;
    Ok(fs::remove_file(source)?)
}

fn compile(source: &Path, into: &Path) -> Result<()> {
    output(Command::new("dtc").args(["-q", "-I", "dts", "-O", "dtb", "-o"]).arg(into).arg(source)).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rproc_devicetree::{Model, Severity};

    /// The little of QEMU's tree that the nodes need.
    const QEMU: &str = r#"/dts-v1/;
/ {
	#address-cells = <2>;
	#size-cells = <2>;
	interrupt-parent = <&gic>;
	gic: gic { interrupt-controller; #interrupt-cells = <3>; #address-cells = <0>; };
	pcie@10000000 { #address-cells = <3>; #size-cells = <2>; ranges; };
};
"#;

    fn blob(tree: &Tree) -> Option<Vec<u8>> {
        if Command::new("dtc").arg("--version").output().is_err() {
            eprintln!("SKIPPED: dtc is not installed, the trees of the system's boots were not compiled");
            return None;
        }
        let name = format!("rproc-xtask-tree-{}-{}", std::process::id(), tree.name());
        let (source, blob) = (std::env::temp_dir().join(&name), std::env::temp_dir().join(name + ".dtb"));
        fs::write(&source, QEMU.to_owned() + &tree.nodes()).unwrap();
        compile(&source, &blob).unwrap();
        let bytes = fs::read(&blob).unwrap();
        fs::remove_file(source).unwrap();
        fs::remove_file(blob).unwrap();
        Some(bytes)
    }

    #[test]
    fn every_form_describes_the_same_processors() {
        for form in [&THREAD, &V20, &V21, &V22] {
            let tree = Tree { mailboxes: true, ..Tree::new(form) };
            let Some(blob) = blob(&tree) else { return };
            let tree = rproc_devicetree::Tree::parse(&blob).unwrap();
            let model = Model::of(&tree);
            let errors: Vec<_> = model.findings.iter().filter(|it| it.severity == Severity::Error).collect();
            assert!(errors.is_empty(), "{}: {errors:?}", form.name);
            assert!(model.platform.is_empty(), "{}: a processor is Linux's", form.name);
            let (m33, m0) = (model.processor("m33").unwrap(), model.processor("m0").unwrap());
            assert_eq!((m33.id, m0.id), (1, 2), "{}", form.name);
            assert_eq!((m33.mailboxes["vq1"].channel, m33.memory_regions.len()), (1, 4), "{}", form.name);
        }
    }

    #[test]
    fn nothing_is_left_to_be_filled_in() {
        for form in [&THREAD, &V20, &V21, &V22] {
            let nodes = Tree { mailboxes: true, ..Tree::new(form) }.nodes();
            for gap in ["{name}", "{id}", "{address}", "{uuid}", "{processors}"] {
                assert!(!nodes.contains(gap), "{}: {gap} is left in {nodes}", form.name);
            }
        }
        assert!(Tree::new(&THREAD).nodes().contains("m33_rproc {"));
    }

    #[test]
    fn the_odd_trees_compile() {
        for tree in
            [Tree { more: SECOND_SERVICE, ..Tree::new(&V20) }, Tree { more: ODD_LINKS, ..Tree::new(&V21) }]
        {
            let Some(blob) = blob(&tree) else { return };
            rproc_devicetree::Tree::parse(&blob).unwrap();
        }
    }
}
