//! `rproc run` as people and scripts see it: timeline, JSON lines, exit codes.
#![allow(clippy::unwrap_used, reason = "helpers of tests, which clippy does not take for tests")]

mod common;

use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value;

fn rproc(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_rproc")).args(arguments).output().unwrap()
}

fn firmware(name: &str) -> String {
    format!("{}/../firmware/elf/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The events of a run, and its exit code.
fn events(arguments: &[&str]) -> (Vec<Value>, i32) {
    let output = rproc(&[&["run", "--json"], arguments].concat());
    let lines = text(&output.stdout);
    let events: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for event in &events {
        assert!(event["event"].is_string() && event["at_us"].is_u64(), "{event}");
    }
    assert_eq!(events.last().unwrap()["event"], "finished", "{}", text(&output.stderr));
    let code = output.status.code().unwrap();
    assert_eq!(events.last().unwrap()["exit_code"], code);
    (events, code)
}

fn of<'e>(events: &'e [Value], kind: &str) -> Vec<&'e Value> {
    events.iter().filter(|event| event["event"] == kind).collect()
}

#[test]
fn without_arguments_the_sample_boots_answers_and_leaves_nothing_behind() {
    let (events, code) = events(&[]);
    assert_eq!(code, 0);
    let order = [
        "signed_in_memory",
        "device_tree",
        "service",
        "authenticated",
        "firewall_closed",
        "segment",
        "resource_table",
        "vring",
        "released",
        "channel",
        "rpmsg",
        "stopped",
        "wiped",
        "finished",
    ];
    let places: Vec<usize> = order
        .iter()
        .map(|kind| events.iter().position(|event| event["event"] == *kind).expect(kind))
        .collect();
    assert!(places.is_sorted(), "{events:#?}");
    let messages = of(&events, "rpmsg");
    assert_eq!(messages[0]["direction"], "sent");
    assert_eq!(messages[1]["direction"], "received");
    assert_eq!(messages[0]["text"], messages[1]["text"]);
    assert_eq!(messages[0]["channel"], "rproc-echo");
    assert_eq!(of(&events, "authenticated")[0]["not_authenticated"], serde_json::json!([]));
}

#[test]
fn every_processor_of_every_board_has_a_sample() {
    let list = rproc(&["board", "list", "--json"]);
    let list: Value = serde_json::from_slice(&list.stdout).unwrap();
    for board in list.as_array().unwrap() {
        let name = board["board"].as_str().unwrap();
        for core in board["processors"].as_array().unwrap() {
            let core = core["name"].as_str().unwrap();
            let (told, code) = events(&["--board", name, "--core", core, "--timeout", "20ms"]);
            assert_eq!((code, of(&told, "released").len()), (0, 1), "{name}, {core}");
            let answers = of(&told, "rpmsg").iter().filter(|one| one["direction"] == "received").count();
            assert_eq!(answers, usize::from(core != "m0"), "{name}, {core}: {told:?}");
        }
    }
}

#[test]
fn the_same_run_twice_gives_the_same_timeline() {
    let arguments = ["run", "--send", "a", "--send", "b", "--expect", "b"];
    let (first, second) = (rproc(&arguments), rproc(&arguments));
    assert_eq!(text(&first.stdout), text(&second.stdout));
    assert!(first.status.success());
}

#[test]
fn every_message_is_sent_and_every_expectation_must_be_met() {
    let c = firmware("echo-c.elf");
    let (events, code) =
        events(&[&c, "--send", "one", "--send", "zwei", "--expect", "zwei", "--expect", "on"]);
    assert_eq!((code, of(&events, "rpmsg").len(), of(&events, "expected").len()), (0, 4, 2));

    let (events, code) = self::events(&["--send", "one", "--expect", "two", "--timeout", "50ms"]);
    assert_eq!(code, 3);
    let reason = events.last().unwrap()["reason"].as_str().unwrap();
    assert_eq!(reason, "the firmware did not say \"two\" within 50ms");
    // What was loaded is gone even so.
    assert_eq!(of(&events, "wiped").len(), 1);
}

/// The stored `echo-c.elf` is tested above; where there is a compiler, so is what its source gives today.
#[test]
fn c_firmware_built_here_and_now_boots_and_answers() {
    let folder = Folder::new();
    let elf = folder.file("echo-c.elf");
    let source = format!("{}/../firmware/echo-c", env!("CARGO_MANIFEST_DIR"));
    let mut compiler = Command::new("arm-none-eabi-gcc");
    compiler.current_dir(source).args(["@gcc.options", "-o", &elf]);
    let Ok(built) = compiler.output() else {
        eprintln!(
            "SKIPPED: arm-none-eabi-gcc (Debian: gcc-arm-none-eabi) is not installed, so no C firmware was built"
        );
        return;
    };
    assert!(built.status.success(), "{}", text(&built.stderr));
    let (events, code) = events(&[&elf, "--send", "from C", "--expect", "from C"]);
    assert_eq!(code, 0);
    assert_eq!(of(&events, "channel")[0]["channel"], "rproc-echo-c");
}

#[test]
fn firmware_that_fails_gives_3_and_says_how() {
    for (name, what) in [("fault.elf", "HardFault"), ("lockup.elf", "lock")] {
        let (events, code) = events(&[&firmware(name)]);
        assert_eq!(code, 3, "{name}");
        let crash = of(&events, "crashed");
        assert!(crash[0]["reason"].as_str().unwrap().contains(what), "{name}: {crash:?}");
        assert_eq!(of(&events, "wiped").len(), 1);
    }
    let (events, code) = events(&[&firmware("hang.elf"), "--send", "hello", "--timeout", "100ms"]);
    assert_eq!(code, 3);
    let reason = events.last().unwrap()["reason"].as_str().unwrap();
    assert_eq!(reason, "the firmware announced no channel within 100ms");
}

#[test]
fn time_is_virtual_and_endless_computing_has_a_limit_of_its_own() {
    // Sleeping costs next to nothing, however long.
    let (events, code) = events(&[&firmware("echo-m33.elf"), "--timeout", "10m"]);
    assert_eq!(code, 0);
    assert!(events.last().unwrap()["at_us"].as_u64().unwrap() >= 600_000_000);

    // Less than a millisecond is less than a millisecond, and not nothing.
    let (events, code) = self::events(&["--timeout", "200us", "--send", "a", "--expect", "a"]);
    assert_eq!(code, 0, "{events:?}");

    let (events, code) = self::events(&["--instructions", "100", "--send", "a", "--expect", "a"]);
    assert_eq!(code, 3);
    let reason = events.last().unwrap()["reason"].as_str().unwrap();
    assert!(reason.starts_with("stopped after 100 instructions"), "{reason}");
    assert_eq!(of(&events, "wiped").len(), 1);
}

#[test]
fn a_program_that_reads_json_always_learns_the_end() {
    let folder = Folder::new();
    let (short, big) = (folder.file("short.elf"), folder.file("big"));
    std::fs::write(&short, &std::fs::read(firmware("echo-m33.elf")).unwrap()[..100]).unwrap();
    std::fs::File::create(&big).unwrap().set_len(1 << 30).unwrap();
    for (arguments, code, outcome) in [
        (&[&short[..]][..], 2, "refused"),
        (&["/no/such/file"], 1, "error"),
        (&["--core", "m7"], 1, "error"),
        (&[&big], 1, "error"),
    ] {
        let (events, found) = events(arguments);
        assert_eq!(
            (found, &events.last().unwrap()["outcome"]),
            (code, &Value::from(outcome)),
            "{arguments:?}"
        );
        assert_eq!(of(&events, "refused").len(), usize::from(code == 2));
    }
}

#[test]
fn memory_of_linux_is_closed_to_firmware() {
    let (events, _) = events(&[&firmware("forbidden.elf"), "--timeout", "10ms"]);
    let refused = of(&events, "illegal_access");
    assert_eq!(refused.len(), 3);
    assert!(refused.iter().all(|access| access["address"] == 0x8400_0000u32));
    assert!(
        of(&events, "trace")
            .iter()
            .any(|line| { line["line"].as_str().unwrap().contains("3 of 3 accesses refused") })
    );
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    fn key(&self, name: &str, kind: &str) -> String {
        let path = self.file(name);
        assert!(rproc(&["keys", "new", &path, "--type", kind]).status.success());
        path
    }
}

#[test]
fn a_signed_file_is_used_as_it_is_and_the_key_must_be_the_trusted_one() {
    let folder = Folder::new();
    let (good, other) = (folder.key("good.pem", "rsa2048"), folder.key("other.pem", "p256"));
    let signed = folder.file("echo.signed");
    let echo = firmware("echo-m33.elf");
    let target = ["--target", "stm32mp257:m33"];
    let sign = ["sign", &echo, "-o", &signed, "--key", &good];
    assert!(rproc(&[&sign[..], &target].concat()).status.success());

    let (events, code) =
        events(&[&signed, "--key", &good, "--policy", "strict", "--send", "x", "--expect", "x"]);
    assert_eq!(code, 0);
    assert!(of(&events, "signed_in_memory").is_empty());

    for arguments in [&[&signed[..], "--key", &other][..], &[&signed]] {
        let (events, code) = self::events(arguments);
        let refused = of(&events, "refused");
        assert_eq!(code, 2);
        assert_eq!(refused[0]["reason"], "untrusted-key");
        assert_eq!(refused[0]["tee_result"], "TEE_ERROR_SIGNATURE_INVALID");
        assert!(refused[0]["expected"].is_string() && refused[0]["next_step"].is_string());
        assert!(of(&events, "released").is_empty());
    }
}

#[test]
fn what_an_image_leaves_open_is_reported_or_refused() {
    let folder = Folder::new();
    let (key, signed) = (folder.key("key.pem", "p256"), folder.file("plain.signed"));
    let echo = firmware("echo-m33.elf");
    let sign = ["sign", &echo, "-o", &signed, "--key", &key, "--plain", "--boot-address", "0x80100000"];
    assert!(rproc(&sign).status.success());

    let (events, code) = events(&[&signed, "--key", &key, "--send", "x", "--expect", "x"]);
    assert_eq!(code, 0);
    let open = &of(&events, "authenticated")[0]["not_authenticated"];
    assert_eq!(open.as_array().unwrap().len(), 4);
    assert_eq!(of(&events, "resource_table")[0]["derived"], true);

    let (events, code) = self::events(&[&signed, "--key", &key, "--policy", "strict"]);
    assert_eq!((code, &of(&events, "refused")[0]["reason"]), (2, &Value::from("not-bound")));
}

#[test]
fn wrong_usage_gives_1_and_one_error() {
    for (arguments, says) in [
        (&["run", "/no/such/file"][..], "cannot read /no/such/file"),
        (&["run", "--board", "nonsuch"], "there is no board"),
        (&["run", "--core", "m7"], "it has: m33 (1), m0 (2)"),
        (&["run", "--owner", "linux", "--core", "m0"], "Linux cannot drive it"),
        (&["run", "--with", "m33"], "was given twice"),
        (&["run", "--with", "m0="], "no file behind the ="),
        (&["run", "--coredump", "x.elf"], "--recovery is off"),
        (&["run", "--instructions", "0"], "invalid value '0'"),
        (&["run", "--owner", "linux", "--key", "x"], "--key is the TEE's"),
        (&["run", "--owner", "linux", "--policy", "strict"], "--policy is the TEE's"),
        (
            &["run", "--owner", "linux", "--with", "m0", "--device-counter", "1"],
            "--device-counter is the TEE's",
        ),
        (&["run", "--timeout", "soon"], "is no time"),
        (&["run", "--send", &"x".repeat(497)], "at most 496 bytes"),
        (&["run", "--key", "/no/such/key"], "cannot read /no/such/key"),
    ] {
        let output = rproc(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(text(&output.stderr).contains(says), "{arguments:?}: {}", text(&output.stderr));
    }
}

#[test]
fn real_time_paces_the_run() {
    let start = std::time::Instant::now();
    let (_, code) = events(&["--real-time", &firmware("hang.elf"), "--timeout", "50ms"]);
    assert_eq!(code, 0);
    assert!(start.elapsed() >= std::time::Duration::from_millis(50));
}

#[test]
fn junk_is_refused_and_never_a_panic() {
    let folder = Folder::new();
    let elf = std::fs::read(firmware("echo-m33.elf")).unwrap();
    let junk: [(&str, Vec<u8>); 4] = [
        ("empty", Vec::new()),
        ("short.elf", elf[..20].to_vec()),
        ("cut.elf", elf[..elf.len() / 2].to_vec()),
        ("text", b"hello".to_vec()),
    ];
    for (name, content) in junk {
        let path = PathBuf::from(folder.file(name));
        std::fs::write(&path, content).unwrap();
        for owner in ["tee", "linux"] {
            let output = rproc(&["run", &path.display().to_string(), "--owner", owner]);
            assert_eq!(output.status.code(), Some(2), "{name}: {}", text(&output.stderr));
        }
    }
}

#[test]
fn an_elf_file_that_cannot_be_loaded_is_refused_alike_for_both_owners() {
    let folder = Folder::new();
    let mut files = common::elf_files();
    // e_type, at byte 16.
    for (name, kind) in [("relocatable.elf", 1), ("core.elf", 4), ("none.elf", 0)] {
        let mut bytes = common::app();
        bytes[16] = kind;
        files.push((name, bytes));
    }
    for (name, reason, words) in [
        ("riscv.elf", "unsupported-image", "riscv.elf cannot be loaded"),
        ("aarch64.elf", "unsupported-image", "aarch64.elf cannot be loaded"),
        ("relocatable.elf", "unsupported-image", "relocatable.elf cannot be loaded"),
        ("core.elf", "unsupported-image", "core.elf cannot be loaded"),
        ("none.elf", "unsupported-image", "none.elf cannot be loaded"),
        ("object.elf", "no-loadable-segment", "it may be an object file"),
        ("overlap.elf", "segment-overlap", "two segments are loaded to the same memory"),
        ("cut-segment.elf", "segment-outside-file", "the file is cut short or damaged"),
        ("bad-table.elf", "bad-resource-table", "entry 0 of the resource table"),
    ] {
        let path = folder.file(name);
        let content = &files.iter().find(|(one, _)| *one == name).unwrap().1;
        std::fs::write(&path, content).unwrap();
        let [tee, linux] = ["tee", "linux"].map(|owner| {
            let (told, code) = events(&[&path, "--owner", owner]);
            assert_eq!(code, 2, "{name}, {owner}");
            let refused = of(&told, "refused");
            assert_eq!(refused[0]["reason"], reason, "{name}, {owner}");
            assert!(refused[0]["sentence"].as_str().unwrap().contains(words), "{name}: {refused:?}");
            assert_eq!(told.len(), 2, "nothing was started: {told:?}");
            told
        });
        assert_eq!(tee, linux, "{name}");
    }
}

#[test]
fn an_image_older_than_what_the_device_has_run_is_refused() {
    let folder = Folder::new();
    let (key, signed) = (folder.key("key.pem", "p256"), folder.file("echo.signed"));
    let echo = firmware("echo-m33.elf");
    let sign = ["sign", &echo, "-o", &signed, "--key", &key, "--target", "stm32mp257:m33", "--counter", "7"];
    assert!(rproc(&sign).status.success());
    let run = |stored: &str| {
        events(&[&signed, "--key", &key, "--device-counter", stored, "--send", "x", "--expect", "x"])
    };
    for stored in ["0", "6", "7"] {
        assert_eq!(run(stored).1, 0, "{stored}");
    }
    let (told, code) = run("8");
    let refused = of(&told, "refused");
    assert_eq!((code, &refused[0]["reason"]), (2, &Value::from("rollback")));
    assert!(refused[0]["sentence"].as_str().unwrap().contains("lower than what this processor has"));
    assert!(of(&told, "released").is_empty());
    // What is signed in memory has 0.
    assert_eq!(events(&["--device-counter", "1"]).1, 2);
}

#[test]
fn what_is_said_while_stopping_is_said_too_late() {
    let (told, code) = events(&["--send", "x", "--expect", "shut down", "--timeout", "10ms"]);
    assert_eq!((code, of(&told, "expected").len()), (3, 0), "{told:?}");
    assert!(of(&told, "trace").iter().any(|line| line["line"] == "echo: shut down"));
}

#[test]
fn nothing_is_sent_to_firmware_without_channels() {
    let (told, code) = events(&["--core", "m0", "--send", "x"]);
    let reason = of(&told, "finished")[0]["reason"].as_str().unwrap();
    assert!(code == 3 && reason.contains("no resource table with a virtio device"), "{reason}");
    assert_eq!((of(&told, "stopped").len(), of(&told, "wiped").len()), (1, 1));
}

#[test]
fn nothing_is_signed_for_a_processor_that_is_not_there() {
    for arguments in [&["--core", "m7"][..], &["--with", "m33"]] {
        let (told, code) = events(arguments);
        assert_eq!((code, told.len()), (1, 1), "{told:?}");
    }
}

#[test]
fn two_processors_run_at_once_and_each_event_says_whose_it_is() {
    let (events, code) = events(&["--with", "m0", "--timeout", "300ms"]);
    assert_eq!(code, 0);
    let cores = |kind: &str| -> Vec<String> {
        of(&events, kind).iter().map(|event| event["core"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(cores("released"), ["m33", "m0"]);
    assert_eq!(cores("authenticated"), ["m33", "m0"]);
    assert_eq!(cores("stopped"), ["m0", "m33"]);
    assert_eq!(cores("rpmsg"), ["m33", "m33"]);
}

#[test]
fn a_crash_on_order_is_dumped_and_recovered_from() {
    let folder = tempfile::tempdir().unwrap();
    let core = folder.path().join("core.elf");
    let dump = core.to_str().unwrap();
    let others = ["stm32mp157f-dk2", "stm32mp215f-dk"].map(|name| ["--board", name]);
    for board in [&others[0][..], &others[1], &[], &["--owner", "linux"]] {
        let order = ["--crash-after", "20ms", "--recovery", "on", "--coredump", dump];
        let (events, code) = events(&[board, &order].concat());
        assert_eq!(code, 0, "{events:#?}");
        let kinds: Vec<&str> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
        let place = |kind: &str| kinds.iter().position(|one| *one == kind).expect(kind);
        let order = [place("crashed"), place("coredump"), place("recovered"), place("finished")];
        assert!(order.is_sorted(), "{kinds:?}");
        assert_eq!(of(&events, "crashed")[0]["kind"], "watchdog");
        let file = std::fs::read(&core).unwrap();
        assert_eq!(file.len() as u64, of(&events, "coredump")[0]["size"].as_u64().unwrap());
        assert!(file.starts_with(b"\x7fELF"));
        std::fs::remove_file(&core).unwrap();
    }
}

#[test]
fn a_second_life_must_prove_itself_as_the_first_did() {
    let crash = ["--crash-after", "20ms", "--recovery", "on", "--timeout", "200ms"];
    let run = |more: &[&str]| events(&[&[&*firmware("echo-m33.elf")], &crash[..], more].concat());
    let (told, code) = run(&["--send", "hi", "--expect", "hi", "--expect", "echo: ready"]);
    assert_eq!(code, 0, "{told:#?}");
    let of_each_life: Vec<&str> = told
        .iter()
        .filter_map(|event| match event["event"].as_str().unwrap() {
            "expected" => event["text"].as_str(),
            "recovered" => Some("recovered"),
            _ => None,
        })
        .collect();
    let [ready, hi] = ["echo: ready", "hi"];
    let (before, after) = of_each_life.split_at(2);
    assert!(before.contains(&ready) && before.contains(&hi), "{of_each_life:?}");
    assert!(after[0] == "recovered" && after.contains(&ready) && after.contains(&hi), "{of_each_life:?}");
    // Without questions it is what happens until the time-out that counts.
    let (told, code) = run(&[]);
    let finished = told.last().unwrap();
    assert!(code == 0 && finished["at_us"].as_u64() >= Some(200_000), "{finished}");
    assert!(finished["reason"].as_str().unwrap().contains("ran for"), "{finished}");
}

#[test]
fn without_recovery_an_ordered_crash_ends_the_run() {
    let (told, code) = events(&["--crash-after", "20ms"]);
    assert_eq!((code, of(&told, "crashed").len()), (3, 1));
    // Firmware that knows no order: what is told is a report, and says so.
    let (told, code) = events(&[&firmware("hang.elf"), "--crash-after", "10ms"]);
    assert_eq!(code, 3);
    assert!(of(&told, "crashed")[0]["reason"].as_str().unwrap().contains("--crash-after"));
}

#[test]
fn linux_loads_its_own_processor_unsigned_and_refuses_a_signed_file() {
    let (told, code) = events(&["--owner", "linux", "--board", "stm32mp157f-dk2"]);
    assert_eq!(code, 0, "{told:#?}");
    assert_eq!((of(&told, "loaded").len(), of(&told, "started").len()), (1, 1));
    assert!(of(&told, "authenticated").is_empty() && of(&told, "signed_in_memory").is_empty());
    assert_eq!(of(&told, "stopped")[0]["by"], "linux");
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    assert!(rproc(&["keys", "new", &path("k.pem"), "--type", "p256"]).status.success());
    let echo = firmware("echo-m33.elf");
    let sign =
        ["sign", &echo, "-o", &path("s.signed"), "--key", &path("k.pem"), "--target", "stm32mp257:m33"];
    assert!(rproc(&sign).status.success());
    let (told, code) = events(&[&path("s.signed"), "--owner", "linux"]);
    assert_eq!(code, 2);
    let reason = of(&told, "finished")[0]["reason"].as_str().unwrap();
    assert!(reason.contains("this is a signed image, and m33 is owned by Linux"), "{reason}");
}

#[test]
fn a_crash_while_it_is_stopped_is_a_failure() {
    // It answers, then does as it was told: by then the script is complete.
    let output = rproc(&["run", &firmware("obey-m33.elf"), "--send", "fault"]);
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("the firmware crashed"), "{said}");
}

#[test]
fn firmware_that_always_crashes_is_given_up() {
    let output = rproc(&["run", &firmware("lockup.elf"), "--recovery", "on"]);
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("crashes again and again"), "{said}");
}

#[test]
fn each_crash_has_its_core_file_and_a_failure_its_time() {
    let folder = Folder::new();
    let core = folder.file("core.elf");
    let crash = ["--recovery", "on", "--coredump", &core];
    let (told, code) = events(&[&[&firmware("lockup.elf")[..]], &crash[..]].concat());
    let dumps = of(&told, "coredump");
    assert!(code == 3 && dumps.len() > 2, "{told:?}");
    for (place, dump) in dumps.iter().enumerate() {
        let name = if place == 0 { core.clone() } else { folder.file(&format!("core-{}.elf", place + 1)) };
        assert_eq!(dump["file"], name);
        let file = std::fs::read(name).unwrap();
        assert_eq!(file.len() as u64, dump["size"].as_u64().unwrap());
        assert!(file.starts_with(b"\x7fELF"));
    }

    // The second file would be the firmware's own.
    let elf = folder.file("core-2.elf");
    std::fs::copy(firmware("lockup.elf"), &elf).unwrap();
    let (told, code) = events(&[&[&elf[..]], &crash[..]].concat());
    let end = told.last().unwrap();
    assert_eq!((code, &end["outcome"]), (1, &Value::from("error")));
    assert!(end["reason"].as_str().unwrap().contains("it is one of the input files"), "{end}");
    let crashed = of(&told, "crashed").last().unwrap()["at_us"].as_u64().unwrap();
    assert!(crashed > 0 && end["at_us"].as_u64().unwrap() >= crashed, "{end}");
}

#[test]
fn a_core_dump_replaces_no_input() {
    let folder = tempfile::tempdir().unwrap();
    let elf = folder.path().join("app.elf").display().to_string();
    std::fs::copy(firmware("echo-m33.elf"), &elf).unwrap();
    let before = std::fs::read(&elf).unwrap();
    let output = rproc(&["run", &elf, "--crash-after", "100ms", "--recovery", "on", "--coredump", &elf]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("it is one of the input files"));
    assert_eq!(std::fs::read(&elf).unwrap(), before);
}

#[test]
fn a_crash_is_ordered_before_the_time_is_out() {
    let output = rproc(&["run", "--crash-after", "10s"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("give a longer --timeout"));
}

#[test]
fn a_signal_ends_the_run_in_order() {
    use nix::sys::signal::{Signal, kill};
    use std::io::{BufRead as _, BufReader};
    use std::os::unix::process::ExitStatusExt as _;

    for signals in [&[Signal::SIGINT][..], &[Signal::SIGTERM], &[Signal::SIGINT, Signal::SIGTERM]] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rproc"));
        command.args(["run", "--json", "--expect", "nonsense", "--timeout", "1h", "--real-time"]);
        let mut child = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        assert!(lines.any(|line| line.contains("echo: ready")));
        for signal in signals {
            kill(nix::unistd::Pid::from_raw(child.id() as i32), *signal).unwrap();
        }
        let rest: Vec<Value> = lines.map(|line| serde_json::from_str(&line).unwrap()).collect();
        let last = rest.last().unwrap();
        assert_eq!(
            (&last["event"], &last["outcome"]),
            (&"finished".into(), &"interrupted".into()),
            "{signals:?}"
        );
        assert_eq!(of(&rest, "shutdown").len(), 1, "the firmware is asked to stop");
        // The last of several that the run has seen counts.
        let ended_by = child.wait().unwrap().signal().unwrap();
        let signal = signals.iter().find(|signal| **signal as i32 == ended_by).unwrap();
        assert_eq!(last["exit_code"], 128 + ended_by);
        assert_eq!(last["reason"], format!("ended by {}", signal.as_str()));
    }
}
