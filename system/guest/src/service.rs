//! The service under test: how it is opened, and how its answers are compared.

use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use clap::Args;
use rproc_abi::{Login, ProcessorId, TeeResult};
use rproc_tee::{LinuxTee, RemoteprocService, ServiceError};

/// Sessions share the device.
pub type Service = RemoteprocService<Arc<LinuxTee>>;

/// Which TEE, which processor, and as whom.
#[derive(Args, Clone)]
pub struct Target {
    /// The TEE's device for clients
    #[arg(long, value_name = "PATH", default_value = LinuxTee::DEFAULT_DEVICE, global = true)]
    device: std::path::PathBuf,
    /// The processor's number in the service
    #[arg(long, value_name = "NUMBER", default_value_t = ProcessorId::CORTEX_M33.0, global = true)]
    core: u32,
    /// The group to log in as
    #[arg(long, value_name = "NUMBER", default_value_t = 0, global = true)]
    group: u32,
    /// Log in as everybody, which upstream's Trusted Application allows
    #[arg(long, global = true)]
    public: bool,
}

impl Target {
    /// The processor.
    pub fn core(&self) -> ProcessorId {
        ProcessorId(self.core)
    }

    /// The login that the service is expected to accept.
    pub fn login(&self) -> Login {
        if self.public { Login::Public } else { Login::Group }
    }

    /// Opens the device.
    pub fn tee(&self) -> Result<Arc<LinuxTee>> {
        let tee = LinuxTee::open(&self.device).map_err(|error| anyhow!("{error}: {}", error.remedy()))?;
        Ok(Arc::new(tee.as_group(self.group)))
    }

    /// Opens a session.
    pub fn open(&self) -> Result<Service> {
        RemoteprocService::open(self.tee()?, self.login(), self.core()).context("no session")
    }

    /// Opens a session, and brings the processor off with its memory wiped, whatever it was.
    pub fn fresh(&self) -> Result<Service> {
        let service = self.open()?;
        self.reset(&service)?;
        Ok(service)
    }

    /// Brings the processor off with its memory wiped.
    pub fn reset(&self, service: &Service) -> Result<()> {
        // Refused where there is nothing to stop.
        let _ = service.stop(self.core());
        service.release(self.core()).context("the processor could not be released")
    }
}

/// The result of a command as it was on the wire.
pub fn result<T>(outcome: &Result<T, ServiceError>) -> TeeResult {
    outcome.as_ref().err().map_or(TeeResult::SUCCESS, |error| error.tee.result)
}

/// The command must have had just this result.
pub fn expect<T>(outcome: Result<T, ServiceError>, expected: TeeResult) -> Result<String> {
    let found = result(&outcome);
    match outcome.err() {
        _ if found != expected => bail!("expected {expected}, found {found}"),
        Some(error) => Ok(error.to_string()),
        None => Ok(expected.to_string()),
    }
}

/// All bytes must be zero.
pub fn ensure_zero(bytes: &[u8], address: u64) -> Result<()> {
    if let Some(at) = bytes.iter().position(|byte| *byte != 0) {
        bail!("the memory at {:#x} is not zero", address + at as u64);
    }
    Ok(())
}

/// Both must be the same bytes.
pub fn ensure_same(found: &[u8], expected: &[u8], address: u64) -> Result<()> {
    ensure!(found.len() == expected.len(), "{} bytes instead of {}", found.len(), expected.len());
    if let Some(at) = found.iter().zip(expected).position(|(found, expected)| found != expected) {
        bail!("the memory at {:#x} is not what was signed", address + at as u64);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_differ_are_named_by_their_address() {
        assert!(ensure_zero(&[0; 5], 0x100).is_ok());
        assert!(ensure_zero(&[0, 0, 1], 0x100).unwrap_err().to_string().contains("0x102"));
        assert!(ensure_same(b"abc", b"abd", 0x100).unwrap_err().to_string().contains("0x102"));
        assert!(ensure_same(b"abc", b"ab", 0x100).is_err());
        assert!(ensure_same(b"abc", b"abc", 0x100).is_ok());
    }

    #[test]
    fn another_result_than_expected_is_a_failure() {
        assert!(expect(Ok(()), TeeResult::SUCCESS).is_ok());
        assert!(expect(Ok(()), TeeResult::BAD_STATE).is_err());
    }
}
