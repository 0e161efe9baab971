//! The resource table: where the image binds it, or where its authenticated content shows it.

use rproc_abi::Refusal;
use rproc_abi::refusal::{Fact, Place, Reason};
use rproc_image::{Authenticated, BoundResourceTable, TlvKind};

use crate::failure::{Failure, Refused};
use crate::input::Input;
use crate::limits;
use crate::load_plan::{LoadPlan, check_resource_table};
use crate::verify::elf_head::ElfHead;
use crate::verify::segments::ProbedTable;

/// Where a table is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableAt {
    /// Its device address.
    pub address: u64,
    /// Its size in bytes.
    pub size: u64,
}

/// Finds the table of a container whose segments were all found to be as signed.
pub fn find(
    input: &Input,
    image: &Authenticated<'_>,
    heads: &[ElfHead<'_>],
    plan: &LoadPlan,
    probed: &[ProbedTable],
) -> Result<Option<TableAt>, Failure> {
    match image.resource_table() {
        Some(BoundResourceTable::Absent) => Ok(None),
        Some(BoundResourceTable::At { address, size }) => {
            let table = TableAt { address: address.into(), size: size.into() };
            check_bound(input, heads, plan, table)?;
            Ok(Some(table))
        }
        None => the_only_one(probed).map_err(Failure::from),
    }
}

fn check_bound(input: &Input, heads: &[ElfHead<'_>], plan: &LoadPlan, table: TableAt) -> Result<(), Failure> {
    let range = Fact::Range { start: table.address, size: table.size };
    let bad = Refusal::new(Reason::BadResourceTable)
        .found(range)
        .at(Place::Tlv { kind: TlvKind::RESOURCE_TABLE.0 });
    if table.size > limits::RESOURCE_TABLE {
        return Err(bad.expected(Fact::Size(limits::RESOURCE_TABLE)).into());
    }
    let start = plan.holding(table.address, table.size).and_then(|segment| {
        let inside = segment.file_offset_of(table.address, table.size)?;
        heads.get(segment.image as usize)?.offset().checked_add(inside)
    });
    let start = start.ok_or(bad.expected("inside one loaded segment"))?;
    let bytes = input.take(start..start.saturating_add(table.size))?;
    check_resource_table(&bytes).map_err(|error| Refused::from(bad).saying(error))?;
    Ok(())
}

fn the_only_one(probed: &[ProbedTable]) -> Result<Option<TableAt>, Refusal> {
    let size = |table: &ProbedTable| table.memory.end - table.memory.start;
    let fact = |table| Fact::Range { start: ProbedTable::start(table), size: size(table) };
    match probed {
        [] => Ok(None),
        [table] => Ok(Some(TableAt { address: table.start(), size: size(table) })),
        [first, second, ..] => Err(Refusal::new(Reason::AmbiguousResourceTable)
            .expected(fact(first))
            .found(fact(second))
            .at(second.place)),
    }
}

impl ProbedTable {
    fn start(&self) -> u64 {
        self.memory.start
    }
}
