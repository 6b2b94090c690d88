//! What goes behind a status indicator: refusals with their codes, and texts put together from words and numbers.

use super::Phrase;
use crate::codec::{CodeKind, Digits, FIRST_LINE_OCTETS};

/// A refusal by the driver, and with it the reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Refusal {
    /// A credential problem: `[AUTH]`. Counts as a failed login.
    Credentials,
    /// The credentials are right, the maildrop is locked: `[IN-USE]`.
    InUse,
    /// The credentials are right, the last login is too recent: `[LOGIN-DELAY]`.
    LoginDelay,
    /// A fault that may pass: `[SYS/TEMP]`.
    Temporary,
    /// A fault that needs a human: `[SYS/PERM]`.
    Permanent,
    /// The message has vanished from the store. Counts as a bad command (PB-S31).
    Gone,
    /// The SASL exchange went wrong in its form; no code, as it says nothing of credentials. Counts as a bad command.
    Malformed,
    /// The message needs UTF-8 mode: `[UTF8]` (R6856-5.1).
    NeedsUtf8,
}

impl Refusal {
    pub(super) const fn code(self) -> Option<CodeKind> {
        match self {
            Self::Credentials => Some(CodeKind::Auth),
            Self::InUse => Some(CodeKind::InUse),
            Self::LoginDelay => Some(CodeKind::LoginDelay),
            Self::Temporary => Some(CodeKind::SysTemp),
            Self::Permanent => Some(CodeKind::SysPerm),
            Self::NeedsUtf8 => Some(CodeKind::Utf8),
            Self::Gone | Self::Malformed => None,
        }
    }

    pub(super) const fn phrase(self) -> Phrase {
        match self {
            Self::Credentials => Phrase::AuthenticationFailed,
            Self::InUse => Phrase::InUse,
            Self::LoginDelay => Phrase::LoginDelay,
            Self::Temporary => Phrase::TemporaryFault,
            Self::Permanent => Phrase::PermanentFault,
            Self::Gone => Phrase::NoSuchMessage,
            Self::Malformed => Phrase::MalformedSasl,
            Self::NeedsUtf8 => Phrase::NeedsUtf8,
        }
    }
}

/// To a client that speaks another protocol, and so has no language.
pub(super) const FOREIGN: &str = "this is a POP3 server";

/// A text that is put together from words and numbers, without a formatter.
pub(super) struct Text {
    octets: [u8; FIRST_LINE_OCTETS],
    len: usize,
}

impl Text {
    pub(super) const fn new() -> Self {
        Self { octets: [0; FIRST_LINE_OCTETS], len: 0 }
    }

    /// Appends as much as there is room for.
    pub(super) fn octets(&mut self, octets: &[u8]) {
        let room = self.octets.get_mut(self.len..).unwrap_or(&mut []);
        for (place, &octet) in room.iter_mut().zip(octets) {
            *place = octet;
            self.len = self.len.saturating_add(1);
        }
    }

    pub(super) fn words(&mut self, words: &str) {
        self.octets(words.as_bytes());
    }

    pub(super) fn number(&mut self, number: u64) {
        self.octets(Digits::new(number).as_bytes());
    }

    /// Appends `template` with its holes filled.
    pub(super) fn filled(&mut self, template: &str, messages: u32, octets: u64) {
        let mut rest = template;
        while let Some((before, behind)) = rest.split_once('{') {
            self.words(before);
            if let Some(tail) = behind.strip_prefix("messages}") {
                self.number(u64::from(messages));
                rest = tail;
            } else if let Some(tail) = behind.strip_prefix("octets}") {
                self.number(octets);
                rest = tail;
            } else {
                self.words("{");
                rest = behind;
            }
        }
        self.words(rest);
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.octets.get(..self.len).unwrap_or(&[])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;

    #[test]
    fn r1939_3_5_holes_are_filled_and_a_long_text_is_cut() {
        let text = |template: &str| {
            let mut text = Text::new();
            text.filled(template, 2, 130);
            String::from_utf8(text.as_bytes().to_vec()).unwrap()
        };
        assert_eq!(text("a {messages} b {octets}{octets}"), "a 2 b 130130");
        assert_eq!(text("{x} {messages {octets} {"), "{x} {messages 130 {");
        assert_eq!(text(&"x".repeat(600)).len(), FIRST_LINE_OCTETS);
    }
}
