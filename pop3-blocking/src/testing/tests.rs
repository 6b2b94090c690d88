use std::io::{Read, Write};
use std::net::TcpStream;

use pop3_proto::{CodeKind, Verb};

use super::*;
use crate::client::{Credentials, Outcome};

const MAIL: &str = "Subject: hello\n\n.dot\nworld\n";
const ON_THE_WIRE: &[u8] = b"Subject: hello\r\n\r\n.dot\r\nworld\r\n";

fn server_with_mail(messages: usize) -> TestServer {
    let server = TestServer::start().unwrap();
    (0..messages).for_each(|_| server.deliver(MAIL));
    server
}

/// Fetches the first message and marks it.
fn fetch_and_mark(server: &TestServer) -> Session {
    let mut session = server.login().unwrap();
    let first = session.list().unwrap()[0].number;
    assert_eq!(session.retrieve(first).unwrap().into_vec().unwrap(), ON_THE_WIRE);
    session.delete(first).unwrap();
    session
}

fn refused_by(server: &TestServer) -> Option<CodeKind> {
    match server.login().unwrap_err() {
        Error::Refused(refused) => refused.code,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_message_is_fetched_and_removed() {
    let server = server_with_mail(2);
    assert!(matches!(fetch_and_mark(&server).quit(), Outcome::Committed));
    assert_eq!(server.messages(), [MAIL.as_bytes()]);
    assert_eq!(server.statistics().panicked, 0);
}

#[test]
fn servers_do_not_know_of_each_other() {
    let (one, other) = (TestServer::start().unwrap(), TestServer::start().unwrap());
    one.deliver(MAIL);
    assert!(other.messages().is_empty());
    let port = other.tls_address().port();
    let stranger = Connection::connect_tls("localhost", port, one.client_tls(), ClientOptions::default());
    assert!(matches!(stranger, Err(Error::Transport(_))));
}

#[test]
fn users_have_maildrops_of_their_own_and_the_first_is_meant() {
    let server = TestServer::builder().user("mrose", "tanstaaf").user("fred", "secret").start().unwrap();
    server.deliver("one\n");
    server.deliver_to("fred", "two\n");
    assert_eq!((server.messages_of("mrose").len(), server.messages_of("fred").len()), (1, 1));
    assert_eq!(server.login().unwrap().list().unwrap().len(), 1);
    assert!(server.url().starts_with("pops://mrose@localhost:"));
    assert!(server.cleartext_url().starts_with("pop://mrose@localhost:"));
}

#[test]
fn users_log_in_by_token() {
    let server = TestServer::builder().token("alice", "ya29.token").start().unwrap();
    let log_in = |user: &str, token: &str| {
        let port = server.tls_address().port();
        let connection =
            Connection::connect_tls("localhost", port, server.client_tls(), ClientOptions::default())
                .unwrap();
        connection.log_in(&Credentials::token(user, token)).map_err(|failed| failed.error)
    };
    assert!(log_in("alice", "ya29.token").is_ok());
    assert!(matches!(log_in("alice", "ya29.tokem"), Err(Error::TokenRejected(_))));
    assert!(log_in("fred", "ya29.token").is_err());
    // The password is good all the same.
    assert!(server.login().is_ok());
}

#[test]
fn users_log_in_by_certificate() {
    let server = TestServer::builder().client_certificates().start().unwrap();
    server.deliver_to("mrose", MAIL);
    let log_in = |certificate: &ClientCertificate| {
        let tls = ClientTls::builder().ca_pem(server.ca_pem());
        let tls = tls.client_certificate_pem(&certificate.chain_pem, &certificate.key_pem).build().unwrap();
        let port = server.tls_address().port();
        let connection = Connection::connect_tls("localhost", port, &tls, ClientOptions::default())?;
        connection.log_in(&Credentials::certificate()).map_err(|failed| failed.error)
    };
    let mut session = log_in(&server.client_certificate("mrose").unwrap()).unwrap();
    assert_eq!(session.list().unwrap().len(), 1);
    assert!(server.login().is_ok(), "certificates are not required");
    let other = TestServer::builder().client_certificates().start().unwrap();
    assert!(log_in(&other.client_certificate("mrose").unwrap()).is_err());
}

#[test]
fn settings_add_up() {
    let server = TestServer::builder()
        .configure(|server| server.expire(Some(30)))
        .configure(|server| server.login_delay(60))
        .start()
        .unwrap();
    let mut stream = TcpStream::connect(server.cleartext_address()).unwrap();
    stream.write_all(b"CAPA\r\nQUIT\r\n").unwrap();
    let mut replies = String::new();
    stream.read_to_string(&mut replies).unwrap();
    assert!(replies.contains("\r\nEXPIRE 30\r\n") && replies.contains("\r\nLOGIN-DELAY 60\r\n"), "{replies}");
    assert!(replies.contains("\r\nSTLS\r\n") && replies.contains("\r\nUSER\r\n"), "{replies}");
}

#[test]
fn the_file_of_the_authority_goes_with_the_server() {
    let server = TestServer::start().unwrap();
    let path = server.ca_file().unwrap();
    assert_eq!(server.ca_file().unwrap(), path);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), server.ca_pem());
    assert!(ClientTls::builder().ca_file(&path).build().is_ok());
    drop(server);
    assert!(!path.exists());
}

#[test]
fn dropping_it_ends_its_sessions() {
    let server = server_with_mail(1);
    let mut session = server.login().unwrap();
    drop(server);
    assert!(session.list().is_err());
}

#[test]
fn a_login_is_refused_once_by_each_fault_and_in_their_order() {
    let server = server_with_mail(1);
    server.inject(Fault::InUse);
    server.inject(Fault::LoginDelay);
    server.inject_for("nobody", Fault::InUse);
    server.inject(Fault::Unavailable);
    assert_eq!(server.pending_faults(), 4);
    assert_eq!(refused_by(&server), Some(CodeKind::InUse));
    assert_eq!(refused_by(&server), Some(CodeKind::LoginDelay));
    assert_eq!(refused_by(&server), Some(CodeKind::SysTemp));
    assert_eq!(server.pending_faults(), 1);
    assert_eq!(server.login().unwrap().list().unwrap().len(), 1);
}

#[test]
fn a_message_vanishes_once() {
    let server = server_with_mail(1);
    server.inject(Fault::Gone);
    let mut session = server.login().unwrap();
    let first = session.list().unwrap()[0].number;
    assert!(matches!(session.retrieve(first), Err(Error::Refused(_))));
    assert_eq!(session.retrieve(first).unwrap().into_vec().unwrap(), ON_THE_WIRE);
}

#[test]
fn a_message_is_cut_after_each_of_its_octets() {
    let server = server_with_mail(1);
    // As many as there are, and more: what is missing is the dot.
    for after in 0..=MAIL.len() as u64 + 1 {
        server.inject(Fault::CutMessage { after });
        let mut session = server.login().unwrap();
        let first = session.list().unwrap()[0].number;
        let fetched = session.retrieve(first).and_then(|message| message.into_vec());
        let truncated = pop3_proto::Error::Truncated { verb: Some(Verb::Retr) };
        assert!(
            matches!(&fetched, Err(Error::Protocol(error)) if *error == truncated),
            "{after}: {fetched:?}"
        );
    }
    assert_eq!((server.pending_faults(), server.messages().len()), (0, 1));
}

#[test]
fn what_stands_before_the_cut_is_sent() {
    let server = server_with_mail(1);
    for after in 0..=MAIL.len() {
        server.inject(Fault::CutMessage { after: after as u64 });
        let mut stream = TcpStream::connect(server.cleartext_address()).unwrap();
        stream.write_all(b"USER alice\r\nPASS wonderland\r\nRETR 1\r\n").unwrap();
        let mut replies = String::new();
        stream.read_to_string(&mut replies).unwrap();
        let (_, body) = replies.split_once(" octets\r\n").unwrap_or_else(|| panic!("{replies}"));
        assert_eq!(body, MAIL[..after].replace('\n', "\r\n").replace("\n.", "\n.."), "{after}");
    }
}

#[test]
fn quit_fails_or_its_answer_is_lost() {
    let server = server_with_mail(2);
    server.inject(Fault::NotRemoved);
    assert!(matches!(fetch_and_mark(&server).quit(), Outcome::Partial(_)));
    assert_eq!(server.messages().len(), 2);
    server.inject(Fault::LostQuit);
    assert!(matches!(fetch_and_mark(&server).quit(), Outcome::Unknown(_)));
    assert_eq!(server.messages().len(), 2);
    server.inject(Fault::LostReply);
    assert!(matches!(fetch_and_mark(&server).quit(), Outcome::Unknown(_)));
    assert_eq!(server.messages().len(), 1);
    // Nothing of it stays behind in the server.
    assert!(matches!(fetch_and_mark(&server).quit(), Outcome::Committed));
    assert_eq!((server.pending_faults(), server.messages().len()), (0, 0));
}
