//! What is wrong or doubtful in a description of remote processors, and where.

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// How much a [`Finding`] matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It works, but hardly as meant.
    Warning,
    /// The processor cannot be driven from this description.
    Error,
}

/// One flaw of a device tree: where it is and what it is. Displayed as one full sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// Absolute path of the node.
    pub path: String,
    /// Name of the property, or nothing when the flaw is the node itself.
    pub property: Option<String>,
    /// What was expected and what was found.
    pub problem: Problem,
}

impl Finding {
    /// Where it is and what it is, without its severity.
    #[must_use]
    pub fn sentence(&self) -> String {
        match &self.property {
            Some(property) => format!("{}: property `{property}` {}", self.path, self.problem),
            None => format!("{}: the node {}", self.path, self.problem),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.severity {
            Severity::Warning => "warning: ",
            Severity::Error => "error: ",
        })?;
        f.write_str(&self.sentence())
    }
}

/// What is wrong with a node or a property. Each text continues a sentence whose subject the [`Finding`] names.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// A node or property that has to be there is not.
    #[error("is missing; expected {expected}")]
    Missing {
        /// What belongs there.
        expected: String,
    },
    /// The value has a length that its type cannot have.
    #[error("has {found} bytes; expected {expected}")]
    Length {
        /// The type, in words.
        expected: String,
        /// Bytes found.
        found: usize,
    },
    /// The value is not NUL-terminated printable text.
    #[error("is not a list of NUL-terminated ASCII strings; it holds {found}")]
    NotText {
        /// The bytes, as hexadecimal text cut to a bearable length.
        found: String,
    },
    /// The value is of the right type, but is not one of those that work.
    #[error("is {found}; expected {expected}")]
    Value {
        /// What would work.
        expected: String,
        /// What is there.
        found: String,
    },
    /// A reference leads to no node.
    #[error("refers in entry {entry} to phandle {phandle:#x}, which no node bears")]
    DanglingPhandle {
        /// Position in the list, from 0.
        entry: usize,
        /// The phandle.
        phandle: u32,
    },
    /// The node referred to does not say how many cells a reference takes, or says an impossible number.
    #[error("refers in entry {entry} to {provider}, whose `{cells}` {fault}")]
    Provider {
        /// Position in the list, from 0.
        entry: usize,
        /// Path of the node referred to.
        provider: String,
        /// The provider's property, such as `#mbox-cells`.
        cells: &'static str,
        /// What is wrong with that property.
        fault: Box<Problem>,
    },
    /// A reference list ends within an entry.
    #[error(
        "ends within entry {entry}: a reference to {provider} takes {expected} cells after the phandle, {found} are left"
    )]
    CutReference {
        /// Position in the list, from 0.
        entry: usize,
        /// Path of the node referred to.
        provider: String,
        /// Cells the provider asks for.
        expected: u32,
        /// Cells left in the value.
        found: usize,
    },
    /// A memory region that is referred to is itself wrong.
    #[error("refers in entry {entry} to {region}, whose property `{property}` {fault}")]
    Region {
        /// Position in the list, from 0.
        entry: usize,
        /// Path of the region's node.
        region: String,
        /// Its broken property.
        property: &'static str,
        /// What is wrong with that property.
        fault: Box<Problem>,
    },
    /// A list of names does not match the list that it names.
    #[error("names {names} entries, but `{list}` has {entries}")]
    NameCount {
        /// Names given.
        names: usize,
        /// The property that is named.
        list: &'static str,
        /// Entries it has.
        entries: usize,
    },
    /// Two things that must differ are the same.
    #[error("has {what}, which {other} has already; each may be used once")]
    Duplicate {
        /// What is used twice.
        what: String,
        /// Who has it already.
        other: String,
    },
    /// Two memory regions share bytes.
    #[error("names {first} and {second}, which overlap; give each region bytes of its own")]
    Overlap {
        /// One region with its addresses.
        first: String,
        /// The other.
        second: String,
    },
    /// A region lies where it has no business.
    #[error("names {what}, which does not lie inside {bounds}; {remedy}")]
    Outside {
        /// The region with its addresses.
        what: String,
        /// Where it would have to lie.
        bounds: String,
        /// What to change.
        remedy: String,
    },
    /// A guard has fewer regions than the tree wants.
    #[error(
        "needs {} regions of {guard}, which has {limit}: {names}; merge neighbours of one policy, and declare what both sides \
         share as one region, which Linux splits by the names of its own",
        names.split(", ").count()
    )]
    TooManyRegions {
        /// The guard.
        guard: String,
        /// Regions it has.
        limit: usize,
        /// The regions that are wanted, separated by commas.
        names: String,
    },
    /// The two trees say what cannot both be.
    #[error("is {found}, but `{property}` of {other} in {tree} is {value}: {meaning}; {remedy}")]
    Contradiction {
        /// The value here.
        found: String,
        /// The other node.
        other: String,
        /// Its property.
        property: &'static str,
        /// Which tree that is in.
        tree: &'static str,
        /// The value there.
        value: String,
        /// What the two mean together.
        meaning: &'static str,
        /// What to change.
        remedy: String,
    },
    /// A property that no binding here knows.
    #[error(
        "is known to no binding of a remote processor; a vendor's own property has the form `vendor,name`"
    )]
    Unknown,
}

/// A value's bytes in hexadecimal, cut after eight.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    let shown: Vec<String> = bytes.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    match bytes.len() {
        0 => "nothing".to_owned(),
        1..=8 => shown.join(" "),
        all => format!("{} … ({all} bytes)", shown.join(" ")),
    }
}

/// Collects findings while a tree is read.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) list: Vec<Finding>,
}

impl Findings {
    pub(crate) fn error(&mut self, path: &str, property: &str, problem: Problem) {
        self.add(Severity::Error, path, Some(property), problem);
    }

    pub(crate) fn warning(&mut self, path: &str, property: &str, problem: Problem) {
        self.add(Severity::Warning, path, Some(property), problem);
    }

    pub(crate) fn node_error(&mut self, path: &str, problem: Problem) {
        self.add(Severity::Error, path, None, problem);
    }

    pub(crate) fn node_warning(&mut self, path: &str, problem: Problem) {
        self.add(Severity::Warning, path, None, problem);
    }

    /// Records an error of `property` and gives nothing, or gives the value.
    pub(crate) fn take<T>(&mut self, path: &str, property: &str, value: Result<T, Problem>) -> Option<T> {
        value.map_err(|problem| self.error(path, property, problem)).ok()
    }

    fn add(&mut self, severity: Severity, path: &str, property: Option<&str>, problem: Problem) {
        let property = property.map(str::to_owned);
        self.list.push(Finding { severity, path: path.to_owned(), property, problem });
    }
}
