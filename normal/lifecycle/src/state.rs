//! The states of a remote processor and the only ways between them.

use std::fmt;

/// What a remote processor is doing (Linux `include/linux/remoteproc.h`, `enum rproc_state`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
pub enum State {
    /// Held in reset, nothing loaded.
    Offline,
    /// Running while the normal world sleeps: messages wait in the rings.
    Suspended,
    /// Running what this side loaded and started.
    Running,
    /// Reported a crash and is not recovered yet.
    Crashed,
    /// Running what somebody else started, and talking to this side.
    Attached,
    /// Running what somebody else started, without this side.
    Detached,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            State::Offline => "offline",
            State::Suspended => "suspended",
            State::Running => "running",
            State::Crashed => "crashed",
            State::Attached => "attached",
            State::Detached => "detached",
        })
    }
}

/// What can happen to a remote processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
pub enum Request {
    /// A user wants it to run.
    Boot,
    /// The last user is done with it.
    Shutdown,
    /// The last user is done with it, but it goes on.
    Detach,
    /// It reported a crash.
    Crash,
    /// It runs again after a crash.
    Recover,
    /// Recovery failed, and it was taken down.
    GiveUp,
    /// The normal world goes to sleep.
    Suspend,
    /// The normal world woke up.
    Resume,
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Request::Boot => "boot",
            Request::Shutdown => "shutdown",
            Request::Detach => "detach",
            Request::Crash => "crash report",
            Request::Recover => "recovery",
            Request::GiveUp => "giving up after a failed recovery",
            Request::Suspend => "suspend",
            Request::Resume => "resume",
        })
    }
}

/// A request that the state does not allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{request} is not possible while the processor is {state}; it is possible when it is {}", allowed(*request))]
pub struct IllegalTransition {
    /// The state the processor is in, and stays in.
    pub state: State,
    /// What was asked.
    pub request: Request,
}

const ALL: [State; 6] =
    [State::Offline, State::Suspended, State::Running, State::Crashed, State::Attached, State::Detached];

/// The states that allow a request, as text.
fn allowed(request: Request) -> String {
    let states = ALL.into_iter().filter(|state| state.after(request).is_ok());
    states.map(|state| state.to_string()).collect::<Vec<_>>().join(" or ")
}

impl State {
    /// The state that follows a request.
    ///
    /// Linux allows a crash report in every state but offline, and so does this table; a report while crashed changes
    /// nothing.
    ///
    /// # Errors
    /// The state and the request, when the one does not allow the other.
    pub fn after(self, request: Request) -> Result<State, IllegalTransition> {
        use State::{Attached, Crashed, Detached, Offline, Running, Suspended};
        Ok(match (self, request) {
            (Offline, Request::Boot) => Running,
            (Detached, Request::Boot) => Attached,
            (Running | Attached | Crashed, Request::Shutdown) => Offline,
            (Attached, Request::Detach) => Detached,
            (Suspended | Running | Crashed | Attached | Detached, Request::Crash) => Crashed,
            (Crashed, Request::Recover) => Running,
            (Crashed, Request::GiveUp) => Offline,
            (Running, Request::Suspend) => Suspended,
            (Suspended, Request::Resume) => Running,
            (state, request) => return Err(IllegalTransition { state, request }),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn illegal_requests_say_when_they_are_legal() {
        let error = State::Offline.after(Request::Shutdown).unwrap_err().to_string();
        assert_eq!(
            error,
            "shutdown is not possible while the processor is offline; \
             it is possible when it is running or crashed or attached"
        );
    }

    #[test]
    fn table_is_that_of_linux() {
        let legal: Vec<String> = ALL
            .into_iter()
            .flat_map(|state| {
                let requests = [Request::Boot, Request::Shutdown, Request::Detach, Request::Crash];
                requests.map(|request| state.after(request).map(|to| format!("{state} {request} {to}")))
            })
            .flatten()
            .collect();
        assert_eq!(
            legal,
            [
                "offline boot running",
                "suspended crash report crashed",
                "running shutdown offline",
                "running crash report crashed",
                "crashed shutdown offline",
                "crashed crash report crashed",
                "attached shutdown offline",
                "attached detach detached",
                "attached crash report crashed",
                "detached boot attached",
                "detached crash report crashed",
            ]
        );
    }
}
