//! What belongs to one boot of a processor: its table, its resources, its logs and its messages.

use rproc_elf::resource_table::ResourceTable;
use rproc_rpmsg::Ring;
use rproc_rpmsg::memory::Fault;

use crate::description::Description;
use crate::error::Error;
use crate::event::Event;
use crate::link::{Link, mailbox};
use crate::loader::TableLocation;
use crate::machine::{Machine, Mailbox};
use crate::overlap;
use crate::resources::{Resources, Vdev};
use crate::table::Table;
use crate::trace::TraceReader;

/// One boot. Functions take the machine, because the processor outlives its boots.
#[derive(Default)]
pub(crate) struct Session {
    table: Option<Table>,
    pub(crate) resources: Resources,
    readers: Vec<Option<TraceReader>>,
    pub(crate) link: Option<Link>,
    /// Signals that could not be sent because the firmware had not taken the one before.
    owed: Vec<Mailbox>,
    pub(crate) recoveries: u32,
}

impl Session {
    /// Reads the table of loaded firmware and finds places for everything in it. Writes nothing.
    pub(crate) fn prepare<E: std::error::Error>(
        location: Option<TableLocation>,
        description: &Description,
        machine: &impl Machine,
        mut happened: impl FnMut(Event),
    ) -> Result<Session, Error<E>> {
        let Some(location) = location else {
            happened(Event::NoTable);
            return Ok(Session::default());
        };
        let mut table = Table::fetch(location, machine)?;
        let entries = ResourceTable::parse(table.cached_mut())?.len();
        happened(Event::TableFound { address: location.address, size: location.size, entries });
        let resources = Resources::place(table.cached_mut(), description)?;
        overlap::check(location, &resources)?;
        resources.report(&mut happened);
        let reader = |trace: &crate::resources::Trace| {
            trace.address.map(|address| TraceReader::new(address, trace.size))
        };
        let readers = resources.traces.iter().map(reader).collect();
        let mut session = Session { table: Some(table), resources, readers, ..Session::default() };
        session.link = session.new_link(description, happened)?;
        Ok(session)
    }

    /// After the firmware was loaded anew: the table may be elsewhere.
    pub(crate) fn reload<E: std::error::Error>(
        &mut self,
        location: Option<TableLocation>,
        description: &Description,
        happened: impl FnMut(Event),
    ) -> Result<(), Error<E>> {
        if let Some(table) = &mut self.table {
            table.move_to(location)?;
        }
        self.owed.clear();
        self.link = self.new_link(description, happened)?;
        Ok(())
    }

    fn new_link<E: std::error::Error>(
        &self,
        description: &Description,
        mut happened: impl FnMut(Event),
    ) -> Result<Option<Link>, Error<E>> {
        let mut link = None;
        for (number, vdev) in self.resources.vdevs.iter().enumerate() {
            match vdev.drivable(description) {
                Ok((to_host, to_remote, buffers)) => {
                    link = Some(Link::new(to_host, to_remote, buffers, vdev.offered_features)?);
                }
                Err(reason) => happened(Event::VdevIgnored { vdev: number, id: vdev.id, reason }),
            }
        }
        Ok(link)
    }

    /// Writes the table with all places into the processor's memory.
    pub(crate) fn publish<E: std::error::Error>(&self, machine: &mut impl Machine) -> Result<(), Error<E>> {
        self.table.as_ref().map_or(Ok(()), |table| table.publish(machine))
    }

    /// Empties the logs, before the processor starts.
    pub(crate) fn clear_logs(&mut self, machine: &mut impl Machine, mut happened: impl FnMut(Event)) {
        for (trace, slot) in self.readers.iter_mut().enumerate() {
            if let Some(Err(fault)) = slot.as_mut().map(|reader| reader.clear(machine)) {
                *slot = None;
                happened(Event::TraceUnreadable { trace, reason: fault.to_string() });
            }
        }
    }

    /// Posts buffers, says DRIVER_OK and kicks, once the processor runs.
    pub(crate) fn start_rpmsg<E: std::error::Error>(
        &mut self,
        machine: &mut impl Machine,
        mut happened: impl FnMut(Event),
    ) -> Result<(), Error<E>> {
        let (Some(link), Some(table)) = (&mut self.link, &self.table) else { return Ok(()) };
        let Some(vdev) = self.resources.vdevs.first() else { return Ok(()) };
        let unreachable = |fault| table_fault(table, fault);
        table.set_features(machine, vdev, link.features).map_err(unreachable)?;
        link.start(machine).map_err(Error::RpmsgStart)?;
        table.set_driver_ok(machine, vdev).map_err(unreachable)?;
        let buffers = vdev.buffers.as_ref().map_or(0, |buffers| buffers.each_way);
        happened(Event::RpmsgReady { features: link.features, buffers });
        self.notify(machine, Ring::ToHost, happened);
        Ok(())
    }

    /// Takes DRIVER_OK back and drops the channels. Memory that cannot be written any more does not keep a processor from
    /// being stopped.
    pub(crate) fn stop_rpmsg(&mut self, machine: &mut impl Machine, mut happened: impl FnMut(Event)) {
        self.owed.clear();
        let Some(link) = self.link.take() else { return };
        if let (Some(table), Some(vdev)) = (&self.table, self.resources.vdevs.first())
            && let Err(fault) = table.reset_status(machine, vdev)
        {
            happened(Event::RpmsgBroken { reason: fault.to_string() });
        }
        for channel in link.channels() {
            happened(Event::ChannelWithdrawn(channel.clone()));
        }
    }

    /// Leaves the table as it was found.
    pub(crate) fn restore_table<E: std::error::Error>(
        &self,
        machine: &mut impl Machine,
    ) -> Result<(), Error<E>> {
        self.table.as_ref().map_or(Ok(()), |table| table.restore(machine))
    }

    /// Takes signals, messages and log lines.
    pub(crate) fn serve(
        &mut self,
        description: &Description,
        machine: &mut impl Machine,
        mut happened: impl FnMut(Event),
    ) {
        let mut messages = self.link.as_ref().is_some_and(Link::is_unfinished);
        for mailbox in Mailbox::ALL {
            if description.has_mailbox(mailbox) && machine.is_pending(mailbox) {
                machine.acknowledge(mailbox);
                happened(Event::KickReceived { mailbox });
                messages |= mailbox == Mailbox::Queue0;
            }
        }
        if let Some(link) = self.link.as_mut().filter(|_| messages) {
            link.receive(machine, &mut happened);
            self.notify(machine, Ring::ToHost, &mut happened);
        }
        self.pay_kicks(machine, &mut happened);
        for trace in 0..self.readers.len() {
            self.read_trace(trace, machine, &mut happened);
        }
    }

    /// Remembers that the firmware has sent something, for when it is taken.
    pub(crate) fn defer_messages(&mut self) {
        if let Some(link) = &mut self.link {
            link.set_unfinished();
        }
    }

    /// Signals the firmware about a ring if it wants to know.
    pub(crate) fn notify(&mut self, machine: &mut impl Machine, ring: Ring, mut happened: impl FnMut(Event)) {
        let link = self.link.as_mut();
        if link.is_some_and(|link| link.take_notification(machine, ring, &mut happened)) {
            if !self.owed.contains(&mailbox(ring)) {
                self.owed.push(mailbox(ring));
            }
            self.pay_kicks(machine, happened);
        }
    }

    /// Sends the signals that are owed. A second signal before the first was taken would be lost, so it waits, as in
    /// Linux's mailbox core.
    fn pay_kicks(&mut self, machine: &mut impl Machine, mut happened: impl FnMut(Event)) {
        self.owed.retain(|mailbox| {
            let waits = machine.is_unacknowledged(*mailbox);
            if !waits {
                machine.kick(*mailbox);
                happened(Event::KickSent { mailbox: *mailbox });
            }
            waits
        });
    }

    /// Reads what is new in a trace buffer; one that cannot be read is not tried again.
    pub(crate) fn read_trace(
        &mut self,
        trace: usize,
        machine: &impl Machine,
        mut happened: impl FnMut(Event),
    ) {
        let Some(slot) = self.readers.get_mut(trace) else { return };
        match slot.as_mut().map(|reader| reader.lines(machine)) {
            Some(Ok(lines)) => {
                lines.into_iter().for_each(|line| happened(Event::TraceLine { trace, line }));
            }
            Some(Err(fault)) => {
                *slot = None;
                happened(Event::TraceUnreadable { trace, reason: fault.to_string() });
            }
            None => {}
        }
    }

    /// Reads all logs to their end.
    pub(crate) fn last_words(&mut self, machine: &impl Machine, mut happened: impl FnMut(Event)) {
        for trace in 0..self.readers.len() {
            self.read_trace(trace, machine, &mut happened);
            let line = self.readers.get_mut(trace).and_then(Option::as_mut).and_then(TraceReader::last_words);
            if let Some(line) = line {
                happened(Event::TraceLine { trace, line });
            }
        }
    }
}

fn table_fault<E: std::error::Error>(table: &Table, fault: Fault) -> Error<E> {
    Error::Memory { what: "the resource table", address: table.location().address, fault }
}

impl Resources {
    /// Tells where everything was placed.
    fn report(&self, happened: &mut impl FnMut(Event)) {
        for (entry, kind) in &self.skipped {
            happened(Event::EntrySkipped { entry: *entry, kind: *kind });
        }
        for carveout in &self.carveouts {
            happened(Event::CarveoutMatched {
                name: carveout.name.clone(),
                region: carveout.region.clone(),
                address: carveout.address,
                device_address: carveout.device_address,
                size: carveout.size,
            });
        }
        for (number, trace) in self.traces.iter().enumerate() {
            happened(Event::TraceFound {
                trace: number,
                name: trace.name.clone(),
                address: trace.address,
                device_address: trace.device_address,
                size: trace.size,
            });
        }
        for (number, vdev) in self.vdevs.iter().enumerate() {
            report_vdev(number, vdev, happened);
        }
    }
}

fn report_vdev(number: usize, vdev: &Vdev, happened: &mut impl FnMut(Event)) {
    for (vring, placed) in vdev.vrings.iter().enumerate() {
        let range = placed.layout.range();
        happened(Event::VringPlaced {
            vdev: number,
            vring,
            region: placed.region.clone(),
            address: range.start,
            device_address: placed.device_address,
            size: range.end.saturating_sub(range.start),
            entries: placed.layout.size(),
            notify_id: placed.notify_id,
        });
    }
    if let Some(buffers) = &vdev.buffers {
        happened(Event::BuffersPlaced {
            region: buffers.region.clone(),
            address: buffers.range.start,
            size: buffers.range.end.saturating_sub(buffers.range.start),
            each_way: buffers.each_way,
        });
    }
}
