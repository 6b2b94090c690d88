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

use memchr::memmem;

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
    /// A chunk runs to the next line that begins with a dot or to the end of `input`, whichever is first. The time
    /// is linear in the octets taken, however they are cut. Nothing is ever refused: every octet but the stuffing
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

    /// The first octets of `rest` up to the next dot that begins a line. The first octet is known to be none.
    fn run<'i>(&mut self, rest: &'i [u8]) -> &'i [u8] {
        let line_end: &[u8] = if self.lenient_lf { b"\n" } else { b"\r\n" };
        // The only dot that the search below cannot see: its CR was in the input before.
        let length = if self.at == At::Cr && rest.starts_with(b"\n.") {
            Some(1)
        } else if self.lenient_lf {
            memmem::find(rest, b"\n.").map(|at| at.saturating_add(1))
        } else {
            memmem::find(rest, b"\r\n.").map(|at| at.saturating_add(2))
        };
        let run = length.and_then(|n| rest.get(..n)).unwrap_or(rest);
        self.at = if run.ends_with(line_end) || (self.at == At::Cr && run == b"\n") {
            At::LineStart
        } else if run.last() == Some(&b'\r') {
            At::Cr
        } else {
            At::Text
        };
        run
    }
}

impl Default for BodyDecoder {
    fn default() -> Self {
        Self::new()
    }
}
