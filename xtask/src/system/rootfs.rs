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
/// kmod's names, and the libraries that it loads, one only when a module is compressed.
const KMOD_NAMES: [&str; 6] = ["depmod", "insmod", "lsmod", "modinfo", "modprobe", "rmmod"];
const KMOD_LIBRARIES: [&str; 4] = ["libcrypto.so.3", "libz.so.1", "libzstd.so.1", "liblzma.so.5"];
/// Where a package's scripts are in the guest.
const PACKAGE_SCRIPTS: &str = "var/lib/package";

/// What one boot has beyond the common files.
#[derive(Default)]
pub struct Extra {
    /// Where it goes, from the root, and what it is.
    pub files: Vec<(String, PathBuf)>,
    /// Another kernel than Debian's: a folder with `vmlinuz` and, in `kernel`, its modules.
    pub linux: Option<PathBuf>,
    /// Modules of the kernel, unpacked to `/modules` for the script to load.
    pub modules: &'static [&'static str],
    /// A Debian package of modules that is installed. Then this kernel's modules are where Debian has them, and kmod loads them.
    pub package: Option<PathBuf>,
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
    let load = load_common(packages, linux, extra, &root)?;
    for (place, file) in &extra.files {
        copy(file, &root.join(place))?;
    }
    let init = root.join("init");
    fs::write(&init, init_script(&load, extra))?;
    fs::set_permissions(&init, fs::Permissions::from_mode(0o755))?;
    archive(&root, into)?;
    Ok(fs::remove_dir_all(root)?)
}

/// The lines that load the common modules.
fn load_common(packages: &Packages, linux: &Path, extra: &Extra, root: &Path) -> Result<String> {
    let mut files = Vec::new();
    find_modules(&linux.join("kernel"), &mut files)?;
    let mut common = Vec::new();
    find_with_dependencies(MODULE, &files, &mut common)?;
    let lines = match &extra.package {
        Some(package) => {
            install_kmod(packages, root)?;
            for module in &common {
                copy(&module.file, &root.join(module.file.strip_prefix(&packages.kernel)?))?;
            }
            install(package, root)?
        }
        None => common.iter().map(|module| format!("insmod /modules/{}\n", module.name)).collect(),
    };
    let mut unpacked = common;
    for name in extra.modules {
        find_with_dependencies(name, &files, &mut unpacked)?;
    }
    for module in unpacked {
        fs::write(root.join("modules").join(&module.name), module.content)?;
    }
    Ok(lines)
}

fn install_kmod(packages: &Packages, root: &Path) -> Result<()> {
    copy(&packages.kmod.join("usr/bin/kmod"), &root.join("usr/bin/kmod"))?;
    for name in KMOD_NAMES {
        symlink("../bin/kmod", root.join("usr/sbin").join(name))?;
    }
    let libraries = Path::new("usr/lib/aarch64-linux-gnu");
    for library in KMOD_LIBRARIES {
        copy(&packages.kmod.join(libraries).join(library), &root.join(libraries).join(library))?;
    }
    Ok(())
}

/// Unpacks a package; gives the lines that end its installation and load the common modules. Busybox's shell prefers its own
/// `modprobe` to that of the path.
fn install(package: &Path, root: &Path) -> Result<String> {
    output(Command::new("dpkg-deb").arg("-x").args([package, root]))?;
    output(Command::new("dpkg-deb").arg("-e").arg(package).arg(root.join(PACKAGE_SCRIPTS)))?;
    Ok(format!("/{PACKAGE_SCRIPTS}/postinst configure\n/usr/sbin/modprobe {MODULE}\n"))
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to.parent().unwrap_or(to))?;
    fs::copy(from, to).with_context(|| format!("{} cannot be put into the guest", from.display()))?;
    Ok(())
}

/// A module of the kernel, unpacked.
struct Module {
    /// With underscores and `.ko`.
    name: String,
    /// Where it is packed.
    file: PathBuf,
    content: Vec<u8>,
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

/// Adds a module and what it depends on, in the order to load them, unless it is there.
fn find_with_dependencies(name: &str, files: &[PathBuf], found: &mut Vec<Module>) -> Result<()> {
    let wanted = format!("{}.ko", name.replace('-', "_"));
    if found.iter().any(|module| module.name == wanted) {
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
        find_with_dependencies(&other, files, found)?;
    }
    found.push(Module { name: wanted, file: file.clone(), content: unpacked.stdout });
    Ok(())
}

/// The modules that a module names in its `.modinfo` section, whose entries end in a zero byte.
fn depends(module: &[u8]) -> Vec<String> {
    let mut entries = module.split(|byte| *byte == 0);
    let names = entries.find_map(|entry| entry.strip_prefix(b"depends="));
    let names = String::from_utf8_lossy(names.unwrap_or_default()).into_owned();
    names.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// With which each boot's script ends.
pub const LAST_SUITE: &str = "reports";

fn init_script(load: &str, extra: &Extra) -> String {
    let end = if extra.shell {
        "echo 'rproc is on the path; poweroff -f ends this machine.'\nexec /bin/sh </dev/console >/dev/console 2>&1\n"
            .to_owned()
    } else {
        format!("rproc-guest run {LAST_SUITE}\necho rproc-boot: done\npoweroff -f\n")
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
        let script = init_script("modprobe optee\n", &extra);
        let at = |text: &str| script.find(text).unwrap();
        assert!(at("mount -t sysfs") < at("modprobe optee"));
        assert!(at("modprobe optee") < at("rproc-guest run bus") && at("rproc-guest") < at("poweroff -f"));
        let script = init_script("", &Extra { shell: true, ..Extra::default() });
        assert!(script.contains("exec /bin/sh"));
    }
}
