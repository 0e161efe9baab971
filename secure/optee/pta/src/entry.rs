//! The functions that the core calls: open a session, invoke a command.

use core::ffi::c_void;

use rproc_abi::platform::{Command, Request};
use rproc_abi::refusal::Reason;
use rproc_abi::{Completion, Param, ProcessorId, Refusal, TeeResult, Uuid};

use crate::optee::{TEE_Param, TEE_Result, TEE_UUID, is_user_ta_ctx, ts_get_calling_session};
use crate::parameters::Parameters;
use crate::{service, trace};

/// Opens a session, for the remoteproc TA alone, when the platform has the processor that parameter 0 asks for.
///
/// # Safety
/// Called by the core with the four parameters of `types`.
pub unsafe extern "C" fn open_session(
    types: u32,
    params: *mut TEE_Param,
    _context: *mut *mut c_void,
) -> TEE_Result {
    // SAFETY: the core gives what it promises in pseudo_ta.h: four parameters, for this call.
    let parameters = unsafe { Parameters::new(types, params) };
    open(&parameters).0
}

fn open(parameters: &Parameters<'_>) -> TeeResult {
    if calling_ta() != Some(Uuid::REMOTEPROC_TA) {
        let refusal = Refusal::new(Reason::NotService);
        trace::info(format_args!("remoteproc: refused: {refusal}"));
        return refusal.result();
    }
    let id = match parameters.decode() {
        Ok([Param::ValueInput(id), Param::None, Param::None, Param::None]) => ProcessorId(id.a),
        _ => return Refusal::new(Reason::BadRequest).result(),
    };
    // The service itself knows which processors it has; this command changes nothing.
    let (number, params) = Request { processor: id, command: Command::Capabilities }.into_params();
    service::invoke(number, params).result
}

/// Answers one command.
///
/// # Safety
/// Called by the core with the four parameters of `types`, from a session that [`open_session`] allowed.
pub unsafe extern "C" fn invoke_command(
    _context: *mut c_void,
    number: u32,
    types: u32,
    params: *mut TEE_Param,
) -> TEE_Result {
    // SAFETY: the core gives what it promises in pseudo_ta.h: four parameters, for this call.
    let mut parameters = unsafe { Parameters::new(types, params) };
    let completion = match parameters.decode() {
        Ok(params) => service::invoke(number, params),
        Err(_) => Completion::failed(TeeResult::BAD_PARAMETERS),
    };
    parameters.give(&completion.outputs);
    completion.result.0
}

/// The user TA that calls; `None` when the normal world or another pseudo-TA does.
fn calling_ta() -> Option<Uuid> {
    // SAFETY: the core answers with null or with a session that lives as long as this call; its context is that of a
    // TA that has a UUID, and both are only read.
    let uuid = unsafe {
        let context = ts_get_calling_session().as_ref()?.ctx;
        if !is_user_ta_ctx(context) {
            return None;
        }
        context.as_ref()?.uuid
    };
    Some(octets(&uuid))
}

fn octets(uuid: &TEE_UUID) -> Uuid {
    let [a, b, c, d] = uuid.timeLow.to_be_bytes();
    let [e, f] = uuid.timeMid.to_be_bytes();
    let [g, h] = uuid.timeHiAndVersion.to_be_bytes();
    let [i, j, k, l, m, n, o, p] = uuid.clockSeqAndNode;
    Uuid::from_octets([a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p])
}
