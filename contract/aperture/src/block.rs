//! The register blocks and memories, by the SoC's address and by the offset in a BAR.

use crate::SLOT;

/// A range of the SoC's addresses that lies in one piece in a BAR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// ST's name, such as `RCC`.
    pub name: &'static str,
    /// Physical address of the first byte on the SoC, non-secure alias.
    pub address: u64,
    /// Bytes.
    pub size: u64,
    /// Offset of the first byte in the BAR.
    pub offset: u64,
}

const fn block(slot: u64, name: &'static str, address: u64) -> Block {
    Block { name, address, size: SLOT, offset: slot * SLOT }
}

/// The register blocks of the STM32MP25 (OP-TEE and Linux `stm32mp251.dtsi`). Slot 0 holds the [`crate::Identity`].
pub const BLOCKS: [Block; 20] = [
    block(1, "IPCC1", 0x4049_0000),
    block(2, "IPCC2", 0x4625_0000),
    block(3, "HSEM", 0x4624_0000),
    block(4, "RCC", 0x4420_0000),
    block(5, "PWR", 0x4421_0000),
    block(6, "SYSCFG", 0x4423_0000),
    block(7, "TAMP", 0x4601_0000),
    block(8, "CA35SYSCFG", 0x4880_0000),
    block(9, "BSEC", 0x4400_0000),
    block(10, "RIFSC", 0x4208_0000),
    block(11, "IAC", 0x4209_0000),
    block(12, "RISAF4", 0x420d_0000),
    block(13, "RISAB1", 0x420f_0000),
    block(14, "RISAB2", 0x4210_0000),
    block(15, "RISAB3", 0x4211_0000),
    block(16, "RISAB4", 0x4212_0000),
    block(17, "RISAB5", 0x4213_0000),
    block(18, "RISAB6", 0x4214_0000),
    block(19, "IWDG5", 0x4609_0000),
    block(20, "EXTI2", 0x4623_0000),
];

/// The on-chip memories. DDR is not among them: it is QEMU's own memory, at the same addresses.
pub const MEMORIES: [Block; 2] = [
    Block { name: "on-chip SRAM", address: 0x0a00_0000, size: 0xc_0000, offset: 0 },
    Block { name: "low-power SRAM", address: 0x200c_0000, size: 0x8000, offset: 0xc_0000 },
];

/// Where a range lies in a BAR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The block that it lies in.
    pub block: &'static Block,
    /// Offset in the BAR.
    pub offset: u64,
}

fn locate(blocks: &'static [Block], address: u64, size: u64) -> Option<Place> {
    blocks.iter().find_map(|block| {
        let inside = address.checked_sub(block.address)?;
        (inside.checked_add(size)? <= block.size).then(|| Place { block, offset: block.offset + inside })
    })
}

/// Where `size` bytes of registers from a physical address of the SoC lie; `None` when no one block has them all.
pub fn locate_register(address: u64, size: u64) -> Option<Place> {
    locate(&BLOCKS, address, size)
}

/// Where `size` bytes of on-chip memory from a physical address of the SoC lie; `None` when no one memory has them all.
pub fn locate_memory(address: u64, size: u64) -> Option<Place> {
    locate(&MEMORIES, address, size)
}

impl Block {
    /// The block that has a BAR offset, and the SoC's address there.
    pub fn at(blocks: &'static [Block], offset: u64) -> Option<(&'static Block, u64)> {
        blocks.iter().find_map(|block| {
            let inside = offset.checked_sub(block.offset)?;
            (inside < block.size).then(|| (block, block.address + inside))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{MEMORY_BAR_SIZE, REGISTER_BAR_SIZE};

    #[test]
    fn blocks_lie_inside_their_bar_and_apart() {
        for (blocks, size) in [(&BLOCKS[..], REGISTER_BAR_SIZE), (&MEMORIES[..], MEMORY_BAR_SIZE)] {
            for (index, block) in blocks.iter().enumerate() {
                assert!(block.offset + block.size <= size, "{}", block.name);
                for other in &blocks[index + 1..] {
                    assert!(block.offset + block.size <= other.offset, "{} and {}", block.name, other.name);
                }
            }
        }
        assert!(BLOCKS.iter().all(|block| block.offset >= SLOT), "slot 0 is the identity's");
    }

    #[test]
    fn an_address_and_its_offset_find_each_other() {
        let place = locate_register(0x4420_0434, 4).unwrap();
        assert_eq!((place.block.name, place.offset), ("RCC", 0x4_0434));
        assert_eq!(Block::at(&BLOCKS, 0x4_0434), Some((place.block, 0x4420_0434)));
        assert_eq!(locate_memory(0x0a04_1000, 0x1_f000).unwrap().offset, 0x4_1000);
    }

    #[test]
    fn what_crosses_a_block_or_wraps_is_nowhere() {
        assert_eq!(locate_register(0x4420_fffe, 4), None);
        assert_eq!(locate_register(u64::MAX, 4), None);
        assert_eq!(locate_memory(0x0a0b_ffff, 2), None);
        assert_eq!(Block::at(&BLOCKS, 0), None);
    }
}
