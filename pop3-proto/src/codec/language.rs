//! Language listings: the lines of `LANG`.
//!
//! ```text
//! lang-line = tag [ SP description ]      ; description in UTF-8
//! ```
//!
//! RFC 6856 section 3.2; row R6856-3.4.

use nom::Parser;
use nom::bytes::complete::take_while1;
use nom::combinator::{opt, rest};
use nom::sequence::preceded;
use nom::{IResult, character::complete::char};

/// One line of `LANG`: a language and what it is called in itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LanguageListing<'a> {
    /// The language tag.
    pub tag: &'a [u8],
    /// Its description, usually UTF-8; empty if the server sent none.
    pub description: &'a [u8],
}

impl<'a> LanguageListing<'a> {
    /// Reads one line; `None` if it has no tag.
    pub fn parse(line: &'a [u8]) -> Option<Self> {
        lang_line(line).ok().map(|(_, listing)| listing)
    }
}

fn lang_line(line: &[u8]) -> IResult<&[u8], LanguageListing<'_>> {
    (take_while1(|b| b != b' '), opt(preceded(char(' '), rest)))
        .map(|(tag, description)| LanguageListing { tag, description: description.unwrap_or(&[]) })
        .parse(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r6856_3_4_a_description_may_be_missing() {
        let parse = |line| LanguageListing::parse(line).map(|l| (l.tag, l.description));
        assert_eq!(parse(b"sv Svenska"), Some((&b"sv"[..], &b"Svenska"[..])));
        assert_eq!(parse(b"i-default"), Some((&b"i-default"[..], &b""[..])));
        assert_eq!(parse(" Español".as_bytes()), None);
        assert_eq!(parse(b""), None);
    }
}
