//! `cargo xtask firmware`: builds the sample firmware, to the same bytes wherever the repository lies.

use crate::core_library::{self, CoreLibrary, Origin, output};
use crate::repository;
use anyhow::{Context, Result, bail};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

const TARGET: &str = "thumbv8m.main-none-eabi";
/// Set while cargo runs this program in place of rustc.
const WRAPPER: &str = "RPROC_XTASK_RUSTC_WRAPPER";
/// The Rust programs of the workspace in `firmware/`.
const PROGRAMS: [&str; 10] = [
    "echo-m33",
    "fault",
    "lockup",
    "hang",
    "forbidden",
    "trap-idle",
    "trap-it",
    "trap-torn",
    "trap-warm-reset",
    "trap-wfe",
];
/// The C program, a folder of its own.
const C_PROGRAM: &str = "echo-c";
const C_COMPILER: &str = "arm-none-eabi-gcc";
/// Says beside the built files which compilers built them: others may give other bytes.
const BUILT_WITH: &str = "BUILT-WITH";

/// What to do.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Options {
    check: bool,
    core: Option<Origin>,
}

impl Options {
    /// From the words after `firmware`.
    pub fn parse(words: &[String]) -> Result<Self> {
        let mut options = Self::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            match word.as_str() {
                "--check" => options.check = true,
                "--core" => options.core = Some(words.next().context("--core wants a value")?.parse()?),
                _ => bail!("`firmware` has no option {word}"),
            }
        }
        Ok(options)
    }
}

/// Builds all firmware, then stores or compares it.
pub fn run(options: &Options) -> Result<()> {
    let repository = repository();
    let firmware = repository.join("firmware");
    let scratch = scratch(&repository);
    fs::create_dir_all(&scratch)?;

    let core = core_library::find(TARGET, options.core, &scratch)?;
    let mut built = build_rust(&repository, &scratch, &core)?;
    let mut compilers = vec![format!("{} ({core})", output(Command::new("rustc").arg("--version"))?)];
    match output(Command::new(C_COMPILER).arg("--version")) {
        Ok(version) => {
            compilers.push(version.lines().next().unwrap_or_default().to_owned());
            built.push((C_PROGRAM, build_c(&firmware, &scratch)?));
        }
        Err(error) => eprintln!(
            "\nxtask: *** {C_PROGRAM} IS NOT BUILT: {error:#}. Install gcc-arm-none-eabi to build it. ***\n"
        ),
    }
    for (program, file) in &built {
        check_free_of_paths(program, file, &repository)?;
    }
    let folder = firmware.join("elf");
    if options.check { compare(&folder, &built, &compilers) } else { store(&folder, &built, &compilers) }
}

type Built = Vec<(&'static str, PathBuf)>;

fn scratch(repository: &Path) -> PathBuf {
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| repository.join("target"), PathBuf::from);
    target.join("firmware")
}

fn build_rust(repository: &Path, scratch: &Path, core: &CoreLibrary) -> Result<Built> {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(repository.join("firmware"));
    cargo.args(["build", "--release", "--locked", "--target", TARGET]);
    cargo.arg("--target-dir").arg(scratch);
    // No path of this machine may get into the files, and none may change a symbol's name (see the wrapper).
    let mut remapped = vec![(repository.to_path_buf(), "rproc")];
    remapped.extend(cargo_home().map(|home| (home, "cargo")));
    if let CoreLibrary::Sources(sources) = core {
        cargo.env("RUSTC_BOOTSTRAP", "1").arg("-Zbuild-std=core");
        cargo.env("__CARGO_TESTS_ONLY_SRC_ROOT", sources);
        remapped.push((sources.clone(), "rust"));
    }
    let flags: Vec<String> =
        remapped.iter().map(|(from, to)| format!("'--remap-path-prefix={}={to}'", from.display())).collect();
    cargo.arg("--config").arg(format!("target.{TARGET}.rustflags=[{}]", flags.join(",")));
    for variable in
        ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_TARGET_DIR", "RUSTC_WORKSPACE_WRAPPER"]
    {
        cargo.env_remove(variable);
    }
    cargo.env("RUSTC_WRAPPER", std::env::current_exe()?).env(WRAPPER, "1");
    if !cargo.status().context("cargo cannot be run")?.success() {
        bail!("cargo could not build the firmware; its complaint is above");
    }
    let release = scratch.join(TARGET).join("release");
    Ok(PROGRAMS.iter().map(|program| (*program, release.join(program))).collect())
}

fn cargo_home() -> Option<PathBuf> {
    std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::home_dir().map(|home| home.join(".cargo")))
}

/// Runs rustc if cargo called this program in its place, with a crate's name and version in place of cargo's metadata:
/// cargo hashes the absolute path of a crate outside the workspace into it, and rustc hashes it into every symbol, which
/// decides their order.
pub fn run_as_rustc_wrapper() -> Option<ExitCode> {
    std::env::var_os(WRAPPER)?;
    let mut arguments = std::env::args_os().skip(1);
    let rustc = arguments.next()?;
    let name = std::env::var("CARGO_PKG_NAME").unwrap_or_default();
    let version = std::env::var("CARGO_PKG_VERSION").unwrap_or_default();
    let arguments = arguments.map(|argument| replace_metadata(argument, &name, &version));
    let status = Command::new(rustc).args(arguments).env_remove(WRAPPER).status();
    let succeeded = status.is_ok_and(|status| status.success());
    Some(if succeeded { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn replace_metadata(argument: OsString, name: &str, version: &str) -> OsString {
    let is_metadata = argument.to_str().is_some_and(|text| text.starts_with("metadata="));
    if is_metadata && !name.is_empty() { format!("metadata={name}-{version}").into() } else { argument }
}

fn build_c(firmware: &Path, scratch: &Path) -> Result<PathBuf> {
    let folder = firmware.join(C_PROGRAM);
    let built = scratch.join(C_PROGRAM);
    let mut compiler = Command::new(C_COMPILER);
    compiler.current_dir(&folder);
    compiler.args(["-mcpu=cortex-m33", "-mthumb", "-mfloat-abi=soft", "-std=c11", "-Os", "-ffreestanding"]);
    compiler.args(["-Wall", "-Wextra", "-Werror", "-ffunction-sections", "-fdata-sections", "-nostdlib"]);
    compiler.args([
        "-T",
        "../runtime/stm32mp25-m33.ld",
        "-Wl,--nmagic",
        "-Wl,--gc-sections",
        "-Wl,--build-id=none",
    ]);
    compiler.args(["-Wl,--no-warn-rwx-segments", "main.c", "-lgcc", "-o"]).arg(&built);
    output(&mut compiler)?;
    Ok(built)
}

/// Fails if a built file names a folder of this machine.
fn check_free_of_paths(program: &str, file: &Path, repository: &Path) -> Result<()> {
    let bytes = fs::read(file).with_context(|| format!("{} was not built", file.display()))?;
    for path in [Some(repository.to_path_buf()), std::env::home_dir()].into_iter().flatten() {
        let path = path.into_os_string().into_encoded_bytes();
        if path.len() > 1 && bytes.windows(path.len()).any(|window| window == path) {
            bail!("{program} contains the path {}", String::from_utf8_lossy(&path));
        }
    }
    Ok(())
}

fn store(folder: &Path, built: &Built, compilers: &[String]) -> Result<()> {
    fs::create_dir_all(folder)?;
    for (program, file) in built {
        let bytes = fs::read(file)?;
        fs::write(elf(folder, program), &bytes)?;
        println!("{:>7} bytes  firmware/elf/{program}.elf", bytes.len());
    }
    fs::write(folder.join(BUILT_WITH), compilers.join("\n") + "\n")?;
    Ok(())
}

fn compare(folder: &Path, built: &Built, compilers: &[String]) -> Result<()> {
    let mut different = Vec::new();
    for (program, file) in built {
        let stored = fs::read(elf(folder, program)).unwrap_or_default();
        if stored != fs::read(file)? {
            different.push(*program);
        }
    }
    if different.is_empty() {
        println!("firmware/elf is what the sources give");
        return Ok(());
    }
    let stored_with = fs::read_to_string(folder.join(BUILT_WITH)).unwrap_or_default();
    bail!(
        "not what the sources give: {}. Stored: built with {}; now: {}. Run `cargo xtask firmware`.",
        different.join(", "),
        stored_with.lines().collect::<Vec<_>>().join(" and "),
        compilers.join(" and ")
    )
}

fn elf(folder: &Path, program: &str) -> PathBuf {
    folder.join(Path::new(program)).with_extension(OsStr::new("elf"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rproc_elf::ElfFile;
    use std::ops::Range;

    #[test]
    fn options_are_read() {
        let words = |text: &str| text.split_whitespace().map(String::from).collect::<Vec<_>>();
        let options = Options::parse(&words("--check --core debian")).unwrap();
        assert_eq!(options, Options { check: true, core: Some(Origin::Debian) });
        assert!(Options::parse(&words("--core")).is_err());
        assert!(Options::parse(&words("--quick")).is_err());
    }

    #[test]
    fn only_the_metadata_is_replaced() {
        let replaced = |text: &str| replace_metadata(text.into(), "thiserror", "2.0.0");
        assert_eq!(replaced("metadata=0123456789abcdef"), "metadata=thiserror-2.0.0");
        assert_eq!(replaced("extra-filename=-0123"), "extra-filename=-0123");
    }

    #[test]
    fn every_program_named_here_is_in_the_workspace() {
        let firmware = repository().join("firmware");
        let places =
            ["echo-m33/src/main.rs", "broken/src/bin", "traps/src/bin"].map(|place| firmware.join(place));
        for program in PROGRAMS {
            let source = format!("{program}.rs");
            assert!(
                program == "echo-m33" || places.iter().any(|place| place.join(&source).is_file()),
                "{program}"
            );
        }
        let bins: usize = places[1..].iter().map(|place| fs::read_dir(place).unwrap().count()).sum();
        assert_eq!(bins + 1, PROGRAMS.len(), "a program in the workspace is not named here");
    }

    /// A loader finds in each stored file what it needs: vectors where the processor starts, a resource table that lies
    /// where it is loaded, and segments inside the memory that the board gives the Cortex-M33.
    #[test]
    fn stored_files_are_what_a_loader_wants() {
        let folder = repository().join("firmware/elf");
        for program in PROGRAMS.iter().chain([&C_PROGRAM]) {
            let bytes = fs::read(elf(&folder, program)).unwrap();
            let file = ElfFile::parse(&bytes).unwrap();
            assert_eq!(file.vector_table().unwrap().unwrap().section.address, 0x8010_0000, "{program}");
            let table = file.find_resource_table().unwrap();
            assert_eq!(table.is_some(), !program.starts_with("trap-"), "{program}");
            assert!(table.is_none_or(|table| table.section.address == 0x8120_0000), "{program}");
            for segment in file.segments().filter(|segment| segment.is_load()) {
                let memory = segment.memory_range().unwrap();
                let regions = [0x8010_0000..0x8090_0000, 0x80A0_0000..0x8120_0000, 0x8120_0000..0x8130_0000];
                let inside = |region: &Range<u64>| region.start <= memory.start && memory.end <= region.end;
                assert!(segment.memory_size > 0 && regions.iter().any(inside), "{program}: {segment:?}");
                assert_eq!(segment.physical_address, segment.virtual_address, "{program}");
            }
        }
    }
}
