//! Why a system could not be brought up.

use rproc_abi::Uuid;
use rproc_devicetree::{Finding, LookupError};
use rproc_tee::{BusError, ServiceError};

use crate::BoardError;
use crate::description::DescriptionError;

/// A system that could not be brought up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SystemError {
    /// The two trees contradict each other.
    #[error("the two device trees contradict each other, so that nothing was started: {}", sentences(.0))]
    Contradiction(Vec<Finding>),
    /// The trees are no board.
    #[error(transparent)]
    Description(#[from] DescriptionError),
    /// The device tree does not have the processor, or has it switched off.
    #[error(transparent)]
    Processor(#[from] LookupError),
    /// A processor was named twice.
    #[error("processor {name} was given twice; each processor runs one firmware")]
    Twice {
        /// Its name.
        name: String,
    },
    /// A Linux-owned processor that Linux cannot drive.
    #[error(
        "{path} is Linux's by the device trees, and Linux cannot drive it: reset and clock of the Cortex-M0+ are bits of RCC_C3CFGR, \
         which only the secure world may write; make it the TEE's: status okay below /firmware/optee/rproc-service@0, disabled here, \
         secure-status okay"
    )]
    NotLinuxs {
        /// Path of the processor's platform node.
        path: String,
    },
    /// A Linux-owned processor without a reset that Linux can use.
    #[error(
        "reset {name} of {processor} is needed, and is {found}; name one of the SCMI service's or of the RCC in `resets`, or \
         st,syscfg-holdboot for the boot hold of an STM32MP15"
    )]
    Reset {
        /// Path of the processor's node.
        processor: String,
        /// Its name in `reset-names`.
        name: &'static str,
        /// What the node names.
        found: String,
    },
    /// The processor needs a mailbox that is not the board's.
    #[error(
        "mailbox {name} of {processor} is channel {channel} of {controller}, which this board does not have"
    )]
    Mailbox {
        /// Path of the processor's node.
        processor: String,
        /// The mailbox's name.
        name: String,
        /// Path of the controller's node.
        controller: String,
        /// The channel.
        channel: u32,
    },
    /// The board cannot be made.
    #[error(transparent)]
    Board(#[from] BoardError),
    /// The TEE's bus cannot be scanned.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// The TEE has no remoteproc service.
    #[error("the TEE has no remoteproc service {uuid}: neither at once nor once tee-supplicant runs")]
    NoService {
        /// What was looked for.
        uuid: Uuid,
    },
    /// The service would not be opened.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// Nobody says whether the processor runs already.
    #[error("{processor} cannot be probed: {reason}")]
    Probe {
        /// Path of the processor's node.
        processor: String,
        /// What its loader or its providers said.
        reason: String,
    },
    /// A processor keeps Linux awake; the others were woken again.
    #[error("Linux does not go to sleep because of {processor}: {reason}")]
    Awake {
        /// Its name.
        processor: String,
        /// What kept it.
        reason: String,
    },
    /// A processor stayed suspended when Linux woke up.
    #[error("Linux is awake, and {processor} is still suspended: {reason}; resume again")]
    StillSuspended {
        /// Its name.
        processor: String,
        /// What kept it.
        reason: String,
    },
    /// Clocks that are needed cannot be asked for.
    #[error("the clocks of {processor} cannot be had: {reason}")]
    Clocks {
        /// Path of the node that names them: a processor's, or of something that Linux itself drives.
        processor: String,
        /// What the TEE's SCMI service said.
        reason: String,
    },
}

fn sentences(findings: &[Finding]) -> String {
    findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
