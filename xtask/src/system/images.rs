//! The signed images that the guest loads: sample firmware, large ones for the clock, and the bad ones of the virtual board's tests.

use anyhow::{Context, Result, bail};
use rproc_elf::testing::ElfBuilder;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::build::{TA_UUID, development_key, rsa_key};
use super::cache::{Cache, Inputs};
use super::host::PYTHON;
use super::packages::Packages;
use crate::process::{logged, output};
use crate::repository;

/// Folders of images; each is copied to the guest's `/images/<name>`.
pub struct Images {
    /// Samples with everything bound, for the strict policy, by what is called `SAMPLES` here; `foreign.img`: the echo with an
    /// untrusted key.
    pub firmware: PathBuf,
    /// What both signers make without bindings, good and changed, with what a LOAD must give.
    pub interop: PathBuf,
    /// 1 and 8 MiB without bindings, which every TA takes.
    pub performance: PathBuf,
    /// The same bytes with everything bound, as ours are meant to be, and 8 MiB without.
    pub performance_bound: PathBuf,
    /// Refused on the virtual board, each with the result code and the reason there.
    pub refusals: PathBuf,
}

/// Sample firmware: the image's name, its ELF file, and whom it is for.
const SAMPLES: [(&str, &str, &str); 4] = [
    ("echo", "echo-m33", "stm32mp257:m33"),
    ("obey", "obey-m33", "stm32mp257:m33"),
    ("tty", "tty-m33", "stm32mp257:m33"),
    ("starve-m0", "starve-m0", "stm32mp257:m0"),
];
const MIB: usize = 1 << 20;
/// At least this many different bad inputs must come from the virtual board's tests.
const FEWEST_REFUSALS: usize = 20;

struct Maker<'a> {
    cache: &'a Cache,
    packages: &'a Packages,
    rproc: &'a Path,
}

/// Makes all of them with the host's `rproc`, upstream's script and the virtual board's tests.
pub fn make(cache: &Cache, packages: &Packages, rproc: &Path) -> Result<Images> {
    let maker = Maker { cache, packages, rproc };
    maker.key()?;
    Ok(Images {
        firmware: maker.firmware()?,
        interop: maker.interop()?,
        performance: maker.performance("performance", &[("1MiB", 1, false), ("8MiB", 8, false)])?,
        performance_bound: maker.performance(
            "performance-bound",
            &[("1MiB", 1, true), ("8MiB", 8, true), ("8MiB-plain", 8, false)],
        )?,
        refusals: maker.refusals()?,
    })
}

fn echo() -> PathBuf {
    sample("echo-m33")
}

fn sample(name: &str) -> PathBuf {
    repository().join("firmware/elf").join(format!("{name}.elf"))
}

impl Maker<'_> {
    fn inputs(&self) -> Result<Inputs> {
        // This file is the recipe.
        Inputs::new()
            .text(include_str!("images.rs"))
            .file(self.rproc)?
            .file(&rsa_key(self.cache))?
            .file(&echo())
    }

    /// Makes the RSA key, once.
    fn key(&self) -> Result<()> {
        let key = rsa_key(self.cache);
        if key.exists() {
            return Ok(());
        }
        fs::create_dir_all(self.cache.place("keys"))?;
        output(Command::new(self.rproc).args(["keys", "new", "--type", "rsa2048"]).arg(key)).map(drop)
    }

    fn sign(&self, key: &Path, elf: &Path, image: &Path, more: &[&str]) -> Result<()> {
        let mut sign = Command::new(self.rproc);
        sign.arg("sign").arg(elf).arg("--key").arg(key).arg("--output").arg(image).args(more);
        output(&mut sign).map(drop)
    }

    fn firmware(&self) -> Result<PathBuf> {
        let mut inputs = self.inputs()?;
        for (_, elf, _) in SAMPLES {
            inputs = inputs.file(&sample(elf))?;
        }
        self.cache.entry("images/firmware", &inputs, |folder| {
            fs::create_dir_all(folder)?;
            for (name, elf, target) in SAMPLES {
                let image = folder.join(format!("{name}.img"));
                self.sign(&rsa_key(self.cache), &sample(elf), &image, &["--target", target])?;
            }
            // With a key that nobody has any more.
            let foreign = folder.join("foreign.pem");
            output(Command::new(self.rproc).args(["keys", "new", "--type", "rsa2048"]).arg(&foreign))?;
            self.sign(&foreign, &echo(), &folder.join("foreign.img"), &["--target", "stm32mp257:m33"])?;
            Ok(fs::remove_file(foreign)?)
        })
    }

    /// What upstream's script makes. It wants the boot address as a platform TLV.
    fn script(&self, key: &Path, kind: &str, elf: &Path, boot: &str, image: &Path) -> Result<()> {
        let mut sign = Command::new(PYTHON);
        sign.arg(self.packages.ta_kit().join("scripts/sign_rproc_fw.py"));
        sign.arg("--in").arg(elf).arg("--out").arg(image).arg("--key").arg(key);
        sign.args(["--key_type", kind, "--plat-tlv", "0x10001", boot]);
        output(&mut sign).map(drop)
    }

    fn interop(&self) -> Result<PathBuf> {
        let script = self.packages.ta_kit().join("scripts/sign_rproc_fw.py");
        self.cache.entry("images/interop", &self.inputs()?.file(&script)?, |folder| {
            fs::create_dir_all(folder)?;
            for (kind, key) in [("RSA", rsa_key(self.cache)), ("ECC", development_key())] {
                // Neither signer looks for the vector table when it binds no more than upstream's container does.
                let boot = format!("{:#x}", boot_address(&echo())?);
                let ours = folder.join(format!("ours-{kind}.img"));
                self.sign(&key, &echo(), &ours, &["--plain", "--boot-address", &boot])?;
                self.script(&key, kind, &echo(), &boot, &folder.join(format!("script-{kind}.img")))?;
            }
            for name in ["ours-RSA", "ours-ECC", "script-RSA", "script-ECC"] {
                let good = fs::read(folder.join(format!("{name}.img")))?;
                fs::write(folder.join(format!("{name}.expect")), "00000000 loaded\n")?;
                for (change, at, result) in changes(&good)? {
                    let mut bad = good.clone();
                    *bad.get_mut(at).context("a change lies outside the image")? ^= 1;
                    fs::write(folder.join(format!("{name}-{change}.img")), bad)?;
                    fs::write(folder.join(format!("{name}-{change}.expect")), format!("{result:08x}\n"))?;
                }
            }
            Ok(())
        })
    }

    fn performance(&self, name: &str, sizes: &[(&str, usize, bool)]) -> Result<PathBuf> {
        self.cache.entry(&format!("images/{name}"), &self.inputs()?.text(format!("{sizes:?}")), |folder| {
            fs::create_dir_all(folder)?;
            for (name, mib, bound) in sizes {
                let elf = folder.join("large.elf");
                fs::write(&elf, large(mib * MIB))?;
                let binding: &[&str] = if *bound { &["--target", "stm32mp257:m33"] } else { &["--plain"] };
                let more = [&["--boot-address", "0x80100000"], binding].concat();
                self.sign(&rsa_key(self.cache), &elf, &folder.join(format!("{name}.img")), &more)?;
                fs::remove_file(elf)?;
            }
            Ok(())
        })
    }

    /// Has the virtual board's own tests leave the images that they saw refused.
    fn refusals(&self) -> Result<PathBuf> {
        self.cache.entry("images/refusals", &self.inputs()?, |folder| {
            fs::create_dir_all(folder)?;
            let mut tests = Command::new("cargo");
            tests.current_dir(repository()).env("RPROC_EXPORT_REFUSALS", folder);
            tests.args(["test", "--locked", "--package", "rproc-board", "--test", "refusals"]);
            logged(&mut tests, &self.cache.place("logs/refusals.log"))?;
            let exported = fs::read_dir(folder)?.count() / 2;
            if exported < FEWEST_REFUSALS {
                bail!(
                    "the virtual board's tests left {exported} refused images, not at least {FEWEST_REFUSALS}"
                );
            }
            Ok(())
        })
    }
}

fn boot_address(elf: &Path) -> Result<u64> {
    let bytes = fs::read(elf)?;
    let file =
        rproc_elf::ElfFile::parse(&bytes).with_context(|| format!("{} is no ELF file", elf.display()))?;
    let vectors = file.vector_table().with_context(|| format!("{} is not as it says", elf.display()))?;
    let vectors = vectors.with_context(|| format!("{} has no vector table", elf.display()))?;
    vectors.load_address.with_context(|| format!("the vector table of {} is not loaded", elf.display()))
}

/// An ELF file of that many bytes to load, half of them to each of the M33's two DDR regions.
fn large(size: usize) -> Vec<u8> {
    let content: Vec<u8> = (0..size as u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let (code, data) = content.split_at(size / 2);
    ElfBuilder::elf32().load(0x8010_0000, code).load(0x80a0_0000, data).section(".note", 0, b"rproc").build()
}

/// One byte in each part of a container, and the result that upstream's TA gives for it, which ours gives too.
fn changes(image: &[u8]) -> Result<[(&'static str, usize, u32); 4]> {
    let word = |at: usize| -> Result<usize> {
        let bytes = image.get(at..at + 4).context("the image has no header")?;
        Ok(u32::from_le_bytes(bytes.try_into()?) as usize)
    };
    let (tlvs, signature) = (word(8)?, word(12)?);
    let images = 20 + tlvs + signature.next_multiple_of(8);
    let segment = images + word(images + 28)? + 4;
    let offset = word(segment)?;
    Ok([
        ("magic", 0, 0xffff_0006),
        ("tlv", 20 + 9, 0xffff_3072),
        ("signature", 20 + tlvs + 7, 0xffff_3072),
        ("segment", images + offset, 0xffff_000f),
    ])
}

/// The TA of upstream's, as Debian built and signed it.
pub fn upstream_ta(packages: &Packages) -> PathBuf {
    packages.ta_kit().join("ta").join(format!("{TA_UUID}.ta"))
}
