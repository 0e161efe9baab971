//! A Trusted Application that panics while a processor runs, and what the next session finds.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use rproc_abi::service::open_params;
use rproc_abi::{Param, TeeResult, Uuid};
use rproc_tee::TeeClient as _;

use crate::firmware::Firmware;
use crate::report::Report;
use crate::service::{Target, expect, result};

/// On which a Trusted Application that was built for this test panics.
const PANIC: u32 = 0xffff_ff00;

/// Has it panic, as whoever may open the service can with the build for this test.
pub fn panic(target: &Target) -> Result<()> {
    let tee = target.tee()?;
    let session = tee.open_session(Uuid::REMOTEPROC_TA, target.login(), open_params(target.core()))?;
    let outcome = tee.invoke(session, PANIC, [Param::None; 4]);
    tee.close_session(session);
    let error = outcome.err().context("the call succeeded")?;
    ensure!(error.result == TeeResult::TARGET_DEAD, "{error}");
    Ok(())
}

/// Runs the suite.
pub fn run(image: &Path, target: &Target, report: &mut Report) -> Result<()> {
    let firmware = Firmware::read(image)?;
    let core = target.core();
    let service = target.fresh()?;
    service.load(core, &firmware.image)?;
    service.start(core)?;
    let tee = target.tee()?;
    let session = tee.open_session(Uuid::REMOTEPROC_TA, target.login(), open_params(core))?;
    let none = [Param::None; 4];
    for name in ["call", "same-session"] {
        report.test(name, || {
            let error = tee.invoke(session, PANIC, none).err().context("the call succeeded")?;
            ensure!(error.result == TeeResult::TARGET_DEAD, "{error}");
            Ok(error.to_string())
        });
    }
    tee.close_session(session);
    report.test("other-session", || expect(service.stop(core), TeeResult::TARGET_DEAD));
    drop(service);
    let service = target.open()?;
    report.test("load-over-running", || {
        let outcome = service.load(core, &firmware.image);
        ensure!(!result(&outcome).is_success(), "a load over a running processor succeeded");
        expect(outcome, TeeResult::BAD_STATE)
    });
    report.test("release", || {
        service.release(core)?;
        Ok(format!("{} bytes are zero", firmware.ensure_wiped()?))
    });
    report.test("works-afterwards", || {
        service.load(core, &firmware.image)?;
        let bytes = firmware.ensure_in_memory()?;
        service.start(core)?;
        service.stop(core)?;
        service.release(core)?;
        Ok(format!("{bytes} bytes were in memory as signed"))
    });
    Ok(())
}
