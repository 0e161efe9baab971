//! Who may open the service.

use std::sync::Arc;

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use rproc_abi::{Login, Origin, TeeResult};
use rproc_tee::{LinuxTee, RemoteprocService};

use crate::report::Report;
use crate::service::Target;

/// What is expected.
#[derive(Args)]
pub struct Arguments {
    /// The Trusted Application was built for the kernel alone
    #[arg(long)]
    kernel_only: bool,
}

/// A group that the test's process is not in.
const FOREIGN_GROUP: u32 = 54_321;

/// Runs the suite.
pub fn run(arguments: &Arguments, target: &Target, report: &mut Report) -> Result<()> {
    let by_service = Some((TeeResult::ACCESS_DENIED, Origin::TrustedApp));
    let by_kernel = Some((TeeResult::ACCESS_DENIED, Origin::Api));
    // No login that Linux knows of a process.
    let unknown = Some((TeeResult::BAD_PARAMETERS, Origin::Api));
    for (name, login, refused) in [
        ("public", Login::Public, by_service),
        ("user", Login::User, by_service),
        ("group", Login::Group, if arguments.kernel_only { by_service } else { None }),
        // EPERM, to root too.
        ("kernel", Login::ReeKernel, by_kernel),
        ("trusted-app", Login::TrustedApp, unknown),
    ] {
        report.test(name, || open(target.tee()?, target, login, refused));
    }
    report.test("foreign-group", || {
        let tee = Arc::into_inner(target.tee()?).context("the device is in use")?;
        open(Arc::new(tee.as_group(FOREIGN_GROUP)), target, Login::Group, by_kernel)
    });
    Ok(())
}

fn open(
    tee: Arc<LinuxTee>,
    target: &Target,
    login: Login,
    refused: Option<(TeeResult, Origin)>,
) -> Result<String> {
    match (RemoteprocService::open(tee, login, target.core()), refused) {
        (Ok(_), None) => Ok("a session".to_owned()),
        (Ok(_), Some(_)) => bail!("a session was given"),
        (Err(error), None) => Err(error.into()),
        (Err(error), Some(expected)) => {
            ensure!((error.tee.result, error.tee.origin) == expected, "{error}");
            Ok(error.to_string())
        }
    }
}
