//! Headers that HAProxy 2.6 has sent, those of its specification, and what it forbids.

use super::*;

/// Reads as a socket would be read, so many octets at a time at most, and no more than is asked for.
fn read(octets: &[u8], at_a_time: usize) -> Result<Option<Header>, Error> {
    let mut known = 0;
    loop {
        match parse(&octets[..known])? {
            Step::Done(header) => {
                assert_eq!(header.octets, known);
                return Ok(Some(header));
            }
            Step::More(more) => {
                assert!(more > 0);
                let read = more.min(at_a_time).min(octets.len() - known);
                if read == 0 {
                    return Ok(None);
                }
                known += read;
            }
        }
    }
}

/// The header before `rest`, at any cut and in one.
fn header(octets: &[u8]) -> Result<Option<Header>, Error> {
    let whole = read(octets, usize::MAX);
    for at_a_time in 1..octets.len() {
        assert_eq!(read(octets, at_a_time), whole, "{at_a_time} {}", octets.escape_ascii());
    }
    whole
}

fn source(octets: &[u8]) -> Option<SocketAddr> {
    let behind = [octets, b"CAPA\r\n"].concat();
    let header = header(&behind).unwrap().unwrap();
    assert_eq!(header.octets, octets.len(), "{}", octets.escape_ascii());
    // Every end before its own is too early.
    for end in 0..octets.len() {
        assert_eq!(read(&octets[..end], 1), Ok(None), "{end} {}", octets.escape_ascii());
    }
    header.source
}

/// A block of version 2.
fn block(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
    [SIGNATURE, &[command, family], &length, rest].concat()
}

const V4: [u8; 12] = [192, 0, 2, 7, 192, 0, 2, 1, 0xc3, 0x50, 0, 110];

#[test]
fn what_haproxy_sends_names_the_client() {
    for (octets, client) in [
        (&b"PROXY TCP4 127.0.0.1 127.0.0.1 41452 38513\r\n"[..], "127.0.0.1:41452"),
        (b"PROXY TCP6 ::1 ::1 45708 45855\r\n", "[::1]:45708"),
        (b"\r\n\r\n\0\r\nQUIT\n!\x11\0\x0c\x7f\0\0\x01\x7f\0\0\x01\xb2*\xa61", "127.0.0.1:45610"),
        (
            b"\r\n\r\n\0\r\nQUIT\n!!\0$\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\xe2\xfe\xb8\xd5",
            "[::1]:58110",
        ),
        // proxy-v2-options crc32c, and with unique-id.
        (
            b"\r\n\r\n\0\r\nQUIT\n!\x11\0\x13\x7f\0\0\x01\x7f\0\0\x01\x96\xa4\xb1\xcb\x03\0\x04J$\x81\xf7",
            "127.0.0.1:38564",
        ),
        (
            b"\r\n\r\n\0\r\nQUIT\n!\x11\0\x1f\x7f\0\0\x01\x7f\0\0\x01\xe0\x98\x99i\x03\0\x04\x02SYq\x05\0\t29078-abc",
            "127.0.0.1:57496",
        ),
    ] {
        assert_eq!(source(octets), Some(client.parse().unwrap()));
    }
}

#[test]
fn the_lines_of_the_specification_are_read() {
    for (line, client) in [
        ("PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n", Some("192.168.0.1:56324")),
        ("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", Some("255.255.255.255:65535")),
        (
            "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
            Some("[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535"),
        ),
        ("PROXY TCP6 2001:DB8::7 ::1 0 1\r\n", Some("[2001:db8::7]:0")),
        ("PROXY UNKNOWN\r\n", None),
        ("PROXY UNKNOWN \r\n", None),
        ("PROXY UNKNOWN any\r thing\n here\r\n", None),
        (
            "PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
            None,
        ),
    ] {
        assert_eq!(source(line.as_bytes()), client.map(|client| client.parse().unwrap()), "{line}");
    }
}

#[test]
fn lines_that_do_not_match_exactly_are_refused() {
    for line in [
        "PROXY TCP4 192.0.2.7 192.0.2.1 50000 110 \r\n",
        "PROXY TCP4  192.0.2.7 192.0.2.1 50000 110\r\n",
        "PROXY  TCP4 192.0.2.7 192.0.2.1 50000 110\r\n",
        "PROXY TCP4\t192.0.2.7 192.0.2.1 50000 110\r\n",
        "PROXY TCP4 192.0.2.07 192.0.2.1 50000 110\r\n",
        "PROXY TCP4 192.0.2 192.0.2.1 50000 110\r\n",
        "PROXY TCP4 192.0.2.7 192.0.2.1 050000 110\r\n",
        "PROXY TCP4 192.0.2.7 192.0.2.1 +50000 110\r\n",
        "PROXY TCP4 192.0.2.7 192.0.2.1 65536 110\r\n",
        "PROXY TCP4 192.0.2.7 192.0.2.1 -1 110\r\n",
        "PROXY TCP4 192.0.2.7 192.0.2.1 50000\r\n",
        "PROXY TCP4 192.0.2.7 192.0.2.1 50000 \r\n",
        "PROXY TCP4 192.0.2.7 192.0.2.1 50000 110 1\r\n",
        "PROXY TCP4 192.0.2.7 192.0.2.1 50000 110\n\r\n",
        "PROXY TCP4 192.0.2.7 192.0.2.1 50000 110\r\r\n",
        "PROXY TCP4 ::1 ::1 50000 110\r\n",
        "PROXY TCP6 192.0.2.7 192.0.2.1 50000 110\r\n",
        "PROXY TCP6 fe80::1%eth0 ::1 50000 110\r\n",
        "PROXY TCP6 ::1 ::1::1 50000 110\r\n",
        "PROXY UDP4 192.0.2.7 192.0.2.1 50000 110\r\n",
        "PROXY tcp4 192.0.2.7 192.0.2.1 50000 110\r\n",
        "PROXY UNKNOWNS\r\n",
        "PROXY unknown\r\n",
        "PROXY \r\n       \r\n",
    ] {
        assert_eq!(header(line.as_bytes()), Err(Error::Malformed), "{line}");
    }
    assert_eq!(header("PROXY TCP4 192.0.2.7 \u{e4} 50000 110\r\n".as_bytes()), Err(Error::Malformed));
}

#[test]
fn a_line_has_107_octets_at_most_and_ends_with_cr_lf() {
    let line =
        |octets: usize, end: &str| format!("PROXY UNKNOWN {}{end}", "x".repeat(octets - 14 - end.len()));
    assert_eq!(source(line(107, "\r\n").as_bytes()), None);
    for (octets, end) in [(108, "\r\n"), (109, "\r\n"), (200, ""), (107, "\n"), (107, "\r"), (4000, "\r\n")] {
        let line = line(octets, end) + "USER mrose\r\n";
        assert_eq!(header(line.as_bytes()), Err(Error::TooLong), "{octets}");
    }
}

#[test]
fn what_begins_otherwise_is_seen_at_once() {
    for (octets, at) in [
        (&b"CAPA\r\n"[..], 1),
        (b"USER mrose\r\n", 1),
        (b"PASS secret\r\n", 2),
        (b"PROXYTCP4 1.1.1.1", 6),
        (b"proxy", 1),
        (b"\x16\x03\x01\x02\x00\x01", 1),
        (b"\r\nCAPA\r\n", 3),
        (b"\r\n\r\n\0\r\nQUIT\r", 12),
        (b"\0", 1),
    ] {
        assert_eq!(parse(&octets[..at]), Err(Error::Missing), "{}", octets.escape_ascii());
        assert!(matches!(parse(&octets[..at - 1]), Ok(Step::More(_))), "{}", octets.escape_ascii());
        assert_eq!(header(octets), Err(Error::Missing));
    }
}

#[test]
fn what_is_no_client_of_tcp_is_nobody() {
    let unix = [b'/'; 216];
    for block in [
        // What HAProxy sends for a health check, and with a checksum.
        b"\r\n\r\n\0\r\nQUIT\n \0\0\0".to_vec(),
        b"\r\n\r\n\0\r\nQUIT\n \0\0\x07\x03\0\x04\xa9\xb8~\x8f".to_vec(),
        // The family of a LOCAL block, and what is in it, are ignored.
        block(0x20, 0x11, &V4),
        block(0x20, 0x11, b""),
        block(0x20, 0xff, b"anything"),
        block(0x21, 0, b""),
        block(0x21, 0, b"anything"),
        block(0x21, 0x10, &V4),
        block(0x21, 0x02, &V4),
        block(0x21, 0x12, &V4),
        block(0x21, 0x22, &[7; 36]),
        block(0x21, 0x31, &unix),
        block(0x21, 0x32, &[&unix[..], &[4, 0, 1, 0]].concat()),
    ] {
        assert_eq!(source(&block), None);
    }
}

#[test]
fn blocks_that_break_the_rules_are_refused() {
    let with = |more: &[u8]| block(0x21, 0x11, &[&V4[..], more].concat());
    for block in [
        block(0x22, 0x11, &V4),
        block(0x11, 0x11, &V4),
        block(0x01, 0x11, &V4),
        block(0x31, 0x11, &V4),
        block(0x21, 0x41, &V4),
        block(0x21, 0x13, &V4),
        block(0x21, 0x11, &V4[..11]),
        block(0x21, 0x21, &[7; 35]),
        block(0x21, 0x31, &[7; 215]),
        // Additions that are not whole, and checksums of another size, or two.
        with(&[4]),
        with(&[4, 0]),
        with(&[4, 0, 1]),
        with(&[4, 0, 0, 5]),
        with(&[0xe0, 1, 0, 0]),
        with(&[3, 0, 3, 1, 2, 3]),
        with(&[3, 0, 5, 1, 2, 3, 4, 5]),
    ] {
        assert_eq!(header(&block), Err(Error::Malformed), "{}", block.escape_ascii());
    }
    // Of no use, but by the rules.
    let client = source(&with(&[4, 0, 0, 0xe0, 0, 2, 1, 2, 0x20, 0, 5, 1, 0, 0, 0, 0]));
    assert_eq!(client, Some("192.0.2.7:50000".parse().unwrap()));
}

#[test]
fn a_checksum_is_checked() {
    // RFC 3720, appendix B.4.
    assert_eq!(crc32c([0; 32].into_iter()), 0x8a91_36aa);
    assert_eq!(crc32c([0xff; 32].into_iter()), 0x62a8_ab43);
    assert_eq!(crc32c(0..32), 0x46dd_794e);
    let good = b"\r\n\r\n\0\r\nQUIT\n!\x11\0\x1f\x7f\0\0\x01\x7f\0\0\x01\xe0\x98\x99i\x03\0\x04\x02SYq\x05\0\t29078-abc";
    assert_eq!(good[28], CRC32C);
    for at in (16..good.len()).filter(|at| *at != 28) {
        let mut bad = good.to_vec();
        bad[at] ^= 1;
        let refused = read(&bad, usize::MAX).unwrap_err();
        assert!(refused == Error::Checksum || [29, 30, 36, 37].contains(&at), "{at} {refused:?}");
    }
    let twice = block(0x21, 0x11, &[&V4[..], &[3, 0, 4, 0, 0, 0, 0, 3, 0, 4, 0, 0, 0, 0]].concat());
    assert!(header(&twice).is_err());
}

#[test]
fn a_block_has_4096_octets_at_most() {
    let padded = |octets: usize| {
        let padding = octets - FIXED - V4.len() - 3;
        let head = [4, (padding >> 8) as u8, padding as u8];
        block(0x21, 0x11, &[&V4[..], &head, &vec![0; padding]].concat())
    };
    let whole = padded(MAX);
    assert_eq!(whole.len(), 4096);
    assert_eq!(read(&whole, usize::MAX).unwrap().unwrap().octets, 4096);
    assert_eq!(read(&padded(MAX + 1), 1), Err(Error::TooLong));
    // Its length alone says it.
    assert_eq!(parse(&[SIGNATURE, &[0x21, 0x11, 0xff, 0xff]].concat()), Err(Error::TooLong));
    assert_eq!(parse(&[SIGNATURE, &[0x20, 0, 0xff, 0xff]].concat()), Err(Error::TooLong));
}
