//! What a memory parameter of the platform service can be: the TA's own memory, or the normal world's, passed on.

use crate::{OutOfRange, SharedMemory};

/// A memory reference that the TA passes to the platform service.
pub enum PtaMemory<'a, S> {
    /// Memory that the normal world can still write, passed on as it came.
    Shared(S),
    /// The TA's own memory, to read.
    Private(&'a [u8]),
    /// The TA's own memory, to write.
    PrivateMut(&'a mut [u8]),
}

impl<S: SharedMemory> PtaMemory<'_, S> {
    /// Bytes.
    pub fn size(&self) -> usize {
        match self {
            Self::Shared(shared) => shared.size(),
            Self::Private(bytes) => bytes.len(),
            Self::PrivateMut(bytes) => bytes.len(),
        }
    }

    /// Copies out of it.
    pub fn read(&self, offset: usize, into: &mut [u8]) -> Result<(), OutOfRange> {
        let own = match self {
            Self::Shared(shared) => return shared.read(offset, into),
            Self::Private(bytes) => bytes,
            Self::PrivateMut(bytes) => &**bytes,
        };
        let error = OutOfRange { offset, len: into.len(), size: own.len() };
        let end = offset.checked_add(into.len()).ok_or(error)?;
        into.copy_from_slice(own.get(offset..end).ok_or(error)?);
        Ok(())
    }

    /// Copies into it; memory that was given to read is refused like memory that is too small.
    pub fn write(&mut self, offset: usize, from: &[u8]) -> Result<(), OutOfRange> {
        let error = OutOfRange { offset, len: from.len(), size: self.size() };
        match self {
            Self::Shared(shared) => shared.write(offset, from),
            Self::Private(_) => Err(error),
            Self::PrivateMut(bytes) => {
                let end = offset.checked_add(from.len()).ok_or(error)?;
                bytes.get_mut(offset..end).ok_or(error)?.copy_from_slice(from);
                Ok(())
            }
        }
    }

    /// A copy of exactly `N` bytes; anything of another size is refused.
    pub fn array<const N: usize>(&self) -> Result<[u8; N], OutOfRange> {
        let mut bytes = [0; N];
        if self.size() != N {
            return Err(OutOfRange { offset: 0, len: N, size: self.size() });
        }
        self.read(0, &mut bytes)?;
        Ok(bytes)
    }
}
