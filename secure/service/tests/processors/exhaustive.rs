//! Every state that two processors can reach together, and every command in each.

use std::collections::{BTreeMap, VecDeque};

use crate::firmware::{M0, M4, M33, Site};
use crate::model::{COMMANDS, Processor};
use crate::world::{Event, Files, World};

fn events(sites: usize) -> Vec<Event> {
    let commands = (0..sites).flat_map(|index| COMMANDS.map(|command| Event::Command(index, command)));
    commands.chain([Event::Restart]).collect()
}

/// Explores, and gives the number of joint states and of transitions.
fn explore(files: &Files, sites: &[Site]) -> (usize, usize) {
    let state = |world: &World<'_>| -> Vec<Processor> {
        world.sites.iter().map(|(_, processor)| *processor).collect()
    };
    let start = World::new(files, sites);
    let mut ways = BTreeMap::from([(state(&start), Vec::new())]);
    let mut next = VecDeque::from([state(&start)]);
    let mut transitions = 0;
    while let Some(from) = next.pop_front() {
        let way: Vec<Event> = ways[&from].clone();
        for event in events(sites.len()) {
            let mut world = World::new(files, sites);
            for past in &way {
                world.happen(*past);
            }
            assert_eq!(state(&world), from);
            world.happen(event);
            transitions += 1;
            let to = state(&world);
            if !ways.contains_key(&to) {
                ways.insert(to.clone(), [&way[..], &[event]].concat());
                next.push_back(to);
            }
        }
    }
    (ways.len(), transitions)
}

#[test]
fn two_processors_never_disturb_each_other() {
    let files = Files::new();
    for pair in [[M33, M0], [M4, M33], [M0, M4]] {
        let names = pair.map(|site| site.id);
        let [one, other] = pair.map(|site| explore(&files, &[site]).0);
        let (states, transitions) = explore(&files, &pair);
        // Each can be in any of its states whatever the other is in.
        assert!(one > 10, "{names:?}: {one}");
        assert_eq!(states, one * other, "{names:?}");
        assert_eq!(transitions, states * (2 * COMMANDS.len() + 1));
    }
}
