//! What a header field that is not ASCII becomes: addresses, encoded words, parameters.

/// An address that cannot exist, for those that a client cannot take (RFC 6858 section 2.1, RFC 6761 section 6.4).
const INVALID: &[u8] = b"<invalid@internationalized-address.invalid>";

/// No line with an encoded word is longer, in octets without its line end (RFC 2047 section 2).
const LINE: usize = 76;

const FOLD: &[u8] = b"\r\n ";

/// Takes generated octets: the first are thrown away, as they have been written before; the next go into the room.
pub(super) struct Out<'r> {
    room: &'r mut [u8],
    skip: usize,
    written: usize,
    whole: bool,
    column: usize,
}

impl<'r> Out<'r> {
    pub(super) const fn new(room: &'r mut [u8], skip: usize) -> Self {
        Self { room, skip, written: 0, whole: true, column: 0 }
    }

    pub(super) const fn written(&self) -> usize {
        self.written
    }

    /// Whether there was room for all.
    pub(super) const fn is_whole(&self) -> bool {
        self.whole
    }

    fn put(&mut self, octets: &[u8]) {
        self.column = match octets.iter().rposition(|&octet| octet == b'\n') {
            Some(lf) => octets.len().saturating_sub(lf).saturating_sub(1),
            None => self.column.saturating_add(octets.len()),
        };
        let skipped = self.skip.min(octets.len());
        self.skip = self.skip.saturating_sub(skipped);
        let rest = octets.get(skipped..).unwrap_or(&[]);
        let room = self.room.get_mut(self.written..).unwrap_or(&mut []);
        let copied = super::copy(rest, room);
        self.written = self.written.saturating_add(copied);
        self.whole &= copied == rest.len();
    }

    /// A line end in front of what comes, if it would make the line too long.
    fn space_before(&mut self, octets: usize) {
        let fits = self.column.saturating_add(octets) < LINE;
        self.put(if fits { b" " } else { FOLD });
    }

    /// `octets`, which are ASCII, on one line.
    fn put_unfolded(&mut self, octets: &[u8]) {
        octets.split(|octet| matches!(octet, b'\r' | b'\n')).for_each(|part| self.put(part));
    }
}

enum Kind {
    Addresses,
    Path,
    Text,
    Parameters,
    Other,
}

const KINDS: [(&[u8], Kind); 16] = [
    (b"from", Kind::Addresses),
    (b"to", Kind::Addresses),
    (b"cc", Kind::Addresses),
    (b"bcc", Kind::Addresses),
    (b"sender", Kind::Addresses),
    (b"reply-to", Kind::Addresses),
    (b"resent-from", Kind::Addresses),
    (b"resent-to", Kind::Addresses),
    (b"resent-cc", Kind::Addresses),
    (b"resent-bcc", Kind::Addresses),
    (b"resent-sender", Kind::Addresses),
    (b"resent-reply-to", Kind::Addresses),
    (b"return-path", Kind::Path),
    (b"subject", Kind::Text),
    (b"content-type", Kind::Parameters),
    (b"content-disposition", Kind::Parameters),
];

/// Writes what `field` becomes, a whole field with its line end; maybe nothing.
pub(super) fn generate(field: &[u8], out: &mut Out<'_>) {
    let Some((name, value)) = split_at(field, |octet| octet == b':') else { return };
    let label = name.trim_ascii_end();
    let kind =
        KINDS.iter().find(|(known, _)| label.eq_ignore_ascii_case(known)).map_or(&Kind::Other, |(_, k)| k);
    if let Kind::Parameters = kind {
        return parameters(label, value, out);
    }
    if let Kind::Other = kind {
        return;
    }
    out.put(label);
    out.put(b":");
    match kind {
        Kind::Path => {
            let (_, address) = split_mailbox(value);
            out.put(b" ");
            put_address(address, out);
        }
        Kind::Text => {
            out.put(b" ");
            let mut words = EncodedWords::new(value);
            value
                .trim_ascii()
                .iter()
                .filter(|octet| !matches!(octet, b'\r' | b'\n'))
                .for_each(|&octet| words.push(octet, out));
            words.finish(out);
        }
        _ => addresses(value, out),
    }
    out.put(b"\r\n");
}

/// What stands before the first octet that is meant, and behind it.
fn split_at(octets: &[u8], is_meant: impl FnMut(u8) -> bool) -> Option<(&[u8], &[u8])> {
    let mut is_meant = is_meant;
    let at = octets.iter().position(|&octet| is_meant(octet))?;
    Some((octets.get(..at)?, octets.get(at.saturating_add(1)..)?))
}

/// `Content-Type` and `Content-Disposition`, without the parameters that are not ASCII.
fn parameters(label: &[u8], value: &[u8], out: &mut Out<'_>) {
    let (mut rest, mut first) = (value, true);
    loop {
        let mut lexer = Lexer::default();
        let split = split_at(rest, |octet| lexer.step(octet) == Part::Open && octet == b';');
        let (part, behind) = split.map_or((rest, None), |(part, behind)| (part, Some(behind)));
        let part = part.trim_ascii();
        if first && (part.is_empty() || !part.is_ascii()) {
            return;
        }
        if first {
            out.put(label);
            out.put(b": ");
            out.put_unfolded(part);
        } else if part.is_ascii() && !part.is_empty() {
            out.put(b";");
            out.space_before(part.len());
            out.put_unfolded(part);
        }
        first = false;
        match behind {
            Some(behind) => rest = behind,
            None => break,
        }
    }
    out.put(b"\r\n");
}

/// A list of mailboxes and groups.
fn addresses(value: &[u8], out: &mut Out<'_>) {
    let (mut rest, mut first, mut separator) = (value, true, false);
    loop {
        let (mut lexer, mut end) = (Lexer::default(), b',');
        let split = split_at(rest, |octet| {
            end = octet;
            lexer.step(octet) == Part::Open && !lexer.angle && matches!(octet, b',' | b':' | b';')
        });
        let (part, behind) = match split {
            Some((part, behind)) => (part.trim_ascii(), Some(behind)),
            None => (rest.trim_ascii(), None),
        };
        let ended = behind.is_none();
        if !part.is_empty() {
            if separator {
                out.put(b",");
                out.put(FOLD);
            } else {
                out.put(b" ");
            }
            first = false;
            separator = true;
            if !ended && end == b':' {
                phrase(part, out);
            } else {
                mailbox(part, out);
            }
        }
        if !ended && !first && matches!(end, b':' | b';') {
            out.put(&[end]);
            separator = end == b';';
        }
        match behind {
            Some(behind) => rest = behind,
            None => return,
        }
    }
}

/// `Name <address>`, `<address>`, `address (Name)`, or whatever else stands there.
fn mailbox(part: &[u8], out: &mut Out<'_>) {
    if part.is_ascii() {
        return out.put_unfolded(part);
    }
    let (name, address) = split_mailbox(part);
    let named = has_text(name);
    if named {
        phrase(name, out);
    } else {
        // Which address it was must be seen somewhere (RFC 6858 section 2.1).
        phrase(address, out);
    }
    out.space_before(if address.is_ascii() { address.len().saturating_add(2) } else { INVALID.len() });
    put_address(address, out);
}

fn put_address(address: &[u8], out: &mut Out<'_>) {
    let address = address.trim_ascii();
    if address.is_empty() || !address.is_ascii() {
        return out.put(INVALID);
    }
    out.put(b"<");
    out.put_unfolded(address);
    out.put(b">");
}

/// Name and address. The name may have quotes, or be a comment in brackets.
fn split_mailbox(part: &[u8]) -> (&[u8], &[u8]) {
    let mut lexer = Lexer::default();
    if let Some((name, behind)) = split_at(part, |octet| lexer.step(octet) == Part::Open && octet == b'<') {
        let mut lexer = Lexer::default();
        let address = split_at(behind, |octet| lexer.step(octet) == Part::Open && octet == b'>');
        return (name.trim_ascii(), address.map_or(behind, |(address, _)| address));
    }
    let mut lexer = Lexer::default();
    match split_at(part, |octet| lexer.step(octet) == Part::Comment) {
        Some((address, comment)) if !address.trim_ascii().is_empty() => {
            let end = comment.iter().rposition(|&octet| octet == b')').unwrap_or(comment.len());
            (comment.get(..end).unwrap_or(comment), address)
        }
        _ => (b"", part),
    }
}

/// A name, encoded unless it is ASCII.
fn phrase(name: &[u8], out: &mut Out<'_>) {
    if name.is_ascii() && !name.contains(&b'@') {
        return out.put_unfolded(name.trim_ascii());
    }
    let mut words = EncodedWords::new(name);
    each_octet_of_text(name, |octet| words.push(octet, out));
    words.finish(out);
}

fn has_text(name: &[u8]) -> bool {
    let mut any = false;
    each_octet_of_text(name, |octet| any |= octet != b' ');
    any
}

/// What a phrase says: without quotes, with one SP for each run of blanks.
fn each_octet_of_text(phrase: &[u8], mut each: impl FnMut(u8)) {
    let (mut lexer, mut blank) = (Lexer::default(), false);
    for &octet in phrase.trim_ascii() {
        match lexer.step(octet) {
            Part::Mark => {}
            _ if matches!(octet, b' ' | b'\t' | b'\r' | b'\n') => blank = true,
            _ => {
                if core::mem::take(&mut blank) {
                    each(b' ');
                }
                each(octet);
            }
        }
    }
}

/// Where in a structured field an octet stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// In the open, where delimiters count.
    Open,
    /// A quote or backslash.
    Mark,
    /// Within quotes or square brackets, or behind a backslash.
    Quoted,
    /// Within a comment, its first bracket included.
    Comment,
}

#[derive(Clone, Copy, Debug, Default)]
struct Lexer {
    quoted: bool,
    escaped: bool,
    literal: bool,
    /// Behind `<`.
    angle: bool,
    /// Of comments.
    depth: u32,
}

impl Lexer {
    fn step(&mut self, octet: u8) -> Part {
        if core::mem::take(&mut self.escaped) {
            return Part::Quoted;
        }
        match octet {
            b'\\' if self.quoted || self.depth > 0 => {
                self.escaped = true;
                if self.depth > 0 { Part::Comment } else { Part::Mark }
            }
            b'"' if self.depth == 0 => {
                self.quoted = !self.quoted;
                Part::Mark
            }
            _ if self.quoted => Part::Quoted,
            b'(' => {
                self.depth = self.depth.saturating_add(1);
                Part::Comment
            }
            b')' if self.depth > 0 => {
                self.depth = self.depth.saturating_sub(1);
                Part::Comment
            }
            _ if self.depth > 0 => Part::Comment,
            b'[' => {
                self.literal = true;
                Part::Quoted
            }
            b']' => {
                self.literal = false;
                Part::Quoted
            }
            _ if self.literal => Part::Quoted,
            b'<' => {
                self.angle = true;
                Part::Open
            }
            b'>' => {
                self.angle = false;
                Part::Open
            }
            _ => Part::Open,
        }
    }
}

/// Writes text as encoded words of RFC 2047, none with part of a character.
struct EncodedWords {
    charset: &'static [u8],
    utf8: bool,
    open: bool,
    /// The character that is coming in.
    character: [u8; 4],
    octets: usize,
}

impl EncodedWords {
    /// For the text in `source`, which decides about the charset.
    fn new(source: &[u8]) -> Self {
        let utf8 = core::str::from_utf8(source).is_ok();
        let charset: &[u8] = if utf8 { b"=?utf-8?Q?" } else { b"=?unknown-8bit?Q?" };
        Self { charset, utf8, open: false, character: [0; 4], octets: 0 }
    }

    fn push(&mut self, octet: u8, out: &mut Out<'_>) {
        let continues = self.utf8 && matches!(octet, 0x80..0xc0);
        if !continues || self.octets >= self.character.len() {
            self.flush(out);
        }
        if let Some(place) = self.character.get_mut(self.octets) {
            *place = octet;
            self.octets = self.octets.saturating_add(1);
        }
    }

    fn flush(&mut self, out: &mut Out<'_>) {
        let character = self.character;
        let character = character.get(..core::mem::take(&mut self.octets)).unwrap_or(&[]);
        let needed = character.iter().map(|&octet| if stands(octet) { 1usize } else { 3 }).sum::<usize>();
        if needed == 0 {
            return;
        }
        if self.open && out.column.saturating_add(needed).saturating_add(2) > LINE {
            out.put(b"?=");
            self.open = false;
            out.put(FOLD);
        }
        if !self.open {
            let word = self.charset.len().saturating_add(needed).saturating_add(2);
            if out.column.saturating_add(word) > LINE {
                out.put(FOLD);
            }
            out.put(self.charset);
            self.open = true;
        }
        for &octet in character {
            match octet {
                b' ' => out.put(b"_"),
                _ if stands(octet) => out.put(&[octet]),
                _ => out.put(&[b'=', digit(octet >> 4), digit(octet & 15)]),
            }
        }
    }

    fn finish(mut self, out: &mut Out<'_>) {
        self.flush(out);
        if self.open {
            out.put(b"?=");
        }
    }
}

/// What an encoded word may hold as it is, in a phrase too (RFC 2047 section 5); a SP becomes `_`.
const fn stands(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || matches!(octet, b'!' | b'*' | b'+' | b'-' | b'/' | b' ')
}

fn digit(value: u8) -> u8 {
    b"0123456789ABCDEF".get(usize::from(value)).copied().unwrap_or(b'0')
}
