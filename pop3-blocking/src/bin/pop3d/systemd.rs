//! The service manager: sockets that it has opened, and what it is told of the state of this process.
//!
//! Without one, or on another system than Linux, there are no sockets and nobody is told.

use std::error::Error;
use std::fmt;
use std::net::TcpListener;

/// Sockets that were passed to this process, by name.
pub(crate) struct Passed(Vec<(String, TcpListener)>);

/// What is wrong with the sockets that were passed.
#[derive(Debug)]
pub(crate) enum PassedError {
    /// Nobody has passed a socket of this name.
    Missing(String),
    /// It was passed, and no listener is for it.
    Unused(String),
    /// What was passed is no TCP socket.
    #[cfg(target_os = "linux")]
    Socket(String, std::io::Error),
}

impl fmt::Display for PassedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(name) => write!(f, "no socket of the name {} was passed", name.escape_debug()),
            Self::Unused(name) => write!(
                f,
                "a socket of the name {} was passed, but nothing listens on fd:{0}",
                name.escape_debug()
            ),
            #[cfg(target_os = "linux")]
            Self::Socket(name, error) => write!(f, "the socket {}: {error}", name.escape_debug()),
        }
    }
}

impl Error for PassedError {}

impl Passed {
    /// Takes the sockets over. To be called once, while there is one thread.
    #[cfg(target_os = "linux")]
    pub(crate) fn from_environment() -> Result<Self, PassedError> {
        let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
        let mut sockets = listenfd::ListenFd::from_env();
        let mut names = names.split(':').filter(|name| !name.is_empty());
        let mut all = Vec::new();
        for number in 0..sockets.len() {
            // What systemd calls those without a name.
            let name = names.next().unwrap_or("unknown").to_owned();
            match sockets.take_tcp_listener(number) {
                Ok(Some(socket)) => all.push((name, socket)),
                Ok(None) => {}
                Err(error) => return Err(PassedError::Socket(name, error)),
            }
        }
        Ok(Self(all))
    }

    #[cfg(not(target_os = "linux"))]
    #[expect(clippy::unnecessary_wraps, reason = "on Linux there is something to fail")]
    pub(crate) const fn from_environment() -> Result<Self, PassedError> {
        Ok(Self(Vec::new()))
    }

    /// All sockets of that name, one at least.
    pub(crate) fn take(&mut self, name: &str) -> Result<Vec<TcpListener>, PassedError> {
        let all = std::mem::take(&mut self.0);
        let (taken, left): (Vec<_>, Vec<_>) = all.into_iter().partition(|(other, _)| other == name);
        self.0 = left;
        if taken.is_empty() {
            return Err(PassedError::Missing(name.to_owned()));
        }
        Ok(taken.into_iter().map(|(_, socket)| socket).collect())
    }

    /// A socket that nobody takes would let clients connect and wait for ever.
    pub(crate) fn check_all_taken(self) -> Result<(), PassedError> {
        self.0.into_iter().next().map_or(Ok(()), |(name, _)| Err(PassedError::Unused(name)))
    }
}

#[cfg(target_os = "linux")]
mod told {
    use std::sync::mpsc::{Receiver, RecvTimeoutError};
    use std::time::Duration;

    use sd_notify::NotifyState;

    fn tell(state: &[NotifyState<'_>]) {
        if let Err(error) = sd_notify::notify(state) {
            log::warn!("service manager not told: {error}");
        }
    }

    /// Clients are served from now on; again after each reload.
    pub(crate) fn ready() {
        tell(&[NotifyState::Ready]);
    }

    pub(crate) fn reloading() {
        match NotifyState::monotonic_usec_now() {
            Ok(now) => tell(&[NotifyState::Reloading, now]),
            Err(error) => log::warn!("service manager not told: {error}"),
        }
    }

    pub(crate) fn stopping() {
        tell(&[NotifyState::Stopping]);
    }

    /// Tells that the process is alive, twice in the time after which it would be ended, as long as `is_alive` returns and
    /// until the other end of `until` is dropped.
    pub(crate) fn keep_alive(until: &Receiver<()>, is_alive: impl Fn()) {
        let Some(patience) = sd_notify::watchdog_enabled() else { return };
        beat(patience / 2, until, is_alive, || tell(&[NotifyState::Watchdog]));
    }

    fn beat(pause: Duration, until: &Receiver<()>, is_alive: impl Fn(), say: impl Fn()) {
        loop {
            is_alive();
            say();
            if until.recv_timeout(pause) != Err(RecvTimeoutError::Timeout) {
                return;
            }
        }
    }

    #[cfg(test)]
    mod tests {
        use std::sync::mpsc::channel;
        use std::thread;

        use super::*;

        #[test]
        fn who_hangs_is_not_called_alive() {
            let ((release, released), (said, heard), (end, until)) = (channel(), channel(), channel());
            let beating = thread::spawn(move || {
                let is_alive = || released.recv().unwrap_or(());
                beat(Duration::from_millis(1), &until, is_alive, || said.send(()).unwrap());
            });
            for _ in 0..3 {
                assert_eq!(heard.recv_timeout(Duration::from_millis(50)), Err(RecvTimeoutError::Timeout));
                release.send(()).unwrap();
                heard.recv().unwrap();
            }
            drop((end, release));
            beating.join().unwrap();
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod told {
    use std::sync::mpsc::Receiver;

    pub(crate) const fn ready() {}
    pub(crate) const fn reloading() {}
    pub(crate) const fn stopping() {}
    pub(crate) fn keep_alive(_: &Receiver<()>, _: impl Fn()) {}
}

pub(crate) use told::{keep_alive, ready, reloading, stopping};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_socket_has_its_listener_and_every_listener_its_socket() {
        let socket = || TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let passed = || Passed(["tls", "plain", "tls"].map(|name| (name.to_owned(), socket())).into());
        let mut sockets = passed();
        assert_eq!(sockets.take("tls").unwrap().len(), 2);
        assert!(matches!(sockets.take("tls"), Err(PassedError::Missing(name)) if name == "tls"));
        assert_eq!(sockets.take("plain").unwrap().len(), 1);
        assert!(sockets.check_all_taken().is_ok());
        let mut sockets = passed();
        sockets.take("tls").unwrap();
        assert!(matches!(sockets.check_all_taken(), Err(PassedError::Unused(name)) if name == "plain"));
    }
}
