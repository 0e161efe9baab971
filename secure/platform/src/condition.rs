//! In which condition each processor and its memory are.

use rproc_abi::ProcessorId;

use crate::BeforeTee;

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
    /// It runs since before the platform service began, with this resource table.
    found: Option<Option<FoundTable>>,
    /// Device address of the resource table that an authenticated image binds; 0 where none does.
    image_table: u32,
    /// What the secure tree says for the case that it runs when the platform service begins.
    told: BeforeTee,
}

/// Where the resource table of a processor is that was found running.
#[derive(Clone, Copy)]
pub(crate) struct FoundTable {
    /// Device address of its first byte, in a shared region.
    pub(crate) address: u64,
    /// Bytes from there to the region's end.
    pub(crate) room: u64,
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

    /// Leaving [`Condition::Closed`] and entering it forgets the vector table, leaving [`Condition::Running`] that it was
    /// found so.
    pub(crate) fn set(&mut self, id: ProcessorId, condition: Condition) {
        if let Some(known) = self.entry(id) {
            *known = Known { condition, vectors_loaded: false, found: None, ..*known };
        }
    }

    fn entry(&mut self, id: ProcessorId) -> Option<&mut Known> {
        let place = self.0.iter().position(|slot| slot.is_some_and(|known| known.id == id));
        let place = place.or_else(|| self.0.iter().position(Option::is_none));
        let slot = place.and_then(|place| self.0.get_mut(place))?;
        Some(slot.get_or_insert(Known {
            id,
            condition: Condition::Open,
            vectors_loaded: false,
            found: None,
            image_table: 0,
            told: BeforeTee::default(),
        }))
    }

    pub(crate) fn vectors_loaded(&self, id: ProcessorId) -> bool {
        self.known(id).is_some_and(|known| known.vectors_loaded)
    }

    pub(crate) fn load_vectors(&mut self, id: ProcessorId) {
        if let Some(known) = self.0.iter_mut().flatten().find(|known| known.id == id) {
            known.vectors_loaded = true;
        }
    }

    /// A processor was found running, and goes on.
    pub(crate) fn find(&mut self, id: ProcessorId, table: Option<FoundTable>) {
        self.set(id, Condition::Running);
        if let Some(known) = self.entry(id) {
            known.found = Some(table);
        }
    }

    /// Whether a processor runs since before the platform service began, and with which resource table.
    pub(crate) fn found(&self, id: ProcessorId) -> Option<Option<FoundTable>> {
        self.known(id).and_then(|known| known.found)
    }

    /// The resource table of an image, by its device address; 0 for none.
    pub(crate) fn set_image_table(&mut self, id: ProcessorId, address: u32) {
        if let Some(known) = self.entry(id) {
            known.image_table = address;
        }
    }

    pub(crate) fn image_table(&self, id: ProcessorId) -> u32 {
        self.known(id).map_or(0, |known| known.image_table)
    }

    /// What the secure tree says.
    pub(crate) fn tell(&mut self, id: ProcessorId, told: BeforeTee) {
        if let Some(known) = self.entry(id) {
            known.told = told;
        }
    }

    pub(crate) fn told(&self, id: ProcessorId) -> BeforeTee {
        self.known(id).map_or(BeforeTee::default(), |known| known.told)
    }
}
