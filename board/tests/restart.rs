//! The Trusted Application ends while firmware is loaded or runs, and a new instance finds the platform as it was.

#![allow(clippy::unwrap_used, reason = "helpers of tests, which clippy does not take for tests")]

mod lab;

use lab::bench::{Bench, Bytes};
use lab::{elf, forge};
use rproc_abi::refusal::Reason;
use rproc_board::Initiator;
use rproc_service::Policy;

fn started() -> Bench {
    let mut bench = Bench::new(Policy::Strict);
    bench.load(Bytes::new(&forge::good())).unwrap();
    bench.start().unwrap();
    bench.restart_service();
    assert!(runs(&bench));
    bench
}

fn runs(bench: &Bench) -> bool {
    bench.board.port(Initiator::A35Secure).read32(lab::CPUBOOTCR).unwrap() & 1 == 1
}

fn load_again(bench: &mut Bench) {
    bench.load(Bytes::new(&forge::good())).unwrap();
    bench.start().unwrap();
    assert!(runs(bench));
}

#[test]
fn what_runs_is_not_loaded_over() {
    let mut bench = started();
    for _ in 0..2 {
        let refusal = bench.load(Bytes::new(&forge::good())).unwrap_err();
        assert_eq!(refusal.reason, Reason::StartedBefore);
        assert!(refusal.reason.next_step().contains("release it first"));
        assert_eq!(bench.start().unwrap_err().reason, Reason::NotLoaded);
        assert!(runs(&bench), "it is not disturbed");
    }
}

#[test]
fn a_client_is_told_that_something_runs() {
    let mut bench = started();
    for _ in 0..2 {
        assert_eq!(bench.table().unwrap_err().reason, Reason::StartedBefore);
        assert!(runs(&bench), "a question disturbs nothing");
    }
    bench.stop().unwrap();
    assert_eq!(bench.table().unwrap_err().reason, Reason::NotLoaded);
    let mut fresh = Bench::new(Policy::Strict);
    assert_eq!(fresh.table().unwrap_err().reason, Reason::NotLoaded);
}

#[test]
fn release_stops_and_wipes() {
    let mut bench = started();
    bench.release().unwrap();
    assert!(!runs(&bench));
    lab::assert_zero(bench.board.bus());
    assert!(bench.board.port(Initiator::A35NonSecure).read32(elf::CODE).is_err(), "it stays closed");
    load_again(&mut bench);
}

#[test]
fn stop_stops_and_the_next_load_wipes() {
    let mut bench = started();
    bench.stop().unwrap();
    assert!(!runs(&bench));
    load_again(&mut bench);
}

#[test]
fn what_was_only_loaded_is_loaded_again() {
    let mut bench = Bench::new(Policy::Strict);
    bench.load(Bytes::new(&forge::good())).unwrap();
    bench.restart_service();
    assert_eq!(bench.start().unwrap_err().reason, Reason::NotLoaded);
    load_again(&mut bench);
}
