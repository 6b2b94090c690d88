//! A store or an authenticator that fails, at every place where it can.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pop3_blocking::auth::{
    AuthError, Authenticator, Identity, LoginContext, Mechanisms, ScramKeys, SharedSecret, TokenError,
    TokenRequest,
};
#[cfg(feature = "legacy-md5")]
use pop3_blocking::pop3_proto::sasl::CramMd5;
use pop3_blocking::pop3_proto::sasl::client::ClientMechanism;
use pop3_blocking::pop3_proto::sasl::scram::{Binding, Scram};
use pop3_blocking::pop3_proto::sasl::server::ScramHash;
use pop3_blocking::pop3_proto::sasl::{Anonymous, Plain, XOAuth2};
use pop3_blocking::server::{Policy, Running, Server};

use crate::fixture::{
    Fault, FaultyStore, Kind, MESSAGES, OddUsers, builder, eventually, limits, local, mail, serve, tls,
};
use crate::mechanisms::{Everybody, OPENED, authenticate};
use crate::peer::{Ending, Peer};

const TEMPORARY: &str = "-ERR [SYS/TEMP] temporary fault, try again later";
const PERMANENT: &str = "-ERR [SYS/PERM] permanent fault, ask the administrator";
const NOT_REMOVED: &str = "-ERR [SYS/TEMP] some deleted messages not removed";

fn faulty(fault: Fault) -> (Arc<FaultyStore>, Running, SocketAddr) {
    let store = Arc::new(FaultyStore::new(mail(), fault));
    let (running, address) = serve(builder(Arc::clone(&store)));
    (store, running, address)
}

/// The maildrop is whole, unlocked, and another session can have it.
fn unharmed(store: &FaultyStore, address: SocketAddr) {
    store.set(Fault::None);
    let mut peer = Peer::logged_in(address, "mrose");
    assert_eq!(peer.ask("STAT"), "+OK 3 125");
    assert_eq!(peer.ask("QUIT"), "+OK bye");
}

#[test]
fn r3206_4_1_pb_s28_a_maildrop_that_cannot_be_listed_is_a_failed_login() {
    for (fault, reply) in [
        (Fault::Open(Kind::Temporary), TEMPORARY),
        (Fault::Open(Kind::Permanent), PERMANENT),
        (Fault::Open(Kind::Gone), TEMPORARY),
        (Fault::Open(Kind::LoginDelay), "-ERR [LOGIN-DELAY] too soon after the last login"),
        (Fault::Scan(0, Kind::Temporary), TEMPORARY),
        (Fault::Scan(1, Kind::Temporary), TEMPORARY),
        (Fault::Scan(2, Kind::Permanent), PERMANENT),
        (Fault::Scan(2, Kind::Gone), TEMPORARY),
        (Fault::BadUniqueId, PERMANENT),
    ] {
        let (store, _running, address) = faulty(fault);
        let mut peer = Peer::greeted(address);
        assert_eq!(peer.ask("USER mrose"), "+OK send PASS");
        assert_eq!(peer.ask("PASS secret"), reply, "{fault:?}");
        assert!(!store.inner.is_locked("mrose"), "{fault:?}");
        // The session stands where it stood, and knows of no message.
        assert_eq!(peer.ask("STAT"), "-ERR command not valid in this state");
        store.set(Fault::None);
        peer.log_in("mrose");
        assert_eq!(peer.ask_list("LIST").1.len(), 3, "{fault:?}");
        assert_eq!(peer.ask("QUIT"), "+OK bye");
        unharmed(&store, address);
    }
}

#[test]
fn pb_s31_a_message_is_opened_before_the_ok() {
    for (kind, reply) in
        [(Kind::Gone, "-ERR no such message"), (Kind::Temporary, TEMPORARY), (Kind::Permanent, PERMANENT)]
    {
        let (store, _running, address) = faulty(Fault::OpenMessage(kind));
        let mut peer = Peer::logged_in(address, "mrose");
        assert_eq!(peer.ask("RETR 2"), reply);
        assert_eq!(peer.ask("TOP 2 0"), reply);
        store.set(Fault::None);
        assert_eq!(peer.ask_list("RETR 2").0, "+OK 62 octets");
        assert_eq!(peer.ask("QUIT"), "+OK bye");
    }
    // A client that asks for a vanished message for ever is sent away.
    let (_store, _running, address) = faulty(Fault::OpenMessage(Kind::Gone));
    let mut peer = Peer::logged_in(address, "mrose");
    peer.send("RETR 1\r\n".repeat(25));
    assert_eq!(peer.rest(), ("-ERR no such message\r\n".repeat(20), Ending::Orderly));
}

/// What a client sees of a RETR of message 2 that fails; it must not look whole.
fn cut(address: SocketAddr, under_tls: bool, command: &str) -> String {
    let mut peer = if under_tls { Peer::connect_tls(address, &tls().client) } else { Peer::connect(address) };
    assert_eq!(peer.line(), "+OK POP3 server ready");
    peer.log_in("mrose");
    peer.send(command);
    let (said, ending) = peer.rest();
    assert!(!said.contains("\r\n.\r\n") && !said.contains("canary") && !said.contains("-ERR"), "{said:?}");
    assert!(!under_tls || ending == Ending::Truncated, "{ending:?}");
    said
}

#[test]
fn pb_s30_a_fault_in_mid_message_leaves_the_reply_without_an_end() {
    let store = Arc::new(FaultyStore::new(mail(), Fault::None));
    let builder = Server::builder(OddUsers::default(), Arc::clone(&store))
        .limits(limits())
        .listen(local(), Policy::cleartext().allow_cleartext_login())
        .listen(local(), Policy::implicit_tls(tls().server.clone()));
    let running = builder.bind().unwrap().serve().unwrap();
    let [plain, secure] = [running.addresses()[0], running.addresses()[1]];
    for after in 0..=MESSAGES[1].len() {
        for (address, under_tls) in [(plain, false), (secure, true)] {
            store.set(Fault::Read(after, Kind::Temporary));
            cut(address, under_tls, "RETR 2\r\nQUIT\r\n");
            assert!(!store.inner.is_locked("mrose"), "the lock is free before the end is seen");
            unharmed(&store, plain);
        }
    }
    for size in [-62, -10, -1, 1, 10, 100] {
        store.set(Fault::Size(size));
        cut(plain, false, "RETR 2\r\nQUIT\r\n");
        unharmed(&store, plain);
    }
    store.set(Fault::Read(60, Kind::Temporary));
    cut(plain, false, "TOP 2 100\r\nQUIT\r\n");
    // What TOP does not need may be broken.
    let mut peer = Peer::logged_in(plain, "mrose");
    assert_eq!(peer.ask_list("TOP 2 0").1, ["From: b@example.net", "Subject: dots", ""]);
}

/// Else a client that asks for many messages at once never gets the one before the broken one.
#[test]
fn pb_s30_what_was_answered_before_the_fault_is_not_lost() {
    let (store, _running, address) = faulty(Fault::ReadLast(10));
    let mut peer = Peer::logged_in(address, "mrose");
    peer.send("RETR 1\r\nDELE 1\r\nRETR 3\r\n");
    let [first, last] = [MESSAGES[0], MESSAGES[2]];
    let whole = format!("+OK {} octets\r\n{first}.\r\n+OK message marked as deleted\r\n", first.len());
    let part = format!("+OK {} octets\r\n{}", last.len(), &last[..10]);
    assert_eq!(peer.rest().0, whole + &part);
    unharmed(&store, address);
}

#[test]
fn pb_s30_what_was_sent_before_the_fault_is_the_message() {
    let big = format!("\r\n{}", "some line of text\r\n".repeat(20_000));
    let inner = mail();
    inner.add("mrose", big.as_bytes());
    let store = Arc::new(FaultyStore::new(inner, Fault::Read(300_000, Kind::Temporary)));
    let (_running, address) = serve(builder(store));
    let said = cut(address, false, "RETR 4\r\n");
    let (first, body) = said.split_once("\r\n").unwrap_or(("", ""));
    assert_eq!(first, format!("+OK {} octets", big.len()));
    assert_eq!(body, &big[..300_000]);
}

#[test]
fn r1939_6_1_pb_s32_a_failed_commit_is_err_and_the_lock_is_free() {
    let (store, _running, address) = faulty(Fault::Commit(Kind::Temporary));
    let mut peer = Peer::logged_in(address, "mrose");
    assert_eq!(peer.ask("DELE 1"), "+OK message marked as deleted");
    assert_eq!(peer.ask("QUIT"), NOT_REMOVED);
    assert!(!store.inner.is_locked("mrose"));
    assert_eq!(peer.rest(), (String::new(), Ending::Orderly));
    // Nothing marked: nothing to commit, nothing to fail.
    let mut peer = Peer::logged_in(address, "mrose");
    assert_eq!(peer.ask("QUIT"), "+OK bye");
    unharmed(&store, address);
}

#[test]
fn pb_s37_a_panic_ends_one_session_and_frees_its_lock() {
    let log_in = "USER mrose\r\nPASS secret\r\n";
    let opened = "+OK send PASS\r\n+OK maildrop has 3 messages (125 octets)\r\n";
    let err = |reply: &str| format!("{reply}\r\n");
    for (fault, script, replies) in [
        (
            Fault::None,
            "USER panic\r\nPASS secret\r\nCAPA\r\n".into(),
            format!("+OK send PASS\r\n{}", err(TEMPORARY)),
        ),
        (
            Fault::Open(Kind::Panic),
            format!("{log_in}STAT\r\n"),
            format!("+OK send PASS\r\n{}", err(TEMPORARY)),
        ),
        (
            Fault::Scan(1, Kind::Panic),
            format!("{log_in}STAT\r\n"),
            format!("+OK send PASS\r\n{}", err(TEMPORARY)),
        ),
        (
            Fault::OpenMessage(Kind::Panic),
            format!("{log_in}DELE 1\r\nRETR 2\r\nQUIT\r\n"),
            format!("{opened}+OK message marked as deleted\r\n{}", err(TEMPORARY)),
        ),
        (
            Fault::Commit(Kind::Panic),
            format!("{log_in}DELE 1\r\nQUIT\r\n"),
            format!("{opened}+OK message marked as deleted\r\n{}", err(NOT_REMOVED)),
        ),
    ] {
        let store = Arc::new(FaultyStore::new(mail(), fault));
        let builder = Server::builder(OddUsers::default(), Arc::clone(&store))
            .limits(limits())
            .listen(local(), Policy::cleartext().allow_cleartext_login());
        let (running, address) = serve(builder);
        let mut peer = Peer::greeted(address);
        peer.send(script);
        assert_eq!(peer.rest(), (replies, Ending::Orderly), "{fault:?}");
        assert!(!store.inner.is_locked("mrose"), "{fault:?}");
        unharmed(&store, address);
        eventually("the panic is counted", || running.statistics().panicked == 1);
    }
}

#[test]
fn pb_s37_a_panic_in_mid_message_leaves_the_reply_without_an_end() {
    let store = Arc::new(FaultyStore::new(mail(), Fault::None));
    let builder = Server::builder(OddUsers::default(), Arc::clone(&store))
        .limits(limits())
        .listen(local(), Policy::cleartext().allow_cleartext_login())
        .listen(local(), Policy::implicit_tls(tls().server.clone()));
    let running = builder.bind().unwrap().serve().unwrap();
    for (address, under_tls) in [(running.addresses()[0], false), (running.addresses()[1], true)] {
        store.set(Fault::Read(30, Kind::Panic));
        cut(address, under_tls, "DELE 1\r\nRETR 2\r\nQUIT\r\n");
        assert!(!store.inner.is_locked("mrose"));
        unharmed(&store, running.addresses()[0]);
    }
    eventually("the panics are counted", || running.statistics().panicked == 2);
}

#[test]
fn pb_s37_a_panic_while_the_maildrop_is_closed() {
    let (store, running, address) = faulty(Fault::Drop);
    let mut peer = Peer::logged_in(address, "mrose");
    peer.end();
    assert_eq!(peer.rest(), (String::new(), Ending::Orderly));
    let mut peer = Peer::logged_in(address, "mrose");
    // Owed and possible: nothing was marked, nothing is lost, but something is wrong.
    assert_eq!(peer.ask("QUIT"), NOT_REMOVED);
    assert_eq!(peer.rest(), (String::new(), Ending::Orderly));
    unharmed(&store, address);
    eventually("the panic is counted", || running.statistics().panicked == 1);
}

/// Panics once, in the method of that name.
struct Panicky {
    inner: Everybody,
    method: &'static str,
    armed: AtomicBool,
}

impl Panicky {
    fn enter(&self, method: &str) -> &Everybody {
        let here = method == self.method;
        assert!(!(here && self.armed.swap(false, Ordering::SeqCst)), "an authenticator that panics");
        &self.inner
    }
}

impl Authenticator for Panicky {
    fn mechanisms(&self) -> Mechanisms {
        self.enter("mechanisms").mechanisms()
    }

    fn password(&self, cx: &LoginContext<'_>, user: &str, password: &[u8]) -> Result<Identity, AuthError> {
        self.enter("password").password(cx, user, password)
    }

    fn certificate(&self, cx: &LoginContext<'_>, certificate: &[u8]) -> Result<Identity, AuthError> {
        self.enter("certificate").certificate(cx, certificate)
    }

    fn scram_keys(&self, cx: &LoginContext<'_>, user: &str, hash: ScramHash) -> Result<ScramKeys, AuthError> {
        self.enter("scram_keys").scram_keys(cx, user, hash)
    }

    fn secret(&self, cx: &LoginContext<'_>, user: &str) -> Result<SharedSecret, AuthError> {
        self.enter("secret").secret(cx, user)
    }

    fn proven(&self, cx: &LoginContext<'_>, user: &str) -> Result<Identity, AuthError> {
        self.enter("proven").proven(cx, user)
    }

    fn token(&self, cx: &LoginContext<'_>, request: &TokenRequest<'_>) -> Result<Identity, TokenError> {
        self.enter("token").token(cx, request)
    }

    fn anonymous(&self, cx: &LoginContext<'_>, trace: &str) -> Result<Identity, AuthError> {
        self.enter("anonymous").anonymous(cx, trace)
    }

    fn authorize(&self, cx: &LoginContext<'_>, who: Identity, authzid: &str) -> Result<Identity, AuthError> {
        self.enter("authorize").authorize(cx, who, authzid)
    }
}

#[test]
fn r33_pb_s37_a_panic_in_any_call_of_the_authenticator_ends_one_connection() {
    let scram =
        || Scram::new(ScramHash::Sha256, Binding::Unsupported, None, "mrose", "secret", "abc").unwrap();
    let mut cases: Vec<(&'static str, Option<Box<dyn ClientMechanism>>)> = vec![
        ("mechanisms", None),
        ("certificate", None),
        ("password", Some(Box::new(Plain::new(None, "mrose", "secret").unwrap()))),
        ("authorize", Some(Box::new(Plain::new(Some("kim"), "mrose", "secret").unwrap()))),
        ("scram_keys", Some(Box::new(scram()))),
        ("proven", Some(Box::new(scram()))),
        ("token", Some(Box::new(XOAuth2::new("mrose", "good").unwrap()))),
        ("anonymous", Some(Box::new(Anonymous::new("sirhc").unwrap()))),
    ];
    #[cfg(feature = "legacy-md5")]
    cases.push(("secret", Some(Box::new(CramMd5::new("old", "tanstaaf").unwrap()))));
    for (method, mechanism) in &mut cases {
        let users = Panicky { inner: Everybody::new(), method, armed: AtomicBool::new(true) };
        let policy = Policy::implicit_tls(tls().server_with_clients.clone())
            .mechanisms(Mechanisms::DEFAULT | Mechanisms::LEGACY | Mechanisms::ANONYMOUS);
        let store = mail();
        let builder = Server::builder(users, store.clone()).limits(limits()).listen(local(), policy);
        let (running, address) = serve(builder);
        match (*method, mechanism) {
            // Before TLS, let alone a greeting.
            ("mechanisms", _) => drop(Peer::connect(address).rest_octets()),
            ("certificate", _) => {
                // Within the handshake's end: nothing is owed, nothing is said.
                let said = Peer::connect_tls(address, &tls().client_with_certificate).rest();
                assert_eq!(said, (String::new(), Ending::Orderly));
            }
            (_, Some(mechanism)) => {
                let mut peer = Peer::connect_tls(address, &tls().client);
                assert!(peer.line().starts_with("+OK "));
                assert_eq!(authenticate(&mut peer, &mut **mechanism).0, TEMPORARY, "{method}");
                assert_eq!(peer.rest(), (String::new(), Ending::Orderly), "{method}");
            }
            (_, None) => unreachable!(),
        }
        assert!(!store.is_locked("mrose"), "{method}");
        eventually("the panic is counted", || running.statistics().panicked == 1);
        // Everybody else goes on.
        let mut peer = Peer::connect_tls(address, &tls().client);
        assert!(peer.line().starts_with("+OK "));
        let mut good = Plain::new(None, "mrose", "secret").unwrap();
        assert_eq!(authenticate(&mut peer, &mut good).0, OPENED, "{method}");
        assert_eq!(peer.ask("QUIT"), "+OK bye", "{method}");
    }
}
