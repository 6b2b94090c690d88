//! Framing: finding the end of a line under a hard limit.
//!
//! Framing never depends on parsing: a line ends at CRLF, whatever it holds, so a line that does not parse cannot shift
//! the next one. The search resumes where it stopped, so that input in one-octet pieces costs no more than the octets
//! (R1939-3.9, PB-C34, PB-K01). The limit is checked while scanning, not when the line is complete (PB-K10).
//! Allocates nothing, never panics.

use memchr::memchr;

/// Finds lines at the front of the caller's unread input.
#[derive(Clone, Debug, Default)]
pub(crate) struct Framer {
    /// Octets of the unread input that are known to hold no line end.
    scanned: usize,
    /// Octets of an over-long line thrown away so far; `None` when no line is being thrown away.
    discarded: Option<usize>,
    /// The last octet thrown away was a CR.
    discarded_cr: bool,
    /// LF alone ends a line too (PB-Q01, PB-Q53).
    lenient_lf: bool,
    /// How many octets were ever looked at.
    #[cfg(test)]
    searched: usize,
}

/// What stands at the front of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Frame<'i> {
    /// A line without its line end, and how many octets it takes with it.
    Line(&'i [u8], usize),
    /// No line end yet. So many octets were thrown away and must be dropped by the caller.
    Incomplete(usize),
    /// The end of a line that was over the limit and has been thrown away, and how many octets to drop.
    TooLong(usize),
}

/// The line is over its limit, or what was thrown away of it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OverLimit;

impl Framer {
    pub(crate) const fn new(lenient_lf: bool) -> Self {
        Self {
            scanned: 0,
            discarded: None,
            discarded_cr: false,
            lenient_lf,
            #[cfg(test)]
            searched: 0,
        }
    }

    /// Takes a line of at most `limit` octets, CRLF included; a longer one is an error.
    pub(crate) fn take<'i>(&mut self, input: &'i [u8], limit: usize) -> Result<Frame<'i>, OverLimit> {
        let window = input.get(..input.len().min(limit)).unwrap_or(input);
        match self.find(window) {
            Some((line, end)) => {
                self.scanned = 0;
                Ok(Frame::Line(line, end))
            }
            None if input.len() >= limit => Err(OverLimit),
            None => Ok(Frame::Incomplete(0)),
        }
    }

    /// As [`take`](Self::take), but throws a longer line away up to its line end, or `discard` octets (R2449-4.1).
    pub(crate) fn take_or_discard<'i>(
        &mut self,
        input: &'i [u8],
        limit: usize,
        discard: usize,
    ) -> Result<Frame<'i>, OverLimit> {
        if self.discarded.is_none() {
            match self.take(input, limit) {
                Ok(frame) => return Ok(frame),
                Err(OverLimit) => {
                    self.discarded = Some(0);
                    self.discarded_cr = false;
                    self.scanned = 0;
                }
            }
        }
        let so_far = self.discarded.unwrap_or(0);
        let window = input.get(..input.len().min(discard.saturating_sub(so_far))).unwrap_or(input);
        if self.discarded_cr && window.first() == Some(&b'\n') {
            self.discarded = None;
            return Ok(Frame::TooLong(1));
        }
        let end = self.find(window).map(|(_, end)| end);
        self.scanned = 0;
        if let Some(end) = end {
            self.discarded = None;
            return Ok(Frame::TooLong(end));
        }
        let total = so_far.saturating_add(window.len());
        if total >= discard {
            return Err(OverLimit);
        }
        self.discarded = Some(total);
        self.discarded_cr = window.last().map_or(self.discarded_cr, |&b| b == b'\r');
        Ok(Frame::Incomplete(window.len()))
    }

    /// Whether part of a line has been seen, also one whose octets were dropped.
    pub(crate) const fn is_mid_line(&self) -> bool {
        self.scanned > 0 || self.discarded.is_some()
    }

    /// The first line end in `window`; remembers how far it looked.
    fn find<'i>(&mut self, window: &'i [u8]) -> Option<(&'i [u8], usize)> {
        // The octet before `scanned` may be the CR of a CRLF that was cut: looking back is enough, no octet is
        // searched twice.
        let mut from = self.scanned.min(window.len());
        loop {
            let tail = window.get(from..).unwrap_or(&[]);
            let found = memchr(b'\n', tail);
            #[cfg(test)]
            {
                self.searched += found.map_or(tail.len(), |at| at + 1);
            }
            let Some(at) = found else { break };
            let lf = from.saturating_add(at);
            let end = lf.saturating_add(1);
            let head = window.get(..lf).unwrap_or(&[]);
            if let Some(line) = head.strip_suffix(b"\r") {
                return Some((line, end));
            }
            if self.lenient_lf {
                return Some((head, end));
            }
            from = end;
        }
        self.scanned = window.len();
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn all_lines(framer: &mut Framer, input: &[u8], step: usize) -> Vec<Vec<u8>> {
        let (mut lines, mut start, mut end) = (Vec::new(), 0, 0);
        loop {
            match framer.take(&input[start..end], 1000).unwrap() {
                Frame::Line(line, n) => {
                    lines.push(line.to_vec());
                    start += n;
                }
                _ if end == input.len() => return lines,
                _ => end = (end + step).min(input.len()),
            }
        }
    }

    #[test]
    fn r1939_3_9_pb_k01_lines_do_not_depend_on_cuts() {
        let input = b"USER a\r\n\r\nb\nare\rcr\r\r\nlast\r\n";
        let want: Vec<&[u8]> = [&b"USER a"[..], b"", b"b\nare\rcr\r", b"last"].to_vec();
        for step in 1..=input.len() {
            assert_eq!(all_lines(&mut Framer::new(false), input, step), want, "step {step}");
        }
    }

    #[test]
    fn pb_k09_only_crlf_ends_a_line() {
        // Every string of up to eight octets over the alphabet, against splitting at the first CRLF.
        let alphabet = b"\r\na";
        for length in 0..=8u32 {
            for code in 0..3usize.pow(length) {
                let text: Vec<u8> = (0..length).map(|i| alphabet[code / 3usize.pow(i) % 3]).collect();
                let want = text.windows(2).position(|w| w == b"\r\n");
                match Framer::new(false).take(&text, 100).unwrap() {
                    Frame::Line(line, n) => assert_eq!((Some(line.len()), n), (want, line.len() + 2)),
                    other => assert_eq!((other, want), (Frame::Incomplete(0), None)),
                }
            }
        }
    }

    #[test]
    fn pb_k10_the_limit_counts_the_crlf_and_needs_no_line_end() {
        let mut framer = Framer::new(false);
        assert_eq!(framer.take(b"1234\r\n", 6), Ok(Frame::Line(b"1234", 6)));
        assert_eq!(framer.take(b"12345\r\n", 6), Err(OverLimit));
        assert_eq!(Framer::new(false).take(b"123456", 6), Err(OverLimit));
        assert_eq!(Framer::new(false).take(b"12345", 6), Ok(Frame::Incomplete(0)));
    }

    #[test]
    fn r2449_4_1_pb_s18_an_over_long_line_is_thrown_away_to_its_end() {
        for length in [254usize, 255, 256, 512, 600] {
            let mut input = Vec::new();
            input.resize(length, b'x');
            input.extend_from_slice(b"\r\nNOOP\r\n");
            for step in 1..=input.len() {
                let mut framer = Framer::new(false);
                let (mut start, mut end, mut seen) = (0, 0, Vec::new());
                while seen.len() < 2 {
                    match framer.take_or_discard(&input[start..end], 256, 4096).unwrap() {
                        Frame::Line(line, n) => {
                            seen.push(line.len());
                            start += n;
                        }
                        Frame::TooLong(n) => {
                            seen.push(usize::MAX);
                            start += n;
                        }
                        Frame::Incomplete(n) => {
                            start += n;
                            end = (end + step).min(input.len());
                        }
                    }
                }
                let first = if length + 2 <= 256 { length } else { usize::MAX };
                assert_eq!(seen, [first, 4], "length {length}, step {step}");
            }
        }
    }

    #[test]
    fn r2449_4_1_pb_s19_a_cr_or_lf_alone_does_not_end_a_line_that_is_thrown_away() {
        let input = b"0123456789\rDELE 1\nDELE 2\r\r\nNOOP\r\n";
        for step in 1..=input.len() {
            let mut framer = Framer::new(false);
            let (mut start, mut end, mut seen) = (0, 0, Vec::new());
            while seen.len() < 2 {
                let frame = framer.take_or_discard(&input[start..end], 8, 4096).unwrap();
                start += match frame {
                    Frame::Line(_, octets) | Frame::TooLong(octets) | Frame::Incomplete(octets) => octets,
                };
                match frame {
                    Frame::Line(line, _) => seen.push((line.to_vec(), start)),
                    Frame::TooLong(_) => seen.push((b"too long".to_vec(), start)),
                    Frame::Incomplete(_) => end = (end + step).min(input.len()),
                }
            }
            assert_eq!(seen, [(b"too long".to_vec(), 27), (b"NOOP".to_vec(), 33)], "step {step}");
        }
    }

    #[test]
    fn r10_an_endless_line_ends_at_the_cap() {
        let mut framer = Framer::new(false);
        let chunk = [b'x'; 512];
        let mut thrown = 0;
        loop {
            match framer.take_or_discard(&chunk, 256, 65_536) {
                Ok(Frame::Incomplete(n)) => thrown += n,
                Err(OverLimit) => break,
                other => panic!("{other:?}"),
            }
        }
        assert!(thrown < 65_536);
    }

    #[test]
    fn pb_q53_lenient_lf_ends_a_line_at_lf() {
        let mut framer = Framer::new(true);
        assert_eq!(framer.take(b"STAT\nLIST\r\n", 100), Ok(Frame::Line(b"STAT", 5)));
        assert_eq!(framer.take(b"LIST\r\n", 100), Ok(Frame::Line(b"LIST", 6)));
    }

    #[test]
    fn pb_c34_one_octet_pieces_are_scanned_once() {
        // 100,000 octets without a line end, offered one more at a time: none is looked at twice.
        let input = Vec::from_iter(core::iter::repeat_n(b'x', 100_000));
        let mut framer = Framer::new(false);
        for end in 0..input.len() {
            assert_eq!(framer.take(&input[..end], usize::MAX), Ok(Frame::Incomplete(0)));
            assert_eq!((framer.scanned, framer.searched), (end, end));
        }
    }
}
