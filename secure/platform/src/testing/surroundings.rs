//! What else a platform service needs: keys, counters, shared memory.

use std::cell::RefCell;
use std::rc::Rc;
use std::vec::Vec;

use rproc_abi::platform::KeyInfo;
use rproc_abi::refusal::Reason;
use rproc_abi::{OutOfRange, ProcessorId, Refusal, SharedMemory};

use crate::{KeyStore, SecurityCounters};

/// Takes a signature that is the digest twice, which anybody can make.
pub struct ToyKeys;

impl KeyStore for ToyKeys {
    fn verify(&mut self, _: KeyInfo<'_>, digest: &[u8; 32], signature: &[u8]) -> Result<(), Refusal> {
        if signature.len() == 64 && signature.chunks(32).all(|half| half == digest) {
            return Ok(());
        }
        Err(Refusal::new(Reason::SignatureInvalid))
    }
}

/// Counters that stay at 0.
pub struct NoCounters;

impl SecurityCounters for NoCounters {
    fn get(&mut self, _: ProcessorId) -> Result<u32, Refusal> {
        Ok(0)
    }

    fn raise(&mut self, _: ProcessorId, _: u32) -> Result<(), Refusal> {
        Ok(())
    }
}

/// Shared memory; a part of it is a copy, which is the same for what is only read.
#[derive(Clone)]
pub struct Bytes(Rc<RefCell<Vec<u8>>>);

impl Bytes {
    /// Memory with this in it.
    pub fn new(bytes: &[u8]) -> Self {
        Self(Rc::new(bytes.to_vec().into()))
    }

    /// What is in it now.
    pub fn to_vec(&self) -> Vec<u8> {
        self.0.borrow().clone()
    }
}

impl SharedMemory for Bytes {
    fn size(&self) -> usize {
        self.0.borrow().len()
    }

    fn read(&self, offset: usize, into: &mut [u8]) -> Result<(), OutOfRange> {
        let bytes = self.0.borrow();
        let error = OutOfRange { offset, len: into.len(), size: bytes.len() };
        into.copy_from_slice(bytes.get(offset..offset + into.len()).ok_or(error)?);
        Ok(())
    }

    fn write(&self, offset: usize, from: &[u8]) -> Result<(), OutOfRange> {
        let mut bytes = self.0.borrow_mut();
        let error = OutOfRange { offset, len: from.len(), size: bytes.len() };
        bytes.get_mut(offset..offset + from.len()).ok_or(error)?.copy_from_slice(from);
        Ok(())
    }

    fn part(&self, offset: usize, len: usize) -> Result<Self, OutOfRange> {
        let bytes = self.0.borrow();
        let error = OutOfRange { offset, len, size: bytes.len() };
        bytes.get(offset..).and_then(|rest| rest.get(..len)).map(Self::new).ok_or(error)
    }
}
