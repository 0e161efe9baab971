//! The processors of both trees that a system is asked for: who owns each, and which node describes it.

use rproc_abi::ProcessorId;
use rproc_devicetree::{
    Finding, LookupError, Model, Owner, Ownership, Processor, SecureModel, Severity, Translation, ownership,
};

use rproc_lifecycle::{self as lifecycle, Clock, Interrupts, Mailbox, PowerDomain};

use super::SystemError;
use crate::Description;

/// A processor with the node of Linux's tree that counts.
pub(super) struct Node<'a> {
    pub(super) owner: Owner,
    pub(super) processor: &'a Processor,
    /// All that Linux's tree says.
    linux: &'a Model,
    translations: &'a [Translation],
}

/// Who owns each processor of a board.
///
/// # Errors
/// The two trees contradict each other.
pub(super) fn owners(linux: &Model, secure: &SecureModel) -> Result<Vec<Ownership>, SystemError> {
    let (owners, findings) = ownership(linux, secure);
    let errors: Vec<Finding> =
        findings.into_iter().filter(|finding| finding.severity == Severity::Error).collect();
    if errors.is_empty() { Ok(owners) } else { Err(SystemError::Contradiction(errors)) }
}

/// The processors that a system is asked for, each by its name, its path or its id.
pub(super) fn find_all<'a>(
    linux: &'a Model,
    owners: &[Ownership],
    wanted: &[&str],
) -> Result<Vec<Node<'a>>, SystemError> {
    let mut nodes: Vec<Node<'a>> = Vec::new();
    for wanted in wanted {
        let node = Node::find(linux, owners, wanted)?;
        if nodes.iter().any(|other| other.processor.id == node.processor.id) {
            return Err(SystemError::Twice { name: node.processor.name.clone() });
        }
        nodes.push(node);
    }
    Ok(nodes)
}

impl<'a> Node<'a> {
    /// The processor with that name, path or id.
    pub(super) fn find(linux: &'a Model, owners: &[Ownership], wanted: &str) -> Result<Self, SystemError> {
        let id = wanted.parse::<u32>().ok();
        let of_linux = linux.platform.iter().find(|one| {
            let processor = &one.processor;
            let owner = owners.iter().find(|owner| owner.id == processor.id).map(|owner| owner.owner);
            let named = processor.name == wanted || processor.path == wanted || Some(processor.id) == id;
            named && matches!(owner, Some(Owner::Linux | Owner::LinuxThroughTee))
        });
        let Some(found) = of_linux else {
            let processor = linux.processor(wanted)?;
            return Ok(Self { owner: Owner::Tee, processor, linux, translations: &[] });
        };
        let path = &found.processor.path;
        // Said before anything runs: no reset, no start and no stop of it is within Linux's reach.
        if found.processor.id == ProcessorId::CORTEX_M0_PLUS.0 {
            return Err(SystemError::NotLinuxs { path: path.clone() });
        }
        let of_it = |finding: &&Finding| {
            let below = path.strip_prefix(&finding.path);
            finding.severity == Severity::Error
                && below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let findings: Vec<Finding> = linux.findings.iter().filter(of_it).cloned().collect();
        if !findings.is_empty() {
            return Err(LookupError::Unusable { path: path.clone(), findings }.into());
        }
        let (processor, translations) = (&found.processor, found.translations.as_slice());
        Ok(Self { owner: Owner::Linux, processor, linux, translations })
    }

    /// What the lifecycle needs of it.
    pub(super) fn describe(&self) -> lifecycle::Description {
        let node = self.processor;
        let region = |region: &rproc_devicetree::MemoryRegion| lifecycle::MemoryRegion {
            name: region.name.clone(),
            address: region.address,
            size: region.size,
        };
        let window = |window: &Translation| lifecycle::Translation {
            device_address: window.device,
            address: window.physical,
            size: window.size,
        };
        let domains = node.power_domains.iter().filter_map(|domain| domain.name.as_deref());
        let clocks = node.clocks.iter().map(|clock| Clock {
            name: clock.name.clone().unwrap_or_else(|| format!("{} {:?}", clock.provider, clock.arguments)),
            provider: clock.provider.clone(),
            arguments: clock.arguments.clone(),
        });
        lifecycle::Description {
            name: node.name.clone(),
            regions: node.memory_regions.iter().map(region).collect(),
            mailboxes: node.mailboxes.keys().filter_map(|name| Mailbox::from_name(name)).collect(),
            translations: self.translations.iter().map(window).collect(),
            clocks: clocks.collect(),
            power_domains: domains.filter_map(PowerDomain::from_name).collect(),
            wakeup: self.wakeup(),
        }
    }

    /// Its mailbox wakes Linux by a word at the controller's node, its watchdog by one at its own.
    fn wakeup(&self) -> Interrupts {
        let mut controllers = self.linux.mailbox_controllers.iter();
        let mailbox = controllers.any(|one| {
            one.wakeup_source && self.processor.mailboxes.values().any(|used| used.controller == one.path)
        });
        Interrupts { mailbox, crash: self.processor.wakeup_source }
    }

    /// The IPCC channel of each mailbox.
    pub(super) fn channels(&self, board: &Description) -> Result<Vec<(Mailbox, u32)>, SystemError> {
        let node = self.processor;
        let mut channels = Vec::new();
        for (name, reference) in &node.mailboxes {
            let Some(mailbox) = Mailbox::from_name(name) else { continue };
            let site = board.mailbox_of(node.id).filter(|site| {
                reference.controller_address == Some(site.registers) && reference.channel < site.channels
            });
            if site.is_none() {
                return Err(SystemError::Mailbox {
                    processor: node.path.clone(),
                    name: name.clone(),
                    controller: reference.controller.clone(),
                    channel: reference.channel,
                });
            }
            channels.push((mailbox, reference.channel));
        }
        Ok(channels)
    }
}
