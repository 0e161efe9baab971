//! What the TEE enumerates and what Linux's TEE bus shows.

use std::path::Path;

use anyhow::{Result, ensure};
use clap::{Args, ValueEnum};
use rproc_abi::Uuid;
use rproc_abi::enumeration::Scope;
use rproc_tee::{Device, TeeBus};

use crate::report::Report;
use crate::service::Target;

/// What is expected.
#[derive(Args)]
pub struct Arguments {
    /// How the TEE lists the remoteproc service
    #[arg(long, value_enum, default_value_t = Listed::Always)]
    listed: Listed,
    /// Linux's bus must not have it
    #[arg(long)]
    not_on_bus: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Listed {
    /// At once
    Always,
    /// Among the services that need tee-supplicant
    Supplicant,
    /// Not at all
    Never,
}

/// Runs the suite.
pub fn run(arguments: &Arguments, target: &Target, report: &mut Report) -> Result<()> {
    let mut bus = TeeBus::new(target.tee()?);
    for (name, scope, wanted) in [
        ("enumeration-always", Scope::Always, Listed::Always),
        ("enumeration-supplicant", Scope::Supplicant, Listed::Supplicant),
    ] {
        report.test(name, || {
            bus.scan(scope)?;
            let listed: Vec<&Device> = bus.devices().iter().filter(|device| device.scope == scope).collect();
            let here = listed.iter().any(|device| device.uuid == Uuid::REMOTEPROC_TA);
            ensure!(
                here == (arguments.listed == wanted),
                "remoteproc is{} among {listed:?}",
                if here { "" } else { " not" }
            );
            Ok(format!("{} services, remoteproc {here}", listed.len()))
        });
    }
    report.test("linux-bus", || {
        let name = format!("optee-ta-{}", Uuid::REMOTEPROC_TA);
        let here = Path::new("/sys/bus/tee/devices").join(&name).exists();
        ensure!(here != arguments.not_on_bus, "{name} is{} on the bus", if here { "" } else { " not" });
        Ok(format!("{name} {here}"))
    });
    Ok(())
}
