//! One lock for each maildrop, whichever server holds it.

use std::net::Ipv4Addr;

use crate::client::{Client, session};
use crate::haproxy::Haproxy;
use crate::postgres::mail;
use crate::server::{Server, wait_for};

const LETTER: &[u8] = b"Subject: a letter\r\n\r\nDear Alice,\r\n.\r\n..\r\n";

/// What servers behind HAProxy are started with.
pub(crate) const BEHIND: [&str; 2] = ["--behind", "127.0.0.1"];

#[test]
fn r1939_4_3_pb_q29_a_maildrop_open_at_one_server_is_in_use_at_another() {
    let Some(mail) = mail() else { return };
    mail.users(&["alice", "bob"]);
    mail.import("alice", LETTER);
    let servers = [Server::start(&mail, &BEHIND), Server::start(&mail, &BEHIND)];
    let Some(haproxy) = Haproxy::start(&servers.each_ref().map(|server| server.address), "") else { return };

    let third = Server::start(&mail, &[]);
    let mut alice = session(haproxy.address, "alice").unwrap();
    let first = haproxy.busy(2);
    // The least busy server is the other one.
    let mut second = Client::connect(haproxy.address).unwrap();
    assert!(second.login("alice").unwrap().starts_with("-ERR [IN-USE] "));
    assert_eq!(haproxy.about(3 - first, "scur"), "1");
    // Others have theirs, on the connection that was refused as well.
    assert_eq!(second.login("bob").unwrap(), "+OK maildrop has 0 messages (0 octets)");
    assert_eq!(alice.must("STAT"), format!("+OK 1 {}", LETTER.len()));
    alice.must("QUIT");
    // The lock is free before the reply to QUIT can be seen, for everybody: the same server could have it in a connection that
    // it uses again, so another one is asked.
    let mut again = session(third.address, "alice").unwrap();
    assert_eq!(again.must("STAT"), format!("+OK 1 {}", LETTER.len()));
}

#[test]
fn r1939_6_1_a_server_killed_in_mid_session_loses_nothing_and_frees_the_lock() {
    let Some(mail) = mail() else { return };
    mail.users(&["alice"]);
    let letters: Vec<Vec<u8>> =
        (0..5).map(|n| [format!("X-Number: {n}\r\n").as_bytes(), LETTER].concat()).collect();
    for letter in &letters {
        mail.import("alice", letter);
    }
    let before = mail.unique_ids("alice");
    let mut servers = [Server::start(&mail, &BEHIND), Server::start(&mail, &BEHIND)];
    let Some(haproxy) = Haproxy::start(&servers.each_ref().map(|server| server.address), "") else { return };

    let mut alice = session(haproxy.address, "alice").unwrap();
    for number in 1..=5 {
        alice.must(&format!("RETR {number}"));
        alice.body().unwrap();
        alice.must(&format!("DELE {number}"));
    }
    let busy = haproxy.busy(2);
    servers[busy - 1].kill();
    assert_eq!(alice.last_words(), b"");
    drop(alice);

    // No lock to time out: the next login that reaches a server finds it free, or will in the moment it takes PostgreSQL to
    // see that the connection has ended.
    let mut again = wait_for("the lock", || match session(haproxy.address, "alice") {
        Ok(session) => Some(session),
        Err(refused) => {
            assert!(refused.starts_with("-ERR [IN-USE]"), "{refused}");
            None
        }
    });
    assert_eq!(haproxy.busy(2), 3 - busy);
    for (number, letter) in (1..).zip(&letters) {
        assert_eq!(again.must(&format!("LIST {number}")), format!("+OK {number} {}", letter.len()));
        again.must(&format!("RETR {number}"));
        assert_eq!(again.body().unwrap(), *letter);
    }
    assert_eq!(mail.unique_ids("alice"), before);
    // And now in earnest.
    for number in 1..=4 {
        again.must(&format!("DELE {number}"));
    }
    again.must("QUIT");
    assert_eq!(mail.unique_ids("alice"), before[4..]);
    assert_eq!(mail.damaged(), 0);
}

#[test]
fn a_server_that_is_dead_is_taken_out_and_comes_back() {
    let Some(mail) = mail() else { return };
    mail.users(&["alice"]);
    let mut servers = [Server::start(&mail, &BEHIND), Server::start(&mail, &BEHIND)];
    let addresses = servers.each_ref().map(|server| server.address);
    // More often than in the configuration, for the test's sake.
    let Some(haproxy) = Haproxy::start(&addresses, "inter 50ms") else { return };
    servers[0].kill();
    haproxy.wait_until(1, "DOWN");
    for _ in 0..4 {
        session(haproxy.address, "alice").unwrap().must("QUIT");
    }
    servers[0] = Server::start_on(&mail, &addresses[0].to_string(), &BEHIND);
    haproxy.wait_until(1, "UP");
    let (_first, _second) =
        (Client::connect(haproxy.address).unwrap(), Client::connect(haproxy.address).unwrap());
    assert_eq!((haproxy.about(1, "scur"), haproxy.about(2, "scur")), ("1".into(), "1".into()));
    // Checks are no logins and no sessions of anybody.
    assert!(!servers[1].log().contains("login failed"), "{}", servers[1].log());
}

#[test]
fn a_server_is_drained_before_it_is_stopped() {
    let Some(mail) = mail() else { return };
    mail.users(&["alice", "bob"]);
    mail.import("alice", LETTER);
    let mut servers = [Server::start(&mail, &BEHIND), Server::start(&mail, &BEHIND)];
    let Some(haproxy) = Haproxy::start(&servers.each_ref().map(|server| server.address), "") else { return };
    let mut alice = session(haproxy.address, "alice").unwrap();
    let busy = haproxy.busy(2);
    haproxy.tell(&format!("set server servers/pop{busy} state drain"));
    // New sessions go elsewhere, the old one goes on.
    for _ in 0..4 {
        session(haproxy.address, "bob").unwrap().must("QUIT");
    }
    assert_eq!(haproxy.about(busy, "scur"), "1");
    alice.must("DELE 1");
    alice.must("QUIT");
    drop(alice);
    wait_for("the last session", || (haproxy.about(busy, "scur") == "0").then_some(()));
    servers[busy - 1].terminate();
    assert!(servers[busy - 1].ended());
    assert_eq!(mail.unique_ids("alice"), [""; 0]);
}

#[test]
fn the_log_tells_the_address_of_the_client() {
    let Some(mail) = mail() else { return };
    mail.users(&["alice"]);
    let server = Server::start(&mail, &BEHIND);
    let Some(haproxy) = Haproxy::start(&[server.address], "") else { return };
    let mut client = Client::connect_from(Ipv4Addr::new(127, 9, 8, 7), haproxy.address).unwrap();
    assert!(client.login("alice").unwrap().starts_with("+OK"));
    client.must("QUIT");
    let line = server.logged("user=\"alice\"");
    assert!(line.contains("session ended: peer=127.9.8.7 "), "{line}");
}
