//! Linux as a whole goes to sleep and wakes up: all processors that run, or none.

use rproc_lifecycle::State;

use super::{System, SystemError};

impl System {
    /// Linux goes to sleep. Every processor that runs is suspended, in its power domain `sleep` where it has one; those that are
    /// off, detached or crashed stay as they are. Time passes in [`System::wait`], which returns what wakes Linux. Nothing
    /// happens to a Linux that sleeps already.
    ///
    /// # Errors
    /// [`SystemError::Awake`]: a processor would not be suspended. Linux is awake then, and so is every processor.
    pub fn suspend(&mut self) -> Result<(), SystemError> {
        if self.is_asleep() {
            return Ok(());
        }
        let mut asleep = Vec::new();
        for (place, processor) in self.processors.iter_mut().enumerate() {
            if !matches!(processor.state(), State::Running | State::Attached) {
                continue;
            }
            if let Err(error) = processor.suspend() {
                let (processor, reason) = (processor.description().name.clone(), error.to_string());
                self.resume()?;
                return Err(SystemError::Awake { processor, reason });
            }
            asleep.push(place);
        }
        self.asleep = Some(asleep);
        Ok(())
    }

    /// Linux wakes up, and with it every processor that was suspended; the next wait takes what they have done meanwhile.
    ///
    /// # Errors
    /// [`SystemError::StillSuspended`] for the first that cannot be resumed; the others are.
    pub fn resume(&mut self) -> Result<(), SystemError> {
        self.asleep = None;
        let mut first = Ok(());
        for processor in &mut self.processors {
            if processor.state() != State::Suspended {
                continue;
            }
            if let Err(error) = processor.resume()
                && first.is_ok()
            {
                let (processor, reason) = (processor.description().name.clone(), error.to_string());
                first = Err(SystemError::StillSuspended { processor, reason });
            }
        }
        first
    }

    /// Whether Linux sleeps.
    pub fn is_asleep(&self) -> bool {
        self.asleep.is_some()
    }

    /// Wakes the other processors when one has woken Linux. Whether it did.
    pub(super) fn wake_with_the_first(&mut self) -> bool {
        let woken = |place: &usize| {
            self.processors.get(*place).is_some_and(|processor| processor.state() != State::Suspended)
        };
        if !self.asleep.as_ref().is_some_and(|asleep| asleep.iter().any(woken)) {
            return false;
        }
        self.asleep = None;
        for processor in &mut self.processors {
            if processor.state() == State::Suspended {
                processor.wake();
            }
        }
        true
    }
}
