//! What Linux and its drivers refuse, in words and with what to do.

use rproc_abi::refusal::Reason;
use rproc_sysfs::{Errno, Error, NotStarted};

use crate::failure::{Failure, Refused};

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        if let Error::NotStarted(failed) = &error
            && let Some(refused) = refused(failed)
        {
            return Self::Refused(refused);
        }
        let help = error.remedy();
        let error = match &error {
            Error::NotStarted(failed) if !failed.said.is_empty() => {
                let said: String = failed.said.iter().map(|line| format!("\n  {line}")).collect();
                anyhow::anyhow!("{error}; the kernel's log says of it:{said}")
            }
            _ => anyhow::Error::new(error),
        };
        Self::Trouble { error, help: Some(help) }
    }
}

/// A start that the TEE's service refused: Linux's driver has put its reason into the kernel's log, or answers with an errno that
/// says so.
fn refused(failed: &NotStarted) -> Option<Refused> {
    let told = failed.said.iter().find_map(|line| Some((line, reason_in(line)?)));
    if let Some((line, reason)) = told {
        let sentence = line.strip_suffix(reason.next_step()).unwrap_or(line).trim_end_matches("; ");
        return Some(Refused {
            reason: reason.name(),
            sentence: format!("{} is not started with {}: {sentence}", failed.name, failed.firmware),
            expected: None,
            found: None,
            place: None,
            next_step: reason.next_step().to_owned(),
        });
    }
    (failed.errno == Some(Errno::KEY_REJECTED)).then(|| Refused {
        reason: "key-rejected",
        sentence: failed.to_string(),
        expected: None,
        found: failed.said.first().cloned(),
        place: None,
        next_step: "sign the firmware with a key that the platform trusts".to_owned(),
    })
}

/// The service's reason in a line of the log, whose sentence may begin as that of another one.
fn reason_in(line: &str) -> Option<Reason> {
    let told = Reason::ALL.iter().filter(|reason| line.contains(reason.sentence()));
    told.max_by_key(|reason| reason.sentence().len()).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rproc_abi::Refusal;
    use rproc_abi::refusal::Fact;
    use rproc_sysfs::State;

    fn failed(said: &[&str], errno: Option<Errno>) -> Failure {
        let said = said.iter().map(|line| (*line).to_owned()).collect();
        let (name, firmware) = ("m33".to_owned(), "app.signed".to_owned());
        let state = Some(State::Offline);
        Error::NotStarted(Box::new(NotStarted { name, firmware, errno, state, said, deaf: None })).into()
    }

    #[test]
    fn the_services_reason_is_told_as_on_the_virtual_board() {
        let refusal = Refusal::new(Reason::Rollback).expected(Fact::words("7")).found(Fact::words("6"));
        let line = format!("the firmware is refused: {refusal}; {}", refusal.reason.next_step());
        let Failure::Refused(refused) = failed(&[&line, "Boot failed: -129"], Some(Errno::KEY_REJECTED))
        else {
            panic!()
        };
        assert_eq!((refused.reason, refused.next_step.as_str()), ("rollback", Reason::Rollback.next_step()));
        assert_eq!(
            refused.sentence,
            format!("m33 is not started with app.signed: the firmware is refused: {refusal}")
        );
    }

    #[test]
    fn the_longer_of_two_sentences_that_begin_the_same_counts() {
        assert_eq!(reason_in("x: the processor runs; stop it first"), Some(Reason::AlreadyStarted));
        let before = format!("x: {}", Reason::StartedBefore.sentence());
        assert_eq!(reason_in(&before), Some(Reason::StartedBefore));
        assert_eq!(reason_in("Boot failed: -22"), None);
    }

    #[test]
    fn an_errno_alone_tells_of_a_refusal_or_of_trouble() {
        let said = ["the firmware is refused: TEE_ERROR_SIGNATURE_INVALID"];
        let failure = failed(&said, Some(Errno::KEY_REJECTED));
        assert_eq!(failure.exit_code(), crate::failure::REFUSED);
        let failure = failed(&["bad phdr da 0x0", "Boot failed: -22"], None);
        let Failure::Trouble { error, help: Some(_) } = failure else { panic!() };
        assert!(error.to_string().ends_with("\n  bad phdr da 0x0\n  Boot failed: -22"), "{error}");
    }
}
