//! The core allocates nothing: the sessions that run on bare metal, run here under a counting allocator.
//!
//! The same files: a whole client session and a whole server session, with SASL, listings, a message, deletion and the end.

#[path = "../bare-metal/src/client.rs"]
mod client;
#[path = "../bare-metal/src/server.rs"]
mod server;

#[test]
fn law_1_a_client_session_allocates_nothing() {
    let counted = allocation_counter::measure(|| assert_eq!(client::run(), Ok(())));
    assert_eq!(counted.count_total, 0, "{counted:?}");
}

#[test]
fn law_1_a_server_session_allocates_nothing() {
    let counted = allocation_counter::measure(|| assert_eq!(server::run(), Ok(())));
    assert_eq!(counted.count_total, 0, "{counted:?}");
}

#[test]
fn the_counter_counts() {
    let counted = allocation_counter::measure(|| drop(std::hint::black_box(Box::new(1))));
    assert_eq!(counted.count_total, 1);
}

#[test]
fn pb_c35_a_million_lines_of_a_list_take_no_memory() {
    use pop3_proto::{
        Arg, Client, ClientEvent, ClientLimits, ClientTolerances, Command, Error, Secret, Step,
    };

    let mut client = Client::<4>::over_tls(ClientLimits::DEFAULT, ClientTolerances::default());
    let commands = [
        Command::User(Arg::new(b"alice").unwrap()),
        Command::Pass(Secret::new(b"secret").unwrap()),
        Command::List(None),
    ];
    let take = |client: &mut Client<4>, input: &[u8]| {
        let (mut start, mut lines) = (0, 0u32);
        loop {
            let received = client.receive(&input[start..])?;
            start += received.consumed;
            match received.step {
                Step::Event(ClientEvent::ScanListing(..)) => lines += 1,
                Step::Event(_) => {}
                Step::NeedInput | Step::Paused => return Ok::<u32, Error>(lines),
            }
        }
    };
    let thousand = "1 100\r\n".repeat(1000);
    let counted = allocation_counter::measure(|| {
        for command in &commands {
            assert_eq!(take(&mut client, b"+OK\r\n"), Ok(0));
            let mut out = [0u8; 64];
            client.send(command, &mut &mut out[..]).unwrap();
        }
        assert_eq!(take(&mut client, b"+OK\r\n"), Ok(0));
        for _ in 0..1000 {
            assert_eq!(take(&mut client, thousand.as_bytes()), Ok(1000));
        }
        // And there the default limit ends it, unless the caller raises it.
        assert_eq!(take(&mut client, b"1 100\r\n"), Err(Error::TooManyLines { limit: 1_000_000 }));
    });
    assert_eq!(counted.count_total, 0, "{counted:?}");
}

/// As much as is announced in a reply could not be had; so much is what a session takes.
#[test]
fn r17_nothing_is_reserved_by_what_a_server_announces() {
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::os::unix::net::UnixStream;

    use pop3_blocking::Transport;
    use pop3_blocking::client::{ClientOptions, Connection, Outcome};
    use pop3_proto::MessageNumber;

    let (ours, theirs) = UnixStream::pair().unwrap();
    let server = std::thread::spawn(move || {
        (&theirs).write_all(b"+OK 4000000000\r\n").unwrap();
        for line in BufReader::new(&theirs).lines().map_while(Result::ok) {
            let reply: &[u8] = match line.split(' ').next() {
                Some("CAPA") => b"-ERR 4000000000\r\n",
                Some("STAT") => b"+OK 100000000 4000000000\r\n",
                Some("LIST") => b"+OK 100000000 messages (4000000000 octets)\r\n1 4000000000\r\n.\r\n",
                Some("UIDL") => b"+OK 100000000 messages\r\n1 4000000000\r\n.\r\n",
                Some("RETR") => b"+OK 4000000000 octets\r\nA: b\r\n\r\n.\r\n",
                _ => b"+OK 4000000000\r\n",
            };
            (&theirs).write_all(reply).unwrap();
        }
    });
    let counted = allocation_counter::measure(|| {
        let mut connection = Connection::over(Transport::plain(ours), ClientOptions::default()).unwrap();
        connection.allow_cleartext_login();
        let mut session = connection.login("alice", "wonderland").unwrap();
        assert_eq!(session.stat().unwrap().messages, 100_000_000);
        assert_eq!(session.list().unwrap().first().map(|listing| listing.octets), Some(4_000_000_000));
        assert_eq!(session.unique_ids().unwrap().len(), 1);
        let mail = session.retrieve(MessageNumber::FIRST).unwrap().into_vec().unwrap();
        assert_eq!(mail, b"A: b\r\n\r\n");
        assert!(matches!(session.quit(), Outcome::Committed));
    });
    server.join().unwrap();
    assert!(counted.bytes_max < 128 * 1024, "{counted:?}");
}
