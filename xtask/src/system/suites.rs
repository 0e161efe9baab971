//! The boots: which OP-TEE, which TA, what the guest runs, and what the host checks afterwards.

use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::build::{Builder, CoreSettings, TA_UUID, Ta, TaSettings};
use super::driver::{DRIVER, MAILBOX};
use super::images::{Images, upstream_ta};
use super::rootfs::{Extra, TA_FOLDER};
use super::tree::{ODD_LINKS, SECOND_SERVICE, THREAD, Tree, V20, V21, V22};

/// Debian's configuration.
pub const PLAIN: CoreSettings = CoreSettings { name: "plain", crypto_extensions: false };
/// With Arm's crypto extensions.
pub const EXTENSIONS: CoreSettings = CoreSettings { name: "extensions", crypto_extensions: true };

pub(super) const EARLY: TaSettings =
    TaSettings { name: "early", enumeration: "always", policy: "strict", features: "" };
const SUPPLICANT: TaSettings = TaSettings {
    name: "supplicant",
    enumeration: "supplicant",
    policy: "strict",
    features: "fault-injection",
};
const FILE: TaSettings = TaSettings {
    name: "file",
    enumeration: "never",
    policy: "compatible",
    features: "fault-injection,heap-report",
};

/// The feature of the platform service that loads as a straightforward one in C does.
const REFERENCE: &str = "reference-place,core-hash";
/// The feature of the platform service that hashes with the core's functions.
const CORE_HASH: &str = "core-hash";

/// The kernel's own drivers of RPMsg over virtio, in the order to insert them.
const RPMSG: [&str; 4] = ["rpmsg_ns.ko", "virtio_rpmsg_bus.ko", "rpmsg_char.ko", "rpmsg_tty.ko"];
/// What goes through RPMsg, where all drivers are there.
const RPMSG_SUITES: &str = "rproc-guest run rpmsg --by messages /images/firmware/echo.img\n\
     rproc-guest run recovery /images/firmware/obey.img\n\
     rproc-guest run terminal /images/firmware/tty.img\n\
     rproc-guest run two /images/firmware/echo.img /images/firmware/starve-m0.img\n\
     rproc-guest run watchdog /images/firmware/starve.img /images/firmware/echo.img";
/// The drivers go while firmware talks, and come again.
const UNLOAD_SUITE: &str =
    "rproc-guest run unload /modules/rproc_tee.ko /modules/rproc_ipcc.ko /images/firmware/echo.img";
/// A node's power domains, where the driver of the mailboxes is there.
const DOMAINS_SUITE: &str =
    "domains /modules/rproc_tee.ko /images/firmware/echo.img /images/firmware/foreign.img";
/// Everything else that a node may have, where that driver is there.
const LIFE_SUITE: &str = "life /modules/rproc_tee.ko /images/firmware/echo.img /images/firmware/foreign.img /images/firmware/hang.img";
/// The CPU that waits until Linux has made the power domains.
const SECOND_CPU: &str = "echo 1 > /sys/devices/system/cpu/cpu1/online\n";

const SUPPLICANT_START: &str = "tee-supplicant -d\nsleep 0.5\n";

/// How often Linux's driver starts and stops firmware in one boot.
const LIVES: usize = 200;
/// The tree where it is not what is tested.
const TREE: Tree = Tree::new(&THREAD);

/// The boots with tests, in order.
const TESTS: [&str; 13] = [
    "bare",
    "early",
    "driver",
    "life",
    "domains",
    "rpmsg",
    "pin",
    "by-hand",
    "lives",
    "lockdep",
    "supplicant",
    "file",
    "upstream",
];

/// A pairing of a TA with a platform service, to measure LOAD.
struct Measurement {
    name: &'static str,
    /// Our TA, or else upstream's.
    ours: bool,
    /// Features of the platform service.
    features: &'static str,
    core: CoreSettings,
}

const fn measurement(
    name: &'static str,
    ours: bool,
    features: &'static str,
    core: CoreSettings,
) -> Measurement {
    Measurement { name, ours, features, core }
}

const MEASUREMENTS: [Measurement; 5] = [
    measurement("load-ours", true, "", PLAIN),
    measurement("load-upstream", false, "", PLAIN),
    measurement("load-upstream-on-reference", false, REFERENCE, PLAIN),
    measurement("load-ours-extensions", true, CORE_HASH, EXTENSIONS),
    measurement("load-upstream-on-reference-extensions", false, REFERENCE, EXTENSIONS),
];

/// The names of all boots, in order.
pub fn names() -> Vec<&'static str> {
    TESTS.into_iter().chain(MEASUREMENTS.iter().map(|measurement| measurement.name)).collect()
}

/// Refuses a name that no boot has, with those that there are.
pub fn check_name(name: &str) -> Result<()> {
    ensure!(names().contains(&name), "no boot is called {name}; there are: {}", names().join(", "));
    Ok(())
}

/// One boot of the plan.
pub struct Planned {
    /// Its name, which begins the names of its results.
    pub name: &'static str,
    /// TF-A with OP-TEE.
    pub flash: PathBuf,
    /// Files and script of the guest.
    pub extra: Extra,
    /// The suites that must come to their end.
    pub suites: &'static [&'static str],
    /// The longest it may take.
    pub limit: Duration,
    /// Whether the virtual board is part of the machine.
    pub board: bool,
    /// Whether the board's interrupts come as messages (MSI), or else by its pin.
    pub messages: bool,
    /// The device tree.
    pub tree: Tree,
    /// How often the guest starts firmware at least.
    pub starts: usize,
}

impl Planned {
    /// Further arguments of the kernel's.
    pub fn arguments(&self) -> &'static str {
        if self.tree.domains {
            // TF-A lets Linux decide on power domains while no other CPU is on.
            "maxcpus=1"
        } else if self.suites.contains(&"lives") {
            // A cache that is watched keeps no sheaves: what is free does not count as used because a processor has it at hand (`mm/slub.c`).
            "slab_debug=U"
        } else {
            ""
        }
    }

    /// How often a suite has firmware crash.
    pub fn crashes(&self) -> usize {
        self.suites.iter().filter(|suite| **suite == "recovery").count()
    }
}

/// Makes what the boots need and gives them in order.
pub struct Plan<'a> {
    /// What builds.
    pub builder: Builder<'a>,
    /// The signed images.
    pub images: Images,
}

impl Plan<'_> {
    /// The signed files of our TA, as a product has it, and of upstream's.
    pub fn ta_files(&self) -> Result<[(&'static str, PathBuf); 2]> {
        let ours = self.builder.ta(&EARLY)?.file;
        Ok([("ours", ours), ("upstream", upstream_ta(self.builder.packages))])
    }

    /// The boot of this name, with all that it needs.
    pub fn boot(&self, name: &str, cycles: u32) -> Result<Planned> {
        match name {
            "bare" => self.bare(),
            "early" => self.early(cycles),
            "driver" => self.driver(),
            "life" => self.life(),
            "domains" => self.domains(),
            "rpmsg" => self.rpmsg(),
            "pin" => self.pin(),
            "by-hand" => self.by_hand(),
            "lives" => self.lives(),
            "lockdep" => self.lockdep(),
            "supplicant" => self.supplicant(),
            "file" => self.file(),
            "upstream" => self.upstream(),
            _ => {
                let found = MEASUREMENTS.iter().find(|measurement| measurement.name == name);
                self.measurement(found.with_context(|| format!("no boot is called {name}"))?)
            }
        }
    }

    /// A boot that measures LOAD.
    fn measurement(&self, measurement: &Measurement) -> Result<Planned> {
        let (ta, login, folder) = match measurement.ours {
            true => (self.builder.ta(&FILE)?.file, "", &self.images.performance_bound),
            false => (upstream_ta(self.builder.packages), " --public", &self.images.performance),
        };
        let flash = self.flash(measurement.name, measurement.features, &measurement.core, None)?;
        let script = format!("{SUPPLICANT_START}rproc-guest run performance /images/performance{login}");
        Ok(Planned {
            name: measurement.name,
            flash,
            extra: self.extra(&[("performance", folder)], Some(&ta), &script)?,
            suites: &["performance"],
            limit: minutes(3),
            board: true,
            messages: true,
            tree: TREE,
            starts: 0,
        })
    }

    /// Debian's OP-TEE as it is: how long a boot takes without us, a TA without its platform service, Linux's driver without a service.
    fn bare(&self) -> Result<Planned> {
        let flash = self.builder.flash("bare", &PLAIN, None, None)?;
        let ta = self.builder.ta(&FILE)?.file;
        let script = format!(
            "{SUPPLICANT_START}rproc-guest run bus --listed never --not-on-bus\n\
             rproc-guest run absent /modules/{DRIVER} --remove"
        );
        let mut extra = self.extra(&[], Some(&ta), &script)?;
        extra.files.push(self.driver_file()?);
        Ok(Planned {
            name: "bare",
            flash,
            extra,
            suites: &["bus", "absent"],
            limit: minutes(2),
            board: false,
            messages: true,
            tree: TREE,
            starts: 0,
        })
    }

    /// The board's pin comes last: after its first interrupt a wipe takes long (see `pin`).
    fn early(&self, cycles: u32) -> Result<Planned> {
        let ta = self.builder.ta(&EARLY)?;
        let flash = self.flash("early", "", &PLAIN, Some(&ta))?;
        let script = format!(
            "rproc tee list\n\
             rproc-guest run bus --listed always\n\
             rproc-guest run logins\n\
             rproc-guest run states /images/firmware/echo.img\n\
             rproc-guest run boot /images/firmware/echo.img\n\
             rproc-guest run refusals /images/refusals\n\
             rproc-guest run hostile /images/firmware/echo.img 20\n\
             rproc-guest run cycles /images/firmware/echo.img {cycles}\n\
             rproc-guest run form /images/firmware/echo.img --module /modules/{DRIVER} --left-out /firmware/optee-rproc\n\
             insmod /modules/uio.ko\n\
             insmod /modules/uio_pci_generic.ko\n\
             rproc-guest run interrupt /images/firmware/echo.img"
        );
        let folders = [("firmware", &self.images.firmware), ("refusals", &self.images.refusals)];
        let mut extra = self.extra(&folders, None, &script)?;
        extra.files.push(self.driver_file()?);
        Ok(Planned {
            name: "early",
            flash,
            extra: Extra { modules: &["uio_pci_generic"], ..extra },
            suites: &[
                "bus",
                "logins",
                "states",
                "boot",
                "refusals",
                "hostile",
                "cycles",
                "form",
                "interrupt",
            ],
            limit: minutes(15),
            board: true,
            messages: true,
            tree: Tree { more: SECOND_SERVICE, ..Tree::new(&V20) },
            starts: cycles as usize + 2,
        })
    }

    /// Linux's own driver on the service, installed as a Debian package.
    fn driver(&self) -> Result<Planned> {
        let module = module_name(DRIVER);
        let ta = self.builder.ta(&EARLY)?;
        let flash = self.flash("early", "", &PLAIN, Some(&ta))?;
        let script = format!(
            "{}\n\
             rproc-guest run commands {module} /images/firmware/echo.img /images/firmware/foreign.img\n\
             rproc-guest run modprobe",
            driver_suite(module)
        );
        let mut extra = self.extra(&[("firmware", &self.images.firmware)], None, &script)?;
        extra.package = Some(self.builder.driver_package()?);
        Ok(Planned {
            name: "driver",
            flash,
            extra,
            suites: &["driver", "commands", "modprobe"],
            limit: minutes(6),
            board: true,
            messages: true,
            tree: TREE,
            starts: 8,
        })
    }

    /// Linux's own driver with everything that a node may have: attachment, sleep, requests to firmware, failed recoveries.
    fn life(&self) -> Result<Planned> {
        Ok(Planned { starts: 8, ..self.with_all("life", &["life"], LIFE_SUITE)? })
    }

    /// The same node's power domains. Not in the boot before: for some time after it has slept, Linux does not look at firmware files anew.
    fn domains(&self) -> Result<Planned> {
        self.with_all("domains", &["domains"], DOMAINS_SUITE)
    }

    /// A boot with everything that a node may have.
    fn with_all(&self, name: &'static str, suites: &'static [&'static str], suite: &str) -> Result<Planned> {
        let ta = self.builder.ta(&EARLY)?;
        let flash = self.flash("early", "", &PLAIN, Some(&ta))?;
        let script = format!("{SECOND_CPU}{}rproc-guest run {suite}", insert(&[MAILBOX]));
        let mut extra = self.extra(&[("firmware", &self.images.firmware)], None, &script)?;
        extra.files.extend(modules(&self.builder.drivers()?, &[DRIVER, MAILBOX]));
        Ok(Planned {
            name,
            flash,
            extra,
            suites,
            limit: minutes(8),
            board: true,
            messages: true,
            tree: Tree { mailboxes: true, domains: true, ..Tree::new(&V20) },
            starts: 3,
        })
    }

    /// RPMsg through Linux's own drivers, rung by the board's mailboxes.
    fn rpmsg(&self) -> Result<Planned> {
        let suites = &["rpmsg", "recovery", "terminal", "two", "watchdog", "unload"];
        self.talk("rpmsg", suites, &format!("{RPMSG_SUITES}\n{UNLOAD_SUITE}"))
    }

    /// The same where the board has no messages, only its pin for all interrupts. After the first interrupt QEMU maps no on-chip memory any
    /// more, so that a wipe keeps a processor in the secure world for some ten seconds, after which the kernel would take it for lost.
    fn pin(&self) -> Result<Planned> {
        let pin = self.talk(
            "pin",
            &["rpmsg", "watchdog"],
            "rproc-guest run rpmsg --by pin /images/firmware/echo.img\n\
             rproc-guest run watchdog /images/firmware/starve.img /images/firmware/echo.img",
        )?;
        Ok(Planned { messages: false, starts: 4, ..pin })
    }

    /// A boot whose firmware talks to Linux.
    fn talk(&self, name: &'static str, suites: &'static [&'static str], tests: &str) -> Result<Planned> {
        let ta = self.builder.ta(&EARLY)?;
        let flash = self.flash("early", "", &PLAIN, Some(&ta))?;
        // The processor waits for its mailboxes, so their driver may come last.
        let (files, mut script) = self.modules(&RPMSG, &[DRIVER, MAILBOX])?;
        script += tests;
        let mut extra = self.extra(&[("firmware", &self.images.firmware)], None, &script)?;
        extra.files.extend(files);
        Ok(Planned {
            name,
            flash,
            extra,
            suites,
            limit: minutes(14),
            board: true,
            messages: true,
            tree: Tree { mailboxes: true, ..Tree::new(&V22) },
            starts: 9,
        })
    }

    /// Many lives under Linux's driver. Without mailboxes the rings are laid and found all the same.
    fn lives(&self) -> Result<Planned> {
        let ta = self.builder.ta(&EARLY)?;
        let flash = self.flash("early", "", &PLAIN, Some(&ta))?;
        let (files, mut script) = self.modules(&["rpmsg_ns.ko", "virtio_rpmsg_bus.ko"], &[DRIVER])?;
        script += &format!("rproc-guest run lives /images/firmware/echo.img {LIVES}");
        let mut extra = self.extra(&[("firmware", &self.images.firmware)], None, &script)?;
        extra.files.extend(files);
        Ok(Planned {
            name: "lives",
            flash,
            extra,
            suites: &["lives"],
            limit: minutes(5),
            board: true,
            messages: true,
            tree: TREE,
            starts: LIVES,
        })
    }

    /// The suites of Linux's driver on the kernel that watches its locks, objects and memory.
    fn lockdep(&self) -> Result<Planned> {
        let ta = self.builder.ta(&EARLY)?;
        let flash = self.flash("early", "", &PLAIN, Some(&ta))?;
        let kernel = self.builder.packages.lockdep(self.builder.cache)?;
        let gone: String = RPMSG.iter().rev().map(|name| format!("rmmod {}\n", module_name(name))).collect();
        // `rpmsg_core` is in Debian's kernel itself.
        let all = insert(&["rpmsg_core.ko"]) + &insert(&RPMSG) + &insert(&[DRIVER, MAILBOX]);
        let driver = driver_suite(&format!("/modules/{DRIVER}"));
        let script = format!(
            "echo 1 > /proc/sys/kernel/panic_on_oops\n{SECOND_CPU}{all}\
             {RPMSG_SUITES}\n\
             {UNLOAD_SUITE}\n\
             rmmod {}\n{gone}\
             {driver}\n\
             rproc-guest run {LIFE_SUITE}\n\
             rproc-guest run {DOMAINS_SUITE}\n\
             rmmod {}\n\
             rproc-guest run lockdep",
            module_name(DRIVER),
            module_name(MAILBOX)
        );
        let mut extra = self.extra(&[("firmware", &self.images.firmware)], None, &script)?;
        extra.files.extend(modules(&self.builder.lockdep_drivers(&kernel)?, &[DRIVER, MAILBOX]));
        Ok(Planned {
            name: "lockdep",
            flash,
            extra: Extra {
                modules: &["virtio_rpmsg_bus", "rpmsg_char", "rpmsg_tty"],
                linux: Some(kernel.linux),
                ..extra
            },
            suites: &[
                "rpmsg", "recovery", "terminal", "two", "watchdog", "unload", "driver", "life", "domains",
                "lockdep",
            ],
            limit: minutes(15),
            board: true,
            messages: true,
            tree: Tree { mailboxes: true, domains: true, ..Tree::new(&V20) },
            starts: 20,
        })
    }

    /// The kernel's modules of RPMsg and ours, and the lines that insert them in this order.
    fn modules(&self, rpmsg: &[&str], ours: &[&str]) -> Result<(Vec<(String, PathBuf)>, String)> {
        let mut files = modules(&self.builder.rpmsg()?, rpmsg);
        files.extend(modules(&self.builder.drivers()?, ours));
        Ok((files, insert(rpmsg) + &insert(ours)))
    }

    /// A service that Linux's driver has to wait for, in a device tree where much is wrong.
    fn supplicant(&self) -> Result<Planned> {
        let ta = self.builder.ta(&SUPPLICANT)?;
        let flash = self.flash("supplicant", "", &PLAIN, Some(&ta))?;
        let left_out = ["nameless", "wide", "m7@7", "again@8", "short@9", "astray@a"];
        let left_out: String = left_out.map(|node| format!(" --left-out /{node}")).concat();
        let script = format!(
            "rproc-guest run absent /modules/{DRIVER}\n\
             rproc-guest run bus --listed supplicant --not-on-bus\n\
             {SUPPLICANT_START}rproc-guest run bus --listed supplicant\n\
             rproc-guest run form /images/firmware/echo.img{left_out}\n\
             rproc-guest run outlive /modules/{DRIVER} /images/firmware/echo.img /images/firmware/foreign.img"
        );
        let mut extra = self.extra(&[("firmware", &self.images.firmware)], None, &script)?;
        extra.files.push(self.driver_file()?);
        Ok(Planned {
            name: "supplicant",
            flash,
            extra,
            suites: &["absent", "bus", "bus", "form", "outlive"],
            limit: minutes(5),
            board: true,
            messages: true,
            tree: Tree { more: ODD_LINKS, ..Tree::new(&V21) },
            starts: 7,
        })
    }

    fn file(&self) -> Result<Planned> {
        let ta = self.builder.ta(&FILE)?.file;
        let flash = self.flash("ours", "", &PLAIN, None)?;
        let script = format!(
            "{SUPPLICANT_START}rproc-guest run bus --listed never --not-on-bus\n\
             rproc-guest run interop /images/interop\n\
             rproc-guest run panic /images/firmware/echo.img"
        );
        let folders = [("interop", &self.images.interop), ("firmware", &self.images.firmware)];
        let extra = self.extra(&folders, Some(&ta), &script)?;
        Ok(Planned {
            name: "file",
            flash,
            extra,
            suites: &["bus", "interop", "panic"],
            limit: minutes(3),
            board: true,
            messages: true,
            tree: TREE,
            starts: 5,
        })
    }

    fn upstream(&self) -> Result<Planned> {
        let flash = self.flash("ours", "", &PLAIN, None)?;
        let script = format!(
            "{SUPPLICANT_START}rproc-guest run interop /images/interop --public --start-refused ffff0006"
        );
        let ta = upstream_ta(self.builder.packages);
        let extra = self.extra(&[("interop", &self.images.interop)], Some(&ta), &script)?;
        Ok(Planned {
            name: "upstream",
            flash,
            extra,
            suites: &["interop"],
            limit: minutes(3),
            board: true,
            messages: true,
            tree: TREE,
            starts: 0,
        })
    }

    pub(super) fn flash(
        &self,
        name: &str,
        features: &str,
        core: &CoreSettings,
        early: Option<&Ta>,
    ) -> Result<PathBuf> {
        let pta = self.builder.pta(core, features)?;
        self.builder.flash(name, core, Some(&pta), early)
    }

    /// Linux's driver, and where it goes.
    fn driver_file(&self) -> Result<(String, PathBuf)> {
        Ok((format!("modules/{DRIVER}"), self.builder.drivers()?.join(DRIVER)))
    }

    /// Our two programs, folders of images, and a file TA.
    pub(super) fn extra(
        &self,
        folders: &[(&str, &PathBuf)],
        ta: Option<&PathBuf>,
        script: &str,
    ) -> Result<Extra> {
        let mut files = Vec::new();
        for program in ["rproc", "rproc-guest"] {
            files.push((format!("usr/bin/{program}"), self.builder.guest_program(program)?));
        }
        for (name, folder) in folders {
            for entry in std::fs::read_dir(folder)? {
                let entry = entry?;
                files.push((format!("images/{name}/{}", entry.file_name().to_string_lossy()), entry.path()));
            }
        }
        if let Some(ta) = ta {
            files.push((format!("{TA_FOLDER}/{TA_UUID}.ta"), ta.clone()));
        }
        Ok(Extra { files, script: script.to_owned(), ..Extra::default() })
    }
}

/// Inserts Linux's driver more than once, and leaves the kernel without it.
fn driver_suite(module: &str) -> String {
    format!("rproc-guest run driver {module} /images/firmware/echo.img /images/firmware/foreign.img")
}

/// What the kernel calls the module of a file.
fn module_name(file: &str) -> &str {
    file.trim_end_matches(".ko")
}

/// Modules of a folder, and where they go.
fn modules(folder: &Path, names: &[&str]) -> Vec<(String, PathBuf)> {
    names.iter().map(|name| (format!("modules/{name}"), folder.join(name))).collect()
}

/// Lines of a script that insert modules.
fn insert(modules: &[&str]) -> String {
    modules.iter().map(|name| format!("insmod /modules/{name}\n")).collect()
}

pub(super) const fn minutes(count: u64) -> Duration {
    Duration::from_secs(60 * count)
}
