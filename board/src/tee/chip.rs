//! The SoC of a virtual board as the platform service drives it.

use rproc_abi::ProcessorId;
use rproc_platform::stm32mp15::{RccBoot, Stm32mp15};
use rproc_platform::stm32mp25::Stm32mp25;
use rproc_platform::{RemoteProcessor, Soc};

use super::SecurePort;
use super::regions::regions_of;
use crate::description::{Description, Family};

/// One of the families, with the memory that the board's secure tree gives its processors.
pub(crate) enum Chip {
    /// STM32MP15; its Cortex-M4 is held by RCC's own registers.
    Stm32mp15(Stm32mp15),
    /// STM32MP25 and MP21.
    Stm32mp25(Stm32mp25),
}

impl Chip {
    /// The SoC of a board.
    pub(crate) fn new(board: &Description) -> Self {
        let regions = |id: ProcessorId| regions_of(board.coprocessor(id.0));
        match board.family {
            Family::Stm32mp15 => {
                Self::Stm32mp15(Stm32mp15::new(board.soc, regions(ProcessorId::CORTEX_M4), RccBoot))
            }
            Family::Stm32mp25 => Self::Stm32mp25(Stm32mp25::new(
                board.soc,
                regions(ProcessorId::CORTEX_M33),
                regions(ProcessorId::CORTEX_M0_PLUS),
            )),
        }
    }
}

impl Soc<SecurePort> for Chip {
    fn name(&self) -> &str {
        match self {
            Self::Stm32mp15(soc) => Soc::<SecurePort>::name(soc),
            Self::Stm32mp25(soc) => Soc::<SecurePort>::name(soc),
        }
    }

    fn processor(&mut self, id: ProcessorId) -> Option<&mut dyn RemoteProcessor<SecurePort>> {
        match self {
            Self::Stm32mp15(soc) => soc.processor(id),
            Self::Stm32mp25(soc) => soc.processor(id),
        }
    }
}
