//! The ELF headers of an image, copied from shared memory once and held against what was signed.

use alloc::vec::Vec;

use rproc_abi::refusal::{Fact, Place, Reason};
use rproc_abi::{Refusal, SharedMemory};
use rproc_elf::{Header, MetadataLayout};
use rproc_image::{HashEntry, HashTable, Image, Sha256};

use crate::container::shared_refusal;
use crate::limits;
use crate::room::zeroed;

/// The entries of the signed table that belong to one image, proved to be that image's own program headers.
pub(crate) struct ElfHead<'a> {
    entries: HashTable<'a>,
}

impl<'a> ElfHead<'a> {
    /// Takes the next entries of the table for this image: as many as its ELF header says it has program headers,
    /// each of which must be the signed one, byte for byte.
    ///
    /// With `bound`, the digest of all ELF metadata must be that one too.
    pub(crate) fn take<M: SharedMemory, H: Sha256>(
        shared: &M,
        image: &Image,
        table: &mut HashTable<'a>,
        bound: Option<&[u8; 32]>,
    ) -> Result<Self, Refusal> {
        let place = Place::Image { image: image.index as u32 };
        let elf = Elf { shared, start: image.offset, size: u64::from(image.size), place };
        // A 32-bit header and no more: what follows it is read as what it is, and once.
        let mut prefix = [0; Header::MIN_SIZE];
        let len = (Header::MIN_SIZE as u64).min(elf.size) as usize;
        let prefix = prefix.get_mut(..len).unwrap_or_default();
        elf.read(0, prefix)?;
        let header = Header::parse(prefix).map_err(|error| match error {
            // Nothing but a 64-bit header is longer.
            rproc_elf::Error::Truncated { needed, found: Header::MIN_SIZE, .. }
                if needed > Header::MIN_SIZE =>
            {
                Refusal::new(Reason::UnsupportedImage)
                    .expected(Fact::words("a 32-bit ELF file"))
                    .found(Fact::words("a 64-bit ELF file"))
                    .at(place)
            }
            error => Refusal::from(error).at(place),
        })?;
        header.check_within(elf.size).map_err(|error| Refusal::from(error).at(place))?;
        let program_headers = elf.copy(header.program_headers())?;
        let count = usize::from(header.program_header_count());
        let (entries, rest) = table.split_at(count).ok_or_else(|| {
            Refusal::new(Reason::SegmentTableChanged)
                .expected(Fact::Number(table.len() as u64))
                .found(Fact::Number(count as u64))
                .at(place)
        })?;
        for (index, (entry, found)) in (0u32..).zip(entries.entries().zip(program_headers.chunks_exact(32))) {
            if entry.raw_header.as_slice() != found {
                return Err(Refusal::new(Reason::SegmentTableChanged)
                    .at(Place::Segment { image: image.index as u32, index }));
            }
        }
        *table = rest;
        if let Some(expected) = bound {
            elf.check_digest::<H>(&header, prefix, &program_headers, expected)?;
        }
        Ok(Self { entries })
    }

    pub(crate) fn entries(&self) -> impl Iterator<Item = HashEntry<'a>> {
        self.entries.entries()
    }
}

/// Where one ELF image lies in the shared container.
struct Elf<'s, M> {
    shared: &'s M,
    start: u64,
    size: u64,
    place: Place,
}

impl<M: SharedMemory> Elf<'_, M> {
    fn read(&self, offset: u64, into: &mut [u8]) -> Result<(), Refusal> {
        self.shared.read((self.start + offset) as usize, into).map_err(shared_refusal)
    }

    fn copy(&self, range: core::ops::Range<u64>) -> Result<Vec<u8>, Refusal> {
        let size = range.end.saturating_sub(range.start);
        if size > limits::ELF_TABLE {
            return Err(Refusal::new(Reason::MetadataTooLarge)
                .expected(Fact::Size(limits::ELF_TABLE))
                .found(Fact::Size(size))
                .at(self.place));
        }
        let mut bytes = zeroed(size as usize)?;
        self.read(range.start, &mut bytes)?;
        Ok(bytes)
    }

    fn check_digest<H: Sha256>(
        &self,
        header: &Header,
        prefix: &[u8],
        program_headers: &[u8],
        expected: &[u8; 32],
    ) -> Result<(), Refusal> {
        let refusal = |error| Refusal::from(error).at(self.place);
        let section_headers = self.copy(header.section_headers())?;
        let layout = MetadataLayout::of(header, &section_headers, self.size).map_err(refusal)?;
        let [elf_header, _, _, section_names] = layout.pieces();
        let names = self.copy(section_names)?;
        let mut hash = H::default();
        // What was copied and checked is what is hashed; nothing is read a second time.
        hash.update(prefix.get(..(elf_header.end - elf_header.start) as usize).unwrap_or_default());
        hash.update(program_headers);
        hash.update(&section_headers);
        hash.update(&names);
        let found = hash.finish();
        if found == *expected {
            return Ok(());
        }
        Err(Refusal::new(Reason::ElfMetadataChanged)
            .expected(Fact::Digest(*expected))
            .found(Fact::Digest(found))
            .at(self.place))
    }
}
