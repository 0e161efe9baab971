//! `rproc doctor`: every presence of the service and every owner has a definite outcome, with its reason.
#![allow(clippy::unwrap_used, reason = "helpers of tests, which clippy does not take for tests")]

mod common;

use common::{Folder, replaced, switched_off, tree};
use serde_json::Value;

/// The report, and the exit code.
fn doctor(folder: &Folder, arguments: &str) -> (Value, i32) {
    let run = folder.rproc(&format!("doctor --json {arguments}"));
    assert!(run.stderr.is_empty(), "{arguments}: {}", run.stderr);
    (serde_json::from_str(&run.stdout).unwrap(), run.code)
}

fn names(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|one| one["problem"].as_str().unwrap()).collect()
}

#[test]
fn a_service_at_once_late_or_absent_has_a_definite_outcome() {
    let folder = Folder::new();
    const WAITS: &str = "service-waits-for-supplicant";
    // Moment of the verdict, verdict, what is missing, what passed, exit code.
    type Outcome = (f64, &'static str, &'static [&'static str], &'static [&'static str], i32);
    let outcomes: [(&str, Outcome); 7] = [
        ("", (0.0, "ready", &[], &[], 0)),
        ("--no-supplicant", (0.0, "ready", &[], &[], 0)),
        ("--service late", (2.0, "ready", &[], &[WAITS], 0)),
        ("--service late --no-supplicant", (10.0, "never", &[WAITS], &[], 2)),
        ("--service late --wait 1s", (1.0, "never", &[WAITS], &[], 2)),
        ("--service absent", (2.0, "never", &["service-absent"], &[WAITS], 2)),
        ("--service absent --no-supplicant", (10.0, "never", &[WAITS], &[], 2)),
    ];
    for (arguments, (now, verdict, missing, passed, code)) in outcomes {
        let (report, exit) = doctor(&folder, &format!("--board stm32mp215f-dk {arguments}"));
        let m33 = &report["processors"][0];
        assert_eq!(
            (report["now"].as_f64().unwrap(), m33["verdict"].as_str().unwrap(), exit),
            (now, verdict, code),
            "{arguments}"
        );
        assert_eq!((names(&m33["missing"]), names(&m33["passed"])), (missing.to_vec(), passed.to_vec()));
        for one in m33["missing"].as_array().unwrap() {
            let absent = one["problem"] == "service-absent";
            assert_eq!((&one["given_up"], &one["may_pass"]), (&Value::from(!absent), &Value::from(!absent)));
            assert_eq!(one["since"], if absent { 2.0 } else { 0.0 }, "{arguments}");
            assert!(!one["sentence"].as_str().unwrap().is_empty() && one["next_step"].is_string());
        }
        for one in m33["passed"].as_array().unwrap() {
            assert_eq!((&one["since"], &one["until"]), (&Value::from(0.0), &Value::from(2.0)));
        }
    }
}

#[test]
fn the_owner_decides_which_node_counts_and_whether_the_service_matters() {
    let folder = Folder::new();
    for (owner, told, node, verdict) in [
        ("tee", "tee", "/firmware/optee/rproc-service@0/m33@1", "never"),
        ("linux", "linux", "/ahb@a040000/m33@a041000", "ready"),
        ("both", "linux", "/ahb@a040000/m33@a041000", "ready"),
        ("m33=nobody", "nobody", "/firmware/optee/rproc-service@0/m33@1", "never"),
    ] {
        let (report, _) = doctor(
            &folder,
            &format!("--board stm32mp257f-ev1 --service absent --no-supplicant --wait 1s --owner {owner}"),
        );
        let m33 = &report["processors"][0];
        let found = ["processor", "owner", "node", "verdict"].map(|field| m33[field].as_str().unwrap());
        assert_eq!(found, ["m33", told, node, verdict], "{owner}");
    }
}

#[test]
fn linux_is_given_no_processor_that_it_cannot_start() {
    let folder = Folder::new();
    for owner in ["m0=linux", "m0=both"] {
        let (report, code) = doctor(&folder, &format!("--board stm32mp257f-ev1 --owner {owner}"));
        let [m33, m0] = [0, 1].map(|place| &report["processors"][place]);
        assert_eq!((&m33["verdict"], &m0["verdict"], code), (&"ready".into(), &"never".into(), 2));
        assert_eq!(names(&m0["missing"]), ["linux-cannot-start"], "{owner}");
    }
}

#[test]
fn what_nobody_owns_is_told_with_its_nodes() {
    let folder = Folder::new();
    let sentence = |options: &str| {
        let (report, _) = doctor(&folder, &format!("--board stm32mp257f-ev1 {options}"));
        let missing = &report["processors"][0]["missing"];
        assert_eq!(names(missing).last(), Some(&"no-owner"), "{missing}");
        missing.to_string()
    };
    let both = "/firmware/optee/rproc-service@0/m33@1, /ahb@a040000/m33@a041000";
    let nobody = sentence("--owner m33=nobody");
    assert!(nobody.contains(both) && nobody.contains("and so has the secure tree"), "{nobody}");
    folder.write("off.dtb", &switched_off(&tree("stm32mp257f-ev1", "linux"), "rproc-service@0"));
    let one_sided = sentence("--linux-tree off.dtb");
    assert!(one_sided.contains(both) && one_sided.contains("keeps it for the TEE"), "{one_sided}");
}

#[test]
fn a_provider_that_linuxs_tree_switches_off_is_missing() {
    let folder = Folder::new();
    let linux = tree("stm32mp257f-ev1", "linux");
    folder.write("secure.dtb", &tree("stm32mp257f-ev1", "secure"));
    // Which node, the owners, the processor that lacks something, and what.
    for (node, owner, place, kind) in [
        ("mailbox@40490000", "tee", 0, "mailbox `vq0, vq1, shutdown`"),
        ("mailbox@46250000", "tee", 1, "mailbox `shutdown`"),
        ("clock-controller@44200000", "tee", 1, "clock `"),
        ("scmi", "tee", 1, "clock `"),
        ("scmi", "m33=linux", 0, "reset `mcu_rst, hold_boot`"),
        ("psci", "tee", 0, "power domain `"),
        ("soc@0", "tee", 0, "mailbox `vq0, vq1, shutdown`"),
    ] {
        folder.write("linux.dtb", &switched_off(&linux, node));
        for trees in [
            "--board stm32mp257f-ev1 --linux-tree linux.dtb",
            "--linux-tree linux.dtb --secure-tree secure.dtb",
        ] {
            let (report, code) = doctor(&folder, &format!("{trees} --owner {owner}"));
            let missing = &report["processors"][place]["missing"];
            assert!(code == 2 && names(missing).contains(&"provider-missing"), "{node}: {report}");
            assert!(missing.to_string().contains(kind), "{node}: {missing}");
        }
    }
    // No driver knows this one.
    folder.write("linux.dtb", &replaced(&linux, b"st,stm32mp25-rcc", b"st,stm32mp25-rrc"));
    let (report, code) = doctor(&folder, "--board stm32mp257f-ev1 --linux-tree linux.dtb");
    assert_eq!((names(&report["processors"][1]["missing"]), code), (vec!["provider-missing"], 2));
}

#[test]
fn a_service_that_linux_would_not_find_is_told() {
    let folder = Folder::new();
    let linux = tree("stm32mp257f-ev1", "linux");
    let service = b"rproc-service-80a4c275-0a47-4905-8285-1486a9771a08";
    for wrong in [
        b"rproc-service-80a4c275-0a47-4905-8285-1486a9771a09",
        b"rproc-sarvice-80a4c275-0a47-4905-8285-1486a9771a08",
        b"rproc-service-80a4c275-0a47-4905-8285-1486a9771aO8",
    ] {
        folder.write("linux.dtb", &replaced(&linux, service, wrong));
        let (report, code) = doctor(&folder, "--board stm32mp257f-ev1 --linux-tree linux.dtb");
        let wrong = str::from_utf8(wrong).unwrap();
        for m in [0, 1].map(|place| &report["processors"][place]["missing"]) {
            assert!(code == 2 && names(m).contains(&"tree-error"), "{wrong}: {m}");
            assert!(m.to_string().contains(&format!("property `compatible` is `{wrong}`")), "{wrong}: {m}");
        }
    }
}

#[test]
fn options_that_would_change_nothing_are_refused() {
    let folder = Folder::new();
    folder.write("linux.dtb", &tree("stm32mp257f-ev1", "linux"));
    folder.write("secure.dtb", &tree("stm32mp257f-ev1", "secure"));
    let both = "--linux-tree linux.dtb --secure-tree secure.dtb";
    for (arguments, says) in [
        ("doctor --board stm32mp257f-ev1 --device /dev/tee0".to_owned(), "--device is of this machine"),
        (format!("doctor {both} --device /dev/tee0"), "--device is of this machine"),
        (format!("doctor --board stm32mp257f-ev1 {both}"), "both trees are given"),
        (format!("board show stm32mp257f-ev1 {both}"), "both trees are given"),
    ] {
        let run = folder.rproc(&arguments);
        assert!(run.code == 1 && run.stderr.contains(says), "{arguments}: {}", run.stderr);
    }
}

#[test]
fn contradictions_and_errors_of_the_trees_are_told() {
    let folder = Folder::new();
    let board = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cmd/board.in/");
    let (report, code) =
        doctor(&folder, &format!("--board stm32mp215f-dk --linux-tree {board}contradiction.dtb"));
    let missing = &report["processors"][0]["missing"];
    assert!(names(missing).iter().all(|name| *name == "tree-error") && code == 2, "{missing}");
    assert!(missing.to_string().contains("would both drive one processor"), "{missing}");
}

#[test]
fn firmware_is_looked_for_in_the_folder() {
    let folder = Folder::new();
    std::fs::create_dir(folder.path("fw")).unwrap();
    let ask = |options: &str| doctor(&folder, &format!("--board stm32mp215f-dk --firmware fw {options}"));
    let (report, code) = ask("--wait 3s");
    assert_eq!((names(&report["processors"][0]["missing"]), code), (vec!["firmware-missing"], 2));
    assert_eq!(report["now"], 3.0);
    let step = report["processors"][0]["missing"][0]["next_step"].as_str().unwrap();
    assert!(step.starts_with("put it to fw/rproc-m33-fw.sign"), "{step}");
    folder.write("fw/rproc-m33-fw.sign", b"");
    assert_eq!(ask("").1, 0);
}

/// This machine, with a board's tree in place of its own: whatever it is, it has no TEE there.
#[cfg(target_os = "linux")]
#[test]
fn a_machine_without_a_tee_is_told_so() {
    let folder = Folder::new();
    let trees = concat!(env!("CARGO_MANIFEST_DIR"), "/../bindings/boards/stm32mp257f-ev1/");
    std::fs::create_dir(folder.path("fw")).unwrap();
    folder.write("fw/rproc-m0-fw.xz", b"");
    let (report, code) =
        doctor(&folder, &format!("--linux-tree {trees}linux.dtb --device /no/such/tee0 --firmware fw"));
    let [m33, m0] = [0, 1].map(|place| names(&report["processors"][place]["missing"]));
    assert_eq!((m33.first(), m33.last(), code), (Some(&"no-tee"), Some(&"firmware-missing"), 2));
    assert_eq!((m0.first(), m0.contains(&"firmware-missing")), (Some(&"no-tee"), false));
    assert_eq!(report["processors"][0]["verdict"], "never");
}
