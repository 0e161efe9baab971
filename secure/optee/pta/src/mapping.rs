//! Physical memory in the core's address space.

use core::ffi::c_void;
use core::mem;
use core::ptr::NonNull;

use crate::{optee, trace};

/// How memory is mapped (`enum teecore_memtypes`).
#[derive(Clone, Copy)]
pub enum Area {
    /// Registers of the secure world: in order, not cached.
    SecureRegisters,
    /// Memory, cached.
    Memory,
}

impl Area {
    const fn kind(self) -> optee::teecore_memtypes {
        match self {
            Self::SecureRegisters => optee::MEM_AREA_IO_SEC,
            // The firewall gives firmware's memory to the secure side before it is touched, so accesses must be secure.
            Self::Memory if cfg!(feature = "silicon") => optee::MEM_AREA_RAM_SEC,
            // QEMU's memory belongs to both worlds.
            Self::Memory => optee::MEM_AREA_RAM_NSEC,
        }
    }
}

/// Bytes that the core maps at once, and the alignment of what it maps. It has room for five of them.
pub const GRANULE: u64 = optee::mapping_granule;

/// QEMU emulates no caches, and takes tens of milliseconds to walk 16 MiB of lines that are not there.
const EMULATED: bool = cfg!(not(feature = "silicon"));

/// A mapped range.
///
/// The core gives address space back only when the last mapping goes first, so mappings must end in the reverse order of
/// their beginning; those of one function do.
pub struct Mapping {
    start: NonNull<u8>,
    len: usize,
    area: Area,
}

// SAFETY: the core has one address space, so a mapping is good on every CPU and thread.
unsafe impl Send for Mapping {}

impl Mapping {
    /// Maps `len` bytes from a physical address; `None` when the core has no room or the address is beyond its reach.
    pub fn new(area: Area, physical: u64, len: usize) -> Option<Self> {
        let address = usize::try_from(physical).ok()?;
        // SAFETY: this only adds to the core's page tables. Calls do not overlap: `Exclusive` lends the service to one
        // caller, and the core itself maps in this way only while it boots.
        let start = unsafe { optee::core_mmu_add_mapping(area.kind(), address as optee::paddr_t, len) };
        Some(Self { start: NonNull::new(start.cast())?, len, area })
    }

    /// Bytes.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Reads a 32-bit register; `None` when it is not inside or not aligned.
    pub fn read32(&self, offset: u64) -> Option<u32> {
        let register = self.register(offset)?;
        // SAFETY: inside the mapping and aligned; a register has no invalid values.
        Some(unsafe { register.read_volatile() })
    }

    /// Writes a 32-bit register; `None` when it is not inside or not aligned.
    pub fn write32(&self, offset: u64, value: u32) -> Option<()> {
        let register = self.register(offset)?;
        // SAFETY: inside the mapping and aligned; what a register does when written is the caller's wish.
        unsafe { register.write_volatile(value) };
        Some(())
    }

    fn register(&self, offset: u64) -> Option<NonNull<u32>> {
        let offset = usize::try_from(offset).ok()?;
        let inside = offset.checked_add(4)? <= self.len;
        // SAFETY: the range is inside, so the address is too.
        let register = inside.then(|| unsafe { self.start.byte_add(offset) }.cast::<u32>())?;
        register.is_aligned().then_some(register)
    }

    /// The memory itself.
    ///
    /// # Safety
    /// Nobody else writes the memory while the reference lives.
    pub unsafe fn contents(&mut self) -> &mut [u8] {
        // SAFETY: mapped for reading and writing, for as long as `self`; the rest is promised.
        unsafe { NonNull::slice_from_raw_parts(self.start, self.len).as_mut() }
    }

    /// Fills the memory with one value.
    pub fn fill(&mut self, byte: u8) {
        // SAFETY: mapped for writing; no reference to it is made.
        unsafe { self.start.write_bytes(byte, self.len) };
    }

    /// Copies to the first bytes.
    pub fn write(&mut self, from: &[u8]) {
        // SAFETY: mapped for writing, no more than is there; it cannot overlap memory that Rust knows.
        unsafe { self.start.copy_from_nonoverlapping(NonNull::from(from).cast(), from.len().min(self.len)) };
    }

    /// Copies the first bytes.
    pub fn read(&self, into: &mut [u8]) {
        // SAFETY: mapped for reading, no more than is there; it cannot overlap memory that Rust knows.
        unsafe {
            self.start.copy_to_nonoverlapping(NonNull::from(&mut *into).cast(), into.len().min(self.len))
        };
    }

    /// Brings what was written to memory: a coprocessor does not look into the Cortex-A's caches.
    pub fn clean(&mut self) {
        if EMULATED {
            return;
        }
        // SAFETY: the range is mapped; cleaning changes no value.
        unsafe { optee::dcache_clean_range(self.start.as_ptr().cast(), self.len) };
    }

    /// Forgets what the caches hold, so that the next read sees what a coprocessor wrote.
    pub fn refresh(&mut self) {
        if EMULATED {
            return;
        }
        // SAFETY: the range is mapped. What was written through a mapping was cleaned then, so no line is dirty and
        // cleaning first, which spares the neighbours in the first and last line, overwrites nothing.
        unsafe { optee::dcache_cleaninv_range(self.start.as_ptr().cast(), self.len) };
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        let start: *mut c_void = self.start.as_ptr().cast();
        // SAFETY: mapped in `new` with the same kind and length, and nothing refers to it any more.
        let result = unsafe { optee::core_mmu_remove_mapping(self.area.kind(), start, self.len) };
        if result != optee::TEE_SUCCESS {
            trace::error(format_args!("remoteproc: memory stays mapped: {result:#x}"));
        }
    }
}

/// A mapping that is never given up.
pub struct Permanent(mem::ManuallyDrop<Mapping>);

impl Permanent {
    /// Keeps a mapping for ever; the address space under it is used up.
    pub fn new(mapping: Mapping) -> Self {
        Self(mem::ManuallyDrop::new(mapping))
    }
}

impl core::ops::Deref for Permanent {
    type Target = Mapping;

    fn deref(&self) -> &Mapping {
        &self.0
    }
}
