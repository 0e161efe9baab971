//! Whole systems in which one access of the A side fails: each life ends in a clean state, and the processor works again once the
//! fault is gone.
//!
//! A life is System, TEE, service, lifecycle and sample firmware from power-on to shutdown. The access that fails is a register access
//! of the secure or the normal world, mailboxes among them, or a write to memory: every one of the life, in every way of
//! [`injector::Fault`]. Of these cases a test takes each n-th, so that it is quick; all of them:
//!
//!     RPROC_EVERY_FAULT=1 cargo test --release -p rproc-board --test faults -- --nocapture
#![allow(clippy::unwrap_used, reason = "helpers of tests, which clippy does not take for tests")]

mod injector;
mod life;
#[path = "../signing/mod.rs"]
mod signing;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use injector::{Access, Class, Injector, Plan};
use life::{End, Scene};

/// Every case of a life.
fn cases(seen: &[Access]) -> Vec<Plan> {
    let mut counts = BTreeMap::new();
    let mut cases = Vec::new();
    for access in seen {
        let nth = counts.entry(access.class).or_insert(0usize);
        let class = access.class;
        cases.extend(class.faults().iter().map(|fault| Plan { class, nth: *nth, fault: *fault }));
        *nth += 1;
    }
    cases
}

/// Lives every life of a scene in which something fails, or each `stride`-th.
fn every_fault(scene: &Scene, stride: usize) {
    let clean = Injector::new(None);
    assert_eq!(scene.live(&clean), Ok(End::Worked), "without a fault");
    let seen = clean.seen();
    assert_eq!(
        seen,
        {
            let again = Injector::new(None);
            scene.live(&again).unwrap();
            again.seen()
        },
        "the same life twice"
    );
    let cases = cases(&seen);
    let trace = std::env::var_os("RPROC_TRACE_FAULTS").is_some();
    let stride = if std::env::var_os("RPROC_EVERY_FAULT").is_some() { 1 } else { stride };
    let mut ends = BTreeMap::new();
    let mut wrong = Vec::new();
    for plan in cases.iter().step_by(stride) {
        let injector = Injector::new(Some(*plan));
        if trace {
            eprintln!("{}: {plan:?}", scene.name);
        }
        let end = catch_unwind(AssertUnwindSafe(|| scene.live(&injector)));
        let failed = injector.failed();
        let what = || match failed {
            Some(Access { by, address, .. }) => format!("{plan:?} by {by} at {address:#x}"),
            None => format!("{plan:?}, which never came"),
        };
        match end {
            Ok(Ok(end)) => *ends.entry(end.kind()).or_insert(0) += 1,
            Ok(Err(reason)) => wrong.push(format!("{}: {reason}", what())),
            Err(_) => wrong.push(format!("{}: a panic", what())),
        }
        if failed.is_none() {
            wrong.push(what());
        }
    }
    let count = |class| seen.iter().filter(|access| access.class == class).count();
    println!(
        "{}: {} register reads, {} register writes, {} memory writes; of {} lives with a fault each {stride}. was lived: {ends:?}",
        scene.name,
        count(Class::RegisterRead),
        count(Class::RegisterWrite),
        count(Class::MemoryWrite),
        cases.len()
    );
    assert!(wrong.is_empty(), "{} of them went wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_m33_of_the_ev1_echoes_or_says_why_not() {
    every_fault(&Scene::m33(), 101);
}

#[test]
fn the_m0_of_the_ev1_blinks_or_says_why_not() {
    every_fault(&Scene::m0(), 29);
}

#[test]
fn the_m4_of_the_dk2_echoes_or_says_why_not() {
    every_fault(&Scene::m4(), 29);
}

#[test]
fn an_m33_that_runs_before_the_tee_echoes_or_says_why_not() {
    every_fault(&Scene::m33_before_tee(), 101);
}

#[test]
fn an_m4_that_runs_before_the_tee_echoes_or_says_why_not() {
    every_fault(&Scene::m4_before_tee(), 29);
}

#[test]
fn linuxs_own_m4_echoes_or_says_why_not() {
    every_fault(&Scene::m4_of_linux(), 29);
}
