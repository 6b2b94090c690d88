//! What a server's octets mean to a client.

use super::queue::CommandId;
use crate::codec::{
    Base64, Capability, CodeKind, DropListing, LanguageListing, MessageNumber, ScanListing, StatusLine,
    UniqueIdListing, Verb,
};

/// One event. It borrows the input, so the [`Client`](super::Client) may be used while it is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientEvent<'i> {
    /// The server greets. `-ERR` means that it refuses the session: close (R1939-4.2).
    Greeting(StatusLine<'i>),
    /// The first line, or only line, of the reply to a command.
    Reply(Reply<'i>),
    /// A line of `LIST`.
    ScanListing(CommandId, ScanListing),
    /// A line of `UIDL`.
    UniqueId(CommandId, UniqueIdListing<'i>),
    /// A line of `CAPA`.
    Capability(CommandId, Capability<'i>),
    /// A line of `LANG`.
    Language(CommandId, LanguageListing<'i>),
    /// A line of `AUTH` alone: the name of a mechanism, as received.
    Mechanism(CommandId, &'i [u8]),
    /// A line of a list that does not parse. It has used up its place; the list goes on.
    Malformed(CommandId, &'i [u8]),
    /// Part of a message, byte-stuffing removed, line ends untouched. Parts end anywhere, also between CR and LF.
    Body(CommandId, &'i [u8]),
    /// The end of a multi-line reply. What came before it is complete.
    End(CommandId),
    /// The server asks for the next message of the SASL exchange: `respond` or `cancel`.
    Challenge(Base64<'i>),
    /// The server sent a challenge that is no base64: `cancel` (R5034-4.10).
    UndecodableChallenge(&'i [u8]),
    /// A status line that answers nothing: the server is about to close (PB-Q26). Nothing can be sent any more.
    ClosingNotice(StatusLine<'i>),
}

/// The first line of a reply, and which command it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reply<'i> {
    /// Which command.
    pub id: CommandId,
    /// Its verb.
    pub verb: Verb,
    /// The message it named.
    pub message: Option<MessageNumber>,
    /// The line.
    pub line: StatusLine<'i>,
    /// Whether lines or a message follow, up to an [`End`](ClientEvent::End).
    pub more: bool,
    /// Whether the server announced `RESP-CODES`, so that a leading bracket is a response code (R2449-8.3).
    pub codes_announced: bool,
}

impl<'i> Reply<'i> {
    /// Whether the status is `+OK`.
    pub const fn is_ok(&self) -> bool {
        self.line.is_ok()
    }

    /// What the response code means; `None` without one, or if the server has not announced `RESP-CODES`.
    pub fn code(&self) -> Option<CodeKind> {
        if self.codes_announced { self.line.code()?.kind() } else { None }
    }

    /// The data of a `+OK` to `STAT`.
    pub fn drop_listing(&self) -> Option<DropListing> {
        if self.is_ok() && self.verb == Verb::Stat { DropListing::parse(self.line.text) } else { None }
    }

    /// The data of a `+OK` to `LIST n`; `None` too if it names another message or none (PB-Q10).
    pub fn scan_listing(&self) -> Option<ScanListing> {
        let asked = self.message.filter(|_| self.is_ok() && self.verb == Verb::List)?;
        ScanListing::parse(self.line.text).filter(|listing| listing.number == asked)
    }

    /// The data of a `+OK` to `UIDL n`; `None` too if it names another message.
    pub fn unique_id(&self) -> Option<UniqueIdListing<'i>> {
        let asked = self.message.filter(|_| self.is_ok() && self.verb == Verb::Uidl)?;
        UniqueIdListing::parse_single(self.line.text, asked)
    }
}
