//! The boards' secure trees as the manuals have them, and what is said about broken ones.

use std::panic;
use std::prelude::rust_2024::*;
use std::{eprintln, format};

use super::*;
use crate::finding::Problem;
use crate::testing::{SECURE, compile, secure};

const SOURCE: &str = include_str!("../../../../bindings/boards/stm32mp257f-ev1/secure.dts");

fn ev1() -> SecureModel {
    SecureModel::of(&Tree::parse(SECURE).unwrap())
}

fn changed(from: &str, to: &str) -> Option<SecureModel> {
    assert!(SOURCE.contains(from), "the tree no longer contains {from:?}");
    let blob = compile(&SOURCE.replacen(from, to, 1));
    if blob.is_none() {
        eprintln!("SKIPPED: dtc is not installed, the change to {to:?} was not tried");
    }
    blob.map(|blob| SecureModel::of(&Tree::parse(&blob).unwrap()))
}

fn assert_error(model: &SecureModel, holds: impl Fn(&Problem) -> bool) {
    assert!(model.errors().any(|finding| holds(&finding.problem)), "{:#?}", model.findings);
}

fn compartments(model: &SecureModel, region: &str) -> (bool, Option<u8>, Option<u8>) {
    let mut regions = model.guards.iter().flat_map(|guard| &guard.regions);
    match regions.find(|one| one.name == region).unwrap().access {
        Access::Compartments { secure, readers, writers, .. } => (secure, readers, writers),
        Access::Etzpc { .. } => panic!("{region} is guarded by an ETZPC"),
    }
}

#[test]
fn the_boards_trees_have_no_flaws() {
    for board in ["stm32mp157f-dk2", "stm32mp257f-ev1", "stm32mp215f-dk"] {
        let model = SecureModel::of(&secure(board));
        assert_eq!(model.findings, [], "{board}");
        assert!(model.compatible[0].ends_with(board));
        assert!(
            model.guards.iter().all(|guard| !guard.name.contains('@')),
            "a guard of {board} has no label"
        );
    }
}

#[test]
fn the_policy_is_that_of_op_tee() {
    let model = ev1();
    assert_eq!(model.guards.len(), 7);
    // RISAFPROT(1, CID2, CID2, unused, SEC, ENC, BREN) and its neighbours in stm32mp257f-ev1-ca35tdcid-rif.dtsi.
    assert_eq!(compartments(&model, "tfm-code"), (true, Some(0b100), Some(0b100)));
    assert_eq!(compartments(&model, "cm33-cube-fw"), (false, Some(0b111), Some(0b111)));
    assert_eq!(compartments(&model, "op-tee"), (true, Some(0b11), Some(0b11)));
    assert_eq!(compartments(&model, "linuxkernel1"), (false, Some(0b11), Some(0b11)));
    // RISABPROT(dis, unused, SEC, unused, CFEN, CID1, CID1, CID1); without CFEN there are no lists.
    assert_eq!(compartments(&model, "tfa-bl31"), (true, Some(0b10), Some(0b10)));
    assert_eq!(compartments(&model, "ddr-param"), (true, None, None));
    let risaf4 = model.guards.iter().find(|guard| guard.name == "RISAF4").unwrap();
    assert_eq!(risaf4.kind, GuardKind::Risaf { regions: 15 });
    let numbers: Vec<_> = risaf4.regions.iter().filter_map(|region| region.number).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
}

#[test]
fn the_etzpc_guards_by_number() {
    let model = SecureModel::of(&secure("stm32mp157f-dk2"));
    let [etzpc] = model.guards.as_slice() else { panic!("{:?}", model.guards) };
    let mode = |name: &str| {
        let region = etzpc.regions.iter().find(|region| region.name == name).unwrap();
        let Access::Etzpc { mode, locked } = region.access else { panic!("{region:?}") };
        (region.number.unwrap(), mode, locked, region.range.clone())
    };
    assert_eq!(mode("SRAM3"), (82, EtzpcMode::NonSecure, false, 0x1004_0000..0x1005_0000));
    assert_eq!(mode("RETRAM"), (84, EtzpcMode::NonSecure, false, 0x3800_0000..0x3801_0000));
    assert_eq!(mode("WWDG1"), (26, EtzpcMode::Isolated, false, 0..0));
    assert_eq!(mode("number 2"), (2, EtzpcMode::Secure, true, 0..0));
    assert_eq!(mode("number 10"), (10, EtzpcMode::NonSecureRead, true, 0..0));
}

#[test]
fn processors_have_their_memory_at_both_addresses() {
    let model = SecureModel::of(&secure("stm32mp157f-dk2"));
    let m4 = model.processor(0).unwrap();
    let retram = &m4.regions[0];
    assert_eq!((retram.region.name.as_str(), retram.usage), ("retram", RegionUse::Firmware));
    assert_eq!(retram.device, [0, 0x3800_0000]);
    assert_eq!(m4.regions[1].device, [0x1000_0000, 0x3000_0000]);
    assert_eq!(m4.watchdogs, ["/soc/watchdog@4000a000"]);
    let watchdog = model.blocks(BlockKind::Wwdg).next().unwrap();
    assert_eq!((watchdog.name.as_str(), watchdog.interrupts.as_slice()), ("WWDG1", &[143][..]));
    assert_eq!(m4.resets.iter().map(|reset| reset.arguments[0]).collect::<Vec<_>>(), [8225, 2144]);
    let m0 = ev1();
    let m0 = m0.processor(2).unwrap();
    assert_eq!(m0.regions[0].device, [0x200c_0000]);
    assert_eq!((m0.normal, m0.secure, m0.resets.len()), (false, true, 1));
}

#[test]
fn fifteen_regions_are_all_that_risaf4_has() {
    let region = |n: usize| {
        let address = 0x8130_0000 + n * 0x1000;
        format!(
            "x{n}: x{n}@{address:x} {{ reg = <0x0 0x{address:x} 0x0 0x1000>; no-map; st,protreg = <0x0707001{n:x}>; }};\n"
        )
    };
    let with = |extra: usize| {
        let regions: String = (0..extra).map(region).collect();
        let list: String = (0..extra).map(|n| format!("<&x{n}>, ")).collect();
        let source = SOURCE.replacen("\t\tspare1:", &format!("{regions}\t\tspare1:"), 1);
        let source =
            source.replacen("memory-region = <&tfm_code>", &format!("memory-region = {list}<&tfm_code>"), 1);
        let source = source.replacen("<&spare1>, ", "", 1);
        let blob = compile(&source);
        if blob.is_none() {
            eprintln!("SKIPPED: dtc is not installed, the limit was not tried");
        }
        blob.map(|blob| SecureModel::of(&Tree::parse(&blob).unwrap()))
    };
    let Some(model) = with(8) else { return };
    let text = model.errors().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    for word in [
        "needs 16 regions of RISAF4, which has 15",
        "ipc-shmem",
        "x7",
        "merge",
        "one region, which Linux splits",
    ] {
        assert!(text.contains(word), "{word}: {text}");
    }
    // One fewer fits, though numbers collide here.
    let Some(model) = with(7) else { return };
    assert!(!model.errors().any(|finding| matches!(finding.problem, Problem::TooManyRegions { .. })));
}

#[test]
fn regions_of_a_guard_are_checked() {
    let Some(model) = changed("st,protreg = <0x07070014>", "st,protreg = <0x07070012>") else { return };
    assert_error(
        &model,
        |problem| matches!(problem, Problem::Duplicate { what, .. } if what == "region 2 of RISAF4"),
    );
    let Some(model) = changed("st,protreg = <0x07070014>", "st,protreg = <0x07070010>") else { return };
    assert_error(&model, |problem| matches!(problem, Problem::Value { found, .. } if found == "0"));
    let Some(model) = changed("\t\t\tst,protreg = <0x07070014>; /* region 4: CID 0, 1, 2 */\n", "") else {
        return;
    };
    assert_error(
        &model,
        |problem| matches!(problem, Problem::Missing { expected } if expected.contains("RISAF4")),
    );
    let Some(model) = changed("<&cm33_sram2>;", "<&ipc_shmem>;") else { return };
    assert_error(
        &model,
        |problem| matches!(problem, Problem::Outside { bounds, .. } if bounds.contains("RISAB4")),
    );
    let Some(model) = changed("0x0 0x80100000 0x0 0x800000", "0x0 0x80100200 0x0 0x7ffe00") else { return };
    assert_error(
        &model,
        |problem| matches!(problem, Problem::Value { expected, .. } if expected.contains("4 KiB")),
    );
    let Some(model) = changed("0x0 0x81200000 0x0 0x100000", "0x0 0x81200000 0x0 0x101000") else { return };
    assert_error(&model, |problem| matches!(problem, Problem::Overlap { .. }));
}

#[test]
fn memory_that_a_processor_does_not_see_is_refused() {
    let Some(model) = changed(
        "<0x80000000 0x0 0x80000000 0x40000000>;\n\n\t\t/* Held",
        "<0x80000000 0x0 0x80000000 0x1000000>;\n\n\t\t/* Held",
    ) else {
        return;
    };
    assert_error(
        &model,
        |problem| matches!(problem, Problem::Outside { what, bounds, .. } if what.starts_with("ipc-shmem") && bounds.contains("dma-ranges")),
    );
}

#[test]
fn a_tree_says_where_word_of_a_processor_is_left_and_whether_it_may_run_before_the_tee() {
    let tree = secure("stm32mp157f-dk2");
    let m4 = "/ahb@10000000/m4@10000000";
    let word = |register| Some(BootWord { register, mask: u32::MAX });
    let with = |property: &str, value: Option<&[u8]>| {
        SecureModel::of(&tree.with_property(m4, property, value).unwrap())
    };
    let found = |model: &SecureModel| {
        let m4 = model.processor(0).unwrap();
        (m4.started_before_tee, m4.table_word, m4.state_word)
    };
    let words = (word(0x5c00_a144), word(0x5c00_a148));
    assert_eq!(found(&SecureModel::of(&tree)), (false, words.0, words.1));
    let model = with("st,started-before-tee", Some(&[]));
    assert_eq!((found(&model), model.findings), ((true, words.0, words.1), Vec::new()));
    let m33 = ev1();
    let m33 = m33.processor(1).unwrap();
    assert_eq!((m33.table_word, m33.state_word), (word(0x4601_0144), None));

    // Nothing but its state says that a Cortex-M4 runs.
    let told = tree.with_property(m4, "st,started-before-tee", Some(&[])).unwrap();
    let model = SecureModel::of(&told.with_property(m4, "st,syscfg-m4-state", None).unwrap());
    assert_error(
        &model,
        |problem| matches!(problem, Problem::Missing { expected } if expected.contains("state")),
    );
    let field = tree.node(m4).unwrap().raw("st,syscfg-rsc-tbl").unwrap();
    let odd = [&field[..4], &[0, 0, 1, 0x45], &field[8..]].concat();
    let model = with("st,syscfg-rsc-tbl", Some(&odd));
    assert_error(
        &model,
        |problem| matches!(problem, Problem::Value { found, .. } if found.contains("0x145")),
    );
    assert_eq!(found(&model).1, None);
    let model = with("st,syscfg-rsc-tbl", Some(&field[..8]));
    assert_error(&model, |problem| matches!(problem, Problem::Length { .. }));
}

#[test]
fn what_is_switched_off_is_not_there() {
    let Some(model) = changed("label = \"IPCC2\";", "label = \"IPCC2\"; status = \"disabled\";") else {
        return;
    };
    assert_eq!(model.blocks(BlockKind::Mailbox).count(), 1);
    let off = "label = \"IPCC2\"; status = \"okay\"; secure-status = \"disabled\";";
    let Some(model) = changed("label = \"IPCC2\";", off) else { return };
    assert_eq!(model.blocks(BlockKind::Mailbox).count(), 1);
}
