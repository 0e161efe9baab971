//! `rproc board show`: what a board's trees say, as tables, as one JSON object and as a picture.

mod access;
mod picture;
mod report;
mod svg;
mod tables;

use std::io::Write as _;
use std::path::PathBuf;

use clap::Args;

use super::trees::{TreeArguments, Trees};
use crate::failure::Failure;
use crate::input::Identity;
use crate::output::{self, OutputFile};
use report::Report;

/// Arguments of `rproc board show`.
#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    trees: TreeArguments,
    /// Write a picture of it to this file
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Shows.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let inputs = Identity::of_files(arguments.trees.files());
    let target = arguments.svg.as_ref().map(|path| OutputFile::new(path, &inputs)).transpose()?;
    let report = Report::of(&Trees::of(&arguments.trees)?);
    if let Some(target) = target {
        let picture = picture::draw(&report);
        target.write(|file| file.write_all(picture.as_bytes()))?;
    }
    if arguments.json {
        output::print_json(&report)?;
    } else {
        output::print(&tables::render(&report))?;
    }
    let errors = report.findings.iter().filter(|finding| finding.error).count();
    if errors > 0 {
        return Err(Failure::help(
            format!("the trees of {} have {errors} errors", report.board),
            "change what the lines above say, and compile the tree again with dtc",
        ));
    }
    Ok(())
}
