//! `rproc board list`: one row a bundled board.

use clap::Args;
use rproc_board::boards::BOARDS;
use serde::Serialize;

use super::trees::Trees;
use crate::failure::Failure;
use crate::output;
use crate::text;

/// Arguments of `rproc board list`.
#[derive(Args)]
pub struct Arguments {
    /// Print one JSON array
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Row {
    board: &'static str,
    soc: String,
    processors: Vec<Processor>,
}

#[derive(Serialize)]
struct Processor {
    name: String,
    id: u32,
    core: &'static str,
    owner: String,
}

/// Lists.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut rows = Vec::new();
    for board in &BOARDS {
        let trees = Trees::bundled(board)?;
        let processors = trees.owners.iter().map(|owned| Processor {
            name: owned.name.clone(),
            id: owned.id,
            core: trees.description.coprocessor(owned.id).map_or("unknown", |core| core.kind.name()),
            owner: owned.owner.to_string(),
        });
        let processors = processors.collect();
        rows.push(Row { board: board.name, soc: trees.description.soc.to_string(), processors });
    }
    if arguments.json {
        return output::print_json(&rows);
    }
    let rows = rows.iter().map(|row| {
        let each =
            |say: fn(&Processor) -> String| row.processors.iter().map(say).collect::<Vec<_>>().join(", ");
        [
            row.board.to_owned(),
            row.soc.clone(),
            each(|one| one.name.clone()),
            each(|one| one.id.to_string()),
            each(|one| one.core.to_owned()),
            each(|one| one.owner.clone()),
        ]
    });
    output::print(&text::table(["board", "SoC", "processors", "ids", "cores", "owners"], rows))
}
