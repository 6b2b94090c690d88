//! Whole sessions.

use pop3_blocking::server::{Policy, ServeError, Server};
use pop3_blocking::store::MemoryStore;

use crate::fixture::{MESSAGES, builder, limits, local, mail, serve, tls, users};
use crate::peer::{Ending, Peer};

#[test]
fn r1939_10_a_whole_session_in_clear_text() {
    let store = mail();
    let (running, address) = serve(builder(store.clone()));
    let mut peer = Peer::greeted(address);
    assert_eq!(peer.ask("STAT"), "-ERR command not valid in this state");
    peer.log_in("mrose");
    assert!(store.is_locked("mrose"));
    assert_eq!(peer.ask("STAT"), "+OK 3 125");
    assert_eq!(peer.ask_list("LIST").1, ["1 45", "2 62", "3 18"]);
    let ids = peer.ask_list("UIDL").1;
    assert_eq!(peer.ask("UIDL 2"), format!("+OK {}", ids[1]));
    let (first, lines) = peer.ask_list("RETR 2");
    assert_eq!(first, "+OK 62 octets");
    assert_eq!(lines, ["From: b@example.net", "Subject: dots", "", "..", "...two", "..hidden", "end"]);
    assert_eq!(peer.ask_list("TOP 2 1").1, ["From: b@example.net", "Subject: dots", "", ".."]);
    assert_eq!(peer.ask("DELE 1"), "+OK message marked as deleted");
    assert_eq!(peer.ask("RETR 1"), "-ERR no such message");
    assert_eq!(peer.ask("RSET"), "+OK no message is marked as deleted");
    assert_eq!(peer.ask("DELE 2"), "+OK message marked as deleted");
    // R1939-4.6: mail that arrives meanwhile is for the next session.
    store.add("mrose", "new\r\n");
    assert_eq!(peer.ask("STAT"), "+OK 2 63");
    assert_eq!(peer.ask("QUIT"), "+OK bye");
    assert!(!store.is_locked("mrose"), "R1939-6.6: the lock is free before the reply");
    assert_eq!(peer.rest(), (String::new(), Ending::Orderly));
    let left = [MESSAGES[0], MESSAGES[2], "new\r\n"].map(|message| message.as_bytes().to_vec());
    assert_eq!(store.messages("mrose"), left);
    drop(running);
}

#[test]
fn r8314_3_1_a_session_under_implicit_tls() {
    let store = mail();
    for client in [&tls().client, &tls().client_tls12] {
        let builder = Server::builder(users(), store.clone())
            .limits(limits())
            .listen(local(), Policy::implicit_tls(tls().server.clone()));
        let (_running, address) = serve(builder);
        let mut peer = Peer::connect_tls(address, client);
        assert_eq!(peer.line(), "+OK POP3 server ready");
        let capabilities = peer.ask_list("CAPA").1;
        assert!(!capabilities.contains(&"STLS".into()), "{capabilities:?}");
        assert!(capabilities.iter().any(|line| line.starts_with("SASL ") && line.ends_with(" PLAIN")));
        peer.log_in("mrose");
        assert_eq!(peer.ask_list("RETR 3").1, ["Subject: three", ""]);
        assert_eq!(peer.ask("QUIT"), "+OK bye");
        assert_eq!(peer.rest(), (String::new(), Ending::Orderly));
    }
}

#[test]
fn r2595_4_3_a_session_after_stls() {
    let builder =
        Server::builder(users(), mail()).limits(limits()).listen(local(), Policy::stls(tls().server.clone()));
    let (_running, address) = serve(builder);
    let mut peer = Peer::greeted(address);
    let before = peer.ask_list("CAPA").1;
    assert!(
        before.contains(&"STLS".into()) && !before.iter().any(|line| line.starts_with("SASL")),
        "{before:?}"
    );
    assert_eq!(peer.ask("USER mrose"), "-ERR encryption required");
    assert_eq!(peer.ask("STLS"), "+OK begin TLS");
    let mut peer = peer.start_tls(&tls().client);
    // R2595-4.3: no second greeting.
    let after = peer.ask_list("CAPA").1;
    assert!(
        !after.contains(&"STLS".into()) && after.iter().any(|line| line.ends_with(" PLAIN")),
        "{after:?}"
    );
    assert_eq!(peer.ask("STLS"), "-ERR TLS is active already");
    peer.log_in("mrose");
    assert_eq!(peer.ask("STAT"), "+OK 3 125");
    peer.close();
}

#[test]
fn r2595_4_7_octets_behind_stls_end_the_connection() {
    let builder =
        Server::builder(users(), mail()).limits(limits()).listen(local(), Policy::stls(tls().server.clone()));
    let (_running, address) = serve(builder);
    for injected in ["STLS\r\nUSER mrose\r\n", "STLS\r\nU", "CAPA\r\nSTLS\r\n\r\n"] {
        let mut peer = Peer::greeted(address);
        peer.send(injected);
        let (said, _) = peer.rest();
        assert!(!said.contains("begin TLS"), "{said:?}");
    }
}

#[test]
fn pb_s45_a_batch_in_one_write_and_bytewise() {
    let (_running, address) = serve(builder(mail()));
    let batch = format!("USER mrose\r\nPASS secret\r\n{}STAT\r\nQUIT\r\nNOOP\r\n", "NOOP\r\n".repeat(1000));
    let expected = format!(
        "+OK POP3 server ready\r\n+OK send PASS\r\n+OK maildrop has 3 messages (125 octets)\r\n{}+OK 3 125\r\n+OK bye\r\n",
        "+OK nothing done\r\n".repeat(1000)
    );
    let mut peer = Peer::connect(address);
    peer.send(&batch);
    assert_eq!(peer.rest(), (expected, Ending::Orderly));

    let mut peer = Peer::greeted(address);
    for octet in b"USER mrose\r\nPASS secret\r\nRETR 3\r\nSTAT\r\nQUIT\r\n" {
        peer.send([*octet]);
    }
    let expected = "+OK send PASS\r\n+OK maildrop has 3 messages (125 octets)\r\n+OK 18 octets\r\n\
                    Subject: three\r\n\r\n.\r\n+OK 3 125\r\n+OK bye\r\n";
    assert_eq!(peer.rest(), (expected.into(), Ending::Orderly));
}

#[test]
fn pb_s41_pb_q62_a_client_that_reads_late_is_waited_for() {
    // Much more than the buffers of two sockets hold.
    let store = MemoryStore::new();
    let message = format!("\r\n{}", "line of text\r\n".repeat(100_000));
    store.add("mrose", message.as_bytes());
    let (_running, address) = serve(builder(store));
    let mut peer = Peer::logged_in(address, "mrose");
    peer.send("RETR 1\r\n".repeat(20) + "QUIT\r\n");
    let reply = format!("+OK {} octets\r\n{message}.\r\n", message.len());
    let (said, ending) = peer.rest();
    assert!(said == reply.repeat(20) + "+OK bye\r\n", "{} octets", said.len());
    assert_eq!(ending, Ending::Orderly);
}

#[test]
fn pb_s41_a_list_longer_than_the_output() {
    let store = MemoryStore::new();
    for _ in 0..20_000 {
        store.add("mrose", "a\r\n");
    }
    let (_running, address) = serve(builder(store));
    let mut peer = Peer::logged_in(address, "mrose");
    peer.send("LIST\r\nUIDL\r\nSTAT\r\n");
    for width in [4, 17] {
        assert!(peer.line().starts_with("+OK 20000 messages"));
        for number in 1..=20_000 {
            let line = peer.line();
            let (shown, rest) = line.split_once(' ').unwrap();
            assert!(shown == number.to_string() && rest.len() < width, "{line}");
        }
        assert_eq!(peer.line(), ".");
    }
    assert_eq!(peer.line(), "+OK 20000 100000");
}

#[test]
fn r2449_6_capabilities_follow_the_configuration() {
    let builder = builder(mail()).implementation("pop3d").expire(Some(30)).login_delay(60);
    let (_running, address) = serve(builder);
    let mut peer = Peer::greeted(address);
    let expected = [
        "TOP",
        "UIDL",
        "USER",
        "SASL SCRAM-SHA-512 SCRAM-SHA-256 SCRAM-SHA-1 PLAIN",
        "RESP-CODES",
        "AUTH-RESP-CODE",
        "PIPELINING",
        "LANG",
        "LOGIN-DELAY 60",
        "EXPIRE 30",
        "IMPLEMENTATION pop3d",
    ];
    assert_eq!(peer.ask_list("CAPA").1, expected);
    peer.log_in("mrose");
    assert_eq!(peer.ask_list("CAPA").1, expected);
}

#[test]
fn pb_q53_lf_alone_ends_a_command_only_if_asked_for() {
    let (_running, address) = serve(builder(mail()).lenient_lf());
    let mut peer = Peer::greeted(address);
    peer.send("USER mrose\nPASS secret\nSTAT \nQUIT\n");
    assert!(peer.rest().0.ends_with("+OK 3 125\r\n+OK bye\r\n"));
    let (_running, address) = serve(builder(mail()));
    let mut peer = Peer::greeted(address);
    peer.send("USER mrose\nPASS secret\nSTAT\nQUIT\r\n");
    peer.end();
    assert_eq!(peer.rest().0, "-ERR unknown or malformed command\r\n");
}

#[test]
fn listeners_have_policies_of_their_own() {
    let server = Server::builder(users(), mail())
        .limits(limits())
        .listen(local(), Policy::cleartext())
        .listen(local(), Policy::stls(tls().server.clone()).allow_cleartext_login())
        .listen_on(std::net::TcpListener::bind(local()).unwrap(), Policy::implicit_tls(tls().server.clone()))
        .bind()
        .unwrap();
    let bound = server.addresses();
    let running = server.serve().unwrap();
    assert_eq!(running.addresses(), bound);
    let mut peer = Peer::greeted(bound[0]);
    assert_eq!(peer.ask("STLS"), "-ERR command not valid in this state");
    assert_eq!(peer.ask("USER mrose"), "-ERR encryption required");
    let mut peer = Peer::logged_in(bound[1], "mrose");
    assert_eq!(peer.ask("QUIT"), "+OK bye");
    let mut peer = Peer::connect_tls(bound[2], &tls().client);
    assert_eq!(peer.line(), "+OK POP3 server ready");
    assert_eq!(running.statistics().accepted, 3);
}

#[test]
fn ipv6_is_listened_on_beside_ipv4() {
    let open = || Policy::cleartext().allow_cleartext_login();
    let builder = Server::builder(users(), mail()).limits(limits());
    let server = match builder.listen((std::net::Ipv6Addr::UNSPECIFIED, 0).into(), open()).bind() {
        Ok(server) => server,
        Err(error) => return println!("skipped, this host has no IPv6: {error}"),
    };
    let port = server.addresses()[0].port();
    // The same port of the other family is still free.
    let other = Server::builder(users(), mail()).limits(limits());
    let other = other.listen(([0, 0, 0, 0], port).into(), open()).bind().unwrap();
    let (_six, _four) = (server.serve().unwrap(), other.serve().unwrap());
    for address in [(std::net::Ipv6Addr::LOCALHOST, port).into(), ([127, 0, 0, 1], port).into()] {
        let mut peer = Peer::logged_in(address, "mrose");
        assert_eq!(peer.ask("QUIT"), "+OK bye");
    }
}

#[test]
fn r1939_3_15_what_cannot_be_served_is_refused() {
    let mut short = limits();
    short.protocol.idle = std::time::Duration::from_secs(599);
    let error = builder(mail()).limits(short).bind().unwrap_err();
    assert_eq!(error.to_string(), "idle limit of 599 s is below 600 s");

    let (running, address) = serve(builder(mail()));
    let taken = Server::builder(users(), mail()).listen(address, Policy::cleartext()).bind().unwrap_err();
    assert!(
        matches!(&taken, ServeError::Bind { address: named, source }
            if *named == address && source.kind() == std::io::ErrorKind::AddrInUse),
        "{taken}"
    );
    // The system remembers connections that the server has closed for a while.
    let mut peer = Peer::greeted(address);
    assert_eq!(peer.ask("QUIT"), "+OK bye");
    assert_eq!(peer.rest(), (String::new(), Ending::Orderly));
    drop((peer, running));
    // The port is free at once.
    drop(Server::builder(users(), mail()).listen(address, Policy::cleartext()).bind().unwrap());

    for text in ["", "a\r\nb", "ä", &"x".repeat(201)] {
        assert!(matches!(builder(mail()).implementation(text).bind(), Err(ServeError::Implementation)));
    }
    let nowhere = Server::builder(users(), mail()).bind().unwrap().serve();
    assert!(matches!(nowhere, Err(ServeError::NoListener)));
}
