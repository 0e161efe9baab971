//! A signed ELF boots on the virtual Cortex-M33 through the TEE, and answers.

mod signing;

use std::time::Duration;

use rproc_board::STM32MP257F_EV1;
use rproc_board::system::{Moment, System, SystemConfig};
use rproc_board::tee::{Counters, Presence, SecureEvent, TeeConfig, TrustedKeys};
use rproc_lifecycle::Event;
use rproc_service::Policy;

#[test]
fn the_echo_boots_and_answers() {
    let image = signing::sign(&signing::firmware("echo-m33.elf"));
    let mut system = System::start(SystemConfig {
        board: &STM32MP257F_EV1,
        device_tree: include_bytes!("../../bindings/examples/stm32mp257f-ev1.dtb"),
        processor: "m33",
        tee: TeeConfig {
            keys: TrustedKeys::new([signing::key().public_key()]),
            policy: Policy::Strict,
            presence: Presence::Always,
            counters: Counters::new(),
        },
        real_time: false,
    })
    .unwrap();
    system.processor.set_firmware(image).unwrap();
    if let Err(error) = system.processor.boot() {
        for entry in system.drain() {
            println!("{:?} {:?}", entry.at, entry.moment);
        }
        panic!("{error}");
    }
    let mut echoed = false;
    for _ in 0..200 {
        let events = system.processor.wait(Duration::from_millis(10));
        for event in events {
            if let Event::ChannelAnnounced(channel) = &event {
                system.processor.send(channel.id, b"hello", Duration::from_secs(1)).unwrap();
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
    system.processor.shutdown().unwrap();
    let timeline = system.drain();
    for entry in &timeline {
        println!("{:?} {:?}", entry.at, entry.moment);
    }
    assert!(echoed);
    assert!(timeline.iter().any(|entry| matches!(entry.moment, Moment::Secure(SecureEvent::Wiped { .. }))));
}
