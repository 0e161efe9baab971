//! Heap that may not be there: an image too large for the service is refused, it does not end the service.

use alloc::vec::Vec;

use rproc_abi::Refusal;
use rproc_abi::refusal::{Fact, Reason};

/// This many bytes, all zero.
pub(crate) fn zeroed(len: usize) -> Result<Vec<u8>, Refusal> {
    let mut bytes = Vec::new();
    bytes
        .try_reserve_exact(len)
        .map_err(|_| Refusal::new(Reason::MetadataTooLarge).found(Fact::Size(len as u64)))?;
    bytes.resize(len, 0);
    Ok(bytes)
}

/// One more item.
pub(crate) fn push<T>(items: &mut Vec<T>, item: T) -> Result<(), Refusal> {
    items.try_reserve(1).map_err(|_| Refusal::new(Reason::MetadataTooLarge))?;
    items.push(item);
    Ok(())
}

/// All items.
pub(crate) fn collect<T>(items: impl Iterator<Item = T>) -> Result<Vec<T>, Refusal> {
    let mut collected = Vec::new();
    for item in items {
        push(&mut collected, item)?;
    }
    Ok(collected)
}
