//! Who may open the service.

use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
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
    let by_service = Some(Origin::TrustedApp);
    let by_kernel = Some(Origin::Api);
    let own_group = if arguments.kernel_only { by_service } else { None };
    for (name, login, denied) in [
        ("public", Login::Public, by_service),
        ("user", Login::User, by_service),
        ("group", Login::Group, own_group),
        // EPERM, to root too.
        ("kernel", Login::ReeKernel, by_kernel),
        ("trusted-app", Login::TrustedApp, None),
    ] {
        // The kernel's own range ends at 0xbfffffff: a Trusted Application's login reaches OP-TEE, which refuses it.
        if login == Login::TrustedApp {
            report.test(name, || {
                let outcome = RemoteprocService::open(target.tee()?, login, target.core());
                let error = outcome.err().context("a process was taken for a Trusted Application")?;
                Ok(error.tee.to_string())
            });
            continue;
        }
        report.test(name, || open(target.tee()?, target, login, denied));
    }
    report.test("foreign-group", || {
        let tee = Arc::into_inner(target.tee()?).context("the device is in use")?;
        open(Arc::new(tee.as_group(FOREIGN_GROUP)), target, Login::Group, by_kernel)
    });
    Ok(())
}

fn open(tee: Arc<LinuxTee>, target: &Target, login: Login, denied: Option<Origin>) -> Result<String> {
    match (RemoteprocService::open(tee, login, target.core()), denied) {
        (Ok(_), None) => Ok("a session".to_owned()),
        (Ok(_), Some(_)) => Err(anyhow::anyhow!("a session was given")),
        (Err(error), None) => Err(error.into()),
        (Err(error), Some(origin)) => {
            ensure!((error.tee.result, error.tee.origin) == (TeeResult::ACCESS_DENIED, origin), "{error}");
            Ok(error.to_string())
        }
    }
}
