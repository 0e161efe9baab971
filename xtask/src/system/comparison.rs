//! Our LOAD beside upstream's TA, and a boot with our parts beside one without: ratios of figures of the same run.

use std::fmt::Write as _;

use super::report::Report;

/// What is compared: words, the figure of ours, the figure it is measured against.
const PAIRS: [(&str, &str, &str); 8] = [
    (
        "LOAD of 1 MiB: our TA and platform service, against upstream's TA on a platform service that maps, copies and hashes with \
         the core's function",
        "load-ours/performance.load-1MiB-median",
        "load-upstream-on-reference/performance.load-1MiB-median",
    ),
    (
        "LOAD of 8 MiB: the same",
        "load-ours/performance.load-8MiB-median",
        "load-upstream-on-reference/performance.load-8MiB-median",
    ),
    (
        "LOAD of 8 MiB: the same, with an image that does not bind its resource table, which is then searched for",
        "load-ours/performance.load-8MiB-plain-median",
        "load-upstream-on-reference/performance.load-8MiB-median",
    ),
    (
        "LOAD of 8 MiB: our TA against upstream's, both on our platform service",
        "load-ours/performance.load-8MiB-median",
        "load-upstream/performance.load-8MiB-median",
    ),
    (
        "LOAD of 1 MiB with Arm's crypto extensions in the core, against the reference there",
        "load-ours-extensions/performance.load-1MiB-median",
        "load-upstream-on-reference-extensions/performance.load-1MiB-median",
    ),
    (
        "LOAD of 8 MiB with Arm's crypto extensions in the core, against the reference there",
        "load-ours-extensions/performance.load-8MiB-median",
        "load-upstream-on-reference-extensions/performance.load-8MiB-median",
    ),
    ("size of the signed TA in bytes, against upstream's", "ta-file/ours", "ta-file/upstream"),
    (
        "Linux's boot until the TEE bus is ready: with our early TA and platform service, against Debian's OP-TEE",
        "early/bus",
        "bare/bus",
    ),
];

/// The pairs whose figures are there, as a Markdown table.
pub fn table(report: &Report) -> String {
    let mut table = "| compared | ours | other | ratio |\n|---|---:|---:|---:|\n".to_owned();
    for (words, ours, other) in PAIRS {
        if let (Some(ours), Some(other)) = (report.value(ours), report.value(other)) {
            // Writing to a String cannot fail.
            let _ = writeln!(table, "| {words} | {ours} | {other} | {:.2} |", ours / other);
        }
    }
    if let (Some(call), Some(kick)) =
        (report.value("load-ours/performance.call"), report.value("load-ours/performance.kick-write"))
    {
        let through = call + kick;
        let _ = writeln!(
            table,
            "| a mailbox kick, us: through the TEE (a call and the same write), against Linux's own write | {through:.1} | {kick:.1} | {:.1} |",
            through / kick
        );
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_measured_is_compared() {
        let mut report = Report::default();
        assert_eq!(table(&report).lines().count(), 2);
        report.measure("early/bus", 2.0, "s");
        report.measure("bare/bus", 1.6, "s");
        assert!(table(&report).contains("| 2 | 1.6 | 1.25 |"));
    }
}
