//! The words of a session: one constant text for each thing there is to say.
//!
//! No text holds octets of the client (RP-ALPACA.2), none begins with `[` (R2449-6.4), and what an attacker could learn
//! from - whether a user exists, whether a password was right - is worded alike (R1939-7.5, R8314-4.3).

use crate::codec::{CodeKind, Digits, DropListing};

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

    pub(super) const fn text(self) -> &'static str {
        match self {
            Self::Credentials => "authentication failed",
            Self::InUse => "maildrop is in use by another session",
            Self::LoginDelay => "too soon after the last login",
            Self::Temporary => "temporary fault, try again later",
            Self::Permanent => "permanent fault, ask the administrator",
            Self::Gone => NO_SUCH_MESSAGE,
            Self::Malformed => "malformed SASL message",
            Self::NeedsUtf8 => "message needs UTF-8 mode",
        }
    }
}

pub(super) const BYE: &str = "bye";
pub(super) const ENCRYPTION_REQUIRED: &str = "encryption required";
pub(super) const FOREIGN: &str = "this is a POP3 server";
pub(super) const LINE_TOO_LONG: &str = "line too long";
pub(super) const MARKED: &str = "message marked as deleted";
pub(super) const ALREADY_MARKED: &str = "message is already marked as deleted";
pub(super) const MESSAGE_FOLLOWS: &str = "message follows";
pub(super) const NO_SUCH_MECHANISM: &str = "mechanism not available";
pub(super) const NO_SUCH_MESSAGE: &str = "no such message";
pub(super) const NOT_HERE: &str = "command not valid in this state";
pub(super) const NOT_REMOVED: &str = "some deleted messages not removed";
pub(super) const SASL_CANCELLED: &str = "authentication cancelled";
pub(super) const SEND_PASSWORD: &str = "send PASS";
pub(super) const START_TLS: &str = "begin TLS";
pub(super) const SYNTAX: &str = "unknown or malformed command";
pub(super) const TOO_MANY: &str = "too many errors";
pub(super) const UNMARKED: &str = "no message is marked as deleted";
pub(super) const UNSUPPORTED: &str = "not supported";

/// A text that is put together from words and numbers, without a formatter.
pub(super) struct Text {
    octets: [u8; 128],
    len: usize,
}

impl Text {
    pub(super) const fn new() -> Self {
        Self { octets: [0; 128], len: 0 }
    }

    pub(super) fn octets(&mut self, octets: &[u8]) {
        let end = self.len.saturating_add(octets.len());
        if let Some(room) = self.octets.get_mut(self.len..end) {
            room.copy_from_slice(octets);
            self.len = end;
        }
    }

    pub(super) fn words(&mut self, words: &str) {
        self.octets(words.as_bytes());
    }

    pub(super) fn number(&mut self, number: u64) {
        self.octets(Digits::new(number).as_bytes());
    }

    pub(super) fn totals(&mut self, totals: &DropListing) {
        self.number(u64::from(totals.messages));
        self.words(if totals.messages == 1 { " message (" } else { " messages (" });
        self.number(totals.octets.unwrap_or(u64::MAX));
        self.words(" octets)");
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.octets.get(..self.len).unwrap_or(&[])
    }
}
