//! Whether a message needs a surrogate at all.

use super::line_of;
use super::structure::{Next, Structure, TYPE_OCTETS};

/// Finds out whether a message needs UTF-8 mode: whether its header, or that of a part or of a message within it, holds
/// anything but ASCII (R6856-2.4).
///
/// One that does not is its own surrogate. A message without parts is looked at to the end of its header, one with parts
/// to the end of the last. It holds about 2 KiB and allocates nothing.
#[derive(Clone, Debug)]
pub struct HeaderCheck {
    structure: Structure,
    place: Next,
    /// The beginning of the field, or of the line of a body, that is being read.
    held: [u8; TYPE_OCTETS],
    octets: usize,
    line_start: bool,
    ended: bool,
    needs_utf8: bool,
}

impl HeaderCheck {
    /// At the beginning of a message.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            structure: Structure::new(),
            place: Next::Header,
            held: [0; TYPE_OCTETS],
            octets: 0,
            line_start: true,
            ended: false,
            needs_utf8: false,
        }
    }

    /// Looks at the next stored octets.
    pub fn update(&mut self, source: &[u8]) {
        let mut rest = source;
        while !rest.is_empty() && !self.is_done() {
            let line = line_of(rest);
            rest = rest.get(line.len()..).unwrap_or(&[]);
            match self.place {
                Next::Header => self.header(line),
                Next::Body => self.body(line),
            }
            self.line_start = line.ends_with(b"\n");
        }
    }

    /// Whether it needs UTF-8 mode, by what was seen so far.
    #[must_use]
    pub const fn needs_utf8(&self) -> bool {
        self.needs_utf8
    }

    /// Whether nothing that follows can change the answer.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        self.ended || self.needs_utf8
    }

    /// A line of a header, or a piece of one.
    fn header(&mut self, line: &[u8]) {
        if !line.is_ascii() {
            self.needs_utf8 = true;
            return;
        }
        if self.line_start && !matches!(line.first(), Some(b' ' | b'\t')) {
            self.structure.field(self.held.get(..self.octets).unwrap_or(&[]));
            self.octets = 0;
        }
        self.hold(line);
        if !line.ends_with(b"\n") {
            return;
        }
        let held = self.held.get(..self.octets).unwrap_or(&[]);
        if matches!(held, b"\n" | b"\r\n") {
            let next = self.structure.end_of_header();
            self.turn(next);
        } else if let Some(next) = self.structure.delimiter(held) {
            self.turn(next);
        }
    }

    /// A line of a body, or a piece of one.
    fn body(&mut self, line: &[u8]) {
        if self.line_start {
            self.octets = 0;
        }
        self.hold(line);
        let held = self.held.get(..self.octets).unwrap_or(&[]);
        if line.ends_with(b"\n") {
            if let Some(next) = self.structure.delimiter(held) {
                self.turn(next);
            }
        }
    }

    fn turn(&mut self, next: Next) {
        self.place = next;
        self.octets = 0;
        self.ended = next == Next::Body && self.structure.is_flat();
    }

    fn hold(&mut self, octets: &[u8]) {
        let room = self.held.get_mut(self.octets..).unwrap_or(&mut []);
        self.octets = self.octets.saturating_add(super::copy(octets, room));
    }
}

impl Default for HeaderCheck {
    fn default() -> Self {
        Self::new()
    }
}
