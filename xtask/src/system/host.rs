//! What the host must have, looked at before anything is fetched, and said in one sentence when it has not.

use anyhow::{Result, bail};
use std::path::Path;
use std::process::Command;

use crate::process::output;

/// A Debian package and how to see that it is there.
struct Need {
    package: &'static str,
    seen: Seen,
}

enum Seen {
    Program(&'static str),
    File(&'static str),
    Python(&'static str),
    Libclang,
}

/// Debian's own Python: its packages install their modules for it, not for another that may come first in the path.
pub const PYTHON: &str = "/usr/bin/python3";

/// Fetched packages, unpacked trees, builds: measured 2.1 GB, the kernel's build environment 1.8 GB and while it is made 1.5 GB more.
const ROOM_MIB: u64 = 6144;

const NEEDS: [Need; 16] = [
    Need { package: "dpkg-dev", seen: Seen::Program("dpkg-source") },
    Need { package: "xz-utils", seen: Seen::Program("xz") },
    Need { package: "make", seen: Seen::Program("make") },
    Need { package: "gcc", seen: Seen::Program("gcc") },
    Need { package: "bison", seen: Seen::Program("bison") },
    Need { package: "flex", seen: Seen::Program("flex") },
    Need { package: "cpio", seen: Seen::Program("cpio") },
    Need { package: "util-linux", seen: Seen::Program("setpriv") },
    Need { package: "device-tree-compiler", seen: Seen::Program("dtc") },
    Need { package: "gcc-aarch64-linux-gnu", seen: Seen::Program("aarch64-linux-gnu-gcc") },
    Need { package: "libc6-dev-arm64-cross", seen: Seen::File("/usr/aarch64-linux-gnu/include/stdio.h") },
    Need { package: "libssl-dev", seen: Seen::File("/usr/include/openssl/ssl.h") },
    Need { package: "python3-pyelftools", seen: Seen::Python("elftools") },
    Need { package: "python3-cryptography", seen: Seen::Python("cryptography") },
    Need { package: "python3-pycryptodome", seen: Seen::Python("Cryptodome") },
    Need { package: "libclang-dev", seen: Seen::Libclang },
];

impl Seen {
    fn is(&self) -> bool {
        match self {
            Self::Program(program) => {
                let path = std::env::var_os("PATH").unwrap_or_default();
                std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
            }
            Self::File(file) => Path::new(file).exists(),
            Self::Python(module) => Command::new(PYTHON)
                .args(["-c", &format!("import {module}")])
                .output()
                .is_ok_and(|ran| ran.status.success()),
            Self::Libclang => libclang().is_some(),
        }
    }
}

/// The folder with the newest libclang, with which bindgen reads OP-TEE's headers.
pub fn libclang() -> Option<std::path::PathBuf> {
    let installed = std::fs::read_dir("/usr/lib").ok()?;
    let mut folders: Vec<(u32, std::path::PathBuf)> = installed
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let version = entry.file_name().to_str()?.strip_prefix("llvm-")?.parse().ok()?;
            let folder = entry.path().join("lib");
            folder.join("libclang.so").exists().then_some((version, folder))
        })
        .collect();
    folders.sort();
    folders.pop().map(|(_, folder)| folder)
}

/// Refuses a host on which the system cannot be built, and says what to install.
pub fn check(cache: &Path) -> Result<()> {
    let architecture = output(Command::new("dpkg").arg("--print-architecture")).unwrap_or_default();
    if architecture != "amd64" {
        let found = if architecture.is_empty() { "no dpkg" } else { &architecture };
        bail!(
            "the system is built on an amd64 host with Debian's packages (Debian 12 or later), and this one has {found}; \
             `cargo run --release -- run` shows the same software on the virtual board, on any host"
        );
    }
    let missing: Vec<&str> = NEEDS.iter().filter(|need| !need.seen.is()).map(|need| need.package).collect();
    if !missing.is_empty() {
        bail!(
            "these packages are missing; install them with\n\n    sudo apt-get install --no-install-recommends {}\n",
            missing.join(" ")
        );
    }
    check_room(cache)
}

/// Refuses a disk without room for what is fetched and built.
fn check_room(cache: &Path) -> Result<()> {
    let listed = output(Command::new("df").args(["--output=avail", "-BM"]).arg(cache))?;
    let free: u64 = listed
        .lines()
        .last()
        .and_then(|line| line.trim().trim_end_matches('M').parse().ok())
        .unwrap_or(u64::MAX);
    let kept = cache.join("packages").exists();
    if free < ROOM_MIB && !kept || free < ROOM_MIB / 6 {
        bail!(
            "the disk of {} has {free} MiB left, and the system needs {ROOM_MIB} MiB from nothing: free some, or set \
             RPROC_SYSTEM_CACHE to a folder on another disk",
            cache.display()
        );
    }
    Ok(())
}
