//! Processors that run when the platform service begins: left running where the secure tree says that they may, and stopped
//! and wiped everywhere else.

use rproc_abi::refusal::{Fact, Place, Reason};
use rproc_abi::{ProcessorId, Refusal};
use rproc_image::{BoundResourceTable, TlvKind};

use super::{PlatformService, driver, shared_regions, wipe};
use crate::before_tee::{STATE_OFF, STATE_RUNS};
use crate::condition::{Condition, FoundTable};
use crate::{
    BeforeTee, Event, Hardware, KeyStore, Observer, RegionKind, SecurityCounters, Soc, Word, translate,
};

/// The header of a resource table, bytes: there is no shorter one.
const TABLE_HEADER: u64 = 16;

impl<H, S, K, C, O> PlatformService<H, S, K, C, O>
where
    H: Hardware,
    S: Soc<H>,
    K: KeyStore,
    C: SecurityCounters,
    O: Observer,
{
    /// Looks whether a processor runs already, and settles what comes of it.
    ///
    /// For a port to call when it boots, for each processor that it does not give away. Whether a processor may run is for
    /// the secure world's own tree to say; what else is asked is the hardware: only firmware whose memory is its alone and
    /// whose start is the secure world's goes on, so that it makes no difference whether a normal world has run before this call. The
    /// outcome is told to the [`Observer`]; it is never an error, for a processor that cannot be kept is stopped and wiped.
    pub fn look(&mut self, id: ProcessorId, told: BeforeTee) {
        if self.soc.processor(id).is_none() || self.condition(id) != Condition::Open {
            return;
        }
        self.conditions.tell(id, told);
        let kept = match self.runs(id, told) {
            Ok(false) if told.may_run => return self.observer.event(Event::FoundHeld { processor: id }),
            Ok(false) => return,
            Ok(true) if told.may_run => self.keep(id, told),
            Ok(true) => Err(Refusal::new(Reason::RunsUnasked)),
            // One that is not known to be held is not called off.
            Err(refusal) => Err(refusal),
        };
        match kept {
            Ok((boot_address, table)) => {
                self.conditions.find(id, table);
                let resource_table = table.map(|table| table.address);
                self.observer.event(Event::FoundRunning { processor: id, boot_address, resource_table });
            }
            Err(refusal) => self.take_over(id, refusal),
        }
    }

    fn runs(&mut self, id: ProcessorId, told: BeforeTee) -> Result<bool, Refusal> {
        match (driver(&mut self.soc, id)?.runs(&mut self.hardware)?, told.state) {
            (Some(runs), _) => Ok(runs),
            (None, Some(state)) => Ok(state.read(&mut self.hardware)? == STATE_RUNS & state.mask),
            (None, None) => Ok(false),
        }
    }

    /// Leaves a processor running, and gives the device address of its vector table and where its resource table is.
    fn keep(&mut self, id: ProcessorId, told: BeforeTee) -> Result<(u64, Option<FoundTable>), Refusal> {
        let driver = driver(&mut self.soc, id)?;
        let boot_address = driver.keep(&mut self.hardware)?;
        for region in shared_regions(driver) {
            driver.share(&mut self.hardware, &region)?;
        }
        let table = match told.resource_table {
            Some(word) => self.table(id, word)?,
            None => None,
        };
        Ok((boot_address, table))
    }

    /// Where a word says that the resource table is. The normal world may have written the word, and the table itself: it is
    /// told of nothing but what it reads and writes anyway.
    fn table(&mut self, id: ProcessorId, word: Word) -> Result<Option<FoundTable>, Refusal> {
        let address = u64::from(word.read(&mut self.hardware)?);
        if address == 0 {
            return Ok(None);
        }
        let driver = driver(&mut self.soc, id)?;
        let mut shared = driver.regions().iter().filter(|region| region.kind == RegionKind::Shared);
        let first = shared.clone().next();
        match shared.find(|region| region.translate(address, TABLE_HEADER).is_some()) {
            Some(region) => Ok(Some(FoundTable { address, room: region.device + region.size - address })),
            None => {
                let refusal = Refusal::new(Reason::BadResourceTable)
                    .found(Fact::Address(address))
                    .at(Place::Register { address: word.address });
                Err(first.map_or(refusal, |region| {
                    refusal.expected(Fact::Range { start: region.device, size: region.size })
                }))
            }
        }
    }

    /// Stops a processor that must not run, and wipes its memory.
    fn take_over(&mut self, id: ProcessorId, refusal: Refusal) {
        let wiped = self.wipe(id);
        self.observer.event(Event::TakenOver { processor: id, refusal });
        match wiped {
            Ok(size) => self.observer.event(Event::Wiped { processor: id, size }),
            Err(failure) => {
                // One that cannot be held loses its memory.
                if let Ok(driver) = driver(&mut self.soc, id) {
                    let _ = driver.close(&mut self.hardware);
                    let _ = wipe(driver, &mut self.hardware);
                }
                self.observer.event(Event::NotHeld { processor: id, refusal: failure });
            }
        }
    }

    /// Takes note of the resource table that an authenticated image binds. One that the normal world cannot reach is none that
    /// a later TEE could pass on.
    pub(super) fn learn_table(&mut self, id: ProcessorId, value: &[u8]) -> Result<(), Refusal> {
        let kind = TlvKind::RESOURCE_TABLE.0;
        let bound = BoundResourceTable::parse(value)
            .map_err(|_| Refusal::new(Reason::BadTlv).at(Place::Tlv { kind }))?;
        let BoundResourceTable::At { address, size } = bound else { return Ok(()) };
        // Whether the place is one at all is for the loader to say, which refuses it as a resource table's.
        let place = translate(driver(&mut self.soc, id)?.regions(), u64::from(address), u64::from(size));
        if place.is_ok_and(|(region, _)| region.kind == RegionKind::Shared) {
            self.conditions.set_image_table(id, address);
        }
        Ok(())
    }

    /// Leaves word of a processor for a TEE that begins after this one: whether it runs, and where its resource table is.
    pub(super) fn leave_word(&mut self, id: ProcessorId, runs: bool) -> Result<(), Refusal> {
        let told = self.conditions.told(id);
        if !told.may_run {
            // Nobody will ask.
            return Ok(());
        }
        if let Some(word) = told.resource_table {
            let table = if runs { self.conditions.image_table(id) } else { 0 };
            word.write(&mut self.hardware, table)?;
        }
        match told.state {
            Some(word) => word.write(&mut self.hardware, if runs { STATE_RUNS } else { STATE_OFF }),
            None => Ok(()),
        }
    }
}
