//! The waits after the login, with minutes made milliseconds, and the work of a login. All else is tested from outside.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use pop3_proto::WaitingFor;

use super::{LimitError, Limits, Outcome, Policy, ServeError, Server};
use crate::auth::MemoryUsers;
use crate::store::MemoryStore;
use crate::{Stream, TransportError};

mod equal_work;

const LOG_IN: &str = "USER mrose\r\nPASS secret\r\nDELE 1\r\n";
const LOGGED_IN: &str = "+OK POP3 server ready\r\n+OK send PASS\r\n+OK maildrop has 1 message (8 octets)\r\n\
                         +OK message marked as deleted\r\n";

/// A server whose ten minutes last so long, and a maildrop of one small message.
fn server(store: &MemoryStore, ten_minutes: Duration) -> Server {
    store.add("mrose", "A: b\r\n\r\n");
    hurried(store, ten_minutes)
}

fn hurried(store: &MemoryStore, ten_minutes: Duration) -> Server {
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

/// A maildrop whose one message is far larger than what the system buffers.
fn large_mail() -> (MemoryStore, usize) {
    let store = MemoryStore::new();
    let message = format!("\r\n{}", "a line of a large message\r\n".repeat(200_000));
    store.add("mrose", message.as_bytes());
    (store, message.len())
}

#[test]
fn pb_s40_a_client_that_takes_nothing_is_cut_off() {
    let (store, _) = large_mail();
    // The minute of a write becomes a tenth of a second.
    let server = hurried(&store, Duration::from_secs(1));
    for commands in ["DELE 1\r\nRSET\r\nRETR 1\r\nQUIT\r\n", "RETR 1\r\nDELE 1\r\nQUIT\r\n"] {
        let mut said = String::new();
        let outcome = session(
            &server,
            |stream| stream,
            |mut peer| {
                peer.write_all(b"USER mrose\r\nPASS secret\r\n").unwrap();
                assert!(read(&mut peer, 50).starts_with(&LOGGED_IN[..50]));
                let began = Instant::now();
                while !store.is_locked("mrose") {
                    assert!(began.elapsed() < Duration::from_secs(30));
                }
                peer.write_all(commands.as_bytes()).unwrap();
                // Nothing more is read before the server has given up.
                while store.is_locked("mrose") {
                    assert!(began.elapsed() < Duration::from_secs(30));
                    thread::yield_now();
                }
                drop(peer.read_to_string(&mut said));
            },
        );
        assert!(matches!(outcome, Outcome::Transport(TransportError::TimedOut)), "{outcome}");
        assert_eq!(store.messages("mrose").len(), 1);
        assert!(said.contains("octets\r\n") && !said.ends_with("\r\n.\r\n") && !said.contains("bye"));
    }
}

#[test]
fn r1939_3_17_a_client_that_takes_little_is_not_cut_off() {
    let (store, octets) = large_mail();
    // A busy machine may hold a thread up for long.
    let limit = Duration::from_millis(500);
    let server = hurried(&store, limit * 10);
    let outcome = session(
        &server,
        |stream| stream,
        |mut peer| {
            peer.write_all(b"USER mrose\r\nPASS secret\r\nRETR 1\r\nQUIT\r\n").unwrap();
            let (began, mut read, mut room) = (Instant::now(), 0, [0; 16 * 1024]);
            // Slower than the limit by far as a whole, but never silent for long.
            while began.elapsed() < limit * 3 {
                read += peer.read(&mut room).unwrap();
                thread::sleep(Duration::from_millis(5));
            }
            read += peer.read_to_end(&mut Vec::new()).unwrap();
            assert!(read > octets, "{read}");
        },
    );
    assert!(matches!(outcome, Outcome::Quit), "{outcome}");
}

#[test]
fn r1939_3_15_r1939_3_17_a_server_with_a_limit_outside_its_range_is_not_made() {
    let made = |set: &dyn Fn(&mut Limits)| {
        let mut limits = Limits::default();
        set(&mut limits);
        Server::builder(MemoryUsers::new(), MemoryStore::new()).limits(limits).bind().map(|_| ())
    };
    assert!(made(&|limits| limits.write = Duration::from_secs(30)).is_ok());
    let refused = made(&|limits| limits.write = Duration::from_secs(29)).unwrap_err();
    let ServeError::Limit(error) = &refused else { panic!("{refused}") };
    assert_eq!((error.name, error.value, error.least, error.greatest), ("write", 29_000, 30_000, 600_000));
    assert_eq!(refused.to_string(), "limit write: 29000 is below 30000");
    let refused = made(&|limits| limits.write = Duration::from_secs(601)).unwrap_err();
    assert_eq!(refused.to_string(), "limit write: 601000 is above 600000");
    let refused = made(&|limits| limits.protocol.idle = Duration::from_secs(599)).unwrap_err();
    assert!(matches!(refused, ServeError::IdleTooShort { .. }), "{refused}");
    let refused = made(&|limits| limits.password_checks = 0).unwrap_err();
    assert!(matches!(refused, ServeError::Limit(LimitError { name: "password_checks", .. })), "{refused}");
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
