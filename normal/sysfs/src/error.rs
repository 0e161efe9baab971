//! What stands in the way of a command, and what to do about it.

use std::fmt;
use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::{Errno, Record, State};

/// A processor that Linux was told to start and that does not run.
#[derive(Debug)]
pub struct NotStarted {
    /// Its name.
    pub name: String,
    /// The firmware's name.
    pub firmware: String,
    /// With what Linux answered; `None` when it took the command and the processor does not run all the same.
    pub errno: Option<Errno>,
    /// Its state afterwards, where it could be read.
    pub state: Option<State>,
    /// What the kernel's log says of this processor since the command, oldest first, without the words `remoteproc remoteprocN: `.
    /// Warnings and worse, or everything where none is.
    pub said: Vec<String>,
    /// Why the kernel's log could not be read.
    pub deaf: Option<io::Error>,
}

impl NotStarted {
    /// The lines of the log that are about `remoteprocN`.
    pub(crate) fn told(records: &[Record], remoteproc: &str) -> Vec<String> {
        let about = |warnings: bool| {
            let counting = records.iter().filter(|record| record.is_warning() || !warnings);
            counting.filter_map(|record| record.about(remoteproc)).map(str::to_owned).collect::<Vec<_>>()
        };
        let warnings = about(true);
        if warnings.is_empty() { about(false) } else { warnings }
    }
}

impl fmt::Display for NotStarted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.errno, &self.state) {
            (Some(errno), _) => write!(f, "{} cannot be started with {}: {errno}", self.name, self.firmware),
            (None, Some(state)) => {
                write!(f, "Linux took the command, and {} is {state} all the same", self.name)
            }
            (None, None) => write!(f, "Linux took the command, and {} is gone", self.name),
        }
    }
}

/// Why something cannot be done. [`Error::remedy`] says what to do about it.
#[derive(Debug, Error)]
pub enum Error {
    /// Linux has no remoteproc framework.
    #[error("this Linux has no {}, so it knows no remote processor", .0.display())]
    NoClass(PathBuf),
    /// The framework is there, and no driver has registered a processor.
    #[error("this Linux has no remote processor")]
    NoProcessor,
    /// No processor has this name.
    #[error("no processor is called {name:?}; there are: {}", there.join(", "))]
    Unknown {
        /// The name.
        name: String,
        /// The others, with their devices.
        there: Vec<String>,
    },
    /// Several processors have this name.
    #[error("{} processors are called {name:?}: {}", devices.len(), devices.join(", "))]
    Ambiguous {
        /// The name.
        name: String,
        /// Their devices, `remoteprocN`.
        devices: Vec<String>,
    },
    /// The processor went while something was done with it.
    #[error("{0} is gone")]
    Gone(String),
    /// This process may not.
    #[error("this process may not {what} {}", path.display())]
    Denied {
        /// `read` or `write`.
        what: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// A file of the kernel's cannot be read or written.
    #[error("cannot {what} {}", path.display())]
    Io {
        /// `read` or `write`.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The state allows no start.
    #[error("{name} cannot be started: it is {state}")]
    CannotStart {
        /// Its name.
        name: String,
        /// Its state.
        state: State,
    },
    /// The state allows no stop.
    #[error("{name} cannot be stopped: it is {state}")]
    CannotStop {
        /// Its name.
        name: String,
        /// Its state.
        state: State,
    },
    /// The state allows no other firmware.
    #[error("{name} cannot be given other firmware: it is {state}")]
    CannotSet {
        /// Its name.
        name: String,
        /// Its state.
        state: State,
    },
    /// A start that came to nothing.
    #[error("{0}")]
    NotStarted(Box<NotStarted>),
    /// Linux did not stop it.
    #[error("{name} was not stopped: {errno}")]
    NotStopped {
        /// Its name.
        name: String,
        /// With what Linux answered.
        errno: Errno,
    },
    /// Linux took the command to stop it, and it is not offline.
    #[error("Linux took the command, and {name} is {state} all the same")]
    StillUp {
        /// Its name.
        name: String,
        /// Its state.
        state: State,
    },
    /// A name that the kernel does not take for a firmware file's.
    #[error("{name:?} cannot be a firmware file's name: {problem}")]
    FirmwareName {
        /// The name.
        name: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The kernel would not find the file.
    #[error("there is no firmware file {name} where Linux looks: {}", list(folders))]
    FirmwareMissing {
        /// The name.
        name: String,
        /// Where the kernel looks, in its order.
        folders: Vec<PathBuf>,
    },
    /// The file has no bytes.
    #[error("the firmware file {} is empty", .0.display())]
    FirmwareEmpty(PathBuf),
    /// The file is there, outside the folders where the kernel looks.
    #[error("{} is not where Linux looks for firmware: {}", file.display(), list(folders))]
    FirmwareOutside {
        /// The file.
        file: PathBuf,
        /// Where the kernel looks, in its order.
        folders: Vec<PathBuf>,
    },
    /// The file is in one of the folders, and another one of the same name is found before it.
    #[error("Linux would not take {}, but {}, which it finds first", file.display(), first.display())]
    FirmwareShadowed {
        /// The file.
        file: PathBuf,
        /// The one that the kernel takes.
        first: PathBuf,
    },
    /// debugfs is not there.
    #[error("debugfs is not mounted at {}", .0.display())]
    NoDebugfs(PathBuf),
    /// The kernel shows no debug files of its processors.
    #[error("this kernel shows nothing of {name} in debugfs: there is no {}", path.display())]
    NotInDebugfs {
        /// The processor's name.
        name: String,
        /// The folder.
        path: PathBuf,
    },
    /// There is no trace.
    #[error("there is no trace of {name}: it is {state}")]
    NoTrace {
        /// The processor's name.
        name: String,
        /// Its state.
        state: State,
    },
    /// The kernel keeps no core dumps at all.
    #[error("this Linux keeps no core dumps of devices: {0}")]
    NoDumps(&'static str),
    /// There is no dump of the processor.
    #[error("there is no core dump of {name}")]
    NoDump {
        /// The processor's name.
        name: String,
        /// What its `coredump` says, where it has one.
        setting: Option<String>,
        /// The file of this setting.
        path: PathBuf,
    },
}

fn list(folders: &[PathBuf]) -> String {
    folders.iter().map(|folder| folder.display().to_string()).collect::<Vec<_>>().join(", ")
}

/// What to do where the framework or a driver is missing.
const LOAD_DRIVER: &str = "on the target, load the processors' driver (modprobe rproc_tee); `rproc doctor` says what they wait for; \
                           without a target, `rproc run` boots firmware on a virtual board";

impl Error {
    /// What to do about it.
    pub fn remedy(&self) -> String {
        match self {
            Self::NoClass(_) | Self::NoProcessor => LOAD_DRIVER.to_owned(),
            Self::Unknown { .. } => "give one of these, as `rproc list` shows them".to_owned(),
            Self::Ambiguous { .. } => "give one of these instead of the name".to_owned(),
            Self::Gone(_) => "its driver was removed, or the TEE's service went: `rproc doctor` says what is missing".to_owned(),
            Self::Denied { .. } => "run it as root: sudo rproc …".to_owned(),
            Self::Io { source, .. } => match Errno::of(source) {
                Some(errno) => format!("the kernel says: {errno}; `dmesg` may say more"),
                None => "`dmesg` may say more".to_owned(),
            },
            Self::CannotStart { state, .. } => state.before_start().to_owned(),
            Self::CannotStop { state, .. } => state.before_stop().to_owned(),
            Self::CannotSet { .. } => "stop it first, with `rproc stop`".to_owned(),
            Self::NotStarted(failed) => failed.remedy(),
            Self::NotStopped { .. } => "`dmesg | grep remoteproc` may say more".to_owned(),
            Self::StillUp { .. } => {
                "it was started more than once, as by two commands at the same time or during a recovery: stop it once more; else another \
                 driver of the kernel needs it, or it came up again: `dmesg | grep remoteproc` may say more"
                    .to_owned()
            }
            Self::FirmwareName { .. } => "give a name below /lib/firmware, such as app.signed".to_owned(),
            Self::FirmwareMissing { name, folders } => {
                let folder = folders.last().map_or_else(String::new, |folder| folder.display().to_string());
                format!("copy the file to {folder}/{name}")
            }
            Self::FirmwareEmpty(_) => "copy it again: what wrote it may have failed, or its disk was full".to_owned(),
            Self::FirmwareOutside { file, folders } => outside(file, folders),
            Self::FirmwareShadowed { first, .. } => format!("remove {}, or give the file another name", first.display()),
            Self::NoDebugfs(path) => format!("mount it: mount -t debugfs debugfs {}", path.display()),
            Self::NotInDebugfs { .. } => "the kernel needs CONFIG_DEBUG_FS, or was locked down (debugfs=off)".to_owned(),
            Self::NoTrace { state, .. } if state.is_up() => {
                "its firmware has no trace buffer: give it one, as an entry of type RSC_TRACE in its resource table".to_owned()
            }
            Self::NoTrace { .. } => "a trace is there while the firmware runs: start it with `rproc start`".to_owned(),
            Self::NoDumps(_) => "the kernel needs CONFIG_DEV_COREDUMP, and nobody may have written 1 to \
                                 /sys/class/devcoredump/disabled since it booted"
                .to_owned(),
            Self::NoDump { setting, path, .. } => no_dump(setting.as_deref(), path),
        }
    }
}

/// What to do with a file that the kernel does not look at.
fn outside(file: &std::path::Path, folders: &[PathBuf]) -> String {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let folder = folders.last().map_or_else(String::new, |folder| folder.display().to_string());
    let own = file.parent().unwrap_or(file).display();
    format!(
        "copy it there (cp {} {folder}/), or have Linux look there first (echo -n {own} > /sys/module/firmware_class/parameters/path), \
         and give its name, {name}",
        file.display()
    )
}

/// Why there may be no dump.
fn no_dump(setting: Option<&str>, path: &std::path::Path) -> String {
    match setting {
        Some("disabled") => {
            format!("dumps of it are disabled; before its next crash: echo enabled > {}", path.display())
        }
        Some(_) => "it has not crashed since the last dump was taken, or Linux has discarded a dump that nobody took for five minutes"
            .to_owned(),
        None => "this kernel has no setting for core dumps: it makes them where the driver does".to_owned(),
    }
}

impl NotStarted {
    fn remedy(&self) -> String {
        if let Some(error) = &self.deaf {
            return format!(
                "`dmesg | grep remoteproc` may say why; the kernel's log could not be read here: {error}"
            );
        }
        match self.state {
            // The core counts its users, and a failed recovery leaves it counted (`rproc_boot`, `rproc_trigger_recovery`).
            Some(State::Offline) if self.errno.is_none() => {
                "after a recovery that failed Linux takes it for started: remove its driver and insert it again (rmmod rproc_tee)"
                    .to_owned()
            }
            _ if self.said.is_empty() => "the kernel's log says nothing of it; the secure world's may".to_owned(),
            _ => "`dmesg` and the secure world's log may say more".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(level: u32, text: &str) -> Record {
        Record { level, text: format!("remoteproc remoteproc0: {text}"), device: None }
    }

    #[test]
    fn what_is_told_are_the_warnings_of_this_processor() {
        let other = Record { level: 3, text: "remoteproc remoteproc1: not mine".to_owned(), device: None };
        let mut log = vec![record(6, "powering up m33"), record(3, "it is refused"), other];
        assert_eq!(NotStarted::told(&log, "remoteproc0"), ["it is refused"]);
        log.remove(1);
        assert_eq!(NotStarted::told(&log, "remoteproc0"), ["powering up m33"]);
    }

    #[test]
    fn a_file_elsewhere_is_told_where_to_go() {
        let error = Error::FirmwareOutside {
            file: "/home/me/app.signed".into(),
            folders: vec!["/lib/firmware/updates".into(), "/lib/firmware".into()],
        };
        assert!(error.to_string().ends_with("/lib/firmware/updates, /lib/firmware"), "{error}");
        let remedy = error.remedy();
        assert!(remedy.contains("cp /home/me/app.signed /lib/firmware/)"), "{remedy}");
        assert!(remedy.contains("echo -n /home/me > ") && remedy.ends_with("app.signed"), "{remedy}");
    }

    #[test]
    fn the_setting_decides_what_is_said_of_a_missing_dump() {
        let error = |setting: &str| Error::NoDump {
            name: "m33".to_owned(),
            setting: Some(setting.to_owned()),
            path: "/sys/class/remoteproc/remoteproc0/coredump".into(),
        };
        assert!(
            error("disabled").remedy().ends_with("echo enabled > /sys/class/remoteproc/remoteproc0/coredump")
        );
        assert!(error("enabled").remedy().contains("five minutes"));
    }
}
