//! Dovecot's setting `pop3_uidl_format`: how an id is made of what is known of a message.

use core::fmt::{self, Write};
use core::str::FromStr;

/// The form of the unique-ids that Dovecot gives: its setting `pop3_uidl_format`, of which the default is
/// `%08Xu%08Xv`.
///
/// A text with variables: `%u`, the number of the message (IMAP UID); `%v`, the validity of these numbers; `%f`, the file
/// name without its flags; `%g`, the id of the message in the whole store; `%%`, a percent sign. Between the percent sign and
/// the letter may stand `0` and a width, to which zeros fill up, and the letters `X` (hexadecimal), `L` and `U` (in lower,
/// in upper case).
///
/// ```
/// use pop3_blocking::store::maildir::UidlFormat;
///
/// let format: UidlFormat = "%v.%u".parse()?;
/// assert_ne!(format, UidlFormat::default());
/// # Ok::<(), pop3_blocking::store::maildir::UidlFormatError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UidlFormat {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Variable { what: What, hexadecimal: bool, width: usize, case: Case },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Uid,
    Validity,
    File,
    Guid,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Case {
    AsIs,
    Lower,
    Upper,
}

/// What is known of a message.
pub(super) struct Facts<'a> {
    pub(super) uid: u32,
    pub(super) validity: u32,
    pub(super) file: &'a str,
    pub(super) guid: &'a str,
}

/// Why a text is no [`UidlFormat`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UidlFormatError {
    /// It has no variable that differs from message to message: `%u`, `%f` or `%g`.
    NotUnique,
    /// It has a variable, or a letter before one, that is not known here.
    Unknown {
        /// The letter.
        letter: char,
    },
    /// It ends inside a variable, or a width is over 70.
    Malformed,
}

impl fmt::Display for UidlFormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotUnique => f.write_str("format of unique-ids without %u, %f or %g"),
            Self::Unknown { letter } => write!(f, "format of unique-ids with an unknown %{letter}"),
            Self::Malformed => {
                f.write_str("format of unique-ids that ends too early, or with a width over 70")
            }
        }
    }
}

impl std::error::Error for UidlFormatError {}

/// A unique-id is no longer.
const WIDTH_MAX: usize = 70;

impl FromStr for UidlFormat {
    type Err = UidlFormatError;

    /// Reads the text of the setting.
    ///
    /// # Errors
    ///
    /// - [`UidlFormatError::NotUnique`]: all messages would have the same id.
    /// - [`UidlFormatError::Unknown`]: a variable or letter that is not followed here.
    /// - [`UidlFormatError::Malformed`]: a variable without end, or a width that is 0 or over 70.
    fn from_str(text: &str) -> Result<Self, UidlFormatError> {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut letters = text.chars().peekable();
        while let Some(letter) = letters.next() {
            if letter != '%' {
                plain.push(letter);
                continue;
            }
            if letters.next_if_eq(&'%').is_some() {
                plain.push('%');
                continue;
            }
            let (mut hexadecimal, mut width, mut case) = (false, 0_usize, Case::AsIs);
            if letters.next_if_eq(&'0').is_some() {
                while let Some(digit) = letters.peek().and_then(|digit| digit.to_digit(10)) {
                    letters.next();
                    width = width.saturating_mul(10).saturating_add(digit as usize);
                }
                if width == 0 || width > WIDTH_MAX {
                    return Err(UidlFormatError::Malformed);
                }
            }
            let what = loop {
                match letters.next().ok_or(UidlFormatError::Malformed)? {
                    'X' => hexadecimal = true,
                    'L' => case = Case::Lower,
                    'U' => case = Case::Upper,
                    'u' => break What::Uid,
                    'v' => break What::Validity,
                    'f' => break What::File,
                    'g' => break What::Guid,
                    letter => return Err(UidlFormatError::Unknown { letter }),
                }
            };
            if hexadecimal && matches!(what, What::File | What::Guid) {
                return Err(UidlFormatError::Unknown { letter: 'X' });
            }
            if !plain.is_empty() {
                parts.push(Part::Text(core::mem::take(&mut plain)));
            }
            parts.push(Part::Variable { what, hexadecimal, width, case });
        }
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        let unique = |part: &Part| matches!(part, Part::Variable { what, .. } if *what != What::Validity);
        if parts.iter().any(unique) { Ok(Self { parts }) } else { Err(UidlFormatError::NotUnique) }
    }
}

impl Default for UidlFormat {
    /// `%08Xu%08Xv`.
    fn default() -> Self {
        let number = |what| Part::Variable { what, hexadecimal: true, width: 8, case: Case::AsIs };
        Self { parts: vec![number(What::Uid), number(What::Validity)] }
    }
}

impl UidlFormat {
    /// Makes the id of a message.
    pub(super) fn write(&self, facts: &Facts<'_>, out: &mut String) -> fmt::Result {
        for part in &self.parts {
            let (what, hexadecimal, width, case) = match part {
                Part::Text(text) => {
                    out.push_str(text);
                    continue;
                }
                Part::Variable { what, hexadecimal, width, case } => (what, *hexadecimal, *width, case),
            };
            let start = out.len();
            let mut number = |number: u32| match hexadecimal {
                true => write!(out, "{number:0width$x}"),
                false => write!(out, "{number:0width$}"),
            };
            match what {
                What::Uid => number(facts.uid)?,
                What::Validity => number(facts.validity)?,
                What::File => write!(out, "{:0>width$}", facts.file)?,
                What::Guid => write!(out, "{:0>width$}", facts.guid)?,
            }
            match (case, out.get_mut(start..)) {
                (Case::Lower, Some(made)) => made.make_ascii_lowercase(),
                (Case::Upper, Some(made)) => made.make_ascii_uppercase(),
                _ => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(format: &str) -> Result<String, UidlFormatError> {
        let facts = Facts { uid: 0x2a, validity: 0x65f1_c1aa, file: "17.M1.Host,S=3", guid: "9fAb" };
        let mut out = String::new();
        format.parse::<UidlFormat>()?.write(&facts, &mut out).unwrap();
        Ok(out)
    }

    /// The formats that Dovecot's own example configuration names, and what they give.
    #[test]
    fn formats_of_dovecots_manual() {
        for (format, id) in [
            ("%08Xu%08Xv", "0000002a65f1c1aa"),
            ("%08Xv%08Xu", "65f1c1aa0000002a"),
            ("%f", "17.M1.Host,S=3"),
            ("%v-%u", "1710342570-42"),
            ("%u", "42"),
            ("%v.%u", "1710342570.42"),
            ("%g", "9fAb"),
            ("UID%u-%v", "UID42-1710342570"),
            ("%Uf", "17.M1.HOST,S=3"),
            ("%Lg%%", "9fab%"),
            ("%08XUu", "0000002A"),
            ("%06u", "000042"),
            ("%06g", "009fAb"),
        ] {
            assert_eq!(made(format).as_deref(), Ok(id), "{format}");
        }
        assert_eq!(UidlFormat::default(), "%08Xu%08Xv".parse().unwrap());
    }

    #[test]
    fn what_cannot_be_followed_is_an_error() {
        let unknown = |letter| Err(UidlFormatError::Unknown { letter });
        assert_eq!(made(""), Err(UidlFormatError::NotUnique));
        assert_eq!(made("%v"), Err(UidlFormatError::NotUnique));
        assert_eq!(made("%m"), unknown('m'));
        assert_eq!(made("%Mf"), unknown('M'));
        assert_eq!(made("%Xf"), unknown('X'));
        assert_eq!(made("%5u"), unknown('5'));
        assert_eq!(made("%u%"), Err(UidlFormatError::Malformed));
        assert_eq!(made("%0u"), Err(UidlFormatError::Malformed));
        assert_eq!(made("%071u"), Err(UidlFormatError::Malformed));
        assert_eq!(made("%099999999999999999999999u"), Err(UidlFormatError::Malformed));
    }
}
