//! What the host sees of a boot besides the guest's console: the virtual board's log and the secure world's.

use std::fs;
use std::path::Path;

use super::report::Report;
use super::suites::Planned;

/// Adds the checks of one boot.
pub fn add(planned: &Planned, logs: &Path, report: &mut Report) {
    let boot = planned.name;
    if planned.board {
        let log = fs::read_to_string(logs.join("board.log")).unwrap_or_default();
        report.check(&format!("{boot}/board.released"), released(&log, planned.starts));
        report.check(&format!("{boot}/board.crashes"), crashed(&log, planned.crashes()));
    }
    // Its console may hold bytes that are no text.
    let secure = fs::read(logs.join("secure.log")).unwrap_or_default();
    let secure = String::from_utf8_lossy(&secure);
    report.check(&format!("{boot}/secure.no-core-panic"), absent(&secure, "E/TC:0 0 Panic"));
    if let Some(most) = most_heap(&secure) {
        report.measure(&format!("{boot}/ta-heap-most"), most, "bytes");
    }
}

fn count(log: &str, event: &str) -> usize {
    log.lines().filter(|line| line.contains(&format!("\"event\":\"{event}\""))).count()
}

fn released(log: &str, starts: usize) -> Result<(), String> {
    let found = count(log, "released");
    if found >= starts {
        return Ok(());
    }
    Err(format!("the board saw the Cortex-M33 released {found} times, not at least {starts}"))
}

/// Just as often as the tests have it crash.
fn crashed(log: &str, meant: usize) -> Result<(), String> {
    let found = count(log, "crashed");
    let last = log.lines().rfind(|line| line.contains("\"event\":\"crashed\"")).unwrap_or_default();
    if found == meant { Ok(()) } else { Err(format!("{found} crashes instead of {meant}: {last}")) }
}

fn absent(log: &str, words: &str) -> Result<(), String> {
    log.lines().find(|line| line.contains(words)).map_or(Ok(()), |line| Err(line.to_owned()))
}

/// The largest heap that the TA's report names (secure/optee/ta/src/heap.rs).
fn most_heap(log: &str) -> Option<f64> {
    let reports = log.lines().filter_map(|line| {
        let (_, rest) = line.split_once("rproc: heap ")?;
        rest.split_once("now, ")?.1.split_once(' ')?.0.parse::<f64>().ok()
    });
    reports.reduce(f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_boards_log_is_counted() {
        let log = "{\"at_us\":1,\"event\":\"released\"}\n{\"event\":\"held\"}\n{\"event\":\"released\"}\n";
        assert_eq!(released(log, 2), Ok(()));
        assert!(released(log, 3).unwrap_err().contains("2 times"));
        assert!(absent("E/TC:0 0 Panic", "E/TC:0 0 Panic").is_err());
        let crash = "{\"event\":\"crashed\"}\n";
        assert_eq!((crashed(crash, 1), crashed("", 0)), (Ok(()), Ok(())));
        assert!(crashed(crash, 0).is_err() && crashed("", 1).is_err());
    }

    #[test]
    fn the_largest_heap_counts() {
        let log = "x rproc: heap 640 now, 2100 at most, of 65536 bytes, 0 failures\n\
                   rproc: heap 640 now, 900 at most, of 65536 bytes, 0 failures\n";
        assert_eq!(most_heap(log), Some(2100.0));
        assert_eq!(most_heap(""), None);
    }
}
