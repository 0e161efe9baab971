//! The states of a processor, as `state` in sysfs names them.

use std::fmt;

/// What a processor does (`enum rproc_state` and `rproc_state_string` of Linux's `drivers/remoteproc`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It runs nothing.
    Offline,
    /// It sleeps with the system.
    Suspended,
    /// It runs what Linux has started.
    Running,
    /// It has crashed, and was not recovered yet.
    Crashed,
    /// Its driver takes it away.
    Deleted,
    /// It runs what somebody before Linux has started, and Linux talks to it.
    Attached,
    /// It runs what somebody before Linux has started, and Linux leaves it alone.
    Detached,
    /// A number that this kernel has no word for.
    Invalid,
    /// A word that is not known here.
    Other(String),
}

impl State {
    /// From the word in sysfs.
    pub fn from_word(word: &str) -> Self {
        match word {
            "offline" => Self::Offline,
            "suspended" => Self::Suspended,
            "running" => Self::Running,
            "crashed" => Self::Crashed,
            "deleted" => Self::Deleted,
            "attached" => Self::Attached,
            "detached" => Self::Detached,
            "invalid" => Self::Invalid,
            other => Self::Other(other.to_owned()),
        }
    }

    /// The word in sysfs.
    pub fn word(&self) -> &str {
        match self {
            Self::Offline => "offline",
            Self::Suspended => "suspended",
            Self::Running => "running",
            Self::Crashed => "crashed",
            Self::Deleted => "deleted",
            Self::Attached => "attached",
            Self::Detached => "detached",
            Self::Invalid => "invalid",
            Self::Other(word) => word,
        }
    }

    /// Whether firmware runs that Linux has a hand on.
    pub fn is_up(&self) -> bool {
        matches!(self, Self::Running | Self::Attached)
    }

    /// Whether `start` can do something: boot the firmware, or attach to what runs.
    pub fn can_start(&self) -> bool {
        matches!(self, Self::Offline | Self::Detached)
    }

    /// Whether `stop` can do something (`rproc_shutdown`).
    pub fn can_stop(&self) -> bool {
        matches!(self, Self::Running | Self::Attached | Self::Crashed)
    }

    /// What a person does with a processor that cannot be started in this state.
    pub(crate) fn before_start(&self) -> &'static str {
        match self {
            Self::Running | Self::Attached => "stop it first, with `rproc stop`",
            Self::Crashed => {
                "while its recovery is enabled Linux starts it again by itself; otherwise stop it first, with `rproc stop`"
            }
            Self::Suspended => "it goes on when the system wakes",
            Self::Deleted => "insert its driver again: modprobe rproc_tee",
            Self::Offline | Self::Detached | Self::Invalid | Self::Other(_) => {
                "`dmesg | grep remoteproc` may say more"
            }
        }
    }

    /// What a person does with a processor that cannot be stopped in this state.
    pub(crate) fn before_stop(&self) -> &'static str {
        match self {
            Self::Offline => "nothing is to be done",
            Self::Detached => "attach to it first, with `rproc start`",
            other => other.before_start(),
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_of_the_kernel_is_its_state_and_back() {
        // In the order of `enum rproc_state`: whether it can be started, and stopped.
        let words = [
            ("offline", true, false),
            ("suspended", false, false),
            ("running", false, true),
            ("crashed", false, true),
            ("deleted", false, false),
            ("attached", false, true),
            ("detached", true, false),
            ("invalid", false, false),
        ];
        for (word, start, stop) in words {
            let state = State::from_word(word);
            assert!(!matches!(state, State::Other(_)), "{word}");
            assert_eq!((state.word(), state.can_start(), state.can_stop()), (word, start, stop));
        }
        assert_eq!(State::from_word("dreaming"), State::Other("dreaming".to_owned()));
    }
}
