//! The boot for a person, and the same boot with what it offers done.

use anyhow::Result;
use std::time::Duration;

use super::driver::updates;
use super::suites::{EARLY, PLAIN, Plan, Planned, minutes};
use super::tree::{THREAD, Tree};
use crate::repository;

/// The script that is offered, in the guest and in the repository.
const SCRIPT: &str = "by-hand.sh";
const SCRIPT_SOURCE: &str = "system/guest/by-hand.sh";
/// Where Linux looks for firmware.
const FIRMWARE: &str = "usr/lib/firmware";

impl Plan<'_> {
    /// Our TA early, everything at hand.
    pub fn shell(&self) -> Result<Planned> {
        let mut planned =
            self.at_hand("shell", &[], &format!("rproc tee list\necho 'sh -x /{SCRIPT} goes through it'"))?;
        planned.extra.shell = true;
        Ok(Planned { limit: Duration::MAX, starts: 0, ..planned })
    }

    /// What that boot offers, done.
    pub(super) fn by_hand(&self) -> Result<Planned> {
        self.at_hand("by-hand", &["by-hand"], &format!("rproc-guest run by-hand /{SCRIPT}"))
    }

    /// With the driver installed, RPMsg's drivers beside it, and firmware where Linux looks for it.
    fn at_hand(&self, name: &'static str, suites: &'static [&'static str], script: &str) -> Result<Planned> {
        let ta = self.builder.ta(&EARLY)?;
        let flash = self.flash("early", "", &PLAIN, Some(&ta))?;
        let mut extra = self.extra(&[("firmware", &self.images.firmware)], None, script)?;
        extra.package = Some(self.builder.driver_package()?);
        extra.files.push((SCRIPT.to_owned(), repository().join(SCRIPT_SOURCE)));
        let modules = updates(&self.builder.packages.linux_release()?);
        for (folder, source) in
            [(modules.as_str(), &self.builder.rpmsg()?), (FIRMWARE, &self.images.firmware)]
        {
            for entry in std::fs::read_dir(source)? {
                let entry = entry?;
                extra.files.push((format!("{folder}/{}", entry.file_name().to_string_lossy()), entry.path()));
            }
        }
        Ok(Planned {
            name,
            flash,
            extra,
            suites,
            limit: minutes(2),
            board: true,
            messages: true,
            tree: Tree { mailboxes: true, ..Tree::new(&THREAD) },
            starts: 2,
        })
    }
}
