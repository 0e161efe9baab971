//! Images that reach for memory which is not theirs alone.

use rproc_abi::refusal::{Place, Reason};
use rproc_abi::{Refusal, TeeResult};
use rproc_elf::testing::{ElfBuilder, resource_table};

use crate::firmware::{M4, M33, Site};
use crate::world::{Files, World};

fn load(site: Site, elf: &[u8]) -> Result<(), Refusal> {
    let files = Files::new();
    let mut world = World::new(&files, &[M4, M33]);
    let (result, why) = world.load(site.id, &site.sign(elf));
    if result == TeeResult::SUCCESS { Ok(()) } else { Err(why.unwrap()) }
}

fn m4(data: &[(u64, usize)]) -> Vec<u8> {
    let elf = ElfBuilder::elf32().vectors(0, &[7; 64]);
    let elf = elf.resource_table(M4.table.into(), &resource_table::sample());
    data.iter().fold(elf, |elf, (address, size)| elf.load(*address, &vec![9; *size])).build()
}

#[test]
fn the_same_sram_through_its_other_address_is_an_overlap() {
    load(M4, &m4(&[(0x1000_0000, 256), (0x3000_0100, 256)])).unwrap();
    for data in [[(0x1000_0000, 256), (0x3000_00ff, 16)], [(0x3000_0080, 8), (0x1000_0000, 256)]] {
        let refusal = load(M4, &m4(&data)).unwrap_err();
        assert_eq!(refusal.reason, Reason::SegmentOverlap, "{refusal}");
        assert!(matches!(refusal.place, Place::Segment { .. }));
    }
    // The very same segment twice, once through each address, is one too.
    let refusal = load(M4, &m4(&[(0x1000_0000, 256), (0x3000_0000, 256)])).unwrap_err();
    assert_eq!(refusal.reason, Reason::SegmentOverlap);
}

#[test]
fn the_memory_of_another_processor_is_nobody_s_to_load() {
    let theirs = M33.regions.iter().map(|region| region.device);
    for address in theirs.chain([0x3800_0000, 0x1004_0000, 0x1005_0000, 0xc000_0000]) {
        let refusal = load(M4, &m4(&[(address, 16)])).unwrap_err();
        assert_eq!(refusal.reason, Reason::SegmentOutsideRegions, "{address:#x}");
    }
}
