//! The autologout, with minutes made milliseconds, and the work of a login. All else is tested from outside.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use pop3_proto::WaitingFor;

use super::{Limits, Outcome, Policy, Server};
use crate::Stream;
use crate::auth::MemoryUsers;
use crate::store::MemoryStore;

mod equal_work;

const LOG_IN: &str = "USER mrose\r\nPASS secret\r\nDELE 1\r\n";
const LOGGED_IN: &str = "+OK POP3 server ready\r\n+OK send PASS\r\n+OK maildrop has 1 message (8 octets)\r\n\
                         +OK message marked as deleted\r\n";

/// A server whose ten minutes last so long.
fn server(store: &MemoryStore, ten_minutes: Duration) -> Server {
    store.add("mrose", "A: b\r\n\r\n");
    let limits = Limits { failed_login_delay: Duration::ZERO, ..Limits::default() };
    let users = MemoryUsers::new().with_user("mrose", "secret");
    let mut server = Server::builder(users, store.clone()).limits(limits).bind().unwrap();
    let hurry = 600_000 / u32::try_from(ten_minutes.as_millis()).unwrap();
    Arc::get_mut(&mut server.shared).unwrap().hurry = hurry;
    server
}

/// A session on one end of a pair, and a script on the other.
fn session<S: Stream>(
    server: &Server,
    wrap: impl FnOnce(UnixStream) -> S,
    script: impl FnOnce(UnixStream),
) -> Outcome {
    let (near, far) = UnixStream::pair().unwrap();
    far.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let stream = wrap(near);
    thread::scope(|scope| {
        let policy = Policy::cleartext().allow_cleartext_login();
        let session = scope.spawn(move || server.serve_connection(stream, &policy));
        script(far);
        session.join().unwrap()
    })
}

fn read(stream: &mut UnixStream, octets: usize) -> String {
    let mut read = vec![0; octets];
    stream.read_exact(&mut read).unwrap();
    String::from_utf8(read).unwrap()
}

#[test]
fn r1939_3_16_pb_s54_silence_ends_the_session_and_removes_nothing() {
    let store = MemoryStore::new();
    let limit = Duration::from_millis(200);
    let server = server(&store, limit);
    let outcome = session(
        &server,
        |stream| stream,
        |mut peer| {
            peer.write_all(LOG_IN.as_bytes()).unwrap();
            assert_eq!(read(&mut peer, LOGGED_IN.len()), LOGGED_IN);
            let began = Instant::now();
            let mut rest = Vec::new();
            peer.read_to_end(&mut rest).unwrap();
            assert!(rest.is_empty() && began.elapsed() > limit / 2, "{:?}", began.elapsed());
            assert!(!store.is_locked("mrose"), "free before the end is seen");
        },
    );
    assert!(matches!(outcome, Outcome::TimedOut { waiting_for: WaitingFor::Command }), "{outcome}");
    assert_eq!(store.messages("mrose").len(), 1);
}

#[test]
fn r1939_3_15_any_command_renews_the_wait() {
    let store = MemoryStore::new();
    let limit = Duration::from_millis(600);
    let server = server(&store, limit);
    let outcome = session(
        &server,
        |stream| stream,
        |mut peer| {
            peer.write_all(LOG_IN.as_bytes()).unwrap();
            assert_eq!(read(&mut peer, LOGGED_IN.len()), LOGGED_IN);
            let began = Instant::now();
            while began.elapsed() < limit * 2 {
                thread::sleep(limit / 10);
                peer.write_all(b"NOOP\r\n").unwrap();
                assert_eq!(read(&mut peer, 18), "+OK nothing done\r\n");
            }
            peer.write_all(b"QUIT\r\n").unwrap();
            assert_eq!(read(&mut peer, 9), "+OK bye\r\n");
        },
    );
    assert!(matches!(outcome, Outcome::Quit), "{outcome}");
    assert!(store.messages("mrose").is_empty());
}

/// Keeps the read timeouts that were set.
struct Recording {
    stream: UnixStream,
    timeouts: Arc<Mutex<Vec<Duration>>>,
}

impl Read for Recording {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        self.stream.read(room)
    }
}

impl Write for Recording {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.stream.write(octets)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream for Recording {
    fn set_read_timeout(&mut self, limit: Option<Duration>) -> io::Result<()> {
        self.timeouts.lock().unwrap().extend(limit);
        self.stream.set_read_timeout(limit)
    }

    fn set_write_timeout(&mut self, limit: Option<Duration>) -> io::Result<()> {
        self.stream.set_write_timeout(limit)
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        Stream::shutdown_write(&mut self.stream)
    }
}

#[test]
fn r1939_3_15_the_limits_that_are_waited_for_are_the_defaults() {
    let store = MemoryStore::new();
    let server = server(&store, Duration::from_secs(600));
    let timeouts = Arc::<Mutex<Vec<Duration>>>::default();
    let outcome = session(
        &server,
        |stream| Recording { stream, timeouts: Arc::clone(&timeouts) },
        |mut peer| {
            assert_eq!(read(&mut peer, 23), &LOGGED_IN[..23]);
            peer.write_all(LOG_IN.as_bytes()).unwrap();
            assert_eq!(read(&mut peer, LOGGED_IN.len() - 23), &LOGGED_IN[23..]);
            peer.write_all(b"NO").unwrap();
            // The session must have seen it before more comes.
            while timeouts.lock().unwrap().len() < 3 {
                thread::yield_now();
            }
            peer.write_all(b"OP\r\nQUIT\r\n").unwrap();
            assert_eq!(read(&mut peer, 27), "+OK nothing done\r\n+OK bye\r\n");
        },
    );
    assert!(matches!(outcome, Outcome::Quit), "{outcome}");
    // A socket's timeout is an eighth shorter than the wait it begins.
    let waits: Vec<u64> = timeouts.lock().unwrap().iter().map(|limit| limit.as_secs() * 8 / 7).collect();
    let near = |wait: u64, limit: u64| (limit - 3..=limit).contains(&wait);
    assert!(near(waits[0], 60) && near(waits[1], 600) && near(waits[2], 30), "{waits:?}");
}
