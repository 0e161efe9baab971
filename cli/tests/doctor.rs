//! `rproc doctor`: every presence of the service and every owner has a definite outcome, with its reason.
#![allow(clippy::unwrap_used, reason = "helpers of tests, which clippy does not take for tests")]

mod common;

use common::Folder;
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
