//! Reads and patches an arbitrary resource table; no patch may change where its entries are.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rproc_elf::resource_table::probe;
use rproc_elf::{ResourceTable, ResourceTableMut};

fuzz_target!(|input: (Vec<u8>, Vec<(u8, u8, u32)>)| {
    let (mut bytes, patches) = input;
    if let Some(len) = probe(&bytes) {
        assert!(len <= bytes.len());
        assert!(
            ResourceTable::parse(&bytes[..len]).is_ok_and(|table| table.entries().all(|entry| entry.is_ok()))
        );
        assert_eq!(probe(&bytes[..len]), Some(len));
    }
    let Ok(mut table) = ResourceTableMut::parse(&mut bytes) else { return };
    let before = offsets(&table);
    for (operation, index, value) in patches {
        let (index, vring) = (u32::from(index), usize::from(operation / 16));
        let _ = match operation % 8 {
            0 => table.set_memory(index, value, value),
            1 => table.set_trace_da(index, value),
            2 => table.set_vdev_notifyid(index, value),
            3 => table.set_guest_features(index, value),
            4 => table.set_status(index, value as u8),
            5 => table.set_vring_da(index, vring, value),
            6 => table.set_vring_notifyid(index, vring, value),
            _ => table.set_vring_pa(index, vring, value),
        };
    }
    assert_eq!(offsets(&table), before);
});

/// The header and the array of offsets as they stand in the table.
fn offsets(table: &ResourceTableMut<'_>) -> Vec<u8> {
    let table = table.as_table().expect("it was parsed before");
    table.bytes()[..16 + 4 * table.len() as usize].to_vec()
}
