//! The boards that firmware can be run on.

use std::str::FromStr;

use rproc_abi::ProcessorId;
use rproc_board::Description;
use rproc_board::boards::{BOARDS, BundledBoard};
use rproc_devicetree::{Model, Owner, Processor, Tree, assign};

use crate::failure::Failure;

/// The board of a run that names none.
pub const DEFAULT: &str = "stm32mp257f-ev1";

/// A bundled board.
#[derive(Clone, Copy)]
pub struct Board {
    /// What the virtual board is made of.
    pub description: &'static Description,
    bundled: BundledBoard,
}

/// A board's two device trees.
pub struct Trees {
    /// Linux's.
    pub linux: Tree,
    /// The secure side's.
    pub secure: Tree,
}

impl Board {
    /// The processor of a run that names none.
    pub fn first_core(&self) -> &str {
        self.description.coprocessors.first().map_or("m33", |one| one.name.as_str())
    }

    /// Its trees, in which the processor of that name (its path or id will do) has this owner.
    pub fn trees(&self, core: &str, owner: Owner) -> Result<Trees, Failure> {
        let tree = |blob| Tree::parse(blob).map_err(anyhow::Error::new);
        let (linux, secure) = (tree(self.bundled.linux_tree)?, tree(self.bundled.secure_tree)?);
        let as_bundled = Trees { linux, secure };
        let Some(id) = as_bundled.id(core).filter(|_| owner != Owner::Tee) else { return Ok(as_bundled) };
        let assigned = assign(&as_bundled.linux, &as_bundled.secure, id.0, owner);
        let (linux, secure) = assigned.map_err(anyhow::Error::new)?;
        Ok(Trees { linux, secure })
    }
}

impl Trees {
    /// The processor's id; `None` for a name that the trees do not have.
    pub fn id(&self, core: &str) -> Option<ProcessorId> {
        let model = Model::of(&self.linux);
        let named = |one: &&Processor| one.name == core || one.path == core || one.id.to_string() == core;
        let mut all = model.processors().chain(model.platform.iter().map(|one| &one.processor));
        all.find(named).map(|one| ProcessorId(one.id))
    }
}

impl FromStr for Board {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = BOARDS.iter().find(|board| board.name == name);
        let made = found.map(|board| Board { description: (board.description)(), bundled: *board });
        made.ok_or_else(|| {
            let known: Vec<&str> = BOARDS.iter().map(|board| board.name).collect();
            format!("there is no board {name:?}; there are {}", known.join(", "))
        })
    }
}
