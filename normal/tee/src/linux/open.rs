//! Opening a TEE device, and what stands in the way of it.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use thiserror::Error;

use super::call;
use super::uapi::{CAPABILITY_PRIVILEGED, IMPLEMENTATION_OPTEE, Version};

/// A TEE device that cannot be used. [`OpenError::remedy`] says what to do.
#[derive(Debug, Error)]
pub enum OpenError {
    /// There is no such file.
    #[error("there is no {}", .0.display())]
    Missing(PathBuf),
    /// This process may not open it.
    #[error("this process may not open {}", .0.display())]
    Denied(PathBuf),
    /// Somebody else has it.
    #[error("{} is in use", .0.display())]
    Busy(PathBuf),
    /// It is no TEE device.
    #[error("{} is not a TEE device", .0.display())]
    NotTee(PathBuf),
    /// It is the device for tee-supplicant.
    #[error("{} is the device for tee-supplicant, not for clients", .0.display())]
    Supplicant(PathBuf),
    /// Another TEE than OP-TEE.
    #[error("{} belongs to a TEE that is not OP-TEE (implementation {implementation})", path.display())]
    NotOpTee {
        /// The device.
        path: PathBuf,
        /// `TEE_IMPL_ID_*` of `tee.h`; 2 is AMD's, 3 Trusted Services, 4 Qualcomm's.
        implementation: u32,
    },
    /// Something else.
    #[error("cannot open {}: {source}", path.display())]
    Other {
        /// The device.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl OpenError {
    /// What a person can do about it.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Missing(_) => {
                "load the kernel module optee (modprobe optee); if the device does not appear, `dmesg | grep -i optee` says why: \
                 the firmware may have no OP-TEE, or the device tree no /firmware/optee"
            }
            Self::Denied(_) => {
                "run as root, or as a member of the group that owns the device (teeclnt on Debian): ls -l says which"
            }
            Self::Busy(_) => "end the process that has the device: fuser -v says which",
            Self::NotTee(_) => "give a client device of the TEE: /dev/tee0",
            Self::Supplicant(_) => "give the device without `priv` in its name: /dev/tee0",
            Self::NotOpTee { .. } => "give OP-TEE's device: it may be /dev/tee1",
            Self::Other { .. } => "`dmesg | grep -i tee` may say more",
        }
    }
}

/// Opens a device and makes sure that OP-TEE's clients are served there.
pub fn open(path: &Path) -> Result<(File, Version), OpenError> {
    let at = || path.to_owned();
    let device = OpenOptions::new().read(true).write(true).open(path).map_err(|error| {
        match Errno::from_io_error(&error) {
            Some(Errno::NOENT | Errno::NXIO | Errno::NODEV) => OpenError::Missing(at()),
            Some(Errno::ACCESS | Errno::PERM) => OpenError::Denied(at()),
            Some(Errno::BUSY) => OpenError::Busy(at()),
            Some(Errno::ISDIR) => OpenError::NotTee(at()),
            _ => OpenError::Other { path: at(), source: error },
        }
    })?;
    let version = call::version(&device).map_err(|errno| match errno {
        Errno::NOTTY | Errno::INVAL => OpenError::NotTee(at()),
        errno => OpenError::Other { path: at(), source: errno.into() },
    })?;
    check(&version, path)?;
    Ok((device, version))
}

fn check(version: &Version, path: &Path) -> Result<(), OpenError> {
    if version.capabilities & CAPABILITY_PRIVILEGED != 0 {
        return Err(OpenError::Supplicant(path.to_owned()));
    }
    if version.implementation != IMPLEMENTATION_OPTEE {
        let implementation = version.implementation;
        return Err(OpenError::NotOpTee { path: path.to_owned(), implementation });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_tee_device_is_named() {
        assert!(matches!(open(Path::new("/no/such/tee0")), Err(OpenError::Missing(_))));
        assert!(matches!(open(Path::new("/dev/null")), Err(OpenError::NotTee(_))));
        assert!(matches!(open(Path::new("/")), Err(OpenError::NotTee(_))));
    }

    #[test]
    fn only_op_tee_s_client_device_is_accepted() {
        let path = Path::new("/dev/tee0");
        let version = Version { implementation: 1, implementation_capabilities: 1, capabilities: 0x5 };
        assert!(check(&version, path).is_ok());
        let supplicant = Version { capabilities: 0x7, ..version };
        assert!(matches!(check(&supplicant, path), Err(OpenError::Supplicant(_))));
        let other = Version { implementation: 2, ..version };
        let error = check(&other, path).unwrap_err();
        assert!(error.to_string().contains("implementation 2"), "{error}");
        assert!(error.remedy().contains("/dev/tee1"));
    }
}
