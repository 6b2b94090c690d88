//! What the encoder and the measure share: where in a line the source stands, and what must be added there.

use super::encode::BodyRules;
use memchr::{memchr, memchr_iter};

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

    /// Takes whole lines that end in LF alone, behind another such line; returns how many octets. `put` is called with
    /// what begins with the line, and the line's length without the LF; it says whether there was room for it.
    ///
    /// One such line promises others, and to take them together is faster than one octet to be added at a time.
    pub(super) fn lines(&mut self, src: &[u8], mut put: impl FnMut(&[u8], usize) -> bool) -> usize {
        let mut taken = 0usize;
        if self.place != Place::Start || self.wants_separator {
            return taken;
        }
        let mut octets = 0usize;
        for lf in memchr_iter(b'\n', src) {
            let length = lf.saturating_sub(taken);
            let after_cr = lf.checked_sub(1).and_then(|before| src.get(before)) == Some(&b'\r');
            if after_cr || !put(src.get(taken..).unwrap_or(&[]), length) {
                break;
            }
            octets = octets.saturating_add(length).saturating_add(2);
            taken = lf.saturating_add(1);
        }
        self.octets = self.octets.saturating_add(u64::try_from(octets).unwrap_or(u64::MAX));
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
    use super::super::tests::{LINES, strings};
    use super::*;
    use std::vec::Vec;

    /// Octet by octet: the first one is plain.
    fn plain_run_by_octets(src: &[u8]) -> usize {
        let special = |pair: &[u8]| matches!(pair, [b'\n', b'.']) || (pair[1] == b'\n' && pair[0] != b'\r');
        src.windows(2).position(special).map_or(src.len(), |at| at + 1)
    }

    #[test]
    fn r1939_3_11_a_run_goes_as_far_as_nothing_is_to_be_added() {
        strings(LINES, 7, |src| {
            assert_eq!(plain_run(src), plain_run_by_octets(src), "{}", src.escape_ascii())
        });
        // Behind a line of its own, so that whole blocks are looked at, with each special octet at each place.
        for ending in [&b"\n"[..], b"\r\n", b"\r\n.", b"\r", b"."] {
            for at in 0..200 {
                let src = [b"a line\r\n", &[b'x'; 200][..at], ending, &[b'y'; 200]].concat();
                assert_eq!(plain_run(&src), plain_run_by_octets(&src), "{} at {at}", ending.escape_ascii());
            }
        }
    }

    #[test]
    fn r1939_3_11_whole_blocks_are_plain_up_to_the_one_with_something_to_add() {
        // Blocks of 64 behind the octet before them, as long as there is one more octet behind.
        for (octets, taken) in [(0, 0), (65, 0), (66, 64), (129, 64), (130, 128), (200, 192)] {
            assert_eq!(
                plain_blocks(&Vec::from_iter(core::iter::repeat_n(b'x', octets)), 1),
                taken,
                "{octets}"
            );
        }
        for at in 1..190 {
            let put = |ending: &[u8]| {
                let mut src = [b'x'; 200];
                src[at..at + ending.len()].copy_from_slice(ending);
                plain_blocks(&src, 1)
            };
            // The LF counts for its block, whether CR is missing before it or a dot behind it is to be stuffed.
            assert_eq!(put(b"\n"), (at - 1) / 64 * 64, "{at}");
            assert_eq!(put(b"\r\n."), at / 64 * 64, "{at}");
            assert_eq!(put(b"\r\n"), 192, "{at}");
            assert_eq!(put(b"."), 192, "{at}");
        }
        assert_eq!(plain_blocks(&[b'x'; 200], 100), 64);
        assert_eq!(plain_blocks(b"x", 0), 0);
    }

    #[test]
    fn r1939_3_11_whole_lines_that_end_in_lf_alone_are_taken_together() {
        let start = Scan::new(BodyRules::new().with_add_header_separator(false));
        let lines = |scan: &Scan, src: &[u8], room: usize| {
            let (mut scan, mut put) = (scan.clone(), Vec::new());
            let taken = scan.lines(src, |octets, length| {
                let fits = put.len() < room;
                put.extend(fits.then(|| octets[..length].to_vec()));
                fits
            });
            (taken, put.join(&b'|'), scan.octets())
        };
        // What was taken, the lines, and their octets with CRLF.
        assert_eq!(lines(&start, b"a\n\nbc\nd", 9), (6, b"a||bc".to_vec(), 9));
        assert_eq!(lines(&start, b"a\nb\r\nc\n", 9), (2, b"a".to_vec(), 3));
        assert_eq!(lines(&start, b"a\nb\nc\n", 2), (4, b"a|b".to_vec(), 6));
        assert_eq!(lines(&start, b"a", 9), (0, Vec::new(), 0));
        // Not within a line, and not while an empty line is looked for.
        let mut within = start;
        within.run(b"x");
        assert_eq!(lines(&within, b"a\nb\n", 9), (0, Vec::new(), 1));
        assert_eq!(lines(&Scan::new(BodyRules::new()), b"a\nb\n", 9), (0, Vec::new(), 0));
    }
}
