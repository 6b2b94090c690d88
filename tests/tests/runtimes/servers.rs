//! The servers.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use pop3_blocking::client::{ClientOptions, Connection, Error, Outcome, Session};
use pop3_blocking::pop3_proto::CodeKind;
use pop3_blocking::tls::ClientTls;
use pop3_tests::peers::corpus::Message;
use pop3_tests::peers::{Account, After, Certs, Client, TempDir, Tls};
use pop3_tests::programs::example;

use crate::{PASSWORD, USER, compare, messages};

/// A running server; dropped, it is killed.
pub(crate) struct Server {
    child: Child,
    /// The port for each way that it takes.
    pub(crate) ports: Vec<(Tls, u16)>,
}

impl Server {
    pub(crate) fn start(name: &str, certs: &Certs, mail: &TempDir) -> Self {
        let (any, folder) = ("127.0.0.1:0", mail.path().to_str().unwrap());
        let (certificate, key) = (certs.server_file(), certs.server_key_file());
        let (certificate, key) = (certificate.to_str().unwrap(), key.to_str().unwrap());
        let (arguments, ways): (&[&str], &[Tls]) = match name {
            "std_loop" => (&["serve", any, folder], &[Tls::Off]),
            "mio_server" => (&[any, folder], &[Tls::Off]),
            _ => (&[any, any, certificate, key, folder], &[Tls::Implicit, Tls::StartTls]),
        };
        // As many open files as the system lets it have.
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", "ulimit -Sn \"$(ulimit -Hn)\"; exec \"$@\"", "sh"])
            .arg(example(name))
            .args(arguments);
        let log = File::create(mail.path().with_extension("log")).unwrap();
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let addresses = line.strip_prefix("listening ").unwrap_or_else(|| panic!("{name}: {line:?}"));
        let ports = addresses.split_whitespace().map(|address| address.parse::<SocketAddr>().unwrap().port());
        Self { child, ports: ways.iter().copied().zip(ports).collect() }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

const SERVERS: [&str; 3] = ["std_loop", "tokio_server", "mio_server"];

fn mail_of(messages: &[Message]) -> TempDir {
    let dir = TempDir::new("mail");
    dir.subdir(USER);
    dir.file(format!("{USER}/password"), format!("{PASSWORD}\n"));
    for (message, number) in messages.iter().zip(100..) {
        dir.file(format!("{USER}/{number}.eml"), &message.stored);
    }
    dir
}

fn left(mail: &TempDir) -> usize {
    fs::read_dir(mail.join(USER)).unwrap().count() - 1
}

fn connect(certs: &Certs, (tls, port): (Tls, u16)) -> Connection {
    let trust = ClientTls::builder().ca_file(certs.authority_file()).build().unwrap();
    let options = ClientOptions::default();
    match tls {
        Tls::Implicit => Connection::connect_tls("localhost", port, &trust, options).unwrap(),
        Tls::StartTls => Connection::connect_stls("localhost", port, &trust, options).unwrap(),
        Tls::Off => {
            let mut connection = Connection::connect_cleartext("localhost", port, options).unwrap();
            connection.allow_cleartext_login();
            connection
        }
    }
}

/// Logs in. The end of the session before may not have come to the server yet.
fn log_in(certs: &Certs, way: (Tls, u16)) -> Session {
    for _ in 0..1000 {
        match connect(certs, way).login(USER, PASSWORD) {
            Ok(session) => return session,
            Err(failed) => {
                let code = failed.error.refused().and_then(|refused| refused.code);
                assert_eq!(code, Some(CodeKind::InUse), "{}", failed.error);
            }
        }
        std::thread::yield_now();
    }
    panic!("the maildrop stays locked");
}

#[test]
fn r1939_5_8_r1939_3_7_each_server_sends_the_corpus_and_removes_what_is_marked() {
    let certs = Certs::new();
    let all = messages("none");
    for name in SERVERS {
        let mail = mail_of(&all);
        let server = Server::start(name, &certs, &mail);
        for (delete, &way) in [false, true].iter().zip(server.ports.iter().cycle()) {
            let mut session = log_in(&certs, way);
            let (sizes, ids) = (session.list().unwrap(), session.unique_ids().unwrap());
            assert_eq!((sizes.len(), ids.len()), (all.len(), all.len()), "{name}");
            assert_eq!(ids[0].unique_id.as_ref(), b"100.eml");
            let mut arrived = Vec::new();
            session
                .retrieve_each::<Error>(sizes.iter().map(|size| size.number), |_, message| {
                    let mut octets = Vec::new();
                    message.unwrap().copy_to(&mut octets)?;
                    arrived.push(octets);
                    Ok(())
                })
                .unwrap();
            for ((message, got), size) in all.iter().zip(&arrived).zip(&sizes) {
                compare(&format!("{name}: {}", message.name), got, &message.sent_with_separator());
                assert_eq!(size.octets, got.len() as u64, "{name}: {}", message.name);
            }
            let head = session.top(sizes[0].number, 0).unwrap().into_vec().unwrap();
            assert!(
                head.ends_with(b"\r\n\r\n") && arrived[0].starts_with(&head) && head.len() < arrived[0].len()
            );
            if *delete {
                for size in &sizes[1..] {
                    session.delete(size.number).unwrap();
                }
                assert!(
                    session.retrieve(sizes[1].number).is_err_and(|error| matches!(error, Error::Refused(_)))
                );
            }
            assert!(matches!(session.quit(), Outcome::Committed), "{name}");
            assert_eq!(left(&mail), if *delete { 1 } else { all.len() }, "{name}");
        }
        // Behind the deletion too the numbers, sizes and ids agree.
        let mut session = log_in(&certs, server.ports[0]);
        assert_eq!(session.unique_ids().unwrap()[0].unique_id.as_ref(), b"100.eml");
        let number = session.list().unwrap()[0].number;
        let message = session.retrieve(number).unwrap().into_vec().unwrap();
        compare(name, &message, &all[0].sent_with_separator());
    }
}

#[test]
fn r1939_6_3_r1939_4_3_a_client_that_vanishes_removes_nothing_and_leaves_no_lock() {
    let certs = Certs::new();
    let all = messages("none");
    for name in SERVERS {
        let mail = mail_of(&all);
        let server = Server::start(name, &certs, &mail);
        for &way in &server.ports {
            let mut session = log_in(&certs, way);
            let number = session.list().unwrap()[0].number;
            session.delete(number).unwrap();
            // Nobody else gets in meanwhile, and only who has the password is told why.
            let failed = connect(&certs, way).login(USER, PASSWORD).unwrap_err();
            assert_eq!(failed.error.refused().and_then(|refused| refused.code), Some(CodeKind::InUse));
            let failed = connect(&certs, way).login(USER, "wrong").unwrap_err();
            assert_eq!(failed.error.refused().and_then(|refused| refused.code), Some(CodeKind::Auth));
            drop(session);
            let mut session = log_in(&certs, way);
            assert_eq!(session.list().unwrap().len(), all.len(), "{name}");
            // In the middle of a message.
            let last = session.list().unwrap().last().unwrap().number;
            let mut message = session.retrieve(last).unwrap();
            message.read_exact(&mut [0; 1000]).unwrap();
            drop(session);
            assert_eq!(log_in(&certs, way).list().unwrap().len(), all.len(), "{name}");
        }
        assert_eq!(left(&mail), all.len(), "{name}");
    }
}

#[test]
fn r2449_6_6_1_r2595_4_7_a_batch_is_answered_in_order_and_nothing_may_stand_behind_stls() {
    let certs = Certs::new();
    for name in SERVERS {
        let mail = mail_of(&messages("none")[..2]);
        let server = Server::start(name, &certs, &mail);
        let (tls, port) = *server.ports.last().unwrap();
        let mut peer = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        let mut said = String::new();
        if tls == Tls::StartTls {
            peer.write_all(b"STLS\r\nUSER alice\r\n").unwrap();
            // It closes with octets unread, which may reset the connection.
            drop(peer.read_to_string(&mut said));
            assert_eq!(said, "+OK POP3 server ready\r\n", "{name}");
            continue;
        }
        let batch = format!(
            "USER {USER}\r\nPASS {PASSWORD}\r\nSTAT\r\nTOP 1 0\r\nDELE 9\r\nXYZZY\r\nQUIT\r\nNOOP\r\n"
        );
        peer.write_all(batch.as_bytes()).unwrap();
        peer.read_to_string(&mut said).unwrap();
        let starts: Vec<&str> = said.lines().filter(|line| line.starts_with(['+', '-'])).collect();
        let want = ["+OK", "+OK", "+OK", "+OK 2 ", "+OK", "-ERR", "-ERR", "+OK"];
        assert_eq!(starts.len(), want.len(), "{name}: {said}");
        assert!(starts.iter().zip(want).all(|(line, want)| line.starts_with(want)), "{name}: {said}");
    }
}

#[test]
fn each_server_serves_the_mail_clients_of_a_debian_system() {
    let certs = Certs::new();
    let authority = certs.authority_file();
    for name in SERVERS {
        for client in [Client::Curl, Client::Mpop, Client::Poplib] {
            let all = messages(client.name());
            let mail = mail_of(&all);
            let server = Server::start(name, &certs, &mail);
            let ways = server.ports.iter().filter(|(tls, _)| client.speaks(*tls));
            for &(tls, port) in ways {
                let account = Account {
                    port,
                    tls,
                    authority: &authority,
                    user: USER,
                    password: PASSWORD,
                    mechanism: None,
                    identity: None,
                };
                let Some(fetched) = client.fetch(&account, After::Keep, Duration::from_secs(120)) else {
                    break;
                };
                fetched.expect_success();
                assert_eq!(fetched.messages.len(), all.len(), "{name}, {}", client.name());
                for (message, got) in all.iter().zip(&fetched.messages) {
                    let want = client.delivers(&message.sent_with_separator());
                    compare(&format!("{name}, {}: {}", client.name(), message.name), got, &want);
                }
            }
        }
    }
}
