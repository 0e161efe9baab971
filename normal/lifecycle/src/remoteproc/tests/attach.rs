//! Processors that ran before this side knew them: found, joined, left, crashed.

use super::*;

/// A processor that somebody else has started, found and not yet joined.
fn found() -> (Fake, Rc<Board>, Ram) {
    let (loader, machine) = testing::parts();
    let (board, mut ram) = (Rc::clone(&machine.board), machine.ram.clone());
    ram.write(TABLE, &testing::table()).unwrap();
    board.run();
    let mut detaching = description();
    detaching.mailboxes.push(Mailbox::Detach);
    let mut processor = Remoteproc::new(detaching, loader, machine);
    assert_eq!(processor.probe(AutoBoot::No).unwrap(), State::Detached);
    (processor, board, ram)
}

fn table_in(ram: &Ram) -> Vec<u8> {
    let mut table = vec![0; testing::table().len()];
    ram.read(TABLE, &mut table).unwrap();
    table
}

#[test]
fn what_probe_does_is_the_callers_choice() {
    for (running, auto_boot, expected) in [
        (false, AutoBoot::No, State::Offline),
        (false, AutoBoot::Yes, State::Running),
        (true, AutoBoot::No, State::Detached),
        (true, AutoBoot::Yes, State::Attached),
    ] {
        let (loader, machine) = testing::parts();
        let (board, mut ram) = (Rc::clone(&machine.board), machine.ram.clone());
        if running {
            ram.write(TABLE, &testing::table()).unwrap();
            board.run();
        }
        let mut processor = Remoteproc::new(description(), loader, machine);
        processor.set_firmware(testing::table()).unwrap();
        assert_eq!(processor.probe(auto_boot).unwrap(), expected);
    }
}

#[test]
fn a_crash_while_attached_is_recovered_from_with_firmware_of_our_own() {
    let (mut processor, board, _) = found();
    processor.set_firmware(testing::table()).unwrap();
    processor.boot().unwrap();
    settle(&mut processor);
    calls(&board);
    *board.crash.borrow_mut() = Some(crash());
    processor.wait(MOMENT);
    assert_eq!(calls(&board), ["stop", "coredump", "release", "load", "table", "start"]);
    assert_eq!((processor.state(), processor.power()), (State::Running, 1));
    settle(&mut processor);
    assert!(processor.channel("rproc-echo").is_some());
    processor.shutdown().unwrap();
}

#[test]
fn a_crash_while_attached_without_firmware_stays_until_shut_down() {
    let (mut processor, board, _) = found();
    processor.boot().unwrap();
    *board.crash.borrow_mut() = Some(crash());
    processor.wait(MOMENT);
    assert_eq!(processor.state(), State::Crashed);
    let error = processor.recover().unwrap_err();
    assert!(matches!(error, Error::NoFirmware { .. }), "{error}");
    assert_eq!((processor.state(), board.is_running()), (State::Offline, false));
}

#[test]
fn an_attach_that_fails_leaves_the_firmware_and_its_table_alone() {
    let (mut processor, board, ram) = found();
    board.failing.borrow_mut().push("table");
    assert!(matches!(processor.boot(), Err(Error::TableLocation(_))));
    assert_eq!((processor.state(), processor.power(), board.is_running()), (State::Detached, 0, true));
    assert_eq!(table_in(&ram), testing::table());
    processor.boot().unwrap();
    assert_eq!(processor.state(), State::Attached);
}

#[test]
fn the_table_is_completed_anew_at_every_attach_and_left_clean() {
    let (mut processor, _, ram) = found();
    for _ in 0..3 {
        processor.boot().unwrap();
        assert_eq!(vdev_in(&ram).vrings[0].da, 0x812f_8000);
        assert_eq!(vdev_in(&ram).status, 7);
        processor.detach().unwrap();
        assert_eq!(table_in(&ram), testing::table());
    }
}

#[test]
fn a_recovery_puts_the_completed_table_back_over_the_loaded_one() {
    let (mut processor, board, ram) = booted();
    let completed = vdev_in(&ram);
    // The crashed firmware wrote over its table; the loader puts the file's over that, and the core its cached copy.
    let mut memory = ram.clone();
    memory.write(TABLE, &vec![0xa5; testing::table().len()]).unwrap();
    board.awake.set(false);
    processor.report_crash(crash()).unwrap();
    assert_eq!(vdev_in(&ram).vrings, completed.vrings);
    assert_eq!(vdev_in(&ram).status, 7);
}

#[test]
fn firmware_is_replaced_between_runs() {
    let (mut processor, board, ram) = booted();
    processor.shutdown().unwrap();
    let other = rproc_elf::testing::resource_table::TableBuilder::new()
        .trace("m33_log", LOG as u32, 2048)
        .trace("second", LOG as u32 + 4096, 16)
        .build();
    let size = other.len() as u64;
    processor.set_firmware(other).unwrap();
    let mut loader_table = processor.loader().table;
    loader_table.as_mut().unwrap().size = size;
    board.table.set(loader_table);
    processor.boot().unwrap();
    assert_eq!(processor.resources().unwrap().traces.len(), 2);
    assert!(processor.resources().unwrap().vdevs.is_empty());
    processor.shutdown().unwrap();
    board.table.set(None);
    processor.set_firmware(testing::table()).unwrap();
    processor.boot().unwrap();
    settle(&mut processor);
    assert!(processor.channel("rproc-echo").is_some());
    assert_eq!(vdev_in(&ram).status, 7);
}
