//! `cargo xtask firmware`: builds the sample firmware and stores it, or says whether what is stored is what the sources give.

mod built_with;
mod compile;
mod programs;

use crate::core_library::{self, CoreLibrary, Origin};
use crate::process::output;
use crate::repository;
use anyhow::{Context, Result, bail};
use built_with::BuiltWith;
use compile::Built;
use programs::{Chip, PROGRAMS};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

pub use compile::run_as_rustc_wrapper;

/// The C program, a folder of its own.
const C_PROGRAM: &str = "echo-c";
const C_COMPILER: &str = "arm-none-eabi-gcc";

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

/// Builds all firmware that can be built here, then stores or compares it.
pub fn run(options: &Options) -> Result<()> {
    let repository = repository();
    let folder = repository.join("firmware/elf");
    let stored = BuiltWith::read(&folder);
    let rust = build_rust(options, &repository, &stored)?;
    let c = build_c(&repository)?;
    for (program, file) in rust.iter().chain(&c).flat_map(|part| &part.built) {
        check_free_of_paths(program, file, &repository)?;
    }
    if options.check {
        let verdicts = [
            compare("Rust", &folder, stored.rust.as_deref(), rust.as_ref())?,
            compare("C", &folder, stored.c.as_deref(), c.as_ref())?,
        ];
        conclude(&verdicts)
    } else {
        for part in rust.iter().chain(&c) {
            store(&folder, &part.built)?;
        }
        // A part that was not built keeps its record, as it keeps its files.
        let [rust, c] = [rust, c].map(|part| part.map(|part| part.compiler));
        BuiltWith { rust: rust.or(stored.rust), c: c.or(stored.c) }.write(&folder)
    }
}

/// What one language's compiler gave.
struct Part {
    compiler: String,
    built: Built,
}

/// The Rust programs; none when there is no core library and the stored files are only to be checked.
fn build_rust(options: &Options, repository: &Path, stored: &BuiltWith) -> Result<Option<Part>> {
    let scratch = scratch(repository)?;
    let rustc = output(Command::new("rustc").arg("--version"))?;
    let compiler = |core: &CoreLibrary| format!("{rustc}, {}", core.identity);
    let available = core_library::find(&Chip::ALL.map(Chip::target), options.core, &scratch)?;
    let Some(core) = available.choose(|core| stored.rust == Some(compiler(core))) else {
        let missing =
            format!("there is no core library for the firmware:\n  - {}", available.missing.join("\n  - "));
        if options.check {
            loud(&format!("SKIPPED: THE RUST FIRMWARE IS NOT BUILT, {missing}"));
            return Ok(None);
        }
        bail!(missing);
    };
    say!("{rustc}, {core}")?;
    Ok(Some(Part { compiler: compiler(core), built: compile::build_rust(repository, &scratch, core)? }))
}

/// The C program; none when there is no compiler.
fn build_c(repository: &Path) -> Result<Option<Part>> {
    let version = match output(Command::new(C_COMPILER).arg("--version")) {
        Ok(version) => version,
        Err(error) => {
            loud(&format!(
                "SKIPPED: THE C FIRMWARE IS NOT BUILT, {error:#}. Debian's gcc-arm-none-eabi would build it."
            ));
            return Ok(None);
        }
    };
    let compiler = version.lines().next().unwrap_or_default().to_owned();
    say!("{compiler}")?;
    let file = compile::build_c(&repository.join("firmware"), &scratch(repository)?)?;
    Ok(Some(Part { compiler, built: vec![(C_PROGRAM, file)] }))
}

/// A folder for what need not be kept.
fn scratch(repository: &Path) -> Result<PathBuf> {
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| repository.join("target"), PathBuf::from);
    let scratch = std::path::absolute(target)?.join("firmware");
    fs::create_dir_all(&scratch).with_context(|| format!("{} cannot be made", scratch.display()))?;
    Ok(scratch)
}

/// Says what must not be overlooked in a long log.
fn loud(what: &str) {
    eprintln!("\nxtask: *** {what} ***\n");
}

/// Fails if a built file names a folder of this machine.
fn check_free_of_paths(program: &str, file: &Path, repository: &Path) -> Result<()> {
    let bytes = fs::read(file).with_context(|| format!("{} was not built", file.display()))?;
    let folders =
        [Some(repository.to_path_buf()), std::env::home_dir(), file.parent().map(Path::to_path_buf)];
    for path in folders.into_iter().flatten() {
        let path = path.into_os_string().into_encoded_bytes();
        if path.len() > 1 && bytes.windows(path.len()).any(|window| window == path) {
            bail!("{program} contains the path {}", String::from_utf8_lossy(&path));
        }
    }
    Ok(())
}

fn store(folder: &Path, built: &Built) -> Result<()> {
    fs::create_dir_all(folder)?;
    for (program, file) in built {
        let bytes = fs::read(file)?;
        fs::write(elf(folder, program), &bytes)?;
        say!("{:>7} bytes  firmware/elf/{program}.elf", bytes.len())?;
    }
    Ok(())
}

/// How the stored files of one language compare with what was built.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// The same bytes.
    Same(Vec<&'static str>),
    /// The same compiler gives other bytes for these.
    Different(Vec<&'static str>),
    /// Not built, or by another compiler: nothing can be said about the bytes.
    Unknown,
}

fn compare(language: &str, folder: &Path, stored: Option<&str>, part: Option<&Part>) -> Result<Verdict> {
    let Some(part) = part else { return Ok(Verdict::Unknown) };
    if stored != Some(&part.compiler) {
        loud(&format!(
            "NOT COMPARED: the {language} firmware builds with {}, but the stored files were built with {}, \
             whose bytes only the same compiler gives",
            part.compiler,
            stored.unwrap_or("a compiler that is not recorded")
        ));
        return Ok(Verdict::Unknown);
    }
    let mut different = Vec::new();
    for (program, file) in &part.built {
        // A file that is not there differs.
        let stored = fs::read(elf(folder, program)).unwrap_or_default();
        if stored != fs::read(file)? {
            different.push(*program);
        }
    }
    let all = part.built.iter().map(|(program, _)| *program).collect();
    Ok(if different.is_empty() { Verdict::Same(all) } else { Verdict::Different(different) })
}

fn conclude(verdicts: &[Verdict]) -> Result<()> {
    let (mut same, mut different) = (0, Vec::<&str>::new());
    for verdict in verdicts {
        match verdict {
            Verdict::Same(programs) => same += programs.len(),
            Verdict::Different(programs) => different.extend(programs),
            Verdict::Unknown => {}
        }
    }
    if !different.is_empty() {
        bail!(
            "firmware/elf is not what the sources give: {}. `cargo xtask firmware` builds and stores it.",
            different.join(", ")
        );
    }
    let all = PROGRAMS.len() + 1;
    say!("{same} of {all} files in firmware/elf compared, each what the sources give")?;
    Ok(())
}

fn elf(folder: &Path, program: &str) -> PathBuf {
    folder.join(program).with_extension("elf")
}

#[cfg(test)]
mod tests {
    use super::*;
    use rproc_elf::ElfFile;

    #[test]
    fn options_are_read() {
        let words = |text: &str| text.split_whitespace().map(String::from).collect::<Vec<_>>();
        let options = Options::parse(&words("--check --core debian")).unwrap();
        assert_eq!(options, Options { check: true, core: Some(Origin::Debian) });
        assert!(Options::parse(&words("--core")).is_err());
        assert!(Options::parse(&words("--quick")).is_err());
    }

    #[test]
    fn bytes_count_only_when_the_compiler_is_the_same() {
        let folder = std::env::temp_dir().join(format!("rproc-xtask-compare-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let built = folder.join("built");
        fs::write(&built, "bytes").unwrap();
        let part = Part { compiler: "gcc 12".into(), built: vec![(C_PROGRAM, built)] };
        let compare = |stored, part| compare("C", &folder, stored, part).unwrap();
        fs::write(elf(&folder, C_PROGRAM), "bytes").unwrap();
        assert_eq!(compare(Some("gcc 12"), Some(&part)), Verdict::Same(vec![C_PROGRAM]));
        fs::write(elf(&folder, C_PROGRAM), "other").unwrap();
        assert_eq!(compare(Some("gcc 12"), Some(&part)), Verdict::Different(vec![C_PROGRAM]));
        assert_eq!(compare(Some("gcc 13"), Some(&part)), Verdict::Unknown);
        assert_eq!(compare(None, Some(&part)), Verdict::Unknown);
        assert_eq!(compare(Some("gcc 12"), None), Verdict::Unknown);
        fs::remove_file(elf(&folder, C_PROGRAM)).unwrap();
        assert_eq!(compare(Some("gcc 12"), Some(&part)), Verdict::Different(vec![C_PROGRAM]));
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn only_a_difference_is_an_error() {
        assert!(conclude(&[Verdict::Unknown, Verdict::Same(vec![C_PROGRAM])]).is_ok());
        assert!(conclude(&[Verdict::Unknown, Verdict::Unknown]).is_ok());
        let error = conclude(&[Verdict::Different(vec!["hang"]), Verdict::Unknown]).unwrap_err().to_string();
        assert!(error.contains("hang"), "{error}");
    }

    /// Where a chip's vectors and resource tables lie, and first address and end of the memories its board gives the processor.
    fn layout(chip: Chip) -> (u64, Option<u64>, Vec<(u64, u64)>) {
        match chip {
            Chip::Stm32mp25M33 | Chip::Stm32mp21M33 => (
                0x8010_0000,
                Some(0x8120_0000),
                vec![(0x8010_0000, 0x8090_0000), (0x80A0_0000, 0x8120_0000), (0x8120_0000, 0x8130_0000)],
            ),
            Chip::Stm32mp15M4 => (
                0,
                Some(0x1004_8000),
                vec![(0, 0x1_0000), (0x1000_0000, 0x1004_0000), (0x1004_8000, 0x1005_0000)],
            ),
            Chip::Stm32mp25M0 => {
                let banks =
                    vec![(0x200C_0000, 0x200C_2000), (0x200C_2000, 0x200C_4000), (0x200C_4000, 0x200C_8000)];
                (0x200C_0000, None, banks)
            }
        }
    }

    /// A loader finds in each stored file what it needs: vectors where the processor starts, a resource table that lies
    /// where it is loaded, and segments inside the memory that the board gives the processor.
    #[test]
    fn stored_files_are_what_a_loader_wants() {
        let folder = repository().join("firmware/elf");
        let programs = PROGRAMS.iter().map(|program| (program.name, program.chip));
        for (program, chip) in programs.chain([(C_PROGRAM, Chip::Stm32mp25M33)]) {
            let (vectors, table, regions) = layout(chip);
            let bytes = fs::read(elf(&folder, program)).unwrap();
            let file = ElfFile::parse(&bytes).unwrap();
            assert_eq!(file.vector_table().unwrap().unwrap().section.address, vectors, "{program}");
            let found = file.find_resource_table().unwrap().map(|found| found.section.address);
            assert_eq!(found, table.filter(|_| !program.starts_with("trap-")), "{program}");
            for segment in file.segments().filter(|segment| segment.is_load()) {
                let memory = segment.memory_range().unwrap();
                let inside = |(start, end): &(u64, u64)| *start <= memory.start && memory.end <= *end;
                assert!(segment.memory_size > 0 && regions.iter().any(inside), "{program}: {segment:?}");
                assert_eq!(segment.physical_address, segment.virtual_address, "{program}");
            }
        }
    }
}
