//! Two thousand sessions at once on the one thread of `mio_server`.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::process::Command;
use std::thread::{self, ScopedJoinHandle};

use pop3_blocking::client::{ClientOptions, Connection, Outcome, Session};
use pop3_tests::peers::corpus::{huge, sent};
use pop3_tests::peers::{Certs, TempDir, skip};

use crate::servers::Server;

const SESSIONS: usize = 2000;
/// Threads of the clients.
const THREADS: usize = 20;
/// Memory of the server for each session, in KiB: 5 of buffers, an index, a socket's own.
const EACH: usize = 16;
const MAIL: &[u8] = b"Subject: one of many\n\n.\n..\nfor everyone\n";

/// The test that follows, in a process that may open as many files as the system lets it.
#[test]
fn r7_two_thousand_sessions_at_once_on_one_thread() {
    let limit = Command::new("/bin/sh").args(["-c", "ulimit -Hn"]).output().unwrap().stdout;
    let limit = String::from_utf8(limit).unwrap();
    if limit.trim().parse().is_ok_and(|files: usize| files < SESSIONS + 200) {
        return skip("no more than so many open files are allowed: ulimit -Hn");
    }
    let name = "crowd::the_two_thousand_sessions";
    let ended = Command::new("/bin/sh")
        .args(["-c", "ulimit -Sn \"$(ulimit -Hn)\"; exec \"$0\" --ignored --exact --nocapture \"$1\""])
        .arg(std::env::current_exe().unwrap())
        .arg(name)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ended.stdout).into_owned() + &String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success() && said.contains("1 passed"), "{said}");
    let figure = said.lines().find(|line| line.contains("sessions on one thread")).unwrap();
    drop(writeln!(std::io::stderr(), "{figure}"));
}

fn log_in(port: u16, user: usize) -> Session {
    let mut connection = Connection::connect_cleartext("localhost", port, ClientOptions::default()).unwrap();
    connection.allow_cleartext_login();
    connection.login(&format!("u{user}"), "secret").unwrap()
}

/// Does the same in every session, in several at a time.
fn at_once(sessions: &mut [Session], act: impl Fn(&mut Session) + Sync) {
    thread::scope(|scope| {
        for some in sessions.chunks_mut(SESSIONS / THREADS) {
            let act = &act;
            scope.spawn(move || some.iter_mut().for_each(act));
        }
    });
}

/// A number of `/proc/PID/status`, in KiB where it has a unit.
fn status(server: &Server, name: &str) -> usize {
    let status = fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim_start_matches(':').split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
#[ignore = "started by the test above"]
fn the_two_thousand_sessions() {
    let mail = TempDir::new("crowd");
    for user in 0..SESSIONS + 1 {
        mail.subdir(format!("u{user}"));
        mail.file(format!("u{user}/password"), "secret\n");
        mail.file(format!("u{user}/1.eml"), MAIL);
    }
    let large = huge(8 << 20);
    mail.file(format!("u{SESSIONS}/1.eml"), &large);
    let server = Server::start("mio_server", &Certs::new(), &mail);
    let port = server.ports[0].1;
    drop(log_in(port, 0).quit()); // what all share is paid for
    let before = status(&server, "VmRSS");

    let users: Vec<usize> = (0..SESSIONS).collect();
    let mut sessions: Vec<Session> = thread::scope(|scope| {
        let log_in = |users: &[usize]| users.iter().map(|user| log_in(port, *user)).collect();
        let threads: Vec<ScopedJoinHandle<'_, Vec<Session>>> =
            users.chunks(SESSIONS / THREADS).map(|users| scope.spawn(move || log_in(users))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(sessions.len(), SESSIONS);
    at_once(&mut sessions, |session| assert_eq!(session.stat().unwrap().messages, 1));
    let with = status(&server, "VmRSS");
    let each = (with - before) * 1024 / SESSIONS;
    println!("{SESSIONS} sessions on one thread of mio_server: {each} octets of memory each");
    assert_eq!(status(&server, "Threads"), 1);
    assert!(each > 0 && each <= EACH * 1024, "{each} octets for each session");

    // One asks for much and takes nothing of it: the server must hold it up, and serve the others meanwhile.
    let mut slow = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    let batch = format!("USER u{SESSIONS}\r\nPASS secret\r\nRETR 1\r\nRETR 1\r\nQUIT\r\n");
    slow.write_all(batch.as_bytes()).unwrap();
    for session in &mut sessions[..20] {
        assert_eq!(session.stat().unwrap().octets, Some(sent(MAIL).len() as u64));
    }
    // It gets what it has asked for, whole, when it reads at last.
    let mut said = BufReader::new(slow);
    let mut octets = Vec::new();
    for _ in 0..3 {
        said.read_until(b'\n', &mut octets).unwrap();
    }
    octets.clear();
    said.read_to_end(&mut octets).unwrap();
    let stuffed = sent(&large).len() + sent(&large).windows(3).filter(|window| window == b"\n..").count();
    let expected = 2 * (format!("+OK {} octets\r\n", sent(&large).len()).len() + stuffed + 3);
    let bye = octets.iter().rev().skip(2).take_while(|octet| **octet != b'\n').count() + 2;
    assert_eq!(octets.len() - bye, expected);
    assert!(status(&server, "VmHWM") - before <= EACH * SESSIONS, "memory grew");

    at_once(&mut sessions, |session| {
        let number = session.list().unwrap()[0].number;
        let message = session.retrieve(number).unwrap().into_vec().unwrap();
        assert_eq!(message, sent(MAIL));
        session.delete(number).unwrap();
    });
    // Every other one vanishes: its mail stays.
    for (user, session) in sessions.into_iter().enumerate() {
        if user % 2 == 0 {
            assert!(matches!(session.quit(), Outcome::Committed));
        } else {
            drop(session);
        }
    }
    // By now the server has seen that the others are gone.
    for user in 0..SESSIONS {
        let there = mail.join(format!("u{user}/1.eml")).exists();
        assert_eq!(there, user % 2 == 1, "u{user}");
    }
}
