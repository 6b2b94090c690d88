//! The messages that every transfer must bring over unchanged, and which peers are known not to.

/// A message for a maildrop.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "a record for tests")]
pub struct Message {
    /// What is odd about it.
    pub name: &'static str,
    /// Its octets as a store holds them. Lines end in LF unless the oddity is that they do not.
    pub stored: Vec<u8>,
    /// Peers that this message is no fair test for, by name, with what they do to it. Found by running them.
    pub unfit: &'static [(&'static str, &'static str)],
}

fn message(name: &'static str, stored: &[u8]) -> Message {
    Message { name, stored: stored.to_vec(), unfit: &[] }
}

impl Message {
    const fn unfit(mut self, peers: &'static [(&'static str, &'static str)]) -> Self {
        self.unfit = peers;
        self
    }

    /// The octets a client must receive, byte-stuffing removed: each LF without CR became CRLF, and a last line without
    /// line end got one.
    #[must_use]
    pub fn sent(&self) -> Vec<u8> {
        sent(&self.stored)
    }

    /// The same from a server that ends a message without empty line in one, because clients exist that wait for the
    /// end of the header.
    #[must_use]
    pub fn sent_with_separator(&self) -> Vec<u8> {
        let mut out = self.sent();
        if !out.starts_with(b"\r\n") && !out.windows(3).any(|octets| octets == b"\n\r\n") {
            out.extend(b"\r\n");
        }
        out
    }

    /// Why `peer` is excused from this message, if it is.
    #[must_use]
    pub fn excuse(&self, peer: &str) -> Option<&'static str> {
        self.unfit.iter().find(|(name, _)| *name == peer).map(|(_, excuse)| *excuse)
    }
}

/// See [`Message::sent`].
#[must_use]
pub fn sent(stored: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(stored.len() + stored.len() / 40 + 2);
    for &octet in stored {
        if octet == b'\n' && out.last() != Some(&b'\r') {
            out.push(b'\r');
        }
        out.push(octet);
    }
    if !out.is_empty() && !out.ends_with(b"\r\n") {
        out.extend(b"\r\n");
    }
    out
}

/// What several messages are unfit for.
const NOT_STUFFED: (&str, &str) = ("dovecot", "does not stuff a dot that is the first octet of a message");
const HEADER_ADDED: (&str, &str) = ("fetchmail", "puts a header of its own before a message that has none");
const X_UIDL_ALONE: (&str, &str) = ("mailutils", "loses a header that no LF LF ends");
const NO_HEADER: &[(&str, &str)] = &[
    NOT_STUFFED,
    ("fetchmail", "drops a message that does not begin with a header field"),
    ("getmail", "puts an empty line before a message that does not begin with a header field"),
    ("mailutils", "loses a line before the header"),
];

/// The small messages of the corpus, the largest just over 1 MiB.
#[must_use]
pub fn corpus() -> Vec<Message> {
    let body = |name, body: &[u8]| {
        let mut stored = format!(
            "From: corpus@example.test\nTo: alice@example.test\nSubject: {name}\n\
             Message-ID: <{name}@example.test>\n\n"
        )
        .into_bytes();
        stored.extend(body);
        message(name, &stored)
    };
    let every_octet: Vec<u8> = (0..=255).filter(|octet| !b"\0\r\n".contains(octet)).collect();
    let long_line = [&b"x".repeat(1 << 20)[..], b"\nafter\n"].concat();
    vec![
        body("plain", b"Hello.\n"),
        body("several-lines", b"one\n\ntwo\n\n\nthree\n\n"),
        // Dots.
        message("first-octet-dot", b".Subject: a dot comes first\n\nbody\n").unfit(&[NOT_STUFFED]),
        message("first-line-dot", b".\nSubject: a dot is the first line\n\nbody\n").unfit(NO_HEADER),
        message("first-line-two-dots", b"..\nSubject: two dots\n\nbody\n").unfit(NO_HEADER),
        body("dot-lines", b".\n..\n...\n.\n.\n"),
        body("dot-begins-line", b".profile\n..hidden\n. \nx.\n"),
        body("dot-is-last", b"text\n."),
        body("dot-after-cr", b"text\r.\rtext\r.\n"),
        // Ends.
        message("empty", b"").unfit(&[HEADER_ADDED, X_UIDL_ALONE]),
        message("one-line-end", b"\n").unfit(&[HEADER_ADDED]),
        message("header-only", b"Subject: no body, not even an empty line\n").unfit(&[X_UIDL_ALONE]),
        message("header-only-cut", b"Subject: no line end either").unfit(&[X_UIDL_ALONE]),
        body("empty-body", b""),
        body("no-final-line-end", b"the last line has no end"),
        body("final-cr", b"the last line ends in CR\r"),
        // Octets.
        body("nul", b"a\0b\n\0\n\0"),
        body("eight-bit", &every_octet),
        body("latin-1", b"Gr\xfc\xdfe\n"),
        body("utf-8", "Grüße, 世界\n".as_bytes()),
        // Line ends.
        message("crlf-stored", b"Subject: stored with CRLF\r\n\r\none\r\n.\r\n..\r\ntwo\r\n")
            .unfit(&[X_UIDL_ALONE]),
        body("mixed-line-ends", b"lf\ncrlf\r\nlf\n\r\n\n"),
        body("bare-cr", b"one\rtwo\r\rthree\r\r\nfour\n"),
        body("lf-dot-lf", b"one\r\n.\ntwo\n.\r\nthree\n"),
        // Looks.
        body("status-lines", b"+OK 2 320\n-ERR no such message\n+OK\n.\n+OK POP3 server signing off\n"),
        body(
            "from-lines",
            b"From here on\n>From there\n\nFrom corpus@example.test Mon Nov 23 12:00:00 2026\n",
        ),
        body("long-line", &long_line).unfit(&[
            ("fetchmail", "puts a NUL, another octet and LF after every 8,191 octets of a line"),
            ("getmail", "refuses lines over 2,048 octets"),
            ("poplib", "refuses lines over 2,048 octets"),
        ]),
    ]
}

/// A message of at least `octets` octets: base64 lines as attachments have, with a line of dots every now and then.
#[must_use]
pub fn huge(octets: usize) -> Vec<u8> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = b"Subject: huge\n\n".to_vec();
    out.reserve(octets);
    let mut state: u64 = 0x9E37_79B9_7F4A_7C15;
    let mut lines = 0u32;
    while out.len() < octets {
        for _ in 0..76 {
            // A linear congruential generator: no two places of the message are alike.
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            out.push(DIGITS[(state >> 58) as usize]);
        }
        out.push(b'\n');
        lines += 1;
        if lines.is_multiple_of(1000) {
            out.extend(b"..\n");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_excuses_name_peers() {
        let corpus = corpus();
        let mut names: Vec<_> = corpus.iter().map(|message| message.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), corpus.len());
        let mut peers = vec!["dovecot", "mailutils", "popa3d"];
        peers.extend(super::super::Client::ALL.map(super::super::Client::name));
        for message in &corpus {
            for (peer, _) in message.unfit {
                assert!(peers.contains(peer), "{}: {peer}", message.name);
            }
        }
    }

    #[test]
    fn r1939_3_11_sent_form() {
        for (stored, wire) in [
            (&b""[..], &b""[..]),
            (b"\n", b"\r\n"),
            (b"a", b"a\r\n"),
            (b"a\nb\r\nc", b"a\r\nb\r\nc\r\n"),
            (b"a\r", b"a\r\r\n"),
            (b"a\rb\n\n", b"a\rb\r\n\r\n"),
        ] {
            assert_eq!(sent(stored).escape_ascii().to_string(), wire.escape_ascii().to_string());
        }
    }

    #[test]
    fn pb_q55_separator_only_where_no_line_is_empty() {
        for (stored, wire) in [
            (&b""[..], &b"\r\n"[..]),
            (b"\n", b"\r\n"),
            (b"A: b\n", b"A: b\r\n\r\n"),
            (b"A: b\n\nbody\n", b"A: b\r\n\r\nbody\r\n"),
            (b"A: b\n\n", b"A: b\r\n\r\n"),
            (b"A: b\r\r\nc\n", b"A: b\r\r\nc\r\n\r\n"),
        ] {
            let got = message("x", stored).sent_with_separator();
            assert_eq!(got.escape_ascii().to_string(), wire.escape_ascii().to_string());
        }
    }

    #[test]
    fn huge_has_the_octets_asked_for_and_lines_of_dots() {
        let message = huge(200_000);
        assert!((200_000..200_100).contains(&message.len()), "{}", message.len());
        assert!(message.windows(4).any(|octets| octets == b"\n..\n"));
    }
}
