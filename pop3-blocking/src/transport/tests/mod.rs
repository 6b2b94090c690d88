//! Two transports joined by loopback sockets, and streams that misbehave in chosen ways.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use super::*;
use crate::tls::test_ca::{Ca, HOST};

mod closing;
mod handshake;
mod moving;

/// Long enough that only a bug reaches it.
const LONG: Duration = Duration::from_secs(30);

fn long() -> Deadline {
    Deadline::after(LONG)
}

fn name() -> ServerName {
    ServerName::parse(HOST).unwrap()
}

/// Both ends of a TCP connection over loopback.
fn tcp() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (server, _) = listener.accept().unwrap();
    for stream in [&client, &server] {
        stream.set_nodelay(true).unwrap();
    }
    (client, server)
}

/// Does the handshake of both ends; fails the test if either fails.
fn secured<C: Stream, S: Stream>(
    (client, server): (C, S),
    client_tls: &ClientTls,
    server_tls: &ServerTls,
) -> (Transport<C>, Transport<S>) {
    thread::scope(|scope| {
        let server = scope.spawn(|| Transport::plain(server).accept_tls(server_tls, long()));
        let client = Transport::plain(client).connect_tls(client_tls, &name(), long());
        (client.unwrap(), server.join().unwrap().unwrap())
    })
}

/// The configurations of both versions: (name, client, server).
fn both_versions(ca: &Ca) -> [(TlsVersion, ClientTls, ServerTls); 2] {
    let old = ca.client_builder().only_tls12().build().unwrap();
    [(TlsVersion::Tls12, old, ca.server_tls()), (TlsVersion::Tls13, ca.client_tls(), ca.server_tls())]
}

/// Reads to the end: what came, and how it ended.
fn read_to_end<S: Stream>(transport: &mut Transport<S>) -> (Vec<u8>, Result<(), TransportError>) {
    let mut all = Vec::new();
    let mut room = [0; 4096];
    loop {
        match transport.read(&mut room, long()) {
            Ok(Input::Octets(octets)) => {
                assert!(octets > 0);
                all.extend_from_slice(&room[..octets]);
            }
            Ok(Input::Closed) => return (all, Ok(())),
            Err(error) => return (all, Err(error)),
        }
    }
}

/// Reads exactly so many octets.
fn read_exactly<S: Stream>(transport: &mut Transport<S>, octets: usize) -> Vec<u8> {
    let mut all = vec![0; octets];
    let mut filled = 0;
    while filled < octets {
        match transport.read(&mut all[filled..], long()).unwrap() {
            Input::Octets(read) => filled += read,
            Input::Closed => panic!("closed after {filled} of {octets} octets"),
        }
    }
    all
}

/// Octets that repeat only after a long time, so that lost, doubled or swapped ones show.
fn pattern(octets: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..octets).map(|_| next()).collect()
}

/// A stream that passes on only so many octets and then ends, and that may read one octet at a time.
struct Cut<S> {
    stream: S,
    left: Arc<AtomicUsize>,
    passed: Arc<AtomicUsize>,
    /// Some octets did not pass.
    cut: Arc<AtomicBool>,
    one_octet: bool,
    reads: Arc<AtomicUsize>,
    taken: Arc<AtomicUsize>,
}

impl<S> Cut<S> {
    fn new(stream: S) -> Self {
        Self {
            stream,
            left: Arc::new(AtomicUsize::new(usize::MAX)),
            passed: Arc::default(),
            cut: Arc::default(),
            one_octet: false,
            reads: Arc::default(),
            taken: Arc::default(),
        }
    }

    fn after(stream: S, octets: usize) -> Self {
        let cut = Self::new(stream);
        cut.left.store(octets, Ordering::SeqCst);
        cut
    }
}

impl<S: Read> Read for Cut<S> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        let room = if self.one_octet { &mut room[..1] } else { room };
        let octets = self.stream.read(room)?;
        self.taken.fetch_add(octets, Ordering::SeqCst);
        Ok(octets)
    }
}

impl<S: Write> Write for Cut<S> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let left = self.left.load(Ordering::SeqCst);
        if octets.len() > left {
            self.cut.store(true, Ordering::SeqCst);
        }
        let octets = &octets[..octets.len().min(left)];
        let octets = if self.one_octet { &octets[..octets.len().min(1)] } else { octets };
        if octets.is_empty() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let written = self.stream.write(octets)?;
        self.left.store(left - written, Ordering::SeqCst);
        self.passed.fetch_add(written, Ordering::SeqCst);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

impl<S: Stream> Stream for Cut<S> {
    fn set_read_timeout(&mut self, limit: Option<Duration>) -> io::Result<()> {
        self.stream.set_read_timeout(limit)
    }

    fn set_write_timeout(&mut self, limit: Option<Duration>) -> io::Result<()> {
        self.stream.set_write_timeout(limit)
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.stream.shutdown_write()
    }
}
