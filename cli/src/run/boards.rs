//! The boards that firmware can be run on.

use std::str::FromStr;

use rproc_board::{Description, boards};

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

/// A board that is made when it is chosen.
struct Choice {
    name: &'static str,
    description: fn() -> &'static Description,
    device_tree: &'static [u8],
}

const BOARDS: [Choice; 2] = [
    Choice {
        name: DEFAULT,
        description: boards::stm32mp257f_ev1,
        device_tree: include_bytes!("../../../bindings/boards/stm32mp257f-ev1/linux.dtb"),
    },
    Choice {
        name: "stm32mp215f-dk",
        description: boards::stm32mp215f_dk,
        device_tree: include_bytes!("../../../bindings/boards/stm32mp215f-dk/linux.dtb"),
    },
];

impl FromStr for Board {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = BOARDS.iter().find(|choice| choice.name == name);
        let made = found
            .map(|choice| Board { description: (choice.description)(), device_tree: choice.device_tree });
        made.ok_or_else(|| {
            let known: Vec<&str> = BOARDS.iter().map(|choice| choice.name).collect();
            format!("there is no board {name:?}; there are {}", known.join(", "))
        })
    }
}
