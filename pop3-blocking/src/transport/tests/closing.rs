//! How connections end: in order, cut off, reset.

use super::*;

const REPLY: &[u8] = b"+OK 30 octets\r\nSubject: cut me anywhere\r\n\r\n.\r\n";

#[test]
fn rp_close_2_plain_fin_is_closed_and_stays_so() {
    let (client, mut server) = tcp();
    let mut client = Transport::plain(client);
    server.write_all(REPLY).unwrap();
    drop(server);
    let (octets, end) = read_to_end(&mut client);
    assert_eq!(octets, REPLY);
    assert!(end.is_ok());
    assert_eq!(client.read(&mut [0; 9], long()).unwrap(), Input::Closed);
    assert!(client.has_buffered(), "a read would answer at once");
}

/// The server's octets after the handshake are cut after each one; only with the whole `close_notify` is it an end.
#[test]
fn pb_c16_every_cut_but_the_last_is_truncated() {
    let ca = Ca::new();
    for (version, client_tls, server_tls) in both_versions(&ca) {
        let mut whole = usize::MAX;
        let mut cut = 0;
        while cut <= whole {
            let budget = if whole == usize::MAX { usize::MAX } else { cut };
            let (client, server) = UnixStream::pair().unwrap();
            let server = Cut::new(server);
            let (left, passed) = (Arc::clone(&server.left), Arc::clone(&server.passed));
            let (mut client, mut server) = secured((client, server), &client_tls, &server_tls);
            left.store(budget, Ordering::SeqCst);
            passed.store(0, Ordering::SeqCst);
            let written = server.write_all(REPLY, LONG, long());
            let closed = server.close(None);
            let (octets, end) = read_to_end(&mut client);
            if budget == usize::MAX {
                assert!(written.is_ok() && closed.is_ok(), "{version}");
                whole = passed.load(Ordering::SeqCst);
                assert!(whole > REPLY.len());
            }
            if budget >= whole {
                assert_eq!(octets, REPLY, "{version}");
                assert!(end.is_ok(), "{version}: {end:?}");
            } else {
                assert!(matches!(end, Err(TransportError::Truncated)), "{version}, cut after {cut}: {end:?}");
                assert!(octets.is_empty() || octets == REPLY, "{version}, cut after {cut}: part of a record");
                let again = client.read(&mut [0; 9], long());
                assert!(
                    matches!(again, Err(TransportError::Truncated)),
                    "{version}, cut after {cut}: not sticky"
                );
                cut += 1;
            }
            if budget == whole {
                break;
            }
        }
        assert_eq!(cut, whole, "{version}: every cut was made");
    }
}

#[test]
fn pb_c16_reset_is_no_end() {
    let ca = Ca::new();
    for (version, client_tls, server_tls) in both_versions(&ca) {
        let (mut client, mut server) = secured(tcp(), &client_tls, &server_tls);
        server.write_all(&REPLY[..20], LONG, long()).unwrap();
        assert_eq!(read_exactly(&mut client, 20), &REPLY[..20]);
        socket2::SockRef::from(server.get_ref()).set_linger(Some(Duration::ZERO)).unwrap();
        drop(server);
        for _ in 0..2 {
            let end = client.read(&mut [0; 9], long());
            assert!(
                matches!(&end, Err(TransportError::Io(error)) if error.kind() == io::ErrorKind::ConnectionReset),
                "{version}: {end:?}"
            );
        }
    }
}

#[test]
fn r8446_6_1_data_behind_close_notify_is_ignored() {
    let ca = Ca::new();
    for (version, client_tls, server_tls) in both_versions(&ca) {
        for in_one_segment in [true, false] {
            let (mut client, mut server) = secured(UnixStream::pair().unwrap(), &client_tls, &server_tls);
            server.write_all(b"+OK bye\r\n", LONG, long()).unwrap();
            let pump = server.tls.as_mut().unwrap();
            pump.send_close_notify();
            let _octets = pump.seal(b"+OK not said\r\n").unwrap();
            let mut records = Vec::new();
            while pump.wants_write() {
                let _octets = pump.write_records(&mut records).unwrap();
            }
            assert!(records.len() > 40, "{version}: the late record was made");
            let mut raw = server.get_ref().try_clone().unwrap();
            if in_one_segment {
                raw.write_all(&records).unwrap();
                assert_eq!(read_exactly(&mut client, 9), b"+OK bye\r\n", "{version}");
            } else {
                assert_eq!(read_exactly(&mut client, 9), b"+OK bye\r\n", "{version}");
                raw.write_all(&records).unwrap();
            }
            for _ in 0..3 {
                assert_eq!(client.read(&mut [0; 9], long()).unwrap(), Input::Closed, "{version}");
            }
        }
    }
}

#[test]
fn r8446_6_1_tls13_may_write_after_the_peers_close_notify_tls12_may_not() {
    let ca = Ca::new();
    for (version, client_tls, server_tls) in both_versions(&ca) {
        let (client, mut server) = secured(tcp(), &client_tls, &server_tls);
        let raw = client.get_ref().try_clone().unwrap();
        client.close(None).unwrap();
        assert_eq!(server.read(&mut [0; 9], long()).unwrap(), Input::Closed);
        let written = server.write_all(b"+OK\r\n", LONG, long());
        if version == TlsVersion::Tls13 {
            written.unwrap();
        } else {
            assert!(
                matches!(&written, Err(TransportError::Io(error)) if error.kind() == io::ErrorKind::BrokenPipe),
                "{written:?}"
            );
            // The answer, an encrypted alert record, went out at once.
            let mut answer = Vec::new();
            (&raw).take(5).read_to_end(&mut answer).unwrap();
            assert_eq!(answer[..3], [21, 3, 3]);
        }
        server.close(None).unwrap();
    }
}

#[test]
fn r8446_6_1_close_notify_reaches_the_peer_after_a_time_out_too() {
    let ca = Ca::new();
    for (version, client_tls, server_tls) in both_versions(&ca) {
        let (mut client, mut server) = secured(tcp(), &client_tls, &server_tls);
        let idle = server.read(&mut [0; 9], Deadline::after(Duration::from_millis(50)));
        assert!(matches!(idle, Err(TransportError::TimedOut)), "{version}");
        server.close(None).unwrap();
        let (octets, end) = read_to_end(&mut client);
        assert!(octets.is_empty() && end.is_ok(), "{version}: {end:?}");
    }
}

#[test]
fn dropping_without_close_is_a_truncation_to_the_peer() {
    let ca = Ca::new();
    let (mut client, server) = secured(tcp(), &ca.client_tls(), &ca.server_tls());
    drop(server);
    assert!(matches!(read_to_end(&mut client).1, Err(TransportError::Truncated)));
}

/// Without the drain the unread input would make the system send a reset behind the reply.
#[test]
fn rp_close_1_unread_input_does_not_reset_the_last_reply() {
    let ca = Ca::new();
    let (client_tls, server_tls) = (ca.client_tls(), ca.server_tls());
    for run in 0..100 {
        let (client, server) = if run % 2 == 0 {
            secured(tcp(), &client_tls, &server_tls)
        } else {
            let (client, server) = tcp();
            (Transport::plain(client), Transport::plain(server))
        };
        thread::scope(|scope| {
            scope.spawn(move || {
                let mut server = server;
                assert_eq!(read_exactly(&mut server, 6), b"QUIT\r\n");
                server.write_all(b"+OK bye\r\n", LONG, long()).unwrap();
                server.close(Some(LONG)).unwrap();
            });
            let mut client = client;
            client.write_all(b"QUIT\r\n", LONG, long()).unwrap();
            client.write_all(&[b'x'; 20_000], LONG, long()).unwrap();
            let (octets, end) = read_to_end(&mut client);
            assert_eq!(octets, b"+OK bye\r\n", "run {run}");
            assert!(end.is_ok(), "run {run}: {end:?}");
            client.close(None).unwrap();
        });
    }
}

#[test]
fn r7_drain_ends_by_time_and_by_octets() {
    // By time: the peer says nothing and keeps its side open.
    let (_client, server) = tcp();
    let start = std::time::Instant::now();
    Transport::plain(server).close(Some(Duration::from_millis(100))).unwrap();
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(90) && took < Duration::from_secs(5), "{took:?}");
    // By octets: the peer never stops.
    let (client, server) = tcp();
    thread::scope(|scope| {
        scope.spawn(move || {
            let mut client = client;
            while client.write_all(&[0; 4096]).is_ok() {}
        });
        Transport::plain(server).close(Some(LONG)).unwrap();
    });
}

#[test]
fn r8314_3_4_rdm_2_3_client_does_not_wait_for_the_servers_alert() {
    let ca = Ca::new();
    let (client, _server) = secured(tcp(), &ca.client_tls(), &ca.server_tls());
    let start = std::time::Instant::now();
    client.close(None).unwrap();
    assert!(start.elapsed() < Duration::from_secs(1));
}

#[test]
fn close_with_a_peer_that_is_gone_is_no_panic() {
    let ca = Ca::new();
    for reset in [false, true] {
        let (client, mut server) = secured(tcp(), &ca.client_tls(), &ca.server_tls());
        if reset {
            socket2::SockRef::from(client.get_ref()).set_linger(Some(Duration::ZERO)).unwrap();
        }
        drop(client);
        let end = server.read(&mut [0; 9], long());
        assert!(end.is_err(), "{end:?}");
        // Whether the farewell could be sent is the system's affair; the call returns.
        drop(server.close(Some(LONG)));
    }
}
