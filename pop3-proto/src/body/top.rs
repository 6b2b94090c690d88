//! The cut of `TOP`: headers, the empty line, then so many lines of the body (RFC 1939 section 7).
//!
//! It works on stored octets, before they are encoded, so that `TOP` and `RETR` share one encoder.

use super::scan::Place;
use memchr::memchr_iter;

/// Passes the part of a message that `TOP` shows.
///
/// Give it the stored octets in pieces of any size with [`take`](Self::take) and what it returns to a
/// [`BodyEncoder`](super::BodyEncoder), until it is done or the message ends; then finish the encoder.
///
/// Lines end at LF or CRLF. The headers end at the first line that is empty; a message without one is all header, and
/// passes whole.
///
/// # Source
///
/// RFC 1939 section 7 (TOP); rows R1939-7.1, PB-S04, PB-S05.
#[derive(Clone, Debug)]
pub struct TopFilter {
    part: Part,
    /// Body lines still to pass.
    lines: u64,
}

#[derive(Clone, Copy, Debug)]
enum Part {
    /// In the headers, at this place of a line.
    Headers(Place),
    /// Behind the empty line.
    Body,
}

impl TopFilter {
    /// A filter for the headers and `lines` lines of the body. Any number is right: more lines than the message has
    /// pass all of it.
    pub const fn new(lines: u64) -> Self {
        Self { part: Part::Headers(Place::Start), lines }
    }

    /// Returns the first octets of `src` that belong to the cut, and whether the cut is complete.
    ///
    /// When it is complete nothing more will be taken, and the rest of the message need not be read. Otherwise all of
    /// `src` was taken. Cut after the last line the message has, it is not complete but the message is at its end.
    pub fn take<'i>(&mut self, src: &'i [u8]) -> (&'i [u8], bool) {
        let mut from = 0usize;
        if let Part::Headers(place) = self.part {
            match end_of_headers(place, src) {
                Ok(end) => {
                    self.part = Part::Body;
                    from = end;
                }
                Err(place) => {
                    self.part = Part::Headers(place);
                    return (src, false);
                }
            }
        }
        let body = src.get(from..).unwrap_or(&[]);
        let most = u64::try_from(body.len()).unwrap_or(u64::MAX);
        if self.lines > most {
            // No cut in here: only the number of lines matters.
            let lines = memchr_iter(b'\n', body).count();
            self.lines = self.lines.saturating_sub(u64::try_from(lines).unwrap_or(u64::MAX));
            return (src, false);
        }
        let mut ends = memchr_iter(b'\n', body);
        let mut taken = 0usize;
        while self.lines > 0 {
            let Some(lf) = ends.next() else { return (src, false) };
            self.lines = self.lines.saturating_sub(1);
            taken = lf.saturating_add(1);
        }
        (src.get(..from.saturating_add(taken)).unwrap_or(src), true)
    }
}

/// Where in `src` the first empty line ends, or the place in the line at its end.
fn end_of_headers(mut place: Place, src: &[u8]) -> Result<usize, Place> {
    let mut line_start = 0usize;
    for lf in memchr_iter(b'\n', src) {
        let blank = place.after(src.get(line_start..lf).unwrap_or(&[])).is_blank();
        line_start = lf.saturating_add(1);
        place = Place::Start;
        if blank {
            return Ok(line_start);
        }
    }
    Err(place.after(src.get(line_start..).unwrap_or(&[])))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{LINES, cuts, strings};
    use super::*;
    use std::vec::Vec;

    /// The lines of a message, each with its line end; the cut is behind the first empty one and `k` more.
    fn reference(message: &[u8], k: u64) -> (Vec<u8>, bool) {
        let mut out = Vec::new();
        let mut left = None;
        for line in message.split_inclusive(|&b| b == b'\n') {
            if left == Some(0) {
                break;
            }
            out.extend(line);
            left = match left {
                None if line == b"\n" || line == b"\r\n" => Some(k),
                Some(left) if line.ends_with(b"\n") => Some(left - 1),
                left => left,
            };
        }
        (out, left == Some(0))
    }

    fn run<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, k: u64) -> (Vec<u8>, bool) {
        let mut filter = TopFilter::new(k);
        let (mut out, mut done) = (Vec::new(), false);
        for piece in pieces {
            let (taken, now_done) = filter.take(piece);
            assert!(now_done || taken == piece);
            assert!(!done || (now_done && taken.is_empty()), "taken after the end");
            assert!(piece.starts_with(taken));
            out.extend(taken);
            done = now_done;
        }
        (out, done)
    }

    #[test]
    fn pb_s04_all_short_strings_for_every_k_at_every_cut() {
        strings(LINES, 7, |message| {
            for k in (0..=message.len() as u64).chain([u64::MAX]) {
                let expected = reference(message, k);
                cuts(message, |pieces| assert_eq!(run(pieces, k), expected, "{message:?} {k}"));
            }
        });
    }

    #[test]
    fn pb_s04_deep_strings_of_line_ends() {
        strings(b"\r\n", 11, |message| {
            for k in 0..=message.len() as u64 {
                let expected = reference(message, k);
                cuts(message, |pieces| assert_eq!(run(pieces, k), expected, "{message:?} {k}"));
            }
        });
    }

    #[test]
    fn r1939_7_1_headers_blank_line_and_k_body_lines() {
        let message = b"A: b\r\nC: d\n\r\none\r\n\r\nthree\nfour";
        for (k, end, done) in [
            (0, 13, true),
            (1, 18, true),
            (2, 20, true),
            (3, 26, true),
            (4, 30, false), // the last line has no end, so a further octet would belong to it
            (5, 30, false),
            (99_999_999, 30, false),
            (4_294_967_296, 30, false),
        ] {
            cuts(message, |pieces| assert_eq!(run(pieces, k), (message[..end].into(), done), "{k}"));
        }
    }

    #[test]
    fn pb_s05_a_message_without_body_is_all_header() {
        for message in [&b"A: b\r\nC: d\r\n"[..], b"A: b", b"A: b\r\n\r", b"\r\r\n", b" \n", b""] {
            cuts(message, |pieces| assert_eq!(run(pieces, 0), (message.into(), false), "{message:?}"));
        }
        assert_eq!(run([&b"A: b\r\n\r\n"[..]], 0), (b"A: b\r\n\r\n".into(), true));
    }

    #[test]
    fn pb_q57_counts_beyond_the_message_pass_all_of_it() {
        let message = b"A: b\n\none\ntwo\n";
        for k in [3, 99_999_999, u64::from(u32::MAX) + 1, u64::MAX] {
            cuts(message, |pieces| assert_eq!(run(pieces, k), (message.into(), false)));
        }
    }
}
