//! ELF files that Linux itself loads, arbitrary ones and damaged good ones: nothing is written outside the processor's regions,
//! a refused file leaves no byte, and a release leaves none either.
#![no_main]

#[path = "../../normal/lifecycle/src/linux/m4.rs"]
mod m4;

use std::cell::RefCell;
use std::ops::Range;
use std::rc::Rc;

use libfuzzer_sys::fuzz_target;
use m4::m4;
use rproc_lifecycle::{
    BootAddress, CoreStatus, Description, FoundTable, LinuxLoader, Loader, MemoryRegion, ProviderError,
    ResetControl, Translation,
};
use rproc_rpmsg::memory::{Fault, Memory};

/// Good firmware of the Cortex-M4, to be damaged.
const GOOD: &[u8] = include_bytes!("../../firmware/elf/echo-m4.elf");

/// The memory of the regions, and which parts of it were written.
#[derive(Clone)]
struct Regions(Rc<RefCell<Cells>>);

struct Cells {
    regions: Vec<(u64, Vec<u8>)>,
    written: Vec<Range<u64>>,
}

impl Regions {
    fn new(description: &Description) -> Self {
        let region = |one: &MemoryRegion| (one.address, vec![0xee; one.size as usize]);
        let regions = description.regions.iter().map(region).collect();
        Self(Rc::new(RefCell::new(Cells { regions, written: Vec::new() })))
    }

    /// Whether every byte that was ever written is zero.
    fn is_wiped(&self) -> bool {
        let written = self.0.borrow().written.clone();
        written.into_iter().all(|range| {
            let mut bytes = vec![0xee; (range.end - range.start) as usize];
            self.read(range.start, &mut bytes).is_ok() && bytes.iter().all(|byte| *byte == 0)
        })
    }
}

impl Cells {
    fn at(&mut self, address: u64, len: usize) -> Result<&mut [u8], Fault> {
        let fault = Fault { address, len: len as u64 };
        let found = self.regions.iter_mut().find_map(|(base, bytes)| {
            let start = usize::try_from(address.checked_sub(*base)?).ok()?;
            bytes.get_mut(start..start.checked_add(len)?)
        });
        found.ok_or(fault)
    }
}

impl Memory for Regions {
    fn read(&self, address: u64, buffer: &mut [u8]) -> Result<(), Fault> {
        let mut cells = self.0.borrow_mut();
        buffer.copy_from_slice(cells.at(address, buffer.len())?);
        Ok(())
    }
    fn write(&mut self, address: u64, bytes: &[u8]) -> Result<(), Fault> {
        let mut cells = self.0.borrow_mut();
        let place = cells.at(address, bytes.len());
        place.expect("inside a region of the processor").copy_from_slice(bytes);
        cells.written.push(address..address + bytes.len() as u64);
        Ok(())
    }
    fn load_u16(&self, address: u64) -> Result<u16, Fault> {
        let mut bytes = [0; 2];
        self.read(address, &mut bytes).map(|()| u16::from_le_bytes(bytes))
    }
    fn load_u32(&self, address: u64) -> Result<u32, Fault> {
        let mut bytes = [0; 4];
        self.read(address, &mut bytes).map(|()| u32::from_le_bytes(bytes))
    }
    fn store_u16(&mut self, address: u64, value: u16) -> Result<(), Fault> {
        self.write(address, &value.to_le_bytes())
    }
    fn store_u32(&mut self, address: u64, value: u32) -> Result<(), Fault> {
        self.write(address, &value.to_le_bytes())
    }
}

/// Resets that always work.
struct Obeys;

impl ResetControl for Obeys {
    fn assert_hold(&mut self) -> Result<(), ProviderError> {
        Ok(())
    }
    fn release_hold(&mut self) -> Result<(), ProviderError> {
        Ok(())
    }
    fn assert_reset(&mut self) -> Result<(), ProviderError> {
        Ok(())
    }
    fn set_boot_address(&mut self, _: u64) -> Result<(), ProviderError> {
        Ok(())
    }
}

impl CoreStatus for Obeys {
    fn is_running(&mut self) -> Result<bool, ProviderError> {
        Ok(false)
    }
    fn resource_table(&mut self) -> Result<Option<FoundTable>, ProviderError> {
        Ok(None)
    }
    fn mark_off(&mut self) -> Result<(), ProviderError> {
        Ok(())
    }
}

/// The good file with bytes of the input at places of the input, and cut if the input says so.
fn damaged(bytes: &[u8]) -> Vec<u8> {
    let mut file = GOOD.to_vec();
    let mut changes = bytes.chunks_exact(3);
    for change in &mut changes {
        let at = usize::from(u16::from_le_bytes([change[0], change[1]]));
        // The file is shorter than 64 KiB: a place past its end changes nothing.
        if let Some(byte) = file.get_mut(at) {
            *byte = change[2];
        }
    }
    if let &[low, high] = changes.remainder() {
        file.truncate(usize::from(u16::from_le_bytes([low, high])));
    }
    file
}

fuzz_target!(|bytes: &[u8]| {
    let Some((&choice, rest)) = bytes.split_first() else { return };
    let file = if choice % 2 == 0 { damaged(rest) } else { rest.to_vec() };
    let boot = if choice & 2 == 0 { BootAddress::Fixed } else { BootAddress::Vectors { alignment: 128 } };
    let description = m4();
    let memory = Regions::new(&description);
    let mut loader = LinuxLoader::new(m4(), boot, memory.clone(), Obeys);
    if loader.load(&file).is_err() {
        assert!(memory.0.borrow().written.is_empty(), "a refused file left something");
    } else if let Ok(Some(table)) = loader.resource_table() {
        assert!(description.region_around(table.address, table.size).is_some(), "{table:?}");
    }
    let _ = (loader.start(), loader.stop());
    if choice & 4 != 0 {
        let _ = loader.coredump();
    }
    loader.release().expect("memory and resets that work");
    assert!(memory.is_wiped(), "a release left something");
});
