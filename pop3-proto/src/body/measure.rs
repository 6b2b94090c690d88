//! The size of a message, without sending it (RFC 1939 sections 5 and 11).
//!
//! It runs the scanner of the encoder, so the two cannot disagree.

use super::encode::BodyRules;
use super::scan::Scan;

/// Counts the octets that a client will count when it receives the message.
///
/// Give it the stored octets in pieces of any size with [`update`](Self::update), then call
/// [`finish`](Self::finish).
///
/// # Source
///
/// RFC 1939 section 11; rows R1939-5.6, PB-S10, PB-S11.
#[derive(Clone, Debug)]
pub struct Measure {
    scan: Scan,
}

impl Measure {
    /// Starts at 0. The rules must be those of the [`BodyEncoder`](super::BodyEncoder) that will send the message.
    pub const fn new(rules: BodyRules) -> Self {
        Self { scan: Scan::new(rules) }
    }

    /// The size of a message that is in memory whole: [`new`](Self::new), [`update`](Self::update) and
    /// [`finish`](Self::finish) in one.
    #[must_use]
    pub fn of(stored: &[u8], rules: BodyRules) -> u64 {
        let mut measure = Self::new(rules);
        measure.update(stored);
        measure.finish()
    }

    /// Counts the next stored octets.
    pub fn update(&mut self, src: &[u8]) {
        let mut rest = src;
        while let Some(&next) = rest.first() {
            let taken = if self.scan.insertion(next).is_some() {
                self.scan.take(next);
                let behind = rest.get(1..).unwrap_or(&[]);
                self.scan.lines(behind, |_, _| true).saturating_add(1)
            } else {
                self.scan.run(rest)
            };
            rest = rest.get(taken..).unwrap_or(&[]);
        }
    }

    /// The size in octets: that of the message as `RETR` delivers it, with each line end counted as two octets.
    /// Stuffed dots and the end line are not counted.
    #[must_use]
    pub fn finish(mut self) -> u64 {
        self.scan.complete();
        self.scan.octets()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{LINES, all_rules, canonical, cuts, strings};
    use super::*;
    use std::vec;

    fn measured<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, rules: BodyRules) -> u64 {
        let mut measure = Measure::new(rules);
        for piece in pieces {
            measure.update(piece);
        }
        measure.finish()
    }

    #[test]
    fn r1939_5_6_all_short_strings_at_every_cut() {
        for rules in all_rules() {
            strings(LINES, 7, |message| {
                let expected = canonical(message, rules).len() as u64;
                cuts(message, |pieces| {
                    assert_eq!(measured(pieces, rules), expected, "{message:?} {rules:?}")
                });
            });
        }
    }

    #[test]
    fn r1939_5_6_line_ends_count_two_octets_and_dots_one() {
        let rules = BodyRules::new();
        for (message, octets) in [
            (&b"From: b@example.net\nSubject: dots\n\n.\n..two\n.hidden\nend\n"[..], 62),
            (b"From: b@example.net\r\nSubject: dots\r\n\r\n.\r\n..two\r\n.hidden\r\nend\r\n", 62),
            (b"A: b\n\n.", 6 + 2 + 3),
        ] {
            assert_eq!(measured([message], rules), octets);
        }
    }

    #[test]
    fn pb_s10_missing_final_newline_is_counted() {
        let rules = BodyRules::new();
        assert_eq!(measured([&b"\na"[..]], rules), measured([&b"\na\r\n"[..]], rules));
        assert_eq!(measured([&b"\na\r"[..]], rules), 6);
    }

    #[test]
    fn pb_s11_pb_k17_sizes_beyond_32_bits() {
        let line = [&[b'x'; (1 << 16) - 2][..], b"\r\n"].concat();
        for power in [31, 32, 33] {
            let mut measure = Measure::new(BodyRules::new());
            for _ in 0..1u64 << (power - 16) {
                measure.update(&line);
            }
            measure.update(b"\n");
            assert_eq!(measure.finish(), (1 << power) + 2);
        }
    }

    #[test]
    fn r1939_3_9_two_megabytes_in_single_octets() {
        let message = vec![b'\n'; 2 << 20];
        assert_eq!(measured(message.chunks(1), BodyRules::new()), 4 << 20);
    }
}
