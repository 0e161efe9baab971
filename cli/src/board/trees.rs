//! The two trees of a board: bundled ones, or a person's own.

use std::path::{Path, PathBuf};

use clap::Args;
use rproc_board::Description;
use rproc_board::boards::{BOARDS, BundledBoard};
use rproc_devicetree::{Finding, Model, Ownership, SecureModel, Tree, ownership};

use super::nodes;
use crate::failure::Failure;
use crate::input::{Input, Kind};

/// Which trees.
#[derive(Args)]
pub struct TreeArguments {
    /// A bundled board (see `rproc board list`); left out when both trees are given
    #[arg(value_name = "BOARD", required_unless_present_all = ["linux_tree", "secure_tree"])]
    board: Option<String>,
    /// A device tree blob of Linux's instead of the board's
    #[arg(long, value_name = "FILE")]
    linux_tree: Option<PathBuf>,
    /// A device tree blob of the secure side's instead of the board's
    #[arg(long, value_name = "FILE")]
    secure_tree: Option<PathBuf>,
}

/// Both trees, read, and the board that they describe.
pub struct Trees {
    /// Linux's.
    pub linux: Model,
    /// The secure side's.
    pub secure: SecureModel,
    /// Who drives which processor.
    pub owners: Vec<Ownership>,
    /// Where the two contradict each other.
    pub contradictions: Vec<Finding>,
    /// What Linux will not find by its tree.
    pub absent: Vec<Finding>,
    /// The board.
    pub description: Description,
}

impl TreeArguments {
    /// The trees that are files of a person's own.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.linux_tree.iter().chain(&self.secure_tree).map(PathBuf::as_path)
    }
}

impl Trees {
    /// Those of the command line.
    pub fn of(arguments: &TreeArguments) -> Result<Self, Failure> {
        let TreeArguments { board, linux_tree, secure_tree } = arguments;
        let (linux, secure) = Self::find(board.as_deref(), linux_tree.as_deref(), secure_tree.as_deref())?;
        Self::read(&linux, &secure)
    }

    /// Linux's tree and the secure one, each from its file, or from the board where there is no file.
    pub fn find(
        board: Option<&str>,
        linux: Option<&Path>,
        secure: Option<&Path>,
    ) -> Result<(Tree, Tree), Failure> {
        if let (Some(board), Some(_), Some(_)) = (board, linux, secure) {
            return Err(Failure::help(
                format!("nothing of the board {board:?} is looked at: both trees are given"),
                "leave out the board, or one of the trees",
            ));
        }
        let board = board.map(bundled).transpose()?;
        let find = |file: Option<&Path>, of_board: fn(&BundledBoard) -> &'static [u8]| match (file, &board) {
            (Some(file), _) => tree_of(file),
            (None, Some(board)) => parse(&format!("a tree of {}", board.name), of_board(board)),
            (None, None) => Err(Failure::help("no board and no trees were given", "name a board")),
        };
        Ok((find(linux, |board| board.linux_tree)?, find(secure, |board| board.secure_tree)?))
    }

    /// Those of a bundled board.
    pub fn bundled(board: &BundledBoard) -> Result<Self, Failure> {
        let tree = |blob: &[u8]| parse(board.name, blob);
        Self::read(&tree(board.linux_tree)?, &tree(board.secure_tree)?)
    }

    /// What two trees say.
    pub fn read(linux: &Tree, secure: &Tree) -> Result<Self, Failure> {
        let (tree, linux, secure) = (linux, Model::of(linux), SecureModel::of(secure));
        let description = Description::from_trees(&secure, &linux)
            .map_err(|error| Failure::help(error, "correct the tree and compile it again with dtc"))?;
        let (owners, contradictions) = ownership(&linux, &secure);
        let mut absent = nodes::misnamed_services(tree, &linux);
        absent.extend(nodes::absent_providers(tree, &linux));
        Ok(Self { linux, secure, owners, contradictions, absent, description })
    }

    /// Everything that is wrong or doubtful, with the tree that it is in.
    pub fn findings(&self) -> impl Iterator<Item = (&'static str, &Finding)> {
        let linux = self.linux.findings.iter().chain(&self.contradictions).chain(&self.absent);
        let linux = linux.map(|one| ("Linux's tree", one));
        linux.chain(self.secure.findings.iter().map(|one| ("secure tree", one)))
    }
}

fn bundled(name: &str) -> Result<BundledBoard, Failure> {
    let found = BOARDS.into_iter().find(|board| board.name == name);
    found.ok_or_else(|| {
        let known: Vec<&str> = BOARDS.iter().map(|board| board.name).collect();
        Failure::help(
            format!("there is no board {name:?}"),
            format!("the bundled boards are {}", known.join(", ")),
        )
    })
}

/// The tree in a file.
pub fn tree_of(file: &Path) -> Result<Tree, Failure> {
    parse(&file.display().to_string(), &Input::open(file, Kind::Tree)?.read_all()?)
}

fn parse(name: &str, blob: &[u8]) -> Result<Tree, Failure> {
    Tree::parse(blob).map_err(|error| {
        Failure::help(format!("{name}: {error}"), "give a device tree blob, as `dtc -O dtb` makes it")
    })
}
