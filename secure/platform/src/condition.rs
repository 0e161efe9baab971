//! In which condition each processor and its memory are.

use rproc_abi::ProcessorId;

/// The condition of a processor and its memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    /// Held, and not used by the TEE since it booted; the memory is as boot firmware left it.
    Open,
    /// Held; the memory is closed but for the shared regions, and zero.
    Wiped,
    /// Held; the memory is closed and holds a load or a part of one.
    Closed,
    /// Running.
    Running,
    /// Held again after a run; the memory is closed and keeps what the run left, for a dump.
    Stopped,
    /// A step failed half way: what is open, what is loaded and what runs is not known. Only closing or releasing, each
    /// from its first step, leads out.
    Broken,
    /// The processor is the normal world's for good; nothing leads out.
    GivenAway,
}

/// What is known of one processor.
#[derive(Clone, Copy)]
struct Known {
    id: ProcessorId,
    condition: Condition,
    /// A segment was placed where the processor looks for its vector table.
    vectors_loaded: bool,
}

/// The conditions of the processors seen so far; no SoC here has more than four.
pub(crate) struct Conditions([Option<Known>; 4]);

impl Conditions {
    /// Every processor is [`Condition::Open`].
    pub(crate) const fn new() -> Self {
        Self([None; 4])
    }

    fn known(&self, id: ProcessorId) -> Option<&Known> {
        self.0.iter().flatten().find(|known| known.id == id)
    }

    pub(crate) fn get(&self, id: ProcessorId) -> Condition {
        self.known(id).map_or(Condition::Open, |known| known.condition)
    }

    /// Leaving [`Condition::Closed`] and entering it forgets the vector table.
    pub(crate) fn set(&mut self, id: ProcessorId, condition: Condition) {
        let place = self.0.iter().position(|slot| slot.is_some_and(|known| known.id == id));
        let place = place.or_else(|| self.0.iter().position(Option::is_none));
        if let Some(slot) = place.and_then(|place| self.0.get_mut(place)) {
            *slot = Some(Known { id, condition, vectors_loaded: false });
        }
    }

    pub(crate) fn vectors_loaded(&self, id: ProcessorId) -> bool {
        self.known(id).is_some_and(|known| known.vectors_loaded)
    }

    pub(crate) fn load_vectors(&mut self, id: ProcessorId) {
        if let Some(known) = self.0.iter_mut().flatten().find(|known| known.id == id) {
            known.vectors_loaded = true;
        }
    }
}
