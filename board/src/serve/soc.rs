//! The SoC while it has power: the board over the client's memory, and its registers by offset in a BAR.

use std::sync::Arc;

use rproc_aperture::{BLOCKS, Block, IDENTITY_SIZE, Identity, SLOT, locate_memory};

use super::emulation::Emulation;
use super::guest_memory::GuestMemory;
use super::signals::Signals;
use super::{Notice, Observer, ServeError};
use crate::description::{Bank, Description};
use crate::ram::Ram;
use crate::{Board, Bus, Initiator};

/// Blocks through whose registers a coprocessor is released, stopped and interrupted: it hears of a write there at once.
const HEARD: [&str; 3] = ["RCC", "IPCC1", "IPCC2"];

/// A SoC with power.
#[derive(Debug)]
pub struct Soc {
    // Dropped first: the thread has ended before anything else goes.
    emulation: Emulation,
    bus: Arc<Bus>,
    identity: [u8; IDENTITY_SIZE],
}

/// The bank of a board that is the client's memory: the last one, DDR.
pub fn shared_bank(description: &Description) -> Option<&Bank> {
    description.banks.last()
}

impl Soc {
    /// Switches it on, with fuses from an earlier life. The on-chip memories begin with zeros, the client's memory as it is.
    ///
    /// # Errors
    /// [`ServeError`]: the client's memory or the host does not do.
    pub fn power_on(
        description: &Description,
        otp: &[u32],
        on_chip: &Ram,
        memory: &GuestMemory,
        signals: &Arc<Signals>,
        observer: &Observer,
    ) -> Result<Self, ServeError> {
        let identity = Identity::new(description.soc).ok_or(ServeError::Name(description.soc))?.encode();
        on_chip.fill(0, on_chip.size(), 0).map_err(std::io::Error::other)?;
        let mut shared = shared_bank(description).map(|bank| memory.bank(description, bank)).transpose()?;
        let shared_size = shared.as_ref().map_or(0, Ram::size);
        let mut source = |bank: &Bank| match locate_memory(bank.base(), bank.size) {
            Some(place) => Ram::over(on_chip.file().try_clone()?, place.offset, bank.size),
            None => shared.take().ok_or_else(|| {
                std::io::Error::other(format!("{} lies neither in a BAR nor in the machine", bank.name))
            }),
        };
        let board = Board::over(description, otp, &mut source)?;
        let bus = board.bus().clone();
        let theirs = signals.clone();
        bus.listen(move |bus, rose| theirs.rose(bus, rose));
        let emulation = Emulation::start(board, observer.clone())?;
        observer(Notice::PoweredOn { board: description.name.clone(), shared: shared_size });
        Ok(Soc { emulation, bus, identity })
    }

    /// The bus.
    pub fn bus(&self) -> &Bus {
        &self.bus
    }

    /// Reads registers by naturally aligned pieces; what is refused, or is not there, reads zero.
    pub fn read(&self, initiator: Initiator, offset: u64, into: &mut [u8], absent: &mut dyn FnMut(u64)) {
        let mut at = offset;
        let mut rest = into;
        while !rest.is_empty() {
            let (piece, after) = rest.split_at_mut(piece(at, rest.len()));
            piece.fill(0);
            if at < SLOT {
                let identity = self.identity.iter().skip(at as usize);
                piece.iter_mut().zip(identity).for_each(|(byte, known)| *byte = *known);
            } else if let Some((_, address)) = Block::at(&BLOCKS, at) {
                // The bus has told of a refusal; the processor whose access it was reads zero.
                let _ = self.bus.read(initiator, address, piece);
            } else {
                absent(at);
            }
            at += piece.len() as u64;
            rest = after;
        }
    }

    /// Writes registers by naturally aligned pieces; what is refused, or is not there, is without effect.
    pub fn write(&self, initiator: Initiator, offset: u64, from: &[u8], absent: &mut dyn FnMut(u64)) {
        let mut at = offset;
        let mut rest = from;
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(piece(at, rest.len()));
            match Block::at(&BLOCKS, at) {
                Some((block, address)) => {
                    // As above.
                    let _ = self.bus.write(initiator, address, piece);
                    if HEARD.contains(&block.name) {
                        self.emulation.wake();
                    }
                }
                None => absent(at),
            }
            at += piece.len() as u64;
            rest = after;
        }
    }
}

/// The widest naturally aligned access at an offset, of at most four bytes.
fn piece(offset: u64, left: usize) -> usize {
    [4, 2].into_iter().find(|size| offset.is_multiple_of(*size as u64) && left >= *size).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_naturally_aligned() {
        let pieces = |mut at: u64, mut left: usize| {
            let mut sizes = Vec::new();
            while left > 0 {
                let size = piece(at, left);
                sizes.push(size);
                (at, left) = (at + size as u64, left - size);
            }
            sizes
        };
        assert_eq!(pieces(0, 8), [4, 4]);
        assert_eq!(pieces(1, 8), [1, 2, 4, 1]);
        assert_eq!(pieces(6, 3), [2, 1]);
    }
}
