//! A user name that must be kept from one message to a later question. It allocates nothing, so it has a limit.

use core::fmt;

use super::{MAX_NAME, SaslError, identity};

/// A name of up to [`MAX_NAME`] octets, without control characters; empty until it is set.
#[derive(Clone)]
pub(super) struct Name {
    octets: [u8; MAX_NAME],
    length: usize,
}

impl Name {
    pub(super) const fn new() -> Self {
        Self { octets: [0; MAX_NAME], length: 0 }
    }

    /// Keeps the name that `parts` make together, if they can be one.
    pub(super) fn set<'p>(&mut self, parts: impl IntoIterator<Item = &'p [u8]>) -> Result<(), SaslError> {
        self.length = 0;
        let mut length = 0usize;
        for part in parts {
            let end = length.saturating_add(part.len());
            self.octets.get_mut(length..end).ok_or(SaslError::Identity)?.copy_from_slice(part);
            length = end;
        }
        identity(self.octets.get(..length).unwrap_or_default())?;
        self.length = length;
        Ok(())
    }

    pub(super) fn as_str(&self) -> &str {
        let octets = self.octets.get(..self.length).unwrap_or_default();
        core::str::from_utf8(octets).unwrap_or_default() // `set` has looked
    }
}

impl Default for Name {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[redacted; {} octets]", self.length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_255_octets_at_most_and_is_never_cut() {
        let mut name = Name::new();
        assert_eq!(name.as_str(), "");
        let long = "x".repeat(256);
        let (fits, over) = (&long.as_bytes()[..255], long.as_bytes());
        assert_eq!(name.set([fits]), Ok(()));
        assert_eq!(name.as_str().as_bytes(), fits);
        assert_eq!(name.set([over]), Err(SaslError::Identity));
        assert_eq!(name.as_str(), "");
        assert_eq!(name.set([fits, b"y"]), Err(SaslError::Identity));
        assert_eq!(name.set([&b"j\xc3"[..], b"\xbcrgen"]), Ok(()));
        assert_eq!(name.as_str(), "jürgen");
        for bad in [&b"\xc3"[..], b"a\r", b"\x7f", b"a\0"] {
            assert_eq!(name.set([bad]), Err(SaslError::Identity));
            assert_eq!(name.as_str(), "");
        }
        assert_eq!(std::format!("{name:?}"), "[redacted; 0 octets]");
    }
}
