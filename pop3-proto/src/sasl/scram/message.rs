//! The messages of SCRAM (RFC 5802 section 7): each is handed over in pieces, so that it can be sent, signed, counted or
//! compared without memory for the whole; and the parts that both sides read.

use crate::Base64;
use crate::sasl::SaslError;

/// Takes the pieces of a message, in order.
pub(super) type Put<'p> = &'p mut dyn FnMut(&[u8]);

/// What the client says of channel binding (`gs2-cbind-flag`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flag {
    /// It cannot.
    Unsupported,
    /// It could, but saw no mechanism that can.
    NotOffered,
    /// By this value (RFC 9266).
    Exporter,
    /// By this value (RFC 5929 section 4).
    ServerEndPoint,
}

impl Flag {
    pub(super) const ALL: [Self; 4] =
        [Self::Unsupported, Self::NotOffered, Self::Exporter, Self::ServerEndPoint];

    pub(super) const fn text(self) -> &'static str {
        match self {
            Self::Unsupported => "n",
            Self::NotOffered => "y",
            Self::Exporter => "p=tls-exporter",
            Self::ServerEndPoint => "p=tls-server-end-point",
        }
    }
}

/// What the client's first message says, names without their escapes.
#[derive(Clone, Copy)]
pub(super) struct First<'a> {
    pub(super) flag: Flag,
    pub(super) authzid: Option<&'a str>,
    pub(super) authcid: &'a str,
    pub(super) nonce: &'a str,
    /// What follows the nonce, with its comma.
    pub(super) extensions: &'a str,
}

impl First<'_> {
    /// `client-first-message`.
    pub(super) fn message(&self, put: Put<'_>) {
        self.header(put);
        self.bare(put);
    }

    /// `client-first-message-bare`.
    pub(super) fn bare(&self, put: Put<'_>) {
        put(b"n=");
        escaped(self.authcid, put);
        put(b",r=");
        put(self.nonce.as_bytes());
        put(self.extensions.as_bytes());
    }

    /// The `c=` attribute of the client's final message: the header, and the value of the channel binding.
    pub(super) fn binding(&self, data: &[u8], put: Put<'_>) {
        put(b"c=");
        let mut text = Base64Text { group: [0; 3], length: 0, put };
        self.header(&mut |piece| text.push(piece));
        text.push(data);
        text.flush();
    }

    /// `gs2-header`.
    fn header(&self, put: Put<'_>) {
        put(self.flag.text().as_bytes());
        put(b",");
        if let Some(authzid) = self.authzid {
            put(b"a=");
            escaped(authzid, put);
        }
        put(b",");
    }
}

/// `saslname`: `,` and `=` are written otherwise.
fn escaped(name: &str, put: Put<'_>) {
    for piece in name.as_bytes().split_inclusive(|octet| matches!(octet, b',' | b'=')) {
        match piece.split_last() {
            Some((b',', before)) => {
                put(before);
                put(b"=2C");
            }
            Some((b'=', before)) => {
                put(before);
                put(b"=3D");
            }
            _ => put(piece),
        }
    }
}

/// The base64 of `octets`.
pub(super) fn base64(octets: &[u8], put: Put<'_>) {
    let mut text = Base64Text { group: [0; 3], length: 0, put };
    text.push(octets);
    text.flush();
}

/// Writes base64 of what comes in pieces.
struct Base64Text<'p> {
    group: [u8; 3],
    length: usize,
    put: Put<'p>,
}

impl Base64Text<'_> {
    fn push(&mut self, octets: &[u8]) {
        for &octet in octets {
            if let Some(place) = self.group.get_mut(self.length) {
                *place = octet;
                self.length = self.length.saturating_add(1);
            }
            if self.length == self.group.len() {
                self.flush();
            }
        }
    }

    fn flush(&mut self) {
        let group = self.group.get(..self.length).unwrap_or_default();
        let mut text = [0; 4];
        if !group.is_empty() && Base64::encode_to(group, &mut text.as_mut_slice()).is_ok() {
            (self.put)(&text);
        }
        self.length = 0;
    }
}

/// How many octets a message has.
pub(super) fn length(message: &dyn Fn(Put<'_>)) -> usize {
    let mut octets = 0usize;
    message(&mut |piece| octets = octets.saturating_add(piece.len()));
    octets
}

/// Whether a message is `text`.
pub(super) fn is(message: &dyn Fn(Put<'_>), text: &[u8]) -> bool {
    let mut rest = Some(text);
    message(&mut |piece| rest = rest.and_then(|rest| rest.strip_prefix(piece)));
    rest.is_some_and(<[u8]>::is_empty)
}

/// The next attribute called `name`, which must be in this place, and what follows its comma.
pub(super) fn attribute<'a>(text: Option<&'a str>, name: &str) -> Option<(&'a str, Option<&'a str>)> {
    let (attribute, rest) = split(text?);
    Some((attribute.strip_prefix(name)?, rest))
}

/// Parts a list at its first comma.
pub(super) fn split(text: &str) -> (&str, Option<&str>) {
    match text.split_once(',') {
        Some((attribute, rest)) => (attribute, Some(rest)),
        None => (text, None),
    }
}

/// Reads over attributes that nobody here knows: they may be there, and mean nothing (R5802-5.5).
///
/// # Errors
///
/// - [`SaslError::MandatoryExtension`]: `m=`, which asks to fail where it is not known.
/// - `malformed`: one that has no value, or a name that belongs elsewhere.
pub(super) fn extensions(mut text: Option<&str>, malformed: SaslError) -> Result<(), SaslError> {
    while let Some(list) = text {
        let (attribute, rest) = split(list);
        match attribute.as_bytes() {
            [b'm', b'=', ..] => return Err(SaslError::MandatoryExtension),
            [b'a' | b'c' | b'e' | b'i' | b'n' | b'p' | b'r' | b's' | b'v', b'=', ..] => {
                return Err(malformed);
            }
            [name, b'=', value @ ..] if name.is_ascii_alphabetic() && is_value(value) => {}
            _ => return Err(malformed),
        }
        text = rest;
    }
    Ok(())
}

fn is_value(octets: &[u8]) -> bool {
    !octets.is_empty() && !octets.contains(&0)
}

/// Whether `text` can be a nonce: one or more printable characters of ASCII, and no comma.
pub(super) fn is_nonce(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|octet| matches!(octet, 0x21..=0x2b | 0x2d..=0x7e))
}

/// `number` in digits.
pub(super) fn decimal(number: u32, put: Put<'_>) {
    let mut digits = [0; 10];
    let mut rest = number;
    let mut octets = 0usize;
    for place in digits.iter_mut().rev() {
        *place = b'0'.wrapping_add(u8::try_from(rest % 10).unwrap_or_default());
        octets = octets.saturating_add(1);
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    put(digits.get(digits.len().saturating_sub(octets)..).unwrap_or_default());
}
