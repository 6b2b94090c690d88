//! A `QUIT` whose `COMMIT` goes wrong.

use crate::client::session;
use crate::postgres::{Mail, mail};
use crate::relay::{Cut, Relay};
use crate::server::{Server, wait_for};

const LETTER: &[u8] = b"Subject: a letter\r\n\r\nDear Alice\r\n";

/// Marks two of three messages and says `QUIT` while the wire is cut so. Gives the reply.
fn quit(mail: &Mail, relay: &Relay, server: &Server, cut: Cut, then_down: bool) -> String {
    for _ in 0..3 {
        mail.import("alice", LETTER);
    }
    let mut alice = session(server.address, "alice").unwrap();
    alice.must("DELE 1");
    alice.must("DELE 3");
    relay.cut(cut, then_down);
    let reply = alice.ask("QUIT").unwrap();
    relay.wait();
    reply
}

fn prepared() -> Option<(Mail, Relay, Server)> {
    let mail = mail()?;
    mail.users(&["alice"]);
    let relay = Relay::start(&mail.socket());
    let server = Server::start(&relay.mail(&mail), &[]);
    Some((mail, relay, server))
}

#[test]
fn r1939_6_1_a_commit_that_was_done_is_found_out_though_its_answer_was_lost() {
    let Some((mail, relay, server)) = prepared() else { return };
    let reply = quit(&mail, &relay, &server, Cut::After, false);
    assert!(reply.starts_with("+OK"), "{reply}");
    assert_eq!(mail.unique_ids("alice").len(), 1);
    assert!(server.log().contains("was not answered"), "{}", server.log());
}

#[test]
fn r1939_6_1_a_commit_that_did_not_arrive_removed_nothing_and_says_so() {
    let Some((mail, relay, server)) = prepared() else { return };
    let reply = quit(&mail, &relay, &server, Cut::Before, false);
    assert!(reply.starts_with("-ERR [SYS/TEMP] "), "{reply}");
    assert_eq!(mail.unique_ids("alice").len(), 3);
    // The lock is not left behind with the connection that was lost.
    wait_for("the lock", || session(server.address, "alice").ok()).must("QUIT");
}

#[test]
fn r1939_6_1_what_cannot_be_found_out_is_not_called_removed() {
    let Some((mail, relay, server)) = prepared() else { return };
    // It is done, but nobody can tell the server.
    let reply = quit(&mail, &relay, &server, Cut::After, true);
    assert!(reply.starts_with("-ERR [SYS/TEMP] "), "{reply}");
    wait_for("the transaction", || (mail.unique_ids("alice").len() == 1).then_some(()));
    server.logged("whether the messages are removed is not known");
}

#[test]
fn r1939_6_1_a_server_killed_while_it_waits_for_the_commit_has_removed_nothing() {
    let Some((mail, relay, mut server)) = prepared() else { return };
    let other = Server::start(&mail, &[]);
    for _ in 0..3 {
        mail.import("alice", LETTER);
    }
    let mut alice = session(server.address, "alice").unwrap();
    for number in 1..=3 {
        alice.must(&format!("DELE {number}"));
    }
    relay.cut(Cut::Held, false);
    let waiting = std::thread::spawn(move || alice.ask("QUIT"));
    relay.wait();
    server.kill();
    assert!(waiting.join().unwrap().is_err());
    let mut again = wait_for("the lock", || session(other.address, "alice").ok());
    assert_eq!(again.must("STAT"), format!("+OK 3 {}", 3 * LETTER.len()));
}
