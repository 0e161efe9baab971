//! Running the binary, and the firmware that the tests sign.
#![allow(dead_code, missing_docs, reason = "each test uses a part of it")]
#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use rproc_elf::resource_table::ADDRESS_ANY;
use rproc_elf::testing::resource_table::TableBuilder;
use rproc_elf::testing::{ElfBuilder, Segment};

/// A folder of its own with the test data in it.
pub struct Folder(tempfile::TempDir);

impl Folder {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for entry in std::fs::read_dir(data()).unwrap() {
            let entry = entry.unwrap();
            std::fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
        }
        Self(folder)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }

    pub fn write(&self, name: &str, content: &[u8]) {
        std::fs::write(self.path(name), content).unwrap();
    }

    /// Runs `rproc` with these arguments, split at blanks.
    pub fn rproc(&self, arguments: &str) -> Run {
        let output = Command::new(env!("CARGO_BIN_EXE_rproc"))
            .args(arguments.split_whitespace())
            .current_dir(self.0.path())
            .output()
            .unwrap();
        Run::of(output)
    }

    /// Signs `app.elf` for the M33 and gives back the image.
    pub fn signed(&self) -> Vec<u8> {
        let run = self.rproc("sign app.elf -o app.signed --key p256.pem --target stm32mp257:m33");
        assert_eq!(run.code, 0, "{}", run.stderr);
        self.read("app.signed")
    }
}

pub struct Run {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Run {
    pub fn of(output: Output) -> Self {
        Self {
            // A process that a signal ended has no code.
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

pub fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data")
}

/// One of a bundled board's two device trees: `linux` or `secure`.
pub fn tree(board: &str, view: &str) -> Vec<u8> {
    let file = format!("{}/../bindings/boards/{board}/{view}.dtb", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(file).unwrap()
}

/// A device tree blob of dtc's whose node of that name, which has no status yet, is switched off.
pub fn switched_off(blob: &[u8], node: &str) -> Vec<u8> {
    let word = |at: usize| u32::from_be_bytes(blob[at..at + 4].try_into().unwrap());
    let find = |bytes: &[u8], from: usize| {
        from + blob[from..].windows(bytes.len()).position(|part| part == bytes).expect("it is in the blob")
    };
    let strings = word(12) as usize;
    // The node begins with a token, its properties follow its name.
    let begin = [&[0, 0, 0, 1], node.as_bytes(), &[0]].concat();
    let properties = (find(&begin, word(8) as usize) + begin.len()).next_multiple_of(4);
    let value = b"disabled\0\0\0\0";
    let name = (find(b"status\0", strings) - strings) as u32;
    let property = [&3u32.to_be_bytes()[..], &9u32.to_be_bytes(), &name.to_be_bytes(), value].concat();
    let mut with = blob.to_vec();
    with.splice(properties..properties, property.iter().copied());
    // The size of all, the start of the strings, the size of the structure.
    for at in [4, 12, 36] {
        with[at..at + 4].copy_from_slice(&(word(at) + property.len() as u32).to_be_bytes());
    }
    with
}

/// The bytes with the first `old` among them replaced by as many others.
pub fn replaced(bytes: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    assert_eq!(old.len(), new.len());
    let at = bytes.windows(old.len()).position(|part| part == old).expect("it is there");
    [&bytes[..at], new, &bytes[at + old.len()..]].concat()
}

/// A firmware as an M33 has it: vectors, code, a resource table that is linked elsewhere than loaded, data with a tail
/// of zeros, and unwind tables that are not loaded.
pub fn app() -> Vec<u8> {
    let table = TableBuilder::new()
        .carveout("vdev0buffer", 0x8120_0000, 0x8120_0000, 0x4_0000, 0)
        .vdev(7, 1, &[(ADDRESS_ANY, 16, 16, 0), (0x8124_0000, 16, 16, 1)])
        .trace("cm33_log", 0x80a0_1000, 2048)
        .build();
    let size = table.len() as u64;
    ElfBuilder::elf32()
        .entry(0x8010_0101)
        .vectors(0x8010_0000, &vectors())
        .named_segment(".text", 0x8010_0100, &[0xbf; 301])
        .segment(Segment::load(0x80a0_0000, &table).physical(0x8010_1000))
        .section_in_segment(".resource_table", 2, 0..size)
        .segment(Segment::load(0x80a0_0800, &[9; 10]).physical(0x8010_2000).memory_size(64))
        .segment(Segment::other(0x7000_0001, 0x8010_0100, &[7; 8]))
        .build()
}

/// Sixteen vectors: the stack pointer, then handlers in Thumb state.
fn vectors() -> Vec<u8> {
    [0x80a0_8000u32].into_iter().chain([0x8010_0101; 15]).flat_map(u32::to_le_bytes).collect()
}

/// Every ELF file of `tests/data`.
pub fn elf_files() -> Vec<(&'static str, Vec<u8>)> {
    let code = [0xbf; 64];
    let plain = || ElfBuilder::elf32().entry(0x8010_0001).load(0x8010_0000, &code);
    let mut broken_table = TableBuilder::new().trace("log", 0x80a0_1000, 2048).build();
    // The offset of the only entry now points behind the table.
    broken_table[16] = 0xff;
    vec![
        ("app.elf", app()),
        ("second.elf", ElfBuilder::elf32().load(0x0a04_1000, b"second").build()),
        ("no-vectors.elf", plain().build()),
        ("aarch64.elf", ElfBuilder::elf64().machine(183).load(0x8010_0000, &code).build()),
        ("riscv.elf", plain().machine(243).build()),
        ("object.elf", ElfBuilder::elf32().section(".text", 0, &code).build()),
        ("overlap.elf", plain().load(0x8010_0020, &code).build()),
        (
            "cut-segment.elf",
            ElfBuilder::elf32()
                .segment(Segment::load(0x8010_0000, &code).file_size(4096).memory_size(4096))
                .build(),
        ),
        ("bad-table.elf", plain().resource_table(0x8010_1000, &broken_table).build()),
    ]
}
