//! The last reply always arrives.

use std::net::SocketAddr;

use pop3_blocking::server::{Policy, Server};
use pop3_blocking::tls::ClientTls;

use crate::fixture::{builder, limits, local, mail, serve, tls, users};
use crate::peer::{Ending, Peer};

/// Ends a session in the way of `round`; the reply must be read whole and the end be orderly.
fn quit(round: usize, address: SocketAddr, tls: Option<&ClientTls>) {
    let mut peer = match tls {
        None => Peer::connect(address),
        Some(tls) => Peer::connect_tls(address, tls),
    };
    let (script, replies) = match round % 4 {
        0 => ("QUIT\r\n", 0),
        1 => ("USER mrose\r\nPASS secret\r\nQUIT\r\n", 2),
        // Octets behind QUIT are never read as commands, and must not turn the end into a reset (PB-Q64).
        2 => ("USER mrose\r\nPASS secret\r\nDELE 9\r\nQUIT\r\nNOOP\r\nQUIT\r\n", 3),
        _ => ("CAPA\r\nQUIT\r\nGET / HTTP/1.1\r\n\r\n", 10),
    };
    assert_eq!(peer.line(), "+OK POP3 server ready");
    peer.send(script);
    if round % 3 == 0 {
        // What the client sends later is not a reason for a reset either, as long as it is little.
        peer.send("XYZZY\r\n".repeat(round % 5000));
    }
    for _ in 0..replies {
        peer.line();
    }
    assert_eq!(peer.rest(), ("+OK bye\r\n".into(), Ending::Orderly), "round {round}");
}

#[test]
fn pb_s34_the_reply_to_quit_is_always_read_in_clear_text() {
    let (_running, address) = serve(builder(mail()));
    (0..1000).for_each(|round| quit(round, address, None));
}

#[test]
fn pb_s34_the_reply_to_quit_is_always_read_under_tls() {
    let builder = Server::builder(users(), mail())
        .limits(limits())
        .listen(local(), Policy::implicit_tls(tls().server.clone()));
    let (_running, address) = serve(builder);
    for round in 0..1000 {
        let client = if round % 2 == 0 { &tls().client } else { &tls().client_tls12 };
        quit(round, address, Some(client));
    }
}

#[test]
fn rp_close_1_the_end_does_not_wait_for_a_client_that_stays() {
    let mut limits = limits();
    limits.linger = std::time::Duration::from_millis(20);
    let (running, address) = serve(builder(mail()).limits(limits));
    let mut peer = Peer::greeted(address);
    assert_eq!(peer.ask("QUIT"), "+OK bye");
    crate::fixture::eventually("the session is over", || running.statistics().open == 0);
}
