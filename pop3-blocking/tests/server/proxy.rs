//! Listeners behind proxies: whom the server believes, and what it does with the client's address.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pop3_blocking::Stream;
use pop3_blocking::auth::{AuthError, Authenticator, Identity, LoginContext};
use pop3_blocking::server::{
    FailedLogin, Limits, Outcome, Policy, ProxyHeaderError, Running, Server, TrustedProxies,
};

use crate::fixture::{eventually, limits, local, mail, serve, tls, users};
use crate::peer::{Ending, Peer};

const CLIENT: &str = "192.0.2.7:50000";
const V1: &[u8] = b"PROXY TCP4 192.0.2.7 192.0.2.1 50000 110\r\n";
const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x07\xc0\0\x02\x01\xc3\x50\0\x6e";
/// A health check of HAProxy 2.6.
const CHECK: &[u8] = b"\r\n\r\n\0\r\nQUIT\n \0\0\0";
const GREETING: &str = "+OK POP3 server ready\r\n";

fn from_loopback() -> TrustedProxies {
    TrustedProxies::new(["127.0.0.0/8".parse().unwrap()])
}

fn clear() -> Policy {
    Policy::cleartext().allow_cleartext_login()
}

fn start(policy: Policy, limits: Limits) -> (Running, SocketAddr) {
    serve(Server::builder(users(), mail()).limits(limits).listen(local(), policy))
}

/// The header of some client, which stands for the last number of its address.
fn v1(client: u8) -> String {
    format!("PROXY TCP4 192.0.2.{client} 192.0.2.1 50000 110\r\n")
}

/// Sends the header in front of what is written first.
struct Behind {
    stream: TcpStream,
    header: Option<&'static [u8]>,
}

impl Behind {
    fn connect(address: SocketAddr, header: &'static [u8]) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, header: Some(header) }
    }
}

impl Read for Behind {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        self.stream.read(room)
    }
}

impl Write for Behind {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let Some(header) = self.header.take() else { return self.stream.write(octets) };
        self.stream.write_all(&[header, octets].concat())?;
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream for Behind {
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

/// Remembers from where logins come.
#[derive(Clone, Default)]
struct Watching(Arc<Mutex<Vec<Option<SocketAddr>>>>);

impl Authenticator for Watching {
    fn password(&self, cx: &LoginContext<'_>, user: &str, password: &[u8]) -> Result<Identity, AuthError> {
        self.0.lock().unwrap().push(cx.peer);
        users().password(cx, user, password)
    }
}

#[test]
fn the_client_is_whom_the_header_names_whatever_the_cut() {
    let watching = Watching::default();
    let policy = clear().behind_proxies(from_loopback());
    let builder = Server::builder(watching.clone(), mail()).limits(limits()).listen(local(), policy);
    let (running, address) = serve(builder);
    for header in [V1, V2] {
        // All in one segment; then the header in pieces.
        for piece in [header.len(), 1, 5, 14, 15, 16, 17] {
            let mut peer = Peer::connect(address);
            let mut rest = header;
            while rest.len() > piece {
                peer.send(&rest[..piece]);
                rest = &rest[piece..];
            }
            peer.send([rest, b"USER mrose\r\nPASS secret\r\nQUIT\r\n"].concat());
            let (said, ending) = peer.rest();
            assert!(said.starts_with(GREETING) && said.ends_with("+OK bye\r\n"), "{piece}: {said}");
            assert_eq!(ending, Ending::Orderly);
        }
    }
    let client: SocketAddr = CLIENT.parse().unwrap();
    assert_eq!(*watching.0.lock().unwrap(), [Some(client); 14]);
    let statistics = running.statistics();
    assert_eq!((statistics.accepted, statistics.refused, statistics.bad_proxy_headers), (14, 0, 0));
}

#[test]
fn the_header_comes_before_tls_and_may_come_with_its_first_octets() {
    let watching = Watching::default();
    let policy = Policy::implicit_tls(tls().server.clone()).behind_proxies(from_loopback());
    let builder = Server::builder(watching.clone(), mail()).limits(limits()).listen(local(), policy);
    let (running, address) = serve(builder);
    for header in [V1, V2] {
        let mut peer = Peer::over(Behind::connect(address, header)).start_tls(&tls().client);
        assert_eq!(peer.line() + "\r\n", GREETING);
        peer.log_in("mrose");
        assert_eq!(peer.ask("QUIT"), "+OK bye");
    }
    let client: SocketAddr = CLIENT.parse().unwrap();
    assert_eq!(*watching.0.lock().unwrap(), [Some(client); 2]);
    // Within TLS it is too late.
    let mut peer = Peer::connect(address);
    peer.send_raw(b"\x16\x03\x01\x00\x05");
    assert_eq!(peer.rest_octets().0, b"");
    eventually("it is counted", || running.statistics().bad_proxy_headers == 1);
}

#[test]
fn without_a_header_nothing_is_said() {
    let (running, address) = start(clear().behind_proxies(from_loopback()), limits());
    let bad: [&[u8]; 6] = [
        b"USER mrose\r\nPASS secret\r\nQUIT\r\n",
        b"\r\n",
        b"PROXY TCP4 192.0.2.7 192.0.2.1 50000 +110\r\n",
        b"PROXY TCP4 192.0.2.7 192.0.2.1 50000 110\n",
        b"\r\n\r\n\0\r\nQUIT\n\x22\x11\0\x0c\xc0\0\x02\x07\xc0\0\x02\x01\xc3\x50\0\x6e",
        b"PROXY TCP4 192.0.2.7",
    ];
    for (count, octets) in (1u64..).zip(bad) {
        let mut peer = Peer::connect(address);
        peer.send(octets);
        peer.end();
        assert_eq!(peer.rest_octets().0, b"", "{}", octets.escape_ascii());
        eventually("it is counted", || running.statistics().bad_proxy_headers == count);
    }
    assert_eq!(running.statistics().accepted, 0);
    // A second header is a line of POP3.
    let mut peer = Peer::connect(address);
    peer.send([V1, V1].concat());
    assert_eq!(peer.line() + "\r\n", GREETING);
    assert!(peer.line().starts_with("-ERR"));
}

#[test]
fn who_is_silent_instead_of_sending_a_header_is_cut_off() {
    let mut limits = limits();
    limits.handshake = Duration::from_millis(50);
    for half in [&b""[..], &V2[..20]] {
        let (running, address) = start(clear().behind_proxies(from_loopback()), limits.clone());
        let mut peer = Peer::connect(address);
        peer.send(half);
        assert_eq!(peer.rest_octets().0, b"");
        eventually("it is counted", || running.statistics().bad_proxy_headers == 1);
    }
}

#[test]
fn strangers_are_refused_or_served_as_what_they_are_and_never_believed() {
    let elsewhere = || TrustedProxies::new(["192.0.2.0/24".parse().unwrap(), "::1".parse().unwrap()]);
    let (running, address) = start(clear().behind_proxies(elsewhere()), limits());
    for octets in [V1, V2, b"CAPA\r\n"] {
        let mut peer = Peer::connect(address);
        // It may be gone by then.
        peer.try_send(octets);
        assert_eq!(peer.rest_octets().0, b"");
    }
    eventually("all are counted", || running.statistics().refused == 3);
    assert_eq!(running.statistics().accepted, 0);

    let watching = Watching::default();
    let policy = clear().behind_proxies(elsewhere().serve_others());
    let builder = Server::builder(watching.clone(), mail()).limits(limits()).listen(local(), policy);
    let (_running, address) = serve(builder);
    let mut peer = Peer::greeted(address);
    let port = peer.port();
    peer.send(V1);
    assert!(peer.line().starts_with("-ERR"));
    peer.log_in("mrose");
    assert_eq!(*watching.0.lock().unwrap(), [Some(SocketAddr::from(([127, 0, 0, 1], port)))]);
}

#[test]
fn limits_per_address_count_clients_and_not_the_proxy() {
    let mut limits = limits();
    limits.connections_per_address_before_login = 1;
    limits.connections_per_address = 1;
    let (running, address) = start(clear().behind_proxies(from_loopback()), limits.clone());
    let connect = |header: &[u8]| {
        let mut peer = Peer::connect(address);
        peer.send(header);
        peer
    };
    let mut first = connect(v1(1).as_bytes());
    let mut second = connect(v1(2).as_bytes());
    assert_eq!((first.line() + "\r\n", second.line() + "\r\n"), (GREETING.into(), GREETING.into()));
    let (said, ending) = connect(v1(1).as_bytes()).rest();
    assert_eq!(said, "-ERR [SYS/TEMP] too many connections, try again later\r\n");
    assert_eq!(ending, Ending::Orderly);
    first.log_in("mrose");
    let mut third = connect(v1(1).as_bytes());
    assert_eq!(third.line() + "\r\n", GREETING);
    third.send("USER fred\r\nPASS secret\r\n");
    assert!(third.line().starts_with("+OK") && third.line().starts_with("-ERR [SYS/TEMP]"));
    // Those who speak for nobody count for nobody, and so does a check under version 1.
    let checks: Vec<Peer> = (0..5).map(|_| connect(CHECK)).collect();
    let own = (0..5).map(|_| {
        let peer = Peer::connect(address);
        let header = format!("PROXY TCP4 127.0.0.1 127.0.0.1 {} {}\r\n", peer.port(), address.port());
        peer.send_raw(header.as_bytes());
        peer
    });
    for mut peer in checks.into_iter().chain(own.collect::<Vec<_>>()) {
        assert_eq!(peer.line() + "\r\n", GREETING);
        assert_eq!(peer.ask("QUIT"), "+OK bye");
    }
    let statistics = running.statistics();
    assert_eq!((statistics.accepted, statistics.refused, statistics.bad_proxy_headers), (13, 1, 0));

    // On TLS there are no words to refuse in.
    let policy = Policy::implicit_tls(tls().server.clone()).behind_proxies(from_loopback());
    let (_running, address) = start(policy, limits);
    let _first = Peer::over(Behind::connect(address, V1)).start_tls(&tls().client);
    let mut second = Peer::connect(address);
    second.send_raw(V1);
    assert_eq!(second.rest_octets().0, b"");
}

#[test]
fn r27_a_penalty_is_for_the_client() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let telling = Arc::clone(&told);
    let builder = Server::builder(users(), mail())
        .limits(limits())
        .listen(local(), clear().behind_proxies(from_loopback()))
        .on_failed_login(move |failed: &FailedLogin<'_>| {
            telling.lock().unwrap().push((failed.peer, failed.network));
            Duration::ZERO
        });
    let (_running, address) = serve(builder);
    let mut peer = Peer::connect(address);
    peer.send(b"PROXY TCP6 2001:db8:1:2:3:4:5:6 ::1 50000 110\r\nUSER mrose\r\nPASS wrong\r\nQUIT\r\n");
    peer.rest();
    assert_eq!(
        *told.lock().unwrap(),
        [(Some("[2001:db8:1:2:3:4:5:6]:50000".parse().unwrap()), Some("2001:db8:1:2::".parse().unwrap()))]
    );
}

#[test]
fn the_outcome_tells_why_there_was_no_session() {
    let server = Server::builder(users(), mail()).limits(limits()).bind().unwrap();
    let serve = |policy: &Policy, octets: &[u8]| {
        let listener = TcpListener::bind(local()).unwrap();
        let mut far = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        far.write_all(octets).unwrap();
        far.shutdown(std::net::Shutdown::Write).unwrap();
        match server.serve_connection(listener.accept().unwrap().0, policy) {
            Outcome::ProxyHeader(error) => Some(error),
            _ => None,
        }
    };
    let policy = clear().behind_proxies(from_loopback());
    let strange = clear().behind_proxies(TrustedProxies::new([]));
    for (policy, octets, error) in [
        (&policy, V1, None),
        (&policy, V2, None),
        (&policy, b"", Some(ProxyHeaderError::Incomplete { received: 0 })),
        (&policy, &V2[..27], Some(ProxyHeaderError::Incomplete { received: 27 })),
        (&policy, b"NOOP\r\n", Some(ProxyHeaderError::Missing)),
        (&policy, b"PROXY TCP5 a a 1 1\r\n", Some(ProxyHeaderError::Malformed)),
        (&policy, b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff", Some(ProxyHeaderError::TooLong)),
        (&strange, V1, Some(ProxyHeaderError::Untrusted)),
    ] {
        assert_eq!(serve(policy, octets), error, "{}", octets.escape_ascii());
    }
    // A stream without an address comes from nobody.
    let (near, _far) = std::os::unix::net::UnixStream::pair().unwrap();
    let outcome = server.serve_connection(near, &policy);
    assert!(matches!(outcome, Outcome::ProxyHeader(ProxyHeaderError::Untrusted)), "{outcome}");
}

#[test]
fn a_stop_does_not_wait_for_headers() {
    let (running, address) = start(clear().behind_proxies(from_loopback()), limits());
    let mut peer = Peer::connect(address);
    peer.send(&V2[..20]);
    eventually("it is there", || running.statistics().open == 1);
    running.shutdown();
    assert_eq!(peer.rest_octets().0, b"");
    running.join();
    assert_eq!(running.statistics().bad_proxy_headers, 0);
}
