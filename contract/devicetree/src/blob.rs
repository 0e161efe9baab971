//! Decodes the flattened device tree format (Devicetree Specification 0.4, chapter 5) without trusting a byte of it.
//!
//! The `dtoolkit` crate would do this, but it refuses every tree with a property name longer than 31
//! characters, and real ones have such names: `regulator-over-current-protection` is on the STM32MP15
//! boards. It serves as the reference in the tests instead.

use alloc::borrow::ToOwned as _;
use alloc::vec::Vec;
use core::fmt;

use crate::tree::{NodeData, PropertyData, Tree};

/// The largest blob that is read, in bytes: what arm64 Linux accepts (`MAX_FDT_SIZE`).
pub const MAXIMUM_SIZE: usize = 2 * 1024 * 1024;
/// The deepest nesting of nodes that is read, the root being at depth 1 (Linux: `FDT_MAX_DEPTH`, 64).
pub const MAXIMUM_DEPTH: usize = 64;

/// The longest node or property name that is kept, in bytes. The specification says 31, Linux's bindings use
/// more; a bound keeps one long shared name from being copied into every node.
const MAXIMUM_NAME: usize = 255;
const MAGIC: u32 = 0xd00d_feed;
const HEADER_SIZE: usize = 40;
/// The version whose layout is read; newer blobs say in `last_comp_version` that they keep to it.
const VERSION: u32 = 17;

const BEGIN_NODE: u32 = 1;
const END_NODE: u32 = 2;
const PROPERTY: u32 = 3;
const NOP: u32 = 4;
const END: u32 = 9;

/// Which part of the blob an error speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Block {
    /// The tokens that make the tree.
    Structure,
    /// The names of properties.
    Strings,
}

impl fmt::Display for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Block::Structure => "structure block",
            Block::Strings => "strings block",
        })
    }
}

/// Why bytes are not a device tree blob. Offsets count bytes from the start of the blob.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Fewer bytes than the header takes.
    #[error(
        "the blob has {found} bytes, a device tree header alone takes {HEADER_SIZE}; is the file complete?"
    )]
    TooShort {
        /// Bytes given.
        found: usize,
    },
    /// More bytes than a kernel would take.
    #[error("the blob has {found} bytes, more than the {MAXIMUM_SIZE} that Linux accepts")]
    TooLarge {
        /// Bytes given.
        found: usize,
    },
    /// The first word is not the magic number.
    #[error(
        "the blob starts with {found:#010x}, a device tree blob with {MAGIC:#010x}; compile sources with dtc first"
    )]
    Magic {
        /// First word, read big-endian.
        found: u32,
    },
    /// The header says that version 17 readers cannot read this blob.
    #[error(
        "the blob has version {version} and is readable from version {last_compatible} on; version {VERSION} is read here"
    )]
    Version {
        /// `version` of the header.
        version: u32,
        /// `last_comp_version` of the header.
        last_compatible: u32,
    },
    /// The header's total size is more than there is.
    #[error("the header says {expected} bytes in all, but {found} are there; the file is cut short")]
    TotalSize {
        /// `totalsize` of the header.
        expected: u32,
        /// Bytes given.
        found: usize,
    },
    /// A block leaves the blob.
    #[error("the {block} of {size} bytes at offset {offset:#x} leaves the blob of {total} bytes")]
    BlockRange {
        /// Which block.
        block: Block,
        /// Where it starts.
        offset: u32,
        /// Its size.
        size: u32,
        /// `totalsize` of the header.
        total: usize,
    },
    /// The structure block ends inside a token.
    #[error("the structure block ends at offset {offset:#x}, inside {inside}")]
    Truncated {
        /// Where more bytes were wanted.
        offset: usize,
        /// What was being read.
        inside: &'static str,
    },
    /// A token that has no place there.
    #[error("token {found:#x} at offset {offset:#x} has no place there: {expected} was expected")]
    Token {
        /// Where the token is.
        offset: usize,
        /// The token.
        found: u32,
        /// What may be there.
        expected: &'static str,
    },
    /// A name that is not printable ASCII of a bearable length.
    #[error(
        "the {kind} name at offset {offset:#x} is not 1 to {MAXIMUM_NAME} printable ASCII characters and a NUL"
    )]
    Name {
        /// Where the name starts.
        offset: usize,
        /// Whether a node or a property bears it.
        kind: &'static str,
    },
    /// Nodes nest deeper than any real tree.
    #[error("the node at offset {offset:#x} is nested deeper than {MAXIMUM_DEPTH} levels")]
    TooDeep {
        /// Where the node starts.
        offset: usize,
    },
}

/// One block of the blob; every read says where it failed.
struct Reader<'a> {
    blob: &'a [u8],
    offset: usize,
    end: usize,
}

impl<'a> Reader<'a> {
    fn bytes(&mut self, length: usize, inside: &'static str) -> Result<&'a [u8], Error> {
        let truncated = Error::Truncated { offset: self.offset, inside };
        let end = self.offset.checked_add(length).filter(|end| *end <= self.end).ok_or(truncated.clone())?;
        let bytes = self.blob.get(self.offset..end).ok_or(truncated)?;
        self.offset = end;
        Ok(bytes)
    }

    fn word(&mut self, inside: &'static str) -> Result<u32, Error> {
        let truncated = Error::Truncated { offset: self.offset, inside };
        self.bytes(4, inside)?.first_chunk().map(|word| u32::from_be_bytes(*word)).ok_or(truncated)
    }

    fn name(&mut self, kind: &'static str) -> Result<&'a str, Error> {
        let start = self.offset;
        let rest = self.blob.get(start..self.end).unwrap_or_default();
        let name = text(rest).ok_or(Error::Name { offset: start, kind })?;
        self.offset = start + name.len() + 1;
        Ok(name)
    }

    /// Tokens start at multiples of four. Padding may be missing at the block's end: the next read says so.
    fn align(&mut self) {
        self.offset = self.offset.next_multiple_of(4);
    }
}

/// The printable ASCII text before the first NUL, if it is short enough to be a name.
fn text(bytes: &[u8]) -> Option<&str> {
    let window = bytes.get(..bytes.len().min(MAXIMUM_NAME + 1))?;
    let length = window.iter().position(|byte| *byte == 0)?;
    let text = window.get(..length)?;
    text.iter().all(u8::is_ascii_graphic).then(|| core::str::from_utf8(text).ok()).flatten()
}

fn header_word(blob: &[u8], index: usize) -> u32 {
    blob.get(index * 4..).and_then(|rest| rest.first_chunk()).map_or(0, |word| u32::from_be_bytes(*word))
}

/// Decodes `blob`. Bytes after the header's total size are ignored, as Linux does.
pub(crate) fn decode(blob: &[u8]) -> Result<Tree, Error> {
    if blob.len() < HEADER_SIZE {
        return Err(Error::TooShort { found: blob.len() });
    }
    let [magic, total, structure, strings, _, version, last_compatible, _, strings_size, structure_size] =
        core::array::from_fn(|index| header_word(blob, index));
    if magic != MAGIC {
        return Err(Error::Magic { found: magic });
    }
    if version < VERSION || last_compatible > VERSION {
        return Err(Error::Version { version, last_compatible });
    }
    let blob = blob.get(..total as usize).ok_or(Error::TotalSize { expected: total, found: blob.len() })?;
    if blob.len() > MAXIMUM_SIZE {
        return Err(Error::TooLarge { found: blob.len() });
    }
    let range = |block, offset: u32, size: u32| {
        let end = offset.checked_add(size).filter(|end| *end <= total);
        end.map(|end| offset as usize..end as usize).ok_or(Error::BlockRange {
            block,
            offset,
            size,
            total: blob.len(),
        })
    };
    let strings = range(Block::Strings, strings, strings_size)?;
    let structure = range(Block::Structure, structure, structure_size)?;
    let strings = blob.get(strings).unwrap_or_default();
    nodes(Reader { blob, offset: structure.start, end: structure.end }, strings)
}

/// Reads the structure block: a walk with the open nodes on a stack of its own, so that nesting costs no call depth.
fn nodes(mut reader: Reader<'_>, strings: &[u8]) -> Result<Tree, Error> {
    let mut tree: Vec<NodeData> = Vec::new();
    let mut open: Vec<usize> = Vec::new();
    loop {
        let offset = reader.offset;
        let token = reader.word("a token")?;
        let misplaced = |expected| Error::Token { offset, found: token, expected };
        match token {
            NOP => {}
            BEGIN_NODE if open.is_empty() && !tree.is_empty() => {
                return Err(misplaced("the end of the tree (9)"));
            }
            BEGIN_NODE => {
                if open.len() >= MAXIMUM_DEPTH {
                    return Err(Error::TooDeep { offset });
                }
                let name_offset = reader.offset;
                let name = reader.name("node")?;
                // Only the root has an empty name, and no name holds the separator of paths.
                if (open.is_empty() != name.is_empty()) || name.contains('/') {
                    return Err(Error::Name { offset: name_offset, kind: "node" });
                }
                reader.align();
                let index = tree.len();
                let parent = open.last().copied();
                if let Some(parent) = parent.and_then(|parent| tree.get_mut(parent)) {
                    parent.children.push(index);
                }
                tree.push(NodeData { name: name.to_owned(), parent, ..NodeData::default() });
                open.push(index);
            }
            END_NODE => {
                open.pop().ok_or_else(|| misplaced("the root node (1)"))?;
            }
            PROPERTY => {
                let node = open.last().and_then(|node| tree.get_mut(*node));
                let node = node.ok_or_else(|| misplaced("the root node (1) or the end (9)"))?;
                if !node.children.is_empty() {
                    return Err(misplaced("a child node (1) or the end of the node (2)"));
                }
                let length = reader.word("a property's length")?;
                let name_offset = reader.word("a property's name offset")?;
                let name = strings.get(name_offset as usize..).and_then(text);
                let name = name.filter(|name| !name.is_empty());
                let name = name.ok_or(Error::Name { offset, kind: "property" })?;
                let value = reader.bytes(length as usize, "a property's value")?;
                reader.align();
                node.properties.push(PropertyData { name: name.to_owned(), value: value.to_vec() });
            }
            END if open.is_empty() && !tree.is_empty() => return Ok(Tree::new(tree)),
            _ if tree.is_empty() => return Err(misplaced("the root node (1)")),
            _ if open.is_empty() => return Err(misplaced("the end of the tree (9)")),
            _ => return Err(misplaced("a node (1), the end of a node (2) or a property (3)")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{EXAMPLE, compile, property, tree_blob};
    use dtoolkit::{Node as _, Property as _};
    use proptest::prelude::*;
    use std::prelude::rust_2024::*;
    use std::{eprintln, format};

    /// The whole of a node as another decoder sees it.
    fn same(ours: crate::NodeRef<'_>, theirs: dtoolkit::fdt::FdtNode<'_>) {
        assert_eq!(ours.name(), theirs.name());
        let properties: Vec<_> = theirs.properties().collect();
        assert_eq!(ours.properties().count(), properties.len());
        for (ours, theirs) in ours.properties().zip(&properties) {
            assert_eq!(ours, (theirs.name(), theirs.value()));
        }
        let children: Vec<_> = theirs.children().collect();
        assert_eq!(ours.children().count(), children.len());
        for (ours, theirs) in ours.children().zip(children) {
            same(ours, theirs);
        }
    }

    fn agrees_with_reference(blob: &[u8]) {
        let ours = Tree::parse(blob);
        if let (Ok(theirs), true) = (dtoolkit::fdt::Fdt::new(blob), ours.is_ok()) {
            same(ours.unwrap().root(), theirs.root());
        }
    }

    #[test]
    fn example_reads_as_the_reference_reads_it() {
        let theirs = dtoolkit::fdt::Fdt::new(EXAMPLE).unwrap();
        same(Tree::parse(EXAMPLE).unwrap().root(), theirs.root());
    }

    #[test]
    fn long_property_names_are_read() {
        let name = "regulator-over-current-protection";
        let blob = tree_blob(&[property(name, b"")]);
        assert!(dtoolkit::fdt::Fdt::new(&blob).is_err(), "the reference can be used directly by now");
        assert_eq!(Tree::parse(&blob).unwrap().root().properties().next(), Some((name, &b""[..])));
    }

    #[test]
    fn header_faults_are_told_apart() {
        let change = |index: usize, word: u32| {
            let mut blob = EXAMPLE.to_vec();
            blob[index * 4..index * 4 + 4].copy_from_slice(&word.to_be_bytes());
            Tree::parse(&blob).unwrap_err()
        };
        assert_eq!(Tree::parse(b"").unwrap_err(), Error::TooShort { found: 0 });
        assert_eq!(change(0, 0x2f64_7473), Error::Magic { found: 0x2f64_7473 });
        assert!(matches!(change(1, 0x7fff_ffff), Error::TotalSize { expected: 0x7fff_ffff, .. }));
        assert!(matches!(change(2, u32::MAX), Error::BlockRange { block: Block::Structure, .. }));
        assert!(matches!(change(3, u32::MAX), Error::BlockRange { block: Block::Strings, .. }));
        assert_eq!(change(5, 3), Error::Version { version: 3, last_compatible: 16 });
        assert!(matches!(change(9, 8), Error::Truncated { .. }));
    }

    #[test]
    fn nesting_is_bounded() {
        let mut structure = Vec::new();
        for depth in 0..MAXIMUM_DEPTH + 1 {
            structure.extend(BEGIN_NODE.to_be_bytes());
            structure.extend(if depth == 0 { [0; 4] } else { *b"n\0\0\0" });
        }
        let blob = crate::testing::blob(&structure, b"");
        assert!(matches!(Tree::parse(&blob), Err(Error::TooDeep { .. })));
    }

    #[test]
    fn a_property_after_a_child_is_refused() {
        let mut structure = Vec::new();
        for word in [
            BEGIN_NODE,
            0,
            BEGIN_NODE,
            u32::from_be_bytes(*b"a\0\0\0"),
            END_NODE,
            PROPERTY,
            0,
            0,
            END_NODE,
            END,
        ] {
            structure.extend(word.to_be_bytes());
        }
        let error = Tree::parse(&crate::testing::blob(&structure, b"p\0")).unwrap_err();
        assert!(matches!(error, Error::Token { found: PROPERTY, .. }), "{error}");
    }

    #[test]
    fn every_truncation_is_refused() {
        for length in 0..EXAMPLE.len() {
            assert!(Tree::parse(&EXAMPLE[..length]).is_err(), "{length} bytes were taken for the whole tree");
        }
    }

    #[test]
    fn committed_blobs_are_what_their_sources_compile_to() {
        for board in ["stm32mp157f-dk2", "stm32mp257f-ev1", "stm32mp215f-dk"] {
            for view in ["linux", "secure"] {
                let file = |extension: &str| format!("{}/{board}/{view}.{extension}", crate::testing::BOARDS);
                let committed = std::fs::read(file("dtb")).unwrap();
                match compile(&std::fs::read_to_string(file("dts")).unwrap()) {
                    Some(compiled) => assert!(
                        compiled == committed,
                        "{board}/{view}.dtb is stale: rebuild it with the command in bindings/README.md"
                    ),
                    None => eprintln!(
                        "SKIPPED: dtc is not installed, {board}/{view}.dtb was not compared with its source"
                    ),
                }
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn mutations_neither_panic_nor_disagree(changes in proptest::collection::vec((0..EXAMPLE.len(), any::<u8>()), 1..8)) {
            let mut blob = EXAMPLE.to_vec();
            for (offset, byte) in changes {
                blob[offset] = byte;
            }
            agrees_with_reference(&blob);
            if let Ok(tree) = Tree::parse(&blob) {
                let _ = crate::Model::of(&tree).findings.iter().map(ToString::to_string).collect::<Vec<_>>();
            }
        }

        #[test]
        fn any_bytes_are_refused_or_read(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
            let _ = Tree::parse(&bytes);
            let _ = Tree::parse(&crate::testing::blob(&bytes, b"a\0b\0"));
        }
    }
}
