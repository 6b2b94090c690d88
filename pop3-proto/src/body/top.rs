//! The cut of `TOP`: headers, the empty line, then so many lines of the body (RFC 1939 section 7).
//!
//! It works on stored octets, before they are encoded, so that `TOP` and `RETR` share one encoder.

use super::encode::Place;
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
