//! What the service, the TEE and the kernel refuse, in words and with what to do.

use rproc_abi::refusal::Reason;
use rproc_abi::{Login, Origin, TeeResult};
use rproc_tee::{Operation, ServiceError};

use crate::failure::{Failure, Refused};

/// How a product lets processes in.
const ALLOW: &str =
    "build the Trusted Application with RPROC_TA_CLIENTS=kernel,group:NUMBER to let members of that group in";

/// A command that the service did not do for a client that opened it with `login`, with `group` where that counts.
pub fn of_service(error: ServiceError, login: Login, group: u32) -> Failure {
    match error.refusal {
        Some(refusal) => {
            let refused = Refused::from(refusal);
            Failure::Refused(if refusal.reason == Reason::NotKernel {
                let who = describe(login, group);
                let next_step = format!("use the remoteproc driver, give another --login, or {ALLOW}");
                Refused { next_step, ..refused.saying(format!("the service does not serve {who}")) }
            } else {
                refused
            })
        }
        None => {
            let help = help(&error, login, group);
            Failure::Trouble { error: anyhow::Error::new(error), help }
        }
    }
}

fn describe(login: Login, group: u32) -> String {
    match login {
        Login::Group => format!("group {group}"),
        Login::User => "a user".to_owned(),
        Login::Public => "everybody".to_owned(),
        Login::ReeKernel => "the kernel".to_owned(),
        other => format!("login {:#x}", other.code()),
    }
}

/// What to do about a result for which the service gave no reason.
fn help(error: &ServiceError, login: Login, group: u32) -> Option<String> {
    let opening = error.operation == Operation::Open;
    Some(match (error.tee.result, error.tee.origin) {
        (TeeResult::ACCESS_DENIED, Origin::Api) if opening => match login {
            Login::ReeKernel => {
                format!("Linux lets no process act as the kernel: give another --login, and {ALLOW}")
            }
            Login::Group => format!("this process is not in group {group}: `id` says in which it is"),
            _ => "Linux refuses this login: give another --login".to_owned(),
        },
        (TeeResult::ITEM_NOT_FOUND, _) if opening => {
            "this TEE has no remoteproc service: build OP-TEE with it as an early TA, or put \
             80a4c275-0a47-4905-8285-1486a9771a08.ta into /lib/optee_armtz and run tee-supplicant"
                .to_owned()
        }
        (TeeResult::SECURITY | TeeResult::CORRUPT_OBJECT | TeeResult::BAD_FORMAT, Origin::Tee) if opening => {
            "OP-TEE does not accept the file of the Trusted Application: sign it with the key that OP-TEE was \
             built with"
                .to_owned()
        }
        (TeeResult::TARGET_DEAD, _) => {
            "the Trusted Application panicked, and the secure world's log says where; a new instance serves the \
             next command: `rproc tee release` first"
                .to_owned()
        }
        (TeeResult::BUSY, _) => "another client has a session: end it and try again".to_owned(),
        (TeeResult::OUT_OF_MEMORY, Origin::Api) => {
            "Linux has not so much memory to share with the TEE: give a smaller image".to_owned()
        }
        (TeeResult::OUT_OF_MEMORY, _) => {
            "the secure world has no memory left: its log may say for what".to_owned()
        }
        (TeeResult::COMMUNICATION, _) => "see that tee-supplicant runs, and look at dmesg".to_owned(),
        (TeeResult::BAD_STATE, _) => "follow the order load, start, stop, release".to_owned(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rproc_abi::{Output, ProcessorId, Refusal};
    use rproc_tee::TeeError;

    fn error(
        operation: Operation,
        result: TeeResult,
        origin: Origin,
        reason: Option<Reason>,
    ) -> ServiceError {
        let tee = TeeError { result, origin, outputs: [Output::None; 4] };
        let refusal = reason.map(Refusal::new);
        ServiceError { operation, processor: ProcessorId::CORTEX_M33, tee, refusal }
    }

    fn helped(failure: Failure) -> String {
        match failure {
            Failure::Trouble { help, .. } => help.unwrap(),
            Failure::Refused(refused) => panic!("{refused:?}"),
        }
    }

    #[test]
    fn who_refused_the_login_decides_the_advice() {
        let denied = |origin, reason| error(Operation::Open, TeeResult::ACCESS_DENIED, origin, reason);
        let kernel = || denied(Origin::Api, None);
        assert!(helped(of_service(kernel(), Login::Group, 27)).contains("not in group 27"));
        assert!(helped(of_service(kernel(), Login::ReeKernel, 0)).contains("RPROC_TA_CLIENTS"));
        let service = denied(Origin::TrustedApp, Some(Reason::NotKernel));
        let Failure::Refused(refused) = of_service(service, Login::Group, 27) else { panic!() };
        assert_eq!(
            (refused.reason, refused.sentence.as_str()),
            ("not-kernel", "the service does not serve group 27")
        );
        assert!(refused.next_step.contains("group:NUMBER"));
    }

    #[test]
    fn a_reason_is_told_as_on_the_virtual_board() {
        let refused =
            error(Operation::Load, TeeResult::SECURITY, Origin::TrustedApp, Some(Reason::SegmentDigest));
        let failure = of_service(refused, Login::Group, 0);
        assert_eq!(failure.exit_code(), crate::failure::REFUSED);
        let Failure::Refused(refused) = failure else { panic!() };
        assert_eq!(refused, Refusal::new(Reason::SegmentDigest).into());
    }

    #[test]
    fn results_without_a_reason_have_advice() {
        for (operation, result, origin, expected) in [
            (Operation::Open, TeeResult::ITEM_NOT_FOUND, Origin::Tee, "tee-supplicant"),
            (Operation::Open, TeeResult::SECURITY, Origin::Tee, "sign it"),
            (Operation::Start, TeeResult::TARGET_DEAD, Origin::Tee, "release"),
            (Operation::Load, TeeResult::OUT_OF_MEMORY, Origin::Api, "smaller"),
            (Operation::Load, TeeResult::OUT_OF_MEMORY, Origin::TrustedApp, "secure world"),
        ] {
            let help = helped(of_service(error(operation, result, origin, None), Login::Group, 0));
            assert!(help.contains(expected), "{help}");
        }
    }
}
