//! `--owner`: statuses of both trees that give a processor to somebody.

use std::str::FromStr;

use rproc_abi::ProcessorId;
use rproc_devicetree::{Model, Owner, SecureModel, Tree, assign, ownership};

use crate::failure::Failure;

/// Who shall own which processor; without one, all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnerChange {
    processor: Option<ProcessorId>,
    owner: Owner,
}

impl FromStr for OwnerChange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (processor, owner) = match text.split_once('=') {
            Some((name, owner)) => {
                let id = ProcessorId::from_name(name);
                (Some(id.ok_or_else(|| format!("there is no processor {name:?}: m4, m33, m0"))?), owner)
            }
            None => (None, text),
        };
        let owner = match owner {
            "tee" => Owner::Tee,
            "linux" => Owner::Linux,
            "both" => Owner::LinuxThroughTee,
            "nobody" => Owner::Nobody,
            _ => return Err(format!("{owner:?} owns no processor: tee, linux, both and nobody do")),
        };
        Ok(Self { processor, owner })
    }
}

/// Both trees (Linux's, then the secure one) after the changes, in their order.
pub fn change(trees: (Tree, Tree), changes: &[OwnerChange]) -> Result<(Tree, Tree), Failure> {
    let (owners, _) = ownership(&Model::of(&trees.0), &SecureModel::of(&trees.1));
    let mut trees = trees;
    for change in changes {
        let wanted = |id: u32| change.processor.is_none_or(|processor| processor.0 == id);
        let ids: Vec<u32> = owners.iter().map(|one| one.id).filter(|id| wanted(*id)).collect();
        if ids.is_empty() {
            let names: Vec<&str> = owners.iter().map(|one| one.name.as_str()).collect();
            let missing = change.processor.map_or("remote processor".to_owned(), |id| id.to_string());
            return Err(Failure::help(
                format!("--owner: the board has no {missing}"),
                format!("its processors are {}", names.join(", ")),
            ));
        }
        for id in ids {
            trees = assign(&trees.0, &trees.1, id, change.owner)
                .map_err(|error| Failure::from(anyhow::Error::new(error).context("--owner")))?;
        }
    }
    Ok(trees)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_are_named_with_and_without_a_processor() {
        assert_eq!("both".parse(), Ok(OwnerChange { processor: None, owner: Owner::LinuxThroughTee }));
        let m0 = OwnerChange { processor: Some(ProcessorId::CORTEX_M0_PLUS), owner: Owner::Nobody };
        assert_eq!("m0=nobody".parse(), Ok(m0));
        for wrong in ["", "Linux", "m0", "m7=linux", "m0=", "=tee"] {
            assert!(OwnerChange::from_str(wrong).is_err(), "{wrong}");
        }
    }
}
