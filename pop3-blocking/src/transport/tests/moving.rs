//! Octets under way: whole, in order, bounded in time.

use std::time::Instant;

use super::*;

#[test]
fn ten_megabytes_each_way_arrive_unchanged() {
    let ca = Ca::new();
    let sent = pattern(10_000_000);
    for (version, client_tls, server_tls) in both_versions(&ca) {
        let (mut client, mut server) = secured(tcp(), &client_tls, &server_tls);
        thread::scope(|scope| {
            scope.spawn(|| {
                client.write_all(&sent, LONG, long()).unwrap();
                assert!(read_exactly(&mut client, sent.len()) == sent, "{version}: the echo differs");
            });
            let received = read_exactly(&mut server, sent.len());
            assert!(received == sent, "{version}: what arrived differs");
            server.write_all(&received, LONG, long()).unwrap();
        });
    }
}

#[test]
fn r7_read_returns_at_its_deadline_and_may_be_repeated() {
    let ca = Ca::new();
    let (client, server) = tcp();
    let pairs = [
        (Transport::plain(client), Transport::plain(server)),
        secured(tcp(), &ca.client_tls(), &ca.server_tls()),
    ];
    for (mut client, mut server) in pairs {
        for limit in [50, 100, 200] {
            let limit = Duration::from_millis(limit);
            let start = Instant::now();
            let outcome = client.read(&mut [0; 9], Deadline::after(limit));
            let took = start.elapsed();
            assert!(matches!(outcome, Err(TransportError::TimedOut)), "{outcome:?}");
            assert!(took >= limit && took < limit + Duration::from_secs(1), "{took:?} for {limit:?}");
        }
        server.write_all(b"+OK\r\n", LONG, long()).unwrap();
        assert_eq!(read_exactly(&mut client, 5), b"+OK\r\n");
    }
}

#[test]
fn r7_record_that_stalls_in_the_middle_times_out_and_goes_on() {
    let ca = Ca::new();
    let (client, server) = UnixStream::pair().unwrap();
    let server = Cut::new(server);
    let left = Arc::clone(&server.left);
    let (mut client, mut server) = secured((client, server), &ca.client_tls(), &ca.server_tls());
    let mut held = Vec::new();
    let pump = server.tls.as_mut().unwrap();
    let _sealed = pump.seal(b"+OK\r\n").unwrap();
    while pump.wants_write() {
        let _octets = pump.write_records(&mut held).unwrap();
    }
    let mut raw = server.get_ref().stream.try_clone().unwrap();
    raw.write_all(&held[..held.len() - 1]).unwrap();
    let stalled = client.read(&mut [0; 9], Deadline::after(Duration::from_millis(50)));
    assert!(matches!(stalled, Err(TransportError::TimedOut)), "{stalled:?}");
    assert!(!client.has_buffered(), "half a record is nothing to read");
    raw.write_all(&held[held.len() - 1..]).unwrap();
    assert_eq!(read_exactly(&mut client, 5), b"+OK\r\n");
    left.store(0, Ordering::SeqCst);
}

#[test]
fn r1939_3_17_stalled_reader_is_given_up() {
    let ca = Ca::new();
    let (client, server) = tcp();
    let pairs = [
        (Transport::plain(client), Transport::plain(server)),
        secured(tcp(), &ca.client_tls(), &ca.server_tls()),
    ];
    let much = vec![b'x'; 10_000_000];
    for (_client, mut server) in pairs {
        let start = Instant::now();
        let outcome = server.write_all(&much, Duration::from_millis(100), long());
        let took = start.elapsed();
        assert!(matches!(outcome, Err(TransportError::TimedOut)), "{outcome:?}");
        assert!(took >= Duration::from_millis(95) && took < Duration::from_secs(3), "{took:?}");
        // Part of a record or line is out: nothing may follow it.
        let again = server.write_all(b"+OK\r\n", LONG, long());
        assert!(matches!(again, Err(TransportError::TimedOut)), "{again:?}");
        assert!(matches!(server.close(Some(LONG)), Err(TransportError::TimedOut)));
    }
}

/// Reads a little at a time, with a pause that is far below the limit while the whole takes several limits.
#[test]
fn r1939_3_17_slow_reader_is_waited_for_but_not_beyond_the_deadline() {
    let ca = Ca::new();
    let much = vec![b'x'; 600_000];
    let limit = Duration::from_millis(150);
    for has_deadline in [false, true] {
        // Not TCP: over loopback its window updates come in steps longer than the limit.
        let (client, server) = UnixStream::pair().unwrap();
        socket2::SockRef::from(&server).set_send_buffer_size(8192).unwrap();
        let (client, mut server) = secured((client, server), &ca.client_tls(), &ca.server_tls());
        thread::scope(|scope| {
            scope.spawn(move || {
                let mut client = client;
                let mut room = [0; 8192];
                while let Ok(Input::Octets(_)) = client.read(&mut room, long()) {
                    // The pace of the reader, not a synchronisation.
                    thread::sleep(Duration::from_millis(8));
                }
            });
            let start = Instant::now();
            if has_deadline {
                let outcome = server.write_all(&much, limit, Deadline::after(limit));
                assert!(matches!(outcome, Err(TransportError::TimedOut)), "{outcome:?}");
            } else {
                server.write_all(&much, limit, Deadline::NEVER).unwrap();
                assert!(start.elapsed() > limit, "too fast to show anything: {:?}", start.elapsed());
            }
            drop(server);
        });
    }
}

#[test]
fn small_room_keeps_the_rest_without_a_system_call() {
    let ca = Ca::new();
    let (client, server) = UnixStream::pair().unwrap();
    let client = Cut::new(client);
    let reads = Arc::clone(&client.reads);
    let (mut client, mut server) = secured((client, server), &ca.client_tls(), &ca.server_tls());
    assert!(!client.has_buffered());
    // Two records, both in the socket before the first read.
    server.write_all(b"+OK one\r\n", LONG, long()).unwrap();
    server.write_all(b"+OK two\r\n", LONG, long()).unwrap();
    let before = reads.load(Ordering::SeqCst);
    let mut all = Vec::new();
    loop {
        let mut room = [0; 4];
        // A deadline that has passed: only what is buffered can be handed out, and the first read needs one.
        let deadline = if all.is_empty() { long() } else { Deadline::at(Instant::now()) };
        let Input::Octets(octets) = client.read(&mut room, deadline).unwrap() else { panic!("closed") };
        all.extend_from_slice(&room[..octets]);
        assert_eq!(client.has_buffered(), all.len() < 18, "after {} octets", all.len());
        if all.len() == 18 {
            break;
        }
    }
    assert_eq!(all, b"+OK one\r\n+OK two\r\n");
    // At most one more than the data needs: the ticket may come in a read of its own.
    assert!(reads.load(Ordering::SeqCst) - before <= 2, "{} reads", reads.load(Ordering::SeqCst) - before);
}

#[test]
fn has_buffered_sees_an_end_and_a_fault_without_waiting() {
    let ca = Ca::new();
    for damaged in [false, true] {
        let (client, server) = UnixStream::pair().unwrap();
        let (mut client, mut server) = secured((client, server), &ca.client_tls(), &ca.server_tls());
        server.write_all(b"+OK bye\r\n", LONG, long()).unwrap();
        if damaged {
            let mut raw = server.get_ref().try_clone().unwrap();
            raw.write_all(&[23, 3, 3, 0, 20, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9])
                .unwrap();
        } else {
            server.close(None).unwrap();
        }
        assert_eq!(read_exactly(&mut client, 9), b"+OK bye\r\n");
        assert!(client.has_buffered(), "damaged: {damaged}");
        for _ in 0..2 {
            let end = client.read(&mut [0; 9], Deadline::at(Instant::now()));
            if damaged {
                assert!(matches!(end, Err(TransportError::Tls(rustls::Error::DecryptError))), "{end:?}");
            } else {
                assert_eq!(end.unwrap(), Input::Closed);
            }
        }
    }
}

/// The good record goes to the caller, the fault after it; the peer learns of it by an alert.
#[test]
fn damaged_record_is_final_and_told_to_the_peer() {
    let ca = Ca::new();
    let (mut client, mut server) = secured(tcp(), &ca.client_tls(), &ca.server_tls());
    server.write_all(b"+OK\r\n", LONG, long()).unwrap();
    let mut raw = server.get_ref().try_clone().unwrap();
    raw.write_all(&[23, 3, 3, 0, 20, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9]).unwrap();
    let (octets, end) = read_to_end(&mut client);
    assert_eq!(octets, b"+OK\r\n");
    assert!(matches!(end, Err(TransportError::Tls(rustls::Error::DecryptError))), "{end:?}");
    let written = client.write_all(b"QUIT\r\n", LONG, long());
    assert!(matches!(written, Err(TransportError::Tls(rustls::Error::DecryptError))), "{written:?}");
    drop(client);
    let told = server.read(&mut [0; 9], long());
    assert!(
        matches!(
            told,
            Err(TransportError::Tls(rustls::Error::AlertReceived(rustls::AlertDescription::BadRecordMac)))
        ),
        "{told:?}"
    );
}

#[test]
fn failed_write_leaves_reading_open() {
    let (client, mut server) = tcp();
    server.write_all(b"-ERR too many errors\r\n").unwrap();
    let mut client = Transport::plain(Cut::after(client, 3));
    let written = client.write_all(b"NOOP\r\n", LONG, long());
    assert!(matches!(&written, Err(TransportError::Io(error)) if error.kind() == io::ErrorKind::BrokenPipe));
    assert_eq!(read_exactly(&mut client, 22), b"-ERR too many errors\r\n");
}

#[test]
fn empty_room_and_nothing_to_write_do_nothing() {
    let ca = Ca::new();
    let (mut client, mut server) = secured(tcp(), &ca.client_tls(), &ca.server_tls());
    assert_eq!(client.read(&mut [], Deadline::NEVER).unwrap(), Input::Octets(0));
    server.write_all(b"", LONG, long()).unwrap();
    server.close(None).unwrap();
    assert!(read_to_end(&mut client).0.is_empty());
}

#[test]
fn boxed_and_untimed_streams_carry_tls_too() {
    let ca = Ca::new();
    let (client, server) = UnixStream::pair().unwrap();
    let client: Box<dyn Stream> = Box::new(client);
    let server: Box<dyn Stream> = Box::new(Untimed::new(server));
    let (mut client, mut server) = secured((client, server), &ca.client_tls(), &ca.server_tls());
    assert_eq!(client.peer_addr(), None);
    client.write_all(b"NOOP\r\n", LONG, long()).unwrap();
    assert_eq!(read_exactly(&mut server, 6), b"NOOP\r\n");
    server.close(None).unwrap();
    assert!(read_to_end(&mut client).1.is_ok());
}

#[test]
fn peer_address_is_the_sockets() {
    let (client, server) = tcp();
    let address = client.local_addr().unwrap();
    assert_eq!(Transport::plain(server).peer_addr(), Some(address));
}

#[test]
fn law_3_debug_shows_no_octets() {
    let ca = Ca::new();
    let (mut client, mut server) = secured(tcp(), &ca.client_tls(), &ca.server_tls());
    server.write_all(b"PASS tanstaaf", LONG, long()).unwrap();
    assert_eq!(read_exactly(&mut client, 1), b"P");
    let shown = format!("{client:?} {:?}", client.tls());
    assert!(!shown.contains("tanstaaf") && shown.contains("TLS") || shown.contains("Tls13"), "{shown}");
}

#[test]
fn transports_and_configurations_may_go_to_other_threads() {
    const fn send<T: Send>() {}
    const fn share<T: Send + Sync>() {}
    send::<Transport<TcpStream>>();
    send::<Transport<Box<dyn Stream>>>();
    share::<ClientTls>();
    share::<ServerTls>();
    share::<TransportError>();
}
