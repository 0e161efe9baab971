//! The boots: which OP-TEE, which TA, what the guest runs, and what the host checks afterwards.

use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::build::{Builder, CoreSettings, TA_UUID, Ta, TaSettings};
use super::driver::{DRIVER, MAILBOX};
use super::images::{Images, upstream_ta};
use super::rootfs::{Extra, TA_FOLDER};

/// Debian's configuration.
pub const PLAIN: CoreSettings = CoreSettings { name: "plain", crypto_extensions: false };
/// With Arm's crypto extensions.
pub const EXTENSIONS: CoreSettings = CoreSettings { name: "extensions", crypto_extensions: true };

const EARLY: TaSettings = TaSettings { name: "early", enumeration: "always", policy: "strict", features: "" };
const SUPPLICANT: TaSettings =
    TaSettings { name: "supplicant", enumeration: "supplicant", policy: "strict", features: "" };
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
const RPMSG: [&str; 3] = ["rpmsg_ns.ko", "virtio_rpmsg_bus.ko", "rpmsg_char.ko"];
/// Inserts the driver, and leaves the kernel without it.
const DRIVER_SUITE: &str =
    "rproc-guest run driver /modules/rproc_tee.ko /images/firmware/echo.img /images/firmware/foreign.img";
/// Inserts our modules as a person would who has put them below `/lib/modules`.
const MODPROBE: &str = "depmod\nmodprobe rproc_tee\nmodprobe rproc_ipcc\n";
const RPMSG_SUITE: &str = "rproc-guest run rpmsg /images/firmware/echo.img";

const SUPPLICANT_START: &str = "tee-supplicant -d\nsleep 0.5\n";

/// The boots with tests, in order.
const TESTS: [&str; 8] = ["bare", "early", "driver", "rpmsg", "lockdep", "supplicant", "file", "upstream"];

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
    /// Whether the device tree gives the Cortex-M33 its mailboxes.
    pub mailboxes: bool,
    /// How often the guest starts firmware at least.
    pub starts: usize,
}

/// Makes what the boots need and gives them in order.
pub struct Plan<'a> {
    /// What builds.
    pub builder: Builder<'a>,
    /// The signed images.
    pub images: Images,
}

impl Plan<'_> {
    /// The boot for a person: our TA early, everything at hand.
    pub fn shell(&self) -> Result<Planned> {
        let ta = self.builder.ta(&EARLY)?;
        let flash = self.flash("early", "", &PLAIN, Some(&ta))?;
        let mut extra = self.extra(&[("firmware", &self.images.firmware)], None, "rproc tee list")?;
        extra.shell = true;
        Ok(Planned {
            name: "shell",
            flash,
            extra,
            suites: &[],
            limit: Duration::MAX,
            board: true,
            mailboxes: false,
            starts: 0,
        })
    }

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
            "rpmsg" => self.rpmsg(),
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
            mailboxes: false,
            starts: 0,
        })
    }

    /// Debian's OP-TEE as it is: how long a boot takes without us, and a TA without its platform service.
    fn bare(&self) -> Result<Planned> {
        let flash = self.builder.flash("bare", &PLAIN, None, None)?;
        let ta = self.builder.ta(&FILE)?.file;
        let script = format!("{SUPPLICANT_START}rproc-guest run bus --listed never --not-on-bus");
        let extra = self.extra(&[], Some(&ta), &script)?;
        Ok(Planned {
            name: "bare",
            flash,
            extra,
            suites: &["bus"],
            limit: minutes(2),
            board: false,
            mailboxes: false,
            starts: 0,
        })
    }

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
             insmod /modules/uio.ko\n\
             insmod /modules/uio_pci_generic.ko\n\
             rproc-guest run interrupt /images/firmware/echo.img"
        );
        let folders = [("firmware", &self.images.firmware), ("refusals", &self.images.refusals)];
        let extra = self.extra(&folders, None, &script)?;
        Ok(Planned {
            name: "early",
            flash,
            extra: Extra { modules: &["uio_pci_generic"], ..extra },
            suites: &["bus", "logins", "states", "boot", "refusals", "hostile", "cycles", "interrupt"],
            limit: minutes(15),
            board: true,
            mailboxes: false,
            starts: cycles as usize,
        })
    }

    /// Linux's own driver on the service.
    fn driver(&self) -> Result<Planned> {
        let ta = self.builder.ta(&EARLY)?;
        let flash = self.flash("early", "", &PLAIN, Some(&ta))?;
        let mut extra = self.extra(&[("firmware", &self.images.firmware)], None, DRIVER_SUITE)?;
        extra.files.push((format!("modules/{DRIVER}"), self.builder.drivers()?.join(DRIVER)));
        Ok(Planned {
            name: "driver",
            flash,
            extra,
            suites: &["driver"],
            limit: minutes(3),
            board: true,
            mailboxes: false,
            starts: 4,
        })
    }

    /// RPMsg through Linux's own drivers, rung by the board's mailboxes.
    fn rpmsg(&self) -> Result<Planned> {
        let ta = self.builder.ta(&EARLY)?;
        let flash = self.flash("early", "", &PLAIN, Some(&ta))?;
        // The processor waits for its mailboxes, so their driver may come last.
        let script = insert(&RPMSG) + MODPROBE + RPMSG_SUITE;
        let mut extra = self.extra(&[("firmware", &self.images.firmware)], None, &script)?;
        let rpmsg = self.builder.rpmsg()?;
        extra.files.extend(RPMSG.map(|name| (format!("modules/{name}"), rpmsg.join(name))));
        let (drivers, release) = (self.builder.drivers()?, self.builder.packages.linux_release()?);
        extra.files.extend(updates(&release, &drivers));
        Ok(Planned {
            name: "rpmsg",
            flash,
            extra,
            suites: &["rpmsg"],
            limit: minutes(5),
            board: true,
            mailboxes: true,
            starts: 1,
        })
    }

    /// Both suites of Linux's driver on the kernel that watches its locks, objects and memory.
    fn lockdep(&self) -> Result<Planned> {
        let ta = self.builder.ta(&EARLY)?;
        let flash = self.flash("early", "", &PLAIN, Some(&ta))?;
        let kernel = self.builder.packages.lockdep(self.builder.cache)?;
        let drivers = self.builder.lockdep_drivers(&kernel)?;
        let script = insert(&[MAILBOX])
            + DRIVER_SUITE
            + "\n"
            + &insert(&RPMSG)
            + &insert(&[DRIVER])
            + RPMSG_SUITE
            + "\nrproc-guest run lockdep";
        let mut extra = self.extra(&[("firmware", &self.images.firmware)], None, &script)?;
        extra.files.extend([DRIVER, MAILBOX].map(|name| (format!("modules/{name}"), drivers.join(name))));
        Ok(Planned {
            name: "lockdep",
            flash,
            extra: Extra { modules: &["virtio_rpmsg_bus", "rpmsg_char"], linux: Some(kernel.linux), ..extra },
            suites: &["driver", "rpmsg", "lockdep"],
            limit: minutes(10),
            board: true,
            mailboxes: true,
            starts: 5,
        })
    }

    fn supplicant(&self) -> Result<Planned> {
        let ta = self.builder.ta(&SUPPLICANT)?;
        let flash = self.flash("supplicant", "", &PLAIN, Some(&ta))?;
        let script = format!(
            "rproc-guest run bus --listed supplicant --not-on-bus\n{SUPPLICANT_START}rproc-guest run bus --listed supplicant"
        );
        let extra = self.extra(&[], None, &script)?;
        Ok(Planned {
            name: "supplicant",
            flash,
            extra,
            suites: &["bus", "bus"],
            limit: minutes(2),
            board: true,
            mailboxes: false,
            starts: 0,
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
            mailboxes: false,
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
            mailboxes: false,
            starts: 0,
        })
    }

    fn flash(&self, name: &str, features: &str, core: &CoreSettings, early: Option<&Ta>) -> Result<PathBuf> {
        let pta = self.builder.pta(core, features)?;
        self.builder.flash(name, core, Some(&pta), early)
    }

    /// Our two programs, folders of images, and a file TA.
    fn extra(&self, folders: &[(&str, &PathBuf)], ta: Option<&PathBuf>, script: &str) -> Result<Extra> {
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

/// Our modules where a kernel's own programs look for those that are not its own.
fn updates(release: &str, drivers: &Path) -> [(String, PathBuf); 2] {
    [DRIVER, MAILBOX].map(|name| (format!("usr/lib/modules/{release}/updates/{name}"), drivers.join(name)))
}

/// Lines of a script that insert modules.
fn insert(modules: &[&str]) -> String {
    modules.iter().map(|name| format!("insmod /modules/{name}\n")).collect()
}

const fn minutes(count: u64) -> Duration {
    Duration::from_secs(60 * count)
}
