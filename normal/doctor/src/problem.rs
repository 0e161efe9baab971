//! What can be missing: as a sentence, with what would satisfy it, and whether waiting makes sense.

use rproc_abi::{ProcessorId, Uuid};

use crate::observation::{Known, Need, NeedKind, Observation, Owner, Presence, Service};

/// One thing that keeps a processor from being booted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Problem {
    /// The description of the processor has an error.
    Flaw {
        /// Which, as a sentence.
        sentence: String,
    },
    /// No node of it in Linux's tree is switched on.
    NoOwner {
        /// Paths of those that are switched off.
        off: Vec<String>,
        /// Whose it is by what the secure world says, as far as that is known.
        secure_owner: Option<Owner>,
    },
    /// Linux's tree lets Linux load a processor that it cannot start.
    LinuxCannotStart,
    /// Linux's tree has it below the TEE's service, and the secure world leaves it to Linux.
    OwnerIsLinux,
    /// Linux's tree lets Linux load it, and the secure world keeps it for the TEE.
    OwnerIsTee,
    /// There is no TEE.
    NoTee,
    /// The service may come with tee-supplicant.
    ServiceWaitsForSupplicant,
    /// The service will not come.
    ServiceAbsent,
    /// The service cannot be used.
    ServiceRefused {
        /// Why, as a sentence.
        reason: String,
    },
    /// The service does not drive a processor with this number.
    ProcessorUnknown {
        /// The number.
        id: ProcessorId,
    },
    /// A provider's driver has not come yet.
    NotYet {
        /// What it would provide.
        kind: NeedKind,
        /// Its name in the processor's node.
        name: String,
        /// Path of the provider's node.
        provider: String,
    },
    /// The provider is there and does not have it.
    NoSuch {
        /// What it would provide.
        kind: NeedKind,
        /// Its name in the processor's node.
        name: String,
        /// Path of the provider's node.
        provider: String,
    },
    /// Nothing provides it.
    Missing {
        /// What would be provided.
        kind: NeedKind,
        /// Its name in the processor's node.
        name: String,
        /// Path of the node that should provide it.
        provider: String,
    },
    /// The firmware file is not there.
    FirmwareMissing {
        /// Its name.
        name: String,
        /// The folder where it belongs.
        folder: String,
    },
}

impl Problem {
    /// Everything that keeps this processor from being booted, what the rest depends on first.
    pub(crate) fn all(seen: &Observation) -> Vec<Problem> {
        let flaw = |sentence: &String| Problem::Flaw { sentence: sentence.clone() };
        let mut problems: Vec<Problem> = seen.flaws.iter().map(flaw).collect();
        problems.extend(owner(seen));
        if seen.owner == Owner::Tee {
            problems.extend(service(seen));
        }
        problems.extend(seen.needs.iter().filter_map(need));
        if let Some(firmware) = seen.firmware.as_ref().filter(|firmware| !firmware.there) {
            problems.push(Problem::FirmwareMissing {
                name: firmware.name.clone(),
                folder: firmware.folder.clone(),
            });
        }
        problems
    }

    /// Whether somebody can still bring what is missing without a reboot, so that waiting makes sense.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        match self {
            Problem::ServiceWaitsForSupplicant | Problem::NotYet { .. } | Problem::FirmwareMissing { .. } => {
                true
            }
            Problem::Flaw { .. }
            | Problem::NoOwner { .. }
            | Problem::LinuxCannotStart
            | Problem::OwnerIsLinux
            | Problem::OwnerIsTee
            | Problem::NoTee
            | Problem::ServiceAbsent
            | Problem::ServiceRefused { .. }
            | Problem::ProcessorUnknown { .. }
            | Problem::NoSuch { .. }
            | Problem::Missing { .. } => false,
        }
    }

    /// A name that stays: for machine-readable output.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Problem::Flaw { .. } => "tree-error",
            Problem::NoOwner { .. } => "no-owner",
            Problem::LinuxCannotStart => "linux-cannot-start",
            Problem::OwnerIsLinux => "owner-is-linux",
            Problem::OwnerIsTee => "owner-is-tee",
            Problem::NoTee => "no-tee",
            Problem::ServiceWaitsForSupplicant => "service-waits-for-supplicant",
            Problem::ServiceAbsent => "service-absent",
            Problem::ServiceRefused { .. } => "service-refused",
            Problem::ProcessorUnknown { .. } => "processor-unknown",
            Problem::NotYet { .. } => "provider-not-yet",
            Problem::NoSuch { .. } => "provider-has-no-such",
            Problem::Missing { .. } => "provider-missing",
            Problem::FirmwareMissing { .. } => "firmware-missing",
        }
    }

    /// What is the case, as a sentence.
    #[must_use]
    pub fn sentence(&self) -> String {
        let uuid = Uuid::REMOTEPROC_TA;
        match self {
            Problem::Flaw { sentence } => sentence.clone(),
            Problem::NoOwner { off, secure_owner } => no_owner(off, *secure_owner),
            Problem::LinuxCannotStart => {
                "Linux's device tree lets Linux load the Cortex-M0+, and Linux cannot start it: its reset is in RCC_C3CFGR, which is \
                 the secure world's alone"
                    .to_owned()
            }
            Problem::OwnerIsLinux => {
                "Linux's device tree leaves the processor to the TEE, and the secure world leaves it to \
                                      Linux"
                    .to_owned()
            }
            Problem::OwnerIsTee => {
                "Linux's device tree lets Linux load the processor, and the secure world keeps it for the TEE"
                    .to_owned()
            }
            Problem::NoTee => "there is no TEE on this machine".to_owned(),
            Problem::ServiceWaitsForSupplicant => format!(
                "the remoteproc service {uuid} is not among the TEE's services that are there at once; those that need \
                 tee-supplicant were not asked for yet"
            ),
            Problem::ServiceAbsent => {
                format!("the TEE has no remoteproc service {uuid}, neither at once nor with tee-supplicant")
            }
            Problem::ServiceRefused { reason } => format!("the remoteproc service cannot be used: {reason}"),
            Problem::ProcessorUnknown { id } => {
                format!("the remoteproc service does not drive {id} (id {})", id.0)
            }
            Problem::NotYet { kind, name, provider } => {
                format!("{kind} `{name}` is not there yet: no driver has taken {provider}")
            }
            Problem::NoSuch { kind, name, provider } => {
                format!("{kind} `{name}` is missing: {provider} is there, and has none of that number")
            }
            Problem::Missing { kind, name, provider } => {
                format!("{kind} `{name}` is missing: nothing at {provider} provides it")
            }
            Problem::FirmwareMissing { name, .. } => format!("the firmware file `{name}` is not there"),
        }
    }

    /// What would satisfy it.
    #[must_use]
    pub fn next_step(&self) -> String {
        match self {
            Problem::Flaw { .. } => "correct the device tree and compile it again with dtc".to_owned(),
            Problem::NoOwner { .. } => "for firmware that Linux loads, set status = \"okay\" at its platform node; for signed firmware, \
                                 set it at its node below /firmware/optee/rproc-service@0, and secure-status = \"okay\""
                .to_owned(),
            Problem::LinuxCannotStart => "make it the TEE's and sign its firmware: in Linux's tree status = \"okay\" at its node below \
                                          /firmware/optee/rproc-service@0 and \"disabled\" at its platform node, in the secure tree \
                                          secure-status = \"okay\""
                .to_owned(),
            Problem::OwnerIsLinux => "set secure-status = \"okay\" in the secure tree, or move the processor to its platform node \
                                      in Linux's"
                .to_owned(),
            Problem::OwnerIsTee => "set secure-status = \"disabled\" in the secure tree, or move the processor below \
                                    /firmware/optee/rproc-service@0 in Linux's and sign its firmware"
                .to_owned(),
            Problem::NoTee => {
                "boot with OP-TEE and a kernel with its driver (CONFIG_OPTEE); /dev/tee0 shows that it is there".to_owned()
            }
            Problem::ServiceWaitsForSupplicant => "start tee-supplicant".to_owned(),
            Problem::ServiceAbsent => "build OP-TEE with the remoteproc Trusted Application as an early one: one that is a file is \
                                       never on the TEE bus"
                .to_owned(),
            Problem::ServiceRefused { .. } => {
                "look at the secure world's log; the service opens for the kernel only, and needs its platform service".to_owned()
            }
            Problem::ProcessorUnknown { .. } => {
                "check reg in its node (0 is the M4, 1 the M33, 2 the M0+) and which processors the secure tree switches on"
                    .to_owned()
            }
            Problem::NoSuch { provider, .. } => {
                format!("check the numbers in the processor's node against those that {provider} knows")
            }
            Problem::NotYet { provider, .. } => format!("load the driver of {provider}"),
            Problem::Missing { kind: NeedKind::MemoryRegion, name, .. } => {
                format!("add a region `{name}` to /reserved-memory and name it in memory-region")
            }
            Problem::Missing { provider, .. } => {
                format!("switch {provider} on in the device tree, and build the kernel with its driver")
            }
            Problem::FirmwareMissing { name, folder } => {
                format!("put it to {folder}/{name}, or choose another with the processor's `firmware` attribute")
            }
        }
    }
}

fn no_owner(off: &[String], secure_owner: Option<Owner>) -> String {
    let off = match off {
        [] => "has no node of it that belongs to the remoteproc service or to Linux".to_owned(),
        paths => format!("has it switched off ({})", paths.join(", ")),
    };
    let secure = match secure_owner {
        None => "",
        Some(Owner::Nobody) => ", and so has the secure tree",
        Some(Owner::Tee) => ", and the secure tree keeps it for the TEE",
        Some(Owner::Linux | Owner::Both) => ", and the secure tree leaves it to Linux",
    };
    format!("nobody owns the processor: Linux's device tree {off}{secure}")
}

fn owner(seen: &Observation) -> Option<Problem> {
    match (seen.owner, seen.secure_owner) {
        (Owner::Nobody, secure_owner) => Some(Problem::NoOwner { off: seen.off.clone(), secure_owner }),
        // Whoever else may have it: Linux never can.
        (Owner::Linux | Owner::Both, _) if seen.id == ProcessorId::CORTEX_M0_PLUS => {
            Some(Problem::LinuxCannotStart)
        }
        (Owner::Tee, Some(Owner::Linux | Owner::Nobody)) => Some(Problem::OwnerIsLinux),
        (Owner::Linux | Owner::Both, Some(Owner::Tee)) => Some(Problem::OwnerIsTee),
        _ => None,
    }
}

fn service(seen: &Observation) -> Option<Problem> {
    match &seen.service {
        Service::NoTee => Some(Problem::NoTee),
        Service::WaitsForSupplicant => Some(Problem::ServiceWaitsForSupplicant),
        Service::Absent => Some(Problem::ServiceAbsent),
        Service::Refused { reason } => Some(Problem::ServiceRefused { reason: reason.clone() }),
        Service::Present => (seen.known == Known::No).then_some(Problem::ProcessorUnknown { id: seen.id }),
    }
}

fn need(need: &Need) -> Option<Problem> {
    let (kind, name, provider) = (need.kind, need.name.clone(), need.provider.clone());
    match need.presence {
        Presence::There => None,
        Presence::NotYet => Some(Problem::NotYet { kind, name, provider }),
        Presence::NoSuch => Some(Problem::NoSuch { kind, name, provider }),
        Presence::Never => Some(Problem::Missing { kind, name, provider }),
    }
}
