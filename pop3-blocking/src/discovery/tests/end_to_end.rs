//! From a mail domain to a session: DNS, TLS, POP3, on loopback.

use std::io::Read as _;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;

use rcgen::CustomExtension;

use super::*;
use crate::client::{ClientOptions, Connection, Error};
use crate::tls::test_ca::Ca;
use crate::tls::{ClientTls, ServerTls};
use crate::{Deadline, Input, Transport, TransportError};

/// `_pop3s.example.org` or another service as a subject alternative name of its own kind (RFC 4985).
fn srv_id(ca: &Ca, id: &str) -> ServerTls {
    let element = |tag: u8, content: &[u8]| [&[tag, u8::try_from(content.len()).unwrap()], content].concat();
    let oid = [0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x08, 0x07];
    let value = element(0xa0, &element(0x16, id.as_bytes()));
    let names = element(0x30, &element(0xa0, &[&oid[..], &value].concat()));
    server_tls(&ca.issue(&[], |params| {
        params.custom_extensions.push(CustomExtension::from_oid_content(&[2, 5, 29, 17], names));
    }))
}

fn host_id(ca: &Ca, host: &str) -> ServerTls {
    server_tls(&ca.issue(&[host], |_| {}))
}

fn server_tls(issued: &crate::tls::test_ca::Issued) -> ServerTls {
    ServerTls::builder().certificate_pem(&issued.chain, &issued.key).build().unwrap()
}

/// A POP3 server for one connection that answers each line with the next reply; gives all lines that came in.
struct Pop3 {
    address: SocketAddr,
    lines: mpsc::Receiver<Vec<String>>,
}

impl Pop3 {
    /// `tls` from the start.
    fn over_tls(tls: ServerTls, replies: &'static [&'static str]) -> Self {
        Self::new(Some(tls), replies)
    }

    fn new(tls: Option<ServerTls>, replies: &'static [&'static str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            let stream = listener.accept().unwrap().0;
            drop(sender.send(converse(stream, tls, replies)));
        });
        Self { address, lines }
    }

    fn port(&self) -> u16 {
        self.address.port()
    }

    /// What the client said, once it is gone.
    fn heard(&self) -> Vec<String> {
        self.lines.recv_timeout(LONG).unwrap()
    }
}

fn converse(stream: TcpStream, tls: Option<ServerTls>, replies: &[&str]) -> Vec<String> {
    let deadline = Deadline::after(LONG);
    let mut transport = Transport::plain(stream);
    if let Some(tls) = tls {
        match transport.accept_tls(&tls, deadline) {
            Ok(under_tls) => transport = under_tls,
            Err(_) => return Vec::new(),
        }
    }
    let (mut heard, mut room) = (Vec::new(), [0; 1024]);
    for reply in replies {
        if transport.write_all(reply.as_bytes(), LONG, deadline).is_err() {
            break;
        }
        match transport.read(&mut room, deadline) {
            Ok(Input::Octets(octets)) => heard.push(String::from_utf8_lossy(&room[..octets]).into_owned()),
            _ => break,
        }
    }
    heard
}

const GREETING: &str = "+OK ready\r\n";
const NO_CAPA: &str = "-ERR unknown\r\n";

/// The DNS names hosts by static strings, so ports of the test are put in here.
fn dns(pop3s: &[(u16, u16)], pop3: &[(u16, u16)]) -> Dns {
    let records = |list: &[(u16, u16)]| {
        list.iter().map(|(priority, port)| (*priority, 0, *port, "localhost")).collect()
    };
    Dns::with(records(pop3s), records(pop3))
}

fn connect(
    domain: &str,
    dns: &Dns,
    tls: &ClientTls,
) -> Result<(Connection<TcpStream>, Candidate), DiscoveryError> {
    Connection::discover(domain, &patient(dns), Preferences::default(), tls, &ClientOptions::default())
}

fn certificate_error(error: &Error) -> bool {
    matches!(error, Error::Transport(error) if error.is_certificate_error())
}

/// A port that nobody listens on.
fn closed_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn r6186_6_2_a_host_outside_the_domain_is_known_by_srv_id() {
    let ca = Ca::new();
    let server = Pop3::over_tls(srv_id(&ca, "_pop3s.example.org"), &[GREETING, "+OK\r\n"]);
    let dns = dns(&[(0, server.port())], &[]);
    let (connection, candidate) = connect("example.org", &dns, &ca.client_tls()).unwrap();
    assert_eq!((candidate.host(), candidate.port()), ("localhost", server.port()));
    assert_eq!(candidate.usual_reference(), Reference::Domain);
    connection.quit().unwrap();
    assert_eq!(server.heard(), ["QUIT\r\n"]);
}

#[test]
fn r6186_6_2_a_host_outside_the_domain_is_known_by_the_domain() {
    let ca = Ca::new();
    let server = Pop3::over_tls(host_id(&ca, "example.org"), &[GREETING, "+OK\r\n"]);
    let (connection, _) = connect("example.org", &dns(&[(0, server.port())], &[]), &ca.client_tls()).unwrap();
    connection.quit().unwrap();
}

#[test]
fn r6186_6_2_r7817_3_1_a_host_that_only_the_dns_names_is_not_believed() {
    let ca = Ca::new();
    for tls in
        [host_id(&ca, "localhost"), srv_id(&ca, "_pop3.example.org"), srv_id(&ca, "_pop3s.example.com")]
    {
        let server = Pop3::over_tls(tls, &[GREETING]);
        let failed = connect("example.org", &dns(&[(0, server.port())], &[]), &ca.client_tls());
        let Err(DiscoveryError::Unreachable(failed)) = failed else { panic!("{failed:?}") };
        assert!(certificate_error(failed.last().unwrap()), "{failed:?}");
        assert_eq!(server.heard(), [""; 0]);
    }
}

#[test]
fn r6186_6_2_the_user_may_agree_to_a_host_or_refuse_it() {
    let ca = Ca::new();
    let refused = Candidate::new("example.org", "localhost", closed_port(), SrvService::Pop3s).unwrap();
    let server = Pop3::over_tls(host_id(&ca, "localhost"), &[GREETING, "+OK\r\n"]);
    let agreed = Candidate::new("example.org", "localhost", server.port(), SrvService::Pop3s).unwrap();
    let both = [refused, agreed.clone()];
    let mut asked = Vec::new();
    let (connection, candidate) = connect_first(&both, &ca.client_tls(), &ClientOptions::default(), |it| {
        asked.push(it.clone());
        (*it == agreed).then_some(Reference::DomainOrHost)
    })
    .unwrap();
    assert_eq!((candidate, &asked), (&agreed, &both.to_vec()));
    connection.quit().unwrap();
    let none = connect_first(&both, &ca.client_tls(), &ClientOptions::default(), |_| None);
    assert!(none.unwrap_err().failures.is_empty());
}

#[test]
fn r6186_6_2_a_host_in_the_domain_may_show_its_own_name() {
    let ca = Ca::new();
    let server = Pop3::over_tls(host_id(&ca, "localhost"), &[GREETING, "+OK\r\n"]);
    let (connection, candidate) =
        connect("localhost", &dns(&[(0, server.port())], &[]), &ca.client_tls()).unwrap();
    assert_eq!(candidate.usual_reference(), Reference::DomainOrHost);
    connection.quit().unwrap();
}

#[test]
fn r6186_3_3_a_server_that_cannot_be_reached_leads_to_the_next() {
    let ca = Ca::new();
    // Nobody listens; somebody who does not speak TLS; somebody who hangs up.
    let plain = Pop3::new(None, &[GREETING]);
    let rude = TcpListener::bind("127.0.0.1:0").unwrap();
    let rude_port = rude.local_addr().unwrap().port();
    let hang_up = std::thread::spawn(move || {
        let mut stream = rude.accept().unwrap().0;
        // Read what came, so that the end is no reset.
        drop(stream.read(&mut [0; 4096]));
    });
    let good = Pop3::over_tls(srv_id(&ca, "_pop3s.example.org"), &[GREETING, "+OK\r\n"]);
    let dns = dns(&[(0, closed_port()), (1, plain.port()), (2, rude_port), (3, good.port())], &[]);
    let (connection, candidate) = connect("example.org", &dns, &ca.client_tls()).unwrap();
    assert_eq!(candidate.port(), good.port());
    connection.quit().unwrap();
    hang_up.join().unwrap();
}

#[test]
fn r8314_5_2_after_a_certificate_error_nobody_else_is_tried() {
    let (ca, other) = (Ca::new(), Ca::new());
    let bad = Pop3::over_tls(srv_id(&other, "_pop3s.example.org"), &[GREETING]);
    let good = TcpListener::bind("127.0.0.1:0").unwrap();
    good.set_nonblocking(true).unwrap();
    let good_port = good.local_addr().unwrap().port();
    let failed =
        connect("example.org", &dns(&[(0, bad.port()), (1, good_port)], &[(0, good_port)]), &ca.client_tls());
    let Err(DiscoveryError::Unreachable(failed)) = failed else { panic!("{failed:?}") };
    assert_eq!(failed.failures.len(), 1);
    assert!(certificate_error(failed.last().unwrap()), "{failed:?}");
    assert!(good.accept().is_err(), "nobody came");
}

#[test]
fn r6186_6_1_without_stls_nothing_but_capa_is_said() {
    let ca = Ca::new();
    let stripped = Pop3::new(None, &[GREETING, "+OK\r\nUSER\r\n.\r\n", "+OK\r\n"]);
    let failed = connect("example.org", &dns(&[], &[(0, stripped.port())]), &ca.client_tls());
    let Err(DiscoveryError::Unreachable(failed)) = failed else { panic!("{failed:?}") };
    assert!(matches!(failed.last(), Some(Error::NoTls(None))), "{failed:?}");
    let heard = stripped.heard().concat();
    assert!(heard == "CAPA\r\n" || heard == "CAPA\r\nQUIT\r\n", "{heard:?}");
}

#[test]
fn r9325_3_2_r8314_3_2_the_port_of_tls_goes_first() {
    let ca = Ca::new();
    let tls = Pop3::over_tls(srv_id(&ca, "_pop3s.example.org"), &[GREETING, "+OK\r\n"]);
    let plain = TcpListener::bind("127.0.0.1:0").unwrap();
    plain.set_nonblocking(true).unwrap();
    let dns = dns(&[(9, tls.port())], &[(0, plain.local_addr().unwrap().port())]);
    let (connection, candidate) = connect("example.org", &dns, &ca.client_tls()).unwrap();
    assert_eq!((candidate.service(), candidate.port()), (SrvService::Pop3s, tls.port()));
    connection.quit().unwrap();
    assert!(plain.accept().is_err(), "nobody came");
}

#[test]
fn r6186_4_2_r8314_5_1_what_worked_is_used_again_without_the_dns() {
    let ca = Ca::new();
    let server = Pop3::over_tls(srv_id(&ca, "_pop3s.example.org"), &[GREETING, "+OK\r\n"]);
    let dns = dns(&[(0, server.port())], &[]);
    let (connection, found) = connect("example.org", &dns, &ca.client_tls()).unwrap();
    connection.quit().unwrap();
    assert_eq!(dns.asked(), 2);
    // The name that is sent is one that the certificate may be for.
    assert_eq!(found.names(Reference::Domain).unwrap().to_string(), "example.org");
    assert_eq!(found.names(Reference::DomainOrHost).unwrap().to_string(), "localhost");
    let again = Pop3::over_tls(srv_id(&ca, "_pop3s.example.org"), &[GREETING, "+OK\r\n"]);
    let kept = Candidate::new(found.domain(), found.host(), again.port(), found.service()).unwrap();
    kept.connect(Reference::Domain, &ca.client_tls(), &ClientOptions::default()).unwrap().quit().unwrap();
    assert_eq!(dns.asked(), 2);
}

#[test]
fn r6186_4_1_the_address_is_tried_and_then_its_local_part() {
    let ca = Ca::new();
    let login = |replies: &'static [&'static str]| {
        let server = Pop3::over_tls(srv_id(&ca, "_pop3s.example.org"), replies);
        let (connection, _) =
            connect("example.org", &dns(&[(0, server.port())], &[]), &ca.client_tls()).unwrap();
        let outcome = connection.login_by_address("alice@example.org", "secret").map(|(_, name)| name);
        (outcome.map_err(|failed| failed.error), server.heard())
    };
    let (name, heard) = login(&[GREETING, NO_CAPA, "+OK\r\n", "+OK\r\n"]);
    assert_eq!(name.unwrap(), "alice@example.org");
    assert_eq!(heard, ["CAPA\r\n", "USER alice@example.org\r\n", "PASS secret\r\n"]);

    let (name, heard) = login(&[GREETING, NO_CAPA, "+OK\r\n", "-ERR no\r\n", "+OK\r\n", "+OK\r\n"]);
    assert_eq!(name.unwrap(), "alice");
    assert_eq!(heard[3..], ["USER alice\r\n", "PASS secret\r\n"]);

    let (name, heard) = login(&[GREETING, NO_CAPA, "+OK\r\n", "-ERR no\r\n", "+OK\r\n", "-ERR no\r\n"]);
    assert!(matches!(name, Err(Error::Refused(_))));
    assert_eq!(heard.len(), 5);

    // A maildrop in use: the name was right.
    let capa = "+OK\r\nUSER\r\nRESP-CODES\r\n.\r\n";
    let busy: &'static [&'static str] =
        Box::leak(Box::new([GREETING, capa, "+OK\r\n", "-ERR [IN-USE] x\r\n"]));
    let (name, heard) = login(busy);
    assert!(matches!(name, Err(Error::Refused(_))));
    assert_eq!(heard, ["CAPA\r\n", "USER alice@example.org\r\n", "PASS secret\r\n"]);
}

#[test]
fn r6186_3_1_no_host_is_guessed_unless_asked_for() {
    let found = connect("example.org", &dns(&[], &[]), &Ca::new().client_tls());
    assert!(matches!(found, Err(DiscoveryError::NotFound(Absence::NoRecords))), "{found:?}");
    let guessed = Candidate::customary("example.org.").unwrap();
    let hosts: Vec<_> = guessed.iter().map(Candidate::host).collect();
    assert_eq!(hosts, ["pop.example.org", "pop3.example.org", "mail.example.org", "example.org"]);
    assert!(guessed.iter().all(|it| (it.port(), it.service()) == (995, SrvService::Pop3s)));
    assert!(guessed.iter().all(|it| it.usual_reference() == Reference::DomainOrHost));
}

#[test]
fn a_refused_session_ends_the_search() {
    let ca = Ca::new();
    let busy = Pop3::over_tls(srv_id(&ca, "_pop3s.example.org"), &["-ERR [SYS/TEMP] later\r\n"]);
    let failed = connect("example.org", &dns(&[(0, busy.port()), (1, closed_port())], &[]), &ca.client_tls());
    let Err(DiscoveryError::Unreachable(failed)) = failed else { panic!("{failed:?}") };
    assert!(matches!(failed.last(), Some(Error::Closing(_))), "{failed:?}");
    assert_eq!(failed.failures.len(), 1);
    assert!(!matches!(failed.last(), Some(Error::Transport(TransportError::Io(_)))));
}
