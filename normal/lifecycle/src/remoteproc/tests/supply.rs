//! Clocks and power domains: claimed while the processor runs, given back on every way out, moved over while Linux sleeps.

use super::*;
use crate::{Clock, Clocks, PowerDomain, PowerDomains, ProviderError, SupplyError};

/// A provider that counts claims and fails on demand.
#[derive(Clone, Default)]
struct Provider(Rc<RefCell<Book>>);

#[derive(Default)]
struct Book {
    claims: Vec<u32>,
    on: Vec<PowerDomain>,
    failing: Option<&'static str>,
    calls: Vec<String>,
}

impl Provider {
    fn call(&self, what: String) -> Result<(), ProviderError> {
        let mut book = self.0.borrow_mut();
        let fails = book.failing.is_some_and(|failing| what.contains(failing));
        book.calls.push(what);
        if fails { Err("not served".into()) } else { Ok(()) }
    }

    fn claims(&self) -> Vec<u32> {
        self.0.borrow().claims.clone()
    }

    fn on(&self) -> Vec<PowerDomain> {
        self.0.borrow().on.clone()
    }

    fn fail(&self, what: Option<&'static str>) {
        self.0.borrow_mut().failing = what;
    }
}

impl Clocks for Provider {
    fn claim(&mut self, clock: &Clock) -> Result<(), ProviderError> {
        self.call(format!("claim {}", clock.name))?;
        self.0.borrow_mut().claims.extend(&clock.arguments);
        Ok(())
    }

    fn release(&mut self, clock: &Clock) -> Result<(), ProviderError> {
        let mut book = self.0.borrow_mut();
        let place = book.claims.iter().rposition(|claim| clock.arguments.contains(claim)).unwrap();
        book.claims.remove(place);
        drop(book);
        self.call(format!("release {}", clock.name))
    }
}

impl PowerDomains for Provider {
    fn power_on(&mut self, domain: PowerDomain) -> Result<(), ProviderError> {
        self.call(format!("on {domain}"))?;
        self.0.borrow_mut().on.push(domain);
        Ok(())
    }

    fn power_off(&mut self, domain: PowerDomain) -> Result<(), ProviderError> {
        self.0.borrow_mut().on.retain(|on| *on != domain);
        self.call(format!("off {domain}"))
    }
}

fn clock(name: &str, id: u32) -> Clock {
    Clock { name: name.to_owned(), provider: "/soc/rcc".to_owned(), arguments: vec![id] }
}

/// Three clocks, one of them twice, as the seed's Cortex-M0+ names GPIOZ's; both domains.
fn needy() -> Description {
    Description {
        clocks: vec![clock("gpioz", 1), clock("ipcc2", 2), clock("lpuart1", 3), clock("gpioz", 1)],
        power_domains: vec![PowerDomain::Default, PowerDomain::Sleep],
        ..description()
    }
}

fn supplied(description: Description) -> (Fake, Rc<Board>, Provider) {
    let (loader, machine) = testing::parts();
    let board = Rc::clone(&machine.board);
    let provider = Provider::default();
    let mut processor = Remoteproc::new(description, loader, machine);
    processor.provide_clocks(provider.clone());
    processor.provide_power_domains(provider.clone());
    processor.set_firmware(testing::table()).unwrap();
    (processor, board, provider)
}

#[test]
fn all_clocks_are_on_from_before_the_load_until_after_the_release() {
    let (mut processor, board, provider) = supplied(needy());
    processor.boot().unwrap();
    assert_eq!((provider.claims(), provider.on()), (vec![1, 2, 3, 1], vec![PowerDomain::Default]));
    let events = processor.poll();
    let place = |wanted: &dyn Fn(&Event) -> bool| events.iter().position(wanted).unwrap();
    assert!(
        place(&|event| matches!(event, Event::ClocksClaimed { count: 4 }))
            < place(&|event| matches!(event, Event::Loaded { .. }))
    );
    // A second user and a recovery claim nothing anew.
    processor.boot().unwrap();
    processor.report_crash(crash()).unwrap();
    assert_eq!(provider.claims().len(), 4);
    processor.shutdown().unwrap();
    assert_eq!(provider.claims().len(), 4);
    processor.shutdown().unwrap();
    assert_eq!((provider.claims(), provider.on()), (vec![], vec![]));
    let events = processor.poll();
    let place = |wanted: &dyn Fn(&Event) -> bool| events.iter().rposition(wanted).unwrap();
    assert!(
        place(&|event| matches!(event, Event::Released))
            < place(&|event| matches!(event, Event::ClocksReleased { count: 4 }))
    );
    assert!(!board.is_running());
}

#[test]
fn every_failure_gives_everything_back() {
    for step in ["load", "table", "start"] {
        let (mut processor, board, provider) = supplied(needy());
        board.failing.borrow_mut().push(step);
        processor.boot().unwrap_err();
        assert_eq!((provider.claims(), provider.on()), (vec![], vec![]), "{step}");
        processor.boot().unwrap();
        board.failing.borrow_mut().push(step);
        processor.report_crash(crash()).unwrap_err();
        assert_eq!((provider.claims(), provider.on()), (vec![], vec![]), "recovery, {step}");
    }
    for (failing, what) in
        [("claim gpioz", "clock 0"), ("claim lpuart1", "clock 2"), ("on default", "`default`")]
    {
        let (mut processor, board, provider) = supplied(needy());
        provider.fail(Some(failing));
        let error = processor.boot().unwrap_err();
        assert!(matches!(error, Error::Supply(_)) && error.to_string().contains(what), "{error}");
        assert!(error.to_string().contains("m33") && error.to_string().contains("not served"), "{error}");
        assert_eq!((provider.claims(), provider.on()), (vec![], vec![]), "{failing}");
        assert!(calls(&board).is_empty(), "nothing is loaded: {failing}");
        provider.fail(None);
        processor.boot().unwrap();
    }
}

#[test]
fn a_provider_that_does_not_let_go_keeps_nothing_else() {
    let (mut processor, _, provider) = supplied(needy());
    processor.boot().unwrap();
    provider.fail(Some("release ipcc2"));
    processor.shutdown().unwrap();
    assert_eq!(processor.state(), State::Offline);
    let events = processor.poll();
    let kept =
        |event: &&Event| matches!(event, Event::SupplyNotReleased { what, .. } if what == "clock ipcc2");
    assert_eq!(events.iter().filter(kept).count(), 1, "{events:?}");
    assert_eq!((provider.claims(), provider.on()), (vec![], vec![]));
}

#[test]
fn without_a_provider_nothing_is_booted() {
    let (loader, machine) = testing::parts();
    let mut processor = Remoteproc::new(needy(), loader, machine);
    processor.set_firmware(testing::table()).unwrap();
    let error = processor.boot().unwrap_err();
    assert!(matches!(error, Error::Supply(SupplyError::NoDomainProvider { .. })), "{error}");
    processor.provide_power_domains(Provider::default());
    let error = processor.boot().unwrap_err();
    assert!(matches!(error, Error::Supply(SupplyError::NoClockProvider { count: 4, .. })), "{error}");
}

#[test]
fn a_processor_that_cannot_be_stopped_keeps_its_clocks() {
    let (mut processor, board, provider) = supplied(needy());
    processor.boot().unwrap();
    board.failing.borrow_mut().push("stop");
    processor.shutdown().unwrap_err();
    assert_eq!(provider.claims().len(), 4);
    processor.shutdown().unwrap();
    assert!(provider.claims().is_empty());
}

#[test]
fn what_a_running_processor_needs_is_claimed_when_it_is_found_and_kept_when_it_is_left() {
    let (mut processor, board, provider) = supplied(needy());
    processor.machine_mut().ram.write(TABLE, &testing::table()).unwrap();
    board.run();
    assert_eq!(processor.probe(AutoBoot::No).unwrap(), State::Detached);
    assert_eq!((provider.claims().len(), provider.on()), (4, vec![PowerDomain::Default]));
    processor.boot().unwrap();
    processor.detach().unwrap();
    assert_eq!(provider.claims().len(), 4, "it runs on");
    processor.boot().unwrap();
    processor.shutdown().unwrap();
    assert!(provider.claims().is_empty() && provider.on().is_empty());
}

#[test]
fn the_sleep_domain_carries_the_processor_through() {
    for attached in [false, true] {
        let (mut processor, board, provider) = supplied(needy());
        if attached {
            processor.machine_mut().ram.write(TABLE, &testing::table()).unwrap();
            board.run();
        }
        processor.probe(AutoBoot::Yes).unwrap();
        let before = processor.state();
        processor.suspend().unwrap();
        assert_eq!((processor.state(), provider.on()), (State::Suspended, vec![PowerDomain::Sleep]));
        assert_eq!(provider.claims().len(), 4, "its clocks stay");
        assert!(board.is_running());
        processor.resume().unwrap();
        assert_eq!((processor.state(), provider.on()), (before, vec![PowerDomain::Default]));
        let book = provider.0.borrow();
        let calls: Vec<&str> =
            book.calls.iter().map(String::as_str).filter(|call| call.contains('o')).collect();
        let moves: Vec<&str> =
            calls.into_iter().filter(|call| call.starts_with("on") || call.starts_with("off")).collect();
        assert_eq!(moves, ["on default", "on sleep", "off default", "on default", "off sleep"]);
    }
}

#[test]
fn without_a_sleep_domain_it_keeps_linux_from_sleeping() {
    let (mut processor, _, provider) =
        supplied(Description { power_domains: vec![PowerDomain::Default], ..needy() });
    processor.boot().unwrap();
    let error = processor.suspend().unwrap_err();
    assert!(matches!(error, Error::Supply(SupplyError::LosesPower { .. })), "{error}");
    assert!(error.to_string().contains("shut the processor down first"), "{error}");
    assert_eq!((processor.state(), provider.on()), (State::Running, vec![PowerDomain::Default]));
    // Without any domain nothing goes off.
    let (mut processor, _, _) = supplied(description());
    processor.boot().unwrap();
    processor.suspend().unwrap();
    assert_eq!(processor.state(), State::Suspended);
}

#[test]
fn a_domain_that_does_not_come_back_leaves_it_suspended() {
    let (mut processor, board, provider) = supplied(needy());
    processor.boot().unwrap();
    provider.fail(Some("on sleep"));
    assert!(matches!(processor.suspend(), Err(Error::Supply(SupplyError::Domain { .. }))));
    assert_eq!((processor.state(), provider.on()), (State::Running, vec![PowerDomain::Default]));
    provider.fail(None);
    processor.suspend().unwrap();
    provider.fail(Some("on default"));
    assert!(matches!(processor.resume(), Err(Error::Supply(_))));
    assert_eq!((processor.state(), provider.on()), (State::Suspended, vec![PowerDomain::Sleep]));
    assert_eq!(provider.claims().len(), 4, "it still runs");
    provider.fail(None);
    processor.resume().unwrap();
    assert_eq!((processor.state(), board.is_running()), (State::Running, true));
}

const MAILBOX: Interrupts = Interrupts { mailbox: true, crash: false };
const CRASH: Interrupts = Interrupts { mailbox: false, crash: true };

#[test]
fn a_signal_that_does_not_wake_linux_stays_until_it_wakes() {
    for wakeup in [Interrupts::NONE, CRASH] {
        let (mut processor, board, _) = supplied(Description { wakeup, ..needy() });
        processor.boot().unwrap();
        settle(&mut processor);
        let channel = processor.channels()[0].id;
        processor.send(channel, b"later", MOMENT).unwrap();
        processor.suspend().unwrap();
        let before = processor.machine().now();
        let events = settle(&mut processor);
        assert!(processor.machine().now() >= before + MOMENT, "a wait lasts as long as it was to");
        assert!(!events.iter().any(|event| matches!(event, Event::MessageReceived { .. })), "{events:?}");
        assert_eq!((processor.state(), board.is_running()), (State::Suspended, true));
        assert!(processor.machine_mut().is_pending(Mailbox::Queue0), "nobody took it from the firmware");
        processor.resume().unwrap();
        let events = settle(&mut processor);
        let answer =
            |event: &Event| matches!(event, Event::MessageReceived { payload, .. } if payload == b"later");
        assert!(events.iter().any(answer), "{events:?}");
        assert!(!processor.machine_mut().is_pending(Mailbox::Queue0));
    }
}

#[test]
fn a_crash_that_does_not_wake_linux_is_recovered_from_once_it_wakes() {
    for wakeup in [Interrupts::NONE, MAILBOX] {
        let (mut processor, board, _) = supplied(Description { wakeup, ..needy() });
        processor.boot().unwrap();
        settle(&mut processor);
        processor.suspend().unwrap();
        *board.crash.borrow_mut() = Some(crash());
        let events = processor.wait(MOMENT);
        assert!(!events.contains(&Event::Crashed(crash())), "{events:?}");
        assert_eq!(processor.state(), State::Suspended);
        processor.resume().unwrap();
        let events = processor.wait(MOMENT);
        assert!(events.contains(&Event::Recovered { count: 1 }), "{events:?}");
        assert_eq!(processor.state(), State::Running);
    }
}

#[test]
fn a_message_wakes_linux_where_the_mailbox_may() {
    let (mut processor, _, provider) = supplied(Description { wakeup: MAILBOX, ..needy() });
    processor.boot().unwrap();
    settle(&mut processor);
    let channel = processor.channels()[0].id;
    processor.send(channel, b"wake me", MOMENT).unwrap();
    processor.suspend().unwrap();
    let events = settle(&mut processor);
    let place = |wanted: &dyn Fn(&Event) -> bool| events.iter().position(wanted).unwrap();
    let woken =
        place(&|event| matches!(event, Event::WokenUp { mailbox: Mailbox::Queue0 | Mailbox::Queue1 }));
    let running = place(&|event| *event == Event::State { from: State::Suspended, to: State::Running });
    let message = place(&|event| matches!(event, Event::MessageReceived { .. }));
    assert!(woken < running && running < message, "{events:?}");
    assert_eq!((processor.state(), provider.on()), (State::Running, vec![PowerDomain::Default]));
}

#[test]
fn a_crash_while_linux_sleeps_is_recovered_from_with_full_power() {
    let (mut processor, board, provider) = supplied(Description { wakeup: CRASH, ..needy() });
    processor.boot().unwrap();
    processor.suspend().unwrap();
    *board.crash.borrow_mut() = Some(crash());
    let events = processor.wait(MOMENT);
    assert!(events.contains(&Event::Crashed(crash())) && events.contains(&Event::Recovered { count: 1 }));
    assert_eq!((processor.state(), provider.on()), (State::Running, vec![PowerDomain::Default]));
    assert_eq!(provider.claims().len(), 4);
    // Without recovery, too: Linux is awake now.
    processor.set_recovery(false);
    processor.suspend().unwrap();
    processor.report_crash(crash()).unwrap();
    assert_eq!((processor.state(), provider.on()), (State::Crashed, vec![PowerDomain::Default]));
    processor.shutdown().unwrap();
    assert!(provider.claims().is_empty() && provider.on().is_empty());
}
