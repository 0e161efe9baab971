//! The model: services, their processors, and what each processor needs from the normal world.

use alloc::borrow::ToOwned as _;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::string::ToString;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;

use crate::bus::Translation;
use crate::finding::{Finding, Findings, Severity};
use crate::mailbox::{self, MailboxController, Semaphores};
use crate::nested::{self, Uses};
use crate::platform;
use crate::property;
use crate::region;
use crate::tree::Tree;

/// All that a device tree says about remote processors behind the TEE, with everything that is wrong about it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Model {
    /// The root's `compatible`, the board first and its SoC last.
    pub compatible: Vec<String>,
    /// The TEE services, in the order of the tree.
    pub services: Vec<Service>,
    /// Every placed region of `/reserved-memory`, named by a processor or not.
    pub reserved_memory: Vec<MemoryRegion>,
    /// Processors on their own bus that Linux itself drives, if they are enabled.
    pub platform: Vec<PlatformProcessor>,
    /// The mailbox controllers.
    pub mailbox_controllers: Vec<MailboxController>,
    /// The hardware semaphores.
    pub semaphores: Vec<Semaphores>,
    /// Flaws, in the order in which they were met.
    pub findings: Vec<Finding>,
}

/// A TEE service that manages processors: one child of `/firmware/optee`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// The UUID of its Trusted Application, as lower-case text `8-4-4-4-12`.
    pub uuid: String,
    /// Path of its node.
    pub path: String,
    /// Whether its node and `/firmware/optee` are switched on.
    pub enabled: bool,
    /// Its processors, in the order of the tree.
    pub processors: Vec<Processor>,
}

/// A remote processor as Linux's own driver finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlatformProcessor {
    /// What the node says.
    pub processor: Processor,
    /// The windows of its bus; none when it sees Linux's addresses.
    pub translations: Vec<Translation>,
}

/// One remote processor. Lists hold what could be resolved; [`Model::findings`] tells about the rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Processor {
    /// Node name without the unit address, such as `m33`.
    pub name: String,
    /// The processor id by which the TEE service knows it (`reg`).
    pub id: u32,
    /// Path of its node.
    pub path: String,
    /// Whether its node, the service's and `/firmware/optee` are switched on.
    pub enabled: bool,
    /// Mailboxes by name: `vq0`, `vq1`, `shutdown`, `detach` (names of Linux's stm32 driver).
    pub mailboxes: BTreeMap<String, MailboxRef>,
    /// Memory regions in the order of `memory-region`. Linux finds carveouts among them by name.
    pub memory_regions: Vec<MemoryRegion>,
    /// Interrupts that reach the normal world, such as the watchdog's.
    pub interrupts: Vec<ProviderRef>,
    /// The SPI numbers of the GIC that they reach, directly or through an EXTI.
    pub spis: Vec<u16>,
    /// Power domains.
    pub power_domains: Vec<ProviderRef>,
    /// Clocks.
    pub clocks: Vec<ProviderRef>,
    /// Resets.
    pub resets: Vec<ProviderRef>,
    /// The bits of a system controller that let it boot (`st,syscfg-holdboot`).
    pub hold_boot: Option<SysconField>,
    /// The bits of a system controller that say whether the clock controller tells secure from non-secure accesses
    /// (`st,syscfg-tz`, deprecated).
    pub trust_zone: Option<SysconField>,
    /// Its interrupt, which is a watchdog's, wakes Linux (`wakeup-source` of its node: Linux `stm32_rproc.c`). Its mailbox has a
    /// word of its own, [`MailboxController::wakeup_source`].
    pub wakeup_source: bool,
    /// The firmware file that Linux would ask for.
    pub firmware_name: Option<String>,
    /// Properties of the form `vendor,name`, undecoded.
    pub vendor_properties: Vec<VendorProperty>,
}

impl Processor {
    /// The memory region of that name, as Linux looks up a carveout.
    #[must_use]
    pub fn memory_region(&self, name: &str) -> Option<&MemoryRegion> {
        self.memory_regions.iter().find(|region| region.name == name)
    }
}

/// One channel of a mailbox controller.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MailboxRef {
    /// Path of the controller's node.
    pub controller: String,
    /// Physical address of the controller's registers, where the tree tells it.
    pub controller_address: Option<u64>,
    /// Channel number, from 0 (STM32 reference manuals count the same channels from 1).
    pub channel: u32,
}

/// A region of memory that Linux leaves alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemoryRegion {
    /// Node name without the unit address.
    pub name: String,
    /// Path of its node.
    pub path: String,
    /// Physical address as the application processor sees it.
    pub address: u64,
    /// Size in bytes, above 0; the end does not exceed 64 bits.
    pub size: u64,
    /// Linux must not map it by itself (`no-map`).
    pub no_map: bool,
    /// Linux may use it as a DMA pool (`shared-dma-pool`), as RPMsg's buffers need.
    pub shared_dma_pool: bool,
}

impl MemoryRegion {
    /// First address to one past the last.
    #[must_use]
    pub fn range(&self) -> Range<u64> {
        self.address..self.address.saturating_add(self.size)
    }

    /// Whether any byte lies in both.
    #[must_use]
    pub fn overlaps(&self, other: &MemoryRegion) -> bool {
        let (a, b) = (self.range(), other.range());
        a.start < b.end && b.start < a.end
    }
}

impl fmt::Display for MemoryRegion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Range { start, end } = self.range();
        write!(f, "{} ({start:#x}..{end:#x})", self.name)
    }
}

/// A reference to a provider with its arguments undecoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderRef {
    /// Its name in the list of names beside it.
    pub name: Option<String>,
    /// Path of the provider's node.
    pub provider: String,
    /// The cells after the phandle; for interrupts the specifier.
    pub arguments: Vec<u32>,
}

/// Some bits of a register of a system controller: phandle, offset and mask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SysconField {
    /// Path of the controller's node.
    pub controller: String,
    /// Physical address of the controller's registers, where the tree tells it.
    pub address: Option<u64>,
    /// Offset of the register, in bytes.
    pub offset: u32,
    /// The bits.
    pub mask: u32,
}

impl SysconField {
    /// Physical address of the register, where the tree tells it and there is one.
    #[must_use]
    pub fn register(&self) -> Option<u64> {
        self.address?.checked_add(u64::from(self.offset)).filter(|register| register.is_multiple_of(4))
    }
}

/// A property whose meaning is a vendor's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VendorProperty {
    /// Name of the form `vendor,name`.
    pub name: String,
    /// Its bytes as the blob has them.
    pub value: Vec<u8>,
}

/// Why a processor cannot be taken from a model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LookupError {
    /// No processor has that name, path or id.
    #[error("the device tree has no remote processor `{wanted}`; it has: {}", if known.is_empty() { "none".to_owned() } else { known.join(", ") })]
    Unknown {
        /// What was asked for.
        wanted: String,
        /// The processors there are, as `name (id)`.
        known: Vec<String>,
    },
    /// It is switched off.
    #[error("remote processor {path} is disabled; set status = \"okay\" there and in the nodes above it")]
    Disabled {
        /// Path of its node.
        path: String,
    },
    /// Its description has errors.
    #[error("remote processor {path} cannot be used: {}", findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Unusable {
        /// Path of its node.
        path: String,
        /// The errors about it.
        findings: Vec<Finding>,
    },
}

impl Model {
    /// Reads what `tree` says about remote processors. Never fails: flaws become [`Model::findings`].
    #[must_use]
    pub fn of(tree: &Tree) -> Model {
        let mut findings = Findings::default();
        let reserved_memory = region::reserved(tree, &mut findings);
        let mut uses = Uses::default();
        let platform::Found { mut services, platform } = platform::processors(tree, &mut uses, &mut findings);
        // A tree that describes processors elsewhere needs nothing below OP-TEE's node.
        let required = services.is_empty() && platform.is_empty();
        services.extend(nested::services(tree, required, &mut uses, &mut findings));
        let mailbox_controllers = mailbox::controllers(tree, &mut findings);
        let semaphores = mailbox::semaphores(tree, &mut findings);
        let compatible = tree.root().raw("compatible").map(property::strings);
        Model {
            compatible: compatible.and_then(Result::ok).unwrap_or_default(),
            services,
            reserved_memory,
            platform,
            mailbox_controllers,
            semaphores,
            findings: findings.list,
        }
    }

    /// All processors of all services.
    pub fn processors(&self) -> impl Iterator<Item = &Processor> {
        self.services.iter().flat_map(|service| &service.processors)
    }

    /// The service with that UUID (any letter case).
    #[must_use]
    pub fn service(&self, uuid: &str) -> Option<&Service> {
        self.services.iter().find(|service| service.uuid.eq_ignore_ascii_case(uuid))
    }

    /// The processor with that name, node path or decimal id, if it is enabled and its description has no errors.
    ///
    /// # Errors
    /// Says which processors there are, or what makes this one unusable.
    pub fn processor(&self, wanted: &str) -> Result<&Processor, LookupError> {
        let id = wanted.parse::<u32>().ok();
        let matches = |processor: &&Processor| {
            processor.name == wanted || processor.path == wanted || Some(processor.id) == id
        };
        let known = || self.processors().map(|one| format!("{} ({})", one.name, one.id)).collect();
        let unknown = || LookupError::Unknown { wanted: wanted.to_owned(), known: known() };
        let processor = self.processors().find(matches).ok_or_else(unknown)?;
        if !processor.enabled {
            return Err(LookupError::Disabled { path: processor.path.clone() });
        }
        let errors: Vec<Finding> = self.errors_of(processor).cloned().collect();
        match errors.as_slice() {
            [] => Ok(processor),
            _ => Err(LookupError::Unusable { path: processor.path.clone(), findings: errors }),
        }
    }

    /// The errors at the processor's own node and at the nodes above it.
    fn errors_of(&self, processor: &Processor) -> impl Iterator<Item = &Finding> {
        let errors = self.findings.iter().filter(|finding| finding.severity == Severity::Error);
        errors.filter(|finding| {
            let below = processor.path.strip_prefix(&finding.path);
            below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    }
}
