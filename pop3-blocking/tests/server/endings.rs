//! Every way for a session to end: what is removed, and when the lock is free.

use std::io::{ErrorKind, Read};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pop3_blocking::auth::Identity;
use pop3_blocking::server::{Limits, Policy, Server};
use pop3_blocking::store::{
    CommitError, Committed, Maildrop, MemoryMaildrop, MemoryStore, Message, Meta, OpenContext, OpenError,
    Plan, Store, StoreError,
};
use pop3_blocking::tls::ClientTls;

use crate::fixture::{MESSAGES, builder, eventually, limits, local, mail, serve, tls, users};
use crate::peer::{Ending, Peer};

/// A way to end a session, other than QUIT. The peer has marked message 1; it must read on to the end.
type End = (&'static str, fn(&mut Peer));

const IN_CLEAR_TEXT: [End; 8] = [
    ("end of input", |peer| peer.end()),
    ("end of input within a command", |peer| {
        peer.send("DELE 2\r\nNOO");
        peer.end();
    }),
    ("QUIT without CRLF", |peer| {
        peer.send("QUIT");
        peer.end();
    }),
    ("QUIT with LF alone", |peer| {
        peer.send("QUIT\n");
        peer.end();
    }),
    ("silence within a command", |peer| peer.send("QUIT\r")),
    ("bad commands", |peer| peer.send("XYZZY\r\n".repeat(20))),
    ("a line without end", |peer| peer.send(vec![b'x'; 64 * 1024])),
    ("QUIT on a line that is too long", |peer| {
        peer.send(format!("{}QUIT", "x".repeat(600)));
        peer.end();
    }),
];

const UNDER_TLS: [End; 3] = [
    ("end of input without close_notify", |peer| peer.end()),
    ("a damaged record", |peer| peer.send_raw(b"\x17\x03\x03\x00\x10................")),
    ("no record at all", |peer| peer.send_raw(b"QUIT\r\n")),
];

fn hasty() -> Limits {
    let mut limits = limits();
    limits.protocol.command = Duration::from_millis(50);
    limits
}

fn untouched(store: &MemoryStore) -> bool {
    store.messages("mrose") == MESSAGES.map(|message| message.as_bytes().to_vec())
}

#[test]
fn pb_s33_pb_s36_without_quit_nothing_goes_and_the_lock_is_free_at_the_end() {
    let store = mail();
    let builder = Server::builder(users(), store.clone())
        .limits(hasty())
        .listen(local(), Policy::cleartext().allow_cleartext_login())
        .listen(local(), Policy::implicit_tls(tls().server.clone()));
    let running = builder.bind().unwrap().serve().unwrap();
    let connect = |listener: usize| {
        let address = running.addresses()[listener];
        let mut peer =
            if listener == 0 { Peer::connect(address) } else { Peer::connect_tls(address, &tls().client) };
        assert_eq!(peer.line(), "+OK POP3 server ready");
        peer
    };
    for (listener, ends) in [(0, &IN_CLEAR_TEXT[..]), (1, &UNDER_TLS[..])] {
        for (name, end) in ends {
            for round in 0..100 {
                let mut peer = connect(listener);
                peer.log_in("mrose");
                assert_eq!(peer.ask("DELE 1"), "+OK message marked as deleted");
                end(&mut peer);
                let (said, _) = peer.rest();
                assert!(!said.contains("bye"), "{name}: {said}");
                // At once: a client that has seen the end must not be told [IN-USE] (R1939-6.6).
                let mut next = connect(listener);
                assert_eq!(next.ask("USER mrose"), "+OK send PASS");
                let reply = next.ask("PASS secret");
                assert_eq!(reply, "+OK maildrop has 3 messages (125 octets)", "{name}, round {round}");
                assert!(untouched(&store), "{name}");
                assert_eq!(next.ask("QUIT"), "+OK bye");
            }
        }
    }
}

#[test]
fn r1939_3_16_r8446_6_1_a_time_out_says_close_notify_and_nothing_else() {
    let store = mail();
    let builder = Server::builder(users(), store.clone())
        .limits(hasty())
        .listen(local(), Policy::implicit_tls(tls().server.clone()));
    let (_running, address) = serve(builder);
    for client in [&tls().client, &tls().client_tls12] {
        let mut peer = Peer::connect_tls(address, client);
        assert_eq!(peer.line(), "+OK POP3 server ready");
        peer.log_in("mrose");
        assert_eq!(peer.ask("DELE 1"), "+OK message marked as deleted");
        peer.send("QUIT\r");
        assert_eq!(peer.rest(), (String::new(), Ending::Orderly));
        assert!(untouched(&store) && !store.is_locked("mrose"));
    }
}

#[test]
fn r1939_6_6_relogin_a_hundred_times() {
    let store = mail();
    let (_running, address) = serve(builder(store.clone()));
    for round in 0..100 {
        let mut peer = Peer::logged_in(address, "mrose");
        assert_eq!(peer.ask("DELE 1"), "+OK message marked as deleted");
        if round % 2 == 0 {
            assert_eq!(peer.ask("RSET"), "+OK no message is marked as deleted");
            peer.send("QUIT\r\n");
        } else {
            peer.end();
        }
        peer.rest();
    }
    assert!(untouched(&store));
}

#[test]
fn r1939_6_6_the_reply_to_quit_is_enough_to_come_back() {
    let (_running, address) = serve(builder(mail()));
    // Both connections at once: the first is not even closed.
    let mut peers = Vec::new();
    for _ in 0..100 {
        let mut peer = Peer::logged_in(address, "mrose");
        assert_eq!(peer.ask("QUIT"), "+OK bye");
        peers.push(peer);
    }
}

#[test]
fn rp_close_4_close_notify_without_quit_removes_nothing() {
    let store = mail();
    let builder = Server::builder(users(), store.clone())
        .limits(limits())
        .listen(local(), Policy::implicit_tls(tls().server.clone()));
    let (_running, address) = serve(builder);
    for client in [&tls().client, &tls().client_tls12] {
        let mut peer = Peer::connect_tls(address, client);
        assert_eq!(peer.line(), "+OK POP3 server ready");
        peer.log_in("mrose");
        assert_eq!(peer.ask("DELE 1"), "+OK message marked as deleted");
        peer.close();
        eventually("the lock is free", || !store.is_locked("mrose"));
        assert!(untouched(&store));
    }
}

#[test]
fn r1939_6_3_a_reset_removes_nothing() {
    let store = mail();
    let (running, address) = serve(builder(store.clone()));
    for _ in 0..20 {
        let mut peer = Peer::logged_in(address, "mrose");
        assert_eq!(peer.ask("DELE 1"), "+OK message marked as deleted");
        peer.reset();
        eventually("the lock is free", || !store.is_locked("mrose"));
        assert!(untouched(&store));
    }
    eventually("all sessions are over", || running.statistics().open == 0);
}

#[test]
fn pb_q63_a_complete_quit_commits_even_if_the_client_is_gone() {
    for round in 0..20 {
        let store = mail();
        let (_running, address) = serve(builder(store.clone()));
        let mut peer = Peer::logged_in(address, "mrose");
        peer.send("DELE 1\r\nDELE 3\r\nQUIT\r\n");
        if round % 2 == 0 {
            peer.end();
        }
        drop(peer);
        eventually("message 2 alone is left", || {
            store.messages("mrose") == [MESSAGES[1].as_bytes()] && !store.is_locked("mrose")
        });
    }
}

#[test]
fn r1939_4_9_quit_before_the_login() {
    let store = mail();
    let (_running, address) = serve(builder(store.clone()));
    for commands in
        ["QUIT\r\n", "USER mrose\r\nQUIT\r\n", "quit\r\nUSER mrose\r\nPASS secret\r\nDELE 1\r\nQUIT\r\n"]
    {
        let mut peer = Peer::greeted(address);
        peer.send(commands);
        let (said, ending) = peer.rest();
        assert!(said.ends_with("+OK bye\r\n") && ending == Ending::Orderly, "{said}");
        assert_eq!(said.matches("bye").count(), 1);
        assert!(untouched(&store));
    }
}

/// Looks, when a maildrop is closed, whether its client has something to read.
#[derive(Clone)]
struct Watching {
    mail: MemoryStore,
    client: Arc<Mutex<Option<TcpStream>>>,
    seen: Arc<Mutex<Vec<Option<ErrorKind>>>>,
}

struct Watched {
    mail: MemoryMaildrop,
    watching: Watching,
}

impl Store for Watching {
    type Maildrop = Watched;

    fn open(&self, who: &Identity, cx: &OpenContext) -> Result<Watched, OpenError> {
        Ok(Watched { mail: self.mail.open(who, cx)?, watching: self.clone() })
    }
}

impl Maildrop for Watched {
    fn scan(&mut self, out: &mut dyn FnMut(Meta<'_>) -> Result<(), StoreError>) -> Result<(), StoreError> {
        self.mail.scan(out)
    }

    fn open_message(&mut self, message: Message<'_>) -> Result<Box<dyn Read + '_>, StoreError> {
        self.mail.open_message(message)
    }

    fn commit(self: Box<Self>, _: &dyn Plan) -> Result<Committed, CommitError> {
        unreachable!("nobody says QUIT")
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let client = self.watching.client.lock().unwrap();
        let client = client.as_ref().unwrap();
        client.set_nonblocking(true).unwrap();
        let seen = client.peek(&mut [0]).err().map(|error| error.kind());
        self.watching.seen.lock().unwrap().push(seen);
        client.set_nonblocking(false).unwrap();
    }
}

/// Ends a session. What is left of it has something to read.
type Leave = fn(Peer) -> Option<Peer>;

/// On loopback what is written is there to be read at once, so that this sees what is rare to happen otherwise.
#[test]
fn r39_pb_s36_the_client_is_told_nothing_of_the_end_while_the_maildrop_is_open() {
    let watching = Watching { mail: mail(), client: Arc::default(), seen: Arc::default() };
    let running = Server::builder(users(), watching.clone())
        .limits(limits())
        .listen(local(), Policy::implicit_tls(tls().server.clone()))
        .bind()
        .unwrap()
        .serve()
        .unwrap();
    let address = running.addresses()[0];
    let ends: [(&str, &ClientTls, Leave); 3] = [
        ("a damaged record", &tls().client, |peer| {
            peer.send_raw(b"\x17\x03\x03\x00\x10................");
            Some(peer)
        }),
        ("close_notify under TLS 1.3", &tls().client, |peer| {
            peer.close();
            None
        }),
        // Under TLS 1.2 the answer must follow at once.
        ("close_notify under TLS 1.2", &tls().client_tls12, |peer| {
            peer.close();
            None
        }),
    ];
    for (name, client, end) in ends {
        let stream = TcpStream::connect(address).unwrap();
        *watching.client.lock().unwrap() = Some(stream.try_clone().unwrap());
        let mut peer = Peer::over(stream).start_tls(client);
        assert_eq!(peer.line(), "+OK POP3 server ready");
        peer.log_in("mrose");
        // It reads nothing before the maildrop is free, or what it was told could not be seen here.
        let peer = end(peer);
        eventually("the maildrop is free", || !watching.mail.is_locked("mrose"));
        let seen = std::mem::take(&mut *watching.seen.lock().unwrap());
        assert_eq!(seen, [Some(ErrorKind::WouldBlock)], "{name}");
        if let Some(mut peer) = peer {
            assert_eq!(peer.rest().1, Ending::Alert, "{name}");
        }
    }
}
