//! The doctor as a driver on the TEE bus: it wishes for the remoteproc service, and asks it which processors it drives.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::rc::Rc;

use rproc_abi::{Login, Origin, ProcessorId, TeeResult, Uuid};
use rproc_doctor::{Known, Service};
use rproc_tee::{BusError, Device, Driver, RemoteprocService, ServiceError, TeeBus, TeeClient};

/// What the service said of each processor.
pub type Answers = BTreeMap<ProcessorId, Known>;

/// A driver that opens the service once for each processor and closes it again.
struct Wish {
    login: Login,
    processors: Vec<ProcessorId>,
    answers: Rc<RefCell<Answers>>,
}

impl<C: TeeClient + Clone> Driver<C> for Wish {
    fn name(&self) -> &str {
        "rproc doctor"
    }

    fn services(&self) -> &[Uuid] {
        &[Uuid::REMOTEPROC_TA]
    }

    fn probe(&mut self, client: &C, _: &Device) -> Result<(), Box<dyn StdError + Send + Sync>> {
        for processor in &self.processors {
            let known = match RemoteprocService::open(client.clone(), self.login, *processor) {
                Ok(_) => Known::Yes,
                Err(error) => known_from(error)?,
            };
            self.answers.borrow_mut().insert(*processor, known);
        }
        Ok(())
    }

    fn remove(&mut self, _: &C, _: &Device) {}
}

/// What a refused session tells of the processor, where it does not tell that the service cannot be used.
fn known_from(error: ServiceError) -> Result<Known, ServiceError> {
    match (error.tee.result, error.tee.origin) {
        (TeeResult::NOT_SUPPORTED, _) => Ok(Known::No),
        // The service is there and serves others: the kernel, or the one client that upstream's has at a time.
        (TeeResult::ACCESS_DENIED, Origin::TrustedApp) | (TeeResult::BUSY, _) => Ok(Known::NotAsked),
        _ => Err(error),
    }
}

/// A TEE bus with the doctor's wish on it.
pub struct Wishes<C> {
    client: C,
    bus: TeeBus<C>,
    answers: Rc<RefCell<Answers>>,
    refusal: Option<String>,
}

impl<C: TeeClient + Clone + 'static> Wishes<C> {
    /// Wishes to know the service's mind about these processors, as a client with this login.
    pub fn new(client: C, login: Login, processors: Vec<ProcessorId>) -> Self {
        let answers = Rc::default();
        let mut bus = TeeBus::new(client.clone());
        // Nothing was found yet, so no probe can fail.
        let _ = bus.register(Box::new(Wish { login, processors, answers: Rc::clone(&answers) }));
        Self { client, bus, answers, refusal: None }
    }

    /// Asks the TEE for its services.
    pub fn scan(&mut self, scope: rproc_abi::enumeration::Scope) -> Result<(), BusError> {
        for error in self.bus.scan(scope)? {
            self.refusal = Some(match error {
                BusError::Probe { source, .. } => source.to_string(),
                other => other.to_string(),
            });
        }
        Ok(())
    }

    /// How it stands with the service.
    pub fn service(&self) -> Service {
        Service::of(self.bus.outcome(Uuid::REMOTEPROC_TA), self.refusal.as_deref())
    }

    /// What it said of the processors.
    pub fn answers(&self) -> Answers {
        self.answers.borrow().clone()
    }

    /// The client.
    pub fn client(&self) -> C {
        self.client.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rproc_abi::enumeration::Scope;
    use rproc_board::tee::{Counters, HostTee, Presence, Services, TeeConfig, TrustedKeys};
    use rproc_board::{Board, boards};
    use std::sync::Arc;

    fn wishes(presence: Presence, login: Login) -> Wishes<Arc<HostTee>> {
        let board = Board::new(boards::stm32mp257f_ev1()).unwrap();
        let services = Services { remoteproc: presence, ..Services::all() };
        let (keys, counters) = (TrustedKeys::new([]), Counters::new());
        let config = TeeConfig { keys, policy: rproc_service::Policy::Strict, services, counters };
        let tee = Arc::new(HostTee::new(board.bus().clone(), config));
        tee.start_supplicant();
        Wishes::new(tee, login, vec![ProcessorId::CORTEX_M33, ProcessorId(7)])
    }

    #[test]
    fn the_service_is_asked_for_each_processor() {
        let mut wishes = wishes(Presence::WithSupplicant, Login::ReeKernel);
        wishes.scan(Scope::Always).unwrap();
        assert_eq!((wishes.service(), wishes.answers().len()), (Service::WaitsForSupplicant, 0));
        wishes.scan(Scope::Supplicant).unwrap();
        assert_eq!(wishes.service(), Service::Present);
        let known = [ProcessorId::CORTEX_M33, ProcessorId(7)].map(|id| wishes.answers()[&id]);
        assert_eq!(known, [Known::Yes, Known::No]);
    }

    #[test]
    fn a_service_for_the_kernel_only_is_there_all_the_same() {
        let mut wishes = wishes(Presence::Always, Login::Public);
        wishes.scan(Scope::Always).unwrap();
        assert_eq!(wishes.service(), Service::Present);
        assert!(wishes.answers().values().all(|known| *known == Known::NotAsked));
    }

    #[test]
    fn a_service_that_fails_says_why() {
        let tee = rproc_tee::TeeError {
            result: TeeResult::TARGET_DEAD,
            origin: Origin::Tee,
            outputs: [rproc_abi::Output::None; 4],
        };
        let error = ServiceError {
            operation: rproc_tee::Operation::Open,
            processor: ProcessorId::CORTEX_M33,
            tee,
            refusal: None,
        };
        assert!(known_from(error).is_err_and(|error| error.to_string().contains("m33")));
    }
}
