//! SASLprep (RFC 4013): brings names and passwords into the one form in which they are compared.
//!
//! Two people who type the same name on different keyboards may send different octets, and two texts that look alike may
//! differ. The client prepares what it sends, the server what it was sent before it looks it up, and whoever fills the
//! user database what is to be kept (R5034-4.15, R4616-2.3, R5802-5.10). The mechanisms themselves use their strings as
//! they are.
//!
//! ```
//! use pop3_proto::sasl::prep::{PrepError, Use, prepare};
//!
//! assert_eq!(prepare("I\u{ad}X", Use::Query)?, "IX"); // the soft hyphen goes
//! assert_eq!(prepare("\u{2168}", Use::Query)?, "IX"); // Roman numeral nine
//! assert_eq!(prepare("\u{7}", Use::Query), Err(PrepError::Prohibited));
//! # Ok::<(), PrepError>(())
//! ```
//!
//! The rules rest on Unicode 3.2 whatever Unicode is up to: what was unassigned then is never normalised, so that a name
//! does not change with the version of this crate.

use alloc::borrow::Cow;
use alloc::string::String;
use core::fmt;

use unicode_normalization::UnicodeNormalization as _;

use tables::{LEFT_TO_RIGHT, RIGHT_TO_LEFT, UNASSIGNED, holds};

mod tables;

/// What a text is prepared for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "RFC 3454 section 7 knows these two")]
pub enum Use {
    /// To be compared: what a client sends, and what a server looks for. Code points that were unassigned in Unicode 3.2
    /// pass as they are.
    Query,
    /// To be kept: what stands in a user database. Code points that were unassigned in Unicode 3.2 are refused.
    Stored,
}

/// Why a text cannot be prepared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PrepError {
    /// Nothing is left of it.
    Empty,
    /// It holds a character that is in no name and no password (RFC 4013 section 2.3).
    Prohibited,
    /// It mixes right-to-left and left-to-right characters, or a right-to-left text does not begin and end with such
    /// a character (RFC 4013 section 2.4).
    Bidirectional,
    /// It is to be stored, and holds a code point that was unassigned in Unicode 3.2 (RFC 4013 section 2.5).
    Unassigned,
}

impl fmt::Display for PrepError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "nothing is left after preparation",
            Self::Prohibited => "prohibited character",
            Self::Bidirectional => "right-to-left and left-to-right characters are mixed",
            Self::Unassigned => "unassigned character",
        })
    }
}

impl core::error::Error for PrepError {}

/// Prepares `text`. Printable ASCII stays as it is, and is borrowed; all else is in new memory, which the caller wipes if it
/// is a password. No copy of the whole is left elsewhere.
///
/// # Errors
///
/// Each [`PrepError`]; what the text was for is then not to be done. A text that is empty already stays so, without an
/// error.
pub fn prepare(text: &str, purpose: Use) -> Result<Cow<'_, str>, PrepError> {
    if text.bytes().all(|octet| matches!(octet, 0x20..=0x7e)) {
        return Ok(Cow::Borrowed(text));
    }
    let mut octets = 0usize;
    let mut check = Check::default();
    let mut problem = None;
    normalize(text, |character| {
        octets = octets.saturating_add(character.len_utf8());
        check.bidirectional(character);
        if problem.is_none() {
            problem = if is_prohibited(character) {
                Some(PrepError::Prohibited)
            } else if purpose == Use::Stored && is_unassigned(character) {
                Some(PrepError::Unassigned)
            } else {
                None
            };
        }
    });
    if let Some(problem) = problem {
        return Err(problem);
    }
    if octets == 0 {
        return Err(PrepError::Empty);
    }
    if !check.passed() {
        return Err(PrepError::Bidirectional);
    }
    // As large as needed from the start: a String that grows leaves what it held in memory that nobody wipes.
    let mut prepared = String::with_capacity(octets);
    normalize(text, |character| prepared.push(character));
    Ok(Cow::Owned(prepared))
}

/// RFC 4013 sections 2.1 and 2.2: maps, then brings into form KC.
///
/// What was unassigned in Unicode 3.2 then had no decomposition and combined with nothing: it parts the text into pieces
/// that are normalised each for itself.
fn normalize(text: &str, mut put: impl FnMut(char)) {
    for piece in text.split_inclusive(is_unassigned) {
        let (run, unassigned) = match piece.strip_suffix(is_unassigned) {
            Some(run) => (run, piece.chars().next_back()),
            None => (piece, None),
        };
        run.chars().filter_map(map).nfkc().for_each(&mut put);
        if let Some(character) = unassigned {
            put(character);
        }
    }
}

/// RFC 4013 section 2.1. U+200B is in both tables; the one for spaces comes first.
const fn map(character: char) -> Option<char> {
    match character {
        // Table C.1.2: other spaces than ASCII's.
        '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200b}' | '\u{202f}' | '\u{205f}' | '\u{3000}' => Some(' '),
        // Table B.1: commonly mapped to nothing.
        '\u{ad}'
        | '\u{34f}'
        | '\u{1806}'
        | '\u{180b}'..='\u{180d}'
        | '\u{200c}'
        | '\u{200d}'
        | '\u{2060}'
        | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}' => None,
        other => Some(other),
    }
}

/// RFC 4013 section 2.3. Surrogates (table C.5) are no `char`.
const fn is_prohibited(character: char) -> bool {
    let noncharacter = (character as u32) & 0xfffe == 0xfffe; // the last two of each plane: a part of table C.4
    noncharacter
        || matches!(
            character,
            // C.1.2
            '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200b}' | '\u{202f}' | '\u{205f}' | '\u{3000}'
            // C.2.1
            | '\0'..='\u{1f}' | '\u{7f}'
            // C.2.2
            | '\u{80}'..='\u{9f}' | '\u{6dd}' | '\u{70f}' | '\u{180e}' | '\u{200c}' | '\u{200d}'
            | '\u{2028}' | '\u{2029}' | '\u{2060}'..='\u{2063}' | '\u{206a}'..='\u{206f}' | '\u{feff}'
            | '\u{fff9}'..='\u{fffc}' | '\u{1d173}'..='\u{1d17a}'
            // C.3
            | '\u{e000}'..='\u{f8ff}' | '\u{f0000}'..='\u{ffffd}' | '\u{100000}'..='\u{10fffd}'
            // C.4
            | '\u{fdd0}'..='\u{fdef}'
            // C.6, beside those of C.2.2
            | '\u{fffd}'
            // C.7
            | '\u{2ff0}'..='\u{2ffb}'
            // C.8, beside those of C.2.2
            | '\u{340}' | '\u{341}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}'
            // C.9
            | '\u{e0001}' | '\u{e0020}'..='\u{e007f}'
        )
}

fn is_unassigned(character: char) -> bool {
    holds(&UNASSIGNED, character)
}

/// RFC 3454 section 6: a text with right-to-left characters has no left-to-right ones, and begins and ends with one of
/// its own.
#[derive(Default)]
struct Check {
    right_to_left: bool,
    left_to_right: bool,
    first: Option<bool>,
    last: bool,
}

impl Check {
    fn bidirectional(&mut self, character: char) {
        let right_to_left = holds(&RIGHT_TO_LEFT, character);
        self.right_to_left |= right_to_left;
        self.left_to_right |= holds(&LEFT_TO_RIGHT, character);
        self.first = self.first.or(Some(right_to_left));
        self.last = right_to_left;
    }

    fn passed(&self) -> bool {
        !self.right_to_left || (!self.left_to_right && self.first == Some(true) && self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r5034_4_15_vectors() {
        // RFC 4013 section 3
        for (text, prepared) in [
            ("I\u{ad}X", Ok("IX")),
            ("user", Ok("user")),
            ("USER", Ok("USER")),
            ("\u{aa}", Ok("a")),
            ("\u{2168}", Ok("IX")),
            ("\u{7}", Err(PrepError::Prohibited)),
            ("\u{627}1", Err(PrepError::Bidirectional)),
        ] {
            for purpose in [Use::Query, Use::Stored] {
                assert_eq!(
                    prepare(text, purpose).as_deref(),
                    prepared.as_ref().map(|text| *text),
                    "{text:?}"
                );
            }
        }
    }

    #[test]
    fn r5802_5_10_ascii_is_borrowed() {
        for text in ["", " ", "user", "a,b=c ~"] {
            assert!(matches!(prepare(text, Use::Stored), Ok(Cow::Borrowed(same)) if same == text));
        }
        for text in ["\0", "a\u{7f}", "\n"] {
            assert_eq!(prepare(text, Use::Query), Err(PrepError::Prohibited));
        }
    }

    #[test]
    fn r4616_2_3_an_empty_result_fails() {
        for text in ["\u{ad}", "\u{ad}\u{200d}"] {
            assert_eq!(prepare(text, Use::Query), Err(PrepError::Empty));
        }
        assert_eq!(prepare("", Use::Query).as_deref(), Ok(""));
    }

    #[test]
    fn r4616_2_3_unassigned_code_points_pass_in_queries_only() {
        // U+1E9E came with Unicode 5.1, U+A69C, which form KC would make U+044A, with 7.0.
        for text in ["\u{221}", "\u{1e9e}", "x\u{a69c}"] {
            assert_eq!(prepare(text, Use::Query).as_deref(), Ok(text));
            assert_eq!(prepare(text, Use::Stored), Err(PrepError::Unassigned));
        }
        // Nothing combines across one, and what stands beside one is normalised all the same.
        assert_eq!(prepare("a\u{221}\u{308}", Use::Query).as_deref(), Ok("a\u{221}\u{308}"));
        assert_eq!(prepare("a\u{308}\u{221}a\u{308}", Use::Query).as_deref(), Ok("\u{e4}\u{221}\u{e4}"));
    }

    #[test]
    fn r4616_2_3_right_to_left() {
        for (text, good) in [
            ("\u{5d0}\u{5d1}", true),
            ("\u{627}1\u{628}", true),
            ("\u{5d0}a\u{5d1}", false),
            ("1\u{627}", false),
            ("\u{5d0} \u{ad}", false),
            ("\u{e4}1", true),
        ] {
            let prepared = prepare(text, Use::Query);
            assert_eq!(prepared.is_ok(), good, "{text:?}");
            if !good {
                assert_eq!(prepared, Err(PrepError::Bidirectional));
            }
        }
    }

    #[test]
    fn r4616_2_3_prohibited_characters() {
        // The first and last of ranges of RFC 3454 tables C.1.2 to C.9 that no mapping takes away before.
        for text in [
            "\0\u{1f}",
            "\u{80}",
            "\u{9f}",
            "\u{6dd}",
            "\u{180e}",
            "\u{2028}",
            "\u{2061}",
            "\u{206f}",
            "\u{fff9}",
            "\u{fffc}",
            "\u{1d173}",
            "\u{e000}",
            "\u{f8ff}",
            "\u{f0000}",
            "\u{10fffd}",
            "\u{fdd0}",
            "\u{fdef}",
            "\u{fffd}",
            "\u{2ff0}",
            "\u{200e}",
            "\u{202e}",
            "\u{e0001}",
            "\u{e007f}",
        ] {
            assert_eq!(prepare(text, Use::Query), Err(PrepError::Prohibited), "{text:?}");
        }
        // The last two of each plane (table C.4), and nothing beside them.
        for plane in 0..=16u32 {
            for last in [0xfffe, 0xffff] {
                let text = String::from(char::from_u32(plane << 16 | last).unwrap());
                assert_eq!(prepare(&text, Use::Query), Err(PrepError::Prohibited), "{text:?}");
            }
        }
        for text in ["\u{a1}", "\u{1d172}", "\u{1fffd}", "\u{e0002}"] {
            assert!(prepare(text, Use::Query).is_ok(), "{text:?}");
        }
    }

    #[test]
    fn law_3_what_is_wrong_with_a_text_is_told_without_it() {
        for (error, text) in [
            (PrepError::Empty, "nothing is left after preparation"),
            (PrepError::Prohibited, "prohibited character"),
            (PrepError::Bidirectional, "right-to-left and left-to-right characters are mixed"),
            (PrepError::Unassigned, "unassigned character"),
        ] {
            assert_eq!(alloc::format!("{error}"), text);
        }
    }
}
