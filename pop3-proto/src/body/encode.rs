//! From the store to the wire: CRLF line ends, byte-stuffing, the end line (RFC 1939 section 3).
//!
//! The state is the place in the line, kept over chunks; it starts at a line start, so that a dot that is the first
//! octet of a message is stuffed too (row PB-S08). Octets are added, never held back: an added CR or dot is written
//! and moves the state so that the octet it precedes is plain. That is why a call may stop between any two octets.

use crate::{Full, Sink};
use memchr::{memchr, memchr_iter};

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
        self.scan.octets
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

/// The place in a line of source octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Before the first octet of a line.
    Start,
    /// The line holds one CR and nothing else.
    LoneCr,
    /// The last octet is not CR.
    Text,
    /// The last octet is CR, and others are before it.
    Cr,
}

impl Place {
    /// The place after further octets of the same line, among which is no LF.
    pub(super) fn after(self, octets: &[u8]) -> Self {
        match octets.split_last() {
            None => self,
            Some((b'\r', [])) if self == Self::Start => Self::LoneCr,
            Some((b'\r', _)) => Self::Cr,
            Some(_) => Self::Text,
        }
    }

    /// Whether an LF here ends an empty line.
    pub(super) const fn is_blank(self) -> bool {
        matches!(self, Self::Start | Self::LoneCr)
    }

    /// Whether an LF here is the second half of CRLF.
    const fn is_after_cr(self) -> bool {
        matches!(self, Self::LoneCr | Self::Cr)
    }
}

/// Finds out what stays and what is added, and counts: all of the encoder but the copying.
#[derive(Clone, Debug)]
pub(super) struct Scan {
    place: Place,
    /// Whether an empty line at the end is still wanted.
    wants_separator: bool,
    /// Message octets so far.
    octets: u64,
}

impl Scan {
    pub(super) const fn new(rules: BodyRules) -> Self {
        Self { place: Place::Start, wants_separator: rules.add_header_separator, octets: 0 }
    }

    /// The octet that must be added before `next`, if any. Afterwards `next` is plain.
    pub(super) fn insertion(&mut self, next: u8) -> Option<u8> {
        match (self.place, next) {
            (Place::Start, b'.') => {
                self.place = Place::Text;
                Some(b'.')
            }
            (Place::Start | Place::Text, b'\n') => {
                self.place = self.place.after(b"\r");
                self.octets = self.octets.saturating_add(1);
                Some(b'\r')
            }
            _ => None,
        }
    }

    /// Takes the one octet before which something was added.
    pub(super) fn take(&mut self, octet: u8) {
        if octet == b'\n' {
            self.wants_separator &= !self.place.is_blank();
            self.place = Place::Start;
        }
        self.octets = self.octets.saturating_add(1);
    }

    /// Takes octets that need nothing added between them; returns how many. The first one is known to be plain, so
    /// it is one at least.
    pub(super) fn run(&mut self, src: &[u8]) -> usize {
        let taken = if self.wants_separator {
            self.header_run(src)
        } else {
            let taken = plain_run(src);
            // Empty lines do not matter any more, and all else is told by the last octet.
            self.place = match src.get(..taken).and_then(<[u8]>::last) {
                None => self.place,
                Some(b'\n') => Place::Start,
                Some(b'\r') => Place::Cr,
                Some(_) => Place::Text,
            };
            taken
        };
        self.octets = self.octets.saturating_add(u64::try_from(taken).unwrap_or(u64::MAX));
        taken
    }

    /// Like [`plain_run`], but looks for an empty line and stops behind it.
    fn header_run(&mut self, src: &[u8]) -> usize {
        let mut line_start = 0usize;
        for lf in memchr_iter(b'\n', src) {
            self.place = self.place.after(src.get(line_start..lf).unwrap_or(&[]));
            if !self.place.is_after_cr() {
                return lf;
            }
            self.wants_separator = !self.place.is_blank();
            self.place = Place::Start;
            line_start = lf.saturating_add(1);
            if !self.wants_separator || src.get(line_start) == Some(&b'.') {
                return line_start;
            }
        }
        self.place = self.place.after(src.get(line_start..).unwrap_or(&[]));
        src.len()
    }

    /// Ends the message: counts the line ends that are missing and returns how many, 0 to 2.
    pub(super) fn complete(&mut self) -> u8 {
        let unended = u8::from(self.place != Place::Start);
        let lines = unended.saturating_add(u8::from(self.wants_separator));
        self.place = Place::Start;
        self.wants_separator = false;
        self.octets = self.octets.saturating_add(u64::from(lines).saturating_mul(2));
        lines
    }

    pub(super) const fn octets(&self) -> u64 {
        self.octets
    }
}

/// How many octets need nothing added between them, if the first one is plain: up to an LF without CR, or up to a dot
/// behind an LF.
fn plain_run(src: &[u8]) -> usize {
    let mut at = 0usize;
    if src.first() == Some(&b'\n') {
        if src.get(1) == Some(&b'.') {
            return 1;
        }
        at = 1;
    }
    loop {
        let Some(found) = src.get(at..).and_then(|rest| memchr(b'\n', rest)) else { return src.len() };
        let lf = at.saturating_add(found);
        if lf.checked_sub(1).and_then(|before| src.get(before)) != Some(&b'\r') {
            return lf;
        }
        at = lf.saturating_add(1);
        if src.get(at) == Some(&b'.') {
            return at;
        }
        // One line that ends in CRLF promises others.
        at = at.saturating_add(plain_blocks(src, at));
    }
}

/// How many octets of `src` from `at` on are plain, in whole blocks; the octet before `at` must be known.
///
/// It asks the question of [`plain_run`] of each octet and both its neighbours. That is more work than to search for
/// line ends, but it has no branch inside a block, so the compiler makes vector instructions of it.
fn plain_blocks(src: &[u8], at: usize) -> usize {
    const BLOCK: usize = 64;
    let mut taken = 0usize;
    let Some(mut rest) = at.checked_sub(1).and_then(|before| src.get(before..)) else { return 0 };
    while let Some(window) = rest.first_chunk::<{ BLOCK + 2 }>() {
        let octets = window.iter().zip(window.iter().skip(1)).zip(window.iter().skip(2));
        let special = octets.fold(false, |special, ((&before, &octet), &behind)| {
            special | ((octet == b'\n') & ((before != b'\r') | (behind == b'.')))
        });
        if special {
            break;
        }
        taken = taken.saturating_add(BLOCK);
        rest = rest.get(BLOCK..).unwrap_or(&[]);
    }
    taken
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
