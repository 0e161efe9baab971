//! The TEE bus against the host TEE: services found at once, late or never, drivers matched, refused and removed.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use rproc_abi::enumeration::Scope;
use rproc_abi::{Login, Origin, Param, ProcessorId, TeeResult, Uuid};
use rproc_board::tee::{Counters, HostTee, Presence, Services, TeeConfig, TrustedKeys};
use rproc_board::{Board, boards};
use rproc_service::Policy;
use rproc_tee::{BusError, Device, Driver, Outcome, RemoteprocService, SessionId, TeeBus, TeeClient};

fn tee(presence: Presence) -> Arc<HostTee> {
    let board = Board::new(boards::stm32mp257f_ev1()).expect("the host has memory for a board");
    let services =
        Services { remoteproc: presence, scmi: Presence::Absent, hwrng: Presence::Absent, ..Services::all() };
    let config =
        TeeConfig { keys: TrustedKeys::new([]), policy: Policy::Strict, services, counters: Counters::new() };
    Arc::new(HostTee::new(board.bus().clone(), config))
}

/// A driver that notes what happens to it, and refuses its service if it is told to.
struct Noted {
    notes: Rc<RefCell<Vec<String>>>,
    refuses: bool,
}

impl Driver<Arc<HostTee>> for Noted {
    fn name(&self) -> &str {
        "noted"
    }

    fn services(&self) -> &[Uuid] {
        &[Uuid::REMOTEPROC_TA]
    }

    fn probe(
        &mut self,
        _: &Arc<HostTee>,
        device: &Device,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        self.notes.borrow_mut().push(format!("probe {}", device.name()));
        if self.refuses { Err("not today".into()) } else { Ok(()) }
    }

    fn remove(&mut self, _: &Arc<HostTee>, device: &Device) {
        self.notes.borrow_mut().push(format!("remove {}", device.name()));
    }
}

fn bus(tee: &Arc<HostTee>, refuses: bool) -> (TeeBus<Arc<HostTee>>, Rc<RefCell<Vec<String>>>) {
    let notes = Rc::default();
    let mut bus = TeeBus::new(tee.clone());
    let errors = bus.register(Box::new(Noted { notes: Rc::clone(&notes), refuses }));
    assert!(errors.is_empty());
    (bus, notes)
}

const DEVICE: &str = "optee-ta-80a4c275-0a47-4905-8285-1486a9771a08";

#[test]
fn a_service_that_is_there_is_probed_once_and_removed_with_the_bus() {
    let (mut bus, notes) = bus(&tee(Presence::Always), false);
    assert_eq!(bus.outcome(Uuid::REMOTEPROC_TA), Outcome::WaitsForSupplicant);
    assert!(bus.scan(Scope::Always).is_ok_and(|errors| errors.is_empty()));
    assert!(bus.scan(Scope::Always).is_ok_and(|errors| errors.is_empty()));
    assert_eq!(bus.outcome(Uuid::REMOTEPROC_TA), Outcome::Bound);
    assert_eq!(bus.devices().len(), 1);
    drop(bus);
    assert_eq!(*notes.borrow(), [format!("probe {DEVICE}"), format!("remove {DEVICE}")]);
}

#[test]
fn a_late_service_is_found_when_tee_supplicant_runs_and_not_before() {
    let tee = tee(Presence::WithSupplicant);
    let (mut bus, notes) = bus(&tee, false);
    assert!(bus.scan(Scope::Always).is_ok());
    assert_eq!(bus.outcome(Uuid::REMOTEPROC_TA), Outcome::WaitsForSupplicant);
    let refused = RemoteprocService::open(tee.clone(), Login::ReeKernel, ProcessorId::CORTEX_M33).err();
    assert_eq!(refused.map(|error| error.tee.result), Some(TeeResult::ITEM_NOT_FOUND));
    tee.start_supplicant();
    assert!(bus.scan(Scope::Supplicant).is_ok());
    assert_eq!(bus.outcome(Uuid::REMOTEPROC_TA), Outcome::Bound);
    assert_eq!(notes.borrow().len(), 1);
    assert!(RemoteprocService::open(tee, Login::ReeKernel, ProcessorId::CORTEX_M33).is_ok());
}

#[test]
fn a_service_that_never_comes_is_absent_and_nothing_waits_for_ever() {
    let tee = tee(Presence::Absent);
    let (mut bus, notes) = bus(&tee, false);
    tee.start_supplicant();
    for scope in [Scope::Always, Scope::Supplicant] {
        assert!(bus.scan(scope).is_ok_and(|errors| errors.is_empty()));
    }
    assert_eq!(bus.outcome(Uuid::REMOTEPROC_TA), Outcome::Absent);
    assert!(bus.devices().is_empty() && notes.borrow().is_empty());
}

#[test]
fn a_driver_that_refuses_is_named_and_not_asked_again() {
    let (mut bus, notes) = bus(&tee(Presence::Always), true);
    let errors = bus.scan(Scope::Always).unwrap_or_default();
    assert!(
        matches!(&errors[..], [BusError::Probe { driver, device, .. }] if driver == "noted" && device == DEVICE)
    );
    assert_eq!(errors[0].to_string(), format!("noted cannot drive {DEVICE}: not today"));
    assert!(bus.scan(Scope::Always).is_ok_and(|errors| errors.is_empty()));
    assert_eq!(bus.outcome(Uuid::REMOTEPROC_TA), Outcome::ProbeFailed);
    assert_eq!(notes.borrow().len(), 1);
}

#[test]
fn sessions_and_buffers_are_checked_as_a_tee_does() {
    let tee = tee(Presence::Always);
    let none = || [Param::None, Param::None, Param::None, Param::None];
    let unknown = Uuid::from_octets([7; 16]);
    let error = tee.open_session(unknown, Login::Public, none()).err();
    assert_eq!(
        error.map(|error| (error.result, error.origin)),
        Some((TeeResult::ITEM_NOT_FOUND, Origin::Tee))
    );
    let error = tee.invoke(SessionId(99), 0, none()).err();
    assert_eq!(error.map(|error| error.result), Some(TeeResult::BAD_PARAMETERS));

    let buffer = tee.share(100).expect("there is room");
    let mut past = buffer.whole();
    past.offset = 1;
    let session =
        tee.open_session(Uuid::DEVICE_ENUMERATION, Login::Public, none()).expect("it is always there");
    let (command, params) = Scope::Always.into_params(past);
    let error = tee.invoke(session, command, params).err();
    assert_eq!(
        error.map(|error| (error.result, error.origin)),
        Some((TeeResult::BAD_PARAMETERS, Origin::Comms))
    );
    assert!(tee.write_shared(buffer, 99, &[0; 2]).is_err());
    tee.unshare(buffer);
    let (command, params) = Scope::Always.into_params(buffer.whole());
    assert!(tee.invoke(session, command, params).is_err());
    tee.close_session(session);
    let again = tee.share(100).expect("there is room");
    let (command, params) = Scope::Always.into_params(again.whole());
    assert!(tee.invoke(session, command, params).is_err());
}

#[test]
fn sessions_run_out_and_come_back() {
    let tee = tee(Presence::Always);
    let open = || RemoteprocService::open(tee.clone(), Login::ReeKernel, ProcessorId::CORTEX_M33);
    let mut sessions = Vec::new();
    let full = loop {
        match open() {
            Ok(session) => sessions.push(session),
            Err(error) => break error,
        }
        assert!(sessions.len() < 1000, "a TEE has a limit");
    };
    assert_eq!(full.tee.result, TeeResult::OUT_OF_MEMORY);
    assert!(sessions.len() > 8);
    sessions.clear();
    assert!(open().is_ok());
}
