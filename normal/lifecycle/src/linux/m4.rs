//! The Cortex-M4 of an STM32MP157F-DK2 as Linux's device tree has it: for the tests here, and for the fuzz target `linux_loader`.

use crate::{Description, MemoryRegion, Translation};

/// Its regions and windows.
pub fn m4() -> Description {
    let region = |name: &str, address, size| MemoryRegion { name: name.to_owned(), address, size };
    let window = |device_address, address, size| Translation { device_address, address, size };
    Description {
        name: "m4".to_owned(),
        regions: vec![
            region("mcuram2", 0x1000_0000, 0x4_0000),
            region("vdev0vring0", 0x1004_0000, 0x1000),
            region("vdev0buffer", 0x1004_2000, 0x4000),
            region("ipc-shm", 0x1004_8000, 0x8000),
            region("mcuram", 0x3000_0000, 0x4_0000),
            region("retram", 0x3800_0000, 0x1_0000),
        ],
        translations: vec![
            window(0, 0x3800_0000, 0x1_0000),
            window(0x1000_0000, 0x1000_0000, 0x6_0000),
            window(0x3000_0000, 0x3000_0000, 0x6_0000),
        ],
        ..Description::default()
    }
}
