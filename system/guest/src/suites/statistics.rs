//! OP-TEE's statistics service (`lib/libutee/include/pta_stats.h`), which a core built with `CFG_WITH_STATS=y` has.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use rproc_abi::{Login, Output, Param, TeeResult, Uuid, Value};
use rproc_tee::{LinuxTee, TeeClient as _};

/// `STATS_UUID`.
const SERVICE: Uuid = Uuid::from_octets(0xd96a5b40_e2c7_b1af_8794_1002a5d5c61bu128.to_be_bytes());
/// `STATS_CMD_ALLOC_STATS`.
const ALLOCATORS: u32 = 1;
/// `ALLOC_ID_HEAP`.
const HEAP: u32 = 1;
/// Bytes of a `struct pta_stats_alloc`, and where `allocated` and `max_allocated` are in it.
const SIZE: usize = 64;
const ALLOCATED: usize = 40;
const HIGH_WATER: usize = 44;
/// Room for every allocator, should a core answer with more than was asked for.
const ROOM: usize = 16 * SIZE;

/// The core's heap, in bytes.
#[derive(Clone, Copy)]
pub struct Heap {
    /// In use now.
    pub allocated: u32,
    /// The most that was in use.
    pub high_water: u32,
}

/// Asks for the core's heap; `None` when the core was built without statistics.
pub fn heap(tee: &Arc<LinuxTee>) -> Result<Option<Heap>> {
    let session = match tee.open_session(SERVICE, Login::Public, [Param::None; 4]) {
        Ok(session) => session,
        Err(error) if error.result == TeeResult::ITEM_NOT_FOUND => return Ok(None),
        Err(error) => return Err(error).context("no session with the statistics service"),
    };
    let buffer = tee.share(ROOM)?;
    let which = Param::ValueInput(Value { a: HEAP, b: 0 });
    let params = [which, Param::MemrefOutput(buffer.whole()), Param::None, Param::None];
    let answer = tee.invoke(session, ALLOCATORS, params);
    let mut bytes = [0; SIZE];
    let read = tee.read_shared(buffer, 0, &mut bytes);
    tee.unshare(buffer);
    tee.close_session(session);
    let outputs = answer.context("no statistics of the heap")?;
    read?;
    anyhow::ensure!(
        matches!(outputs, [_, Output::Size(SIZE..), ..]),
        "statistics of another size: {outputs:?}"
    );
    let word = |at: usize| -> Result<u32> {
        let word = bytes.get(at..).and_then(<[u8]>::first_chunk).context("short statistics")?;
        Ok(u32::from_le_bytes(*word))
    };
    Ok(Some(Heap { allocated: word(ALLOCATED)?, high_water: word(HIGH_WATER)? }))
}
