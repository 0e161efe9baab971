//! For the tests of the guards: a permission map against a model of the registers that it was compiled from.

use proptest::test_runner::TestCaseError;

use super::PermissionMap;
use crate::bus::{Direction, Initiator};

/// Compares what everyone may do at these offsets of a map with what the model says.
///
/// # Errors
/// The first difference.
pub fn agree(
    map: &PermissionMap,
    offsets: impl Iterator<Item = u64>,
    mut model: impl FnMut(u64, Initiator, Direction) -> bool,
) -> Result<(), TestCaseError> {
    for offset in offsets {
        for by in Initiator::ALL {
            for direction in [Direction::Read, Direction::Write] {
                let (compiled, modelled) =
                    (map.at(offset).allow(by, direction), model(offset, by, direction));
                if compiled != modelled {
                    let what =
                        format!("{by} {direction} at {offset:#x}: compiled {compiled}, registers {modelled}");
                    return Err(TestCaseError::fail(what));
                }
            }
        }
    }
    Ok(())
}
