//! The service, the platform service and the hardware, side by side with the model of each processor.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use rproc_abi::service::{Request, TableLocation, buffer_size};
use rproc_abi::{Completion, Params, ProcessorId, PtaMemory, Refusal, SharedMemory, TeeResult};
use rproc_elf::ElfFile;
use rproc_platform::stm32mp15::{RccBoot, Stm32mp15};
use rproc_platform::stm32mp25::Stm32mp25;
use rproc_platform::testing::{Bytes, Fake, NoCounters, ToyKeys};
use rproc_platform::{PlatformService, RemoteProcessor, Soc};
use rproc_service::{Access, Crypto, PlatformClient, Policy, Service};
use sha2::Sha256;

use crate::firmware::{M0, M0_REGIONS, M4, M4_REGIONS, M33, M33_REGIONS, SOC, Site};
use crate::model::{Command, Firmware, Memory, Outcome, Processor};

/// The processors of two SoCs in one.
struct Three {
    mp25: Stm32mp25,
    mp15: Stm32mp15,
}

impl Soc<Fake> for Three {
    fn name(&self) -> &str {
        SOC
    }

    fn processor(&mut self, id: ProcessorId) -> Option<&mut dyn RemoteProcessor<Fake>> {
        match self.mp15.processor(id) {
            Some(driver) => Some(driver),
            None => self.mp25.processor(id),
        }
    }
}

type Platform = PlatformService<Fake, Three, ToyKeys, NoCounters, rproc_platform::Silent>;

#[derive(Clone)]
struct Door(Rc<RefCell<Platform>>);

impl PlatformClient for Door {
    fn open(&mut self, _: ProcessorId) -> Result<(), TeeResult> {
        Ok(())
    }

    fn invoke<M: SharedMemory>(&mut self, number: u32, params: Params<PtaMemory<'_, M>>) -> Completion {
        let mut platform = self.0.borrow_mut();
        let completion = platform.invoke::<Sha256, M>(number, params);
        platform.hardware().check();
        completion
    }
}

struct Host;

impl Crypto for Host {
    type Sha256 = Sha256;
}

type Ta = Service<Door, Host, rproc_service::Silent>;

/// Images and expected memory, which are made once.
pub struct Files {
    images: Vec<(ProcessorId, Command, Vec<u8>)>,
    bytes: BTreeMap<(ProcessorId, Firmware), BTreeMap<u64, u8>>,
}

impl Files {
    pub fn new() -> Self {
        let mut files = Self { images: Vec::new(), bytes: BTreeMap::new() };
        for site in [M33, M0, M4] {
            for command in crate::model::COMMANDS {
                files.images.extend(site.image(command).map(|image| (site.id, command, image)));
            }
            for firmware in [Firmware::A, Firmware::B] {
                files.bytes.insert((site.id, firmware), site.bytes(firmware));
            }
        }
        files
    }
}

/// Something that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// To the processor with this index.
    Command(usize, Command),
    /// The service ends in a panic and begins again.
    Restart,
}

/// Everything.
pub struct World<'f> {
    files: &'f Files,
    door: Door,
    service: Ta,
    pub sites: Vec<(Site, Processor)>,
    /// Why the last refused command of each was refused.
    why: Vec<Option<Refusal>>,
}

impl<'f> World<'f> {
    pub fn new(files: &'f Files, sites: &[Site]) -> Self {
        let regions: Vec<_> = sites.iter().map(|site| (site.id, site.regions)).collect();
        let three = Three {
            mp25: Stm32mp25::new(SOC, &M33_REGIONS, &M0_REGIONS),
            mp15: Stm32mp15::new(SOC, &M4_REGIONS, RccBoot),
        };
        let platform =
            PlatformService::new(Fake::new(&regions), three, ToyKeys, NoCounters, rproc_platform::Silent);
        let door = Door(Rc::new(platform.into()));
        let service = Self::service(&door);
        let why = vec![None; sites.len()];
        let sites = sites.iter().map(|site| (*site, Processor::new(site.holds))).collect();
        Self { files, door, service, sites, why }
    }

    fn service(door: &Door) -> Ta {
        Service::new(door.clone(), Access::kernel_only(), Policy::Strict, rproc_service::Silent)
    }

    fn call(&mut self, request: Request<Bytes>) -> Completion {
        let (number, params) = request.into_params();
        self.service.invoke(number, params)
    }

    /// What the service says about why a command was refused.
    fn ask(&mut self, processor: ProcessorId) -> Option<Refusal> {
        let buffer = Bytes::new(&[0; Refusal::ENCODED_SIZE]);
        let completion = self.call(Request::GetRefusal { processor, buffer: buffer.clone() });
        completion.result.is_success().then(|| Refusal::decode(&buffer.to_vec()).unwrap())
    }

    /// Loads any image, and says why not.
    pub fn load(&mut self, processor: ProcessorId, image: &[u8]) -> (TeeResult, Option<Refusal>) {
        let image = Bytes::new(image);
        let result = self.call(Request::LoadFirmware { processor, image }).result;
        (result, self.ask(processor))
    }

    /// Does an event on both sides, and compares.
    pub fn happen(&mut self, event: Event) {
        let before: Vec<_> = self.sites.iter().map(|(site, _)| self.memory(site)).collect();
        match event {
            Event::Restart => {
                self.service = Self::service(&self.door);
                self.sites.iter_mut().for_each(|(_, processor)| processor.restart());
                self.why.fill(None);
            }
            Event::Command(index, command) => {
                let expected = self.sites[index].1.step(command);
                let site = self.sites[index].0;
                let found = self.command(&site, command);
                assert_eq!(found, expected, "{event:?}");
                if let Outcome::Refused(reason) = expected {
                    let why = self.ask(site.id);
                    assert_eq!(why.map(|refusal| refusal.reason), Some(reason), "{event:?}");
                    self.why[index] = why;
                }
            }
        }
        for (index, before) in before.into_iter().enumerate() {
            let (site, processor) = self.sites[index];
            if !matches!(event, Event::Command(other, _) if other == index) {
                assert_eq!(self.memory(&site), before, "{event:?} changed the memory of {}", site.id);
            }
            self.compare(&site, &processor, event);
            assert_eq!(self.ask(site.id), self.why[index], "{event:?}: why, of {}", site.id);
        }
    }

    fn memory(&self, site: &Site) -> BTreeMap<u64, u8> {
        self.door.0.borrow_mut().hardware().memory(site.id)
    }

    /// The hardware is as the model says.
    fn compare(&self, site: &Site, processor: &Processor, event: Event) {
        let memory = self.memory(site);
        let mut platform = self.door.0.borrow_mut();
        let fake = platform.hardware();
        let id = site.id;
        assert_eq!(fake.running(id), processor.alive, "{event:?}: {id} {processor:?}");
        match processor.memory {
            Memory::Open => {
                assert!(memory.is_empty() && fake.all_open(id), "{event:?}: {id} {processor:?}");
            }
            Memory::Wiped => {
                assert!(memory.is_empty() && !fake.any_open(id), "{event:?}: {id} {processor:?}");
            }
            Memory::Closed(firmware) | Memory::Running(firmware) | Memory::Left(firmware) => {
                assert_eq!(memory, self.files.bytes[&(id, firmware)], "{event:?}: {id}");
                assert!(!fake.any_open(id), "{event:?}: {id} {processor:?}");
            }
        }
        let owns = matches!(processor.memory, Memory::Running(_));
        assert!(!owns || fake.reaches_all(id), "{event:?}: {id} has not got its memory");
        assert!(owns || !processor.alive, "the model itself");
    }

    fn command(&mut self, site: &Site, command: Command) -> Outcome {
        let processor = site.id;
        let completion = match command {
            Command::Crash => {
                self.door.0.borrow_mut().hardware().crash(processor);
                return Outcome::Silent;
            }
            Command::Start => self.call(Request::StartFirmware { processor }),
            Command::Stop => self.call(Request::StopFirmware { processor }),
            Command::Release => self.call(Request::ReleaseFirmware { processor }),
            Command::Table => {
                let completion = self.call(Request::GetResourceTable { processor });
                if completion.result.is_success() {
                    let table = TableLocation::from_outputs(&completion.outputs).unwrap();
                    assert_eq!(table.address, u64::from(site.table));
                }
                completion
            }
            Command::Dump => self.dump(site),
            _ => {
                let images = self.files.images.iter();
                let mut found = images.filter(|(id, loads, _)| *id == processor && *loads == command);
                let image = Bytes::new(&found.next().unwrap().2);
                self.call(Request::LoadFirmware { processor, image })
            }
        };
        if completion.result.is_success() {
            return Outcome::Done;
        }
        let refusal = self.ask(processor).expect("a refused command says why");
        assert_eq!(refusal.result(), completion.result);
        Outcome::Refused(refusal.reason)
    }

    /// A dump of what the model says is in memory.
    fn dump(&mut self, site: &Site) -> Completion {
        let processor = site.id;
        let completion = self.call(Request::GetCoredump { processor, buffer: Bytes::new(&[]) });
        if completion.result != TeeResult::SHORT_BUFFER {
            assert!(!completion.result.is_success());
            return completion;
        }
        let buffer = Bytes::new(&vec![0; buffer_size(&completion.outputs).unwrap()]);
        let completion = self.call(Request::GetCoredump { processor, buffer: buffer.clone() });
        let dump = buffer.to_vec();
        assert!(ElfFile::parse(&dump).is_ok());
        let (_, model) = self.sites.iter().find(|(other, _)| other.id == processor).unwrap();
        let (Memory::Closed(firmware) | Memory::Left(firmware)) = model.memory else {
            panic!("there is something to dump")
        };
        let code = &self.files.bytes[&(processor, firmware)];
        let byte = *code.values().next().unwrap();
        assert!(dump.windows(200).any(|part| part.iter().all(|found| *found == byte)));
        completion
    }
}
