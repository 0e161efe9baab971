//! Linux as the loader: where things go, what is refused and with which sentence, resets in order, and the whole life.

use std::cell::RefCell;
use std::rc::Rc;

use rproc_elf::ElfFile;
use rproc_elf::testing::{ElfBuilder, Segment};
use rproc_rpmsg::memory::Fault;

use super::m4::m4;
use super::*;
use crate::supply::ProviderError;
use crate::testing::{self, Board, Ram, TABLE};
use crate::{AutoBoot, Error, Event, Remoteproc, State};

/// Memory at any address, of which everything is 0xee at first, and a range that faults.
#[derive(Clone, Default)]
struct Sparse(Rc<RefCell<Cells>>);

#[derive(Default)]
struct Cells {
    bytes: std::collections::BTreeMap<u64, u8>,
    closed: Range<u64>,
    /// Accesses that go well before one fails.
    fails_after: Option<u64>,
}

impl Sparse {
    fn bytes(&self, address: u64, size: usize) -> Vec<u8> {
        let mut bytes = vec![0; size];
        self.read(address, &mut bytes).unwrap();
        bytes
    }

    fn close(&self, range: Range<u64>) {
        self.0.borrow_mut().closed = range;
    }

    fn check(&self, address: u64, len: usize) -> Result<(), Fault> {
        let mut cells = self.0.borrow_mut();
        let strikes = cells.fails_after == Some(0);
        cells.fails_after = cells.fails_after.and_then(|left| left.checked_sub(1));
        let apart = address + len as u64 <= cells.closed.start || cells.closed.end <= address;
        if apart && !strikes { Ok(()) } else { Err(Fault { address, len: len as u64 }) }
    }
}

impl Memory for Sparse {
    fn read(&self, address: u64, buffer: &mut [u8]) -> Result<(), Fault> {
        self.check(address, buffer.len())?;
        let memory = self.0.borrow();
        for (at, byte) in (address..).zip(buffer) {
            *byte = memory.bytes.get(&at).copied().unwrap_or(0xee);
        }
        Ok(())
    }
    fn write(&mut self, address: u64, bytes: &[u8]) -> Result<(), Fault> {
        self.check(address, bytes.len())?;
        self.0.borrow_mut().bytes.extend((address..).zip(bytes.iter().copied()));
        Ok(())
    }
    fn load_u16(&self, address: u64) -> Result<u16, Fault> {
        Ok(u16::from_le_bytes(self.bytes(address, 2).try_into().unwrap()))
    }
    fn load_u32(&self, address: u64) -> Result<u32, Fault> {
        Ok(u32::from_le_bytes(self.bytes(address, 4).try_into().unwrap()))
    }
    fn store_u16(&mut self, address: u64, value: u16) -> Result<(), Fault> {
        self.write(address, &value.to_le_bytes())
    }
    fn store_u32(&mut self, address: u64, value: u32) -> Result<(), Fault> {
        self.write(address, &value.to_le_bytes())
    }
}

/// Resets that are remembered and fail on demand; a reset lets the board's processor run or stop.
#[derive(Clone, Default)]
struct Control {
    calls: Rc<RefCell<Vec<String>>>,
    failing: Rc<RefCell<Vec<&'static str>>>,
    board: Option<Rc<Board>>,
    running: bool,
    table: Option<FoundTable>,
}

impl Control {
    fn call(&self, name: &str) -> Result<(), ProviderError> {
        self.calls.borrow_mut().push(name.to_owned());
        let mut failing = self.failing.borrow_mut();
        match failing.iter().position(|failing| name.starts_with(failing)) {
            Some(index) => Err(format!("{} is locked", failing.remove(index)).into()),
            None => Ok(()),
        }
    }

    fn taken(&self) -> Vec<String> {
        std::mem::take(&mut *self.calls.borrow_mut())
    }
}

impl ResetControl for Control {
    fn assert_hold(&mut self) -> Result<(), ProviderError> {
        self.call("hold")
    }
    fn release_hold(&mut self) -> Result<(), ProviderError> {
        self.call("go")?;
        if let Some(board) = &self.board
            && !board.is_running()
        {
            board.restart();
        }
        Ok(())
    }
    fn assert_reset(&mut self) -> Result<(), ProviderError> {
        self.call("reset")?;
        if let Some(board) = &self.board {
            board.halt();
        }
        Ok(())
    }
    fn set_boot_address(&mut self, address: u64) -> Result<(), ProviderError> {
        self.call(&format!("vectors {address:#x}"))
    }
}

impl CoreStatus for Control {
    fn is_running(&mut self) -> Result<bool, ProviderError> {
        Ok(self.running)
    }
    fn resource_table(&mut self) -> Result<Option<FoundTable>, ProviderError> {
        Ok(self.table)
    }
    fn mark_off(&mut self) -> Result<(), ProviderError> {
        self.call("off")
    }
}

fn loader() -> (LinuxLoader<Sparse, Control>, Sparse, Control) {
    let (memory, control) = (Sparse::default(), Control::default());
    (LinuxLoader::new(m4(), BootAddress::Fixed, memory.clone(), control.clone()), memory, control)
}

fn m33_loader(elf: &[u8]) -> Result<Control, LinuxLoadError> {
    let control = Control::default();
    let mut description = testing::description();
    description.name = "m33".to_owned();
    let boot = BootAddress::Vectors { alignment: 128 };
    let mut loader = LinuxLoader::new(description, boot, Sparse::default(), control.clone());
    loader.load(elf)?;
    loader.start()?;
    Ok(control)
}

#[test]
fn segments_go_to_their_load_addresses_through_the_windows() {
    let (mut loader, memory, _) = loader();
    let elf = ElfBuilder::elf32()
        .load(0, &[1; 8])
        .segment(Segment::load(0x3000_1000, &[2; 6]).physical(0x1000_0100).memory_size(10))
        .segment(Segment::other(0x7000_0001, 0x1000_0200, &[3; 4]))
        .segment(Segment::load(0x1000_0300, &[]).memory_size(5000))
        .build();
    loader.load(&elf).unwrap();
    assert_eq!(memory.bytes(0x3800_0000, 9), [1, 1, 1, 1, 1, 1, 1, 1, 0xee], "device address 0 is RETRAM");
    assert_eq!(
        memory.bytes(0x1000_0100, 11),
        [2, 2, 2, 2, 2, 2, 0, 0, 0, 0, 0xee],
        "p_paddr counts; bss is zero"
    );
    assert_eq!(memory.bytes(0x1000_0200, 4), [0xee; 4], "only PT_LOAD");
    let bss = memory.bytes(0x1000_0300, 5001);
    assert!(bss[..5000].iter().all(|byte| *byte == 0) && bss[5000] == 0xee);
    assert_eq!(loader.resource_table().unwrap(), None);
    loader.release().unwrap();
    assert_eq!(memory.bytes(0x3800_0000, 9), [0, 0, 0, 0, 0, 0, 0, 0, 0xee], "wiped");
    assert_eq!(memory.bytes(0x1000_0100, 10), [0; 10]);
}

#[test]
fn what_cannot_be_loaded_is_refused_before_anything_is_written() {
    let good = |builder: ElfBuilder| builder.load(0x1000_0000, &[1; 4]);
    for (elf, words) in [
        (
            good(ElfBuilder::elf32()).load(0x2000_0000, &[2; 4]).build(),
            "segment 1 at device address 0x20000000 (0x4 bytes)",
        ),
        (good(ElfBuilder::elf32()).load(0x1003_fffe, &[2; 4]).build(), "in no memory region of m4"),
        (
            good(ElfBuilder::elf32()).load(0x1004_2000, &[2; 4]).build(),
            "its regions are: mcuram2 0x10000000..0x10040000",
        ),
        (good(ElfBuilder::elf32()).load(0x3800_0000, &[2; 4]).build(), "at device address 0x38000000"),
        (
            good(ElfBuilder::elf32()).segment(Segment::load(0x1000_0100, &[2; 8]).memory_size(4)).build(),
            "0x8",
        ),
        (
            good(ElfBuilder::elf32())
                .segment(Segment::load(0x1000_0100, &[2; 8]).file_size(9).memory_size(9))
                .build(),
            "cut short",
        ),
        (ElfBuilder::elf32().segment(Segment::other(6, 0, &[1])).build(), "no segment to load"),
        (good(ElfBuilder::elf32()).resource_table(0x1000_0100, &[7; 16]).build(), "version"),
        (b"not an ELF file, but long enough to have a header of one........".to_vec(), "cannot be read"),
        (Vec::new(), "empty or cut short"),
    ] {
        let (mut loader, memory, _) = loader();
        let error = loader.load(&elf).unwrap_err().to_string();
        assert!(error.contains(words), "{words}: {error}");
        assert!(memory.0.borrow().bytes.is_empty(), "{words}");
        assert!(matches!(loader.start(), Err(LinuxLoadError::NothingLoaded)));
        loader.release().unwrap();
    }
}

#[test]
fn a_signed_image_gets_a_sentence_with_both_ways_out() {
    let (mut loader, _, _) = loader();
    let mut container = rproc_image::MAGIC.to_le_bytes().to_vec();
    container.extend([1; 64]);
    let error = loader.load(&container).unwrap_err().to_string();
    for words in
        ["signed image", "m4 is owned by Linux", "give the ELF file", "TEE-owned in both device trees"]
    {
        assert!(error.contains(words), "{words}: {error}");
    }
}

#[test]
fn the_processor_is_released_and_held_again_and_stopped_by_hold_and_reset() {
    let (mut loader, _, control) = loader();
    loader.load(&ElfBuilder::elf32().load(0, &[1; 8]).build()).unwrap();
    assert!(control.taken().is_empty());
    loader.start().unwrap();
    assert_eq!(control.taken(), ["go", "hold"]);
    loader.stop().unwrap();
    assert_eq!(control.taken(), ["hold", "reset", "off"]);
    loader.release().unwrap();
    assert!(control.taken().is_empty());
    loader.attach().unwrap();
    loader.detach().unwrap();
    assert_eq!(control.taken(), ["hold", "go"]);
}

#[test]
fn a_start_that_fails_half_way_is_stopped_before_the_memory_is_wiped() {
    for (failing, expected) in [
        (&["go"][..], &["go", "hold", "reset", "off"][..]),
        (&["hold"], &["go", "hold", "hold", "reset", "off"]),
        (&["go", "reset"], &["go", "hold", "reset", "hold", "reset", "off"]),
    ] {
        let (mut loader, memory, control) = loader();
        loader.load(&ElfBuilder::elf32().load(0, &[1; 8]).build()).unwrap();
        control.failing.borrow_mut().extend(failing);
        let error = loader.start().unwrap_err().to_string();
        assert!(error.contains("start the processor") && error.contains("is locked"), "{error}");
        loader.release().unwrap();
        assert_eq!(control.taken(), expected);
        assert_eq!(memory.bytes(0x3800_0000, 8), [0; 8]);
    }
    // As long as it cannot be stopped, its memory is not touched.
    let (mut loader, memory, control) = loader();
    loader.load(&ElfBuilder::elf32().load(0, &[1; 8]).build()).unwrap();
    control.failing.borrow_mut().extend(["go", "reset", "reset"]);
    loader.start().unwrap_err();
    loader.release().unwrap_err();
    assert_eq!(memory.bytes(0x3800_0000, 8), [1; 8]);
    loader.release().unwrap();
    assert_eq!(memory.bytes(0x3800_0000, 8), [0; 8]);
}

#[test]
fn the_boot_address_is_where_the_vectors_are_loaded() {
    let vectors = [9; 16];
    let control = m33_loader(&ElfBuilder::elf32().vectors(0x8120_0080, &vectors).build()).unwrap();
    assert_eq!(control.taken(), ["vectors 0x81200080", "go", "hold"]);
    let moved = ElfBuilder::elf32()
        .segment(Segment::load(0x2000_0000, &vectors).physical(0x8120_0100))
        .section_in_segment(".isr_vectors", 0, 0..16)
        .build();
    assert_eq!(m33_loader(&moved).unwrap().taken()[0], "vectors 0x81200100");
    for (elf, words) in [
        (
            ElfBuilder::elf32().vectors(0x8120_0040, &vectors).build(),
            "0x81200040, and the boot address must be a multiple of 128",
        ),
        (ElfBuilder::elf32().load(0x8120_0000, &vectors).build(), "no section .isr_vectors"),
        (
            ElfBuilder::elf32()
                .load(0x8120_0000, &vectors)
                .section(".isr_vectors", 0x8120_0000, &vectors)
                .build(),
            "no section .isr_vectors that is loaded",
        ),
        (
            ElfBuilder::elf32().named_segment(".isr_vector", 0x8120_0000, &vectors).build(),
            "no section .isr_vectors",
        ),
    ] {
        let error = m33_loader(&elf).err().unwrap().to_string();
        assert!(error.contains(words), "{words}: {error}");
    }
}

/// A gcc image: the table's bytes are loaded behind the code, and the firmware reads them in RAM.
fn moved_table(table: &[u8]) -> ElfBuilder {
    ElfBuilder::elf32().segment(Segment::load(0x1003_0000, table).physical(0x1000_0200)).section_in_segment(
        ".resource_table",
        0,
        0..table.len() as u64,
    )
}

#[test]
fn a_table_that_is_read_elsewhere_is_put_there_and_completed_at_both_places() {
    let table = rproc_elf::testing::resource_table::sample();
    let (mut loader, mut memory, _) = loader();
    loader.load(&moved_table(&table).build()).unwrap();
    let location = TableLocation { address: 0x1003_0000, size: table.len() as u64 };
    assert_eq!(loader.resource_table().unwrap(), Some(location));
    assert_eq!(loader.table_loaded_at(), Some(0x1000_0200));
    assert_eq!(memory.bytes(0x1003_0000, table.len()), table);
    let completed = vec![0x5a; table.len()];
    memory.write(location.address, &completed).unwrap();
    loader.start().unwrap();
    assert_eq!(
        memory.bytes(0x1000_0200, table.len()),
        completed,
        "start code that copies it finds it completed"
    );

    // No segment carries it: Linux takes it from the file.
    let (mut loader, memory, _) = self::loader();
    let elf = ElfBuilder::elf32().load(0x1000_0000, &[1; 4]).section(".resource_table", 0x1003_0000, &table);
    loader.load(&elf.build()).unwrap();
    assert_eq!((loader.resource_table().unwrap(), loader.table_loaded_at()), (Some(location), None));
    assert_eq!(memory.bytes(0x1003_0000, table.len()), table);

    // The same place twice is no move.
    let (mut loader, _, _) = self::loader();
    loader.load(&ElfBuilder::elf32().resource_table(0x1003_0000, &table).build()).unwrap();
    assert_eq!((loader.resource_table().unwrap(), loader.table_loaded_at()), (Some(location), None));

    let (mut loader, _, _) = self::loader();
    let elf = ElfBuilder::elf32().load(0x1000_0000, &[1; 4]).section(".resource_table", 0x2000_0000, &table);
    assert!(matches!(
        loader.load(&elf.build()),
        Err(LinuxLoadError::TableUnreachable { device_address: 0x2000_0000, .. })
    ));
}

#[test]
fn memory_that_faults_is_named_and_what_was_written_is_wiped() {
    let (mut loader, memory, _) = loader();
    memory.close(0x1000_0002..0x1000_0003);
    let elf = ElfBuilder::elf32().load(0, &[1; 8]).load(0x1000_0000, &[2; 4]).build();
    let error = loader.load(&elf).unwrap_err();
    assert!(matches!(error, LinuxLoadError::Memory { address: 0x1000_0000, .. }), "{error}");
    assert!(error.to_string().contains("firewall"), "{error}");
    assert!(loader.release().is_err(), "what cannot be reached cannot be wiped");
    memory.close(0..0);
    loader.release().unwrap();
    assert_eq!(memory.bytes(0x3800_0000, 8), [0; 8]);
}

#[test]
fn every_access_of_a_load_and_a_start_may_fail() {
    let table = rproc_elf::testing::resource_table::sample();
    let elf = moved_table(&table).segment(Segment::load(0, &[1; 8]).memory_size(9000)).build();
    let mut refused = 0;
    loop {
        let (mut loader, memory, control) = loader();
        memory.0.borrow_mut().fails_after = Some(refused);
        let result = loader.load(&elf).and_then(|()| loader.start());
        let done = memory.0.borrow().fails_after.is_some();
        match result {
            Ok(()) => {
                assert!(done, "access {refused} failed, and nobody said so");
                break;
            }
            Err(error) => assert!(matches!(error, LinuxLoadError::Memory { .. }), "{error}"),
        }
        assert!(control.taken().is_empty(), "what is not whole is not started");
        loader.release().unwrap();
        assert!(memory.0.borrow().bytes.values().all(|byte| *byte == 0), "wiped after {refused}");
        refused += 1;
    }
    assert!(refused >= 7, "{refused}");
}

#[test]
fn the_table_of_running_firmware_is_where_the_registers_say() {
    let control = |table| Control { running: true, table, ..Control::default() };
    let found = |device_address, size| Some(FoundTable { device_address, size });
    for (table, expected) in [
        (None, Ok(None)),
        (found(0x1000_0400, None), Ok(Some(TableLocation { address: 0x1000_0400, size: 1024 }))),
        (found(0x400, Some(88)), Ok(Some(TableLocation { address: 0x3800_0400, size: 88 }))),
        (found(0x2000_0000, None), Err(())),
    ] {
        let mut loader = LinuxLoader::new(m4(), BootAddress::Fixed, Sparse::default(), control(table));
        assert!(loader.is_running().unwrap());
        assert_eq!(loader.resource_table().map_err(drop), expected);
    }
    // A table that is there says itself how long it is: what the firmware keeps behind it is not overwritten.
    let memory = Sparse::default();
    memory.clone().write(0x1000_0400, &testing::table()).unwrap();
    let mut loader = LinuxLoader::new(m4(), BootAddress::Fixed, memory, control(found(0x1000_0400, None)));
    let size = testing::table().len() as u64;
    assert_eq!(loader.resource_table().unwrap(), Some(TableLocation { address: 0x1000_0400, size }));
}

#[test]
fn the_dump_has_all_regions_but_the_buffers_at_device_addresses() {
    let (mut loader, memory, _) = loader();
    loader.load(&ElfBuilder::elf32().entry(0x11).load(0, &[1, 2, 3, 4]).build()).unwrap();
    memory.close(0x1004_0000..0x1004_1000);
    let core = loader.coredump().unwrap();
    let file = ElfFile::parse(&core).unwrap();
    assert_eq!(
        (file.header().machine(), file.header().class(), file.header().entry()),
        (40, Class::Elf32, 0x11)
    );
    let segments: Vec<_> = file.segments().collect();
    let places: Vec<(u64, u64)> =
        segments.iter().map(|one| (one.physical_address, one.memory_size)).collect();
    assert_eq!(
        places,
        [
            (0x1000_0000, 0x4_0000),
            (0x1004_0000, 0x1000),
            (0x1004_8000, 0x8000),
            (0x3000_0000, 0x4_0000),
            (0, 0x1_0000)
        ]
    );
    assert!(file.segment_bytes(&segments[4]).unwrap().starts_with(&[1, 2, 3, 4]));
    assert!(file.segment_bytes(&segments[1]).unwrap().iter().all(|byte| *byte == 0xff), "not readable");
}

type LinuxOwned = Remoteproc<LinuxLoader<Ram, Control>, testing::FakeMachine>;

/// A processor that Linux owns, on the board of the other tests.
fn processor() -> (LinuxOwned, Rc<Board>) {
    let (_, machine) = testing::parts();
    let board = Rc::clone(&machine.board);
    let control = Control { board: Some(Rc::clone(&board)), ..Control::default() };
    let boot = BootAddress::Vectors { alignment: 128 };
    let loader = LinuxLoader::new(testing::description(), boot, machine.ram.clone(), control);
    let elf = ElfBuilder::elf32().vectors(0x8121_0000, &[7; 64]).resource_table(TABLE, &testing::table());
    let mut processor = Remoteproc::new(testing::description(), loader, machine);
    processor.set_firmware(elf.build()).unwrap();
    (processor, board)
}

#[test]
fn a_linux_owned_processor_lives_a_whole_life() {
    let (mut processor, board) = processor();
    processor.probe(AutoBoot::Yes).unwrap();
    let mut events = Vec::new();
    for _ in 0..8 {
        events.extend(processor.wait(std::time::Duration::from_millis(10)));
    }
    assert!(processor.channel("rproc-echo").is_some(), "{events:?}");
    *board.crash.borrow_mut() =
        Some(crate::Crash { kind: crate::CrashKind::Watchdog, reason: "IWDG3 ran out".to_owned() });
    let events = processor.wait(std::time::Duration::from_millis(10));
    assert!(events.contains(&Event::Recovered { count: 1 }), "{events:?}");
    let core = processor.coredump().unwrap().to_vec();
    let file = ElfFile::parse(&core).unwrap();
    let vring = file.segments().find(|one| one.physical_address == 0x812f_8000).unwrap();
    assert_eq!(vring.memory_size, 0x1000);
    assert_eq!(file.header().entry(), 0x8121_0000);
    processor.shutdown().unwrap();
    assert_eq!((processor.state(), board.is_running()), (State::Offline, false));
}

#[test]
fn a_moved_table_is_told_and_works() {
    let (mut processor, _) = processor();
    let table = testing::table();
    let elf = ElfBuilder::elf32()
        .vectors(0x8121_0000, &[7; 64])
        .segment(Segment::load(TABLE, &table).physical(0x8122_0000))
        .section_in_segment(".resource_table", 1, 0..table.len() as u64);
    processor.set_firmware(elf.build()).unwrap();
    processor.boot().unwrap();
    let mut events = processor.poll();
    assert!(events.contains(&Event::TableMoved { loaded: 0x8122_0000, address: TABLE }), "{events:?}");
    for _ in 0..8 {
        events.extend(processor.wait(std::time::Duration::from_millis(10)));
    }
    assert!(processor.channel("rproc-echo").is_some(), "{events:?}");
}

#[test]
fn every_reset_that_fails_during_a_boot_ends_off_and_with_a_reason() {
    for failing in ["vectors", "go", "hold"] {
        let (mut processor, board) = processor();
        processor.loader().control().failing.borrow_mut().push(failing);
        let error = processor.boot().unwrap_err();
        assert!(matches!(error, Error::Start(_)) && error.to_string().contains("is locked"), "{error}");
        assert_eq!((processor.state(), board.is_running()), (State::Offline, false), "{failing}");
        processor.boot().unwrap();
        processor.shutdown().unwrap();
    }
}
