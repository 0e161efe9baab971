//! `rproc board serve` from outside: how it starts, waits and ends.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "helpers of tests, which clippy does not take for tests")]

mod common;

use std::os::unix::net::UnixListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::{Folder, Run, replaced, switched_off, tree};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const LIMIT: Duration = Duration::from_secs(20);

/// A server that is ready.
fn serve(folder: &Folder) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rproc"));
    command
        .args(["board", "serve", "--socket"])
        .arg(folder.path("sock"))
        .arg("--log")
        .arg(folder.path("log"));
    let child = command.stderr(Stdio::piped()).spawn().unwrap();
    let began = Instant::now();
    while std::fs::read_to_string(folder.path("log")).map_or(true, |log| !log.contains("listening")) {
        assert!(began.elapsed() < LIMIT, "it does not listen");
        std::thread::sleep(Duration::from_millis(5));
    }
    child
}

fn end(mut child: Child) -> Run {
    let began = Instant::now();
    while child.try_wait().unwrap().is_none() {
        assert!(began.elapsed() < LIMIT, "it does not end");
        std::thread::sleep(Duration::from_millis(5));
    }
    Run::of(child.wait_with_output().unwrap())
}

#[test]
fn a_signal_ends_it_and_takes_the_socket_away() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let folder = Folder::new();
        let child = serve(&folder);
        assert!(folder.path("sock").exists());
        kill(Pid::from_raw(child.id() as i32), signal).unwrap();
        let run = end(child);
        assert_eq!((run.code, run.stderr.as_str()), (0, ""));
        assert!(!folder.path("sock").exists());
        let log = String::from_utf8(folder.read("log")).unwrap();
        let last: serde_json::Value = serde_json::from_str(log.lines().last().unwrap()).unwrap();
        assert_eq!((&last["event"], &last["exit_code"]), (&"finished".into(), &0.into()), "{log}");
    }
}

#[test]
fn it_says_why_it_cannot_listen_and_what_to_do() {
    let folder = Folder::new();
    folder.write("file", b"precious");
    let run = folder.rproc("board serve --socket file --wait 1s");
    assert_eq!(run.code, 1);
    assert!(run.stderr.contains("is no socket: remove it, or use another path"), "{}", run.stderr);
    assert_eq!(folder.read("file"), b"precious");
    let _other = UnixListener::bind(folder.path("taken")).unwrap();
    let run = folder.rproc("board serve --socket taken --wait 1s");
    assert!(run.code == 1 && run.stderr.contains("another process that listens there"), "{}", run.stderr);
    let run = folder.rproc("board serve --socket nowhere/sock");
    assert!(run.code == 1 && run.stderr.contains("cannot listen at nowhere/sock"), "{}", run.stderr);
}

#[test]
fn a_failure_is_told_once() {
    let folder = Folder::new();
    let run = folder.rproc("board serve --socket sock --wait 50ms");
    assert_eq!(run.code, 1);
    assert_eq!(run.stderr.matches("no machine attached").count(), 1, "{}", run.stderr);
    assert!(run.stderr.contains("waits for a machine at sock"), "{}", run.stderr);
}

#[test]
fn a_log_that_takes_no_more_is_told_and_its_events_with_it() {
    let folder = Folder::new();
    let run = folder.rproc("board serve --socket sock --wait 50ms --log /dev/full");
    assert_eq!(run.code, 1);
    for told in
        ["the log ends here: cannot write /dev/full", "waits for a machine at sock", "no machine attached"]
    {
        assert_eq!(run.stderr.matches(told).count(), 1, "{told}: {}", run.stderr);
    }
}

#[test]
fn showing_a_board_finds_what_the_doctor_finds() {
    let folder = Folder::new();
    let linux = tree("stm32mp257f-ev1", "linux");
    folder.write("off.dtb", &switched_off(&linux, "mailbox@40490000"));
    let service = b"rproc-service-80a4c275";
    folder.write("name.dtb", &replaced(&linux, service, b"rproc-sarvice-80a4c275"));
    for (file, told) in [
        ("off.dtb", "`mboxes` is /soc@0/mailbox@40490000, which is switched off"),
        ("name.dtb", "property `compatible` is `rproc-sarvice-80a4c275"),
    ] {
        let run = folder.rproc(&format!("board show stm32mp257f-ev1 --linux-tree {file}"));
        assert!(run.code == 1 && run.stdout.contains(told), "{file}: {}", run.stdout);
    }
}

#[test]
fn findings_in_json_are_sentences() {
    let folder = Folder::new();
    let tree = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cmd/board.in/contradiction.dtb");
    let run = folder.rproc(&format!("board show stm32mp215f-dk --linux-tree {tree} --json"));
    let report: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    let findings = report["findings"].as_array().unwrap();
    assert!(run.code == 1 && findings.len() == 4, "{}", run.stdout);
    for finding in findings {
        assert!(finding["error"] == true && finding["text"].as_str().unwrap().starts_with('/'), "{finding}");
    }
}

#[test]
fn waiting_ends_when_it_is_told_to() {
    let folder = Folder::new();
    drop(UnixListener::bind(folder.path("sock")).unwrap());
    let run = folder.rproc("board serve --socket sock --wait 200ms --log -");
    assert_eq!(run.code, 1);
    assert!(run.stderr.contains("no machine attached the board within 0.2 s"), "{}", run.stderr);
    assert!(run.stderr.contains("vfio-user-pci"), "{}", run.stderr);
    assert_eq!(run.stdout.lines().count(), 2, "{}", run.stdout);
    assert!(!folder.path("sock").exists(), "a socket left behind was replaced, and removed");
}
