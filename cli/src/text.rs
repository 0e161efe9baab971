//! Pieces of the plain-text output: aligned fields, tables, numbers.

use std::fmt::Write as _;

use comfy_table::{ContentArrangement, Table, presets};
use rproc_abi::refusal::Fact;

/// Lines of `name  value`, with the values below each other.
#[derive(Default)]
pub struct Fields {
    lines: Vec<(&'static str, String)>,
}

impl Fields {
    /// Adds a field.
    pub fn add(&mut self, name: &'static str, value: impl ToString) {
        self.lines.push((name, value.to_string()));
    }

    /// Adds a line below the last field's value.
    pub fn more(&mut self, value: impl ToString) {
        self.add("", value);
    }
}

impl std::fmt::Display for Fields {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let width = self.lines.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
        self.lines.iter().try_for_each(|(name, value)| writeln!(f, "  {name:<width$}  {value}"))
    }
}

/// A table without borders, indented by two, whose columns are as wide as their content.
pub fn table<const N: usize>(header: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header).add_rows(rows);
    let mut text = String::new();
    for line in table.trim_fmt().lines() {
        // The preset pads every cell by one on the left.
        let _ = writeln!(text, " {line}");
    }
    text
}

/// A number of bytes, short where it is round.
pub fn size(bytes: u64) -> String {
    Fact::Size(bytes).to_string()
}

/// Bytes in hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A device address or an offset.
pub fn address(address: impl Into<u64>) -> String {
    format!("{:#010x}", address.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_below_each_other() {
        let mut fields = Fields::default();
        fields.add("a", 1);
        fields.add("long", "x");
        fields.more("y");
        assert_eq!(fields.to_string(), "  a     1\n  long  x\n        y\n");
    }

    #[test]
    fn tables_have_no_trailing_blanks() {
        let text =
            table(["one", "two"], [["1".to_owned(), "2".to_owned()], ["100000".to_owned(), String::new()]]);
        assert_eq!(text, "  one     two\n  1       2\n  100000\n");
    }

    #[test]
    fn numbers() {
        assert_eq!((hex(&[0, 0xab]), address(0x10u32)), ("00ab".to_owned(), "0x00000010".to_owned()));
    }
}
