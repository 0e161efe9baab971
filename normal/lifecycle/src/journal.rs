//! Passes events to whoever observes, and keeps them until the next poll.

use std::collections::VecDeque;
use std::time::Duration;

use crate::event::Event;

/// Events kept for a poll that may never come; beyond it the oldest are dropped.
pub const MAXIMUM_KEPT_EVENTS: usize = 65_536;

/// Called with every event and the machine's time.
pub(crate) type Observer = Box<dyn FnMut(Duration, &Event)>;

/// The events of one processor.
#[derive(Default)]
pub(crate) struct Journal {
    observer: Option<Observer>,
    kept: VecDeque<Event>,
}

impl Journal {
    pub(crate) fn observe(&mut self, observer: Observer) {
        self.observer = Some(observer);
    }

    /// Takes an event that happened at a machine's time.
    pub(crate) fn record(&mut self, at: Duration, event: Event) {
        if let Some(observer) = &mut self.observer {
            observer(at, &event);
        }
        if self.kept.len() >= MAXIMUM_KEPT_EVENTS {
            self.kept.pop_front();
        }
        self.kept.push_back(event);
    }

    /// A sink for what happens at one moment.
    pub(crate) fn at(&mut self, now: Duration) -> impl FnMut(Event) + '_ {
        move |event| self.record(now, event)
    }

    /// What was kept.
    pub(crate) fn take(&mut self) -> Vec<Event> {
        self.kept.drain(..).collect()
    }
}
