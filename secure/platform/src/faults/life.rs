//! The whole life of a firmware on each processor, as a TA leads it through the platform service.

use std::boxed::Box;
use std::vec::Vec;

use rproc_abi::platform::{Answer, Command, Request};
use rproc_abi::{ProcessorId, PtaMemory, Refusal, TeeResult};
use sha2::{Digest, Sha256};

use super::memory::{STM32MP157F_DK2_M4, STM32MP257F_EV1_M0, STM32MP257F_EV1_M33};
use crate::stm32mp15::{MonitorBoot, RccBoot, ScmiBoot, Stm32mp15};
use crate::stm32mp25::Stm32mp25;
use crate::testing::{Bytes, Fake, NoCounters, ToyKeys};
use crate::{BeforeTee, PlatformService, Region, RemoteProcessor, Silent, Soc};

/// Any SoC.
pub(super) struct AnySoc(Box<dyn Soc<Fake>>);

impl Soc<Fake> for AnySoc {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn processor(&mut self, id: ProcessorId) -> Option<&mut dyn RemoteProcessor<Fake>> {
        self.0.processor(id)
    }
}

type Service = PlatformService<Fake, AnySoc, ToyKeys, NoCounters, Silent>;

/// A processor and where its firmware goes.
#[derive(Clone, Copy)]
pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) id: ProcessorId,
    regions: &'static [Region],
    /// Device address of the segment with the vector table.
    pub(super) code: u64,
    /// Device address of a segment in another region of firmware.
    pub(super) data: u64,
    /// Device address of a segment in the shared region.
    pub(super) table: u64,
    /// Whether the image says where its vector table is.
    pub(super) says_where: bool,
    soc: fn(&Fake) -> Box<dyn Soc<Fake>>,
}

pub(super) const M33: Case = Case {
    name: "m33",
    id: ProcessorId::CORTEX_M33,
    regions: &STM32MP257F_EV1_M33,
    code: 0x8010_0000,
    data: 0x0a04_1000,
    table: 0x8120_0000,
    says_where: true,
    soc: |_| Box::new(Stm32mp25::new("stm32mp257", &STM32MP257F_EV1_M33, &STM32MP257F_EV1_M0)),
};

pub(super) const M0: Case = Case {
    name: "m0",
    id: ProcessorId::CORTEX_M0_PLUS,
    regions: &STM32MP257F_EV1_M0,
    code: 0x200c_0000,
    data: 0x200c_2000,
    table: 0x200c_4000,
    says_where: true,
    soc: M33.soc,
};

pub(super) const M4: Case = Case {
    name: "m4 by RCC",
    id: ProcessorId::CORTEX_M4,
    regions: &STM32MP157F_DK2_M4,
    code: 0,
    // The second address of the SRAMs.
    data: 0x3001_ff80,
    table: 0x1004_8000,
    says_where: false,
    soc: |_| Box::new(Stm32mp15::new("stm32mp157", &STM32MP157F_DK2_M4, RccBoot)),
};

pub(super) const M4_BY_MONITOR: Case = Case {
    name: "m4 by monitor",
    soc: |fake| {
        let monitor = MonitorBoot(fake.monitor(None, None));
        Box::new(Stm32mp15::new("stm32mp157", &STM32MP157F_DK2_M4, monitor))
    },
    ..M4
};

pub(super) const M4_BY_SERVER: Case = Case {
    name: "m4 by SCMI",
    soc: |fake| Box::new(Stm32mp15::new("stm32mp157", &STM32MP157F_DK2_M4, ScmiBoot(fake.server(None)))),
    ..M4
};

pub(super) const ALL: [Case; 5] = [M33, M0, M4, M4_BY_MONITOR, M4_BY_SERVER];

/// What a TA does with the platform service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    BootAddress,
    Load(u64),
    Zero(u64),
    Start,
    Stop,
    Dump,
    Release,
}

/// A case and its platform service.
pub(super) struct Life {
    pub(super) case: Case,
    service: Service,
}

impl Life {
    pub(super) fn new(case: Case) -> Self {
        Self::with(case, case.soc)
    }

    /// With another way to the processor's reset.
    pub(super) fn with(case: Case, soc: impl FnOnce(&Fake) -> Box<dyn Soc<Fake>>) -> Self {
        let fake = Fake::new(&[(case.id, case.regions)]);
        let soc = AnySoc(soc(&fake));
        Self { case, service: PlatformService::new(fake, soc, ToyKeys, NoCounters, Silent) }
    }

    /// The same hardware under a platform service that begins anew.
    pub(super) fn restart(mut self) -> Self {
        let gone = Fake::new(&[]);
        let mut fake = core::mem::replace(self.fake(), gone);
        fake.writes.clear();
        let soc = AnySoc((self.case.soc)(&fake));
        Self { case: self.case, service: PlatformService::new(fake, soc, ToyKeys, NoCounters, Silent) }
    }

    pub(super) fn look(&mut self, told: BeforeTee) {
        self.service.look(self.case.id, told);
        self.fake().check();
    }

    /// Where the resource table is of a processor that was found running, and the bytes that there are for it.
    pub(super) fn inherited(&mut self) -> Option<(u64, u64)> {
        let command = Command::<PtaMemory<'_, Bytes>>::Inherited;
        let (number, params) = Request { processor: self.case.id, command }.into_params();
        let completion = self.service.invoke::<Sha256, Bytes>(number, params);
        match Answer::from_outputs(number, &completion.outputs) {
            Some(Answer::Inherited { address, room }) if completion.result.is_success() => {
                Some((address, room))
            }
            _ => None,
        }
    }

    pub(super) fn fake(&mut self) -> &mut Fake {
        self.service.hardware()
    }

    pub(super) fn running(&mut self) -> bool {
        let id = self.case.id;
        self.fake().running(id)
    }

    pub(super) fn any_open(&mut self) -> bool {
        let id = self.case.id;
        self.fake().any_open(id)
    }

    pub(super) fn give_away(&mut self) -> Result<(), Refusal> {
        self.service.give_away(self.case.id)
    }

    pub(super) fn invoke(&mut self, command: Command<PtaMemory<'_, Bytes>>) -> TeeResult {
        let (number, params) = Request { processor: self.case.id, command }.into_params();
        let result = self.service.invoke::<Sha256, Bytes>(number, params).result;
        self.fake().check();
        result
    }

    /// The answer to a command that gives a physical address.
    pub(super) fn translate(&mut self, command: Command<PtaMemory<'_, Bytes>>) -> Option<u64> {
        let (number, params) = Request { processor: self.case.id, command }.into_params();
        let completion = self.service.invoke::<Sha256, Bytes>(number, params);
        match Answer::from_outputs(number, &completion.outputs) {
            Some(Answer::Physical(physical)) if completion.result.is_success() => Some(physical),
            _ => None,
        }
    }

    /// The n-th region, device address and size.
    pub(super) fn region(&mut self, index: u32) -> Option<(u64, u64)> {
        let command = Command::<PtaMemory<'_, Bytes>>::Region { index };
        let (number, params) = Request { processor: self.case.id, command }.into_params();
        let completion = self.service.invoke::<Sha256, Bytes>(number, params);
        match Answer::from_outputs(number, &completion.outputs) {
            Some(Answer::Region { address, size }) if completion.result.is_success() => Some((address, size)),
            _ => None,
        }
    }

    pub(super) fn refusal(&mut self) -> Refusal {
        let mut bytes = [0; Refusal::ENCODED_SIZE];
        let buffer = PtaMemory::PrivateMut(&mut bytes);
        assert_eq!(self.invoke(Command::GetRefusal { buffer }), TeeResult::SUCCESS);
        Refusal::decode(&bytes).unwrap()
    }

    pub(super) fn act(&mut self, step: Step) -> Result<(), Refusal> {
        let code = std::vec![0x5A; 300];
        let digest: [u8; 32] = Sha256::digest(&code).into();
        let mut room = [0; 300];
        let result = match step {
            Step::BootAddress => {
                let value = (self.case.code as u32).to_le_bytes();
                self.invoke(Command::PlatformTlv { kind: 0x1_0001, value: PtaMemory::Private(&value) })
            }
            Step::Load(address) => self.invoke(Command::LoadSegment {
                data: PtaMemory::Shared(Bytes::new(&code)),
                address,
                digest: PtaMemory::Private(&digest),
            }),
            Step::Zero(address) => self.invoke(Command::SetMemory { address, size: 64, byte: 0 }),
            Step::Start => self.invoke(Command::Start),
            Step::Stop => self.invoke(Command::Stop),
            Step::Dump => {
                let buffer = PtaMemory::PrivateMut(&mut room);
                self.invoke(Command::ReadMemory { address: self.case.code, buffer })
            }
            Step::Release => self.invoke(Command::Release),
        };
        if result.is_success() { Ok(()) } else { Err(self.refusal()) }
    }

    /// Twice from the load to the start, with a stop between them.
    pub(super) fn live(&mut self) -> Result<(), (Step, Refusal)> {
        let Case { code, data, table, says_where, .. } = self.case;
        let mut steps = Vec::from([Step::Load(code), Step::Load(data), Step::Load(table)]);
        steps.extend([Step::Zero(code + 0x1000), Step::Start, Step::Stop, Step::Dump, Step::Release]);
        steps.extend([Step::Zero(data), Step::Load(code), Step::Start]);
        if says_where {
            steps.insert(8, Step::BootAddress);
            steps.insert(0, Step::BootAddress);
        }
        steps.into_iter().try_for_each(|step| self.act(step).map_err(|refusal| (step, refusal)))
    }
}
