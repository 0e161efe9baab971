//! The mailbox between the Cortex-A side and this processor (IPCC, RM0436 and RM0457), whichever end of it this is.

use crate::chip::MAILBOX;
use crate::cortex_m::without_interrupts;
use crate::mmio::Register;

/// NVIC line of "a channel to me is occupied".
pub const RECEIVE_INTERRUPT: u32 = MAILBOX.receive_interrupt;
/// NVIC line of "a channel from me is free again".
pub const FREE_INTERRUPT: u32 = MAILBOX.free_interrupt;

/// Channel 1: the ring to the host (vq0 of Linux's stm32 remoteproc driver).
pub const VQ0: u32 = 1 << 0;
/// Channel 2: the ring to the firmware (vq1).
pub const VQ1: u32 = 1 << 1;
/// Channel 3: Linux asks the firmware to stop and waits until the channel is free again.
pub const SHUTDOWN: u32 = 1 << 2;
/// Channel 4: Linux leaves the firmware running and waits until the channel is free again.
pub const DETACH: u32 = 1 << 3;

/// A register of the mailbox; `offset` is below 0x20.
const fn register(offset: u32) -> Register {
    // SAFETY: an aligned register of the mailbox for every value of the masked offset, not memory.
    unsafe { Register::at(MAILBOX.registers + (offset & 0x1C)) }
}

const HOST_OCCUPIED: Register = register(MAILBOX.other_bank() + 0xC);
const CONTROL: Register = register(MAILBOX.bank);
const MASK: Register = register(MAILBOX.bank + 0x4);
const SET_CLEAR: Register = register(MAILBOX.bank + 0x8);
const OCCUPIED: Register = register(MAILBOX.bank + 0xC);

/// Interrupts from now on when the host occupies one of `channels`, and for a free channel only when asked to.
pub fn listen(channels: u32) {
    MASK.write(!(channels & 0xFFFF));
    CONTROL.write(1 << 16 | 1);
}

/// Channels of those in `channels` that the host has occupied.
pub fn received(channels: u32) -> u32 {
    HOST_OCCUPIED.read() & channels
}

/// Frees `channels` that the host occupied; it may signal again.
pub fn acknowledge(channels: u32) {
    SET_CLEAR.write(channels & 0xFFFF);
}

/// Stops listening to `channels` of the host.
pub fn ignore(channels: u32) {
    MASK.modify(0, channels & 0xFFFF);
}

/// Listens to `channels` of the host again.
pub fn heed(channels: u32) {
    without_interrupts(|| MASK.modify(channels & 0xFFFF, 0));
}

/// Occupies those of `channels` that are free, which interrupts the host. Returns the rest: the host has not yet
/// acknowledged an earlier signal there and might free the channel without looking again, so these must be signalled
/// later; an interrupt will come when one is free.
pub fn signal(channels: u32) -> u32 {
    let busy = OCCUPIED.read() & channels;
    SET_CLEAR.write((channels & !busy & 0xFFFF) << 16);
    if busy != 0 {
        without_interrupts(|| MASK.modify(busy << 16, 0));
    }
    busy
}

/// Stops interrupts for free channels until [`signal`] wants one again.
pub fn stop_free_interrupt() {
    MASK.modify(0, 0xFFFF_0000);
}
