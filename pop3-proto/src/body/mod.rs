//! Message bodies: byte-stuffing, line ends, the cut of `TOP`, and the size `LIST` tells.
//!
//! A message travels as lines that end in CRLF, then a line that is a single dot. A line that begins with a dot gets
//! one more in front, so that no line of the message can be that last one (RFC 1939 section 3). Four small machines
//! keep this rule, and nothing else in the crate knows it; a fifth makes a message of another:
//!
//! | type | from | to | used by |
//! |---|---|---|---|
//! | [`BodyDecoder`] | wire octets | message octets, borrowed from the input | clients |
//! | [`BodyEncoder`] | stored octets, lines ended LF or CRLF | wire octets, with the end line | servers |
//! | [`Measure`] | the same stored octets | how many octets the client will count | servers, for `LIST` and `STAT` |
//! | [`TopFilter`] | the same stored octets | their first part, for the encoder | servers, for `TOP` |
//! | [`Surrogate`] | the same stored octets | those of a message whose header is ASCII | servers, for clients without UTF-8 mode |
//!
//! # The message as it is delivered
//!
//! What a store holds and what a client receives differ in line ends only. The rules, in this order:
//!
//! 1. LF that does not follow CR becomes CRLF. CRLF stays. A CR that no LF follows is content: it passes unchanged
//!    and begins no line (row R1939-3.11).
//! 2. A last line without line end gets one. A message that ends in CR therefore ends in CR CR LF on the wire.
//! 3. With [`BodyRules::add_header_separator`] a message in which no line is empty gets an empty line at its end,
//!    because some clients hang or lose mail without it (row PB-Q55). A message of no octets has no empty line
//!    either, so it is delivered as one CRLF; without the rule as nothing.
//! 4. With [`BodyRules::mask_nul`] the octet 0x00 becomes 0x80 (row PB-Q54).
//!
//! [`BodyEncoder::octets`] and [`Measure::finish`] count the result of these rules, and a [`BodyDecoder`] returns
//! exactly it: added line ends count, stuffed dots and the end line do not (row R1939-5.6).
//!
//! # Promises
//!
//! Any split of the input gives the same output, down to one octet at a time, in time linear in the octets. Nothing
//! here allocates, panics, validates content or limits a line's length: mail is octets. The only state is a few words;
//! the decoder holds back at most the two octets `.` CR, the others nothing.

mod decode;
mod encode;
mod measure;
mod scan;
mod surrogate;
mod top;

pub use decode::{BodyDecoder, BodyStep};
pub use encode::{BodyEncoder, BodyRules, Progress};
pub use measure::Measure;
pub use surrogate::{FIELD_OCTETS, HeaderCheck, Surrogate};
pub use top::TopFilter;

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::{vec, vec::Vec};

    pub(super) const LINES: &[u8] = b"\r\n.a";

    /// Calls `check` with every string over `alphabet` of up to `longest` octets, the empty one included.
    pub(crate) fn strings(alphabet: &[u8], longest: usize, mut check: impl FnMut(&[u8])) {
        fn grow(string: &mut Vec<u8>, alphabet: &[u8], longest: usize, check: &mut dyn FnMut(&[u8])) {
            check(string);
            if string.len() < longest {
                for &octet in alphabet {
                    string.push(octet);
                    grow(string, alphabet, longest, check);
                    string.pop();
                }
            }
        }
        grow(&mut Vec::new(), alphabet, longest, &mut check);
    }

    /// Ways to cut `input`: whole, octet by octet, pieces of two and three, at every single place.
    pub(crate) fn cuts(input: &[u8], mut check: impl FnMut(&mut dyn Iterator<Item = &[u8]>)) {
        for size in [input.len().max(1), 1, 2, 3] {
            check(&mut input.chunks(size));
        }
        for at in 1..input.len() {
            let (a, b) = input.split_at(at);
            check(&mut [a, b].into_iter());
        }
    }

    /// The message as delivered, written down from the rules in the head of this module.
    pub(crate) fn canonical(message: &[u8], rules: BodyRules) -> Vec<u8> {
        let mut out = Vec::new();
        for &octet in message {
            if octet == b'\n' && out.last() != Some(&b'\r') {
                out.push(b'\r');
            }
            out.push(octet);
        }
        if out.last().is_some_and(|&last| last != b'\n') {
            out.extend(b"\r\n");
        }
        let has_empty_line = out.split_inclusive(|&b| b == b'\n').any(|line| line == b"\r\n");
        if rules.add_header_separator && !has_empty_line {
            out.extend(b"\r\n");
        }
        for octet in &mut out {
            if rules.mask_nul && *octet == 0 {
                *octet = 0x80;
            }
        }
        out
    }

    /// A message in delivered form, stuffed and ended.
    pub(super) fn stuffed(canonical: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        for line in canonical.split_inclusive(|&b| b == b'\n') {
            if line.starts_with(b".") {
                out.push(b'.');
            }
            out.extend(line);
        }
        out.extend(b".\r\n");
        out
    }

    pub(super) fn encoded<'a>(
        pieces: impl IntoIterator<Item = &'a [u8]>,
        room: usize,
        rules: BodyRules,
    ) -> Vec<u8> {
        let mut encoder = BodyEncoder::new(rules);
        let mut out = Vec::new();
        let mut storage = vec![0u8; room];
        for mut piece in pieces {
            while !piece.is_empty() {
                let Progress { read, written } = encoder.encode(piece, &mut storage);
                assert!(written > 0, "no progress in {room} octets");
                out.extend(&storage[..written]);
                piece = &piece[read..];
            }
        }
        let mut end = [0u8; 7];
        let mut rest = &mut end[..];
        encoder.finish(&mut rest).unwrap();
        let unused = rest.len();
        out.extend(&end[..7 - unused]);
        out
    }

    pub(super) fn decoded(wire: &[u8]) -> Vec<u8> {
        let mut decoder = BodyDecoder::new();
        let (mut out, mut rest) = (Vec::new(), wire);
        loop {
            let (taken, step) = decoder.decode(rest);
            rest = &rest[taken..];
            match step {
                BodyStep::Chunk(chunk) => out.extend(chunk),
                BodyStep::End => break,
                BodyStep::NeedInput => panic!("no end line"),
            }
        }
        assert!(rest.is_empty());
        out
    }

    pub(super) fn all_rules() -> impl Iterator<Item = BodyRules> {
        [(true, false), (false, false), (true, true), (false, true)].into_iter().map(|(separator, mask)| {
            BodyRules::new().with_add_header_separator(separator).with_mask_nul(mask)
        })
    }

    /// Section 3 by example: the messages and what RETR and TOP deliver of them.
    const FIRST: &[u8] = b"From: a@example.net\r\nTo: alice@example.net\r\nSubject: one\r\n\r\nHello.\r\n";
    const SECOND: &[u8] = b"From: b@example.net\r\nSubject: dots\r\n\r\n.\r\n..two\r\n.hidden\r\nend\r\n";

    #[test]
    fn r1939_3_7_a_session_as_specified() {
        let wire: &[u8] =
            b"From: b@example.net\r\nSubject: dots\r\n\r\n..\r\n...two\r\n..hidden\r\nend\r\n.\r\n";
        assert_eq!(SECOND.len(), 62);
        assert_eq!(wire.len(), 65 + 3);
        assert_eq!(encoded([SECOND], 64, BodyRules::new()), wire);
        assert_eq!(decoded(wire), SECOND);

        let (head, done) = TopFilter::new(0).take(FIRST);
        assert!(done);
        assert_eq!(
            encoded([head], 64, BodyRules::new()),
            b"From: a@example.net\r\nTo: alice@example.net\r\nSubject: one\r\n\r\n.\r\n"
        );
    }

    #[test]
    fn pb_s06_retr_and_top_arrive_as_they_were_stored() {
        let rules = BodyRules::new();
        strings(LINES, 7, |message| {
            assert_eq!(decoded(&encoded([message], 64, rules)), canonical(message, rules), "{message:?}");
            for lines in 0..3 {
                let (part, _) = TopFilter::new(lines).take(message);
                assert_eq!(
                    decoded(&encoded([part], 64, rules)),
                    canonical(part, rules),
                    "{message:?} {lines}"
                );
            }
        });
    }

    #[test]
    fn r1939_5_6_size_is_the_decoded_length() {
        for rules in all_rules() {
            strings(b"\r\n.\0", 6, |message| {
                let wire = encoded([message], 5, rules);
                let mut measure = Measure::new(rules);
                measure.update(message);
                assert_eq!(measure.finish(), decoded(&wire).len() as u64, "{message:?} {rules:?}");
            });
        }
    }

    #[test]
    fn pb_s41_memory_does_not_grow_with_the_message() {
        assert!(size_of::<BodyDecoder>() <= 8);
        assert!(size_of::<BodyEncoder>() <= 32);
        assert!(size_of::<Measure>() <= 24);
        assert!(size_of::<TopFilter>() <= 16);
    }
}
