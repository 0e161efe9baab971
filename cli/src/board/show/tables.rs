//! The report as tables for people.

use std::fmt::Write as _;

use super::report::{Region, Report};
use crate::text;

/// All of it.
pub fn render(report: &Report) -> String {
    let mut text = format!("{}, {}\n", report.board, report.soc);
    for finding in &report.findings {
        let severity = if finding.error { "error" } else { "warning" };
        let _ = writeln!(text, "\n{}: {severity}: {}", finding.tree, finding.text);
    }
    let mut section = |title: &str, table: String| {
        let _ = write!(text, "\n{title}\n{table}");
    };
    let none = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let processors = report.processors.iter().map(|one| {
        [
            one.name.clone(),
            one.id.to_string(),
            one.core.to_owned(),
            format!("{} MHz", one.hertz / 1_000_000),
            if one.started_before_tee {
                format!("{}; may run before it", one.owner)
            } else {
                one.owner.clone()
            },
            list(&one.held_by),
            list(&one.power_domains),
        ]
    });
    section(
        "processors",
        text::table(["name", "id", "core", "clock", "owner", "held by", "power domains"], processors),
    );
    let nodes = report.processors.iter().flat_map(|one| {
        let rows = [
            ("TEE's service, in Linux's tree", &one.service_node),
            ("Linux's own, in Linux's tree", &one.platform_node),
            ("secure tree", &one.secure_node),
        ];
        rows.map(|(what, path)| [one.name.clone(), what.to_owned(), none(path)])
    });
    section("nodes", text::table(["processor", "whose", "path"], nodes));
    let memories = report
        .memories
        .iter()
        .map(|one| [one.name.clone(), text::address(one.address), text::size(one.size), none(&one.guard)]);
    section("memory", text::table(["name", "address", "size", "guard"], memories));
    let guards = report.guards.iter().map(|one| {
        let programmed = match one.limit {
            Some(limit) => format!("{} of {limit}", one.programmed),
            None => one.programmed.to_string(),
        };
        [one.name.clone(), text::address(one.registers), one.guards_by.to_owned(), programmed]
    });
    section("firewall", text::table(["guard", "registers", "guards by", "programmed"], guards));
    let regions = report.regions.iter().map(|one| {
        [
            one.name.clone(),
            text::address(one.address),
            text::size(one.size),
            guarded(one),
            list(&one.readers),
            if one.writers == one.readers { "the same".to_owned() } else { list(&one.writers) },
            used_by(one),
        ]
    });
    let header = ["region", "address", "size", "guard", "may read", "may write", "used by"];
    section("regions, as boot firmware leaves them", text::table(header, regions));
    let linux = report.linux_regions.iter().map(|one| {
        [one.name.clone(), text::address(one.address), text::size(one.size), one.processor.clone()]
    });
    section("Linux's part of them", text::table(["region", "address", "size", "shared with"], linux));
    let mailboxes = report.mailboxes.iter().map(|one| {
        let used = one.used.iter().map(|channel| format!("{} {}", channel.name, channel.channel));
        [
            one.name.to_owned(),
            text::address(one.registers),
            one.processor.clone(),
            one.channels.to_string(),
            list(&used.collect::<Vec<_>>()),
            format!("{}, {}", one.spi[0], one.spi[1]),
            format!("{}, {}", one.nvic[0], one.nvic[1]),
        ]
    });
    let header = ["mailbox", "registers", "with", "channels", "used", "SPI rx, tx", "NVIC rx, tx"];
    section("mailboxes", text::table(header, mailboxes));
    if !report.clocks.is_empty() {
        let clocks = report.clocks.iter().map(|one| {
            let numbers: Vec<String> = one.numbers.iter().map(ToString::to_string).collect();
            [one.processor.clone(), one.provider.clone(), list(&numbers)]
        });
        section(
            "clocks that Linux holds while the processor runs",
            text::table(["processor", "provider", "numbers"], clocks),
        );
    }
    let interrupts =
        report.interrupts.iter().map(|one| [one.spi.to_string(), one.source.clone(), one.handler.to_owned()]);
    section("interrupts of the Cortex-A", text::table(["SPI", "source", "handled by"], interrupts));
    let watchdogs = report.watchdogs.iter().map(|one| {
        [one.name.to_owned(), text::address(one.registers), one.processor.clone(), one.spi.to_string()]
    });
    section("watchdogs", text::table(["watchdog", "registers", "resets", "SPI"], watchdogs));
    text
}

fn list(names: &[impl AsRef<str>]) -> String {
    let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
    if names.is_empty() { "-".to_owned() } else { names.join(", ") }
}

fn guarded(region: &Region) -> String {
    match (&region.guard, region.number) {
        (Some(guard), Some(number)) => format!("{guard} {number}"),
        (Some(guard), None) => guard.clone(),
        (None, _) => "-".to_owned(),
    }
}

fn used_by(region: &Region) -> String {
    let uses = region.used_by.iter().map(|one| {
        let (what, at) = (if one.shared { "shared" } else { "firmware" }, &one.device_addresses);
        let elsewhere: Vec<String> =
            at.iter().filter(|at| **at != region.address).map(|at| text::address(*at)).collect();
        match elsewhere.as_slice() {
            [] => format!("{} {what}", one.processor),
            _ => format!("{} {what}, also at {}", one.processor, elsewhere.join(" and ")),
        }
    });
    list(&uses.collect::<Vec<_>>())
}
