//! The commands of the service.

use std::io::Write as _;
use std::path::PathBuf;

use clap::Args;
use rproc_abi::ProcessorId;
use rproc_tee::{LinuxTee, RemoteprocService, ServiceError};
use serde::Serialize;

use super::connection::Connection;
use crate::failure::Failure;
use crate::input::{Input, Kind};
use crate::output::{self, OutputFile};
use crate::text::{self, Fields};

/// Arguments of `rproc tee load`.
#[derive(Args)]
pub struct Load {
    /// The signed image
    file: PathBuf,
    #[command(flatten)]
    connection: Connection,
}

impl Load {
    /// Loads.
    pub fn run(self) -> Result<(), Failure> {
        let core = self.connection.core();
        let image = Input::open(&self.file, Kind::Firmware)?.read_all()?;
        self.connection.with(move |service, core| service.load(core, &image))?;
        output::print(&format!("{core}: loaded {}\n", self.file.display()))
    }
}

/// Arguments of the commands that need nothing but a processor.
#[derive(Args)]
pub struct Plain {
    #[command(flatten)]
    connection: Connection,
}

impl Plain {
    /// Does it, and says that it is done.
    pub fn run(
        self,
        done: &str,
        command: impl FnOnce(&RemoteprocService<LinuxTee>, ProcessorId) -> Result<(), ServiceError>
        + Send
        + 'static,
    ) -> Result<(), Failure> {
        let core = self.connection.core();
        self.connection.with(command)?;
        output::print(&format!("{core}: {done}\n"))
    }
}

/// Arguments of `rproc tee table`.
#[derive(Args)]
pub struct Table {
    /// Print one JSON object: `address` and `size` as numbers, both null when the firmware has no table
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Serialize)]
struct TableOutput {
    address: Option<u64>,
    size: Option<u64>,
}

impl Table {
    /// Shows where it is.
    pub fn run(self) -> Result<(), Failure> {
        let core = self.connection.core();
        let table = self.connection.with(|service, core| service.resource_table(core))?;
        if self.json {
            let (address, size) = (table.map(|table| table.address), table.map(|table| table.size));
            return output::print_json(&TableOutput { address, size });
        }
        let Some(table) = table else {
            return output::print(&format!("{core}: the firmware has no resource table\n"));
        };
        let mut fields = Fields::default();
        fields.add("address", text::address(table.address));
        fields.add("size", text::size(table.size));
        output::print(&fields.to_string())
    }
}

/// Arguments of `rproc tee coredump`.
#[derive(Args)]
pub struct Coredump {
    /// The file to write; it appears whole or not at all
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    #[command(flatten)]
    connection: Connection,
}

impl Coredump {
    /// Dumps.
    pub fn run(self) -> Result<(), Failure> {
        let file = OutputFile::new(&self.output, &[])?;
        let core = self.connection.core();
        let dump = self.connection.with(|service, core| service.coredump(core))?;
        file.write(|file| file.write_all(&dump))?;
        let size = text::size(dump.len() as u64);
        output::print(&format!("{core}: wrote {size} to {}\n", self.output.display()))
    }
}
