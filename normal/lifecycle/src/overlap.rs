//! Two things that were placed at the same memory: the host would write over what the firmware keeps there.

use std::ops::Range;

use rproc_abi::service::TableLocation;

use crate::resources::Resources;

/// Two placed things with memory in common.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{first} at {:#x}..{:#x} and {second} at {:#x}..{:#x} share memory; move one of them with the linker script",
    first_range.start, first_range.end, second_range.start, second_range.end
)]
pub struct Overlap {
    /// What the one is.
    pub first: String,
    /// Its physical addresses.
    pub first_range: Range<u64>,
    /// What the other is.
    pub second: String,
    /// Its physical addresses.
    pub second_range: Range<u64>,
}

/// Refuses resources of which two share memory, or one with the resource table itself. Carveouts may hold others.
pub(crate) fn check(table: TableLocation, resources: &Resources) -> Result<(), Overlap> {
    let range = |address: u64, size: u64| address..address.saturating_add(size);
    let mut placed = vec![("the resource table".to_owned(), range(table.address, table.size))];
    for trace in &resources.traces {
        if let Some(address) = trace.address {
            placed.push((format!("trace buffer {}", trace.name), range(address, trace.size.into())));
        }
    }
    for (number, vdev) in resources.vdevs.iter().enumerate() {
        for (index, vring) in vdev.vrings.iter().enumerate() {
            let name = format!("vring {index} of virtio device {number}");
            placed.push((name, vring.layout.range()));
        }
        if let Some(buffers) = &vdev.buffers {
            placed.push((format!("the buffers of virtio device {number}"), buffers.range.clone()));
        }
    }
    for (index, (first, first_range)) in placed.iter().enumerate() {
        for (second, second_range) in placed.iter().skip(index + 1) {
            let apart = first_range.end <= second_range.start || second_range.end <= first_range.start;
            if !apart && !first_range.is_empty() && !second_range.is_empty() {
                return Err(Overlap {
                    first: first.clone(),
                    first_range: first_range.clone(),
                    second: second.clone(),
                    second_range: second_range.clone(),
                });
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::Trace;

    fn resources(traces: &[(u64, u32)]) -> Resources {
        let trace = |(address, size): &(u64, u32)| Trace {
            name: format!("log_{address:x}"),
            device_address: *address as u32,
            address: Some(*address),
            size: *size,
        };
        Resources { traces: traces.iter().map(trace).collect(), ..Resources::default() }
    }

    #[test]
    fn neighbours_are_apart_and_one_shared_byte_is_not() {
        let table = TableLocation { address: 0x1000, size: 0x100 };
        assert_eq!(check(table, &resources(&[(0x1100, 16), (0x1110, 16), (0x0f00, 0x100)])), Ok(()));
        let overlap = check(table, &resources(&[(0x10ff, 16)])).unwrap_err();
        assert_eq!(
            (overlap.first.as_str(), overlap.second.as_str()),
            ("the resource table", "trace buffer log_10ff")
        );
        assert!(check(table, &resources(&[(0x2000, 16), (0x200f, 16)])).is_err());
        assert_eq!(check(table, &resources(&[(0x1050, 0)])), Ok(()));
    }
}
