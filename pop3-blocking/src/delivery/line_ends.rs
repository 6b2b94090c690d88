//! The line ends of a message on disk.

use std::io;

/// Which line ends a delivered message gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum LineEnds {
    /// As received: every octet stays. The copy equals what the server holds.
    #[default]
    Keep,
    /// Each CRLF becomes LF, as most programs that read a Maildir expect. A bare CR or LF stays as it is, so that a
    /// message with bare LF cannot be turned back into what was received.
    Lf,
}

/// Turns CRLF into LF, in parts cut anywhere. Holds back at most one octet.
#[derive(Debug, Default)]
pub(super) struct LfFilter {
    /// The last octet was a CR, and was not passed on yet.
    cr: bool,
}

impl LfFilter {
    /// Passes `octets` on to `out`.
    pub(super) fn take(
        &mut self,
        mut octets: &[u8],
        mut out: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        let Some(&first) = octets.first() else { return Ok(()) };
        if core::mem::take(&mut self.cr) && first != b'\n' {
            out(b"\r")?;
        }
        while let Some(at) = octets.iter().position(|&b| b == b'\r') {
            let (line, rest) = octets.split_at(at);
            let after = rest.get(1);
            let passed = if matches!(after, Some(b'\n') | None) { line } else { &octets[..=at] };
            if !passed.is_empty() {
                out(passed)?;
            }
            self.cr = after.is_none();
            octets = rest.get(1..).unwrap_or(&[]);
        }
        if octets.is_empty() { Ok(()) } else { out(octets) }
    }

    /// Passes on what was held back: the message is over.
    pub(super) fn finish(&mut self, mut out: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        if core::mem::take(&mut self.cr) { out(b"\r") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn filter<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
        let mut filter = LfFilter::default();
        let mut got = Vec::new();
        for part in parts {
            filter.take(part, |octets| got.write_all(octets)).unwrap();
        }
        filter.finish(|octets| got.write_all(octets)).unwrap();
        got
    }

    #[test]
    fn r1939_3_9_line_ends_are_the_same_at_every_cut() {
        let cases: [(&[u8], &[u8]); 9] = [
            (b"", b""),
            (b"a\r\nb\r\n", b"a\nb\n"),
            (b"\r\n\r\n", b"\n\n"),
            (b"a\rb", b"a\rb"),
            (b"a\nb", b"a\nb"),
            (b"\r\r\n", b"\r\n"),
            (b"\r\r\r", b"\r\r\r"),
            (b"\n\r\n\r", b"\n\n\r"),
            (b"no end\0\xff", b"no end\0\xff"),
        ];
        for (input, want) in cases {
            assert_eq!(filter([input]), want, "{input:?}");
            assert_eq!(filter(input.chunks(1)), want, "{input:?} octet by octet");
            for cut in 0..=input.len() {
                assert_eq!(filter([&input[..cut], &input[cut..]]), want, "{input:?} cut at {cut}");
            }
        }
    }

    #[test]
    fn r1939_3_9_every_short_string_equals_a_plain_replacement() {
        for length in 0..=6u32 {
            for mut code in 0..3usize.pow(length) {
                let mut text = String::new();
                for _ in 0..length {
                    text.push(['\r', '\n', 'a'][code % 3]);
                    code /= 3;
                }
                let want = text.replace("\r\n", "\n");
                for cut in 0..=text.len() {
                    assert_eq!(filter([&text.as_bytes()[..cut], &text.as_bytes()[cut..]]), want.as_bytes());
                }
            }
        }
    }
}
