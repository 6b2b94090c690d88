//! What a server says, made safe for a terminal (PB-C43).
//!
//! Escape sequences, control characters of both sets and marks that change the direction of writing become `\x1b` and
//! the like; so does what is no UTF-8. Everything else is shown as it is.

use core::fmt::Write as _;
use std::io::{self, Write};

/// `octets` as one line for people.
pub(crate) fn line(octets: &[u8]) -> String {
    let mut out = String::new();
    for chunk in octets.utf8_chunks() {
        chunk.valid().chars().for_each(|character| push(character, &mut out));
        push_octets(chunk.invalid(), &mut out);
    }
    out
}

fn push(character: char, out: &mut String) {
    if !is_unsafe(character) {
        out.push(character);
    } else if character.is_ascii() {
        push_octets(&[u8::try_from(character).unwrap_or(b'?')], out);
    } else {
        out.extend(character.escape_unicode());
    }
}

fn push_octets(octets: &[u8], out: &mut String) {
    for octet in octets {
        if write!(out, "\\x{octet:02x}").is_err() {
            return; // a String takes everything
        }
    }
}

/// Control characters, and what rearranges or hides the text around it.
fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Writes messages to a terminal: line ends become LF, tabs stay, the rest as in `line`.
#[derive(Debug)]
pub(crate) struct Escaped<W> {
    terminal: W,
    /// CR, or the beginning of a character, whose rest has not come yet.
    held: Vec<u8>,
}

impl<W: Write> Escaped<W> {
    pub(crate) const fn new(terminal: W) -> Self {
        Self { terminal, held: Vec::new() }
    }

    fn put(&mut self, octets: &[u8]) -> io::Result<()> {
        let mut out = String::new();
        for chunk in octets.utf8_chunks() {
            let mut characters = chunk.valid().chars().peekable();
            while let Some(character) = characters.next() {
                match character {
                    '\r' if characters.peek() == Some(&'\n') => {}
                    '\n' | '\t' => out.push(character),
                    _ => push(character, &mut out),
                }
            }
            push_octets(chunk.invalid(), &mut out);
        }
        self.terminal.write_all(out.as_bytes())
    }
}

impl<W: Write> Write for Escaped<W> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let mut text = std::mem::take(&mut self.held);
        text.extend_from_slice(octets);
        self.held = text.split_off(text.len().saturating_sub(unfinished(&text)));
        self.put(&text)?;
        Ok(octets.len())
    }

    /// Ends the text: what was held back is no CRLF and no character.
    fn flush(&mut self) -> io::Result<()> {
        let held = std::mem::take(&mut self.held);
        self.put(&held)?;
        self.terminal.flush()
    }
}

/// How many octets at the end of `text` may be the beginning of a CRLF or a character.
fn unfinished(text: &[u8]) -> usize {
    match text {
        [.., b'\r'] => 1,
        [.., 0xc2..=0xf4] => 1,
        [.., 0xe0..=0xf4, 0x80..=0xbf] => 2,
        [.., 0xf0..=0xf4, 0x80..=0xbf, 0x80..=0xbf] => 3,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pb_c43_nothing_reaches_a_terminal_unescaped() {
        for (octets, want) in [
            (&b"plain [IN-USE] text"[..], "plain [IN-USE] text"),
            ("gr\u{fc}n \u{2709}".as_bytes(), "gr\u{fc}n \u{2709}"),
            (b"\x1b[2J\x07\r\n\t\x7f", "\\x1b[2J\\x07\\x0d\\x0a\\x09\\x7f"),
            (b"\xc2\x9b31m \xff\xc3", "\\u{9b}31m \\xff\\xc3"),
            ("a\u{202e}b\u{2066}c\u{feff}".as_bytes(), "a\\u{202e}b\\u{2066}c\\u{feff}"),
        ] {
            assert_eq!(line(octets), want);
        }
    }

    fn shown(parts: &[&[u8]]) -> String {
        let mut escaped = Escaped::new(Vec::new());
        for part in parts {
            escaped.write_all(part).unwrap();
        }
        escaped.flush().unwrap();
        String::from_utf8(escaped.terminal).unwrap()
    }

    #[test]
    fn pb_c43_a_message_is_shown_the_same_at_every_cut() {
        let message = "a: b\r\n\r\ngr\u{fc}n \u{2709} \u{1f4e7}\u{202e}\tx\ry\nz\u{1b}[0m".as_bytes();
        let message = [message, b"\xf0\x9f\xc2\x9b\xe2\r\n\xe2\x82\r"].concat();
        let want = "a: b\n\ngr\u{fc}n \u{2709} \u{1f4e7}\\u{202e}\tx\\x0dy\nz\\x1b[0m\\xf0\\x9f\\u{9b}\\xe2\n\\xe2\\x82\\x0d";
        assert_eq!(shown(&[&message]), want);
        assert_eq!(shown(&message.chunks(1).collect::<Vec<_>>()), want);
        for cut in 0..message.len() {
            let (first, second) = message.split_at(cut);
            assert_eq!(shown(&[first, second]), want, "{cut}");
        }
    }
}
