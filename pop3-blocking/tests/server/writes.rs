//! How many system calls a session makes, and how large they are: sessions over a stream that counts.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use pop3_blocking::auth::Identity;
use pop3_blocking::pop3_proto::WaitingFor;
use pop3_blocking::server::{Outcome, Policy, Server};
use pop3_blocking::store::{
    CommitError, Committed, Maildrop, MemoryStore, Message, Meta, OpenContext, OpenError, Plan, Store,
    StoreError,
};
use pop3_blocking::{Stream, Untimed};

use crate::fixture::{limits, mail, tls, users};
use crate::peer::{Ending, Peer};

/// A stream that counts its writes.
struct Counting {
    stream: UnixStream,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    writes: AtomicUsize,
    largest: AtomicUsize,
    octets: AtomicUsize,
}

impl Read for Counting {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        self.stream.read(room)
    }
}

impl Write for Counting {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.counts.writes.fetch_add(1, Ordering::SeqCst);
        self.counts.largest.fetch_max(octets.len(), Ordering::SeqCst);
        let written = self.stream.write(octets)?;
        self.counts.octets.fetch_add(written, Ordering::SeqCst);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream for Counting {
    fn set_read_timeout(&mut self, limit: Option<Duration>) -> io::Result<()> {
        self.stream.set_read_timeout(limit)
    }

    fn set_write_timeout(&mut self, limit: Option<Duration>) -> io::Result<()> {
        self.stream.set_write_timeout(limit)
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        Stream::shutdown_write(&mut self.stream)
    }
}

/// Runs a session on one end of a pair, and the script on the other.
fn session(
    server: &Server,
    policy: &Policy,
    script: impl FnOnce(Peer<UnixStream>, &Counts),
) -> (Outcome, Arc<Counts>) {
    let (near, far) = UnixStream::pair().unwrap();
    let counts = Arc::<Counts>::default();
    let counting = Counting { stream: near, counts: Arc::clone(&counts) };
    let outcome = thread::scope(|scope| {
        let session = scope.spawn(|| server.serve_connection(counting, policy));
        script(Peer::over(far), &counts);
        session.join().unwrap()
    });
    (outcome, counts)
}

fn server(store: impl Store + 'static) -> Server {
    Server::builder(users(), store).limits(limits()).bind().unwrap()
}

fn open() -> Policy {
    Policy::cleartext().allow_cleartext_login()
}

#[test]
fn pb_q61_a_batch_is_one_write_and_a_dialogue_one_for_each_reply() {
    let server = server(mail());
    let (outcome, _) = session(&server, &open(), |mut peer, counts| {
        let writes = || counts.writes.load(Ordering::SeqCst);
        assert_eq!(peer.line(), "+OK POP3 server ready");
        peer.log_in("mrose");
        assert_eq!(writes(), 3);
        peer.send("STAT\r\nLIST\r\nUIDL\r\nRETR 1\r\nRETR 2\r\nDELE 1\r\nNOOP\r\n");
        while peer.line() != "+OK nothing done" {}
        assert_eq!(writes(), 4);
        assert_eq!(peer.ask("NOOP"), "+OK nothing done");
        assert_eq!(peer.ask_list("RETR 2").0, "+OK 62 octets");
        assert_eq!(peer.ask("RETR 1"), "-ERR no such message");
        assert_eq!(writes(), 7);
        assert_eq!(peer.ask("QUIT"), "+OK bye");
        assert_eq!(writes(), 8);
    });
    assert!(matches!(outcome, Outcome::Quit), "{outcome}");
}

#[test]
fn pb_s41_a_long_list_leaves_in_large_writes() {
    let store = MemoryStore::new();
    for _ in 0..20_000 {
        store.add("mrose", "a\r\n");
    }
    let (outcome, counts) = session(&server(store), &open(), |mut peer, _| {
        assert_eq!(peer.line(), "+OK POP3 server ready");
        peer.log_in("mrose");
        peer.send("UIDL\r\nQUIT\r\n");
        assert!(peer.rest().0.ends_with(".\r\n+OK bye\r\n"));
    });
    assert!(matches!(outcome, Outcome::Quit), "{outcome}");
    assert!(counts.largest.load(Ordering::SeqCst) <= 128 * 1024);
    // Almost half a million octets.
    assert!(counts.writes.load(Ordering::SeqCst) < 10, "{} writes", counts.writes.load(Ordering::SeqCst));
}

/// A client whose commands have all arrived, and that breaks when it is written to for the last time.
struct Gone {
    commands: &'static [u8],
    writes_left: usize,
}

impl Read for Gone {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        self.commands.read(room)
    }
}

impl Write for Gone {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        if self.writes_left == 0 {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.writes_left -= 1;
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn pb_q63_a_reply_that_cannot_be_written_does_not_undo_a_quit() {
    let commands = b"USER mrose\r\nPASS secret\r\nDELE 1\r\nQUIT\r\n";
    // The greeting; the reply to USER, before the password is checked; the replies to PASS and DELE, before the commit;
    // the reply to QUIT.
    for (writes, left) in [(0, 3), (1, 3), (2, 2), (3, 2), (4, 2)] {
        let store = mail();
        let gone = Untimed::new(Gone { commands, writes_left: writes });
        let outcome = server(store.clone()).serve_connection(gone, &open());
        assert_eq!(store.messages("mrose").len(), left, "{writes} writes: {outcome}");
        assert_eq!(matches!(outcome, Outcome::Quit), left == 2, "{outcome}");
        assert!(!store.is_locked("mrose"));
    }
}

#[test]
fn rp_close_1_what_stands_behind_quit_is_read_before_the_end() {
    let (near, mut far) = UnixStream::pair().unwrap();
    far.write_all(format!("QUIT\r\n{}", "x".repeat(30_000)).as_bytes()).unwrap();
    Stream::shutdown_write(&mut far).unwrap();
    let outcome = server(mail()).serve_connection(near, &open());
    assert!(matches!(outcome, Outcome::Quit), "{outcome}");
    // Closing a socket with unread input resets it, and this kind of socket tells.
    let expected = "+OK POP3 server ready\r\n+OK bye\r\n";
    assert_eq!(Peer::over(far).rest(), (expected.into(), Ending::Orderly));
}

#[test]
fn outcomes_name_the_cause() {
    let server = server(mail());
    let end = |script: fn(Peer<UnixStream>)| session(&server, &open(), |peer, _| script(peer)).0;
    assert!(matches!(end(drop), Outcome::Disconnected | Outcome::Transport(_)));
    let outcome = end(|mut peer| {
        peer.line();
        peer.close();
    });
    assert!(matches!(outcome, Outcome::Disconnected), "{outcome}");
    let outcome = end(|mut peer| {
        peer.send("GET / HTTP/1.0\r\n\r\n");
        peer.rest();
    });
    assert!(matches!(outcome, Outcome::ForeignProtocol), "{outcome}");
    let outcome = end(|mut peer| {
        peer.send("x\r\n".repeat(10));
        peer.rest();
    });
    assert!(matches!(outcome, Outcome::BadCommands), "{outcome}");
    let outcome = end(|mut peer| {
        peer.send("USER a\r\nPASS b\r\n".repeat(3));
        peer.rest();
    });
    assert!(matches!(outcome, Outcome::FailedLogins), "{outcome}");
    let outcome = end(|mut peer| {
        peer.send(vec![b'x'; 70_000]);
        peer.rest();
    });
    assert!(matches!(outcome, Outcome::Protocol(_)), "{outcome}");

    let mut hasty = limits();
    hasty.protocol.login = Duration::from_millis(50);
    hasty.handshake = Duration::from_secs(3600);
    let server = Server::builder(users(), mail()).limits(hasty).bind().unwrap();
    let (outcome, _) = session(&server, &open(), |mut peer, _| drop(peer.rest()));
    assert!(matches!(outcome, Outcome::TimedOut { waiting_for: WaitingFor::Login }), "{outcome}");
    // The handshake is within the time for the login.
    let policy = Policy::implicit_tls(tls().server.clone());
    let (outcome, _) = session(&server, &policy, |mut peer, _| drop(peer.rest_octets()));
    assert!(matches!(outcome, Outcome::Handshake(_)), "{outcome}");
}

/// A maildrop with one message that is made while it is read.
struct Synthetic {
    octets: usize,
    largest_read: Arc<AtomicUsize>,
}

impl Store for Synthetic {
    type Maildrop = Self;

    fn open(&self, _: &Identity, _: &OpenContext) -> Result<Self, OpenError> {
        Ok(Self { octets: self.octets, largest_read: Arc::clone(&self.largest_read) })
    }
}

impl Maildrop for Synthetic {
    fn scan(&mut self, out: &mut dyn FnMut(Meta<'_>) -> Result<(), StoreError>) -> Result<(), StoreError> {
        out(Meta::new(self.octets as u64, b"1"))
    }

    fn open_message(&mut self, _: Message<'_>) -> Result<Box<dyn Read + '_>, StoreError> {
        Ok(Box::new(Lines { left: self.octets, at: 0, largest_read: &self.largest_read }))
    }

    fn commit(self: Box<Self>, _: &dyn Plan) -> Result<Committed, CommitError> {
        Ok(Committed::new(1))
    }
}

/// Lines of 62 octets and CRLF, after an empty one, each of which begins with a dot.
struct Lines<'a> {
    left: usize,
    at: usize,
    largest_read: &'a AtomicUsize,
}

impl Read for Lines<'_> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        self.largest_read.fetch_max(room.len(), Ordering::SeqCst);
        let octets = room.len().min(self.left);
        for octet in &mut room[..octets] {
            *octet = match (self.at, self.at % 64) {
                (0 | 62, 0 | 62) => b'\r',
                (1, _) => b'\n',
                (_, 0) => b'.',
                (_, 62) => b'\r',
                (_, 63) => b'\n',
                _ => b'x',
            };
            self.at += 1;
        }
        self.left -= octets;
        Ok(octets)
    }
}

#[test]
fn pb_s41_a_message_of_64_mib_goes_through_buffers_of_128_kib() {
    const SIZE: usize = 64 << 20;
    let largest_read = Arc::<AtomicUsize>::default();
    let store = Synthetic { octets: SIZE, largest_read: Arc::clone(&largest_read) };
    let (outcome, counts) = session(&server(store), &open(), |mut peer, _| {
        assert_eq!(peer.line(), "+OK POP3 server ready");
        peer.log_in("mrose");
        peer.send("RETR 1\r\nQUIT\r\n");
        assert_eq!(peer.line(), format!("+OK {SIZE} octets"));
        let (octets, ending) = peer.rest_octets();
        // One dot in 64 octets is doubled, but for the first line, which is empty.
        assert_eq!(octets.len(), SIZE + SIZE / 64 - 1 + ".\r\n+OK bye\r\n".len());
        assert!(octets.ends_with(b"xx\r\n.\r\n+OK bye\r\n") && ending == Ending::Orderly);
    });
    assert!(matches!(outcome, Outcome::Quit), "{outcome}");
    assert_eq!(largest_read.load(Ordering::SeqCst), 32 * 1024);
    assert!(counts.largest.load(Ordering::SeqCst) <= 128 * 1024);
    // And they are used well.
    let octets = counts.octets.load(Ordering::SeqCst);
    assert!(
        counts.writes.load(Ordering::SeqCst) <= octets / (64 * 1024) * 2,
        "{} writes",
        counts.writes.load(Ordering::SeqCst)
    );
}
