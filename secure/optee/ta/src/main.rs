//! The remoteproc Trusted Application for OP-TEE: entry points and foreign calls around `rproc-service`.
//!
//! Nothing is decided here: what is authentic, loaded and allowed is the service's, and what this build lets it be comes
//! from `build.rs`.
#![no_std]
#![no_main]
#![allow(missing_docs, reason = "optee-utee's macros write public entry points without a comment")]

mod call;
mod client;
#[cfg(feature = "heap-report")]
mod heap;
mod log;
mod normal_memory;
mod platform;

use optee_utee::{
    ErrorKind, Result, ta_close_session, ta_create, ta_destroy, ta_invoke_command, ta_open_session,
};
use rproc_abi::Uuid;
use rproc_service::{Access, Crypto, Policy, Service};

use crate::call::Call;
use crate::log::Log;
use crate::platform::PlatformSession;

include!(concat!(env!("OUT_DIR"), "/choices.rs"));

/// The number of the command that ends the TA with a panic.
#[cfg(feature = "fault-injection")]
const PANIC: u32 = 0xffff_ff00;

struct Software;

impl Crypto for Software {
    // Faster than OP-TEE's own by the system calls that it saves, and little is hashed here: segments are hashed by the
    // platform service.
    type Sha256 = sha2::Sha256;
}

/// One for all sessions: the TA is single instance, multi session, and kept alive when the last session closes.
///
/// OP-TEE lets one thread into an instance at a time (`core/kernel/tee_ta_manager.c`, `tee_ta_try_set_busy`), so the lock
/// is never contended; it is here so that safe Rust may share the service.
static SERVICE: spin::Mutex<Service<PlatformSession, Software, Log>> =
    spin::Mutex::new(Service::new(PlatformSession::new(), Access::kernel_and_groups(GROUPS), POLICY, Log));

#[ta_create]
fn create() -> Result<()> {
    Ok(())
}

#[ta_open_session]
fn open_session(call: &mut Call<'_>) -> Result<()> {
    let client = client::current()?;
    let mut service = SERVICE.try_lock().ok_or(ErrorKind::Busy)?;
    service.open_session(client, call.params()?).map_err(call::error)
}

#[ta_invoke_command]
fn invoke_command(command: u32, call: &mut Call<'_>) -> Result<()> {
    #[cfg(feature = "fault-injection")]
    if command == PANIC {
        optee_utee::trace_println!("rproc: a panic, as asked for");
        panic!("a panic, as asked for");
    }
    let mut service = SERVICE.try_lock().ok_or(ErrorKind::Busy)?;
    let completion = service.invoke(command, call.params()?);
    call.answer(&completion)
}

#[ta_close_session]
fn close_session() {
    #[cfg(feature = "heap-report")]
    heap::report();
}

#[ta_destroy]
fn destroy() {}

/// The TA's header, properties and heap, as `build.rs` configured them.
#[allow(clippy::undocumented_unsafe_blocks, reason = "written by optee-utee-build")]
mod header {
    include!(concat!(env!("OUT_DIR"), "/user_ta_header.rs"));
}
