//! Which targets there are: those of the bundled boards, the one place that knows the processors of a SoC.

use rproc_abi::ProcessorId;
use rproc_board::boards::BOARDS;

use super::TargetName;
use crate::failure::Failure;

/// Every target that a virtual board has.
fn known() -> Vec<TargetName> {
    let boards = BOARDS.iter().map(|board| (board.description)());
    let targets = boards.flat_map(|board| {
        let of_board = |id| TargetName { processor: ProcessorId(id), soc: board.soc.to_owned() };
        board.coprocessors.iter().map(move |one| of_board(one.id))
    });
    targets.collect()
}

/// Gives a doubt about a target of a SoC that no bundled board has: a product may have its own, and somebody may have mistyped.
///
/// # Errors
/// The SoC is known, and has no such processor.
pub fn check(target: &TargetName) -> Result<Option<String>, Failure> {
    let known = known();
    if known.contains(target) {
        return Ok(None);
    }
    let list = |targets: Vec<&TargetName>| {
        targets.into_iter().map(TargetName::to_string).collect::<Vec<_>>().join(", ")
    };
    let of_soc: Vec<_> = known.iter().filter(|one| one.soc == target.soc).collect();
    if of_soc.is_empty() {
        return Ok(Some(format!(
            "no virtual board is {target}, so that `rproc run` refuses this image everywhere; those there are: {}",
            list(known.iter().collect())
        )));
    }
    Err(Failure::help(
        format!("an {} has no {}: no board would load this image", target.soc, target.processor),
        format!("give --target {}", list(of_soc).replace(", ", " or ")),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_soc_has_its_own_processors_only() {
        for (name, sure, refused) in [
            ("stm32mp157:m4", true, false),
            ("stm32mp257:m33", true, false),
            ("stm32mp257:m0", true, false),
            ("stm32mp257:m4", false, true),
            ("stm32mp215:m0", false, true),
            ("stm32mp255:m33", false, false),
        ] {
            let checked = check(&name.parse().unwrap());
            assert_eq!((matches!(checked, Ok(None)), checked.is_err()), (sure, refused), "{name}");
        }
    }
}
