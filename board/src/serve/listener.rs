//! The socket that a client connects to: bound once, removed when done, and waited at with a limit.

use std::io;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::channel::TICK;

/// A socket that cannot be listened at.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Someone listens there.
    #[error("{path} is in use by another process that listens there: end it, or use another path")]
    InUse {
        /// The path.
        path: PathBuf,
    },
    /// Something that is no socket has the name.
    #[error("{path} is there already and is no socket: remove it, or use another path")]
    NoSocket {
        /// The path.
        path: PathBuf,
    },
    /// The host refuses.
    #[error("cannot listen at {path}: {source}")]
    Host {
        /// The path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// A bound socket. Its file goes when this does.
#[derive(Debug)]
pub struct Listener {
    socket: UnixListener,
    path: PathBuf,
}

impl Listener {
    /// Binds; a socket that a process left behind which no longer listens is replaced.
    ///
    /// # Errors
    /// [`ListenError`].
    pub fn bind(path: &Path) -> Result<Self, ListenError> {
        let host = |source| ListenError::Host { path: path.to_owned(), source };
        let socket = match UnixListener::bind(path) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                let file = path.symlink_metadata().map_err(host)?;
                if !file.file_type().is_socket() {
                    return Err(ListenError::NoSocket { path: path.to_owned() });
                }
                match UnixStream::connect(path) {
                    Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
                    _ => return Err(ListenError::InUse { path: path.to_owned() }),
                }
                std::fs::remove_file(path).map_err(host)?;
                UnixListener::bind(path).map_err(host)?
            }
            bound => bound.map_err(host)?,
        };
        let listener = Listener { socket, path: path.to_owned() };
        listener.socket.set_nonblocking(true).map_err(host)?;
        Ok(listener)
    }

    /// Waits until someone connects, until `deadline`, or until `stopped` says so: then there is none.
    ///
    /// # Errors
    /// The host's socket failed.
    pub fn accept(
        &self,
        deadline: Option<Instant>,
        stopped: &dyn Fn() -> bool,
    ) -> io::Result<Option<UnixStream>> {
        while !stopped() {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                break;
            }
            let limit = left.unwrap_or(TICK).min(TICK);
            let limit = Timespec { tv_sec: 0, tv_nsec: i64::from(nanoseconds(limit)) };
            let mut fds = [PollFd::new(&self.socket, PollFlags::IN)];
            match poll(&mut fds, Some(&limit)) {
                Ok(0) | Err(rustix::io::Errno::INTR) => continue,
                Ok(_) => {}
                Err(error) => return Err(error.into()),
            }
            match self.socket.accept() {
                Ok((stream, _)) => return Ok(Some(stream)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }
}

fn nanoseconds(limit: Duration) -> u32 {
    limit.subsec_nanos().max(1)
}

impl Drop for Listener {
    fn drop(&mut self) {
        // A file that someone else has removed is what is wanted too.
        let _ = std::fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    fn path() -> PathBuf {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        std::env::temp_dir().join(format!("rproc-listener-{}-{number}", std::process::id()))
    }

    #[test]
    fn a_socket_that_nobody_listens_at_is_replaced_and_goes_with_the_listener() {
        let path = path();
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists(), "left behind");
        let listener = Listener::bind(&path).unwrap();
        assert!(matches!(Listener::bind(&path), Err(ListenError::InUse { .. })));
        drop(listener);
        assert!(!path.exists());
    }

    #[test]
    fn a_file_that_is_no_socket_stays() {
        let path = path();
        std::fs::write(&path, "precious").unwrap();
        assert!(matches!(Listener::bind(&path), Err(ListenError::NoSocket { .. })));
        assert_eq!(std::fs::read(&path).unwrap(), b"precious");
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn waiting_has_an_end() {
        let path = path();
        let listener = Listener::bind(&path).unwrap();
        let deadline = Instant::now() + Duration::from_millis(20);
        assert!(listener.accept(Some(deadline), &|| false).unwrap().is_none());
        assert!(listener.accept(None, &|| true).unwrap().is_none());
    }
}
