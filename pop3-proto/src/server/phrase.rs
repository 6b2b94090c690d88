//! What a session has to say: [`Phrase`], in English.
//!
//! No text holds octets of the client (RP-ALPACA.2), none begins with `[` (R2449-6.4), and what an attacker could learn
//! from - whether a user exists, whether a password was right - is worded alike (R1939-7.5, R8314-4.3). The numbers that
//! clients read, and the response codes, are no phrases: they are the same in every language.

macro_rules! phrases {
    ($($(#[$attribute:meta])* $name:ident: $english:literal,)*) => {
        /// One thing that a session can say. The text of each variant is its English.
        ///
        /// In a text `{messages}` and `{octets}` stand for numbers, where the phrase has them; see
        /// [`Language`](super::Language) for texts in other languages.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Phrase {
            $(#[doc = concat!("“", $english, "”")] $(#[$attribute])* $name,)*
        }

        impl Phrase {
            /// All phrases, in the order of their names.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// It in English, which is ASCII.
            pub const fn english(self) -> &'static str {
                match self {
                    $(Self::$name => $english,)*
                }
            }
        }
    };
}

phrases! {
    AlreadyMarked: "message is already marked as deleted",
    AuthenticationCancelled: "authentication cancelled",
    AuthenticationFailed: "authentication failed",
    BeforeLoginOnly: "only before login",
    BeginTls: "begin TLS",
    Bye: "bye",
    CapabilitiesFollow: "capabilities follow",
    EncryptionRequired: "encryption required",
    InUse: "maildrop is in use by another session",
    ///
    /// The reply to `LANG`, behind the tag; it may be empty.
    LanguageChosen: "texts are in English",
    LanguagesFollow: "languages follow",
    LineTooLong: "line too long",
    LoginDelay: "too soon after the last login",
    MaildropHasMessage: "maildrop has {messages} message ({octets} octets)",
    MaildropHasMessages: "maildrop has {messages} messages ({octets} octets)",
    MalformedSasl: "malformed SASL message",
    Marked: "message marked as deleted",
    MechanismsFollow: "mechanisms follow",
    MessageFollows: "message follows",
    MessageHasOctets: "{octets} octets",
    NeedsUtf8: "message needs UTF-8 mode",
    NoSuchLanguage: "language not available",
    NoSuchMechanism: "mechanism not available",
    NoSuchMessage: "no such message",
    NotHere: "command not valid in this state",
    NotRemoved: "some deleted messages not removed",
    NothingDone: "nothing done",
    OneMessage: "{messages} message ({octets} octets)",
    PermanentFault: "permanent fault, ask the administrator",
    SendPassword: "send PASS",
    SeveralMessages: "{messages} messages ({octets} octets)",
    Syntax: "unknown or malformed command",
    TemporaryFault: "temporary fault, try again later",
    TlsIsActive: "TLS is active already",
    Unmarked: "no message is marked as deleted",
    Unsupported: "not supported",
    Utf8Mode: "UTF-8 mode is on",
}
