//! A server at work: [`Running`].

use core::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use super::listener::{Listener, supervise};
use super::shared::Shared;
use super::stop::Phase;
use super::{ServeError, Statistics};

/// A server that accepts connections on threads of its own, from [`Server::serve`](super::Server::serve).
///
/// Dropping it stops the server: as [`shutdown`](Self::shutdown), then [`join`](Self::join).
#[must_use = "dropping it stops the server"]
pub struct Running {
    addresses: Vec<SocketAddr>,
    shared: Arc<Shared>,
}

impl Running {
    pub(super) fn start(listeners: Vec<Listener>, shared: Arc<Shared>) -> Result<Self, ServeError> {
        if listeners.is_empty() {
            return Err(ServeError::NoListener);
        }
        let addresses = listeners.iter().map(Listener::address).collect();
        let accepting = Arc::new(Mutex::new(Vec::new()));
        let (supervised, to_finish) = (Arc::clone(&shared), Arc::clone(&accepting));
        thread::Builder::new()
            .name("pop3-supervisor".into())
            .stack_size(shared.limits.stack)
            .spawn(move || supervise(&supervised, &to_finish))
            .map_err(ServeError::Thread)?;
        // From here on a return without it stops what was started.
        let running = Self { addresses, shared };
        for listener in listeners {
            let started = listener.start(Arc::clone(&running.shared))?;
            accepting.lock().unwrap_or_else(PoisonError::into_inner).push(started);
        }
        Ok(running)
    }

    /// Where the server listens, in the order in which the listeners were given. A port that was given as 0 stands
    /// here as the one that the system chose.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Begins to stop, and returns at once; call [`join`](Self::join) to wait for the end. May be called again.
    ///
    /// No further connection is accepted. A session that waits for its client is closed, in good order and without
    /// removing anything. One that is busy finishes what it has read, a `QUIT` included, and is closed then. Whatever
    /// is still there after [`Limits::drain`](super::Limits::drain) has its socket shut down.
    pub fn shutdown(&self) {
        self.shared.request_stop();
    }

    /// Waits until the server has stopped, which it does after [`shutdown`](Self::shutdown) only.
    ///
    /// All sessions are over then, unless the authenticator or the store did not return from a call for twice the time
    /// of [`Limits::drain`](super::Limits::drain).
    pub fn join(&self) {
        self.shared.stop.wait_for(Phase::Stopped);
    }

    /// What the server has done so far.
    pub fn statistics(&self) -> Statistics {
        self.shared.statistics()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shutdown();
        self.join();
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}
