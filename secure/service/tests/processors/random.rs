//! Random commands to three processors.

use proptest::prelude::*;

use crate::firmware::{M0, M4, M33};
use crate::model::COMMANDS;
use crate::world::{Event, Files, World};

fn event() -> impl Strategy<Value = Event> {
    let command = (0..3usize, prop::sample::select(&COMMANDS[..]));
    prop_oneof![
        30 => command.prop_map(|(index, command)| Event::Command(index, command)),
        1 => Just(Event::Restart),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn three_processors_follow_their_models(events in proptest::collection::vec(event(), 1..80)) {
        let files = Files::new();
        let mut world = World::new(&files, &[M33, M0, M4]);
        for event in events {
            world.happen(event);
        }
    }
}
