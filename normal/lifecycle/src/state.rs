//! The states of a remote processor and the only ways between them.

use std::fmt;

/// What a remote processor is doing (Linux `include/linux/remoteproc.h`, `enum rproc_state`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
pub enum State {
    /// Held in reset, nothing loaded.
    Offline,
    /// Running while the normal world sleeps: messages wait in the rings, or wake it.
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

impl State {
    /// Every state.
    pub const ALL: [State; 6] =
        [State::Offline, State::Suspended, State::Running, State::Crashed, State::Attached, State::Detached];
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

impl Request {
    /// Every request, those that a person makes first.
    pub const ALL: [Request; 8] = [
        Request::Boot,
        Request::Shutdown,
        Request::Detach,
        Request::Suspend,
        Request::Resume,
        Request::Recover,
        Request::Crash,
        Request::GiveUp,
    ];

    /// What a person does to make it, as an imperative; nothing for what only happens.
    fn imperative(self) -> Option<&'static str> {
        match self {
            Request::Boot => Some("boot it"),
            Request::Shutdown => Some("shut it down"),
            Request::Detach => Some("detach it"),
            Request::Suspend => Some("suspend it"),
            Request::Resume => Some("resume it"),
            Request::Recover => Some("recover it"),
            Request::Crash | Request::GiveUp => None,
        }
    }
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
#[error(
    "{request} is not possible while the processor is {state}; it is possible when it is {}; {}",
    allowed(*request), self.next_step()
)]
pub struct IllegalTransition {
    /// The state the processor is in, and stays in.
    pub state: State,
    /// What was asked.
    pub request: Request,
}

impl IllegalTransition {
    /// What to do instead, as an imperative or the reason why nothing has to be done.
    #[must_use]
    pub fn next_step(&self) -> String {
        let IllegalTransition { state, request } = *self;
        if request == Request::Resume {
            return "it is not asleep".to_owned();
        }
        if State::ALL.into_iter().any(|from| from.after(request) == Ok(state)) {
            return format!("it is {state} already");
        }
        // One request that leads to where this one is legal. No state needs more than one, or none does.
        let step = Request::ALL.into_iter().find_map(|step| {
            let leads = state.after(step).is_ok_and(|then| then.after(request).is_ok());
            step.imperative().filter(|_| leads)
        });
        match (step, request) {
            (Some(step), _) => format!("{step} first"),
            (None, Request::Detach) => {
                "only a processor that this side attached to can be detached".to_owned()
            }
            (None, _) => "there is nothing to recover from".to_owned(),
        }
    }
}

/// The states that allow a request, as text.
fn allowed(request: Request) -> String {
    let states = State::ALL.into_iter().filter(|state| state.after(request).is_ok());
    states.map(|state| state.to_string()).collect::<Vec<_>>().join(" or ")
}

impl State {
    /// The state that follows a request.
    ///
    /// Linux allows a crash report in every state but offline, and so does this table; a report while crashed changes
    /// nothing. Suspend and resume are this table's own: Linux has the state and no core code that enters it. A processor
    /// that was attached when the normal world went to sleep is attached again after [`Request::Resume`].
    ///
    /// # Errors
    /// The state and the request, when the one does not allow the other.
    pub fn after(self, request: Request) -> Result<State, IllegalTransition> {
        use State::{Attached, Crashed, Detached, Offline, Running, Suspended};
        Ok(match (self, request) {
            // One more user: only counted.
            (Running | Offline, Request::Boot) => Running,
            (Attached | Detached, Request::Boot) => Attached,
            (Running | Attached | Crashed, Request::Shutdown) => Offline,
            (Attached, Request::Detach) => Detached,
            (Suspended | Running | Crashed | Attached | Detached, Request::Crash) => Crashed,
            (Crashed, Request::Recover) => Running,
            (Crashed, Request::GiveUp) => Offline,
            (Running | Attached, Request::Suspend) => Suspended,
            (Suspended, Request::Resume) => Running,
            (state, request) => return Err(IllegalTransition { state, request }),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(state: State, request: Request) -> String {
        state.after(request).unwrap_err().to_string()
    }

    #[test]
    fn illegal_requests_say_when_they_are_legal_and_what_to_do() {
        assert_eq!(
            refusal(State::Offline, Request::Shutdown),
            "shutdown is not possible while the processor is offline; \
             it is possible when it is running or crashed or attached; it is offline already"
        );
        for (state, request, step) in [
            (State::Suspended, Request::Shutdown, "resume it first"),
            (State::Suspended, Request::Boot, "resume it first"),
            (State::Suspended, Request::Suspend, "it is suspended already"),
            (State::Crashed, Request::Boot, "shut it down first"),
            (State::Crashed, Request::Suspend, "recover it first"),
            (State::Offline, Request::Suspend, "boot it first"),
            (State::Detached, Request::Shutdown, "boot it first"),
            (State::Detached, Request::Detach, "it is detached already"),
            (State::Running, Request::Detach, "only a processor that this side attached to can be detached"),
            (State::Running, Request::Recover, "it is running already"),
            (State::Attached, Request::Resume, "it is not asleep"),
            (State::Crashed, Request::Resume, "it is not asleep"),
            (State::Offline, Request::Recover, "there is nothing to recover from"),
        ] {
            let told = refusal(state, request);
            assert!(told.ends_with(&format!("; {step}")), "{state}, {request}: {told}");
        }
    }

    #[test]
    fn table_is_that_of_linux() {
        let legal: Vec<String> = State::ALL
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
                "running boot running",
                "running shutdown offline",
                "running crash report crashed",
                "crashed shutdown offline",
                "crashed crash report crashed",
                "attached boot attached",
                "attached shutdown offline",
                "attached detach detached",
                "attached crash report crashed",
                "detached boot attached",
                "detached crash report crashed",
            ]
        );
    }
}
