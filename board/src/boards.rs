//! The bundled boards, each read from its two device trees (`bindings/boards`) when it is first asked for.

use std::sync::LazyLock;

use rproc_devicetree::{Model, SecureModel, Tree};

use crate::description::Description;

/// A board and its trees, as blobs.
#[derive(Debug, Clone, Copy)]
pub struct BundledBoard {
    /// The name people type, such as `stm32mp257f-ev1`.
    pub name: &'static str,
    /// Linux's tree.
    pub linux_tree: &'static [u8],
    /// The secure side's tree.
    pub secure_tree: &'static [u8],
    /// The description that the trees give.
    pub description: fn() -> &'static Description,
}

macro_rules! bundled {
    ($name:literal, $description:path) => {
        BundledBoard {
            name: $name,
            linux_tree: include_bytes!(concat!("../../bindings/boards/", $name, "/linux.dtb")),
            secure_tree: include_bytes!(concat!("../../bindings/boards/", $name, "/secure.dtb")),
            description: $description,
        }
    };
}

const STM32MP157F_DK2: BundledBoard = bundled!("stm32mp157f-dk2", stm32mp157f_dk2);
const STM32MP215F_DK: BundledBoard = bundled!("stm32mp215f-dk", stm32mp215f_dk);
const STM32MP257F_EV1: BundledBoard = bundled!("stm32mp257f-ev1", stm32mp257f_ev1);

/// Every bundled board, in the order of their names.
pub const BOARDS: [BundledBoard; 3] = [STM32MP157F_DK2, STM32MP215F_DK, STM32MP257F_EV1];

/// The description of a bundled board.
///
/// # Panics
/// The board's trees, which are part of this crate and tested, are no board: a bug.
#[expect(clippy::panic, reason = "the trees are part of this crate, and its tests read them")]
fn read(board: &BundledBoard) -> Description {
    let tree = |blob| Tree::parse(blob).unwrap_or_else(|error| panic!("a tree of {}: {error}", board.name));
    let secure = SecureModel::of(&tree(board.secure_tree));
    let linux = Model::of(&tree(board.linux_tree));
    Description::from_trees(&secure, &linux).unwrap_or_else(|error| panic!("{}: {error}", board.name))
}

/// STM32MP157F-DK2: Cortex-M4, 512 MiB of DDR. Its on-chip memories are open to both sides until a driver closes them.
pub fn stm32mp157f_dk2() -> &'static Description {
    static BOARD: LazyLock<Description> = LazyLock::new(|| read(&STM32MP157F_DK2));
    &BOARD
}

/// STM32MP215F-DK: Cortex-M33, 1 GiB of its DDR.
pub fn stm32mp215f_dk() -> &'static Description {
    static BOARD: LazyLock<Description> = LazyLock::new(|| read(&STM32MP215F_DK));
    &BOARD
}

/// STM32MP257F-EV1: Cortex-M33 and Cortex-M0+, 1 GiB of its DDR.
pub fn stm32mp257f_ev1() -> &'static Description {
    static BOARD: LazyLock<Description> = LazyLock::new(|| read(&STM32MP257F_EV1));
    &BOARD
}
