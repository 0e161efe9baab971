//! A signed ELF boots on the virtual Cortex-M33 through the TEE, and answers.

mod signing;

use std::time::Duration;

use rproc_board::system::Moment;
use rproc_board::tee::SecureEvent;
use rproc_lifecycle::Event;

#[test]
fn the_echo_boots_and_answers() {
    let mut system = signing::system("echo-m33.elf");
    if let Err(error) = system.processors[0].boot() {
        for entry in system.drain() {
            println!("{:?} {:?}", entry.at, entry.moment);
        }
        panic!("{error}");
    }
    let mut echoed = false;
    for _ in 0..200 {
        let events = system.processors[0].wait(Duration::from_millis(10));
        for event in events {
            if let Event::ChannelAnnounced(channel) = &event {
                system.processors[0].send(channel.id, b"hello", Duration::from_secs(1)).unwrap();
            }
            if let Event::MessageReceived { payload, .. } = &event {
                assert_eq!(payload, b"hello");
                echoed = true;
            }
        }
        if echoed {
            break;
        }
    }
    system.processors[0].shutdown().unwrap();
    let timeline = system.drain();
    for entry in &timeline {
        println!("{:?} {:?}", entry.at, entry.moment);
    }
    assert!(echoed);
    assert!(timeline.iter().any(|entry| matches!(entry.moment, Moment::Secure(SecureEvent::Wiped { .. }))));
}
