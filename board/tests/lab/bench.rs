//! The secure world on the bench: its two halves wired by hand, so that a test can sit between them.

use rproc_abi::service::{Request, buffer_size};
use rproc_abi::{Completion, Params, ProcessorId, PtaMemory, Refusal, SharedMemory, TeeResult};
use rproc_board::tee::{Counters, SecurePort, TrustedKeys};
use rproc_board::{Board, Initiator, Port, boards};
use rproc_platform::stm32mp25::Stm32mp25;
use rproc_platform::{PlatformService, Silent};
use rproc_service::{Access, Crypto, PlatformClient, Policy, Service};

use super::{M33, key, mapped};

type Platform = PlatformService<SecurePort, Stm32mp25, TrustedKeys, Counters, Silent>;

/// Called between any two steps of the service: before and after each call of the platform service, by its number.
pub type Probe = Box<dyn FnMut(u32)>;

/// The platform service with somebody watching its door.
struct Watched {
    platform: Platform,
    probe: Probe,
}

/// The door, which is still there when a service has gone.
#[derive(Clone)]
struct Door(std::rc::Rc<std::cell::RefCell<Watched>>);

impl PlatformClient for Door {
    fn open(&mut self, _: ProcessorId) -> Result<(), TeeResult> {
        Ok(())
    }

    fn invoke<M: SharedMemory>(&mut self, number: u32, params: Params<PtaMemory<'_, M>>) -> Completion {
        let Watched { platform, probe } = &mut *self.0.borrow_mut();
        probe(number);
        let completion = platform.invoke::<sha2::Sha256, M>(number, params);
        probe(number);
        completion
    }
}

struct HostCrypto;

impl Crypto for HostCrypto {
    type Sha256 = sha2::Sha256;
}

/// A board and its secure world, without a TEE around it.
pub struct Bench {
    pub board: Board,
    service: Service<Door, HostCrypto, rproc_service::Silent>,
    door: Door,
    policy: Policy,
}

impl Bench {
    pub fn new(policy: Policy) -> Self {
        Self::probed(policy, |_| Box::new(|_| {}))
    }

    /// With a probe that is made once the board is there.
    pub fn probed(policy: Policy, probe: impl FnOnce(&Board) -> Probe) -> Self {
        let board = Board::new(boards::stm32mp257f_ev1()).unwrap();
        let port = Port::new(board.bus().clone(), Initiator::A35Secure);
        let keys = TrustedKeys::new([key().public_key()]);
        let platform = PlatformService::new(
            SecurePort::new(port),
            Stm32mp25::new(boards::stm32mp257f_ev1().soc, mapped(), &[]),
            keys,
            Counters::new(),
            Silent,
        );
        let probe = probe(&board);
        let door = Door(std::rc::Rc::new(Watched { platform, probe }.into()));
        let service = Self::service(&door, policy);
        Self { board, service, door, policy }
    }

    fn service(door: &Door, policy: Policy) -> Service<Door, HostCrypto, rproc_service::Silent> {
        Service::new(door.clone(), Access::kernel_only(), policy, rproc_service::Silent)
    }

    /// The TA panics and is started again: it has forgotten everything, the platform service nothing.
    pub fn restart_service(&mut self) {
        self.service = Self::service(&self.door, self.policy);
    }

    /// Any request, with the refusal where the service has one.
    pub fn call<M: SharedMemory>(&mut self, request: Request<M>) -> Result<Completion, Option<Refusal>> {
        let (command, params) = request.into_params();
        let completion = self.service.invoke(command, params);
        match completion.result {
            TeeResult::SUCCESS => Ok(completion),
            _ => Err(self.last_refusal()),
        }
    }

    pub fn load<M: SharedMemory>(&mut self, image: M) -> Result<(), Refusal> {
        self.call(Request::LoadFirmware { processor: M33, image }).map(drop).map_err(Option::unwrap)
    }

    pub fn start(&mut self) -> Result<(), Refusal> {
        self.plain(Request::StartFirmware { processor: M33 })
    }

    pub fn stop(&mut self) -> Result<(), Refusal> {
        self.plain(Request::StopFirmware { processor: M33 })
    }

    pub fn release(&mut self) -> Result<(), Refusal> {
        self.plain(Request::ReleaseFirmware { processor: M33 })
    }

    pub fn table(&mut self) -> Result<(), Refusal> {
        self.plain(Request::GetResourceTable { processor: M33 })
    }

    fn plain(&mut self, request: Request<Bytes>) -> Result<(), Refusal> {
        self.call(request).map(drop).map_err(Option::unwrap)
    }

    fn last_refusal(&mut self) -> Option<Refusal> {
        let buffer = Bytes::new(&[0; Refusal::ENCODED_SIZE]);
        let (command, params) = Request::GetRefusal { processor: M33, buffer: buffer.clone() }.into_params();
        let completion = self.service.invoke(command, params);
        assert_eq!(buffer_size(&completion.outputs), Some(Refusal::ENCODED_SIZE));
        let bytes = buffer.0.borrow();
        Refusal::decode(&bytes)
    }

    /// What the secure Cortex-A sees in memory.
    pub fn memory(&self, address: u64, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.board.port(Initiator::A35Secure).read(address, &mut bytes).unwrap();
        bytes
    }
}

/// Shared memory that nobody else writes.
#[derive(Clone)]
pub struct Bytes(std::rc::Rc<std::cell::RefCell<Vec<u8>>>);

impl Bytes {
    pub fn new(bytes: &[u8]) -> Self {
        Self(std::rc::Rc::new(bytes.to_vec().into()))
    }
}

impl SharedMemory for Bytes {
    fn size(&self) -> usize {
        self.0.borrow().len()
    }

    fn read(&self, offset: usize, into: &mut [u8]) -> Result<(), rproc_abi::OutOfRange> {
        let bytes = self.0.borrow();
        let error = rproc_abi::OutOfRange { offset, len: into.len(), size: bytes.len() };
        into.copy_from_slice(bytes.get(offset..offset + into.len()).ok_or(error)?);
        Ok(())
    }

    fn write(&self, offset: usize, from: &[u8]) -> Result<(), rproc_abi::OutOfRange> {
        let mut bytes = self.0.borrow_mut();
        let error = rproc_abi::OutOfRange { offset, len: from.len(), size: bytes.len() };
        bytes.get_mut(offset..offset + from.len()).ok_or(error)?.copy_from_slice(from);
        Ok(())
    }

    /// A copy, which is the same for memory that is only read.
    fn part(&self, offset: usize, len: usize) -> Result<Self, rproc_abi::OutOfRange> {
        let bytes = self.0.borrow();
        let error = rproc_abi::OutOfRange { offset, len, size: bytes.len() };
        bytes.get(offset..offset + len).map(Self::new).ok_or(error)
    }
}
