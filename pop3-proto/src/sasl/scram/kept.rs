//! What a server keeps of the client's first message until the last one.

use super::message::{self, First, Flag, attribute, extensions, is_nonce};
use super::{BindingError, MAX_FIRST};
use crate::sasl::{MAX_NAME, SaslError, identity};

/// The client's first message, in pieces that lie one behind the other: authorization identity, authentication identity,
/// both without escapes, nonce, and extensions with their comma.
#[derive(Clone)]
pub(super) struct Kept {
    octets: [u8; MAX_FIRST],
    flag: Flag,
    authzid: usize,
    authcid: usize,
    nonce: usize,
    extensions: usize,
}

impl Kept {
    pub(super) const EMPTY: Self = Self {
        octets: [0; MAX_FIRST],
        flag: Flag::Unsupported,
        authzid: 0,
        authcid: 0,
        nonce: 0,
        extensions: 0,
    };

    /// Takes in the message, if `allowed` agrees with its flag; `None` is a kind of binding that nobody here knows.
    pub(super) fn set(
        &mut self,
        text: &[u8],
        allowed: impl FnOnce(Option<Flag>) -> Result<Flag, BindingError>,
    ) -> Result<(), SaslError> {
        const MALFORMED: SaslError = SaslError::Malformed;
        *self = Self::EMPTY;
        if text.len() > MAX_FIRST {
            return Err(SaslError::TooLong { limit: MAX_FIRST });
        }
        let text = core::str::from_utf8(text).map_err(|_| MALFORMED)?;
        let (flag, rest) = text.split_once(',').ok_or(MALFORMED)?;
        let (authzid, bare) = rest.split_once(',').ok_or(MALFORMED)?;
        if !is_flag(flag) {
            return Err(MALFORMED);
        }
        let known = Flag::ALL.into_iter().find(|known| known.text() == flag);
        self.flag = allowed(known).map_err(SaslError::Binding)?;
        if bare.starts_with("m=") {
            return Err(SaslError::MandatoryExtension);
        }
        let (authcid, rest) = attribute(Some(bare), "n=").ok_or(MALFORMED)?;
        let (nonce, rest) = attribute(rest, "r=").ok_or(MALFORMED)?;
        extensions(rest, MALFORMED)?;
        if !is_nonce(nonce) {
            return Err(MALFORMED);
        }

        let mut end = 0;
        if !authzid.is_empty() {
            self.authzid = self.name(&mut end, authzid.strip_prefix("a=").ok_or(MALFORMED)?)?;
        }
        self.authcid = self.name(&mut end, authcid)?;
        self.nonce = self.put(&mut end, nonce)?;
        if let Some(rest) = rest {
            self.extensions = self.put(&mut end, ",")?.saturating_add(self.put(&mut end, rest)?);
        }
        // What is signed is the message as it came, and what is kept makes just that.
        let first = self.first();
        if message::is(&|put| first.message(put), text.as_bytes()) { Ok(()) } else { Err(MALFORMED) }
    }

    pub(super) fn first(&self) -> First<'_> {
        let mut rest = self.octets.as_slice();
        let mut next = |octets| {
            let (piece, after) = rest.split_at_checked(octets).unwrap_or_default();
            rest = after;
            core::str::from_utf8(piece).unwrap_or_default() // `set` has looked
        };
        let authzid = next(self.authzid);
        First {
            flag: self.flag,
            authzid: if authzid.is_empty() { None } else { Some(authzid) },
            authcid: next(self.authcid),
            nonce: next(self.nonce),
            extensions: next(self.extensions),
        }
    }

    /// Keeps a name without its escapes: `=2C` and `=3D`, and no other (R5802-5.1).
    fn name(&mut self, end: &mut usize, escaped: &str) -> Result<usize, SaslError> {
        let start = *end;
        let mut rest = escaped;
        while let Some((before, after)) = rest.split_once('=') {
            self.put(end, before)?;
            rest = if let Some(after) = after.strip_prefix("2C") {
                self.put(end, ",")?;
                after
            } else if let Some(after) = after.strip_prefix("3D") {
                self.put(end, "=")?;
                after
            } else {
                return Err(SaslError::Malformed);
            };
        }
        self.put(end, rest)?;
        let name = self.octets.get(start..*end).unwrap_or_default();
        if name.is_empty() {
            return Err(SaslError::Malformed);
        }
        if name.len() > MAX_NAME {
            return Err(SaslError::Identity);
        }
        identity(name)?;
        Ok(name.len())
    }

    fn put(&mut self, end: &mut usize, text: &str) -> Result<usize, SaslError> {
        let after = end.saturating_add(text.len());
        self.octets
            .get_mut(*end..after)
            .ok_or(SaslError::TooLong { limit: MAX_FIRST })?
            .copy_from_slice(text.as_bytes());
        *end = after;
        Ok(text.len())
    }
}

/// `gs2-cbind-flag`.
fn is_flag(text: &str) -> bool {
    match text.strip_prefix("p=") {
        Some(kind) => {
            !kind.is_empty()
                && kind.bytes().all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'.' | b'-'))
        }
        None => matches!(text, "n" | "y"),
    }
}
