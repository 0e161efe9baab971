//! The clocks of Linux on a virtual board: what its own drivers claim, and the pass over unused ones at the end of its boot.

use std::rc::Rc;

use rproc_clocks::{ClockRef, Unused, stm32mp25};
use rproc_devicetree::Model;

use super::node::Node;
use super::{Ground, Moment, SystemError};
use crate::bus::Initiator;
use crate::clocks::LinuxClocks;
use crate::description::{Description, Family};

impl Ground {
    /// The clocks that Linux has, asked for once.
    pub(super) fn clocks(
        &mut self,
        board: &Description,
        consumer: &str,
    ) -> Result<Rc<LinuxClocks>, SystemError> {
        if let Some(clocks) = &self.clocks {
            return Ok(clocks.clone());
        }
        let linux = self.board.get().port(Initiator::A35NonSecure);
        let clocks = LinuxClocks::new(self.tee.clone(), linux, board.registers.rcc);
        let clocks = clocks.map_err(|error| refused(consumer, &error))?;
        Ok(self.clocks.insert(Rc::new(clocks)).clone())
    }

    /// Claims what Linux's own drivers run from: the mailbox of each processor that is driven, whose channels are in use from now
    /// on (`stm32_ipcc_startup`), and the hardware semaphores.
    ///
    /// Only an STM32MP25's RCC is known as a provider of clocks, and a TEE without SCMI leaves the clocks as it has set them.
    pub(super) fn claim_for_drivers(&mut self, linux: &Model, nodes: &[Node<'_>]) -> Result<(), SystemError> {
        let bus = self.board.get().bus().clone();
        if bus.description().family != Family::Stm32mp25 {
            return Ok(());
        }
        let used = |path: &str| {
            let mut mailboxes = nodes.iter().flat_map(|node| node.processor.mailboxes.values());
            mailboxes.any(|mailbox| mailbox.controller == path)
        };
        let mailboxes = linux.mailbox_controllers.iter().filter(|one| used(&one.path));
        let mailboxes = mailboxes.map(|one| (&one.path, &one.clocks));
        for (path, clocks) in mailboxes.chain(linux.semaphores.iter().map(|one| (&one.path, &one.clocks))) {
            let known = self.clocks(bus.description(), path)?;
            let found: Vec<ClockRef> = clocks.iter().filter_map(|clock| known.find(clock)).collect();
            let claim = known.clocks.claim(path, &found);
            self.claims.push(claim.map_err(|error| refused(path, &error))?);
        }
        Ok(())
    }

    /// Late in its boot Linux switches off what runs and nobody has claimed (`clk_disable_unused`). Bits of the Cortex-M0+'s own
    /// register are none of Linux's clocks: the firewall gives them to the secure world.
    pub(super) fn disable_unused_clocks(&mut self) {
        let Some(clocks) = &self.clocks else { return };
        let rcc = clocks.rcc;
        let foreign = |clock: ClockRef| clock.provider == rcc && stm32mp25::is_of_the_m0(clock.number);
        let Unused { off, errors } = clocks.clocks.disable_unused_except(foreign);
        let moment = Moment::UnusedClocks {
            off: off.into_iter().map(|(_, name)| name).collect(),
            errors: errors.iter().map(ToString::to_string).collect(),
        };
        self.timeline.borrow_mut().push(None, moment);
    }
}

fn refused(consumer: &str, error: &impl ToString) -> SystemError {
    SystemError::Clocks { processor: consumer.to_owned(), reason: error.to_string() }
}
