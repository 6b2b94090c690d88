//! What the log says, and what it never says.

use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use std::time::{Duration, Instant};

use log::{Level, LevelFilter, Log, Metadata, Record};
use pop3_blocking::pop3_proto::Base64;
use pop3_blocking::server::{Policy, Server};

use crate::fixture::{Fault, FaultyStore, Kind, limits, local, mail, serve, tls};
use crate::mechanisms::{Everybody, base64, everything};
use crate::peer::Peer;

const CANARY: &str = "canary-password";

static LINES: Mutex<Vec<(Level, String)>> = Mutex::new(Vec::new());

struct Collect;

impl Log for Collect {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        // All tests of this program log here.
        if record.target().starts_with("pop3") {
            lines().push((record.level(), record.args().to_string()));
        }
    }

    fn flush(&self) {}
}

fn lines() -> MutexGuard<'static, Vec<(Level, String)>> {
    LINES.lock().unwrap_or_else(PoisonError::into_inner)
}

fn collect() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        log::set_boxed_logger(Box::new(Collect)).unwrap();
        log::set_max_level(LevelFilter::Trace);
    });
}

/// What was logged about the client of that port, in the levels given.
fn about(port: u16) -> Vec<(Level, String)> {
    let port = format!(" port={port} ");
    lines().iter().filter(|(_, line)| line.contains(&port)).cloned().collect()
}

#[test]
fn pb_s53_one_line_per_session_and_no_credential_at_any_level() {
    collect();
    let users = pop3_blocking::auth::MemoryUsers::new().with_user("mrose", CANARY);
    let builder = Server::builder(users, mail())
        .limits(limits())
        .listen(local(), Policy::cleartext().allow_cleartext_login())
        .listen(local(), Policy::implicit_tls(tls().server.clone()));
    let running = builder.bind().unwrap().serve().unwrap();
    let mut encoded = Vec::new();
    Base64::encode_to(format!("\0mrose\0{CANARY}").as_bytes(), &mut encoded).unwrap();
    let encoded = String::from_utf8(encoded).unwrap();

    let mut peer = Peer::connect(running.addresses()[0]);
    let plain_port = peer.port();
    let (mut asked, mut heard) = (0, "+OK POP3 server ready\r\n".len());
    assert_eq!(peer.line(), "+OK POP3 server ready");
    for command in [
        format!("PASS {CANARY}"),
        format!("USER {CANARY}"),
        format!("PASS {CANARY}x"),
        format!("USER mrose {CANARY}"),
        format!("XYZZY {CANARY}"),
        format!("AUTH PLAIN {encoded}A==="),
        "USER mrose".into(),
        format!("PASS {CANARY}"),
    ] {
        asked += command.len() + 2;
        heard += peer.ask(&command).len() + 2;
    }
    let (first, mail_lines) = peer.ask_list("RETR 1");
    assert_eq!(first, "+OK 45 octets");
    let (top, top_lines) = peer.ask_list("TOP 1 0");
    assert_eq!(top_lines.len(), 3);
    for list in [&mail_lines, &top_lines] {
        heard += list.iter().map(|line| line.len() + 2).sum::<usize>() + ".\r\n".len();
    }
    let (marked, bye) = ("+OK message marked as deleted", "+OK bye");
    assert_eq!((peer.ask("DELE 1").as_str(), peer.ask("QUIT").as_str()), (marked, bye));
    heard += [first.as_str(), top.as_str(), marked, bye].iter().map(|line| line.len() + 2).sum::<usize>();
    asked += "RETR 1\r\nTOP 1 0\r\nDELE 1\r\nQUIT\r\n".len();
    drop(peer);

    let mut peer = Peer::connect_tls(running.addresses()[1], &tls().client);
    let tls_port = peer.port();
    assert_eq!(peer.line(), "+OK POP3 server ready");
    assert_eq!(peer.ask("AUTH PLAIN"), "+ ");
    assert!(peer.ask(&encoded).starts_with("+OK"));
    peer.close();
    crate::fixture::eventually("both are gone", || running.statistics().open == 0);

    let [(Level::Warn, failed), (Level::Info, ended)] = &about(plain_port)[..] else {
        panic!("{:?}", about(plain_port));
    };
    assert_eq!(
        *failed,
        format!("login failed: peer=127.0.0.1 port={plain_port} tls=\"none\" mechanism=USER failures=1")
    );
    let (known, rest) = ended.split_once(" seconds=").unwrap();
    assert_eq!(
        known,
        format!(
            "session ended: peer=127.0.0.1 port={plain_port} tls=\"none\" cipher=none mechanism=USER user=\"mrose\" \
             retrieved=1 octets=45 top=1 deleted=1 failed_logins=1 bad_commands=4"
        )
    );
    assert!(rest.ends_with(" outcome=\"quit\""), "{rest}");
    let octets = |word: &str| -> usize {
        rest.split(word).nth(1).unwrap().split(' ').next().unwrap().parse().unwrap()
    };
    assert_eq!((octets(" received="), octets(" sent=")), (asked, heard), "{rest}");
    let [(Level::Info, ended)] = &about(tls_port)[..] else { panic!("{:?}", about(tls_port)) };
    assert!(
        ended.contains(" tls=\"TLS 1.3\" cipher=TLS13_AES_")
            && ended.contains(" mechanism=PLAIN user=\"mrose\" "),
        "{ended}"
    );
    assert!(ended.ends_with(" outcome=\"client closed the connection\""), "{ended}");

    for (level, line) in lines().iter() {
        assert!(!line.contains(CANARY) && !line.contains(encoded.get(4..20).unwrap()), "{level} {line}");
    }
}

#[test]
fn faults_are_told_to_the_log_and_not_to_the_client() {
    collect();
    for (fault, doing) in [
        (Fault::Open(Kind::Permanent), "opening the maildrop failed: "),
        (Fault::Scan(1, Kind::Temporary), "listing the maildrop failed: "),
        (Fault::OpenMessage(Kind::Temporary), "opening a message failed: "),
        (Fault::Read(10, Kind::Temporary), "reading a message failed: "),
        (Fault::Size(-5), "ending a message failed: "),
        (Fault::Commit(Kind::Temporary), "removing messages failed: "),
    ] {
        let (running, address) = serve(crate::fixture::builder(FaultyStore::new(mail(), fault)));
        let mut peer = Peer::connect(address);
        let port = peer.port();
        peer.send("USER mrose\r\nPASS secret\r\nDELE 1\r\nRETR 2\r\nQUIT\r\n");
        let said = peer.rest_octets().0;
        assert!(!String::from_utf8(said).unwrap().contains("canary"));
        drop(running);
        let told = about(port);
        let of_level =
            |level| told.iter().filter(|(at, _)| *at == level).map(|(_, line)| line).collect::<Vec<_>>();
        let [error] = of_level(Level::Error)[..] else { panic!("{told:?}") };
        assert!(error.starts_with(doing), "{error}");
        assert!(error.contains("canary-fault") || matches!(fault, Fault::Size(_)), "{error}");
        assert_eq!(of_level(Level::Info).len(), 1, "{told:?}");
    }
}

#[test]
fn accept_that_fails_is_tried_again_after_a_pause() {
    collect();
    // Bound, but not listening: the system refuses every accept.
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&local().into()).unwrap();
    let builder =
        Server::builder(crate::fixture::users(), mail()).listen_on(socket.into(), Policy::cleartext());
    let began = Instant::now();
    let (running, _) = serve(builder);
    let failures =
        || lines().iter().filter(|(_, line)| line.starts_with("accept failed, next try in ")).count();
    crate::fixture::eventually("three failures", || failures() >= 3);
    assert!(began.elapsed() >= Duration::from_millis(150), "{:?}", began.elapsed());
    // The pause does not hold up the end.
    drop(running);
    assert!(began.elapsed() < Duration::from_secs(10));
}

// curl hangs up when it is told why an XOAUTH2 token is refused.
#[test]
fn r7628_3_3_a_refused_token_costs_its_delay_and_is_logged_though_the_client_hangs_up() {
    collect();
    let mut limits = limits();
    limits.failed_login_delay = Duration::from_millis(300);
    let builder = Server::builder(Everybody::new(), mail()).limits(limits).listen(local(), everything());
    let running = builder.bind().unwrap().serve().unwrap();
    let mut peer = Peer::connect_tls(running.addresses()[0], &tls().client);
    let port = peer.port();
    peer.line();
    let began = Instant::now();
    let token = base64("user=mrose\x01auth=Bearer bad\x01\x01");
    assert!(peer.ask(&format!("AUTH XOAUTH2 {token}")).starts_with("+ "));
    assert!(began.elapsed() >= Duration::from_millis(300), "{:?}", began.elapsed());
    peer.close();
    crate::fixture::eventually("it is gone", || running.statistics().open == 0);
    let [(Level::Warn, failed), (Level::Info, ended)] = &about(port)[..] else { panic!("{:?}", about(port)) };
    assert!(
        failed.starts_with("login failed: ") && failed.ends_with(" mechanism=XOAUTH2 failures=1"),
        "{failed}"
    );
    assert!(ended.contains(" mechanism=none ") && ended.contains(" failed_logins=1 "), "{ended}");

    // Whoever goes on waits no second time, and it is still one failure.
    let mut peer = Peer::connect_tls(running.addresses()[0], &tls().client);
    let port = peer.port();
    peer.line();
    peer.ask(&format!("AUTH XOAUTH2 {token}"));
    assert_eq!(peer.ask(""), "-ERR [AUTH] authentication failed");
    peer.ask("QUIT");
    drop(peer);
    crate::fixture::eventually("it is gone", || running.statistics().open == 0);
    let [(Level::Warn, failed), (Level::Info, ended)] = &about(port)[..] else { panic!("{:?}", about(port)) };
    assert!(failed.ends_with(" mechanism=XOAUTH2 failures=1"), "{failed}");
    let received = format!("AUTH XOAUTH2 {token}\r\n\r\nQUIT\r\n").len();
    assert!(ended.contains(&format!(" received={received} sent=")), "{ended}");
    assert!(ended.contains(" failed_logins=1 "), "{ended}");
}
