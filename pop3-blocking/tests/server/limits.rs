//! What a client can do without a login, or too much of.

use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use pop3_blocking::server::{Limits, Policy, Server};
use pop3_blocking::store::MemoryStore;

use crate::fixture::{builder, eventually, limits, local, mail, serve, tls, users};
use crate::peer::{Ending, LONG, Peer};

const CROWDED: &str = "-ERR [SYS/TEMP] too many connections, try again later\r\n";
const FOREIGN: &str = "-ERR this is a POP3 server\r\n";

fn with(change: impl FnOnce(&mut Limits)) -> Limits {
    let mut limits = limits();
    change(&mut limits);
    limits
}

#[test]
fn overload_is_told_in_clear_text_and_shown_under_tls() {
    let limits = with(|limits| limits.connections = 2);
    let builder = Server::builder(users(), mail())
        .limits(limits)
        .listen(local(), Policy::cleartext().allow_cleartext_login())
        .listen(local(), Policy::implicit_tls(tls().server.clone()));
    let running = builder.bind().unwrap().serve().unwrap();
    let address = running.addresses()[0];
    let (one, two) = (Peer::logged_in(address, "mrose"), Peer::logged_in(address, "fred"));
    assert_eq!(Peer::connect(address).rest(), (CROWDED.into(), Ending::Orderly));
    assert_eq!(Peer::connect(running.addresses()[1]).rest(), (String::new(), Ending::Orderly));
    assert_eq!(running.statistics().refused, 2);
    one.close();
    eventually("a place is free", || running.statistics().open == 1);
    drop(Peer::logged_in(address, "kim"));
    drop(two);
}

#[test]
fn under_pressure_the_oldest_without_a_login_goes_first() {
    let limits = with(|limits| limits.connections = 3);
    let (running, address) = serve(builder(mail()).limits(limits));
    let mut member = Peer::logged_in(address, "mrose");
    let mut oldest = Peer::greeted(address);
    let mut younger = Peer::greeted(address);
    let mut newcomer = Peer::greeted(address);
    let (said, _) = oldest.rest();
    assert_eq!(said, "");
    newcomer.log_in("fred");
    younger.log_in("kim");
    assert_eq!(member.ask("STAT"), "+OK 3 125");
    assert_eq!(running.statistics().evicted, 1);
}

#[test]
fn one_address_has_its_share_before_and_after_the_login() {
    let limits = with(|limits| {
        limits.connections_per_address_before_login = 2;
        limits.connections_per_address = 1;
    });
    let (running, address) = serve(builder(mail()).limits(limits));
    let (mut one, mut two) = (Peer::greeted(address), Peer::greeted(address));
    assert_eq!(Peer::connect(address).rest(), (CROWDED.into(), Ending::Orderly));
    one.log_in("mrose");
    let mut three = Peer::greeted(address);
    for peer in [&mut two, &mut three] {
        assert_eq!(peer.ask("USER fred"), "+OK send PASS");
        assert_eq!(peer.ask("PASS secret"), "-ERR [SYS/TEMP] temporary fault, try again later");
        assert_eq!(peer.rest(), (String::new(), Ending::Orderly));
    }
    drop((two, three));
    eventually("one is left", || running.statistics().open == 1);
    // Free again before the first has even read the end.
    let mut four = Peer::greeted(address);
    assert_eq!(one.ask("QUIT"), "+OK bye");
    four.log_in("fred");
    assert_eq!(one.rest(), (String::new(), Ending::Orderly));
    drop((one, four));
    eventually("all are gone", || running.statistics().open == 0);
}

#[test]
fn pb_s38_stalled_handshakes_end_and_do_not_keep_others_out() {
    let limits = with(|limits| limits.handshake = Duration::from_millis(300));
    let builder = Server::builder(users(), mail())
        .limits(limits)
        .listen(local(), Policy::implicit_tls(tls().server.clone()))
        .listen(local(), Policy::stls(tls().server.clone()));
    let running = builder.bind().unwrap().serve().unwrap();
    let [secure, stls] = [running.addresses()[0], running.addresses()[1]];
    let mut stalled: Vec<Peer> = (0..100).map(|_| Peer::connect(secure)).collect();
    for peer in stalled.iter().step_by(2) {
        peer.send_raw(b"\x16\x03\x01\x02\x00\x01\x00");
    }
    stalled.extend((0..20).map(|_| {
        let mut peer = Peer::greeted(stls);
        assert_eq!(peer.ask("STLS"), "+OK begin TLS");
        peer
    }));
    let mut good = Peer::connect_tls(secure, &tls().client);
    assert_eq!(good.line(), "+OK POP3 server ready");
    good.log_in("mrose");
    for mut peer in stalled {
        // Whatever comes is a TLS alert at most.
        let (octets, _) = peer.rest_octets();
        assert!(octets.is_empty() || octets[0] == 0x15, "{octets:?}");
    }
    assert_eq!(good.ask("QUIT"), "+OK bye");
}

#[test]
fn r32_a_handshake_counts_against_the_time_for_a_login() {
    let limits = with(|limits| {
        limits.handshake = Duration::from_secs(3600);
        limits.protocol.login = Duration::from_millis(300);
    });
    let builder = Server::builder(users(), mail())
        .limits(limits)
        .listen(local(), Policy::implicit_tls(tls().server.clone()))
        .listen(local(), Policy::stls(tls().server.clone()));
    let running = builder.bind().unwrap().serve().unwrap();
    let silent = Peer::connect(running.addresses()[0]);
    let half = Peer::connect(running.addresses()[0]);
    half.send_raw(b"\x16\x03\x01\x02\x00\x01\x00");
    let mut upgraded = Peer::greeted(running.addresses()[1]);
    assert_eq!(upgraded.ask("STLS"), "+OK begin TLS");
    for mut peer in [silent, half, upgraded] {
        assert_eq!(peer.rest_octets().0, b"");
    }
}

#[test]
fn r32_stalled_handshakes_use_up_the_places_of_their_address() {
    let limits = with(|limits| limits.connections_per_address_before_login = 2);
    let builder = Server::builder(users(), mail())
        .limits(limits)
        .listen(local(), Policy::implicit_tls(tls().server.clone()));
    let (running, address) = serve(builder);
    let stalled = [Peer::connect(address), Peer::connect(address)];
    assert_eq!(Peer::connect(address).rest(), (String::new(), Ending::Orderly));
    assert_eq!(running.statistics().refused, 1);
    drop(stalled);
    eventually("the places are free", || running.statistics().open == 0);
    let mut peer = Peer::connect_tls(address, &tls().client);
    assert_eq!(peer.line(), "+OK POP3 server ready");
}

#[test]
fn pb_s38_bad_handshakes_end_one_connection_only() {
    let builder =
        Server::builder(users(), mail()).limits(limits()).listen(local(), Policy::stls(tls().server.clone()));
    let (_running, address) = serve(builder);
    for opening in
        [&b"\x16\x03\x01\x00\x05hello"[..], b"GET / HTTP/1.1\r\n\r\n", b"\x15\x03\x01\x00\x02\x02\x28", b""]
    {
        let mut peer = Peer::greeted(address);
        assert_eq!(peer.ask("STLS"), "+OK begin TLS");
        peer.send_raw(opening);
        peer.end();
        let (octets, _) = peer.rest_octets();
        assert!(octets.is_empty() || octets[0] == 0x15, "{octets:?}");
        let mut good = Peer::greeted(address);
        assert_eq!(good.ask("STLS"), "+OK begin TLS");
        let mut good = good.start_tls(&tls().client);
        good.log_in("mrose");
        assert_eq!(good.ask("QUIT"), "+OK bye");
    }
}

#[test]
fn the_time_for_a_login_is_not_renewed_by_octets() {
    let limit = Duration::from_millis(300);
    let (running, address) = serve(builder(mail()).limits(with(|limits| limits.protocol.login = limit)));
    // Silence; half a line; whole commands without end; a login that came in time.
    let mut silent = Peer::greeted(address);
    let mut half = Peer::greeted(address);
    half.send("USER mro");
    let began = Instant::now();
    thread::scope(|scope| {
        scope.spawn(|| {
            // It never falls silent, and reads nothing until it is closed.
            let mut busy = Peer::greeted(address);
            while busy.try_send("CAPA\r\n") {
                thread::sleep(Duration::from_millis(5));
                assert!(began.elapsed() < LONG);
            }
            assert!(busy.rest().0.starts_with("+OK capabilities follow\r\n"));
        });
        let mut member = Peer::logged_in(address, "mrose");
        for peer in [&mut silent, &mut half] {
            // R1939-3.16: nothing is sent.
            assert_eq!(peer.rest(), (String::new(), Ending::Orderly));
        }
        assert!(began.elapsed() < LONG / 2);
        eventually("the others are gone", || running.statistics().open == 1);
        assert_eq!(member.ask("STAT"), "+OK 3 125");
    });
}

#[test]
fn a_command_must_come_to_its_end_in_time() {
    let limits = with(|limits| limits.protocol.command = Duration::from_millis(200));
    let store = mail();
    let (_running, address) = serve(builder(store.clone()).limits(limits));
    let mut peer = Peer::logged_in(address, "mrose");
    let began = Instant::now();
    peer.send("DELE 1\r\nNO");
    assert_eq!(peer.line(), "+OK message marked as deleted");
    // An octet now and then does not help; so many make no over-long line, which would be another matter.
    let sent = (0..400).take_while(|_| {
        thread::sleep(Duration::from_millis(5));
        peer.try_send("x")
    });
    assert!(sent.count() < 399, "closed in the middle");
    assert!(began.elapsed() >= Duration::from_millis(200));
    assert_eq!(peer.rest().0, "");
    assert_eq!(store.messages("mrose").len(), 3);
    Peer::logged_in(address, "mrose").close();
}

#[test]
fn rp_alpaca_1_pb_q66_other_protocols_get_one_constant_line() {
    let builder = Server::builder(users(), mail())
        .limits(limits())
        .listen(local(), Policy::cleartext().allow_cleartext_login())
        .listen(local(), Policy::implicit_tls(tls().server.clone()));
    let running = builder.bind().unwrap().serve().unwrap();
    for opening in [
        "GET /<script> HTTP/1.1\r\nHost: x\r\n\r\n",
        "POST / HTTP/1.1\r\n\r\nUSER mrose\r\nPASS secret\r\n",
        "EHLO there\r\n",
        "SSH-2.0-x\r\n",
        "a1 LOGIN mrose secret\r\n",
        "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}",
    ] {
        let mut peer = Peer::greeted(running.addresses()[0]);
        peer.send(opening);
        assert_eq!(peer.rest(), (FOREIGN.into(), Ending::Orderly), "{opening:?}");
        // On the other port they get an alert, and not before they have spoken.
        if !opening.starts_with('\u{16}') {
            let mut peer = Peer::connect(running.addresses()[1]);
            peer.send(opening);
            let (octets, _) = peer.rest_octets();
            assert!(octets.starts_with(b"\x15\x03"), "{octets:?}");
        }
    }
    let mut peer = Peer::connect(running.addresses()[1]);
    peer.send("CAPA\r\n");
    assert!(peer.rest_octets().0.starts_with(b"\x15\x03"));
}

#[test]
fn rp_alpaca_2_bad_commands_end_the_connection_and_are_not_repeated() {
    let (_running, address) = serve(builder(mail()));
    let mut peer = Peer::greeted(address);
    peer.send("<script>\r\n".repeat(9));
    assert_eq!(peer.rest(), ("-ERR unknown or malformed command\r\n".repeat(5), Ending::Orderly));
    let mut peer = Peer::logged_in(address, "mrose");
    for _ in 0..2 {
        for _ in 0..19 {
            assert_eq!(peer.ask("<script>"), "-ERR unknown or malformed command");
        }
        assert_eq!(peer.ask("NOOP"), "+OK nothing done");
    }
    peer.send("RETR 99\r\n".repeat(20));
    assert_eq!(peer.rest(), ("-ERR no such message\r\n".repeat(12), Ending::Orderly), "50 in all");
}

#[test]
fn r2449_4_1_a_long_line_costs_its_sender_one_err() {
    let (_running, address) = serve(builder(mail()));
    let mut peer = Peer::greeted(address);
    let longest = format!("USER {}", "x".repeat(255));
    assert_eq!(peer.ask(&longest), "+OK send PASS");
    assert_eq!(peer.ask(&format!("NOOP{}", "x".repeat(10_000))), "-ERR line too long");
    // Its tail is no command.
    assert_eq!(peer.ask(&format!("{}\nQUIT", "x".repeat(2000))), "-ERR line too long");
    peer.log_in("mrose");
    peer.send(vec![b'x'; 70_000]);
    assert!(!peer.rest().0.contains("+OK"));
}

#[test]
fn a_maildrop_of_too_many_messages_is_a_failed_login() {
    let store = mail();
    let (_running, address) = serve(builder(store.clone()).limits(with(|limits| limits.messages = 2)));
    let mut peer = Peer::greeted(address);
    assert_eq!(peer.ask("USER mrose"), "+OK send PASS");
    assert_eq!(peer.ask("PASS secret"), "-ERR [SYS/PERM] permanent fault, ask the administrator");
    assert!(!store.is_locked("mrose"));
}

/// A connection whose client takes little at a time.
fn narrow(address: SocketAddr) -> Peer {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(8 * 1024).unwrap();
    socket.connect(&address.into()).unwrap();
    let mut peer = Peer::over(TcpStream::from(socket));
    assert_eq!(peer.line(), "+OK POP3 server ready");
    peer
}

#[test]
fn pb_s41_many_unread_lists_take_no_memory() {
    let store = MemoryStore::new();
    for _ in 0..5000 {
        store.add("mrose", "a\r\n");
    }
    let store = Arc::new(store);
    let (_running, address) = serve(builder(Arc::clone(&store)));
    let mut peer = narrow(address);
    peer.log_in("mrose");
    peer.send("LIST\r\n".repeat(100) + "QUIT\r\n");
    let (said, _) = peer.rest();
    assert_eq!(said.matches("\r\n.\r\n").count(), 100);
    assert!(said.ends_with("\r\n.\r\n+OK bye\r\n"));
}
