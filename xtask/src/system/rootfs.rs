//! The guest's root file system: busybox, the TEE's modules, tee-supplicant, our programs, and the script of one boot.

use anyhow::{Context, Result, bail};
use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::packages::Packages;
use crate::process::output;

const APPLETS: [&str; 25] = [
    "sh", "ls", "cat", "mount", "insmod", "rmmod", "dmesg", "echo", "sleep", "mkdir", "ln", "uname",
    "poweroff", "free", "grep", "head", "tail", "find", "hexdump", "devmem", "ps", "kill", "cut", "cp", "vi",
];
const LIBRARIES: [&str; 3] = ["libc.so.6", "libteec.so.2", "libgcc_s.so.1"];
/// Where tee-supplicant looks for file TAs.
pub const TA_FOLDER: &str = "usr/lib/optee_armtz";
/// The module whose dependencies are loaded with it.
const MODULE: &str = "optee";

/// What one boot has beyond the common files.
#[derive(Default)]
pub struct Extra {
    /// Where it goes, from the root, and what it is.
    pub files: Vec<(String, PathBuf)>,
    /// Another kernel than Debian's: a folder with `vmlinuz` and, in `kernel`, its modules.
    pub linux: Option<PathBuf>,
    /// Modules of the kernel, unpacked to `/modules` for the script to load.
    pub modules: &'static [&'static str],
    /// Shell lines that run once the TEE's driver is there.
    pub script: String,
    /// Ends in a shell for a person instead of powering off.
    pub shell: bool,
}

/// Writes the archive to `into`, with modules of the kernel in the folder `linux`.
pub fn make(packages: &Packages, linux: &Path, extra: &Extra, into: &Path) -> Result<()> {
    let root = into.with_extension("root");
    if root.exists() {
        fs::remove_dir_all(&root)?;
    }
    for folder in [
        "bin",
        "dev",
        "proc",
        "sys",
        "tmp",
        "etc",
        "run",
        "usr/bin",
        "usr/sbin",
        "modules",
        "var/lib/tee",
        TA_FOLDER,
    ] {
        fs::create_dir_all(root.join(folder))?;
    }
    fs::copy(packages.guest.join("usr/bin/busybox"), root.join("bin/busybox"))?;
    for applet in APPLETS {
        symlink("busybox", root.join("bin").join(applet))?;
    }
    let libraries = root.join("usr/lib/aarch64-linux-gnu");
    fs::create_dir_all(&libraries)?;
    symlink("usr/lib", root.join("lib"))?;
    for library in LIBRARIES.iter().chain(&["ld-linux-aarch64.so.1"]) {
        fs::copy(packages.guest.join("usr/lib/aarch64-linux-gnu").join(library), libraries.join(library))
            .with_context(|| format!("the guest's packages have no {library}"))?;
    }
    symlink("aarch64-linux-gnu/ld-linux-aarch64.so.1", root.join("usr/lib/ld-linux-aarch64.so.1"))?;
    fs::copy(packages.guest.join("usr/sbin/tee-supplicant"), root.join("usr/sbin/tee-supplicant"))?;
    let modules = modules(linux, extra.modules, &root)?;
    for (place, file) in &extra.files {
        let target = root.join(place);
        fs::create_dir_all(target.parent().unwrap_or(&root))?;
        fs::copy(file, &target)
            .with_context(|| format!("{} cannot be put into the guest", file.display()))?;
    }
    let init = root.join("init");
    fs::write(&init, init_script(&modules, extra))?;
    fs::set_permissions(&init, fs::Permissions::from_mode(0o755))?;
    archive(&root, into)?;
    Ok(fs::remove_dir_all(root)?)
}

/// Unpacks the modules and what they depend on; gives the files' names of the first in the order to load them.
fn modules(linux: &Path, more: &[&str], root: &Path) -> Result<Vec<String>> {
    let mut files = Vec::new();
    find_modules(&linux.join("kernel"), &mut files)?;
    let mut loaded = Vec::new();
    unpack_module(MODULE, &files, &root.join("modules"), &mut loaded)?;
    let mut unpacked = loaded.clone();
    for name in more {
        unpack_module(name, &files, &root.join("modules"), &mut unpacked)?;
    }
    Ok(loaded)
}

fn find_modules(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("{} cannot be read", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            find_modules(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

fn unpack_module(name: &str, files: &[PathBuf], into: &Path, loaded: &mut Vec<String>) -> Result<()> {
    let wanted = format!("{}.ko", name.replace('-', "_"));
    if loaded.contains(&wanted) {
        return Ok(());
    }
    let called =
        |path: &Path| path.file_name().and_then(|name| name.to_str()).map(|name| name.replace('-', "_"));
    let file = files
        .iter()
        .find(|path| called(path).is_some_and(|name| name == format!("{wanted}.xz")))
        .with_context(|| format!("this kernel has no module {name}"))?;
    let unpacked = Command::new("xz").arg("-dc").arg(file).output()?;
    if !unpacked.status.success() {
        bail!("{} cannot be unpacked: {}", file.display(), String::from_utf8_lossy(&unpacked.stderr).trim());
    }
    for other in depends(&unpacked.stdout) {
        unpack_module(&other, files, into, loaded)?;
    }
    fs::write(into.join(&wanted), unpacked.stdout)?;
    loaded.push(wanted);
    Ok(())
}

/// The modules that a module names in its `.modinfo` section, whose entries end in a zero byte.
fn depends(module: &[u8]) -> Vec<String> {
    let mut entries = module.split(|byte| *byte == 0);
    let names = entries.find_map(|entry| entry.strip_prefix(b"depends="));
    let names = String::from_utf8_lossy(names.unwrap_or_default()).into_owned();
    names.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

fn init_script(modules: &[String], extra: &Extra) -> String {
    let load: String = modules.iter().map(|module| format!("insmod /modules/{module}\n")).collect();
    let end = if extra.shell {
        "echo 'rproc is on the path; poweroff -f ends this machine.'\nexec /bin/sh </dev/console >/dev/console 2>&1\n"
    } else {
        "poweroff -f\n"
    };
    format!(
        "#!/bin/sh\n\
         export PATH=/usr/bin:/usr/sbin:/bin\n\
         mount -t devtmpfs dev /dev\n\
         mount -t proc proc /proc\n\
         mount -t sysfs sys /sys\n\
         mount -t debugfs debug /sys/kernel/debug\n\
         mount -t tmpfs tmp /tmp\n\
         echo \"rproc-value: kernel $(cut -d' ' -f1 /proc/uptime) s\"\n\
         {load}\
         echo \"rproc-value: bus $(cut -d' ' -f1 /proc/uptime) s\"\n\
         {script}\n\
         echo rproc-boot: done\n\
         {end}",
        script = extra.script,
    )
}

/// Packs a folder as the kernel wants it.
fn archive(root: &Path, into: &Path) -> Result<()> {
    let list = output(Command::new("find").arg(".").current_dir(root))?;
    let file = fs::File::create(into).with_context(|| format!("{} cannot be written", into.display()))?;
    let mut cpio = Command::new("cpio")
        .args(["-o", "-H", "newc", "--quiet", "-R", "0:0"])
        .current_dir(root)
        .stdin(Stdio::piped())
        .stdout(file)
        .spawn()
        .context("cpio cannot be run")?;
    if let Some(mut names) = cpio.stdin.take() {
        names.write_all(list.as_bytes())?;
        names.write_all(b"\n")?;
    }
    let status = cpio.wait()?;
    if !status.success() {
        bail!("cpio failed ({status})");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_says_what_it_depends_on() {
        assert_eq!(depends(b"\x7fELF\0license=GPL\0depends=ffa-core,tee\0name=optee\0"), ["ffa-core", "tee"]);
        assert!(depends(b"\0depends=\0").is_empty());
        assert!(depends(b"").is_empty());
    }

    #[test]
    fn the_script_loads_runs_and_ends() {
        let extra = Extra { script: "rproc-guest run bus".to_owned(), ..Extra::default() };
        let script = init_script(&["tee.ko".to_owned(), "optee.ko".to_owned()], &extra);
        let at = |text: &str| script.find(text).unwrap();
        assert!(at("insmod /modules/tee.ko") < at("insmod /modules/optee.ko"));
        assert!(at("optee.ko") < at("rproc-guest run bus") && at("rproc-guest") < at("poweroff -f"));
        let script = init_script(&[], &Extra { shell: true, ..Extra::default() });
        assert!(script.contains("exec /bin/sh"));
    }
}
