//! What an errno of a start means, in words.

use std::fmt;
use std::io;

use rustix::io::Errno as Number;

/// An errno with which Linux or a processor's driver answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Errno(i32);

/// Number, name, and what it means of a start. The results of the TEE's service become these in `normal/linux/service.rs`; the
/// others are the remoteproc core's and the firmware loader's.
const KNOWN: [(Number, &str, &str); 18] = [
    (Number::KEYREJECTED, "EKEYREJECTED", "the service does not accept the firmware's signature or content"),
    (Number::ACCESS, "EACCES", "the service or the kernel does not allow it"),
    (Number::PERM, "EPERM", "the kernel does not allow it"),
    (Number::INVAL, "EINVAL", "the firmware, its resource table or the request is not as it must be"),
    (Number::BUSY, "EBUSY", "it is in use, or in a state that does not allow this"),
    (Number::OPNOTSUPP, "EOPNOTSUPP", "the service or the driver cannot do this"),
    (Number::NOENT, "ENOENT", "the kernel found no such firmware file"),
    (Number::NODEV, "ENODEV", "the processor, its service or a device that it needs is gone"),
    (Number::NOMEM, "ENOMEM", "there is not enough memory for the firmware, its carveouts or the service"),
    (Number::OVERFLOW, "EOVERFLOW", "something of the firmware is larger than it may be"),
    (Number::TIMEDOUT, "ETIMEDOUT", "the processor or the service did not answer in time"),
    (Number::IO, "EIO", "the service, the processor or the disk failed"),
    (Number::NXIO, "ENXIO", "memory of the firmware cannot be mapped"),
    (Number::NOSPC, "ENOSPC", "there is no room left"),
    (Number::FBIG, "EFBIG", "the firmware file is too large"),
    (Number::AGAIN, "EAGAIN", "the firmware loader gave up waiting"),
    (Number::INTR, "EINTR", "a signal came while it waited for the processor's lock"),
    (Number::ROFS, "EROFS", "sysfs cannot be written to here, as in a container"),
];

impl Errno {
    /// `EKEYREJECTED`, with which Linux's driver answers when the service refuses an image's signature or content.
    pub const KEY_REJECTED: Self = Self(Number::KEYREJECTED.raw_os_error());
    /// `EIO`, for what has no number.
    pub(crate) const IO: Self = Self(Number::IO.raw_os_error());

    /// Of an error of the system.
    pub fn of(error: &io::Error) -> Option<Self> {
        error.raw_os_error().map(Self)
    }

    fn known(self) -> Option<(&'static str, &'static str)> {
        let found = KNOWN.iter().find(|(number, ..)| number.raw_os_error() == self.0);
        found.map(|(_, name, meaning)| (*name, *meaning))
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.known() {
            Some((name, meaning)) => write!(f, "{meaning} ({name})"),
            // The C library's words.
            None => io::Error::from_raw_os_error(self.0).fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_names_and_words() {
        // Debian's arm64 and x86 number it the same.
        let rejected = Errno::of(&io::Error::from_raw_os_error(129)).unwrap();
        assert_eq!(rejected, Errno::KEY_REJECTED);
        assert_eq!(
            rejected.to_string(),
            "the service does not accept the firmware's signature or content (EKEYREJECTED)"
        );
        assert!(Errno(125).to_string().contains("os error 125"), "{}", Errno(125));
        assert_eq!(Errno::of(&io::Error::other("no number")), None);
    }

    #[test]
    fn no_number_is_there_twice() {
        for (index, (number, name, _)) in KNOWN.iter().enumerate() {
            assert!(KNOWN[index + 1..].iter().all(|(other, ..)| other != number), "{name}");
        }
    }
}
