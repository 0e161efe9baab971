//! One processor of a running Linux: what sysfs tells of it, and what can be done with it.

use std::fs::OpenOptions;
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use crate::linux::{cannot, is_gone, read_line};
use crate::{Errno, Error, FirmwareName, KernelLog, Linux, NotStarted, State};

/// The kernel's log for programs.
const LOG: &str = "dev/kmsg";

/// A processor that a driver has registered with Linux's remoteproc framework.
#[derive(Clone, Debug)]
pub struct Remoteproc {
    linux: Linux,
    name: String,
    folder: PathBuf,
}

/// A processor that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Started {
    /// [`State::Running`] or [`State::Attached`].
    pub state: State,
    /// What `firmware` says afterwards.
    pub firmware: String,
}

impl Remoteproc {
    pub(crate) fn new(linux: Linux, name: String, folder: PathBuf) -> Self {
        Self { linux, name, folder }
    }

    /// Its name, which its driver has given it: `m33`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its device, `remoteprocN`.
    pub fn device(&self) -> &str {
        self.folder.file_name().and_then(|name| name.to_str()).unwrap_or_default()
    }

    /// The Linux that it belongs to.
    pub fn linux(&self) -> &Linux {
        &self.linux
    }

    /// The file of one of its attributes.
    pub(crate) fn attribute(&self, attribute: &str) -> PathBuf {
        self.folder.join(attribute)
    }

    /// Its state.
    ///
    /// # Errors
    /// [`Error::Gone`], or what the system says.
    pub fn state(&self) -> Result<State, Error> {
        Ok(State::from_word(&self.read("state")?))
    }

    /// The name of the firmware file that the next start loads or the last one has loaded; `unknown` for firmware that ran before
    /// Linux.
    ///
    /// # Errors
    /// Those of [`Remoteproc::state`].
    pub fn firmware(&self) -> Result<String, Error> {
        self.read("firmware")
    }

    /// Whether it is started again after a crash: `enabled` or `disabled`; `None` in kernels that do not tell (before 5.10).
    ///
    /// # Errors
    /// Those of [`Remoteproc::state`].
    pub fn recovery(&self) -> Result<Option<String>, Error> {
        self.read_optional("recovery")
    }

    /// Whether a crash leaves a core dump: `disabled`, `enabled` or `inline`; `None` in kernels that do not tell (before 5.10).
    ///
    /// # Errors
    /// Those of [`Remoteproc::state`].
    pub fn coredump(&self) -> Result<Option<String>, Error> {
        self.read_optional("coredump")
    }

    fn read(&self, attribute: &str) -> Result<String, Error> {
        let path = self.attribute(attribute);
        read_line(&path).map_err(|error| self.cannot("read", &path, error))
    }

    fn read_optional(&self, attribute: &str) -> Result<Option<String>, Error> {
        match self.read(attribute) {
            Ok(value) => Ok(Some(value)),
            Err(Error::Io { source, .. }) if source.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A file of it that cannot be read or written: it may be gone altogether.
    pub(crate) fn cannot(&self, what: &'static str, path: &Path, error: io::Error) -> Error {
        if is_gone(&error) && !self.folder.join("name").exists() {
            return Error::Gone(self.name.clone());
        }
        cannot(what, path, error)
    }

    /// Writes an attribute. What the driver answers is the inner result; the outer one is about getting so far.
    fn write(&self, attribute: &str, value: &str) -> Result<io::Result<()>, Error> {
        let path = self.attribute(attribute);
        let file = OpenOptions::new().write(true).truncate(true).open(&path);
        let mut file = file.map_err(|error| self.cannot("write", &path, error))?;
        Ok(file.write_all(value.as_bytes()))
    }

    /// Sets the firmware file of the next start. Whether the file is there is not looked at.
    ///
    /// # Errors
    /// [`Error::CannotSet`] while it is not offline, and those of [`Remoteproc::state`].
    pub fn set_firmware(&self, name: &FirmwareName) -> Result<(), Error> {
        let state = self.state()?;
        if state != State::Offline {
            return Err(Error::CannotSet { name: self.name.clone(), state });
        }
        self.write("firmware", name.as_str())?
            .map_err(|error| self.cannot("write", &self.attribute("firmware"), error))
    }

    /// Starts the firmware that is set, or attaches to what runs already; comes back when it is done. A start that loads needs the
    /// file where Linux looks for it.
    ///
    /// # Errors
    /// [`Error::CannotStart`] in a state that does not allow it, [`Error::FirmwareMissing`], [`Error::NotStarted`] with what the
    /// driver said in the kernel's log, and those of [`Remoteproc::state`].
    pub fn start(&self) -> Result<Started, Error> {
        let state = self.state()?;
        if !state.can_start() {
            return Err(Error::CannotStart { name: self.name.clone(), state });
        }
        let firmware = self.firmware()?;
        if state == State::Offline {
            self.linux.firmware_folders().require(&FirmwareName::new(&firmware)?)?;
        }
        let mut log = KernelLog::from_now(&self.linux.path(LOG));
        let answer = self.write("state", "start")?;
        let state = self.state().ok();
        if answer.is_ok()
            && let Some(state) = state.clone().filter(State::is_up)
        {
            return Ok(Started { state, firmware: self.firmware().unwrap_or(firmware) });
        }
        let (said, deaf) = match log.as_mut().map(KernelLog::read) {
            Ok(Ok(records)) => (NotStarted::told(&records, self.device()), None),
            Ok(Err(error)) => (Vec::new(), Some(error)),
            Err(_) => (Vec::new(), log.err()),
        };
        let errno = answer.err().map(|error| Errno::of(&error).unwrap_or(Errno::IO));
        let name = self.name.clone();
        Err(Error::NotStarted(Box::new(NotStarted { name, firmware, errno, state, said, deaf })))
    }

    /// Stops it; comes back when it is done.
    ///
    /// # Errors
    /// [`Error::CannotStop`] in a state that does not allow it, [`Error::NotStopped`], [`Error::StillUp`] and those of
    /// [`Remoteproc::state`].
    pub fn stop(&self) -> Result<(), Error> {
        let state = self.state()?;
        let name = || self.name.clone();
        if !state.can_stop() {
            return Err(Error::CannotStop { name: name(), state });
        }
        if let Err(error) = self.write("state", "stop")? {
            return Err(Error::NotStopped { name: name(), errno: Errno::of(&error).unwrap_or(Errno::IO) });
        }
        match self.state()? {
            // What ran before Linux may be left running.
            State::Offline | State::Detached => Ok(()),
            state => Err(Error::StillUp { name: name(), state }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Tree;

    fn m33(tree: &Tree, state: &str) -> Remoteproc {
        tree.remoteproc(0, "m33", state);
        tree.write("dev/kmsg", "");
        tree.linux().find("m33").unwrap()
    }

    #[test]
    fn attributes_are_read_and_those_of_newer_kernels_may_be_missing() {
        let tree = Tree::new();
        let m33 = m33(&tree, "running");
        assert_eq!(
            (m33.state().unwrap(), m33.firmware().unwrap()),
            (State::Running, "app.signed".to_owned())
        );
        assert_eq!(
            (m33.recovery().unwrap().as_deref(), m33.coredump().unwrap().as_deref()),
            (Some("enabled"), Some("disabled"))
        );
        std::fs::remove_file(m33.attribute("coredump")).unwrap();
        assert_eq!(m33.coredump().unwrap(), None);
    }

    #[test]
    fn a_processor_that_went_is_gone() {
        let tree = Tree::new();
        let m33 = m33(&tree, "running");
        std::fs::remove_file(tree.path("sys/class/remoteproc/remoteproc0")).unwrap();
        for error in [m33.state().unwrap_err(), m33.coredump().unwrap_err(), m33.stop().unwrap_err()] {
            assert!(matches!(error, Error::Gone(_)), "{error}");
        }
    }

    #[test]
    fn the_state_and_the_file_are_looked_at_before_anything_is_written() {
        let tree = Tree::new();
        for (number, state) in
            ["running", "attached", "crashed", "suspended", "deleted", "invalid"].into_iter().enumerate()
        {
            tree.remoteproc(number as u32, state, state);
            let one = tree.linux().find(state).unwrap();
            assert!(matches!(one.start(), Err(Error::CannotStart { .. })), "{state}");
            let name = FirmwareName::new("other").unwrap();
            assert!(matches!(one.set_firmware(&name), Err(Error::CannotSet { .. })), "{state}");
            assert_eq!(one.state().unwrap().word(), state);
        }
        tree.remoteproc(9, "m33", "offline");
        let m33 = tree.linux().find("m33").unwrap();
        let missing = m33.start().unwrap_err();
        assert!(matches!(&missing, Error::FirmwareMissing { name, .. } if name == "app.signed"), "{missing}");
        assert!(matches!(m33.stop(), Err(Error::CannotStop { state: State::Offline, .. })));
        m33.set_firmware(&FirmwareName::new("other").unwrap()).unwrap();
        assert_eq!(m33.firmware().unwrap(), "other");
    }

    /// A file takes any word, so afterwards the state is one that no kernel has: neither started nor stopped.
    #[test]
    fn a_command_without_effect_is_no_success() {
        let tree = Tree::new();
        tree.write("lib/firmware/app.signed", "x");
        let m33 = m33(&tree, "offline");
        let Error::NotStarted(failed) = m33.start().unwrap_err() else { panic!() };
        assert_eq!((failed.errno, failed.state), (None, Some(State::Other("start".to_owned()))));
        tree.write("sys/class/remoteproc/remoteproc0/state", "running\n");
        assert!(matches!(m33.stop(), Err(Error::StillUp { .. })));
        // What runs already is attached to without a file.
        std::fs::remove_file(tree.path("lib/firmware/app.signed")).unwrap();
        tree.write("sys/class/remoteproc/remoteproc0/state", "detached\n");
        assert!(matches!(m33.start(), Err(Error::NotStarted(_))));
    }
}
