//! Linux's interrupts, as it counts them.

use std::fs;

use anyhow::{Result, ensure};

const FILE: &str = "/proc/interrupts";

/// How often the interrupts of this name were taken, on all processors of Linux's.
pub fn taken(name: &str) -> Result<u64> {
    Ok(lines(name)?.iter().map(|line| counts(line).sum::<u64>()).sum())
}

/// Through what Linux gets each of the interrupts of this name.
pub fn controllers(name: &str) -> Result<Vec<String>> {
    let of =
        |line: &String| line.split_whitespace().nth(1 + counts(line).count()).unwrap_or_default().to_owned();
    Ok(lines(name)?.iter().map(of).collect())
}

fn lines(name: &str) -> Result<Vec<String>> {
    let text = fs::read_to_string(FILE)?;
    let named = |line: &&str| line.split_whitespace().last() == Some(name);
    let found: Vec<_> = text.lines().filter(named).map(str::to_owned).collect();
    ensure!(!found.is_empty(), "no interrupt of {name} in {FILE}:\n{text}");
    Ok(found)
}

/// Of a line such as `57:  12  0  ITS-PCI-MSI-0000:00:01.0  0 Edge  rproc_ipcc`, 12 and 0.
fn counts(line: &str) -> impl Iterator<Item = u64> + '_ {
    line.split_whitespace().skip(1).map_while(|word| word.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_of_all_processors_are_read() {
        let line = " 57:         12          3  ITS-PCI-MSI-0000:00:01.0   0 Edge      rproc_ipcc";
        assert_eq!(counts(line).collect::<Vec<_>>(), [12, 3]);
    }
}
