//! The board as a vfio-user device, asked by a small client of its own: no QEMU is needed.
#![cfg(target_os = "linux")]

#[path = "serve/client.rs"]
mod client;
mod support;

use std::time::Duration;

use client::{Client, Served};
use rproc_board::serve::{Ending, MemoryError, Notice, ServeError};
use rproc_board::{CoreKind, CoreName, Happening, boards};

const M33: CoreName = CoreName { id: 1, kind: CoreKind::CortexM33F };
use support::{CODE, RESULTS, guest};

/// Offsets of register blocks in a BAR of registers (`rproc_aperture::BLOCKS`).
const IPCC1: u64 = 0x1_0000;
const RCC: u64 = 0x4_0000;
const CA35SYSCFG: u64 = 0x8_0000;
const EXTI2: u64 = 0x14_0000;
const NORMAL: u32 = 0;
const SECURE: u32 = 2;
const MEMORY: u32 = 4;
const CONFIG: u32 = 7;

fn words(program: &[u32]) -> Vec<u8> {
    program.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// What `rproc-platform` writes to start the processor.
fn start(client: &mut Client, vector_table: u64) {
    client.write32(SECURE, RCC + 0x40C, 1);
    client.write32(SECURE, CA35SYSCFG + 0x20A0, 0);
    client.write32(SECURE, CA35SYSCFG + 0x20A8, vector_table as u32);
    client.write32(SECURE, RCC + 0x434, 1);
}

#[test]
fn the_device_says_which_soc_it_is_and_qemu_can_map_its_memories() {
    for (description, soc) in
        [(boards::stm32mp257f_ev1(), "stm32mp257"), (boards::stm32mp215f_dk(), "stm32mp215")]
    {
        let served = Served::start(description);
        let mut client = served.connect();
        client.attach();
        assert_eq!(client.read32(CONFIG, 0), 0x5260_1234);
        for bar in [NORMAL, SECURE] {
            let bytes = client.read(bar, 0, 36).unwrap();
            assert_eq!(&bytes[..4], b"RPRC");
            assert_eq!(bytes[8..].strip_suffix(&[0; 18][..]).unwrap(), soc.as_bytes());
        }
        let on_chip = client.map_memories();
        on_chip.write(0x8_0000, b"RETRAM").unwrap();
        assert_eq!(client.read(MEMORY, 0x8_0000, 6).unwrap(), b"RETRAM");
        client.write(MEMORY, 0xC_0000, &[1, 2, 3]);
        let mut seen = [0; 3];
        on_chip.read(0xC_0000, &mut seen).unwrap();
        assert_eq!(seen, [1, 2, 3]);
        drop(client);
        assert_eq!(served.end().unwrap(), Ending::Detached);
    }
}

#[test]
fn firmware_in_the_machines_memory_is_released_kicked_and_interrupts() {
    let served = Served::start(boards::stm32mp257f_ev1());
    let mut client = served.connect();
    client.attach();
    client.put(CODE, &words(guest::MAILBOX));
    // As Linux's mailbox driver leaves it.
    client.write32(NORMAL, IPCC1, 1);
    client.write32(NORMAL, IPCC1 + 4, !0b10);
    start(&mut client, CODE);
    for message in 1..=5 {
        client.post32(NORMAL, IPCC1 + 8, 1 << 16);
        client.await_interrupt();
        assert_eq!(client.word(RESULTS), message);
        assert_eq!(client.read32(NORMAL, IPCC1 + 0x1C), 0b10, "channel 2 is set");
        assert_eq!(client.read32(CONFIG, 4) >> 16 & 8, 8, "the status shows it");
        client.unmask();
        client.await_interrupt();
        client.write32(NORMAL, IPCC1 + 8, 0b10);
        assert_eq!(client.read32(CONFIG, 4) >> 16 & 8, 0);
        client.unmask();
        client.assert_no_interrupt();
    }
    let released = Happening::Released { core: M33, vector_table: CODE as u32, secure: false };
    served.wait_for(|notice| matches!(notice, Notice::Board(event) if event.what == released));
}

#[test]
fn a_disabled_pin_is_silent_until_it_is_enabled() {
    let served = Served::start(boards::stm32mp257f_ev1());
    let mut client = served.connect();
    client.attach();
    client.write(CONFIG, 5, &[4]);
    // A free channel interrupts the sender at once.
    client.write32(NORMAL, IPCC1, 1 << 16);
    client.write32(NORMAL, IPCC1 + 4, !(1 << 16));
    client.assert_no_interrupt();
    client.write(CONFIG, 5, &[0]);
    client.await_interrupt();
}

#[test]
fn each_rise_of_a_line_is_a_message_and_a_watchdogs_stays_pending_until_it_is_cleared() {
    const IWDG3: u32 = 1 << 17;
    let served = Served::start(boards::stm32mp257f_ev1());
    let mut client = served.connect();
    client.attach();
    let bite = |client: &mut Client| client.write32(NORMAL, EXTI2 + 0x28, IWDG3);
    bite(&mut client);
    client.await_interrupt();
    client.listen_to_message(1);
    client.await_interrupt();
    assert_eq!(client.read32(NORMAL, EXTI2 + 0x2C), IWDG3);
    bite(&mut client);
    client.assert_no_interrupt();
    client.write32(NORMAL, EXTI2 + 0x2C, IWDG3);
    client.assert_no_interrupt();
    assert_eq!(client.read32(CONFIG, 4) >> 16 & 8, 0);
    bite(&mut client);
    client.await_interrupt();
    // The mailbox is the other message's.
    client.write32(NORMAL, IPCC1, 1 << 16);
    client.write32(NORMAL, IPCC1 + 4, !(1 << 16));
    client.assert_no_interrupt();
    client.listen_to_message(0);
    client.await_interrupt();
    // Too many.
    assert_eq!(client.ask(8, &[20u32, 0b10_0001, 1, 1, 2].map(u32::to_le_bytes).concat()), Err(22));
}

#[test]
fn the_normal_world_cannot_do_what_is_the_secure_worlds() {
    let served = Served::start(boards::stm32mp257f_ev1());
    let mut client = served.connect();
    client.attach();
    client.write32(NORMAL, RCC + 0x434, 1);
    assert_eq!(client.read32(NORMAL, RCC + 0x434), 0);
    assert_eq!(client.read32(NORMAL, 0x9_0000), 0, "fuses read zero");
    client.write32(SECURE, 0x9_0000, 5);
    assert_eq!(client.read32(SECURE, 0x9_0000), 5);
    served.wait_for(
        |notice| matches!(notice, Notice::Board(event) if matches!(event.what, Happening::IllegalAccess(_))),
    );
    assert_eq!(client.read32(NORMAL, 0x1f_0000), 0);
    served.wait_for(|notice| matches!(notice, Notice::Absent { bar: 0, offset: 0x1f_0000, how: "read" }));
}

#[test]
fn a_reset_takes_the_power_but_not_the_fuses_nor_the_machines_memory() {
    let served = Served::start(boards::stm32mp257f_ev1());
    let mut client = served.connect();
    client.attach();
    client.put(CODE, &words(guest::COUNT));
    client.write32(SECURE, 0x9_0000, 1);
    client.write(MEMORY, 0x8_0000, &[0xAA; 4]);
    start(&mut client, CODE);
    client.await_change(RESULTS);
    client.reset();
    served.wait_for(|notice| *notice == Notice::PoweredOff);
    let counted = client.word(RESULTS);
    assert_eq!(client.read(MEMORY, 0x8_0000, 4).unwrap(), [0; 4]);
    assert_eq!(client.read32(SECURE, 0x9_0000), 1);
    assert_eq!(client.read32(SECURE, RCC + 0x434), 0);
    std::thread::sleep(Duration::from_millis(20));
    assert_eq!(client.word(RESULTS), counted, "it does not run");
    assert_eq!(client.word(CODE), guest::COUNT[0]);
}

#[test]
fn without_memory_to_share_the_first_access_ends_it_with_what_to_do() {
    let served = Served::start(boards::stm32mp257f_ev1());
    let mut client = served.connect();
    client.version();
    assert_eq!(client.read(CONFIG, 0, 4).unwrap(), [0x34, 0x12, 0x60, 0x52]);
    client.send_read(NORMAL, 0, 4);
    let error = served.end().unwrap_err();
    assert!(matches!(error, ServeError::Memory(MemoryError::Nothing { base: 0x8000_0000 })), "{error}");
    assert!(error.to_string().contains("-m 2048"), "{error}");
}

#[test]
fn memory_that_goes_stops_the_processor() {
    let served = Served::start(boards::stm32mp257f_ev1());
    let mut client = served.connect();
    client.attach();
    client.put(CODE, &words(guest::COUNT));
    start(&mut client, CODE);
    client.await_change(RESULTS);
    client.unmap_all();
    let counted = client.word(RESULTS);
    std::thread::sleep(Duration::from_millis(20));
    assert_eq!(client.word(RESULTS), counted);
    drop(client);
    assert_eq!(served.end().unwrap(), Ending::Detached);
}

#[test]
fn nonsense_is_answered_with_an_error_and_served_on() {
    let served = Served::start(boards::stm32mp257f_ev1());
    let mut client = served.connect();
    client.attach();
    assert_eq!(client.ask(99, &[]), Err(22));
    assert_eq!(client.ask(9, &[0; 15]), Err(22));
    assert_eq!(client.read(CONFIG, 255, 2), Err(22));
    assert_eq!(client.read(NORMAL, u64::MAX, 4), Err(22));
    assert_eq!(client.read(NORMAL, 0, 5000), Err(22));
    assert_eq!(client.read(3, 0, 4), Err(22));
    assert_eq!(client.ask(2, &[0xff; 32]), Err(22));
    assert_eq!(client.ask(8, &[0; 20]), Err(95));
    assert_eq!(client.read32(CONFIG, 0), 0x5260_1234);
    client.raw(&[0xff; 16]);
    assert!(matches!(served.end(), Err(ServeError::Channel(_))));
}

#[test]
fn every_wait_has_an_end() {
    let served = Served::start_with(boards::stm32mp257f_ev1(), Some(Duration::from_millis(300)));
    // Someone who only looks, and someone who never says a word.
    drop(served.connect());
    let _silent = served.connect();
    assert!(matches!(served.end(), Err(ServeError::NobodyCame { .. })));
    let served = Served::start(boards::stm32mp257f_ev1());
    let mut client = served.connect();
    client.attach();
    assert_eq!(served.stop().unwrap(), Ending::Stopped);
    let served = Served::start(boards::stm32mp257f_ev1());
    let mut client = served.connect();
    client.raw(&[1, 0, 1]);
    drop(client);
    assert!(matches!(served.end(), Err(ServeError::Channel(_))), "cut in the middle of a header");
}
