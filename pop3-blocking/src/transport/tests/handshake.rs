//! Handshakes that stall, break off, are cut up, or are none.

use std::time::Instant;

use super::*;

/// The first flight of a client of this library.
fn client_hello(ca: &Ca) -> Vec<u8> {
    let mut pump = Pump::client(&ca.client_tls(), &name()).unwrap();
    let mut hello = Vec::new();
    while pump.wants_write() {
        let _octets = pump.write_records(&mut hello).unwrap();
    }
    hello
}

/// What a server does with a client that sends `octets` and then ends its side or waits: the error, and what it sent.
fn accept(ca: &Ca, octets: &[u8], then_end: bool, deadline: Deadline) -> (TransportError, Vec<u8>) {
    let (mut client, server) = tcp();
    client.write_all(octets).unwrap();
    if then_end {
        client.shutdown_write().unwrap();
    }
    let error = Transport::plain(server).accept_tls(&ca.server_tls(), deadline).unwrap_err();
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).unwrap();
    (error, answer)
}

#[test]
fn pb_s38_stall_at_any_octet_of_the_hello_times_out() {
    let ca = Ca::new();
    let hello = client_hello(&ca);
    for sent in [0, 1, 4, 5, 6, 100, hello.len() - 1, hello.len()] {
        let start = Instant::now();
        let (error, _) = accept(&ca, &hello[..sent], false, Deadline::after(Duration::from_millis(100)));
        let took = start.elapsed();
        assert!(matches!(error, TransportError::TimedOut), "{sent} octets: {error:?}");
        assert!(
            took >= Duration::from_millis(95) && took < Duration::from_secs(2),
            "{sent} octets: {took:?}"
        );
    }
}

#[test]
fn pb_s38_dripping_octets_do_not_extend_the_deadline() {
    let ca = Ca::new();
    let hello = client_hello(&ca);
    let (mut client, server) = tcp();
    let start = Instant::now();
    thread::scope(|scope| {
        scope.spawn(move || {
            for octet in hello {
                // The pace of the attack, not a synchronisation.
                thread::sleep(Duration::from_millis(10));
                if client.write_all(&[octet]).is_err() {
                    break;
                }
            }
        });
        let outcome = Transport::plain(server)
            .accept_tls(&ca.server_tls(), Deadline::after(Duration::from_millis(150)));
        assert!(matches!(outcome, Err(TransportError::TimedOut)), "{outcome:?}");
        assert!(start.elapsed() < Duration::from_secs(2));
    });
}

#[test]
fn pb_c04_silent_server_times_out() {
    let ca = Ca::new();
    let (client, _server) = tcp();
    let start = Instant::now();
    let outcome = Transport::plain(client).connect_tls(
        &ca.client_tls(),
        &name(),
        Deadline::after(Duration::from_millis(100)),
    );
    assert!(matches!(outcome, Err(TransportError::TimedOut)), "{outcome:?}");
    assert!(start.elapsed() < Duration::from_secs(2));
}

#[test]
fn pb_s38_end_at_any_octet_of_the_hello_is_told() {
    let ca = Ca::new();
    let hello = client_hello(&ca);
    for sent in [0, 1, 4, 5, 6, 100, hello.len() - 1, hello.len()] {
        let (error, _) = accept(&ca, &hello[..sent], true, long());
        assert!(matches!(error, TransportError::ClosedInHandshake), "{sent} octets: {error:?}");
    }
}

/// Either side's octets end in mid-handshake; nobody hangs, nobody calls it done who has not the peer's last flight.
#[test]
fn pb_c07_handshake_cut_off_anywhere_fails_on_both_sides() {
    let ca = Ca::new();
    for (version, client_tls, server_tls) in both_versions(&ca) {
        for server_is_cut in [true, false] {
            for cut in (0..4000).step_by(61) {
                let (client, server) = UnixStream::pair().unwrap();
                let unlimited = usize::MAX;
                let (for_client, for_server) =
                    if server_is_cut { (unlimited, cut) } else { (cut, unlimited) };
                let client = Cut::after(client, for_client);
                let server = Cut::after(server, for_server);
                let was_cut = Arc::clone(if server_is_cut { &server.cut } else { &client.cut });
                let (client, server) = thread::scope(|scope| {
                    let server = scope.spawn(|| {
                        // The server tells that it is ready, as a greeting would.
                        let mut server = Transport::plain(server).accept_tls(&server_tls, long())?;
                        server.write_all(b"+OK\r\n", LONG, long())
                    });
                    let client = Transport::plain(client).connect_tls(&client_tls, &name(), long());
                    let client = client.and_then(|mut client| client.read(&mut [0; 9], long()));
                    (client, server.join().unwrap())
                });
                if !was_cut.load(Ordering::SeqCst) {
                    assert!(
                        client.is_ok() && server.is_ok(),
                        "{version}: nothing was cut, {client:?} {server:?}"
                    );
                    break;
                }
                assert!(client.is_err(), "{version}, cut after {cut} ({server_is_cut}): {client:?}");
                assert!(
                    !matches!(client, Err(TransportError::TimedOut))
                        && !matches!(server, Err(TransportError::TimedOut)),
                    "{version}, cut after {cut} ({server_is_cut}): a hang"
                );
            }
        }
    }
}

#[test]
fn pb_s39_hello_one_octet_per_segment_and_all_that_follows() {
    let ca = Ca::new();
    for (version, client_tls, server_tls) in both_versions(&ca) {
        let (client, server) = tcp();
        let (mut client, mut server) = (Cut::new(client), Cut::new(server));
        client.one_octet = true;
        server.one_octet = true;
        let (mut client, mut server) = secured((client, server), &client_tls, &server_tls);
        client.write_all(b"CAPA\r\n", LONG, long()).unwrap();
        assert_eq!(read_exactly(&mut server, 6), b"CAPA\r\n", "{version}");
        server.write_all(b"+OK\r\n.\r\n", LONG, long()).unwrap();
        assert_eq!(read_exactly(&mut client, 8), b"+OK\r\n.\r\n", "{version}");
        server.close(None).unwrap();
        assert_eq!(client.read(&mut [0; 9], long()).unwrap(), Input::Closed, "{version}");
    }
}

/// The alert is not encrypted and so counts for nothing; the loop waits for the next octet instead of spinning.
#[test]
fn pb_s39_close_notify_behind_the_hello_does_not_spin() {
    let ca = Ca::new();
    let mut octets = client_hello(&ca);
    octets.extend_from_slice(&[21, 3, 3, 0, 2, 1, 0]);
    for then_end in [true, false] {
        let (mut client, server) = tcp();
        let server = Cut::new(server);
        let reads = Arc::clone(&server.reads);
        client.write_all(&octets).unwrap();
        if then_end {
            client.shutdown_write().unwrap();
        }
        let outcome = Transport::plain(server)
            .accept_tls(&ca.server_tls(), Deadline::after(Duration::from_millis(200)));
        assert!(outcome.is_err());
        assert!(reads.load(Ordering::SeqCst) < 30, "{} reads", reads.load(Ordering::SeqCst));
    }
}

#[test]
fn pb_q66_clear_text_on_the_tls_port_is_told_at_once_and_gets_an_alert() {
    let ca = Ca::new();
    for opening in
        [&b"USER mrose\r\n"[..], b"GET / HTTP/1.0\r\n\r\n", b"Q", b"\r\n", b"\0\0\0\0\0\0", b"SSH-2.0-x\r\n"]
    {
        let start = Instant::now();
        let (mut client, server) = tcp();
        client.write_all(opening).unwrap();
        let answer = thread::spawn(move || {
            let mut answer = Vec::new();
            client.read_to_end(&mut answer).unwrap();
            answer
        });
        let outcome = Transport::plain(server).accept_tls(&ca.server_tls(), long());
        assert!(matches!(outcome, Err(TransportError::NotTls)), "{opening:?}: {outcome:?}");
        // TLS 1.2 record: fatal alert, decode_error.
        assert_eq!(answer.join().unwrap(), [21, 3, 3, 0, 2, 2, 50], "{opening:?}");
        assert!(start.elapsed() < Duration::from_secs(5), "{opening:?}");
    }
}

/// Unread input would make the system send a reset, and that could overtake the alert.
#[test]
fn pb_q66_input_behind_a_refused_opening_is_read_so_that_the_alert_arrives() {
    let ca = Ca::new();
    for opening in [&b"GET / HTTP/1.0\r\n"[..], &old_hello(1)] {
        let (mut client, server) = tcp();
        let server = Cut::new(server);
        let taken = Arc::clone(&server.taken);
        client.write_all(opening).unwrap();
        client.write_all(&[b'x'; 30_000]).unwrap();
        client.shutdown_write().unwrap();
        Transport::plain(server).accept_tls(&ca.server_tls(), long()).unwrap_err();
        assert_eq!(taken.load(Ordering::SeqCst), opening.len() + 30_000);
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).unwrap();
        assert_eq!(answer.len(), 7, "an alert and a clean end");
    }
}

#[test]
fn pb_q66_server_that_greets_in_clear_is_told_from_a_broken_one() {
    let ca = Ca::new();
    for greeting in
        [&b"+OK POP3 ready\r\n"[..], b"* OK IMAP\r\n", b"220 smtp\r\n", b"HTTP/1.1 400 Bad Request\r\n"]
    {
        let (client, mut server) = tcp();
        server.write_all(greeting).unwrap();
        let outcome = Transport::plain(client).connect_tls(&ca.client_tls(), &name(), long());
        assert!(matches!(outcome, Err(TransportError::NotTls)), "{greeting:?}: {outcome:?}");
        // It got a ClientHello and nothing else.
        let mut sent = Vec::new();
        server.read_to_end(&mut sent).ok();
        assert_eq!(sent.first(), Some(&22), "{greeting:?}");
    }
}

/// RFC 7301 section 3.1: extension 16, the lengths of extension, list and name, the name.
#[test]
fn rp_alpn_1_hello_offers_pop3_and_nothing_else() {
    let hello = client_hello(&Ca::new());
    let extension = b"\x00\x10\x00\x07\x00\x05\x04\x70\x6f\x70\x33";
    assert!(hello.windows(extension.len()).any(|octets| octets == extension));
}

/// A ClientHello of an old version by hand: RFC 2246 section 7.4.1.2, RFC 4346.
fn old_hello(minor: u8) -> Vec<u8> {
    let mut body = vec![3, minor];
    body.extend_from_slice(&[0x5a; 32]); // random
    body.push(0); // session id
    body.extend_from_slice(&[0, 4, 0x00, 0x2f, 0x00, 0x35]); // RSA with AES-128 and AES-256, CBC, SHA
    body.extend_from_slice(&[1, 0]); // compression: none
    let mut record = vec![22, 3, 1, 0, (body.len() + 4) as u8, 1, 0, 0, body.len() as u8];
    record.extend_from_slice(&body);
    record
}

#[test]
fn r8996_4_1_old_versions_get_protocol_version_and_a_close() {
    let ca = Ca::new();
    for minor in [0, 1, 2] {
        let (error, answer) = accept(&ca, &old_hello(minor), true, long());
        assert!(
            matches!(error, TransportError::Tls(rustls::Error::PeerIncompatible(_))),
            "3.{minor}: {error:?}"
        );
        assert_eq!(answer.first(), Some(&21), "3.{minor}: an alert");
        assert_eq!(answer[5..], [2, 70], "3.{minor}: fatal, protocol_version");
    }
}

#[test]
fn r6176_3_1_ssl_2_hello_is_closed() {
    let ca = Ca::new();
    // Length with the high bit, CLIENT-HELLO, version 0.2, three lengths, one cipher, challenge.
    let mut hello = vec![0x80, 0x1c, 1, 0, 2, 0, 3, 0, 0, 0, 16, 1, 0, 0x80];
    hello.extend_from_slice(&[0x11; 16]);
    let (error, answer) = accept(&ca, &hello, true, long());
    assert!(matches!(error, TransportError::NotTls), "{error:?}");
    assert_eq!(answer, [21, 3, 3, 0, 2, 2, 50]);
}

#[test]
fn garbage_in_tls_records_gets_an_alert() {
    let ca = Ca::new();
    for record in [
        &[22, 3, 1, 0, 4, 99, 0, 0, 0][..], // an unknown handshake message
        &[22, 3, 1, 0, 5, 1, 0, 0, 1, 0],   // a ClientHello of one octet
        &[23, 3, 3, 0, 1, 0],               // application data first
        &[22, 3, 1, 0xff, 0xff, 1, 0],      // an oversized record
        &[21, 3, 3, 0, 2, 2, 40],           // an alert first
        &[20, 3, 3, 0, 1, 1, 22, 3, 1, 0, 4, 99, 0, 0, 0], // ChangeCipherSpec first
    ] {
        let (error, answer) = accept(&ca, record, true, long());
        assert!(matches!(error, TransportError::Tls(_)), "{record:?}: {error:?}");
        if record[0] != 21 {
            assert_eq!(answer.first(), Some(&21), "{record:?}");
        }
    }
}

#[test]
fn random_octets_behind_a_handshake_type_never_hang_or_panic() {
    let ca = Ca::new();
    let noise = pattern(40_000);
    for start in (0..noise.len() - 600).step_by(397) {
        let mut octets = noise[start..start + 600].to_vec();
        octets[0] = 22;
        octets[1] = 3;
        let (error, _) = accept(&ca, &octets, true, long());
        assert!(!matches!(error, TransportError::TimedOut), "noise from {start}: {error:?}");
    }
}

#[test]
fn starting_tls_twice_is_the_programs_fault() {
    let ca = Ca::new();
    let (client, server) = secured(tcp(), &ca.client_tls(), &ca.server_tls());
    assert!(matches!(client.connect_tls(&ca.client_tls(), &name(), long()), Err(TransportError::AlreadyTls)));
    assert!(matches!(server.accept_tls(&ca.server_tls(), long()), Err(TransportError::AlreadyTls)));
}

#[test]
fn r2595_4_3_tls_starts_behind_clear_text_lines() {
    let ca = Ca::new();
    for (version, client_tls, server_tls) in both_versions(&ca) {
        let (client, server) = tcp();
        let (mut client, mut server) = (Transport::plain(client), Transport::plain(server));
        client.write_all(b"STLS\r\n", LONG, long()).unwrap();
        assert_eq!(read_exactly(&mut server, 6), b"STLS\r\n");
        server.write_all(b"+OK begin\r\n", LONG, long()).unwrap();
        assert_eq!(read_exactly(&mut client, 11), b"+OK begin\r\n");
        assert!(!client.is_tls() && client.tls().is_none());
        thread::scope(|scope| {
            let server = scope.spawn(|| server.accept_tls(&server_tls, long()).unwrap());
            let mut client = client.connect_tls(&client_tls, &name(), long()).unwrap();
            assert_eq!(client.tls().unwrap().version(), version);
            let mut server = server.join().unwrap();
            client.write_all(b"CAPA\r\n", LONG, long()).unwrap();
            assert_eq!(read_exactly(&mut server, 6), b"CAPA\r\n");
        });
    }
}
