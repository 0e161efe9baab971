//! Who opens a session.

use optee_utee::{Error, Result, raw};
use rproc_abi::{Client, Login, Uuid};

/// The client of the call that is being answered, as OP-TEE knows it.
pub fn current() -> Result<Client> {
    let nil = raw::TEE_UUID { timeLow: 0, timeMid: 0, timeHiAndVersion: 0, clockSeqAndNode: [0; 8] };
    let mut identity = raw::TEE_Identity { login: 0, uuid: nil };
    // SAFETY: the property set is a constant of the interface, the name ends with a zero octet, and `identity` is there to
    // be written.
    let result = unsafe {
        raw::TEE_GetPropertyAsIdentity(
            raw::TEE_PROPSET_CURRENT_CLIENT,
            c"gpd.client.identity".as_ptr(),
            &raw mut identity,
        )
    };
    if result != raw::TEE_SUCCESS {
        return Err(Error::from_raw_error(result));
    }
    Ok(Client { login: Login::from_code(identity.login), uuid: from_raw(&identity.uuid) })
}

fn from_raw(uuid: &raw::TEE_UUID) -> Uuid {
    let [a, b, c, d] = uuid.timeLow.to_be_bytes();
    let [e, f] = uuid.timeMid.to_be_bytes();
    let [g, h] = uuid.timeHiAndVersion.to_be_bytes();
    let [i, j, k, l, m, n, o, p] = uuid.clockSeqAndNode;
    Uuid::from_octets([a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p])
}

/// In OP-TEE's form.
pub const fn to_raw(uuid: Uuid) -> raw::TEE_UUID {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = uuid.octets();
    raw::TEE_UUID {
        timeLow: u32::from_be_bytes([a, b, c, d]),
        timeMid: u16::from_be_bytes([e, f]),
        timeHiAndVersion: u16::from_be_bytes([g, h]),
        clockSeqAndNode: [i, j, k, l, m, n, o, p],
    }
}
