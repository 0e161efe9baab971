//! The agents, and what each may change.

/// An agent: a channel of the service is one agent's, so that nobody speaks for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agent {
    /// Its name, at most 15 characters.
    pub name: &'static str,
}

/// Something that an agent may want to change, by its SCMI number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Resource {
    /// A clock.
    Clock(u32),
    /// A reset domain.
    Reset(u32),
    /// A power domain.
    Power(u32),
}

/// Who may change what. Looking is allowed to all.
pub trait Rights {
    /// Whether the agent on this channel may change it.
    fn may_change(&self, channel: u32, resource: Resource) -> bool;
}

impl<F: Fn(u32, Resource) -> bool> Rights for F {
    fn may_change(&self, channel: u32, resource: Resource) -> bool {
        self(channel, resource)
    }
}
