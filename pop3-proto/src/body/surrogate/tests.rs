use super::super::TopFilter;
use super::super::tests::{cuts, strings};
use super::*;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

fn surrogate_of<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, room: usize, limit: usize) -> Vec<u8> {
    let (mut surrogate, mut out, mut room) = (Surrogate::new(vec![0; limit]), Vec::new(), vec![0; room]);
    for mut piece in pieces {
        while !piece.is_empty() {
            let Progress { read, written } = surrogate.encode(piece, &mut room);
            assert!(read + written > 0, "no progress");
            out.extend_from_slice(&room[..written]);
            piece = &piece[read..];
        }
    }
    loop {
        match surrogate.finish(&mut room) {
            0 => return out,
            written => out.extend_from_slice(&room[..written]),
        }
    }
}

/// The surrogate of a message, which must be the same however the message comes in and goes out, and have a header of ASCII.
#[track_caller]
fn surrogate(message: &[u8]) -> Vec<u8> {
    let whole = surrogate_of([message], 512, FIELD_OCTETS);
    cuts(message, |pieces| assert_eq!(surrogate_of(pieces, 512, FIELD_OCTETS), whole));
    for room in [1, 2, 3, 7, 64, 4096] {
        assert_eq!(surrogate_of(message.chunks(5), room, FIELD_OCTETS), whole, "room of {room}");
    }
    assert!(header(&whole).is_ascii(), "{}", whole.escape_ascii());
    whole
}

fn header(message: &[u8]) -> &[u8] {
    TopFilter::new(0).take(message).0
}

/// The surrogate of one field, without line end; empty if it is dropped.
#[track_caller]
fn field(field: &str) -> String {
    String::from_utf8(surrogate(format!("{field}\r\n").as_bytes())).unwrap()
}

fn needs_utf8(message: &[u8]) -> bool {
    let mut told = Vec::new();
    cuts(message, |pieces| {
        let mut check = HeaderCheck::new();
        pieces.for_each(|piece| check.update(piece));
        told.push(check.needs_utf8());
    });
    assert!(told.iter().all(|answer| *answer == told[0]));
    told[0]
}

#[test]
fn r6858_2_1_r6858_2_2_the_message_of_the_specification() {
    let message =
        "From: Jørgen <jørgen@exämple.net>\r\nTo: alice@example.net\r\nSubject: Grüße\r\n\r\nHallo.\r\n";
    let want = "From: =?utf-8?Q?J=C3=B8rgen?= <invalid@internationalized-address.invalid>\r\n\
        To: alice@example.net\r\nSubject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?=\r\n\r\nHallo.\r\n";
    assert_eq!((message.len(), want.len()), (89, 146));
    assert_eq!(surrogate(message.as_bytes()), want.as_bytes());
    assert!(needs_utf8(message.as_bytes()) && !needs_utf8(want.as_bytes()));
}

#[test]
fn r6858_2_1_addresses() {
    const INVALID: &str = "<invalid@internationalized-address.invalid>";
    for (line, want) in [
        // A name only, an address only, both, neither.
        ("From: Jürgen <j@example.net>", "From: =?utf-8?Q?J=C3=BCrgen?= <j@example.net>\r\n".into()),
        ("Sender: J <jü@example.net>", format!("Sender: J {INVALID}\r\n")),
        ("to: ü@example.net", format!("to: =?utf-8?Q?=C3=BC=40example=2Enet?=\r\n {INVALID}\r\n")),
        ("Cc: <ü@example.net>", format!("Cc: =?utf-8?Q?=C3=BC=40example=2Enet?=\r\n {INVALID}\r\n")),
        ("Reply-To: j@example.net (Jürgen)", "Reply-To: =?utf-8?Q?J=C3=BCrgen?= <j@example.net>\r\n".into()),
        ("Return-Path: <jü@example.net>", format!("Return-Path: {INVALID}\r\n")),
        // Quotes, commas in quotes, comments, routes, literals.
        (
            "To: \"Müller, \\\"J\\\" <x>\" <j@example.net>",
            "To: =?utf-8?Q?M=C3=BCller=2C_=22J=22_=3Cx=3E?= <j@example.net>\r\n".into(),
        ),
        (
            "To: \"a, b\" <a@example.net>, Å <å@x>,  c@example.net (x, y) , <@d,@e:f@g>",
            format!(
                "To: \"a, b\" <a@example.net>,\r\n =?utf-8?Q?=C3=85?= {INVALID},\r\n c@example.net (x, y),\r\n <@d,@e:f@g>\r\n"
            ),
        ),
        ("To: ä <a@[IPv6:::1]>, b@[::1]", "To: =?utf-8?Q?=C3=A4?= <a@[IPv6:::1]>,\r\n b@[::1]\r\n".into()),
        // Groups.
        (
            "To: Gäste: ö <a@b>, c@d;, e@f",
            "To: =?utf-8?Q?G=C3=A4ste?=: =?utf-8?Q?=C3=B6?= <a@b>,\r\n c@d;,\r\n e@f\r\n".into(),
        ),
        ("Bcc: Ä:;", "Bcc: =?utf-8?Q?=C3=84?=:;\r\n".into()),
        // Folded.
        (
            "Resent-From:\r\n Jörg\r\n\tMüller\r\n <j@k>",
            "Resent-From: =?utf-8?Q?J=C3=B6rg_M=C3=BCller?= <j@k>\r\n".into(),
        ),
        // A backslash and a bracket count where they have a meaning, and nowhere else.
        ("From: \"a\\\"b\"@x (ü)", "From: =?utf-8?Q?=C3=BC?= <\"a\\\"b\"@x>\r\n".into()),
        ("From: ü (a\\)b) <a@b>", "From: =?utf-8?Q?=C3=BC_=28a=5C=29b=29?= <a@b>\r\n".into()),
        ("From: ü\\, b@c", format!("From: =?utf-8?Q?=C3=BC=5C?= {INVALID},\r\n b@c\r\n")),
        ("From: a@b (ü \" x), c@d", "From: =?utf-8?Q?=C3=BC_x?= <a@b>,\r\n c@d\r\n".into()),
        ("From: a@b (\\\" ü), c@d", "From: =?utf-8?Q?=5C_=C3=BC?= <a@b>,\r\n c@d\r\n".into()),
        ("From: a@b (ü \\), x), c@d", "From: =?utf-8?Q?=C3=BC_=5C=29=2C_x?= <a@b>,\r\n c@d\r\n".into()),
        ("From: a@b (x (y) ü), c@d", "From: =?utf-8?Q?x_=28y=29_=C3=BC?= <a@b>,\r\n c@d\r\n".into()),
        (
            "From: ü, a@b) c@d (x), e@f",
            format!("From: =?utf-8?Q?=C3=BC?= {INVALID},\r\n a@b) c@d (x),\r\n e@f\r\n"),
        ),
        ("From: a@b) ü", format!("From: =?utf-8?Q?a=40b=29_=C3=BC?=\r\n {INVALID}\r\n")),
        // No addresses at all.
        ("From: ü", format!("From: =?utf-8?Q?=C3=BC?= {INVALID}\r\n")),
        ("From: \"ü", format!("From: =?utf-8?Q?=C3=BC?= {INVALID}\r\n")),
        ("From: (ü", format!("From: =?utf-8?Q?=28=C3=BC?= {INVALID}\r\n")),
        ("From: <ü", format!("From: =?utf-8?Q?=C3=BC?= {INVALID}\r\n")),
        ("From : ü <a@b>", "From: =?utf-8?Q?=C3=BC?= <a@b>\r\n".into()),
    ] {
        assert_eq!(field(line), want, "{line}");
    }
}

#[test]
fn r6858_2_2_a_line_is_folded_where_it_would_be_over_76_octets() {
    for octets in 1..90 {
        let address = format!("<{}@example.net>", "a".repeat(octets));
        let name = "From: =?utf-8?Q?=C3=BC?=";
        let fits = name.len() + 1 + address.len() <= 76;
        let want = format!("{name}{}{address}\r\n", if fits { " " } else { "\r\n " });
        assert_eq!(field(&format!("From: ü {address}")), want);
    }
    // Within a text: `?=` and what stands before it fill the line.
    let text = |octets: usize| field(&format!("Subject: ü{}", "a".repeat(octets)));
    let full = format!("Subject: =?utf-8?Q?=C3=BC{}?=", "a".repeat(49));
    assert_eq!((full.len(), text(49)), (76, format!("{full}\r\n")));
    assert_eq!(text(50), format!("{full}\r\n =?utf-8?Q?a?=\r\n"));
    // Behind the name of a group, which stands as it is.
    for octets in 1..90 {
        let (group, name) = (format!("To: {}: ", "g".repeat(octets)), "=?utf-8?Q?=C3=BC?=");
        let folded = group.len() + name.len() > 76;
        let column = if folded { 1 } else { group.len() } + name.len();
        let [fold, space] = [if folded { "\r\n " } else { "" }, if column + 6 > 76 { "\r\n " } else { " " }];
        let want = format!("{group}{fold}{name}{space}<a@b>;\r\n");
        assert_eq!(field(&format!("{group}ü <a@b>;")), want);
    }
}

#[test]
fn r6858_2_2_subjects_parameters_and_the_rest() {
    for (line, want) in [
        ("Subject: a ü_?=", "Subject: =?utf-8?Q?a_=C3=BC=5F=3F=3D?=\r\n"),
        ("SUBJECT:ü\r\n  b", "SUBJECT: =?utf-8?Q?=C3=BC__b?=\r\n"),
        ("Content-Disposition: attachment; filename=ü.txt", "Content-Disposition: attachment\r\n"),
        (
            "Content-Disposition: attachment; filename=\"a;ü\"; size=3",
            "Content-Disposition: attachment; size=3\r\n",
        ),
        (
            "Content-Type: text/plain;\r\n charset=utf-8;\r\n name=\"ü\"",
            "Content-Type: text/plain; charset=utf-8\r\n",
        ),
        ("Content-Type: tüxt/plain; charset=utf-8", ""),
        ("Content-Type: ;name=ü", ""),
        ("Content-Description: ü", ""),
        ("Received: from ü by y", ""),
        ("Date: Mönday", ""),
        ("X-Größe: 1", ""),
        ("ü", ""),
        (" ü: x", ""),
        (": ü", ""),
        ("From ü Mon Jan 1", ""),
    ] {
        assert_eq!(field(line), want, "{line}");
        if line.starts_with(' ') {
            continue; // behind another line it would belong to that
        }
        let around = format!("A: b\n{line}\nC: d\n\nü\n");
        let got = String::from_utf8(surrogate(around.as_bytes())).unwrap();
        assert_eq!(got, format!("A: b\n{want}C: d\n\nü\n"), "{line}");
    }
}

#[test]
fn r6858_2_2_text_that_is_no_utf_8_has_its_own_charset() {
    assert_eq!(surrogate(b"Subject: caf\xe9\r\n"), b"Subject: =?unknown-8bit?Q?caf=E9?=\r\n");
    assert_eq!(surrogate(b"From: J\xf8 <a@b>\n"), b"From: =?unknown-8bit?Q?J=F8?= <a@b>\r\n");
    // Overlong, half of a pair, cut.
    for text in [&b"\xc0\xaf"[..], b"\xed\xa0\x80", b"\xc3"] {
        let got = surrogate(&[b"Subject: ", text, b"\r\n"].concat());
        assert!(got.starts_with(b"Subject: =?unknown-8bit?Q?="), "{}", got.escape_ascii());
    }
}

/// Undoes RFC 2047, as far as it is used here.
fn decoded(field: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for line in field.trim_end().split("\r\n ") {
        assert!(line.len() <= 76, "{line}");
        let word = line.rsplit(' ').next().unwrap();
        assert!(word.len() <= 75);
        let text = word.strip_prefix("=?utf-8?Q?").unwrap().strip_suffix("?=").unwrap();
        let mut part = Vec::new();
        let mut rest = text.bytes();
        while let Some(octet) = rest.next() {
            part.push(match octet {
                b'_' => b' ',
                b'=' => {
                    let digits: String = rest.by_ref().take(2).map(char::from).collect();
                    u8::from_str_radix(&digits, 16).unwrap()
                }
                octet => octet,
            });
        }
        assert!(core::str::from_utf8(&part).is_ok(), "each word is whole: RFC 2047 section 5");
        out.extend(part);
    }
    out
}

#[test]
fn r6858_2_2_long_texts_are_cut_between_characters() {
    for text in ["ü".repeat(300), "Grüße an alle, ".repeat(30) + "ä", "a€".repeat(100), "𝄞".repeat(50)]
    {
        for lead in 0..5 {
            let text = format!("{}{text}", "x".repeat(lead));
            let got = field(&format!("Subject: {text}"));
            assert_eq!(decoded(&got), text.as_bytes());
        }
    }
}

#[test]
fn r6856_2_2_r6856_2_4_a_header_of_ascii_stays_as_it_is() {
    strings(b"\r\n :A", 7, |message| {
        let message = [message, b"B: c\n\n\xff\n"].concat();
        assert_eq!(surrogate_of([&message[..]], 512, FIELD_OCTETS), message);
        assert_eq!(surrogate_of(message.chunks(1), 3, FIELD_OCTETS), message);
    });
    for message in [
        &b""[..],
        b"A: b",
        b"A: b\r\n\r\nSubject: \xc3\xbc\r\n\r\n\xff",
        b"\r\nFrom: \xff\r\n",
        b"\n\xff",
        b"A: b\n c\n\td\n\nx\x00\xff",
    ] {
        assert_eq!(surrogate(message), message, "{}", message.escape_ascii());
        assert!(!needs_utf8(message));
    }
    assert!(needs_utf8(b"A: b\r\n \r\nB: \xff\r\n\r\n") && needs_utf8(b"\xff") && !needs_utf8(b"\n\xff"));
}

#[test]
fn r6856_2_3_whatever_the_header_holds_ascii_comes_out() {
    // Few octets, so that all kinds of fields come up, in all the ways they can be broken.
    let parts: [&[u8]; 20] = [
        b"From:",
        b"To:",
        b"Subject:",
        b"Content-Type:",
        b"X:",
        b"\n",
        b"\r\n",
        b" ",
        b"\t",
        b"<",
        b">",
        b"\"",
        b"\\",
        b"(",
        b")",
        b",:;",
        b"a@b",
        b"\xc3\xbc",
        b"\xff",
        b"[",
    ];
    let mut seed = 7u32;
    let mut random = |bound: usize| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 8) as usize % bound
    };
    for _ in 0..3000 {
        let message: Vec<u8> = (0..=random(30)).flat_map(|_| parts[random(parts.len())]).copied().collect();
        let limit = [4, 40, FIELD_OCTETS][random(3)];
        let whole = surrogate_of([&message[..]], 512, limit);
        assert_eq!(surrogate_of(message.chunks(1), 5, limit), whole, "{}", message.escape_ascii());
        assert_eq!(surrogate_of(message.chunks(1 + random(9)), 1, limit), whole);
        assert!(header(&whole).is_ascii(), "{} became {}", message.escape_ascii(), whole.escape_ascii());
        // The body is the same, and one surrogate is enough.
        let body = |message: &[u8]| message[header(message).len()..].to_vec();
        assert_eq!(body(&whole), body(&message), "{}", message.escape_ascii());
        assert_eq!(surrogate_of([&whole[..]], 64, FIELD_OCTETS), whole);
        if !needs_utf8(&message) {
            assert_eq!(whole, message);
        }
    }
}

#[test]
fn r6856_2_3_pb_s41_a_field_over_the_limit_is_passed_or_dropped() {
    let long = |head: &str, lines: usize, tail: &str| {
        let middle = "x".repeat(98);
        let lines: String = (0..lines).map(|_| format!(" {middle}\n")).collect();
        format!("A: b\n{head}{lines}{tail}B: c\n\nü\n").into_bytes()
    };
    // ASCII passes, however long.
    let ascii = long("To: x\n", 400, " y\n");
    assert_eq!(surrogate_of(ascii.chunks(1000), 512, FIELD_OCTETS), ascii);
    // What is not ASCII behind the limit loses itself only.
    let late = long("To: x\n", 400, " ü\n");
    assert_eq!(surrogate_of(late.chunks(1000), 512, FIELD_OCTETS), long("To: x\n", 400, " ??\n"));
    // What is not ASCII before it: dropped.
    let early = long("To: ü\n", 400, " y\n");
    assert_eq!(surrogate_of(early.chunks(1000), 512, FIELD_OCTETS), "A: b\nB: c\n\nü\n".as_bytes());
    // One line is enough to be long, and the end of the message may come anywhere.
    let line = ["Subject: ".as_bytes(), &vec![b'x'; 40_000]].concat();
    assert_eq!(surrogate_of(line.chunks(777), 100, FIELD_OCTETS), line);
    assert_eq!(surrogate_of([&line[..], b"\xff\n\n"], 100, FIELD_OCTETS), [&line[..], b"?\n\n"].concat());
}

#[test]
fn r6856_2_3_pb_s41_a_field_of_16_kib_is_rewritten_and_a_longer_one_dropped() {
    for (octets, rewritten) in [(1025, true), (16_384, true), (16_385, false)] {
        let field = format!("Subject: ü{}\n", "x".repeat(octets - 12));
        assert_eq!(field.len(), octets);
        let got = surrogate_of([field.as_bytes(), b"\n"], 512, FIELD_OCTETS);
        assert_eq!(got.starts_with(b"Subject: =?utf-8?Q?=C3=BCx"), rewritten, "{octets}");
        assert_eq!(got == b"\n", !rewritten, "{octets}");
    }
}

#[test]
fn pb_s41_a_machine_of_its_own_takes_few_octets() {
    // Most of it for the boundaries of parts within parts.
    assert!(size_of::<Surrogate<&mut [u8]>>() <= 1024);
    assert!(size_of::<HeaderCheck>() <= 2048);
}

/// A message whose parts have names that are not ASCII: a file, a message within, and one within a digest.
const PARTS: &str = "\
From: a@example.net\r\n\
Content-Type: multipart/mixed; boundary=\"out er\"\r\n\
\r\n\
Vorwort für alte Programme.\r\n\
--out er\r\n\
Content-Type: text/plain; charset=utf-8\r\n\
\r\n\
Grüße: a -- b\r\n\
--outer\r\n\
--out er \r\n\
Content-Type: application/pdf;\r\n name=\"Rechnung für Jürgen.pdf\"\r\n\
Content-Disposition: attachment; filename=\"Rechnung für Jürgen.pdf\"\r\n\
Content-Transfer-Encoding: base64\r\n\
\r\n\
AAAA\r\n\
--out er\r\n\
Content-Type: message/rfc822\r\n\
\r\n\
Subject: Größe\r\n\
Content-Type: multipart/digest; boundary=inner\r\n\
\r\n\
--inner\r\n\
\r\n\
Subject: Übermut\r\n\
\r\n\
tut selten gut, ü\r\n\
--inner--\r\n\
Subject: kein Feld, ü\r\n\
--out er--\r\n\
Nachwort: ü\r\n";

#[test]
fn r6856_2_3_r6858_2_2_headers_of_parts_are_treated_as_the_message_s_own() {
    let want = PARTS
        .replace(";\r\n name=\"Rechnung für Jürgen.pdf\"", "")
        .replace("; filename=\"Rechnung für Jürgen.pdf\"", "")
        .replace("Subject: Größe", "Subject: =?utf-8?Q?Gr=C3=B6=C3=9Fe?=")
        .replace("Subject: Übermut", "Subject: =?utf-8?Q?=C3=9Cbermut?=");
    let got = surrogate(PARTS.as_bytes());
    assert_eq!(String::from_utf8(got).unwrap(), want);
    assert!(needs_utf8(PARTS.as_bytes()) && !needs_utf8(want.as_bytes()));
    assert_eq!(surrogate(want.as_bytes()), want.as_bytes());
    // With LF alone, as many a store has it, in lines that are left as they are.
    let plain = PARTS.replace("\r\n", "\n");
    let got = String::from_utf8(surrogate(plain.as_bytes())).unwrap();
    assert_eq!(got.replace("\r\n", "\n"), want.replace("\r\n", "\n"));
}

#[test]
fn r6856_2_4_bodies_of_parts_are_left_alone() {
    for message in [
        "Content-Type: multipart/mixed; boundary=b\n\n--b\n\nSubject: ü\n--b--\nSubject: ü\n",
        // Lines that part nothing: another boundary, text behind it, none at all, too long a line.
        "Content-Type: multipart/mixed; boundary=b\n\n--c\nSubject: ü\n--b x\nSubject: ü\n",
        "Content-Type: text/plain; boundary=b\n\n--b\nSubject: ü\n",
        &format!("Content-Type: multipart/mixed; boundary=b\n\n--b{}\nSubject: ü\n", " ".repeat(200)),
        "Content-Type: multipart/mixed\n\n--\nSubject: ü\n",
        "Content-Type: multipart/mixed; boundary=b\n\nxx--b\nSubject: ü\n",
        // A part that ends within its header: what the header has said of its content is void.
        "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: multipart/mixed; boundary=c\n--b\n\n\
         --c\nSubject: ü\n",
        "Content-Type: multipart/mixed; boundary=b\n\n--b\nA: c\n--b--\nSubject: ü\n",
    ] {
        assert!(!needs_utf8(message.as_bytes()), "{message}");
        assert_eq!(surrogate(message.as_bytes()), message.as_bytes(), "{message}");
    }
}

#[test]
fn r6856_2_3_parts_lie_no_deeper_than_is_looked_at() {
    let mut message = String::new();
    for depth in 0..12 {
        message += &format!("Content-Type: multipart/mixed; boundary=b{depth}\n\n--b{depth}\n");
    }
    message += "Subject: ü\n\n";
    // Deeper ones count as text; the outer ones are followed on.
    assert!(!needs_utf8(message.as_bytes()));
    assert_eq!(surrogate(message.as_bytes()), message.as_bytes());
    message += "--b7\nSubject: ü\n\n";
    assert!(needs_utf8(message.as_bytes()));
    assert!(
        String::from_utf8(surrogate(message.as_bytes()))
            .unwrap()
            .ends_with("--b7\nSubject: =?utf-8?Q?=C3=BC?=\r\n\n")
    );
}

#[test]
fn r6856_2_4_only_a_whole_line_parts_a_header() {
    let message = "Content-Type: multipart/mixed; boundary=b\n\n--b\n--b--x: y\nSubject: ü\n\n--b--\n";
    assert!(needs_utf8(message.as_bytes()));
    let want = message.replace("Subject: ü\n", "Subject: =?utf-8?Q?=C3=BC?=\r\n");
    assert_eq!(String::from_utf8(surrogate(message.as_bytes())).unwrap(), want);
}

#[test]
fn r6856_2_4_a_check_is_done_as_soon_as_nothing_can_change_it() {
    for (before, last) in [
        ("A: b\n", "\n"),
        ("A: b\nB: c", "ü"),
        ("Content-Type: multipart/mixed; boundary=b\n\n--b\n\nx\n", "--b--\n"),
    ] {
        let mut check = HeaderCheck::new();
        for piece in before.as_bytes().chunks(1) {
            check.update(piece);
            assert!(!check.is_done() && !check.needs_utf8(), "{before}");
        }
        check.update(last.as_bytes());
        assert!(check.is_done(), "{before}{last}");
        assert_eq!(check.needs_utf8(), last == "ü");
    }
}

#[test]
fn law_3_a_surrogate_shows_no_octets() {
    let mut surrogate = Surrogate::new([0; 64]);
    assert_eq!(surrogate.encode(b"Subject: secret", &mut [0; 64]), Progress { read: 15, written: 0 });
    assert_eq!(format!("{surrogate:?}"), "Surrogate { held: 15, phase: Collect, .. }");
}

#[test]
fn r6856_2_3_r6858_2_2_the_type_counts_that_the_client_will_see() {
    // Of the first type a parameter is left out, and its parts are found; the second is dropped as a whole, and has none.
    let message = |subtype: &str| {
        format!("Content-Type: multipart/{subtype}; boundary=b; name=ü\n\n--b\nSubject: ü\n\n--b--\n")
            .into_bytes()
    };
    let want = "Content-Type: multipart/mixed; boundary=b\r\n\n--b\nSubject: =?utf-8?Q?=C3=BC?=\r\n\n--b--\n";
    assert_eq!(String::from_utf8(surrogate(&message("mixed"))).unwrap(), want);
    assert_eq!(String::from_utf8(surrogate(&message("mïxed"))).unwrap(), "\n--b\nSubject: ü\n\n--b--\n");
}
