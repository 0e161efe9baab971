//! The memory of each processor's firmware as the platform's drivers want it, from the board's description.

use std::sync::{Mutex, PoisonError};

use rproc_platform::{Region, RegionKind};

use crate::description::Coprocessor;

/// The regions of every kind of board that was made so far. Drivers take them for ever, as a build for a chip has them; what
/// is here is leaked once for each board that is different.
static KNOWN: Mutex<Vec<&'static [Region]>> = Mutex::new(Vec::new());

/// The regions of a processor, one for each of its own addresses of them; none for a processor that the board does not have.
pub fn regions_of(coprocessor: Option<&Coprocessor>) -> &'static [Region] {
    let wanted: Vec<(&str, Region)> = coprocessor.into_iter().flat_map(all).collect();
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let same = |regions: &&&'static [Region]| {
        regions.len() == wanted.len()
            && regions.iter().zip(&wanted).all(|(region, (name, wanted))| {
                region.name == *name && Region { name: "", ..*region } == *wanted
            })
    };
    if let Some(found) = known.iter().find(same) {
        return found;
    }
    let named = |(name, region): (&str, Region)| Region { name: String::from(name).leak(), ..region };
    let leaked: &'static [Region] = wanted.into_iter().map(named).collect::<Vec<_>>().leak();
    known.push(leaked);
    leaked
}

fn all(coprocessor: &Coprocessor) -> impl Iterator<Item = (&str, Region)> {
    coprocessor.regions.iter().flat_map(|region| {
        let kind = if region.shared { RegionKind::Shared } else { RegionKind::Firmware };
        let (physical, size) = (region.physical, region.size);
        let at = move |device| Region { name: "", device, physical, size, kind };
        region.device.iter().map(move |device| (region.name.as_str(), at(*device)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boards;

    #[test]
    fn a_region_is_there_once_for_each_address_of_the_processor() {
        let m4 = regions_of(boards::stm32mp157f_dk2().coprocessor(0));
        let seen: Vec<_> = m4.iter().map(|region| (region.name, region.device, region.physical)).collect();
        assert_eq!(
            seen,
            [
                ("retram", 0, 0x3800_0000),
                ("retram", 0x3800_0000, 0x3800_0000),
                ("mcuram2", 0x1000_0000, 0x1000_0000),
                ("mcuram2", 0x3000_0000, 0x1000_0000),
                ("ipc_shm", 0x1004_0000, 0x1004_0000),
                ("ipc_shm", 0x3004_0000, 0x1004_0000),
            ]
        );
        assert_eq!(m4.iter().filter(|region| region.kind == RegionKind::Shared).count(), 2);
        let again = regions_of(boards::stm32mp157f_dk2().coprocessor(0));
        assert!(std::ptr::eq(m4, again), "boards alike share them");
        assert!(regions_of(None).is_empty());
        let m0 = regions_of(boards::stm32mp257f_ev1().coprocessor(2));
        let banks: Vec<_> = m0.iter().map(|region| (region.physical, region.size)).collect();
        assert_eq!(banks, [(0x200c_0000, 0x4000), (0x200c_4000, 0x4000)]);
    }
}
