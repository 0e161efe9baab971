//! The report as a picture: memory by who may use it, and the processors with what connects them to the Cortex-A.

use super::report::{Mailbox, Memory, Processor, Region, Report, Watchdog};
use super::svg::{Place, Style, Svg};
use crate::text;

const MARGIN: u32 = 24;
/// The memory map, to the left.
const MAP_WIDTH: u32 = 640;
const ROW: u32 = 24;
/// A region of Linux's inside another.
const PART: u32 = 18;
/// The processors, to the right.
const RIGHT: u32 = MARGIN + MAP_WIDTH + 40;
const COLUMN: u32 = 300;

/// Colours by who may use a region, and what the legend says.
const CLASSES: [(Class, &str, &str); 6] = [
    (Class::Tee, "#f4b6b0", "the TEE alone"),
    (Class::SecureCore, "#d9c2ee", "secure worlds"),
    (Class::Core, "#f7d9a8", "a processor, not Linux"),
    (Class::Linux, "#b9d7f5", "Linux and the TEE"),
    (Class::Shared, "#bfe5bf", "Linux and processors"),
    (Class::ReadOnly, "#e6e6e6", "some may only read"),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Tee,
    SecureCore,
    Core,
    Linux,
    Shared,
    ReadOnly,
}

impl Class {
    fn of(region: &Region) -> Self {
        let core = |name: &&str| !matches!(*name, "TEE" | "Linux");
        let (linux, cores) =
            (region.readers.contains(&"Linux"), region.readers.iter().filter(|one| core(one)).count());
        match (linux, cores) {
            _ if region.readers != region.writers => Self::ReadOnly,
            (true, 0) => Self::Linux,
            (true, _) => Self::Shared,
            (false, 0) => Self::Tee,
            (false, _) if region.readers.iter().filter(|one| core(one)).all(|one| one.ends_with("-S")) => {
                Self::SecureCore
            }
            (false, _) => Self::Core,
        }
    }

    fn colour(self) -> &'static str {
        CLASSES.iter().find(|(class, ..)| *class == self).map_or("#ffffff", |(_, colour, _)| colour)
    }
}

/// Draws.
pub fn draw(report: &Report) -> String {
    let mut svg = Svg::default();
    let title = format!("{} ({})", report.board, report.soc);
    svg.text(MARGIN, 40, Style::Title, &title);
    let columns = report.processors.len().max(1) as u32;
    let width = RIGHT + right_width(columns) + MARGIN;
    memory_map(report, &mut svg);
    processors(report, &mut svg, columns);
    svg.finish(width, &title)
}

fn memory_map(report: &Report, svg: &mut Svg) {
    svg.text(
        MARGIN,
        66,
        Style::Faint,
        "Memory as boot firmware leaves it; not to scale. Colour: who may read and write.",
    );
    for (n, (_, colour, what)) in (0..).zip(&CLASSES) {
        let (x, y) = (MARGIN + n % 3 * 213, 76 + n / 3 * 20);
        svg.rectangle(Place { x, y, width: 14, height: 14 }, colour, what);
        svg.text(x + 20, y + 11, Style::Plain, what);
    }
    let mut y = 132;
    for memory in &report.memories {
        y = one_memory(report, memory, y, svg);
    }
}

/// A memory with its regions below its name. Gives the height at which the next begins.
fn one_memory(report: &Report, memory: &Memory, top: u32, svg: &mut Svg) -> u32 {
    let guard = memory.guard.as_ref().map_or_else(|| "no guard".to_owned(), |guard| format!("under {guard}"));
    svg.text(MARGIN, top + 12, Style::Name, &memory.name);
    let span = format!("{}, {}, {guard}", text::address(memory.address), text::size(memory.size));
    svg.text(MARGIN + 76, top + 12, Style::Faint, &span);
    let mut y = top + 18;
    let end = memory.address + memory.size;
    let inside = |address: u64, size: u64| address < end && memory.address < address + size;
    for region in report.regions.iter().filter(|region| inside(region.address, region.size)) {
        let parts: Vec<_> = report
            .linux_regions
            .iter()
            // Each in the memory that it begins in.
            .filter(|part| (memory.address..end).contains(&part.address))
            .filter(|part| (region.address..region.address + region.size).contains(&part.address))
            .filter(|part| part.size < region.size)
            .collect();
        let height = ROW + parts.len() as u32 * PART;
        let readers = region.readers.join(", ");
        let hint = format!("{}: {readers} may read, {} may write", region.name, region.writers.join(", "));
        let place = Place { x: MARGIN, y, width: MAP_WIDTH, height };
        svg.rectangle(place, Class::of(region).colour(), &hint);
        let foot = y + 16;
        let name = match region.number {
            Some(number) => format!("{} ({number})", region.name),
            None => region.name.clone(),
        };
        svg.text(MARGIN + 8, foot, Style::Name, &name);
        svg.text(MARGIN + 150, foot, Style::Number, &span_of(region.address, region.size));
        svg.text(MARGIN + 330, foot, Style::Plain, &readers);
        let uses: Vec<String> = region
            .used_by
            .iter()
            .map(|one| format!("{} {}", one.processor, if one.shared { "shared" } else { "firmware" }))
            .collect();
        svg.text_to(MARGIN + MAP_WIDTH - 8, foot, Style::Name, &uses.join(", "));
        for (n, part) in (0..).zip(&parts) {
            let place =
                Place { x: MARGIN + 24, y: y + ROW + n * PART, width: MAP_WIDTH - 32, height: PART - 3 };
            svg.rectangle(
                place,
                "#ffffff",
                &format!("{}, in Linux's tree, with {}", part.name, part.processor),
            );
            let foot = place.y + 11;
            svg.text(MARGIN + 32, foot, Style::Plain, &part.name);
            svg.text(MARGIN + 150, foot, Style::Number, &span_of(part.address, part.size));
            svg.text(MARGIN + 330, foot, Style::Faint, &format!("Linux with {}", part.processor));
        }
        y += height + 3;
    }
    if y == top + 18 {
        svg.text(MARGIN + 8, y + 10, Style::Faint, "nothing placed in it");
        y += 16;
    }
    y + 8
}

fn span_of(address: u64, size: u64) -> String {
    format!("{address:08x}..{:08x}", address + size)
}

/// The Cortex-A above, a processor in each column below, between them their mailboxes and watchdogs.
fn processors(report: &Report, svg: &mut Svg, columns: u32) {
    let width = right_width(columns);
    let cortex_a = Place { x: RIGHT, y: 56, width, height: 60 };
    svg.rectangle(cortex_a, "#dbe7f3", "Linux and the TEE");
    svg.text(RIGHT + 12, 78, Style::Name, "Cortex-A");
    svg.text(RIGHT + 12, 96, Style::Plain, "Linux, and the TEE in its secure world");
    for (n, processor) in (0..).zip(&report.processors) {
        column(report, processor, RIGHT + n * COLUMN, svg);
    }
    interrupts(report, svg, width);
}

/// Wide enough for the longest interrupt, too.
fn right_width(columns: u32) -> u32 {
    (columns * COLUMN - 20).max(400)
}

/// Below the Cortex-A's box.
const BETWEEN: u32 = 116;
const DEVICES: u32 = 150;
const DEVICE_WIDTH: u32 = 136;

fn column(report: &Report, processor: &Processor, x: u32, svg: &mut Svg) {
    let mut left = DEVICES;
    for mailbox in report.mailboxes.iter().filter(|one| one.processor == processor.name) {
        left = one_mailbox(mailbox, x, left, svg);
    }
    let mut right = DEVICES;
    for watchdog in report.watchdogs.iter().filter(|one| one.processor == processor.name) {
        right = one_watchdog(watchdog, x + DEVICE_WIDTH + 8, right, svg);
    }
    let top = 330;
    if left > DEVICES {
        svg.arrow(x + 44, DEVICES, BETWEEN);
        svg.arrow(x + 92, BETWEEN, DEVICES);
        svg.arrow(x + 44, top, left);
        svg.arrow(x + 92, left, top);
    }
    if right > DEVICES {
        svg.arrow(x + DEVICE_WIDTH + 76, DEVICES, BETWEEN);
        svg.arrow(x + DEVICE_WIDTH + 76, right, top);
    }
    let clocks: Vec<String> = report
        .clocks
        .iter()
        .filter(|one| one.processor == processor.name)
        .map(|one| {
            format!("{} clocks of {}", one.numbers.len(), one.provider.rsplit('/').next().unwrap_or_default())
        })
        .collect();
    let mut lines = vec![
        format!("processor id {}, {} MHz", processor.id, processor.hertz / 1_000_000),
        format!("owner: {}", processor.owner),
        format!("held by: {}", processor.held_by.join(", ")),
    ];
    if !processor.power_domains.is_empty() {
        lines.push(format!("power domains: {}", processor.power_domains.join(", ")));
    }
    lines.extend(clocks);
    let height = 34 + lines.len() as u32 * 16;
    let place = Place { x, y: top, width: COLUMN - 20, height };
    svg.rectangle(place, "#fdf3d8", &processor.name);
    svg.text(x + 12, top + 20, Style::Name, &format!("{}: {}", processor.name, processor.core));
    for (n, line) in (0..).zip(&lines) {
        svg.text(x + 12, top + 40 + n * 16, Style::Plain, line);
    }
}

fn device(name: &str, lines: &[String], x: u32, y: u32, svg: &mut Svg) -> u32 {
    let height = 24 + lines.len() as u32 * 15;
    svg.rectangle(Place { x, y, width: DEVICE_WIDTH, height }, "#eef1f4", name);
    svg.text(x + 8, y + 16, Style::Name, name);
    for (n, line) in (0..).zip(lines) {
        svg.text(x + 8, y + 32 + n * 15, Style::Plain, line);
    }
    y + height
}

fn one_mailbox(mailbox: &Mailbox, x: u32, y: u32, svg: &mut Svg) -> u32 {
    let mut lines = vec![text::address(mailbox.registers)];
    let used: Vec<String> =
        mailbox.used.iter().map(|channel| format!("{} {}", channel.name, channel.channel)).collect();
    lines.extend(used.chunks(2).map(|two| two.join(", ")));
    lines.push(format!("SPI {} and {}", mailbox.spi[0], mailbox.spi[1]));
    lines.push(format!("NVIC {} and {}", mailbox.nvic[0], mailbox.nvic[1]));
    device(mailbox.name, &lines, x, y, svg)
}

fn one_watchdog(watchdog: &Watchdog, x: u32, y: u32, svg: &mut Svg) -> u32 {
    let lines = [text::address(watchdog.registers), format!("SPI {}", watchdog.spi)];
    device(watchdog.name, &lines, x, y, svg) + 4
}

fn interrupts(report: &Report, svg: &mut Svg, width: u32) {
    // Below the tallest processor; the memory map beside is higher still.
    let top = 480;
    let height = 34 + report.interrupts.len() as u32 * 16;
    svg.rectangle(Place { x: RIGHT, y: top, width, height }, "#ffffff", "interrupts of the Cortex-A");
    svg.text(RIGHT + 12, top + 20, Style::Name, "Interrupts of the Cortex-A");
    for (n, one) in (0..).zip(&report.interrupts) {
        let foot = top + 40 + n * 16;
        svg.text_to(RIGHT + 70, foot, Style::Number, &format!("SPI {}", one.spi));
        svg.text(RIGHT + 82, foot, Style::Plain, &one.source);
        svg.text_to(RIGHT + width - 12, foot, Style::Faint, one.handler);
    }
    debug_assert!(svg.bottom() >= top + height);
}
