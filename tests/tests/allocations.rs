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
