//! Where metrics can be had over HTTP: [`Endpoint`], one thread, one request at a time.

use core::fmt;
use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
#[cfg(unix)]
use std::os::unix::net::{UnixListener, UnixStream};
#[cfg(unix)]
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use socket2::SockRef;

use super::request::{self, Asked};
use super::{CONTENT_TYPE, Metrics};
use crate::server::Statistics;
use crate::server::listener::is_passing;
use crate::{Deadline, Input, Stream, Transport};

/// How long a request may take to come, and its answer to leave.
const LIMIT: Duration = Duration::from_secs(5);

/// How long an accept waits before it looks whether it is to stop, where a shutdown of the socket does not wake it.
const LOOK: Duration = Duration::from_secs(1);

/// A socket on which metrics can be asked for by `GET /metrics`, not served before [`serve`](Self::serve).
///
/// It has no TLS and asks for no password: bind it to a loopback address, or to a Unix socket in a directory that only the
/// monitoring system can enter. Requests are answered one after the other, each within five seconds or not at all, their
/// heads being 8192 octets at most.
#[derive(Debug)]
#[must_use]
pub struct Endpoint(Listener);

#[derive(Debug)]
enum Listener {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(UnixListener),
}

impl Endpoint {
    /// Listens on `address`.
    ///
    /// # Errors
    ///
    /// What the system reports.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        TcpListener::bind(address).map(Listener::Tcp).map(Self)
    }

    /// Listens on the Unix socket `path`. A socket of that name that nobody listens on any more is replaced.
    ///
    /// # Errors
    ///
    /// What the system reports; [`AddrInUse`](io::ErrorKind::AddrInUse) also where another file has the name.
    #[cfg(unix)]
    pub fn bind_unix(path: impl AsRef<Path>) -> io::Result<Self> {
        use std::os::unix::fs::FileTypeExt;

        let path = path.as_ref();
        let is_socket = || std::fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket());
        let refused = |error: &io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
        if is_socket() && UnixStream::connect(path).as_ref().is_err_and(refused) {
            std::fs::remove_file(path)?;
        }
        UnixListener::bind(path).map(Listener::Unix).map(Self)
    }

    /// Where it listens; `None` for a Unix socket.
    pub fn address(&self) -> Option<SocketAddr> {
        match &self.0 {
            Listener::Tcp(listener) => listener.local_addr().ok(),
            #[cfg(unix)]
            Listener::Unix(_) => None,
        }
    }

    /// Answers requests on a thread of its own, until what comes back is dropped. `statistics` tells those of the server.
    ///
    /// # Errors
    ///
    /// What the system reports, such as that there is no thread.
    pub fn serve(
        self,
        metrics: Arc<Metrics>,
        statistics: impl Fn() -> Statistics + Send + 'static,
    ) -> io::Result<Serving> {
        let listener = Arc::new(self.0);
        listener.socket().set_read_timeout(Some(LOOK))?;
        let stopped = Arc::new(AtomicBool::new(false));
        let (accepting, until) = (Arc::clone(&listener), Arc::clone(&stopped));
        let thread = thread::Builder::new().name("pop3-metrics".into()).spawn(move || {
            while !until.load(Ordering::SeqCst) {
                let answered = accepting.answer_one(&metrics, &statistics);
                // Nobody came, or there is something wrong: no reason to go round in a circle.
                if answered.is_err_and(|error| !is_passing(&error)) && !until.load(Ordering::SeqCst) {
                    thread::sleep(LOOK);
                }
            }
        })?;
        Ok(Serving { listener, stopped, thread: Some(thread) })
    }
}

impl Listener {
    fn socket(&self) -> SockRef<'_> {
        match self {
            Self::Tcp(listener) => SockRef::from(listener),
            #[cfg(unix)]
            Self::Unix(listener) => SockRef::from(listener),
        }
    }

    fn answer_one(&self, metrics: &Metrics, statistics: &impl Fn() -> Statistics) -> io::Result<()> {
        match self {
            Self::Tcp(listener) => answer::<TcpStream>(listener.accept()?.0, metrics, statistics),
            #[cfg(unix)]
            Self::Unix(listener) => answer::<UnixStream>(listener.accept()?.0, metrics, statistics),
        }
        Ok(())
    }
}

/// Answers one request. What goes wrong with it is the client's affair.
fn answer<S: Stream>(stream: S, metrics: &Metrics, statistics: &impl Fn() -> Statistics) {
    let deadline = Deadline::after(LIMIT);
    let mut transport = Transport::plain(stream);
    let mut head = Vec::new();
    let asked = loop {
        match request::judge(&head) {
            Asked::More => {}
            asked => break asked,
        }
        let known = head.len();
        head.resize(request::MAX, 0);
        match transport.read(head.get_mut(known..).unwrap_or_default(), deadline) {
            Ok(Input::Octets(octets)) => head.truncate(known.saturating_add(octets)),
            Ok(Input::Closed) | Err(_) => return,
        }
    };
    let (status, kind, body) = match asked {
        Asked::Refused(status) => (status, "text/plain", format!("{status}\n")),
        Asked::Metrics | Asked::More => {
            let mut text = String::new();
            if metrics.write(&statistics(), &mut text).is_err() {
                return;
            }
            ("200 OK", CONTENT_TYPE, text)
        }
    };
    let allow = if status.starts_with("405") { "Allow: GET\r\n" } else { "" };
    let response = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n{allow}Connection: close\r\n\r\n{body}",
        body.len()
    );
    if transport.write_all(response.as_bytes(), LIMIT, deadline).is_ok() {
        drop(transport.close(Some(Duration::from_millis(500))));
    }
}

/// An [`Endpoint`] at work. Dropping it ends it; a request under way is answered first.
#[must_use = "dropping it ends it"]
pub struct Serving {
    listener: Arc<Listener>,
    stopped: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl fmt::Debug for Serving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Serving").field(&self.listener).finish()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        // Where this does not wake the thread it looks by itself.
        drop(self.listener.socket().shutdown(Shutdown::Both));
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}
