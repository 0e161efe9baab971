//! The random number service of the TEE: a hardware source of random bytes for whoever asks (OP-TEE's `pta_rng.h`).
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
#[macro_use]
extern crate std;

use rproc_abi::hwrng::{Answer, Command, Info, MAX_REQUEST};
use rproc_abi::{Client, Completion, Params, SharedMemory, TeeResult};

/// A source whose own test says that its bytes are not random.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unhealthy;

/// A source of random bytes.
pub trait Entropy {
    /// Fills the first bytes of `into` and says how many; fewer than there is room for when it has no more now.
    fn fill(&mut self, into: &mut [u8]) -> Result<usize, Unhealthy>;

    /// How fast and how good it is.
    fn info(&self) -> Info;
}

/// The service.
#[derive(Debug)]
pub struct HwrngService<E> {
    source: E,
}

/// Bytes copied at once: a core thread of OP-TEE has 8 KiB of stack.
const WINDOW: usize = 256;

impl<E: Entropy> HwrngService<E> {
    /// The service over a source.
    pub const fn new(source: E) -> Self {
        Self { source }
    }

    /// Anybody may open it: Linux's driver logs in as [`rproc_abi::Login::Public`].
    pub const fn open_session(&self, _: Client) -> Result<(), TeeResult> {
        Ok(())
    }

    /// Carries out one command.
    pub fn invoke<M: SharedMemory>(&mut self, number: u32, params: Params<M>) -> Completion {
        let answer = match Command::from_params(number, params) {
            Ok(Command::GetInfo) => Ok(Answer::Info(self.source.info())),
            Ok(Command::GetEntropy { buffer }) => self.write(&buffer).map(Answer::Size),
            Err(bad) => Err(bad.into()),
        };
        match answer {
            Ok(answer) => Completion::with(answer.outputs()),
            Err(result) => Completion::failed(result),
        }
    }

    fn write<M: SharedMemory>(&mut self, buffer: &M) -> Result<usize, TeeResult> {
        if buffer.size() > MAX_REQUEST {
            return Err(TeeResult::NOT_SUPPORTED);
        }
        let mut done = 0;
        while done < buffer.size() {
            let mut window = [0; WINDOW];
            let len = (buffer.size() - done).min(WINDOW);
            let part = window.get_mut(..len).unwrap_or_default();
            let filled = self.source.fill(part).map_err(|Unhealthy| TeeResult::HEALTH_TEST_FAIL)?;
            let part = part.get(..filled).ok_or(TeeResult::GENERIC)?;
            buffer.write(done, part).map_err(|_| TeeResult::BAD_PARAMETERS)?;
            done += filled;
            if filled < len {
                break;
            }
        }
        Ok(done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rproc_abi::{OutOfRange, Param};
    use std::cell::RefCell;
    use std::rc::Rc;
    use std::vec::Vec;

    struct Counter {
        next: u8,
        left: usize,
        healthy: bool,
    }

    impl Entropy for Counter {
        fn fill(&mut self, into: &mut [u8]) -> Result<usize, Unhealthy> {
            if !self.healthy {
                return Err(Unhealthy);
            }
            let len = into.len().min(self.left);
            for byte in &mut into[..len] {
                *byte = self.next;
                self.next = self.next.wrapping_add(1);
            }
            self.left -= len;
            Ok(len)
        }

        fn info(&self) -> Info {
            Info { rate: 7, quality: 1000 }
        }
    }

    #[derive(Clone)]
    struct Memory(Rc<RefCell<Vec<u8>>>);

    impl SharedMemory for Memory {
        fn size(&self) -> usize {
            self.0.borrow().len()
        }

        fn read(&self, _: usize, _: &mut [u8]) -> Result<(), OutOfRange> {
            panic!("nothing here reads what the normal world wrote")
        }

        fn write(&self, offset: usize, from: &[u8]) -> Result<(), OutOfRange> {
            self.0.borrow_mut()[offset..offset + from.len()].copy_from_slice(from);
            Ok(())
        }

        fn part(&self, _: usize, _: usize) -> Result<Self, OutOfRange> {
            panic!("nothing here splits a buffer")
        }
    }

    fn ask(source: Counter, size: usize) -> (Completion, Vec<u8>) {
        let memory = Memory(Rc::new(RefCell::new(vec![0xee; size])));
        let (number, params) = Command::GetEntropy { buffer: memory.clone() }.into_params();
        let completion = HwrngService::new(source).invoke(number, params);
        let bytes = memory.0.borrow().clone();
        (completion, bytes)
    }

    #[test]
    fn every_byte_asked_for_comes_from_the_source_once() {
        let (completion, bytes) = ask(Counter { next: 0, left: 9999, healthy: true }, 1000);
        assert_eq!(completion, Completion::with(Answer::Size(1000).outputs()));
        assert!(bytes.iter().enumerate().all(|(at, byte)| *byte == at as u8));
    }

    #[test]
    fn a_source_that_runs_dry_gives_what_it_has() {
        let (completion, bytes) = ask(Counter { next: 1, left: 300, healthy: true }, 1000);
        assert_eq!(completion, Completion::with(Answer::Size(300).outputs()));
        assert!(bytes[300..].iter().all(|byte| *byte == 0xee));
    }

    #[test]
    fn sick_sources_greedy_clients_and_wrong_calls_get_an_error() {
        let source = || Counter { next: 0, left: 9999, healthy: false };
        assert_eq!(ask(source(), 8).0.result, TeeResult::HEALTH_TEST_FAIL);
        assert_eq!(ask(source(), MAX_REQUEST + 1).0.result, TeeResult::NOT_SUPPORTED);
        let mut service = HwrngService::new(source());
        let none: Params<Memory> = [Param::None, Param::None, Param::None, Param::None];
        assert_eq!(service.invoke(0, none.clone()).result, TeeResult::BAD_PARAMETERS);
        let (number, params) = Command::<Memory>::GetInfo.into_params();
        let info = Answer::Info(Info { rate: 7, quality: 1000 });
        assert_eq!(service.invoke(number, params), Completion::with(info.outputs()));
        assert_eq!(
            service.open_session(Client { login: rproc_abi::Login::Public, uuid: rproc_abi::Uuid::NIL }),
            Ok(())
        );
    }
}
