//! A server that plays a script, in clear text over a socket pair or under TLS.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::OnceLock;
use std::thread::JoinHandle;
use std::time::Duration;

use pop3_blocking::client::{ClientOptions, Connection, Error, Session};
use pop3_blocking::pop3_proto::{Base64, MessageNumber};
use pop3_blocking::tls::{ClientCertificates, ClientTls, ServerName, ServerTls};
use pop3_blocking::{Deadline, Input, Transport};
use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};

/// What the server does: wait for one line of the client, then send these octets. An empty expectation waits for nothing.
pub(crate) type Script = Vec<(&'static str, Vec<u8>)>;

/// Plays `script`, then closes; returns all lines that came in.
pub(crate) fn server(script: Script) -> (UnixStream, JoinHandle<Vec<String>>) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let player = std::thread::spawn(move || {
        theirs.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut reader = BufReader::new(theirs.try_clone().unwrap());
        let (mut writer, mut seen) = (theirs, Vec::new());
        for (expected, reply) in script {
            if !expected.is_empty() {
                let mut line = String::new();
                if reader.read_line(&mut line).unwrap_or(0) == 0 {
                    return seen;
                }
                assert_eq!(line, format!("{expected}\r\n"));
                seen.push(expected.to_owned());
            }
            if writer.write_all(&reply).is_err() {
                return seen;
            }
        }
        drop(writer.shutdown(Shutdown::Write));
        let mut rest = String::new();
        drop(reader.read_to_string(&mut rest));
        seen.extend(rest.lines().map(str::to_owned));
        seen
    });
    (ours, player)
}

pub(crate) fn script(lines: &[(&'static str, &str)]) -> Script {
    lines.iter().map(|(expected, reply)| (*expected, reply.as_bytes().to_vec())).collect()
}

pub(crate) fn connect(
    script: Script,
    options: ClientOptions,
) -> (Result<Connection<UnixStream>, Error>, JoinHandle<Vec<String>>) {
    let (stream, player) = server(script);
    let connection = Connection::over(Transport::plain(stream), options).map(|mut connection| {
        connection.allow_cleartext_login();
        connection
    });
    (connection, player)
}

pub(crate) const LOGIN: [(&str, &str); 4] = [
    ("", "+OK ready\r\n"),
    ("CAPA", "+OK\r\nUSER\r\nUIDL\r\nTOP\r\nPIPELINING\r\nRESP-CODES\r\n.\r\n"),
    ("USER alice", "+OK\r\n"),
    ("PASS wonderland", "+OK\r\n"),
];

pub(crate) fn logged_in(more: &[(&'static str, &str)]) -> (Session<UnixStream>, JoinHandle<Vec<String>>) {
    let mut lines = script(&LOGIN);
    lines.extend(script(more));
    let (connection, player) = connect(lines, ClientOptions::default());
    (connection.unwrap().login("alice", "wonderland").unwrap(), player)
}

pub(crate) fn n(number: u32) -> MessageNumber {
    MessageNumber::new(number).unwrap()
}

/// What a [`dialogue`] says to a line; nothing at all closes the connection.
pub(crate) type Said = Option<String>;

/// When the server of a [`dialogue`] starts TLS.
#[derive(Clone, Copy)]
pub(crate) enum Mode<'a> {
    Clear,
    Implicit(&'a ServerTls),
    Stls(&'a ServerTls),
}

/// A server that answers each line by `rule`, which is asked with `CONNECT` for the greeting; returns all lines that
/// came in.
pub(crate) fn dialogue(
    mode: Mode<'_>,
    mut rule: impl FnMut(&str) -> Said + Send + 'static,
) -> (UnixStream, JoinHandle<Vec<String>>) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let (implicit, stls) = match mode {
        Mode::Clear => (None, None),
        Mode::Implicit(tls) => (Some(tls.clone()), None),
        Mode::Stls(tls) => (None, Some(tls.clone())),
    };
    let player = std::thread::spawn(move || {
        let soon = || Deadline::after(Duration::from_secs(20));
        let (mut seen, mut unread) = (Vec::new(), Vec::new());
        let mut transport = Transport::plain(theirs);
        if let Some(tls) = implicit {
            match transport.accept_tls(&tls, soon()) {
                Ok(secure) => transport = secure,
                Err(_) => return seen,
            }
        }
        let mut say = rule("CONNECT");
        while let Some(text) = say {
            if transport.write_all(text.as_bytes(), Duration::from_secs(20), soon()).is_err() {
                return seen;
            }
            if let (Some(tls), Some("STLS")) = (&stls, seen.last().map(String::as_str)) {
                match transport.accept_tls(tls, soon()) {
                    Ok(secure) => transport = secure,
                    Err(_) => return seen,
                }
            }
            let line = loop {
                if let Some(end) = unread.windows(2).position(|two| two == b"\r\n") {
                    let line: Vec<u8> = unread.drain(..end + 2).collect();
                    break String::from_utf8(line[..end].to_vec()).unwrap();
                }
                let mut room = [0; 16384];
                match transport.read(&mut room, soon()) {
                    Ok(Input::Octets(octets)) => unread.extend_from_slice(&room[..octets]),
                    Ok(Input::Closed) | Err(_) => return seen,
                }
            };
            say = rule(&line);
            seen.push(line);
        }
        transport.close(None).ok();
        seen
    });
    (ours, player)
}

/// Connects to a [`dialogue`] under TLS from the first octet.
pub(crate) fn over_tls(
    server: &ServerTls,
    client: &ClientTls,
    options: ClientOptions,
    rule: impl FnMut(&str) -> Said + Send + 'static,
) -> (Result<Connection<UnixStream>, Error>, JoinHandle<Vec<String>>) {
    let (stream, player) = dialogue(Mode::Implicit(server), rule);
    let name = ServerName::parse(HOST).unwrap();
    let connection = Transport::plain(stream)
        .connect_tls(client, &name, Deadline::after(Duration::from_secs(20)))
        .map_err(Error::from)
        .and_then(|transport| Connection::over(transport, options));
    (connection, player)
}

/// A rule that greets, announces, and leaves all else to `rest`.
pub(crate) fn announcing(
    capabilities: &str,
    mut rest: impl FnMut(&str) -> Said + Send + 'static,
) -> impl FnMut(&str) -> Said + Send + 'static {
    let capabilities: String = capabilities.split(';').map(|line| format!("{}\r\n", line.trim())).collect();
    move |line| match line {
        "CONNECT" => Some("+OK ready\r\n".to_owned()),
        "CAPA" => Some(format!("+OK\r\n{capabilities}.\r\n")),
        "QUIT" => Some("+OK bye\r\n".to_owned()),
        line => rest(line),
    }
}

pub(crate) fn say(text: &str) -> Said {
    Some(format!("{text}\r\n"))
}

/// `+` and `text` in base64.
pub(crate) fn challenge(text: impl AsRef<[u8]>) -> Said {
    say(&format!("+ {}", base64(text)))
}

pub(crate) fn base64(octets: impl AsRef<[u8]>) -> String {
    let mut text = Vec::new();
    Base64::encode_to(octets.as_ref(), &mut text).unwrap();
    String::from_utf8(text).unwrap()
}

pub(crate) fn decoded(text: &str) -> String {
    let mut room = vec![0; text.len()];
    let octets = Base64::new(text.as_bytes()).unwrap().decode(&mut room).unwrap().len();
    room.truncate(octets);
    String::from_utf8(room).unwrap()
}

/// The name in the server's certificate.
pub(crate) const HOST: &str = "pop.example.org";

/// One authority for all tests.
pub(crate) struct Tls {
    pub(crate) server: ServerTls,
    /// Asks for client certificates.
    pub(crate) asking: ServerTls,
    /// Insists on them.
    pub(crate) insisting: ServerTls,
    pub(crate) client: ClientTls,
    /// Shows a certificate for `alice@example.org`.
    pub(crate) with_certificate: ClientTls,
}

pub(crate) fn tls() -> &'static Tls {
    static TLS: OnceLock<Tls> = OnceLock::new();
    TLS.get_or_init(|| {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let ca = params.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(params, key);
        let issue = |name: &str, usage| {
            let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
            params.extended_key_usages = vec![usage];
            let key = KeyPair::generate().unwrap();
            (params.signed_by(&key, &issuer).unwrap().pem(), key.serialize_pem())
        };
        let (chain, key) = issue(HOST, ExtendedKeyUsagePurpose::ServerAuth);
        let server = || ServerTls::builder().certificate_pem(&chain, &key);
        let asking = |how| server().client_certificates(how).client_ca_pem(&ca).build().unwrap();
        let client = || ClientTls::builder().ca_pem(&ca);
        let (client_chain, client_key) = issue("alice.example.org", ExtendedKeyUsagePurpose::ClientAuth);
        Tls {
            server: server().build().unwrap(),
            asking: asking(ClientCertificates::Optional),
            insisting: asking(ClientCertificates::Required),
            client: client().build().unwrap(),
            with_certificate: client().client_certificate_pem(client_chain, client_key).build().unwrap(),
        }
    })
}
