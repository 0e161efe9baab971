//! The hash table: what each program header of the signed ELF files is, and the digest of its bytes.

use crate::error::Error;
use rproc_elf::ProgramHeader;

/// Size of an entry in bytes: an `Elf32_Phdr` and a SHA-256 digest.
pub const ENTRY_SIZE: usize = 64;

/// One program header, PT_LOAD or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HashEntry<'a> {
    /// The program header, decoded.
    pub header: ProgramHeader,
    /// The program header as it stands in the ELF file.
    pub raw_header: &'a [u8; 32],
    /// SHA-256 of the segment's bytes in the file.
    pub digest: &'a [u8; 32],
}

/// The entries for all program headers of all images, in file order. Where the entries of one image end is not said:
/// each ELF header tells how many program headers it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HashTable<'a> {
    entries: &'a [[[u8; 32]; 2]],
}

impl<'a> HashTable<'a> {
    /// Reads the value of a HASHTABLE TLV.
    ///
    /// # Errors
    /// [`Error::HashTableLength`].
    pub fn parse(value: &'a [u8]) -> Result<Self, Error> {
        let (halves, rest) = value.as_chunks::<32>();
        let (entries, odd) = halves.as_chunks::<2>();
        if entries.is_empty() || !rest.is_empty() || !odd.is_empty() {
            return Err(Error::HashTableLength { found: value.len() });
        }
        Ok(Self { entries })
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are no entries; only a part of a table can be empty.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// All entries.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = HashEntry<'a>> + use<'a> {
        self.entries.iter().map(decode)
    }

    /// The entry at `index`, from 0.
    pub fn get(&self, index: usize) -> Option<HashEntry<'a>> {
        self.entries.get(index).map(decode)
    }

    /// The first `count` entries (those of an image with as many program headers) and the others, or `None` when
    /// there are not so many.
    pub fn split_at(&self, count: usize) -> Option<(Self, Self)> {
        let (first, rest) = self.entries.split_at_checked(count)?;
        Some((Self { entries: first }, Self { entries: rest }))
    }
}

fn decode([raw_header, digest]: &[[u8; 32]; 2]) -> HashEntry<'_> {
    HashEntry { header: ProgramHeader::from_elf32(raw_header), raw_header, digest }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_entries_make_a_table() {
        let bytes = [7; 3 * ENTRY_SIZE];
        for len in 0..bytes.len() {
            let table = HashTable::parse(&bytes[..len]);
            assert_eq!(table.is_ok(), len == 64 || len == 128, "{len}");
        }
        let table = HashTable::parse(&bytes).unwrap();
        let (first, rest) = table.split_at(1).unwrap();
        assert_eq!((table.len(), first.len(), rest.len()), (3, 1, 2));
        assert_eq!(table.split_at(4), None);
        assert_eq!(table.get(3), None);
        assert_eq!(table.get(2).unwrap().digest, &[7; 32]);
    }
}
