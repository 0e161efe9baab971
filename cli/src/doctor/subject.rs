//! Each processor as the trees describe it: who owns it, what it needs, what is wrong with its description.

use std::collections::{BTreeMap, BTreeSet};

use rproc_abi::ProcessorId;
use rproc_devicetree::{
    Finding, MailboxRef, Model, Problem, Processor, ProviderRef, SecureModel, Severity, Tree, ownership,
};
use rproc_doctor::{Firmware, Known, Need, NeedKind, Observation, Owner, Presence, Service};

use crate::board::nodes;

/// What a machine has of what a processor's node names.
pub trait Providers {
    /// Whether a channel can be used.
    fn mailbox(&self, channel: &MailboxRef) -> Presence;

    /// Whether a clock, power domain or reset can be used.
    fn provider(&self, kind: NeedKind, reference: &ProviderRef) -> Presence;

    /// Whether the firmware file of that name is there; nothing where no file is needed.
    fn firmware(&self, name: &str) -> Option<Firmware>;

    /// The name of the firmware file that Linux would load for the processor of this name, where Linux knows the processor: somebody may
    /// have chosen another than the tree's.
    fn chosen_firmware(&self, _processor: &str) -> Option<String> {
        None
    }
}

/// A remote processor of the trees.
pub struct Subject {
    /// Its id.
    pub id: ProcessorId,
    name: String,
    path: String,
    owner: Owner,
    secure_owner: Option<Owner>,
    off: Vec<String>,
    flaws: Vec<String>,
    /// Its node in Linux's tree; nothing when no node of it is switched on.
    node: Option<Processor>,
}

impl Subject {
    /// The processors of Linux's tree, given with its model, and, where it is known, of the secure side's, in the order of
    /// their ids.
    pub fn all(tree: &Tree, linux: &Model, secure: Option<&SecureModel>) -> Vec<Self> {
        let platform = || linux.platform.iter().map(|one| &one.processor);
        let mut ids: BTreeSet<u32> = linux.processors().chain(platform()).map(|one| one.id).collect();
        ids.extend(secure.iter().flat_map(|secure| &secure.processors).map(|one| one.id));
        let contradictions = secure.map(|secure| ownership(linux, secure).1).unwrap_or_default();
        let misnamed = nodes::misnamed_services(tree, linux);
        let each = |id| {
            let service = linux.processors().find(|one| one.id == id);
            let platform = platform().find(|one| one.id == id);
            let secure_node = secure.and_then(|secure| secure.processor(id));
            let (owner, node) = match (service, platform) {
                (Some(node), _) if node.enabled => (Owner::Tee, Some(node)),
                (_, Some(node)) if node.enabled => (Owner::Linux, Some(node)),
                _ => (Owner::Nobody, None),
            };
            let secure_owner = secure_node.map(|node| match (node.normal, node.secure) {
                (true, true) => Owner::Both,
                (true, false) => Owner::Linux,
                (false, true) => Owner::Tee,
                (false, false) => Owner::Nobody,
            });
            let shown = node.or(service).or(platform);
            let name = shown.map(|node| &node.name).or(secure_node.map(|node| &node.name));
            let path = shown.map(|node| &node.path).or(secure_node.map(|node| &node.path));
            let mut flaws = BTreeSet::new();
            if let Some(node) = node {
                flaws.extend(errors(&linux.findings, &node.path, "Linux's tree"));
                // Whose status contradicts whose is a problem of its own, which needs no secure tree to be seen.
                let own = |one: &&Finding| !is_about_owners(&one.problem);
                flaws.extend(errors(contradictions.iter().filter(own), &node.path, "Linux's tree"));
            }
            // Its node is below such a service, or would be if that were known as one.
            let below = |service: &str| node.is_none_or(|node| is_at_or_below(&node.path, service));
            let misnamed = misnamed.iter().filter(|finding| below(&finding.path));
            flaws.extend(misnamed.map(|finding| in_tree("Linux's tree", finding)));
            if let (Some(secure), Some(node)) = (secure, secure_node) {
                flaws.extend(errors(&secure.findings, &node.path, "secure tree"));
            }
            Self {
                id: ProcessorId(id),
                name: name.cloned().unwrap_or_default(),
                path: path.cloned().unwrap_or_default(),
                owner,
                secure_owner,
                off: [service, platform]
                    .into_iter()
                    .flatten()
                    .filter(|one| !one.enabled)
                    .map(|one| one.path.clone())
                    .collect(),
                flaws: flaws.into_iter().collect(),
                node: node.cloned(),
            }
        };
        ids.into_iter().map(each).collect()
    }

    /// The processor with what the machine has.
    pub fn observe(&self, service: &Service, known: Known, machine: &impl Providers) -> Observation {
        Observation {
            name: self.name.clone(),
            path: self.path.clone(),
            id: self.id,
            owner: self.owner,
            secure_owner: self.secure_owner,
            off: self.off.clone(),
            flaws: self.flaws.clone(),
            service: service.clone(),
            known,
            needs: self.node.as_ref().map(|node| needs(node, machine)).unwrap_or_default(),
            firmware: self.node.as_ref().and_then(|node| {
                // The name that Linux makes when the tree has none (`rproc_alloc_firmware`).
                let default = || format!("rproc-{}-fw", node.name);
                let chosen = machine.chosen_firmware(&node.name).or_else(|| node.firmware_name.clone());
                machine.firmware(&chosen.unwrap_or_else(default))
            }),
        }
    }
}

fn is_at_or_below(path: &str, other: &str) -> bool {
    let below = path.strip_prefix(other.trim_end_matches('/'));
    below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn is_about_owners(problem: &Problem) -> bool {
    matches!(
        problem,
        Problem::Contradiction { tree: "the secure tree", property: "status" | "secure-status", .. }
    )
}

/// The errors at a node and at the nodes above it.
fn errors<'a>(
    findings: impl IntoIterator<Item = &'a Finding>,
    path: &str,
    tree: &str,
) -> impl Iterator<Item = String> {
    findings
        .into_iter()
        .filter(|finding| finding.severity == Severity::Error)
        .filter(move |finding| is_at_or_below(path, &finding.path))
        .map(move |finding| in_tree(tree, finding))
}

fn in_tree(tree: &str, finding: &Finding) -> String {
    format!("{tree}: {}", finding.sentence())
}

/// What the node names, one need for what the same provider has or has not.
fn needs(node: &Processor, machine: &impl Providers) -> Vec<Need> {
    let mut needs: Vec<Need> = Vec::new();
    let mut add = |kind, name: String, provider: &str, presence| match needs
        .iter_mut()
        .find(|need| need.kind == kind && need.provider == provider && need.presence == presence)
    {
        Some(need) => need.name = format!("{}, {name}", need.name),
        None => needs.push(Need { kind, name, provider: provider.to_owned(), presence }),
    };
    let mailboxes: BTreeMap<_, _> = node.mailboxes.iter().map(|(name, channel)| (channel, name)).collect();
    for (channel, name) in mailboxes {
        add(NeedKind::Mailbox, name.clone(), &channel.controller, machine.mailbox(channel));
    }
    for region in &node.memory_regions {
        add(NeedKind::MemoryRegion, region.name.clone(), "/reserved-memory", Presence::There);
    }
    for (kind, property, references) in [
        (NeedKind::PowerDomain, "power-domains", &node.power_domains),
        (NeedKind::Clock, "clocks", &node.clocks),
        (NeedKind::Reset, "resets", &node.resets),
    ] {
        for (place, reference) in references.iter().enumerate() {
            let name = reference.name.clone().unwrap_or_else(|| format!("{property}[{place}]"));
            add(kind, name, &reference.provider, machine.provider(kind, reference));
        }
    }
    needs
}
