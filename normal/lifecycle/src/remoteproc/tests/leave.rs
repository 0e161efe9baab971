//! Shutdown and detach requests: answered, answered late, never, and without a mailbox.

use super::*;

fn events_of(events: &[Event], mailbox: Mailbox) -> Vec<&Event> {
    events
        .iter()
        .filter(|event| match event {
            Event::LeaveRequested { mailbox: one }
            | Event::LeaveUnwired { mailbox: one }
            | Event::LeaveAcknowledged { mailbox: one, .. }
            | Event::LeaveTimedOut { mailbox: one, .. }
            | Event::LateAcknowledgement { mailbox: one }
            | Event::SignalStale { mailbox: one } => *one == mailbox,
            _ => false,
        })
        .collect()
}

/// A processor whose first run did not answer the shutdown request; the signal is still in the mailbox.
fn rude() -> (Fake, Rc<Board>) {
    let (mut processor, board, _) = booted();
    board.sticky.set(true);
    board.polite.set(false);
    processor.shutdown().unwrap();
    let events = processor.poll();
    assert_eq!(
        events_of(&events, Mailbox::Shutdown),
        [
            &Event::LeaveRequested { mailbox: Mailbox::Shutdown },
            &Event::LeaveTimedOut { mailbox: Mailbox::Shutdown, limit_us: 500_000 }
        ]
    );
    (processor, board)
}

#[test]
fn a_late_answer_is_told_and_not_taken_for_the_next_runs() {
    let (mut processor, board) = rude();
    // The next firmware takes the old signal while it starts, as ST's HAL_IPCC_Init does.
    board.polite.set(true);
    processor.boot().unwrap();
    let events = settle(&mut processor);
    let late = Event::LateAcknowledgement { mailbox: Mailbox::Shutdown };
    assert_eq!(events_of(&events, Mailbox::Shutdown), [&late], "once");
    // The shutdown of this run has an answer of its own.
    board.polite.set(false);
    processor.shutdown().unwrap();
    let events = processor.poll();
    assert!(events.contains(&Event::LeaveTimedOut { mailbox: Mailbox::Shutdown, limit_us: 500_000 }));
    assert!(!events.iter().any(|event| matches!(event, Event::LeaveAcknowledged { .. })), "{events:?}");
}

#[test]
fn firmware_that_takes_an_old_request_for_its_own_is_started_anew() {
    let (mut processor, board) = rude();
    board.polite.set(true);
    processor.boot().unwrap();
    let events = processor.poll();
    let told = |wanted: &Event| events.iter().filter(|event| *event == wanted).count();
    assert_eq!(
        (told(&Event::Started), told(&Event::Stopped), told(&Event::Released)),
        (2, 1, 1),
        "{events:?}"
    );
    // Nothing is left in the mailbox: no later run is started twice.
    processor.shutdown().unwrap();
    processor.poll();
    processor.boot().unwrap();
    assert_eq!(processor.poll().iter().filter(|event| **event == Event::Started).count(), 1);
}

#[test]
fn firmware_that_was_asked_once_is_not_asked_again() {
    let (mut processor, board, _) = booted();
    board.failing.borrow_mut().push("stop");
    processor.shutdown().unwrap_err();
    board.polite.set(false);
    let before = processor.machine().now();
    processor.shutdown().unwrap();
    assert_eq!(processor.machine().now(), before, "firmware at rest would not answer");
    let events = processor.poll();
    let asked = events.iter().filter(|event| matches!(event, Event::LeaveRequested { .. }));
    assert_eq!(asked.count(), 1, "{events:?}");
}

#[test]
fn an_old_signal_is_waited_for_before_a_new_one_is_sent() {
    let (mut processor, board) = rude();
    processor.boot().unwrap();
    assert!(events_of(&settle(&mut processor), Mailbox::Shutdown).is_empty());
    // Only now the firmware looks into its mailbox: it takes the old signal, then the new one.
    board.polite.set(true);
    processor.shutdown().unwrap();
    let events = processor.poll();
    let told = events_of(&events, Mailbox::Shutdown);
    assert!(
        matches!(
            told[..],
            [Event::SignalStale { .. }, Event::LeaveRequested { .. }, Event::LeaveAcknowledged { .. }]
        ),
        "{told:?}"
    );
}

#[test]
fn an_old_signal_that_nobody_takes_costs_the_limit_and_no_more() {
    let (mut processor, _board) = rude();
    processor.boot().unwrap();
    processor.poll();
    let before = processor.machine().now();
    processor.shutdown().unwrap();
    assert_eq!(processor.machine().now() - before, SHUTDOWN_LIMIT);
    let events = processor.poll();
    let told = events_of(&events, Mailbox::Shutdown);
    assert!(matches!(told[..], [Event::SignalStale { .. }, Event::LeaveTimedOut { .. }]), "{told:?}");
    assert_eq!(processor.state(), State::Offline);
}

#[test]
fn a_detach_notice_without_answer_takes_200_ms() {
    let (loader, machine) = testing::parts();
    let (board, mut ram) = (Rc::clone(&machine.board), machine.ram.clone());
    ram.write(TABLE, &testing::table()).unwrap();
    board.run();
    board.polite.set(false);
    let mut detaching = description();
    detaching.mailboxes.push(Mailbox::Detach);
    let mut processor = Remoteproc::new(detaching, loader, machine);
    processor.probe(AutoBoot::Yes).unwrap();
    let before = processor.machine().now();
    processor.detach().unwrap();
    assert_eq!(processor.machine().now() - before, DETACH_LIMIT);
    assert!(processor.poll().contains(&Event::LeaveTimedOut { mailbox: Mailbox::Detach, limit_us: 200_000 }));
    assert_eq!((processor.state(), board.is_running()), (State::Detached, true));
}

#[test]
fn missing_mailboxes_are_told_when_the_processor_is_found_and_when_they_are_missed() {
    let (loader, machine) = testing::parts();
    let mut mute = description();
    mute.mailboxes = vec![Mailbox::Queue0, Mailbox::Queue1];
    let mut processor = Remoteproc::new(mute, loader, machine);
    processor.set_firmware(testing::table()).unwrap();
    assert_eq!(processor.probe(AutoBoot::Yes).unwrap(), State::Running);
    let missing: Vec<Mailbox> = processor
        .poll()
        .into_iter()
        .filter_map(|event| match event {
            Event::MailboxMissing { mailbox } => Some(mailbox),
            _ => None,
        })
        .collect();
    assert_eq!(missing, [Mailbox::Shutdown, Mailbox::Detach]);
    let before = processor.machine().now();
    processor.shutdown().unwrap();
    assert_eq!(processor.machine().now(), before, "nobody to wait for");
    assert!(processor.poll().contains(&Event::LeaveUnwired { mailbox: Mailbox::Shutdown }));
}

#[test]
fn a_signal_of_the_crashed_run_is_not_taken_for_the_next_ones() {
    let (mut processor, board, _) = booted();
    board.sticky.set(true);
    processor.set_recovery(false);
    processor.report_crash(crash()).unwrap();
    processor.poll();
    board.kick_host(Mailbox::Queue0);
    board.kick_host(Mailbox::Queue1);
    board.awake.set(false);
    processor.recover().unwrap();
    let events = processor.poll();
    assert!(!events.iter().any(|event| matches!(event, Event::KickReceived { .. })), "{events:?}");
    assert!(!processor.machine_mut().is_pending(Mailbox::Queue0));
}
