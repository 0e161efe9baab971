//! How the commands reach the service: the device, the login, and a limit on waiting.

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::mpsc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use rproc_abi::{Login, ProcessorId};
use rproc_tee::{LinuxTee, RemoteprocService, ServiceError};

use super::failure;
use crate::failure::Failure;

/// The longest that a command takes before it is given up. A load of many MiB takes seconds; a call that waits for a
/// tee-supplicant that does not run would wait for ever.
const LIMIT: Duration = Duration::from_secs(30);

/// The TEE's device.
#[derive(Args, Clone)]
pub struct Device {
    /// The TEE's device for clients
    #[arg(long = "device", value_name = "PATH", default_value = LinuxTee::DEFAULT_DEVICE)]
    path: PathBuf,
}

impl Device {
    /// Does something with the TEE, within the limit.
    pub fn with<T: Send + 'static>(
        self,
        work: impl FnOnce(LinuxTee) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let tee = LinuxTee::open(&self.path).map_err(|error| Failure::help(&error, error.remedy()))?;
        within(LIMIT, move || work(tee))
    }
}

/// Which processor of which TEE, and as whom.
#[derive(Args, Clone)]
pub struct Connection {
    /// The processor: m4, m33, m0, or its number in the service
    #[arg(long, value_name = "NAME", default_value = "m33", value_parser = parse_processor)]
    core: ProcessorId,
    /// As whom to open the service: group:NUMBER, user, public or kernel. Without it, as the group of this process,
    /// which for root is group:0
    #[arg(long, value_name = "LOGIN")]
    login: Option<LoginName>,
    #[command(flatten)]
    device: Device,
}

impl Connection {
    /// The processor's name, for messages.
    pub fn core(&self) -> ProcessorId {
        self.core
    }

    /// Does something with the service, within the limit.
    pub fn with<T: Send + 'static>(
        self,
        work: impl FnOnce(&RemoteprocService<LinuxTee>, ProcessorId) -> Result<T, ServiceError> + Send + 'static,
    ) -> Result<T, Failure> {
        let Self { core, login, device } = self;
        device.with(move |tee| {
            let (login, tee) = match login {
                None => (Login::Group, tee),
                Some(LoginName { login, group: None }) => (login, tee),
                Some(LoginName { login, group: Some(group) }) => (login, tee.as_group(group)),
            };
            let group = tee.group();
            let explain = |error| failure::of_service(error, login, group);
            let service = RemoteprocService::open(tee, login, core).map_err(explain)?;
            work(&service, core).map_err(explain)
        })
    }
}

/// A login as people type it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct LoginName {
    login: Login,
    group: Option<u32>,
}

impl FromStr for LoginName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let plain = |login| Ok(Self { login, group: None });
        match text {
            "public" => plain(Login::Public),
            "user" => plain(Login::User),
            "group" => plain(Login::Group),
            "kernel" => plain(Login::ReeKernel),
            _ => match text.strip_prefix("group:").map(str::parse) {
                Some(Ok(group)) => Ok(Self { login: Login::Group, group: Some(group) }),
                Some(Err(_)) => Err("a group is a number: `getent group NAME` tells it".to_owned()),
                None => Err("there are group:NUMBER, user, public and kernel".to_owned()),
            },
        }
    }
}

fn parse_processor(text: &str) -> Result<ProcessorId, String> {
    ProcessorId::from_name(text)
        .or_else(|| text.parse().ok().map(ProcessorId))
        .ok_or_else(|| "there are m4, m33, m0, and numbers for other processors".to_owned())
}

/// Runs `work`, which calls the TEE, within the limit of every command.
pub fn within_limit<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    within(LIMIT, work)
}

/// Runs `work` on a thread of its own, and gives up on it after `limit`.
fn within<T: Send + 'static>(
    limit: Duration,
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let (done, result) = mpsc::sync_channel(1);
    std::thread::Builder::new()
        .name("tee".to_owned())
        // Nobody listens any more once the limit has passed.
        .spawn(move || drop(done.send(work())))
        .context("cannot start a thread")?;
    match result.recv_timeout(limit) {
        Ok(result) => result,
        Err(mpsc::RecvTimeoutError::Timeout) => Err(Failure::help(
            format!("the TEE did not answer within {limit:?}"),
            "a service that is loaded from a file needs tee-supplicant: see that it runs; \
             `dmesg | grep -i optee` and the secure world's log may say more",
        )),
        Err(mpsc::RecvTimeoutError::Disconnected) => {
            Err(anyhow::anyhow!("the thread that called the TEE panicked, which is a bug of rproc").into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logins_have_names() {
        let group = |group| Ok(LoginName { login: Login::Group, group });
        assert_eq!("group:0".parse(), group(Some(0)));
        assert_eq!("group".parse(), group(None));
        assert_eq!("kernel".parse(), Ok(LoginName { login: Login::ReeKernel, group: None }));
        for wrong in ["", "root", "group:", "group:-1", "group:root", "Public"] {
            assert!(LoginName::from_str(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn processors_have_names_and_numbers() {
        assert_eq!(parse_processor("m33"), Ok(ProcessorId::CORTEX_M33));
        assert_eq!(parse_processor("7"), Ok(ProcessorId(7)));
        assert!(parse_processor("m7").is_err());
    }

    #[test]
    fn waiting_has_an_end() {
        let waits = || {
            std::thread::sleep(Duration::from_secs(60));
            Ok(())
        };
        let failure = within(Duration::from_millis(10), waits).unwrap_err();
        assert!(matches!(failure, Failure::Trouble { help: Some(_), .. }));
        assert_eq!(within(LIMIT, || Ok(5)).unwrap(), 5);
        let panics = || -> Result<(), Failure> { panic!("on purpose") };
        assert!(within(LIMIT, panics).is_err());
    }
}
