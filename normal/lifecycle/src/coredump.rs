//! A core file of a processor's memory, in the layout of Linux's `drivers/remoteproc/remoteproc_coredump.c`.
//!
//! An ELF file of type ET_CORE with one PT_LOAD a segment of memory, both addresses the processor's own. There are no
//! notes, hence no registers: `gdb` shows memory only. The TEE writes the dumps of the processors that it owns
//! (`rproc-service`); they differ in that zeros at the end of a segment are left out of the file, which `gdb` fills in, and
//! in that their entry point is 0.

use rproc_elf::header::Class;

/// The most bytes read at once, and the grain in which unreadable memory is told apart.
const WINDOW: usize = 4096;
/// What stands for memory that cannot be read.
const UNREADABLE: u8 = 0xff;
const ET_CORE: u16 = 4;
const EV_CURRENT: u32 = 1;
const PT_LOAD: u32 = 1;
const READ_WRITE_EXECUTE: u32 = 7;
const ELFDATA2LSB: u8 = 1;

/// What the head of the file says about the firmware (`rproc_coredump_set_elf_info`, `bootaddr`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CoreHead {
    /// Word size.
    pub class: Class,
    /// `e_machine` of the firmware. Linux's stm32 driver says 0 for all; the firmware's own lets `gdb` choose the
    /// architecture.
    pub machine: u16,
    /// Where the firmware was started.
    pub entry: u64,
}

/// A range of memory that belongs into a dump (`rproc_coredump_add_segment`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CoreSegment {
    /// Where the processor sees it.
    pub device_address: u64,
    /// Bytes.
    pub size: u64,
}

/// A dump that the format has no room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CoreError {
    /// More bytes than the word size can count.
    #[error(
        "a core file of {size} bytes does not fit ELF's 32 bits; leave large memory regions out of `memory-region`"
    )]
    TooLarge {
        /// Bytes of the whole file, or the most that can be counted.
        size: u64,
    },
    /// More segments than an ELF header can count.
    #[error("a core file has at most 65534 segments, not {count}")]
    TooManySegments {
        /// Segments wanted.
        count: usize,
    },
}

/// Writes the core file. `read` copies memory from a device address on and says whether it could; where it could not, the
/// file has 0xff.
///
/// # Errors
/// [`CoreError`], before anything is read.
pub fn core_file(
    head: CoreHead,
    segments: &[CoreSegment],
    mut read: impl FnMut(u64, &mut [u8]) -> bool,
) -> Result<Vec<u8>, CoreError> {
    let count = u16::try_from(segments.len()).ok().filter(|count| *count < 0xffff);
    let count = count.ok_or(CoreError::TooManySegments { count: segments.len() })?;
    let front =
        head.class.header_size() as u64 + u64::from(head.class.program_header_size()) * u64::from(count);
    let total = segments.iter().fold(front, |sum, segment| sum.saturating_add(segment.size));
    let limit = match head.class {
        Class::Elf32 => u64::from(u32::MAX),
        Class::Elf64 => isize::MAX as u64,
    };
    if total > limit {
        return Err(CoreError::TooLarge { size: total });
    }
    let mut out = Writer { class: head.class, bytes: Vec::with_capacity(total as usize) };
    out.header(head, count);
    let mut offset = front;
    for segment in segments {
        out.program_header(segment, offset);
        offset += segment.size;
    }
    for segment in segments {
        let mut done = 0;
        while done < segment.size {
            let length = (segment.size - done).min(WINDOW as u64) as usize;
            let start = out.bytes.len();
            out.bytes.resize(start + length, UNREADABLE);
            let window = out.bytes.get_mut(start..).unwrap_or_default();
            let at = segment.device_address.checked_add(done);
            if !at.is_some_and(|at| read(at, window)) {
                window.fill(UNREADABLE);
            }
            done += length as u64;
        }
    }
    Ok(out.bytes)
}

struct Writer {
    class: Class,
    bytes: Vec<u8>,
}

impl Writer {
    fn half(&mut self, value: u16) {
        self.bytes.extend(value.to_le_bytes());
    }

    fn word(&mut self, value: u32) {
        self.bytes.extend(value.to_le_bytes());
    }

    /// An address, an offset or a size; 32-bit files keep the low half, as a 32-bit address space has no more.
    fn wide(&mut self, value: u64) {
        match self.class {
            Class::Elf32 => self.word(value as u32),
            Class::Elf64 => self.bytes.extend(value.to_le_bytes()),
        }
    }

    fn header(&mut self, head: CoreHead, segments: u16) {
        let class = match self.class {
            Class::Elf32 => 1,
            Class::Elf64 => 2,
        };
        self.bytes.extend(rproc_elf::header::ELF_MAGIC);
        self.bytes.extend([class, ELFDATA2LSB, EV_CURRENT as u8, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        self.half(ET_CORE);
        self.half(head.machine);
        self.word(EV_CURRENT);
        self.wide(head.entry);
        self.wide(self.class.header_size() as u64);
        // No section headers, no flags.
        self.wide(0);
        self.word(0);
        self.half(self.class.header_size() as u16);
        self.half(self.class.program_header_size());
        self.half(segments);
        for _ in 0..3 {
            self.half(0);
        }
    }

    fn program_header(&mut self, segment: &CoreSegment, offset: u64) {
        self.word(PT_LOAD);
        if self.class == Class::Elf64 {
            self.word(READ_WRITE_EXECUTE);
        }
        self.wide(offset);
        self.wide(segment.device_address);
        self.wide(segment.device_address);
        self.wide(segment.size);
        self.wide(segment.size);
        if self.class == Class::Elf32 {
            self.word(READ_WRITE_EXECUTE);
        }
        self.wide(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rproc_elf::ElfFile;

    const HEAD: CoreHead = CoreHead { class: Class::Elf32, machine: 40, entry: 0x8010_0000 };

    /// Memory whose bytes tell their address, with a hole.
    fn read(address: u64, buffer: &mut [u8]) -> bool {
        for (index, byte) in buffer.iter_mut().enumerate() {
            *byte = ((address + index as u64) % 251) as u8;
        }
        !(0x2000_1000..0x2000_2000).contains(&address)
    }

    #[test]
    fn the_layout_is_linuxs() {
        let segments = [
            CoreSegment { device_address: 0x8010_0000, size: 0x30 },
            CoreSegment { device_address: 0x2000_0000, size: 0x2800 },
        ];
        for class in [Class::Elf32, Class::Elf64] {
            let core = core_file(CoreHead { class, ..HEAD }, &segments, read).unwrap();
            let file = ElfFile::parse(&core).unwrap();
            let header = file.header();
            assert_eq!((header.class(), header.kind(), header.machine()), (class, ET_CORE, 40));
            assert_eq!((header.entry(), file.sections().count()), (0x8010_0000, 0));
            let front = class.header_size() as u64 + 2 * u64::from(class.program_header_size());
            assert_eq!(core.len() as u64, front + 0x2830);
            let found: Vec<_> = file.segments().collect();
            let offsets: Vec<u64> = found.iter().map(|one| one.offset).collect();
            assert_eq!(offsets, [front, front + 0x30]);
            for (one, wanted) in found.iter().zip(segments) {
                assert_eq!(
                    (one.virtual_address, one.physical_address),
                    (wanted.device_address, wanted.device_address)
                );
                assert_eq!((one.file_size, one.memory_size), (wanted.size, wanted.size));
                assert_eq!((one.kind, one.flags, one.alignment), (PT_LOAD, 7, 0));
            }
            let bytes = file.segment_bytes(&found[1]).unwrap();
            assert_eq!(bytes[4], (0x2000_0004u64 % 251) as u8);
            assert!(bytes[0x1000..0x2000].iter().all(|byte| *byte == 0xff), "what cannot be read");
            assert_eq!(bytes[0x2000], (0x2000_2000u64 % 251) as u8);
        }
    }

    #[test]
    fn what_does_not_fit_is_refused_before_anything_is_read() {
        let huge = [CoreSegment { device_address: 0, size: u64::from(u32::MAX) }];
        let never = |_: u64, _: &mut [u8]| panic!("read");
        assert!(matches!(core_file(HEAD, &huge, never), Err(CoreError::TooLarge { .. })));
        let endless = [CoreSegment { device_address: 0, size: u64::MAX }; 2];
        let head = CoreHead { class: Class::Elf64, ..HEAD };
        assert!(matches!(core_file(head, &endless, never), Err(CoreError::TooLarge { .. })));
        let many = vec![CoreSegment { device_address: 0, size: 0 }; 0xffff];
        assert_eq!(core_file(HEAD, &many, never), Err(CoreError::TooManySegments { count: 0xffff }));
    }

    #[test]
    fn gdb_reads_it() {
        let segments = [
            CoreSegment { device_address: 0x8010_0000, size: 0x40 },
            CoreSegment { device_address: 0x2000_0000, size: 0x3000 },
        ];
        let core = core_file(HEAD, &segments, read).unwrap();
        let path = std::env::temp_dir().join(format!("rproc-lifecycle-{}.core", std::process::id()));
        std::fs::write(&path, core).unwrap();
        let run = std::process::Command::new("gdb-multiarch")
            .args(["-nx", "-batch", "-ex"])
            .arg(format!("core-file {}", path.display()))
            .args(["-ex", "x/2xw 0x80100000", "-ex", "x/1xw 0x20001000", "-ex", "info target"])
            .output();
        std::fs::remove_file(&path).unwrap();
        let Ok(run) = run else {
            println!("SKIPPED: gdb-multiarch is not installed, nobody but us has read this core file");
            return;
        };
        let told = String::from_utf8_lossy(&run.stdout);
        let word = |address: u64| {
            let bytes: [u8; 4] = std::array::from_fn(|index| ((address + index as u64) % 251) as u8);
            u32::from_le_bytes(bytes)
        };
        let line = format!("0x80100000:\t{:#010x}\t{:#010x}", word(0x8010_0000), word(0x8010_0004));
        assert!(told.contains(&line), "{told}{}", String::from_utf8_lossy(&run.stderr));
        assert!(told.contains("0x20001000:\t0xffffffff"), "{told}");
        assert!(told.contains("elf32-littlearm"), "{told}");
    }

    proptest! {
        #[test]
        fn every_dump_is_an_elf_file_with_its_segments(
            wide: bool,
            segments in proptest::collection::vec((any::<u32>(), 0u64..10_000), 0..8),
        ) {
            let class = if wide { Class::Elf64 } else { Class::Elf32 };
            let segments: Vec<CoreSegment> = segments
                .into_iter()
                .map(|(address, size)| CoreSegment { device_address: address.into(), size })
                .collect();
            let core = core_file(CoreHead { class, ..HEAD }, &segments, read).unwrap();
            let file = ElfFile::parse(&core).unwrap();
            let found: Vec<CoreSegment> = file
                .segments()
                .map(|one| CoreSegment { device_address: one.physical_address, size: one.memory_size })
                .collect();
            prop_assert_eq!(found, segments);
            for one in file.segments() {
                prop_assert_eq!(file.segment_bytes(&one).unwrap().len() as u64, one.memory_size);
            }
        }
    }
}
