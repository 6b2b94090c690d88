//! Listening sockets, and the loop that accepts from one: it admits, finds or starts a thread, and never waits for a client.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use pop3_proto::server::Server as Protocol;
use pop3_proto::{CodeKind, ServerLimits};
use socket2::{Domain, Protocol as Transmission, SockRef, Socket as RawSocket, Type};

use super::admission::{Crowded, Ticket};
use super::connection;
use super::proxy::Origin;
use super::record::TARGET;
use super::shared::{Shared, count};
use super::socket::Socket;
use super::stop::Phase;
use super::{Event, Outcome, Policy, RefusedBy, ServeError};
use crate::Deadline;

/// How many connections may wait to be accepted. The system may allow fewer.
const BACKLOG: i32 = 1024;

/// How long an accept waits before it looks whether the server is to stop, where a shutdown of the socket does not
/// wake it.
const LOOK: Duration = Duration::from_secs(1);

/// How long to wait after a failed accept, at first and at most: out of files or memory, the next would fail too.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// A socket that listens, and how its connections are treated.
#[derive(Debug)]
pub(super) struct Listener {
    socket: TcpListener,
    address: SocketAddr,
    policy: Policy,
    /// Bound here, so that nobody else uses the socket.
    own: bool,
}

impl Listener {
    /// Listens on `address`. IPv6 addresses take no IPv4, so that both can be listened on.
    pub(super) fn bind(address: SocketAddr, policy: Policy) -> Result<Self, ServeError> {
        let bound = || {
            let socket = RawSocket::new(Domain::for_address(address), Type::STREAM, Some(Transmission::TCP))?;
            if address.is_ipv6() {
                socket.set_only_v6(true)?;
            }
            // A restart must not wait for the connections of the last run. On Windows the option means something else.
            #[cfg(unix)]
            socket.set_reuse_address(true)?;
            socket.bind(&address.into())?;
            socket.listen(BACKLOG)?;
            Self::ready(socket.into(), policy, true)
        };
        bound().map_err(|source| ServeError::Bind { address, source })
    }

    /// Takes over a socket that listens already.
    pub(super) fn from_socket(socket: TcpListener, policy: Policy) -> Result<Self, ServeError> {
        Self::ready(socket, policy, false).map_err(ServeError::Socket)
    }

    fn ready(socket: TcpListener, policy: Policy, own: bool) -> io::Result<Self> {
        socket.set_nonblocking(false)?;
        SockRef::from(&socket).set_read_timeout(Some(LOOK))?;
        let address = socket.local_addr()?;
        Ok(Self { socket, address, policy, own })
    }

    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Starts the thread that accepts.
    pub(super) fn start(self, shared: Arc<Shared>) -> Result<Accepting, ServeError> {
        let socket = Arc::new(self.socket);
        let listening = Arc::clone(&socket);
        let policy = Arc::new(self.policy);
        let thread = thread::Builder::new()
            .name("pop3-accept".into())
            .stack_size(shared.limits.stack)
            .spawn(move || accept_all(&listening, &shared, &policy))
            .map_err(ServeError::Thread)?;
        Ok(Accepting { socket: self.own.then_some(socket), thread })
    }
}

/// A thread that accepts.
pub(super) struct Accepting {
    /// `None` if the socket was handed over: a process that has it too would lose it by a shutdown.
    socket: Option<Arc<TcpListener>>,
    thread: JoinHandle<()>,
}

impl Accepting {
    /// Wakes the thread, which sees that the server is to stop, and closes the socket.
    pub(super) fn finish(self) {
        // Where this does not wake it, it looks by itself.
        if let Some(socket) = &self.socket {
            drop(SockRef::from(&**socket).shutdown(Shutdown::Both));
        }
        drop(self.thread.join());
    }
}

fn accept_all(socket: &TcpListener, shared: &Arc<Shared>, policy: &Arc<Policy>) {
    let mut pause = BACK_OFF.0;
    while !shared.stop.is_requested() {
        match socket.accept() {
            Ok((stream, peer)) => {
                pause = BACK_OFF.0;
                welcome(shared, policy, stream, peer);
            }
            Err(error) if is_passing(&error) => {}
            Err(error) => {
                if !shared.stop.is_requested() {
                    log::error!(target: TARGET, "accept failed, next try in {pause:?}: {error}");
                    if let Some(moment) = Instant::now().checked_add(pause) {
                        shared.stop.sleep_until(moment);
                    }
                    pause = (pause * 2).min(BACK_OFF.1);
                }
            }
        }
    }
}

/// Whether an error of `accept` says nothing about the next one: nobody came, or the client left before it was seen.
pub(super) fn is_passing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock
            | io::ErrorKind::TimedOut
            | io::ErrorKind::Interrupted
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
    )
}

/// Admits a connection and starts its thread, or refuses it.
fn welcome(shared: &Arc<Shared>, policy: &Arc<Policy>, stream: TcpStream, peer: SocketAddr) {
    if shared.stop.is_requested() {
        return;
    }
    let socket = Socket::new(stream);
    let silently = |by: RefusedBy, why: &str| {
        shared.refused(by);
        log::warn!(target: TARGET, "connection refused: peer={} port={} reason=\"{why}\"", peer.ip().to_canonical(), peer.port());
    };
    let refuse = |by: RefusedBy, why: &str| {
        silently(by, why);
        if !policy.implicit {
            refuse_in_words(&socket);
        }
    };
    let origin = policy.origin(Some(peer.ip()));
    let client = match origin {
        Origin::Client => Some(peer.ip()),
        Origin::Proxy => None,
        Origin::Stranger => return silently(RefusedBy::Proxies, "not a trusted proxy"),
    };
    // Behind a proxy it is accepted when it is known whose it is.
    let started = || {
        if origin == Origin::Client {
            shared.accepted()
        }
    };
    let ticket = match shared.admission.enter(client, socket.handle()) {
        Ok((ticket, evicted)) => {
            if evicted {
                count(&shared.counters.evicted);
                shared.observe(&Event::Evicted);
            }
            ticket
        }
        Err(Crowded::Server) => return refuse(RefusedBy::Connections, "too many connections"),
        Err(Crowded::Address) => {
            return refuse(RefusedBy::ConnectionsPerAddress, "too many connections from this address");
        }
    };
    let job = Job { policy: Arc::clone(policy), stream: socket.clone(), ticket };
    let Some(job) = shared.workers.give(job) else { return started() };
    let session_shared = Arc::clone(shared);
    let thread = thread::Builder::new()
        .name("pop3-session".into())
        .stack_size(shared.limits.stack)
        .spawn(move || work(&session_shared, job));
    match thread {
        Ok(_detached) => started(),
        Err(error) => refuse(RefusedBy::Threads, &format!("no thread: {error}")),
    }
}

/// A connection that has been admitted.
pub(super) struct Job {
    policy: Arc<Policy>,
    stream: Socket,
    ticket: Ticket,
}

/// Serves a connection, and others that come when it has ended. After a panic no other: nobody knows what it has left
/// behind on the thread.
fn work(shared: &Shared, first: Job) {
    let mut job = first;
    while serve(shared, job) {
        let Some(next) = shared.workers.next() else { return };
        job = next;
    }
}

/// Tells whether there was no panic.
fn serve(shared: &Shared, job: Job) -> bool {
    let Job { policy, stream, ticket } = job;
    // A panic of a session is caught inside. This one is for its log line: a logger may panic too.
    let ended = catch_unwind(AssertUnwindSafe(|| connection::serve(shared, stream, &policy, Some(&ticket))));
    if ended.is_err() {
        count(&shared.counters.panicked);
    }
    drop(ticket);
    ended.is_ok_and(|outcome| !matches!(outcome, Outcome::Panicked))
}

/// `-ERR [SYS/TEMP]` instead of a greeting. It fits the empty buffer of a new socket, so it does not wait.
fn refuse_in_words(socket: &Socket) {
    let mut line = Vec::new();
    let mut protocol = Protocol::new(false, false, false, ServerLimits::DEFAULT);
    if protocol.refuse(Some(CodeKind::SysTemp), b"too many connections, try again later", &mut line).is_ok() {
        socket.send_last(&line);
    }
}

/// Waits until the server is to stop, and brings it to its end: no new connections, then no silent ones, then none.
pub(super) fn supervise(shared: &Shared, accepting: &Mutex<Vec<Accepting>>) {
    shared.stop.wait_for(Phase::Stopping);
    for listener in std::mem::take(&mut *accepting.lock().unwrap_or_else(PoisonError::into_inner)) {
        listener.finish();
    }
    let admission = &shared.admission;
    // Sessions that wait for input wake up and close; those that are busy finish what was read.
    admission.shut_down_all(Shutdown::Read);
    let drain = shared.limits.drain;
    if !admission.wait_until_empty(Deadline::after(drain)) {
        log::warn!(target: TARGET, "{} connections did not end within {drain:?}", admission.open());
        admission.shut_down_all(Shutdown::Both);
        // What is left computes, or waits for a disk: a commit may be among it.
        if !admission.wait_until_empty(Deadline::after(drain)) {
            log::error!(target: TARGET, "{} sessions left behind", admission.open());
        }
    }
    shared.workers.close();
    shared.stop.advance(Phase::Stopped);
}
