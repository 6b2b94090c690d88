//! From the wire to the message: removes the byte-stuffing and finds the end (RFC 1939 section 3).
//!
//! ```text
//! body = *( line CRLF ) "." CRLF       ; a line that begins with "." has one more in front
//! ```
//!
//! Only CRLF ends a line and only CRLF `.` CRLF ends the body (rows R1939-3.8, PB-C15): programs that stop at LF `.` LF
//! read the rest of a mail as replies. A dot that is the first octet of a line, and nothing else, is special.
//!
//! Chunks borrow the input and span as many lines as they can. At most two octets are held back, and they are known
//! (`.` and CR), so the machine needs no buffer.

use memchr::{memchr, memmem};

/// Removes the byte-stuffing of one body and finds its end.
///
/// One decoder serves one multi-line reply, from the first octet after its status line. Feed it with
/// [`decode`](Self::decode) until that returns [`BodyStep::End`].
///
/// # Source
///
/// RFC 1939 section 3; rows R1939-3.8, R1939-3.9, R1939-3.10.
#[derive(Clone, Debug)]
pub struct BodyDecoder {
    at: At,
    lenient_lf: bool,
}

/// What the octets so far leave open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// Before the first octet of a line: a dot is special.
    LineStart,
    /// In a line; the last octet, already handed out, is not CR.
    Text,
    /// In a line; the last octet, already handed out, is CR.
    Cr,
    /// A dot that begins a line is held back.
    Dot,
    /// A dot that begins a line and a CR are held back.
    DotCr,
    /// The end line was seen.
    End,
}

/// What [`BodyDecoder::decode`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
#[expect(clippy::exhaustive_enums, reason = "every caller must treat all three, and there is no fourth")]
pub enum BodyStep<'i> {
    /// Octets of the message, never empty. Parts end anywhere, also between CR and LF.
    Chunk(&'i [u8]),
    /// The end line was taken; what is left of the input belongs to the next reply.
    End,
    /// All of the input was taken; read more. At the end of the stream this means that the body was cut off.
    NeedInput,
}

impl BodyDecoder {
    /// A decoder that stands before the first octet of a body, where a dot is already special.
    pub const fn new() -> Self {
        Self { at: At::LineStart, lenient_lf: false }
    }

    /// Like [`new`](Self::new), but LF alone ends a line too, so that LF `.` LF ends the body.
    ///
    /// For servers that send lines without CR (row PB-Q02). Do not delete mail that was fetched this way: from a
    /// server that passes bare LF through, a message that holds LF `.` LF comes cut, and the rest of it is read as
    /// replies.
    pub const fn with_lenient_lf() -> Self {
        Self { at: At::LineStart, lenient_lf: true }
    }

    /// Takes octets from the wire; returns how many were taken, and what came of it.
    ///
    /// Drop the taken octets from `input` and call again until the step is [`BodyStep::NeedInput`] or
    /// [`BodyStep::End`]. The count may be 0 beside a chunk: the chunk then is an octet that an earlier call held
    /// back. After the end every call returns `(0, BodyStep::End)`.
    ///
    /// A chunk runs to the next LF that a dot follows or to the end of `input`, whichever is first. The time is linear
    /// in the octets taken, however they are cut. Nothing is ever refused: every octet but the stuffing
    /// is content.
    ///
    /// # Source
    ///
    /// RFC 1939 section 3; rows R1939-3.8, R1939-3.9, R1939-3.10.
    pub fn decode<'i>(&mut self, input: &'i [u8]) -> (usize, BodyStep<'i>) {
        let mut taken = 0usize;
        loop {
            let rest = input.get(taken..).unwrap_or(&[]);
            let first = rest.first().copied();
            match (self.at, first) {
                (At::End, _) => return (taken, BodyStep::End),
                (_, None) => return (taken, BodyStep::NeedInput),
                (At::LineStart, Some(b'.')) => self.at = At::Dot,
                (At::Dot, Some(b'\r')) => self.at = At::DotCr,
                (At::DotCr, Some(b'\n')) => self.at = At::End,
                (At::Dot, Some(b'\n')) if self.lenient_lf => self.at = At::End,
                (At::DotCr, Some(_)) => {
                    // What follows is no LF, so it does not matter any more that a CR was last.
                    self.at = At::Text;
                    return (taken, BodyStep::Chunk(b"\r"));
                }
                (At::Dot, Some(_)) => {
                    self.at = At::Text;
                    let run = self.run(rest);
                    return (taken.saturating_add(run.len()), BodyStep::Chunk(run));
                }
                (At::LineStart | At::Text | At::Cr, Some(_)) => {
                    let run = self.run(rest);
                    return (taken.saturating_add(run.len()), BodyStep::Chunk(run));
                }
            }
            taken = taken.saturating_add(1);
        }
    }

    /// Whether the end line was taken. At the end of the stream `false` means that the message is cut off.
    pub const fn is_finished(&self) -> bool {
        matches!(self.at, At::End)
    }

    /// The first octets of `rest`, up to the next LF before a dot. The first octet is known to be content.
    ///
    /// Whether that LF ends a line, so that the dot is special, is told by the new place.
    fn run<'i>(&mut self, rest: &'i [u8]) -> &'i [u8] {
        // The first line by itself: where one line begins with a dot others do, and the long search has a price.
        let first = memchr(b'\n', rest).unwrap_or(rest.len());
        let behind = first.saturating_add(1);
        let last = if rest.get(behind) == Some(&b'.') {
            Some(first)
        } else {
            // LF and dot are rare beside each other, CR and LF are not: this seldom stops in vain.
            let found = memmem::find(rest.get(behind..).unwrap_or(&[]), b"\n.");
            found.map(|lf| lf.saturating_add(behind))
        };
        let run = last.and_then(|lf| rest.get(..=lf)).unwrap_or(rest);
        self.at = match run {
            [.., b'\r', b'\n'] => At::LineStart,
            [b'\n'] if self.at == At::Cr => At::LineStart,
            [.., b'\n'] if self.lenient_lf => At::LineStart,
            [.., b'\r'] => At::Cr,
            _ => At::Text,
        };
        run
    }
}

impl Default for BodyDecoder {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{LINES, cuts, strings};
    use super::*;
    use std::{vec, vec::Vec};

    /// The content so far, and how many octets the body has on the wire if its end was seen.
    type Seen = (Vec<u8>, Option<usize>);

    /// The rule of RFC 1939 section 3, line by line. A last line without line end counts as far as it is decided.
    fn reference(input: &[u8], lenient: bool) -> Seen {
        let (mut out, mut at) = (Vec::new(), 0);
        loop {
            let rest = &input[at..];
            let crlf = rest.windows(2).position(|w| w == b"\r\n").map(|at| at + 2);
            let lf = rest.iter().position(|&b| b == b'\n').map(|at| at + 1);
            let line = &rest[..if lenient { lf } else { crlf }.unwrap_or(rest.len())];
            let content = line.strip_prefix(b".").unwrap_or(line);
            match line {
                b".\r\n" => return (out, Some(at + 3)),
                b".\n" if lenient => return (out, Some(at + 2)),
                b"" | b"." | b".\r" => return (out, None),
                _ => out.extend(content),
            }
            at += line.len();
        }
    }

    fn run<'a>(mut decoder: BodyDecoder, pieces: impl IntoIterator<Item = &'a [u8]>) -> Seen {
        let (mut out, mut taken) = (Vec::new(), 0);
        for piece in pieces {
            let mut rest = piece;
            loop {
                let (n, step) = decoder.decode(rest);
                taken += n;
                rest = &rest[n..];
                match step {
                    BodyStep::Chunk(chunk) => {
                        assert!(!chunk.is_empty());
                        out.extend(chunk);
                    }
                    BodyStep::NeedInput => {
                        assert!(rest.is_empty() && !decoder.is_finished());
                        break;
                    }
                    BodyStep::End => {
                        assert!(decoder.is_finished());
                        assert_eq!(decoder.decode(b".\r\n"), (0, BodyStep::End));
                        return (out, Some(taken));
                    }
                }
            }
        }
        assert!(!decoder.is_finished());
        (out, None)
    }

    fn whole(input: &[u8]) -> Seen {
        run(BodyDecoder::new(), [input])
    }

    fn check_cuts(input: &[u8]) {
        let (strict, lenient) = (reference(input, false), reference(input, true));
        cuts(input, |pieces| assert_eq!(run(BodyDecoder::new(), pieces), strict, "{input:?}"));
        cuts(input, |pieces| {
            assert_eq!(run(BodyDecoder::with_lenient_lf(), pieces), lenient, "lenient {input:?}");
        });
    }

    #[test]
    fn r1939_3_9_all_short_strings_at_every_cut() {
        strings(LINES, 8, check_cuts);
    }

    #[test]
    fn r1939_3_9_all_short_strings_in_all_ways_to_cut() {
        strings(LINES, 6, |input| {
            let expected = reference(input, false);
            for mask in 0..1u32 << input.len().saturating_sub(1) {
                let mut pieces = Vec::new();
                let mut start = 0;
                for at in 1..=input.len() {
                    if at == input.len() || mask >> (at - 1) & 1 == 1 {
                        pieces.push(&input[start..at]);
                        start = at;
                    }
                }
                assert_eq!(run(BodyDecoder::new(), pieces), expected, "{input:?} {mask:b}");
            }
        });
    }

    #[test]
    fn r1939_3_8_all_short_tails_behind_a_long_line() {
        // Long enough for the vector code of the search, which short inputs never reach.
        for length in [61, 100] {
            let mut input = vec![b'x'; length];
            strings(LINES, 5, |tail| {
                input.truncate(length);
                input.extend(tail);
                input.extend(b"\r\n.y, and further text to be searched for a dot at a line start.\r\n.\r\n");
                assert_eq!(whole(&input), reference(&input, false), "{tail:?}");
            });
        }
    }

    #[test]
    fn pb_c14_the_end_line_in_pieces() {
        for case in [
            &b"a\r\n.\r\n"[..],
            b"a\r\n.x\r\n.\r\n",
            b"a\r\n..\r\n.\r\n",
            b"a\r\n.\r\r\n.\r\n",
            b"a\r\n.\rx\r\n.\r\n",
            b"a\r\n...\r\n.\r\n",
        ] {
            check_cuts(case);
        }
        assert_eq!(
            run(BodyDecoder::new(), [&b"a\r\n"[..], b".", b"b\r\n.\r\n"]),
            (b"a\r\nb\r\n".into(), Some(10))
        );
        assert_eq!(whole(b"a\r\n.\rx\r\n.\r\n").0, b"a\r\n\rx\r\n");
    }

    #[test]
    fn pb_c15_only_crlf_dot_crlf_ends() {
        for almost in [&b"\n.\n"[..], b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r\n.\r", b"\r.\r\n"] {
            let input = [b"a", almost, b"+OK 2 messages\r\n-ERR\r\n.\r\n+OK next\r\n"].concat();
            let (content, end) = whole(&input);
            assert_eq!(end, Some(input.len() - b"+OK next\r\n".len()), "{almost:?}");
            assert!(content.ends_with(b"+OK 2 messages\r\n-ERR\r\n"));
            check_cuts(&input);
        }
        assert_eq!(whole(b"a\n.\nb\r\n.\r\n"), (b"a\n.\nb\r\n".into(), Some(10)));
    }

    #[test]
    fn pb_c13_a_line_of_a_mebibyte_passes() {
        let mut input = vec![b'x'; 1 << 20];
        input.extend(b"\r\n.\r\n+OK");
        let (content, end) = whole(&input);
        assert_eq!(end, Some((1 << 20) + 5));
        assert_eq!(content, &input[..(1 << 20) + 2]);
    }

    #[test]
    fn pb_c26_every_octet_value_at_every_place() {
        for value in 0..=255u8 {
            for at in 0..6 {
                let mut input = *b"ab\r\ncd\r\n.\r\n+OK\r\n";
                input[at] = value;
                let seen = whole(&input);
                assert_eq!(seen, reference(&input, false), "{value} at {at}");
                assert!(seen.1.is_some_and(|end| end == 11 || value == b'.'));
            }
        }
    }

    #[test]
    fn pb_k02_one_dot_is_stripped() {
        for (wire, content) in [
            (&b"..x\r\n.\r\n"[..], &b".x\r\n"[..]),
            (b"..\r\n.\r\n", b".\r\n"),
            (b"...\r\n.\r\n", b"..\r\n"),
            (b".x\r\n.\r\n", b"x\r\n"),
            (b"x..\r\n.\r\n", b"x..\r\n"),
        ] {
            assert_eq!(whole(wire), (content.into(), Some(wire.len())));
            check_cuts(wire);
        }
    }

    #[test]
    fn pb_k09_a_cr_alone_is_no_line_end() {
        assert_eq!(whole(b"a\r.b\r.\r\n.\r\n"), (b"a\r.b\r.\r\n".into(), Some(11)));
        assert_eq!(whole(b"a\r\r\n.\r\n"), (b"a\r\r\n".into(), Some(7)));
    }

    #[test]
    fn pb_k12_an_empty_body_ends_at_once() {
        check_cuts(b".\r\n+OK\r\n");
        assert_eq!(whole(b".\r\n+OK\r\n"), (Vec::new(), Some(3)));
    }

    #[test]
    fn r1939_3_10_an_empty_body_ends_at_once() {
        assert_eq!(BodyDecoder::default().decode(b".\r\n.\r\n"), (3, BodyStep::End));
    }

    #[test]
    fn pb_k13_a_cut_end_line_is_no_end() {
        for (wire, content) in [
            (&b"a\r\n."[..], &b"a\r\n"[..]),
            (b"a\r\n.\r", b"a\r\n"),
            (b"a\n.\r\n", b"a\n.\r\n"),
            (b"a\r\n.\n", b"a\r\n\n"),
            (b".\r", b""),
        ] {
            assert_eq!(whole(wire), (content.into(), None));
            check_cuts(wire);
        }
    }

    #[test]
    fn pb_q02_lenient_lf_ends_lines_and_the_body() {
        let lenient = |input| run(BodyDecoder::with_lenient_lf(), [input]);
        assert_eq!(lenient(b"a\n.\n+OK\n"), (b"a\n".into(), Some(4)));
        assert_eq!(lenient(b"a\n..b\n.\r\n+OK\n"), (b"a\n.b\n".into(), Some(9)));
        assert_eq!(lenient(b"a\r\n.\n"), (b"a\r\n".into(), Some(5)));
        assert_eq!(lenient(b"a\r.\r\n"), (b"a\r.\r\n".into(), None));
    }

    #[test]
    fn r1939_3_9_chunks_span_lines() {
        let wire = b"one\r\ntwo\r\n\r\nthree\r\n..four\r\nfive\r\n.\r\n";
        let mut decoder = BodyDecoder::new();
        assert_eq!(decoder.decode(wire), (19, BodyStep::Chunk(&wire[..19])));
        assert_eq!(decoder.decode(&wire[19..]), (14, BodyStep::Chunk(b".four\r\nfive\r\n")));
        assert_eq!(decoder.decode(&wire[33..]), (3, BodyStep::End));
    }

    #[test]
    fn r1939_3_9_two_megabytes_in_single_octets() {
        let line = b"..stuffed, and a line of text that is as long as those of mail often are\r\n";
        let wire: Vec<u8> = line.iter().copied().cycle().take(line.len() * 27_000).chain(*b".\r\n").collect();
        let mut calls = 0usize;
        let mut decoder = BodyDecoder::new();
        let mut octets = 0;
        for piece in wire.chunks(1) {
            let mut rest = piece;
            loop {
                calls += 1;
                let (n, step) = decoder.decode(rest);
                rest = &rest[n..];
                match step {
                    BodyStep::Chunk(chunk) => octets += chunk.len(),
                    BodyStep::NeedInput | BodyStep::End => break,
                }
            }
        }
        assert!(decoder.is_finished());
        assert_eq!(octets, (line.len() - 1) * 27_000);
        assert!(calls <= 2 * wire.len());
    }
}
