//! `APOP`: only where it was asked for, only where TLS came before the greeting.

use std::collections::HashSet;

use pop3_blocking::auth::{Mechanisms, MemoryUsers};
use pop3_blocking::pop3_proto::apop;
use pop3_blocking::server::{Policy, Running, Server};

use crate::fixture::{limits, local, mail, tls};
use crate::mechanisms::{Everybody, REJECTED, everything, serve};
use crate::peer::{Ending, Peer};

/// A connection and the timestamp of its greeting.
fn greeted(running: &Running) -> (Peer, Option<String>) {
    let mut peer = Peer::connect_tls(running.addresses()[0], &tls().client);
    let greeting = peer.line();
    let stamp = apop::timestamp(greeting.as_bytes()).map(|stamp| String::from_utf8(stamp.to_vec()).unwrap());
    assert!(stamp.is_some() || !greeting.contains('<'), "{greeting}");
    (peer, stamp)
}

fn command(user: &str, stamp: &str, secret: &str) -> String {
    let digest = apop::digest(stamp.as_bytes(), secret.as_bytes());
    format!("APOP {user} {}", core::str::from_utf8(&digest).unwrap())
}

#[test]
fn r1939_7_9_r1939_7_10_who_has_a_secret_logs_in_by_its_digest() {
    let running = serve(Everybody::new(), everything().known_as("pop.example.org", 995));
    let (mut peer, stamp) = greeted(&running);
    let stamp = stamp.unwrap();
    assert!(stamp.ends_with("@pop.example.org>"), "{stamp}");
    for (user, secret) in [("old", "wrong"), ("nobody", "tanstaaf"), ("mrose", "secret")] {
        assert_eq!(peer.ask(&command(user, &stamp, secret)), REJECTED, "{user}");
    }
    // Of another greeting; in capital letters.
    assert_eq!(peer.ask(&command("old", "<1896.697170952@dbc.mtview.ca.us>", "tanstaaf")), REJECTED);
    assert_eq!(peer.ask(&command("OLD", &stamp, "tanstaaf")), REJECTED);
    let right = command("old", &stamp, "tanstaaf");
    assert_eq!(peer.ask(&right.replace("APOP old ", "APOP old X")), REJECTED);
    assert_eq!(peer.ask(&right), "+OK maildrop has 3 messages (125 octets)");
    // R1939-13.1: not by the password too.
    let (mut peer, _) = greeted(&running);
    assert_eq!(peer.ask("USER old"), "+OK send PASS");
    assert_eq!(peer.ask("PASS tanstaaf"), REJECTED);
}

#[test]
fn r1939_7_9_every_greeting_has_another_timestamp() {
    let users = MemoryUsers::new().with_secret("old", "tanstaaf");
    let policy = Policy::implicit_tls(tls().server.clone()).mechanisms(Mechanisms::APOP);
    let server = Server::builder(users, mail()).limits(limits()).listen(local(), policy).bind().unwrap();
    let running = server.serve().unwrap();
    let stamps: HashSet<String> = (0..100).map(|_| greeted(&running).1.unwrap()).collect();
    assert_eq!(stamps.len(), 100);
}

#[test]
fn pb_q68_r1939_7_9_apop_is_not_offered_where_it_was_not_asked_for_or_could_not_succeed() {
    let default = || Policy::implicit_tls(tls().server.clone());
    let named = Mechanisms::DEFAULT | Mechanisms::APOP;
    let nobody_has_a_secret = MemoryUsers::new().with_user("mrose", "secret");
    for running in [
        serve(Everybody::new(), default()),
        serve(nobody_has_a_secret, default().mechanisms(named)),
        serve(Everybody::new(), default().certificate_only()),
    ] {
        let (mut peer, stamp) = greeted(&running);
        assert_eq!(stamp, None);
        assert_eq!(peer.ask("APOP old c4c9334bac560ecc979e58001b3e22fb"), "-ERR not supported");
    }
    // In clear text the timestamp would be seen, and after STLS it would not count (R23, R1939-7.11).
    for policy in [Policy::stls(tls().server.clone()), Policy::cleartext().allow_cleartext_login()] {
        let running = serve(Everybody::new(), policy.mechanisms(named));
        let mut peer = Peer::greeted(running.addresses()[0]);
        assert_eq!(peer.ask("APOP old c4c9334bac560ecc979e58001b3e22fb"), "-ERR not supported");
    }
}

#[test]
fn pb_s49_failed_digests_count_with_the_others() {
    let server = Server::builder(Everybody::new(), mail()).limits(limits()).listen(local(), everything());
    let running = server.bind().unwrap().serve().unwrap();
    let (mut peer, stamp) = greeted(&running);
    let wrong = command("old", &stamp.unwrap(), "wrong");
    peer.send(format!("{wrong}\r\nUSER mrose\r\nPASS wrong\r\n{wrong}\r\nCAPA\r\n"));
    let (said, ending) = peer.rest();
    assert_eq!(said.matches(REJECTED).count(), 3, "{said}");
    assert!(said.ends_with(&format!("{REJECTED}\r\n")) && ending == Ending::Orderly, "{said}");
}
