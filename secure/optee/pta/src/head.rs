//! The head by which the core finds this pseudo-TA.

use rproc_abi::Uuid;

use crate::entry::{invoke_command, open_session};
use crate::optee::{TEE_UUID, flags_of_a_pseudo_ta, pseudo_ta_head};

/// The core's form of a UUID.
const fn core_uuid(uuid: Uuid) -> TEE_UUID {
    let [a, b, c, d, e, f, g, h, node @ ..] = uuid.octets();
    TEE_UUID {
        timeLow: u32::from_be_bytes([a, b, c, d]),
        timeMid: u16::from_be_bytes([e, f]),
        timeHiAndVersion: u16::from_be_bytes([g, h]),
        clockSeqAndNode: node,
    }
}

/// A head that several CPUs may read.
#[repr(transparent)]
pub struct Head(pseudo_ta_head);

// SAFETY: the head is never written, and what it points at are functions and a string constant.
unsafe impl Sync for Head {}

/// The head. `build.rs` checks that this section is the one in which the core's headers put the heads of pseudo-TAs, and
/// the structure is the headers'. `-u rproc_pta_head` on the linker's command line pulls it out of the archive.
#[used]
// SAFETY: no other object defines this name, and the section is an array of just this structure.
#[unsafe(export_name = "rproc_pta_head")]
#[unsafe(link_section = ".scattered_array_pseudo_tas_1_0")]
pub static HEAD: Head = Head(pseudo_ta_head {
    uuid: core_uuid(Uuid::REMOTEPROC_PTA),
    name: c"remoteproc.pta".as_ptr(),
    flags: flags_of_a_pseudo_ta,
    create_entry_point: None,
    destroy_entry_point: None,
    open_session_entry_point: Some(open_session),
    close_session_entry_point: None,
    invoke_command_entry_point: Some(invoke_command),
});
