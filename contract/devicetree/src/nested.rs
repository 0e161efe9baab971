//! The nested layout: `/firmware/optee/<service>@n { compatible = "rproc-service-<UUID>"; <processor>@<id> { … }; }`.

use alloc::borrow::ToOwned as _;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::string::ToString as _;
use alloc::vec::Vec;

use rproc_abi::ProcessorId;

use crate::address;
use crate::finding::{Findings, Problem};
use crate::interrupt;
use crate::model::{MailboxRef, Processor, ProviderRef, Service, VendorProperty};
use crate::property;
use crate::reference;
use crate::region;
use crate::tree::{NodeRef, Tree};

/// What a service's `compatible` starts with; the UUID of its Trusted Application follows.
pub const SERVICE_COMPATIBLE_PREFIX: &str = "rproc-service-";

const OPTEE: &str = "/firmware/optee";
/// Mailboxes that Linux's stm32 remoteproc driver asks for by name.
const MAILBOX_NAMES: [&str; 4] = ["vq0", "vq1", "shutdown", "detach"];
/// What the first RPMsg device needs; Linux fixes the names `vdev<X>vring<Y>` and `vdev<X>buffer`.
const RPMSG_REGIONS: [&str; 3] = ["vdev0vring0", "vdev0vring1", "vdev0buffer"];
/// Properties of a processor's node that mean something here or to the device tree itself.
const KNOWN: [&str; 26] = [
    "reg",
    "status",
    "phandle",
    "linux,phandle",
    "label",
    "mboxes",
    "mbox-names",
    "memory-region",
    "memory-region-names",
    "interrupts",
    "interrupts-extended",
    "interrupt-parent",
    "interrupt-names",
    "power-domains",
    "power-domain-names",
    "clocks",
    "clock-names",
    "resets",
    "reset-names",
    "firmware-name",
    "wakeup-source",
    "compatible",
    "secure-status",
    "rproc-tee-phandle",
    HOLD_BOOT,
    TRUST_ZONE,
];
const HOLD_BOOT: &str = "st,syscfg-holdboot";
const TRUST_ZONE: &str = "st,syscfg-tz";

/// Reads all services below `/firmware/optee`.
pub(crate) fn services(
    tree: &Tree,
    required: bool,
    uses: &mut Uses,
    findings: &mut Findings,
) -> Vec<Service> {
    let Some(optee) = tree.node(OPTEE) else {
        if !required {
            return Vec::new();
        }
        let expected = "OP-TEE's node with the remote processor service below it".to_owned();
        findings.node_error(OPTEE, Problem::Missing { expected });
        return Vec::new();
    };
    check_optee(optee, findings);
    let optee_enabled = enabled(optee, findings);
    let mut services = Vec::new();
    for node in optee.children() {
        if let Some(service) = service(node, optee_enabled, uses, findings) {
            services.push(service);
        }
    }
    if services.is_empty() && required {
        let expected = format!("a child node with compatible = \"{SERVICE_COMPATIBLE_PREFIX}<UUID>\"");
        findings.node_error(
            OPTEE,
            Problem::Value { expected, found: "without a remote processor service".to_owned() },
        );
    }
    services
}

/// What may be used once in the whole tree, and by whom it is.
#[derive(Default)]
pub(crate) struct Uses {
    mailboxes: BTreeMap<MailboxRef, String>,
}

fn check_optee(node: NodeRef<'_>, findings: &mut Findings) {
    let path = node.path();
    let expected = |value: &str| value.to_owned();
    match node.raw("compatible").map(property::strings) {
        Some(Ok(names)) if names.iter().any(|name| name == "linaro,optee-tz") => {}
        Some(Ok(names)) => {
            let problem = Problem::Value { expected: expected("linaro,optee-tz"), found: quoted(&names) };
            findings.error(&path, "compatible", problem);
        }
        Some(Err(problem)) => findings.error(&path, "compatible", problem),
        None => {
            findings.error(&path, "compatible", Problem::Missing { expected: expected("linaro,optee-tz") })
        }
    }
    match node.raw("method").map(property::string) {
        Some(Ok(method)) if method == "smc" || method == "hvc" => {}
        Some(Ok(method)) => {
            let problem = Problem::Value { expected: expected("smc or hvc"), found: format!("`{method}`") };
            findings.error(&path, "method", problem);
        }
        Some(Err(problem)) => findings.error(&path, "method", problem),
        None => findings.error(&path, "method", Problem::Missing { expected: expected("smc or hvc") }),
    }
}

fn quoted(names: &[String]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    if names.is_empty() { "empty".to_owned() } else { names.join(", ") }
}

/// An unreadable status is an error, and means off.
pub(crate) fn enabled(node: NodeRef<'_>, findings: &mut Findings) -> bool {
    findings.take(&node.path(), "status", property::enabled(node)).unwrap_or(false)
}

/// Reads a child of OP-TEE's node, or nothing when it is another kind of service.
fn service(
    node: NodeRef<'_>,
    optee_enabled: bool,
    uses: &mut Uses,
    findings: &mut Findings,
) -> Option<Service> {
    let path = node.path();
    let names = findings.take(&path, "compatible", property::strings(node.raw("compatible")?))?;
    let uuid = names.iter().find_map(|name| name.strip_prefix(SERVICE_COMPATIBLE_PREFIX))?;
    let Some(uuid) = uuid_text(uuid) else {
        let expected = format!("{SERVICE_COMPATIBLE_PREFIX} and a UUID as 8-4-4-4-12 hexadecimal digits");
        findings.error(&path, "compatible", Problem::Value { expected, found: quoted(&names) });
        return None;
    };
    // The children's reg is a processor id: one cell, no size (absent means 2 and 1, Devicetree Specification 2.3.5).
    let have_reg = node.children().any(|child| child.raw("reg").is_some());
    for (property, absent, expected) in
        [("#address-cells", 2, 1), ("#size-cells", 1, 0)].into_iter().filter(|_| have_reg)
    {
        let count = property::cell_count(node, property, Some(absent), u32::MAX);
        if let Some(count) = findings.take(&path, property, count).filter(|count| *count != expected) {
            let problem = Problem::Value { expected: expected.to_string(), found: count.to_string() };
            findings.error(&path, property, problem);
        }
    }
    let service_enabled = enabled(node, findings) && optee_enabled;
    let mut processors: Vec<Processor> = Vec::new();
    let mut ids: BTreeMap<u32, String> = BTreeMap::new();
    let mut known: BTreeMap<String, String> = BTreeMap::new();
    for child in node.children() {
        let Some(processor) = processor(child, service_enabled, uses, findings) else { continue };
        if let Some(other) = ids.insert(processor.id, processor.path.clone()) {
            let what = format!("the processor id {}", processor.id);
            findings.error(&processor.path, "reg", Problem::Duplicate { what, other });
        }
        if let Some(other) = known.insert(processor.name.clone(), processor.path.clone()) {
            let what = format!("the name `{}`", processor.name);
            findings.node_warning(&processor.path, Problem::Duplicate { what, other });
        }
        processors.push(processor);
    }
    if processors.is_empty() {
        let expected = "a child node with reg = <processor id> for each remote processor".to_owned();
        findings
            .node_warning(&path, Problem::Value { expected, found: "without a usable processor".to_owned() });
    }
    Some(Service { uuid, path, enabled: service_enabled, processors })
}

/// Lower-case text of a UUID, if it has the form of one.
pub(crate) fn uuid_text(text: &str) -> Option<String> {
    let groups: Vec<&str> = text.split('-').collect();
    let lengths = groups.iter().map(|group| group.len());
    let hexadecimal = groups.iter().all(|group| group.bytes().all(|byte| byte.is_ascii_hexdigit()));
    (lengths.eq([8, 4, 4, 4, 12]) && hexadecimal).then(|| text.to_ascii_lowercase())
}

/// Reads one processor, or nothing when it has no usable id.
fn processor(
    node: NodeRef<'_>,
    service_enabled: bool,
    uses: &mut Uses,
    findings: &mut Findings,
) -> Option<Processor> {
    let path = node.path();
    let id = match node.raw("reg") {
        Some(reg) => {
            let id = findings.take(&path, "reg", property::cell(reg))?;
            if node.unit_address().is_none_or(|address| u32::from_str_radix(address, 16) != Ok(id)) {
                let expected = format!("`{}@{id:x}`, after reg = <{id:#x}>", node.base_name());
                let found = format!("named `{}`", node.name());
                findings.node_warning(&path, Problem::Value { expected, found });
            }
            id
        }
        // As the service's proposal has it, by the name alone.
        None => {
            let missing = || Problem::Missing {
                expected:
                    "the processor id that the TEE service knows, unless the name says it (`m33_rproc`)"
                        .to_owned(),
            };
            findings.take(&path, "reg", ProcessorId::from_name(core_name(node)).ok_or_else(missing))?.0
        }
    };
    let enabled = enabled(node, findings) && service_enabled;
    Some(describe(node, id, enabled, uses, findings))
}

/// What a processor is called: its node without the unit address, and without `_rproc` where that is its end, as Linux's driver has it.
fn core_name<'a>(node: NodeRef<'a>) -> &'a str {
    let name = node.base_name();
    name.strip_suffix("_rproc").unwrap_or(name)
}

/// Reads what every layout says of a processor in the same words.
pub(crate) fn describe(
    node: NodeRef<'_>,
    id: u32,
    enabled: bool,
    uses: &mut Uses,
    findings: &mut Findings,
) -> Processor {
    let path = node.path();
    let mailboxes = mailboxes(node, enabled, uses, findings);
    let memory_regions = region::named_by(node, findings);
    let firmware_name = node.raw("firmware-name").map(property::string);
    let interrupts = reference::interrupts(node, findings);
    let spis = interrupts.iter().filter_map(|one| interrupt::spi(node.tree(), one)).collect();
    let processor = Processor {
        name: core_name(node).to_owned(),
        id,
        enabled,
        mailboxes,
        memory_regions,
        interrupts,
        spis,
        power_domains: reference::list(node, &reference::POWER_DOMAINS, findings),
        clocks: reference::list(node, &reference::CLOCKS, findings),
        resets: reference::list(node, &reference::RESETS, findings),
        hold_boot: reference::syscon(node, HOLD_BOOT, findings),
        trust_zone: reference::syscon(node, TRUST_ZONE, findings),
        wakeup_source: property::flag(node, "wakeup-source", findings),
        firmware_name: firmware_name.and_then(|name| findings.take(&path, "firmware-name", name)),
        vendor_properties: vendor_properties(node, findings),
        path,
    };
    check_rpmsg(&processor, findings);
    processor
}

fn mailboxes(
    node: NodeRef<'_>,
    enabled: bool,
    uses: &mut Uses,
    findings: &mut Findings,
) -> BTreeMap<String, MailboxRef> {
    let path = node.path();
    let mut mailboxes = BTreeMap::new();
    for (entry, reference) in reference::list(node, &reference::MAILBOXES, findings).into_iter().enumerate() {
        let ProviderRef { name, provider, arguments } = reference;
        let (Some(name), [channel]) = (name, arguments.as_slice()) else {
            let expected = format!("a name in `mbox-names` and one channel cell in entry {entry}");
            let found = format!("{} cells for {provider}", arguments.len());
            findings.error(&path, "mboxes", Problem::Value { expected, found });
            continue;
        };
        if !MAILBOX_NAMES.contains(&name.as_str()) {
            let expected = format!("one of {}", MAILBOX_NAMES.join(", "));
            findings.warning(&path, "mbox-names", Problem::Value { expected, found: format!("`{name}`") });
        }
        let controller_address = node.tree().node(&provider).and_then(address::physical);
        let mailbox = MailboxRef { controller: provider, controller_address, channel: *channel };
        // Processors that are off may be another description of the same hardware.
        let other = if enabled { uses.mailboxes.insert(mailbox.clone(), path.clone()) } else { None };
        if let Some(other) = other {
            let what = format!("channel {} of {}", mailbox.channel, mailbox.controller);
            findings.error(&path, "mboxes", Problem::Duplicate { what, other });
        }
        if mailboxes.insert(name.clone(), mailbox).is_some() {
            let what = format!("the name `{name}`");
            findings.error(
                &path,
                "mbox-names",
                Problem::Duplicate { what, other: "an entry before".to_owned() },
            );
        }
    }
    mailboxes
}

/// RPMsg takes two mailboxes and three regions: some without the others are a mistake, none at all is a choice.
fn check_rpmsg(processor: &Processor, findings: &mut Findings) {
    let missing = |expected: String| Problem::Missing { expected };
    let queues = ["vq0", "vq1"].map(|name| (name, processor.mailboxes.contains_key(name)));
    let regions = RPMSG_REGIONS.map(|name| (name, processor.memory_region(name).is_some()));
    if queues.iter().chain(&regions).any(|(_, there)| *there) {
        for (name, _) in queues.into_iter().filter(|(_, there)| !there) {
            let expected = format!("`{name}`, without which RPMsg does not work");
            findings.warning(&processor.path, "mbox-names", missing(expected));
        }
        for (name, _) in regions.into_iter().filter(|(_, there)| !there) {
            let expected =
                format!("a region whose node is named `{name}`, without which RPMsg does not work");
            findings.warning(&processor.path, "memory-region", missing(expected));
        }
    }
    if !processor.mailboxes.contains_key("shutdown") {
        let expected = "`shutdown`, without which the firmware is stopped without being asked".to_owned();
        findings.warning(&processor.path, "mbox-names", missing(expected));
    }
}

fn vendor_properties(node: NodeRef<'_>, findings: &mut Findings) -> Vec<VendorProperty> {
    let mut vendor = Vec::new();
    for (name, value) in node.properties().filter(|(name, _)| !KNOWN.contains(name)) {
        if name.contains(',') {
            vendor.push(VendorProperty { name: name.to_owned(), value: value.to_vec() });
        } else {
            findings.warning(&node.path(), name, Problem::Unknown);
        }
    }
    vendor
}

#[cfg(test)]
mod tests {
    use crate::testing::{EXAMPLE, compile};
    use crate::{LookupError, Model, Problem, Severity, Tree};
    use std::eprintln;
    use std::prelude::rust_2024::*;

    const SOURCE: &str = include_str!("../../../bindings/boards/stm32mp257f-ev1/linux.dts");

    fn example() -> Model {
        Model::of(&Tree::parse(EXAMPLE).unwrap())
    }

    /// The example with a piece of its source replaced; nothing where dtc is missing.
    fn changed(from: &str, to: &str) -> Option<Model> {
        assert!(SOURCE.contains(from), "the example no longer contains {from:?}");
        model_of_source(&SOURCE.replacen(from, to, 1))
    }

    fn model_of_source(source: &str) -> Option<Model> {
        let blob = compile(source);
        if blob.is_none() {
            eprintln!("SKIPPED: dtc is not installed, a changed example was not tried");
        }
        blob.map(|blob| Model::of(&Tree::parse(&blob).unwrap()))
    }

    fn has_error(model: &Model, property: &str, holds: impl Fn(&Problem) -> bool) -> bool {
        model.findings.iter().any(|finding| {
            finding.severity == Severity::Error
                && finding.property.as_deref() == Some(property)
                && holds(&finding.problem)
        })
    }

    #[test]
    fn example_has_both_processors_and_no_errors() {
        let model = example();
        assert_eq!(model.findings, [], "{:#?}", model.findings);
        let service = model.service("80A4C275-0a47-4905-8285-1486a9771a08").unwrap();
        assert_eq!(service.processors.len(), 2);
        let m33 = model.processor("m33").unwrap();
        assert_eq!((m33.id, m33.enabled), (1, true));
        assert_eq!(m33.path, "/firmware/optee/rproc-service@0/m33@1");
        let channels: Vec<_> = m33.mailboxes.iter().map(|(name, one)| (name.as_str(), one.channel)).collect();
        assert_eq!(channels, [("shutdown", 2), ("vq0", 0), ("vq1", 1)]);
        assert!(m33.mailboxes.values().all(|one| one.controller == "/soc@0/mailbox@40490000"));
        assert_eq!(m33.mailboxes["vq0"].controller_address, Some(0x4049_0000));
        let region = m33.memory_region("vdev0buffer").unwrap();
        assert_eq!((region.address, region.size), (0x812f_a000, 0x6000));
        assert!(region.shared_dma_pool && region.no_map);
        assert_eq!(m33.interrupts.len(), 1);
        assert_eq!(m33.interrupts[0].arguments, [0, 4, 4]);
        assert_eq!(
            m33.power_domains.iter().filter_map(|one| one.name.as_deref()).collect::<Vec<_>>(),
            ["default", "sleep"]
        );
        let m0 = model.processor("2").unwrap();
        assert_eq!((m0.name.as_str(), m0.clocks.len(), m0.memory_regions.len()), ("m0", 15, 0));
        assert!(model.reserved_memory.iter().any(|one| one.name == "cm33-cube-fw" && one.size == 0x80_0000));
    }

    #[test]
    fn an_unknown_processor_is_named_with_the_known_ones() {
        let error = example().processor("m4").unwrap_err().to_string();
        assert!(error.contains("`m4`") && error.contains("m33 (1), m0 (2)"), "{error}");
    }

    #[test]
    fn a_tree_without_the_service_says_what_is_missing() {
        let blob = crate::testing::tree_blob(&[]);
        let model = Model::of(&Tree::parse(&blob).unwrap());
        assert_eq!(model.findings[0].path, "/firmware/optee");
        assert!(matches!(model.findings[0].problem, Problem::Missing { .. }));
    }

    #[test]
    fn broken_references_name_their_entry() {
        let Some(model) = changed("<&ipcc1 0>, <&ipcc1 1>", "<&ipcc1 0>, <0x7777 1>") else { return };
        assert!(has_error(&model, "mboxes", |problem| {
            *problem == Problem::DanglingPhandle { entry: 1, phandle: 0x7777 }
        }));
        assert!(matches!(model.processor("m33"), Err(LookupError::Unusable { .. })));
        assert!(model.processor("m0").is_ok(), "an error of the m33 makes the m0 unusable");
    }

    #[test]
    fn references_cut_short_are_refused() {
        let Some(model) = changed("<&ipcc1 1>, <&ipcc1 2>", "<&ipcc1 1>, <&ipcc1>") else { return };
        assert!(has_error(&model, "mboxes", |problem| {
            matches!(problem, Problem::CutReference { entry: 2, expected: 1, found: 0, .. })
        }));
    }

    #[test]
    fn a_mailbox_channel_has_one_owner() {
        let Some(model) = changed("mboxes = <&ipcc2 2>", "mboxes = <&ipcc1 2>") else { return };
        assert!(has_error(&model, "mboxes", |problem| matches!(problem, Problem::Duplicate { .. })));
    }

    #[test]
    fn processor_ids_are_unique() {
        let Some(model) = changed("reg = <2>; /* M0+ */", "reg = <1>;") else { return };
        assert!(has_error(&model, "reg", |problem| matches!(problem, Problem::Duplicate { .. })));
        assert!(
            model.findings.iter().any(|one| one.severity == Severity::Warning && one.path.ends_with("m0@2"))
        );
    }

    #[test]
    fn overlapping_regions_are_refused() {
        let Some(model) = changed("reg = <0x0 0x812f9000 0x0 0x1000>", "reg = <0x0 0x812f8800 0x0 0x1000>")
        else {
            return;
        };
        assert!(has_error(&model, "memory-region", |problem| matches!(problem, Problem::Overlap { .. })));
    }

    #[test]
    fn a_region_of_the_wrong_length_is_refused_where_it_is_used() {
        let Some(model) = changed("reg = <0x0 0x812f9000 0x0 0x1000>", "reg = <0x0 0x812f9000 0x0>") else {
            return;
        };
        assert!(has_error(&model, "memory-region", |problem| {
            matches!(problem, Problem::Region { property: "reg", fault, .. } if matches!(**fault, Problem::Length { found: 12, .. }))
        }));
        assert!(matches!(model.processor("m33"), Err(LookupError::Unusable { .. })));
    }

    #[test]
    fn rpmsg_without_all_of_its_parts_is_doubtful() {
        let Some(model) = changed("<&vdev0vring0>, <&vdev0vring1>,", "<&vdev0vring0>,") else { return };
        let warning = model.findings.iter().find(|one| one.severity == Severity::Warning).unwrap();
        assert!(warning.to_string().contains("`vdev0vring1`"), "{warning}");
        assert!(model.processor("m33").is_ok());
    }

    #[test]
    fn a_disabled_service_disables_its_processors() {
        let Some(model) = changed("rproc-service@0 {", "rproc-service@0 { status = \"disabled\";") else {
            return;
        };
        assert!(matches!(model.processor("m33"), Err(LookupError::Disabled { .. })));
    }

    #[test]
    fn a_name_alone_says_which_processor_it_is() {
        let source = SOURCE.replace("m33@1 {\n\t\t\t\t\treg = <1>;", "m33_rproc {");
        let source = source.replace("m0@2 {\n\t\t\t\t\treg = <2>;", "m0_rproc {");
        let cells = "reg = <0>;\n\t\t\t\t#address-cells = <1>;\n\t\t\t\t#size-cells = <0>;\n";
        assert!(source.contains("m33_rproc") && source.contains("m0_rproc") && source.contains(cells));
        let Some(model) = model_of_source(&source.replace(cells, "reg = <0>;\n")) else { return };
        assert_eq!(model.findings, [], "{:#?}", model.findings);
        let (m33, m0) = (model.processor("m33").unwrap(), model.processor("m0").unwrap());
        assert_eq!((m33.id, m0.id), (1, 2));
        assert_eq!(m33.path, "/firmware/optee/rproc-service@0/m33_rproc");
        let Some(model) = model_of_source(&source.replace("m33_rproc {", "big_rproc {")) else { return };
        assert!(has_error(&model, "reg", |problem| problem.to_string().contains("unless the name says it")));
    }

    #[test]
    fn a_malformed_uuid_is_refused() {
        let Some(model) = changed("1486a9771a08\"", "1486a9771a0\"") else { return };
        assert!(has_error(&model, "compatible", |problem| matches!(problem, Problem::Value { .. })));
        assert!(model.services.is_empty());
    }

    #[test]
    fn vendor_properties_are_kept_and_others_doubted() {
        let to = "tee_m33: m33@1 { st,auto = <1>; typo = <2>;";
        let Some(model) = changed("tee_m33: m33@1 {", to) else { return };
        let m33 = model.processor("m33").unwrap();
        assert_eq!(m33.vendor_properties[0].value, [0, 0, 0, 1]);
        assert!(
            model
                .findings
                .iter()
                .any(|one| one.property.as_deref() == Some("typo") && one.problem == Problem::Unknown)
        );
    }
}
