//! Surrogates of messages that need UTF-8 mode, for clients that have not asked for it (RFC 6858, RFC 6856 section 2).
//!
//! [`Surrogate`] takes the octets of a stored message and gives those of its surrogate, a header field at a time. A field
//! of ASCII passes octet by octet. Of the others:
//!
//! | field | becomes |
//! |---|---|
//! | Bcc Cc From Reply-To Sender To, Resent- of these | names encoded (RFC 2047), addresses that are not ASCII replaced by one that cannot exist |
//! | Return-Path | the same, without a name |
//! | Subject | encoded (RFC 2047) |
//! | Content-Type Content-Disposition | the same without the parameters that are not ASCII; dropped if the value is not |
//! | any other, and what is no field | dropped |
//!
//! The address that cannot exist is `invalid@internationalized-address.invalid`; without a name of its own it gets the
//! address that it stands for as its name. Text that is no UTF-8 is encoded as charset `unknown-8bit`. A signature over the
//! header breaks, and is left as it is (RFC 6858 section 3).
//!
//! The header ends at the first empty line, as for `TOP`. What follows passes octet by octet, 8-bit text included
//! (R6856-2.4), but for the headers of parts and of messages within the message, which are treated as its own is.
//!
//! A field of over [`FIELD_OCTETS`] is not held: if the part that fits is ASCII the field passes with `?` for each octet
//! that is not, otherwise it is dropped. No header can so make memory grow, and whatever it holds, what comes out is
//! ASCII.

mod check;
mod generate;
mod structure;

pub use check::HeaderCheck;

use core::fmt;

use super::Progress;
use generate::{Out, generate};
use memchr::memchr;
use structure::{DELIMITER_OCTETS, Structure};

/// The longest header field that is rewritten, in octets with its line ends.
pub const FIELD_OCTETS: usize = 16 * 1024;

/// Turns the octets of a message into those of its surrogate.
///
/// Give it the stored octets in pieces of any size with [`encode`](Self::encode), and call [`finish`](Self::finish) at the
/// end. What comes out is a stored message like any other: `TOP` counts its lines, `LIST` tells its size (R6858-4.1). Line
/// ends are those of the message, and CRLF in rewritten fields. Any split of the input and any size of room give the same
/// output; a message whose header is ASCII comes out as it went in.
///
/// It allocates nothing. Rewriting a field costs time for each room that it fills, so give it 512 octets or more.
///
/// ```
/// use pop3_proto::body::{FIELD_OCTETS, Surrogate};
///
/// let mut surrogate = Surrogate::new(vec![0; FIELD_OCTETS]);
/// let (mut source, mut room, mut sent) = ("Subject: Grüße\n\nHallo.\n".as_bytes(), [0; 512], Vec::new());
/// while !source.is_empty() {
///     let progress = surrogate.encode(source, &mut room);
///     sent.extend_from_slice(&room[..progress.written]);
///     source = &source[progress.read..];
/// }
/// loop {
///     let written = surrogate.finish(&mut room);
///     sent.extend_from_slice(&room[..written]);
///     if written == 0 {
///         break;
///     }
/// }
/// assert_eq!(sent, b"Subject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?=\r\n\nHallo.\n");
/// ```
///
/// # Source
///
/// RFC 6858 section 2, RFC 2047; rows R6858-2.1, R6858-2.2, R6856-2.3.
#[derive(Clone)]
pub struct Surrogate<B> {
    field: B,
    /// Octets of the field that are held.
    held: usize,
    /// All of them are ASCII.
    ascii: bool,
    /// The next octet begins a line.
    line_start: bool,
    phase: Phase,
    structure: Structure,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Taking in a field.
    Collect,
    /// Giving out what is held, from here on; then comes the next phase.
    Give { at: usize, next: Next },
    /// In the rest of a long field that is passed.
    Pass,
    /// In the rest of a long field that is dropped.
    Drop,
    /// In a body, at the start of a line that may part.
    Line,
    /// In a body, in a line that parts nothing.
    Body,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Field,
    RestOfField,
    /// The next line of a body.
    Line,
    /// The rest of a line of a body.
    Body,
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> Surrogate<B> {
    /// At the beginning of a message. `field` holds one header field at a time, in its first [`FIELD_OCTETS`]; with a
    /// smaller one fewer fields are rewritten, and below 1,024 octets parts may be missed.
    pub const fn new(field: B) -> Self {
        let structure = Structure::new();
        Self { field, held: 0, ascii: true, line_start: true, phase: Phase::Collect, structure }
    }

    /// Takes octets of `source` and fills `room` with those of the surrogate, as far as both go. In an empty room nothing
    /// may happen.
    pub fn encode(&mut self, source: &[u8], room: &mut [u8]) -> Progress {
        let (mut read, mut written) = (0usize, 0usize);
        loop {
            let (rest, free) =
                (source.get(read..).unwrap_or(&[]), room.get_mut(written..).unwrap_or(&mut []));
            if let Phase::Give { .. } = self.phase {
                written = written.saturating_add(self.give(free));
                if matches!(self.phase, Phase::Give { .. }) {
                    return Progress { read, written };
                }
                continue;
            }
            let Some(&first) = rest.first() else { return Progress { read, written } };
            let continues = matches!(first, b' ' | b'\t');
            match self.phase {
                Phase::Body if free.is_empty() => return Progress { read, written },
                Phase::Body => {
                    // Without parts to come there is no need to look at lines.
                    let whole = if self.structure.is_flat() { rest } else { line_of(rest) };
                    let octets = copy(whole, free);
                    if !self.structure.is_flat()
                        && whole.get(..octets).is_some_and(|line| line.ends_with(b"\n"))
                    {
                        self.phase = Phase::Line;
                    }
                    read = read.saturating_add(octets);
                    written = written.saturating_add(octets);
                }
                Phase::Line => read = read.saturating_add(self.line(line_of(rest))),
                Phase::Pass | Phase::Drop if self.line_start && !continues => {
                    self.phase = Phase::Collect;
                }
                Phase::Pass if free.is_empty() => return Progress { read, written },
                Phase::Pass => {
                    let line = line_of(rest);
                    let octets = copy(line, free);
                    for octet in free.iter_mut().take(octets).filter(|octet| !octet.is_ascii()) {
                        *octet = b'?';
                    }
                    self.line_start = line.get(..octets).is_some_and(|line| line.ends_with(b"\n"));
                    read = read.saturating_add(octets);
                    written = written.saturating_add(octets);
                }
                Phase::Drop => {
                    let line = line_of(rest);
                    self.line_start = line.ends_with(b"\n");
                    read = read.saturating_add(line.len());
                }
                Phase::Collect | Phase::Give { .. } => {
                    if self.line_start && self.held > 0 && !continues {
                        self.end_field(Next::Field);
                    } else {
                        read = read.saturating_add(self.collect(line_of(rest)));
                    }
                }
            }
        }
    }

    /// Gives what is still held when the message has come to its end. Call it until it returns 0; `room` must not be empty.
    pub fn finish(&mut self, room: &mut [u8]) -> usize {
        if matches!(self.phase, Phase::Collect | Phase::Line) {
            self.phase = Phase::Give { at: 0, next: Next::Field };
        }
        if matches!(self.phase, Phase::Give { .. }) { self.give(room) } else { 0 }
    }

    /// Takes in as much of a line, or of its rest, as there is room for.
    fn collect(&mut self, line: &[u8]) -> usize {
        let limit = self.field.as_ref().len().min(FIELD_OCTETS);
        let room = self.field.as_mut().get_mut(self.held..limit).unwrap_or(&mut []);
        let octets = copy(line, room);
        if octets == 0 {
            // The field is over the limit.
            if self.ascii {
                self.end_field(Next::RestOfField);
            } else {
                self.phase = Phase::Drop;
                self.clear();
            }
            return 0;
        }
        let taken = line.get(..octets).unwrap_or(line);
        self.held = self.held.saturating_add(octets);
        self.ascii &= taken.is_ascii();
        self.line_start = taken.ends_with(b"\n");
        let held = self.field.as_ref().get(..self.held).unwrap_or(&[]);
        if matches!(held, b"\n" | b"\r\n") {
            let next = self.structure.end_of_header();
            self.phase = Phase::Give { at: 0, next: self.after(next) };
        } else if self.line_start && !self.structure.is_flat() {
            // A part may end within its header.
            if let Some(next) = self.structure.delimiter(held) {
                self.phase = Phase::Give { at: 0, next: self.after(next) };
            }
        }
        octets
    }

    /// Takes in as much of a line of a body as tells whether it parts.
    fn line(&mut self, line: &[u8]) -> usize {
        let limit = self.field.as_ref().len().min(DELIMITER_OCTETS);
        let room = self.field.as_mut().get_mut(self.held..limit).unwrap_or(&mut []);
        let octets = copy(line, room);
        self.held = self.held.saturating_add(octets);
        let held = self.field.as_ref().get(..self.held).unwrap_or(&[]);
        if held.ends_with(b"\n") {
            let next = self.structure.delimiter(held);
            self.phase = Phase::Give { at: 0, next: next.map_or(Next::Line, |next| self.after(next)) };
        } else if octets == 0 || !(held.starts_with(b"--") || held == b"-") {
            self.phase = Phase::Give { at: 0, next: Next::Body };
        }
        octets
    }

    /// A field is complete, or as much of it as is held.
    fn end_field(&mut self, next: Next) {
        let held = self.field.as_ref().get(..self.held).unwrap_or(&[]);
        if self.ascii {
            self.structure.field(held);
        } else {
            // What the client will see counts: a type that is dropped says nothing.
            let mut seen = [0; structure::TYPE_OCTETS];
            let mut out = Out::new(&mut seen, 0);
            generate(held, &mut out);
            let octets = out.written();
            self.structure.field(seen.get(..octets).unwrap_or(&[]));
        }
        self.phase = Phase::Give { at: 0, next };
    }

    const fn after(&self, next: structure::Next) -> Next {
        match next {
            structure::Next::Header => Next::Field,
            structure::Next::Body if self.structure.is_flat() => Next::Body,
            structure::Next::Body => Next::Line,
        }
    }

    /// Writes what is held, or what it becomes, from where it stands.
    fn give(&mut self, room: &mut [u8]) -> usize {
        let Phase::Give { at, next } = self.phase else { return 0 };
        let held = self.field.as_ref().get(..self.held).unwrap_or(&[]);
        // A line of a body passes as it is; so does one of a header that is ASCII.
        let as_it_is = self.ascii || matches!(next, Next::Line | Next::Body);
        let (written, whole) = if as_it_is {
            let rest = held.get(at..).unwrap_or(&[]);
            let written = copy(rest, room);
            (written, written == rest.len())
        } else {
            let mut out = Out::new(room, at);
            generate(held, &mut out);
            (out.written(), out.is_whole())
        };
        if whole {
            self.phase = match next {
                Next::Field => Phase::Collect,
                Next::RestOfField => Phase::Pass,
                Next::Line => Phase::Line,
                Next::Body => Phase::Body,
            };
            self.clear();
        } else {
            self.phase = Phase::Give { at: at.saturating_add(written), next };
        }
        written
    }

    fn clear(&mut self) {
        self.held = 0;
        self.ascii = true;
    }
}

impl<B> fmt::Debug for Surrogate<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Surrogate")
            .field("held", &self.held)
            .field("phase", &self.phase)
            .finish_non_exhaustive()
    }
}

fn copy(source: &[u8], room: &mut [u8]) -> usize {
    let octets = source.len().min(room.len());
    if let (Some(room), Some(source)) = (room.get_mut(..octets), source.get(..octets)) {
        room.copy_from_slice(source);
    }
    octets
}

/// `octets` up to their first LF, or all of them.
fn line_of(octets: &[u8]) -> &[u8] {
    memchr(b'\n', octets).and_then(|lf| octets.get(..=lf)).unwrap_or(octets)
}

#[cfg(test)]
mod tests;
