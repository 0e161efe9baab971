//! Every request in every state: what is legal happens, what is not is refused and changes nothing.

use super::*;

/// A request as a person makes it, or the hardware.
const REQUESTS: [Request; 7] = [
    Request::Boot,
    Request::Shutdown,
    Request::Detach,
    Request::Suspend,
    Request::Resume,
    Request::Recover,
    Request::Crash,
];

/// The states that follow, a row a state in the order of [`State::ALL`], a column a request in the order of [`REQUESTS`].
/// Written out by hand from the table of Linux's states, so that it is a second opinion on `State::after`; docs/lifecycle.md
/// has the same.
const MATRIX: [[Option<State>; 7]; 6] = {
    const NO: Option<State> = None;
    const OFFLINE: Option<State> = Some(State::Offline);
    const SUSPENDED: Option<State> = Some(State::Suspended);
    const RUNNING: Option<State> = Some(State::Running);
    const CRASHED: Option<State> = Some(State::Crashed);
    const ATTACHED: Option<State> = Some(State::Attached);
    const DETACHED: Option<State> = Some(State::Detached);
    [
        [RUNNING, NO, NO, NO, NO, NO, NO],
        [NO, NO, NO, NO, RUNNING, NO, CRASHED],
        [RUNNING, OFFLINE, NO, SUSPENDED, NO, NO, CRASHED],
        [NO, OFFLINE, NO, NO, NO, RUNNING, CRASHED],
        [ATTACHED, OFFLINE, DETACHED, SUSPENDED, NO, NO, CRASHED],
        [ATTACHED, NO, NO, NO, NO, NO, CRASHED],
    ]
};

/// A processor in that state, without recovery, by the shortest way there.
fn processor_in(state: State) -> (Fake, Rc<Board>) {
    let (loader, machine) = testing::parts();
    let (board, mut ram) = (Rc::clone(&machine.board), machine.ram.clone());
    if matches!(state, State::Attached | State::Detached) {
        ram.write(TABLE, &testing::table()).unwrap();
        board.run();
    }
    let mut processor = Remoteproc::new(description(), loader, machine);
    processor.set_firmware(testing::table()).unwrap();
    processor.set_recovery(false);
    processor.probe(AutoBoot::No).unwrap();
    match state {
        State::Offline | State::Detached => {}
        State::Attached | State::Running => processor.boot().unwrap(),
        State::Suspended => {
            processor.boot().unwrap();
            processor.suspend().unwrap();
        }
        State::Crashed => {
            processor.boot().unwrap();
            processor.report_crash(crash()).unwrap();
        }
    }
    assert_eq!(processor.state(), state);
    calls(&board);
    (processor, board)
}

fn make(processor: &mut Fake, request: Request) -> Result<(), Error<Failure>> {
    match request {
        Request::Boot => processor.boot(),
        Request::Shutdown => processor.shutdown(),
        Request::Detach => processor.detach(),
        Request::Suspend => processor.suspend(),
        Request::Resume => processor.resume(),
        Request::Recover => processor.recover(),
        Request::Crash => processor.report_crash(crash()),
        Request::GiveUp => unreachable!(),
    }
}

#[test]
fn every_request_in_every_state_does_what_the_matrix_says() {
    for (row, state) in MATRIX.into_iter().zip(State::ALL) {
        for (cell, request) in row.into_iter().zip(REQUESTS) {
            let (mut processor, board) = processor_in(state);
            let (running, power) = (board.is_running(), processor.power());
            let result = make(&mut processor, request);
            match cell {
                Some(to) => {
                    result.unwrap();
                    assert_eq!(processor.state(), to, "{state}, {request}");
                    let runs = !matches!(to, State::Offline);
                    assert_eq!(board.is_running(), runs, "{state}, {request}");
                }
                None => {
                    let error = result.unwrap_err();
                    let Error::Illegal(illegal) = &error else { panic!("{state}, {request}: {error}") };
                    assert_eq!(*illegal, crate::IllegalTransition { state, request });
                    assert!(!illegal.next_step().is_empty());
                    assert!(error.to_string().contains(&illegal.next_step()), "{error}");
                    assert_eq!((processor.state(), processor.power()), (state, power), "nothing changed");
                    assert_eq!(board.is_running(), running);
                    assert!(calls(&board).is_empty(), "the loader is not asked: {state}, {request}");
                }
            }
        }
    }
}

#[test]
fn what_the_next_step_of_a_refusal_says_is_possible() {
    let steps = [
        ("boot it first", Request::Boot),
        ("shut it down first", Request::Shutdown),
        ("resume it first", Request::Resume),
        ("recover it first", Request::Recover),
        ("suspend it first", Request::Suspend),
        ("detach it first", Request::Detach),
    ];
    let mut followed = 0;
    for state in State::ALL {
        for request in REQUESTS {
            let Err(illegal) = state.after(request) else { continue };
            let Some((_, step)) = steps.iter().find(|(text, _)| *text == illegal.next_step()) else {
                continue;
            };
            let (mut processor, _) = processor_in(state);
            make(&mut processor, *step).unwrap();
            make(&mut processor, request).unwrap();
            followed += 1;
        }
    }
    assert!(followed >= 8, "{followed}");
}

#[test]
fn every_boot_needs_a_shutdown_in_every_state_that_counts() {
    for state in [State::Running, State::Attached] {
        let (mut processor, board) = processor_in(state);
        processor.boot().unwrap();
        processor.boot().unwrap();
        assert_eq!((processor.power(), calls(&board)), (3, vec![]));
        // A crash and its recovery keep the count.
        processor.set_recovery(true);
        processor.report_crash(crash()).unwrap();
        assert_eq!((processor.state(), processor.power()), (State::Running, 3));
        for power in [2, 1] {
            processor.shutdown().unwrap();
            assert_eq!((processor.state(), processor.power()), (State::Running, power));
        }
        processor.shutdown().unwrap();
        assert_eq!((processor.state(), processor.power(), board.is_running()), (State::Offline, 0, false));
    }
}
