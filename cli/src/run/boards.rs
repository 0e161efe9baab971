//! The boards that firmware can be run on.

use std::str::FromStr;

use rproc_board::{Description, STM32MP215F_DK, STM32MP257F_EV1};

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

const BOARDS: [(&str, Board); 2] = [
    (
        DEFAULT,
        Board {
            description: &STM32MP257F_EV1,
            device_tree: include_bytes!("../../../bindings/examples/stm32mp257f-ev1.dtb"),
        },
    ),
    (
        "stm32mp215f-dk",
        Board {
            description: &STM32MP215F_DK,
            device_tree: include_bytes!("../../../bindings/examples/stm32mp215f-dk.dtb"),
        },
    ),
];

impl FromStr for Board {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = BOARDS.iter().find(|(known, _)| *known == name);
        found.map(|(_, board)| *board).ok_or_else(|| {
            let known: Vec<&str> = BOARDS.iter().map(|(name, _)| *name).collect();
            format!("there is no board {name:?}; there are {}", known.join(", "))
        })
    }
}
