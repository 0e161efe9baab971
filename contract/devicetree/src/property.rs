//! Property values as the types that the Devicetree Specification (2.2.4) gives them.

use crate::finding::{Findings, Problem, hexadecimal};
use crate::tree::NodeRef;
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::string::ToString as _;
use alloc::vec::Vec;

/// The value as 32-bit big-endian cells.
pub(crate) fn cells(value: &[u8]) -> Result<Vec<u32>, Problem> {
    let (cells, rest) = value.as_chunks();
    match rest {
        [] => Ok(cells.iter().copied().map(u32::from_be_bytes).collect()),
        _ => {
            Err(Problem::Length { expected: "32-bit cells (a multiple of 4)".to_owned(), found: value.len() })
        }
    }
}

/// The value as exactly one cell.
pub(crate) fn cell(value: &[u8]) -> Result<u32, Problem> {
    let found = value.len();
    let length = |_| Problem::Length { expected: "one 32-bit cell (4)".to_owned(), found };
    value.try_into().map(u32::from_be_bytes).map_err(length)
}

/// The value as a list of NUL-terminated strings; empty values give an empty list.
pub(crate) fn strings(value: &[u8]) -> Result<Vec<String>, Problem> {
    let broken = || Problem::NotText { found: hexadecimal(value) };
    let Some((last, text)) = value.split_last() else { return Ok(Vec::new()) };
    let printable = |byte: &u8| *byte == 0 || *byte == b' ' || byte.is_ascii_graphic();
    if *last != 0 || !text.iter().all(printable) {
        return Err(broken());
    }
    let text = core::str::from_utf8(text).map_err(|_| broken())?;
    Ok(text.split('\0').map(str::to_owned).collect())
}

/// The value as exactly one string.
pub(crate) fn string(value: &[u8]) -> Result<String, Problem> {
    match strings(value)?.as_slice() {
        [text] => Ok(text.clone()),
        all => {
            Err(Problem::Value { expected: "one string".to_owned(), found: format!("{} strings", all.len()) })
        }
    }
}

/// Whether a property without a value is there; with one it counts too, as in Linux's `of_property_read_bool`, and is doubted.
pub(crate) fn flag(node: NodeRef<'_>, property: &str, findings: &mut Findings) -> bool {
    let value = node.raw(property);
    if let Some(value) = value.filter(|value| !value.is_empty()) {
        let (expected, found) = ("no value: it says all by being there".to_owned(), hexadecimal(value));
        findings.warning(&node.path(), property, Problem::Value { expected, found });
    }
    value.is_some()
}

/// Whether the node is switched on: no `status`, `okay` or `ok` (Linux `of_device_is_available`).
pub(crate) fn enabled(node: NodeRef<'_>) -> Result<bool, Problem> {
    let Some(status) = node.raw("status") else { return Ok(true) };
    match string(status)?.as_str() {
        "okay" | "ok" => Ok(true),
        "disabled" | "reserved" | "fail" => Ok(false),
        other => Err(Problem::Value { expected: "okay or disabled".to_owned(), found: format!("`{other}`") }),
    }
}

/// Whether the secure world uses the node: `secure-status`, or what `status` says where that is absent (OP-TEE
/// `fdt_get_status`).
pub(crate) fn secure_enabled(node: NodeRef<'_>) -> Result<bool, Problem> {
    let Some(status) = node.raw("secure-status") else { return enabled(node) };
    match string(status)?.as_str() {
        "okay" | "ok" => Ok(true),
        "disabled" => Ok(false),
        other => Err(Problem::Value { expected: "okay or disabled".to_owned(), found: format!("`{other}`") }),
    }
}

/// A number of cells that a node states, such as `#address-cells`.
pub(crate) fn cell_count(
    node: NodeRef<'_>,
    property: &str,
    absent: Option<u32>,
    maximum: u32,
) -> Result<u32, Problem> {
    let count = match (node.raw(property), absent) {
        (Some(value), _) => cell(value)?,
        (None, Some(absent)) => absent,
        (None, None) => {
            return Err(Problem::Missing { expected: format!("a number of cells up to {maximum}") });
        }
    };
    if count > maximum {
        return Err(Problem::Value { expected: format!("at most {maximum}"), found: count.to_string() });
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::prelude::rust_2024::*;
    use std::vec;

    #[test]
    fn values_are_read_by_type() {
        assert_eq!(cells(&[0, 0, 0, 1, 0, 0, 0, 2]), Ok(vec![1, 2]));
        assert!(matches!(cells(&[0; 5]), Err(Problem::Length { found: 5, .. })));
        assert!(matches!(cell(&[0; 8]), Err(Problem::Length { found: 8, .. })));
        assert_eq!(strings(b"vq0\0vq1\0"), Ok(vec!["vq0".to_owned(), "vq1".to_owned()]));
        assert_eq!(strings(b""), Ok(vec![]));
        assert!(matches!(strings(b"vq0"), Err(Problem::NotText { .. })));
        assert!(matches!(strings(b"\xff\0"), Err(Problem::NotText { .. })));
        assert!(matches!(string(b"a\0b\0"), Err(Problem::Value { .. })));
    }
}
