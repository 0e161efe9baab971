//! The boards that firmware can be run on.

use std::str::FromStr;

use rproc_board::Description;
use rproc_board::boards::BOARDS;

/// The board of a run that names none.
pub const DEFAULT: &str = "stm32mp257f-ev1";

/// A board and its device tree.
#[derive(Clone, Copy)]
pub struct Board {
    /// What the virtual board is made of.
    pub description: &'static Description,
    /// Linux's device tree, as a blob.
    pub device_tree: &'static [u8],
}

impl FromStr for Board {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = BOARDS.iter().find(|board| board.name == name);
        let made =
            found.map(|board| Board { description: (board.description)(), device_tree: board.linux_tree });
        made.ok_or_else(|| {
            let known: Vec<&str> = BOARDS.iter().map(|board| board.name).collect();
            format!("there is no board {name:?}; there are {}", known.join(", "))
        })
    }
}
