//! GET_COREDUMP: the processor's memory as an ELF core file, written straight to the caller's buffer.
//!
//! The layout is that of Linux's `drivers/remoteproc/remoteproc_coredump.c`, so that the same tools read both, but for
//! zeros at a segment's end, which are left out of the file: shared memory is small, and ELF readers (gdb, tried) show them.

use rproc_abi::refusal::{Fact, Reason};
use rproc_abi::{Refusal, SharedMemory};

use crate::container::shared_refusal;
use crate::platform::{Platform, PlatformClient};
use crate::room;

const ELF_HEADER_SIZE: u32 = 52;
const PROGRAM_HEADER_SIZE: u32 = 32;
const ET_CORE: u16 = 4;
const EM_ARM: u16 = 40;
const PT_LOAD: u32 = 1;
/// As Linux marks the segments of its own dumps.
const READ_WRITE_EXECUTE: u32 = 7;
/// No SoC here has more regions a processor; bounds what a broken platform can make us do.
const REGIONS_LIMIT: u32 = 32;
const WINDOW: usize = 4096;

/// How a dump ended.
pub(crate) enum Dump {
    /// This many bytes were written.
    Written(usize),
    /// The buffer is too small: this many are needed.
    Needs(usize),
}

/// One region of the dump: its memory up to the last byte that is not zero. An ELF reader fills the rest with zeros.
#[derive(Clone, Copy)]
struct Extent {
    address: u64,
    memory_size: u64,
    file_size: u64,
}

/// Writes the core file. The shared region may change between asking for the size and asking for the dump; then the
/// second answer is "too small" again.
pub(crate) fn write<M: SharedMemory, P: PlatformClient>(
    buffer: &M,
    platform: &mut Platform<'_, P>,
) -> Result<Dump, Refusal> {
    let mut extents = alloc::vec::Vec::new();
    for index in 0..REGIONS_LIMIT {
        let Some((address, size)) = platform.region(index)? else { break };
        room::push(&mut extents, extent(address, size, platform)?)?;
    }
    let count = extents.len() as u32;
    let head = ELF_HEADER_SIZE + PROGRAM_HEADER_SIZE * count;
    let total = extents.iter().try_fold(u64::from(head), |sum, extent| sum.checked_add(extent.file_size));
    let total = total
        .filter(|total| *total <= u64::from(u32::MAX))
        .ok_or(Refusal::new(Reason::PlatformFailed).expected(Fact::words("regions of less than 4 GiB")))?;
    if total > buffer.size() as u64 {
        return Ok(Dump::Needs(total as usize));
    }
    buffer.write(0, &elf_header(count)).map_err(shared_refusal)?;
    let mut offset = head;
    for (index, extent) in (0u32..).zip(&extents) {
        let at = ELF_HEADER_SIZE + PROGRAM_HEADER_SIZE * index;
        buffer.write(at as usize, &program_header(extent, offset)).map_err(shared_refusal)?;
        copy(extent, offset, buffer, platform)?;
        offset += extent.file_size as u32;
    }
    Ok(Dump::Written(total as usize))
}

/// The region without the zeros at its end.
fn extent<P: PlatformClient>(
    address: u64,
    memory_size: u64,
    platform: &mut Platform<'_, P>,
) -> Result<Extent, Refusal> {
    let mut window = [0; WINDOW];
    let mut file_size = 0;
    let mut done = 0;
    while done < memory_size {
        let len = (memory_size - done).min(WINDOW as u64);
        let part = window.get_mut(..len as usize).unwrap_or_default();
        platform.read_memory(address + done, part)?;
        if let Some(last) = part.iter().rposition(|byte| *byte != 0) {
            file_size = done + last as u64 + 1;
        }
        done += len;
    }
    Ok(Extent { address, memory_size, file_size })
}

fn copy<M: SharedMemory, P: PlatformClient>(
    extent: &Extent,
    offset: u32,
    buffer: &M,
    platform: &mut Platform<'_, P>,
) -> Result<(), Refusal> {
    let mut window = [0; WINDOW];
    let mut done = 0;
    while done < extent.file_size {
        let len = (extent.file_size - done).min(WINDOW as u64);
        let part = window.get_mut(..len as usize).unwrap_or_default();
        platform.read_memory(extent.address + done, part)?;
        buffer.write((u64::from(offset) + done) as usize, part).map_err(shared_refusal)?;
        done += len;
    }
    Ok(())
}

/// Little-endian fields one after the other, into an array that they fill.
fn fields<const N: usize>(parts: &[&[u8]]) -> [u8; N] {
    let mut bytes = [0; N];
    let mut at = 0;
    for part in parts {
        if let Some(room) = bytes.get_mut(at..at + part.len()) {
            room.copy_from_slice(part);
        }
        at += part.len();
    }
    bytes
}

fn elf_header(program_headers: u32) -> [u8; ELF_HEADER_SIZE as usize] {
    fields(&[
        // Magic, 32 bits, little-endian, version 1.
        b"\x7fELF\x01\x01\x01",
        &[0; 9],
        &ET_CORE.to_le_bytes(),
        &EM_ARM.to_le_bytes(),
        &1u32.to_le_bytes(),
        &0u32.to_le_bytes(),
        &ELF_HEADER_SIZE.to_le_bytes(),
        &0u32.to_le_bytes(),
        &0u32.to_le_bytes(),
        &(ELF_HEADER_SIZE as u16).to_le_bytes(),
        &(PROGRAM_HEADER_SIZE as u16).to_le_bytes(),
        &(program_headers as u16).to_le_bytes(),
    ])
}

fn program_header(extent: &Extent, offset: u32) -> [u8; PROGRAM_HEADER_SIZE as usize] {
    let word = |number: u64| (number as u32).to_le_bytes();
    fields(&[
        &PT_LOAD.to_le_bytes(),
        &offset.to_le_bytes(),
        &word(extent.address),
        &word(extent.address),
        &word(extent.file_size),
        &word(extent.memory_size),
        &READ_WRITE_EXECUTE.to_le_bytes(),
        &0u32.to_le_bytes(),
    ])
}
