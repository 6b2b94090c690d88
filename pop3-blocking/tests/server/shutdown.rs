//! A server that stops: what every session sees of it.

use std::io::Read;
use std::net::TcpStream;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use pop3_blocking::auth::Identity;
use pop3_blocking::server::{Limits, Policy, Server};
use pop3_blocking::store::{
    CommitError, Committed, Maildrop, MemoryMaildrop, MemoryStore, Message, Meta, OpenContext, OpenError,
    Plan, Store, StoreError,
};

use crate::fixture::{MESSAGES, OddUsers, builder, eventually, limits, local, mail, serve, tls, users};
use crate::peer::{Ending, LONG, Peer};

/// Fails the test if the server does not stop long before its drain limit.
fn stops_at_once(stop: impl FnOnce()) {
    let began = Instant::now();
    stop();
    assert!(began.elapsed() < Limits::default().drain / 2, "{:?}", began.elapsed());
}

#[test]
fn r1939_6_3_idle_sessions_are_closed_in_good_order_and_nothing_goes() {
    let store = mail();
    let builder = Server::builder(users(), store.clone())
        .limits(limits())
        .listen(local(), Policy::cleartext().allow_cleartext_login())
        .listen(local(), Policy::implicit_tls(tls().server.clone()));
    let running = builder.bind().unwrap().serve().unwrap();
    let [plain, secure] = [running.addresses()[0], running.addresses()[1]];
    let mut peers = vec![
        Peer::greeted(plain),
        Peer::logged_in(plain, "fred"),
        Peer::connect_tls(secure, &tls().client),
        Peer::connect_tls(secure, &tls().client_tls12),
    ];
    for peer in &mut peers[2..] {
        assert_eq!(peer.line(), "+OK POP3 server ready");
    }
    peers[2].log_in("mrose");
    assert_eq!(peers[2].ask("DELE 1"), "+OK message marked as deleted");
    assert_eq!(peers[1].ask("USER x"), "-ERR command not valid in this state");
    peers[0].send("CAP");
    let handshaking = Peer::connect(secure);
    eventually("all have a session", || running.statistics().open == 5);
    stops_at_once(|| {
        running.shutdown();
        running.join();
    });
    for (number, mut peer) in peers.into_iter().enumerate() {
        // RP-CLOSE.1, R8446-6.1: a close_notify under TLS; PB-S43: not one octet besides.
        assert_eq!(peer.rest(), (String::new(), Ending::Orderly), "peer {number}");
    }
    drop(handshaking);
    assert_eq!(store.messages("mrose").len(), 3);
    assert!(!store.is_locked("mrose") && !store.is_locked("fred"));
    assert_eq!(running.statistics().open, 0);
    assert!(TcpStream::connect(plain).is_err(), "nobody listens any more");
    running.shutdown();
    running.join();
}

#[test]
fn a_dropped_handle_stops_the_server_and_a_stop_wakes_who_joins() {
    let (running, address) = serve(builder(mail()));
    thread::scope(|scope| {
        let joining = scope.spawn(|| running.join());
        Peer::logged_in(address, "mrose").close();
        assert!(!joining.is_finished());
        running.shutdown();
    });
    let (running, address) = serve(builder(mail()));
    let mut peer = Peer::logged_in(address, "mrose");
    stops_at_once(|| drop(running));
    assert_eq!(peer.rest(), (String::new(), Ending::Orderly));
}

#[test]
fn sockets_that_were_handed_over_are_left_alone() {
    let socket = std::net::TcpListener::bind(local()).unwrap();
    let (address, ours) = (socket.local_addr().unwrap(), socket.try_clone().unwrap());
    let builder = Server::builder(users(), mail())
        .limits(limits())
        .listen_on(socket, Policy::cleartext().allow_cleartext_login());
    let (running, _) = serve(builder);
    Peer::logged_in(address, "mrose").close();
    stops_at_once(|| drop(running));
    // The service manager goes on listening.
    let client = TcpStream::connect(address).unwrap();
    let (mut accepted, _) = ours.accept().unwrap();
    drop(client);
    accepted.set_read_timeout(Some(LONG)).unwrap();
    assert_eq!(accepted.read(&mut [0]).unwrap(), 0);
}

/// A maildrop whose reply is far larger than what the system buffers.
fn large_mail() -> (MemoryStore, String) {
    let store = mail();
    let message = format!("\r\n{}", "a line of a large message\r\n".repeat(600_000));
    store.add("mrose", message.as_bytes());
    let reply = format!("+OK {} octets\r\n{message}.\r\n", message.len());
    (store, reply)
}

#[test]
fn a_reply_in_flight_is_finished_and_what_was_read_is_served() {
    for (script, last, left) in [
        ("RETR 4\r\n", "", 4),
        ("RETR 4\r\nDELE 1\r\nDELE 2\r\n", "+OK message marked as deleted\r\n", 4),
        ("RETR 4\r\nDELE 1\r\nDELE 4\r\nQUIT\r\n", "+OK bye\r\n", 2),
    ] {
        let (store, reply) = large_mail();
        let (running, address) = serve(builder(store.clone()));
        let mut peer = Peer::logged_in(address, "mrose");
        peer.send(script);
        // It has begun, and cannot come to its end before it is read.
        let mut got = peer.some(1);
        running.shutdown();
        let (said, ending) = peer.rest();
        got += said.len();
        assert!(got >= reply.len() && ending == Ending::Orderly, "{got} of {}", reply.len());
        assert!(said.contains("large message\r\n.\r\n") && said.ends_with(last), "{script}");
        stops_at_once(|| running.join());
        assert_eq!(store.messages("mrose").len(), left, "{script}");
    }
}

/// Maildrops in memory whose commit waits for the test.
struct SlowStore {
    inner: MemoryStore,
    barrier: Arc<Barrier>,
}

struct SlowMaildrop {
    inner: MemoryMaildrop,
    barrier: Arc<Barrier>,
}

impl Store for SlowStore {
    type Maildrop = SlowMaildrop;

    fn open(&self, who: &Identity, cx: &OpenContext) -> Result<SlowMaildrop, OpenError> {
        Ok(SlowMaildrop { inner: self.inner.open(who, cx)?, barrier: Arc::clone(&self.barrier) })
    }
}

impl Maildrop for SlowMaildrop {
    fn scan(&mut self, out: &mut dyn FnMut(Meta<'_>) -> Result<(), StoreError>) -> Result<(), StoreError> {
        self.inner.scan(out)
    }

    fn open_message(&mut self, message: Message<'_>) -> Result<Box<dyn Read + '_>, StoreError> {
        self.inner.open_message(message)
    }

    fn commit(self: Box<Self>, plan: &dyn Plan) -> Result<Committed, CommitError> {
        self.barrier.wait();
        self.barrier.wait();
        Box::new(self.inner).commit(plan)
    }
}

#[test]
fn r1939_6_1_a_quit_that_was_read_is_committed() {
    for under_tls in [false, true] {
        let (inner, barrier) = (mail(), Arc::new(Barrier::new(2)));
        let store = SlowStore { inner: inner.clone(), barrier: Arc::clone(&barrier) };
        let builder = Server::builder(users(), store)
            .limits(limits())
            .listen(local(), Policy::cleartext().allow_cleartext_login())
            .listen(local(), Policy::implicit_tls(tls().server.clone()));
        let running = builder.bind().unwrap().serve().unwrap();
        let mut peer = match under_tls {
            false => Peer::connect(running.addresses()[0]),
            true => Peer::connect_tls(running.addresses()[1], &tls().client),
        };
        assert_eq!(peer.line(), "+OK POP3 server ready");
        peer.log_in("mrose");
        peer.send("DELE 1\r\nDELE 2\r\nQUIT\r\n");
        barrier.wait();
        running.shutdown();
        barrier.wait();
        assert_eq!(
            peer.rest(),
            (format!("{0}{0}+OK bye\r\n", "+OK message marked as deleted\r\n"), Ending::Orderly)
        );
        stops_at_once(|| running.join());
        assert_eq!(inner.messages("mrose"), [MESSAGES[2].as_bytes()]);
    }
}

#[test]
fn a_refused_login_does_not_hold_up_the_end() {
    let mut limits = limits();
    limits.failed_login_delay = Duration::from_secs(3600);
    limits.protocol.login = Duration::from_secs(3600);
    let users = Arc::new(OddUsers::default());
    let builder = Server::builder(Arc::clone(&users), mail())
        .limits(limits)
        .listen(local(), Policy::cleartext().allow_cleartext_login());
    let (running, address) = serve(builder);
    let mut peer = Peer::greeted(address);
    assert_eq!(peer.ask("USER mrose"), "+OK send PASS");
    peer.send("PASS wrong\r\n");
    eventually("the password is checked", || users.asked.load(Ordering::SeqCst) == 1);
    running.shutdown();
    assert_eq!(peer.rest(), ("-ERR [AUTH] authentication failed\r\n".into(), Ending::Orderly));
    stops_at_once(|| running.join());
}

#[test]
fn who_does_not_come_to_an_end_is_cut_off_at_the_drain_limit() {
    let (store, _) = large_mail();
    let mut limits = limits();
    limits.drain = Duration::from_millis(200);
    let (running, address) = serve(builder(store.clone()).limits(limits));
    let mut peer = Peer::logged_in(address, "mrose");
    peer.send("RETR 4\r\nDELE 1\r\nQUIT\r\n");
    let _got = peer.some(1);
    let began = Instant::now();
    running.shutdown();
    running.join();
    assert!(began.elapsed() >= Duration::from_millis(200) && began.elapsed() < LONG / 2);
    assert!(!store.is_locked("mrose"));
    assert_eq!(store.messages("mrose").len(), 4);
    let (said, _) = peer.rest();
    assert!(!said.contains("\r\n.\r\n"));
}
