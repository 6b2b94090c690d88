//! From the store to the wire: CRLF line ends, byte-stuffing, the end line (RFC 1939 section 3).
//!
//! The state is the place in the line, kept over chunks; it starts at a line start, so that a dot that is the first
//! octet of a message is stuffed too (row PB-S08). Octets are added, never held back: an added CR or dot is written
//! and moves the state so that the octet it precedes is plain. That is why a call may stop between any two octets.

use super::scan::Scan;
use crate::{Full, Sink};
use memchr::memchr;

/// Which changes a message undergoes on its way out, besides line ends.
///
/// [`BodyEncoder`] and [`Measure`](super::Measure) must be given the same rules, or sizes will not match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BodyRules {
    /// Adds an empty line at the end of a message that has none, and counts it. On unless switched off (row PB-Q55).
    pub add_header_separator: bool,
    /// Sends 0x00 as 0x80, for clients that hang at NUL. Off unless switched on; sizes stay (row PB-Q54).
    pub mask_nul: bool,
}

impl BodyRules {
    /// The defaults: a missing header separator is added, NUL passes.
    pub const fn new() -> Self {
        Self { add_header_separator: true, mask_nul: false }
    }

    /// Sets [`add_header_separator`](Self::add_header_separator).
    #[must_use]
    pub const fn with_add_header_separator(mut self, add: bool) -> Self {
        self.add_header_separator = add;
        self
    }

    /// Sets [`mask_nul`](Self::mask_nul).
    #[must_use]
    pub const fn with_mask_nul(mut self, mask: bool) -> Self {
        self.mask_nul = mask;
        self
    }
}

impl Default for BodyRules {
    fn default() -> Self {
        Self::new()
    }
}

/// How far one call of [`BodyEncoder::encode`] came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
#[non_exhaustive]
pub struct Progress {
    /// Octets taken from the front of the source.
    pub read: usize,
    /// Octets written to the front of the output.
    pub written: usize,
}

/// Writes one message as the body of a multi-line reply.
///
/// Give it the stored octets in pieces of any size with [`encode`](Self::encode), then call
/// [`finish`](Self::finish). If the store fails midway, do not: drop the encoder and close the connection, so that
/// the client sees that the message is cut off (row R1939-3.18).
///
/// # Source
///
/// RFC 1939 section 3; rows R1939-3.7, R1939-3.9, R1939-3.11.
#[derive(Clone, Debug)]
pub struct BodyEncoder {
    scan: Scan,
    mask_nul: bool,
    finished: bool,
}

impl BodyEncoder {
    /// An encoder that stands before the first octet of a message.
    pub const fn new(rules: BodyRules) -> Self {
        Self { scan: Scan::new(rules), mask_nul: rules.mask_nul, finished: false }
    }

    /// Encodes from `src` to `dst` until either is used up, and tells how far it came.
    ///
    /// Send what was written, then call again with the rest of `src`. It always makes progress when `dst` has
    /// 3 octets or more and `src` is not empty: then [`Progress::written`] is not 0. [`Progress::read`] may be 0 when
    /// there was room for an added octet only. `dst` can be filled to its last octet; up to twice the octets of `src`
    /// may come out. After [`finish`](Self::finish) it reads and writes nothing.
    ///
    /// One pass, linear in the octets read, however small the pieces are.
    ///
    /// # Source
    ///
    /// RFC 1939 section 3; rows R1939-3.7, R1939-3.11, PB-S07.
    pub fn encode(&mut self, src: &[u8], dst: &mut [u8]) -> Progress {
        let (mut read, mut written) = (0usize, 0usize);
        if self.finished {
            return Progress { read, written };
        }
        while let (Some(&next), Some(room)) = (src.get(read), dst.get_mut(written..)) {
            if room.is_empty() {
                break;
            }
            if let Some(added) = self.scan.insertion(next) {
                match room {
                    [first, second, ..] => {
                        *first = added;
                        *second = next;
                        self.scan.take(next);
                        read = read.saturating_add(1);
                        written = written.saturating_add(2);
                        let (rest, room) =
                            (src.get(read..).unwrap_or(&[]), dst.get_mut(written..).unwrap_or(&mut []));
                        let lines = self.lines(rest, room);
                        read = read.saturating_add(lines.read);
                        written = written.saturating_add(lines.written);
                    }
                    [only] => {
                        *only = added;
                        written = written.saturating_add(1);
                    }
                    [] => {}
                }
                continue;
            }
            let fits = src.len().saturating_sub(read).min(room.len());
            let plain = src.get(read..read.saturating_add(fits)).unwrap_or(&[]);
            let n = self.scan.run(plain);
            if let (Some(from), Some(to)) = (plain.get(..n), room.get_mut(..n)) {
                to.copy_from_slice(from);
                if self.mask_nul {
                    mask(to);
                }
            }
            read = read.saturating_add(n);
            written = written.saturating_add(n);
        }
        Progress { read, written }
    }

    /// Encodes whole lines that end in LF alone, as many as there are and as fit.
    fn lines(&mut self, src: &[u8], dst: &mut [u8]) -> Progress {
        let (mut room, mut written) = (dst, 0usize);
        let mask_nul = self.mask_nul;
        let read = self.scan.lines(src, |octets, length| {
            let stuffed = usize::from(octets.first() == Some(&b'.'));
            let after = stuffed.saturating_add(length);
            let behind = after.saturating_add(2);
            if room.len() < behind {
                return false;
            }
            if let (1, Some(dot)) = (stuffed, room.first_mut()) {
                *dot = b'.';
            }
            copy(octets, length, room.get_mut(stuffed..).unwrap_or(&mut []));
            if let Some(line) = room.get_mut(..after).filter(|_| mask_nul) {
                mask(line);
            }
            if let Some(end) = room.get_mut(after..).and_then(<[u8]>::first_chunk_mut) {
                *end = *b"\r\n";
            }
            written = written.saturating_add(behind);
            room = core::mem::take(&mut room).get_mut(behind..).unwrap_or(&mut []);
            true
        });
        Progress { read, written }
    }

    /// Completes the last line, adds the header separator if the rules ask for it, and writes the end line.
    ///
    /// At most 7 octets: CRLF, CRLF, `.` CRLF. Afterwards the encoder is used up; a second call writes nothing.
    ///
    /// # Errors
    ///
    /// [`Full`]: `out` has no room for all of it. Nothing was written or changed; make room and call again.
    ///
    /// # Source
    ///
    /// RFC 1939 section 3; rows R1939-3.7, R1939-3.11, PB-Q55.
    pub fn finish(&mut self, out: &mut (impl Sink + ?Sized)) -> Result<(), Full> {
        if self.finished {
            return Ok(());
        }
        let mut scan = self.scan.clone();
        let lines = scan.complete();
        let octets: &[u8] = match lines {
            0 => b".\r\n",
            1 => b"\r\n.\r\n",
            _ => b"\r\n\r\n.\r\n",
        };
        out.reserve(octets.len())?;
        out.put(octets);
        self.scan = scan;
        self.finished = true;
        Ok(())
    }

    /// How many octets the message has so far, as the client will count them: added line ends included, stuffed dots
    /// and the end line not. After [`finish`](Self::finish) it is the size of the message.
    ///
    /// Equals [`Measure::finish`](super::Measure::finish) over the same source and rules; where a size was announced,
    /// compare them before the end line goes out. Changes with [`encode`](Self::encode) and `finish` only.
    ///
    /// # Source
    ///
    /// RFC 1939 section 11; row R1939-5.6.
    pub const fn octets(&self) -> u64 {
        self.scan.octets()
    }
}

/// Copies the first `length` octets, and may copy others behind them to room that is not used yet: blocks of fixed
/// size are copied without a call, which for the usual line is what most of the time would go to.
#[inline]
fn copy(from: &[u8], length: usize, to: &mut [u8]) {
    const BLOCK: usize = 32;
    let whole = length.div_ceil(BLOCK).saturating_mul(BLOCK);
    if let (Some(from), Some(to), true) = (from.get(..whole), to.get_mut(..whole), whole <= 4 * BLOCK) {
        for (from, to) in from.chunks_exact(BLOCK).zip(to.chunks_exact_mut(BLOCK)) {
            to.copy_from_slice(from);
        }
    } else if let (Some(from), Some(to)) = (from.get(..length), to.get_mut(..length)) {
        to.copy_from_slice(from);
    }
}

/// Replaces each NUL.
fn mask(octets: &mut [u8]) {
    let mut rest = octets;
    while let Some(at) = memchr(0, rest) {
        let Some((nul, behind)) = rest.get_mut(at..).and_then(<[u8]>::split_first_mut) else { return };
        *nul = 0x80;
        rest = behind;
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{LINES, all_rules, canonical, cuts, encoded, strings, stuffed};
    use super::*;
    use std::{vec, vec::Vec};

    const PLAIN: BodyRules = BodyRules::new().with_add_header_separator(false);

    #[test]
    fn pb_s07_all_short_strings_at_every_output_size() {
        strings(LINES, 8, |message| {
            let expected = stuffed(&canonical(message, PLAIN));
            for room in 1..=8 {
                assert_eq!(encoded([message], room, PLAIN), expected, "{message:?} {room}");
            }
        });
    }

    #[test]
    fn pb_s07_all_short_strings_at_every_cut() {
        for rules in all_rules() {
            strings(LINES, 7, |message| {
                let expected = stuffed(&canonical(message, rules));
                cuts(message, |pieces| assert_eq!(encoded(pieces, 3, rules), expected, "{message:?}"));
            });
        }
    }

    #[test]
    fn r1939_3_7_lines_with_bare_lf_of_every_length_into_every_room() {
        // Each length twice: by itself, and with a dot and a NUL in it. The room is used up at every place of a line.
        let mut message = b"\n\n".to_vec();
        for length in 0..140 {
            message.extend(vec![b'x'; length]);
            message.extend(b"\n.");
            message.extend(vec![0; length]);
            message.extend(if length % 5 == 4 { &b"\r\n"[..] } else { b"\n" });
        }
        for rules in all_rules() {
            let expected = stuffed(&canonical(&message, rules));
            for room in 1..400 {
                assert!(encoded([&message[..]], room, rules) == expected, "{room} {rules:?}");
            }
        }
    }

    #[test]
    fn r1939_3_9_random_lines_in_random_pieces() {
        let mut seed = 0x2545_f491_4f6c_dd1d_u64;
        let mut random = |below: usize| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            (seed >> 33) as usize % below
        };
        for _ in 0..300 {
            let mut message = Vec::new();
            for _ in 0..random(40) {
                message.extend([&b""[..], b".", b"..", b"\r", b"\0."][random(5)]);
                message.resize(message.len() + random(130), b'x');
                message.extend([&b"\r\n"[..], b"\n", b"\r\n", b"\r", b"\r\r\n"][random(5)]);
            }
            for rules in all_rules() {
                let expected = stuffed(&canonical(&message, rules));
                let piece = 1 + random(400);
                let room = 1 + random(400);
                let wire = encoded(message.chunks(piece), room, rules);
                assert_eq!(wire, expected, "pieces of {piece} into {room}: {}", message.escape_ascii());
            }
        }
    }

    #[test]
    fn r1939_3_11_all_short_strings_at_every_place_of_a_block() {
        for offset in 0..=68 {
            let mut message = b"\r\na line\r\n".to_vec();
            message.resize(message.len() + offset, b'x');
            let start = message.len();
            strings(LINES, 4, |middle| {
                message.truncate(start);
                message.extend(middle);
                message.resize(message.len() + 68, b'y');
                let expected = stuffed(&canonical(&message, PLAIN));
                assert_eq!(encoded([&message[..]], 256, PLAIN), expected, "{offset} {middle:?}");
            });
        }
    }

    fn table(cases: &[(&[u8], &[u8])]) {
        for &(message, wire) in cases {
            assert_eq!(encoded([message], 64, PLAIN), wire, "{message:?}");
            cuts(message, |pieces| assert_eq!(encoded(pieces, 3, PLAIN), wire, "{message:?}"));
        }
    }

    #[test]
    fn pb_s08_first_octet_dot() {
        table(&[
            (b".", b"..\r\n.\r\n"),
            (b"..", b"...\r\n.\r\n"),
            (b".\r\n", b"..\r\n.\r\n"),
            (b".\r\n.", b"..\r\n..\r\n.\r\n"),
            (b".\n.\n", b"..\r\n..\r\n.\r\n"),
        ]);
    }

    #[test]
    fn pb_s09_lf_becomes_crlf_before_stuffing() {
        table(&[
            (b"a\n.\nb", b"a\r\n..\r\nb\r\n.\r\n"),
            (b"\r.\r", b"\r.\r\r\n.\r\n"),
            (b"a\r\n.b\n.c\r\n", b"a\r\n..b\r\n..c\r\n.\r\n"),
            (b"a\r\r\n.\n", b"a\r\r\n..\r\n.\r\n"),
            (b"a\n\r.\n", b"a\r\n\r.\r\n.\r\n"),
        ]);
    }

    #[test]
    fn pb_s10_missing_final_newline() {
        table(&[
            (b"", b".\r\n"),
            (b"a", b"a\r\n.\r\n"),
            (b"a\r", b"a\r\r\n.\r\n"),
            (b"a\r\n", b"a\r\n.\r\n"),
        ]);
    }

    #[test]
    fn r1939_3_11_crlf_stays_and_bare_cr_passes() {
        table(&[(b"a\r\nb\r\n", b"a\r\nb\r\n.\r\n"), (b"a\rb\n", b"a\rb\r\n.\r\n")]);
    }

    #[test]
    fn pb_q55_missing_header_separator_is_added_and_counted() {
        for (message, wire) in [
            (&b"A: b\r\n"[..], &b"A: b\r\n\r\n.\r\n"[..]),
            (b"A: b", b"A: b\r\n\r\n.\r\n"),
            (b"A: b\n\n", b"A: b\r\n\r\n.\r\n"),
            (b"A: b\r\n\r\n", b"A: b\r\n\r\n.\r\n"),
            (b"A: b\n\nc", b"A: b\r\n\r\nc\r\n.\r\n"),
            (b"\nc\n", b"\r\nc\r\n.\r\n"),
            (b"A: b\n\r", b"A: b\r\n\r\r\n\r\n.\r\n"),
            (b"", b"\r\n.\r\n"),
        ] {
            cuts(message, |pieces| assert_eq!(encoded(pieces, 3, BodyRules::default()), wire, "{message:?}"));
            let mut encoder = BodyEncoder::new(BodyRules::default());
            let progress = encoder.encode(message, &mut [0; 64]);
            assert_eq!(progress.read, message.len());
            encoder.finish(&mut &mut [0u8; 7][..]).unwrap();
            assert_eq!(encoder.octets(), wire.len() as u64 - 3, "{message:?}");
        }
    }

    #[test]
    fn pb_q54_nul_is_sent_as_0x80_only_when_asked() {
        let message = b"a\0b\0\0\n\0.\n";
        assert_eq!(encoded([&message[..]], 64, PLAIN), b"a\0b\0\0\r\n\0.\r\n.\r\n");
        cuts(message, |pieces| {
            let wire = encoded(pieces, 3, PLAIN.with_mask_nul(true));
            assert_eq!(wire, b"a\x80b\x80\x80\r\n\x80.\r\n.\r\n");
        });
    }

    #[test]
    fn r1939_3_7_output_is_filled_to_the_last_octet() {
        let message = vec![b'\n'; 100];
        let mut encoder = BodyEncoder::new(PLAIN);
        let mut out = [0u8; 7];
        assert_eq!(encoder.encode(&message, &mut out), Progress { read: 3, written: 7 });
        assert_eq!(&out, b"\r\n\r\n\r\n\r");
        assert_eq!(encoder.encode(&message[3..], &mut out), Progress { read: 4, written: 7 });
        assert_eq!(&out, b"\n\r\n\r\n\r\n");
        assert_eq!(encoder.encode(&message, &mut []), Progress { read: 0, written: 0 });
        assert_eq!(encoder.encode(b"", &mut out), Progress { read: 0, written: 0 });
    }

    #[test]
    fn pb_k08_finish_writes_all_or_nothing_and_once() {
        let mut encoder = BodyEncoder::new(BodyRules::default());
        let mut out = [0u8; 8];
        let progress = encoder.encode(b"a", &mut out);
        assert_eq!(progress, Progress { read: 1, written: 1 });
        for room in 0..7 {
            let mut small = &mut out[..room];
            assert_eq!(encoder.finish(&mut small), Err(Full { needed: 7 }));
            assert_eq!(small.len(), room);
            assert_eq!(encoder.octets(), 1);
        }
        let sink: &mut dyn Sink = &mut &mut out[..7];
        encoder.finish(sink).unwrap();
        assert_eq!(&out[..7], b"\r\n\r\n.\r\n");
        assert_eq!(encoder.octets(), 5);
        encoder.finish(&mut &mut [][..]).unwrap();
        assert_eq!(encoder.encode(b"b", &mut out), Progress { read: 0, written: 0 });
    }

    #[test]
    fn r1939_5_6_octets_leave_out_stuffed_dots() {
        let mut encoder = BodyEncoder::new(PLAIN);
        let progress = encoder.encode(b".\n..\n", &mut [0; 64]);
        assert_eq!(progress, Progress { read: 5, written: 9 });
        assert_eq!(encoder.octets(), 7);
    }
}
