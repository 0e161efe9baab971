//! RPMsg with one firmware run: the rings, the channels that the firmware announced, and messages between them.

use rproc_rpmsg::host::{self, Host, buffers_each_way};
use rproc_rpmsg::message::{FIRST_DYNAMIC_ADDRESS, MAX_PAYLOAD};
use rproc_rpmsg::name_service::{Announcement, Change};
use rproc_rpmsg::{ReceiveError, Ring, SendError, vring};

use crate::event::{Channel, ChannelId, Event};
use crate::machine::{Machine, Mailbox};
use crate::resources::{Buffers, Vring};

/// The most channels a firmware may have open, so that announcements cannot fill this side's memory.
pub const MAXIMUM_CHANNELS: usize = 256;
/// Messages taken at once; a firmware that sends without end must not keep this side from anything else.
const MAXIMUM_BURST: usize = 512;

/// Which mailbox tells the firmware about a ring.
pub(crate) fn mailbox(ring: Ring) -> Mailbox {
    match ring {
        Ring::ToHost => Mailbox::Queue0,
        Ring::ToRemote => Mailbox::Queue1,
    }
}

/// A running RPMsg device.
pub(crate) struct Link {
    host: Host,
    channels: Vec<Channel>,
    next_address: u32,
    broken: Option<vring::Error>,
    unfinished: bool,
    /// Features that both sides have.
    pub(crate) features: u32,
}

impl Link {
    /// Rings and buffers of one device; touches no memory.
    pub(crate) fn new(
        to_host: &Vring,
        to_remote: &Vring,
        buffers: &Buffers,
        offered_features: u32,
    ) -> Result<Link, host::ConfigError> {
        let count = buffers_each_way(&to_host.layout, &to_remote.layout);
        Ok(Link {
            host: Host::new(to_host.layout, to_remote.layout, buffers.range.clone(), count)?,
            channels: Vec::new(),
            next_address: FIRST_DYNAMIC_ADDRESS,
            broken: None,
            unfinished: false,
            features: offered_features & rproc_rpmsg::name_service::FEATURE,
        })
    }

    /// Posts all receive buffers.
    pub(crate) fn start(&mut self, machine: &mut impl Machine) -> Result<(), vring::Error> {
        self.host.start(machine)
    }

    pub(crate) fn channels(&self) -> &[Channel] {
        &self.channels
    }

    pub(crate) fn broken(&self) -> Option<vring::Error> {
        self.broken
    }

    /// Leaves messages for later.
    pub(crate) fn set_unfinished(&mut self) {
        self.unfinished = true;
    }

    /// Whether messages were left, for which no kick will come.
    pub(crate) fn is_unfinished(&self) -> bool {
        self.unfinished
    }

    /// Whether the firmware has to be told about a ring. A ring that is broken by this is told to `happened`, once.
    pub(crate) fn take_notification(
        &mut self,
        machine: &impl Machine,
        ring: Ring,
        mut happened: impl FnMut(Event),
    ) -> bool {
        match self.host.take_notification(machine, ring) {
            Ok(kick) => kick,
            Err(error) => {
                if self.broken.is_none() {
                    happened(Event::RpmsgBroken { reason: error.to_string() });
                }
                self.broken = Some(error);
                false
            }
        }
    }

    /// Takes what the firmware sent; what happened goes to `happened`.
    pub(crate) fn receive(&mut self, machine: &mut impl Machine, mut happened: impl FnMut(Event)) {
        self.unfinished = false;
        let mut payload = [0; MAX_PAYLOAD];
        for _ in 0..MAXIMUM_BURST {
            if self.broken.is_some() {
                return;
            }
            match self.host.receive(machine, &mut payload) {
                Ok(None) => return,
                Ok(Some(host::Event::Message(message))) => happened(self.deliver(&message)),
                Ok(Some(host::Event::Announcement(announcement))) => happened(self.announced(&announcement)),
                Err(ReceiveError::Malformed(malformed)) => {
                    happened(Event::MessageMalformed { reason: malformed.to_string() });
                }
                Err(ReceiveError::Ring(error)) => {
                    happened(Event::RpmsgBroken { reason: error.to_string() });
                    self.broken = Some(error);
                }
            }
        }
        self.unfinished = true;
    }

    /// Sends from a channel's endpoint to the firmware's.
    pub(crate) fn send(
        &mut self,
        machine: &mut impl Machine,
        channel: &Channel,
        payload: &[u8],
    ) -> Result<(), SendError> {
        self.host.send(machine, channel.id.0, channel.remote, payload)
    }

    fn deliver(&self, message: &rproc_rpmsg::message::Message<'_>) -> Event {
        let (source, destination) = (message.source, message.destination);
        match self.channels.iter().find(|channel| channel.id.0 == destination) {
            Some(channel) => {
                Event::MessageReceived { channel: channel.id, source, payload: message.payload.to_vec() }
            }
            None => Event::MessageUndeliverable { source, destination, length: message.payload.len() },
        }
    }

    fn announced(&mut self, announcement: &Announcement) -> Event {
        let (name, remote) = (announcement.name.as_str(), announcement.address);
        let found = self.channels.iter().position(|channel| channel.name == name && channel.remote == remote);
        let ignored = |reason: &str| Event::AnnouncementIgnored {
            name: name.to_owned(),
            remote,
            reason: reason.to_owned(),
        };
        match (announcement.change, found) {
            (Change::Created, Some(_)) => ignored("the channel is there already"),
            (Change::Created, None) if self.channels.len() >= MAXIMUM_CHANNELS => {
                ignored("the firmware has too many channels open")
            }
            (Change::Created, None) => match self.free_address() {
                Some(id) => {
                    let channel = Channel { id, name: name.to_owned(), remote };
                    self.channels.push(channel.clone());
                    Event::ChannelAnnounced(channel)
                }
                None => ignored("all endpoint addresses were used in this run"),
            },
            (Change::Destroyed, Some(index)) => Event::ChannelWithdrawn(self.channels.remove(index)),
            (Change::Destroyed, None) => ignored("there is no such channel to withdraw"),
        }
    }

    /// Addresses are not used again, so that a late message never reaches another channel than it was meant for.
    fn free_address(&mut self) -> Option<ChannelId> {
        let id = ChannelId(self.next_address);
        self.next_address = self.next_address.checked_add(1)?;
        Some(id)
    }
}
