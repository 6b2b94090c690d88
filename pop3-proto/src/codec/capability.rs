//! Capabilities: the lines of `CAPA`.
//!
//! ```text
//! capa-line = tag *( SP param ) CRLF      ; <= 512 octets with CRLF; tag = printable, any case
//! ```
//!
//! RFC 2449 sections 5 and 6, RFC 2595 section 4, RFC 3206, RFC 5034 section 3, RFC 6856. The grammar is open: a tag that is not known, or
//! whose parameters are not understood, is kept as [`Capability::Other`] and the feature is not used (R2449-5.2,
//! PB-C25, PB-Q35). Allocates nothing, never panics.

use super::arg::{Digits, parse_number};
use super::listing::put_line;
use crate::buffer::{Full, Sink};

/// One capability.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Capability<'a> {
    /// `TOP` works.
    Top,
    /// `UIDL` works.
    Uidl,
    /// `USER` and `PASS` may log in.
    User,
    /// `AUTH` works with these mechanisms.
    Sasl(Words<'a>),
    /// A text that starts with `[` is a response code.
    RespCodes,
    /// Every credential failure, and nothing else, has the code `AUTH` (RFC 3206).
    AuthRespCode,
    /// Commands may be sent before the replies to earlier ones were read.
    Pipelining,
    /// Logins must lie so many seconds apart.
    LoginDelay {
        /// Seconds.
        seconds: u32,
        /// Before login: the value may be smaller for this user.
        per_user: bool,
    },
    /// Mail is removed after so many days.
    Expire {
        /// Days; `None` is `NEVER`.
        days: Option<u32>,
        /// Before login: the value may differ for this user.
        per_user: bool,
    },
    /// What the server calls itself. Never a reason to behave differently (R2449-6.9.1).
    Implementation(&'a [u8]),
    /// `STLS` works.
    Stls,
    /// `UTF8` works.
    Utf8 {
        /// Names and passwords of `USER`, `PASS` and `APOP` may be UTF-8.
        user: bool,
    },
    /// `LANG` works.
    Lang,
    /// Anything else.
    Other {
        /// The first token.
        tag: &'a [u8],
        /// The rest.
        arguments: Words<'a>,
    },
}

/// Words separated by blanks: the arguments of a capability.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Words<'a>(&'a [u8]);

impl<'a> Words<'a> {
    /// The words of `text`.
    pub const fn new(text: &'a [u8]) -> Self {
        Self(text)
    }

    /// The text as received.
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.0
    }

    /// Each word.
    pub fn iter(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.0.split(|&b| b == b' ' || b == b'\t').filter(|word| !word.is_empty())
    }

    /// Whether `word` is among them, in any case.
    pub fn contains(&self, word: &[u8]) -> bool {
        self.iter().any(|w| w.eq_ignore_ascii_case(word))
    }
}

impl core::fmt::Debug for Words<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

impl<'a> Capability<'a> {
    /// Reads one line, without its CRLF. `None`: a blank line, as some servers send between capabilities (PB-Q36).
    pub fn parse(line: &'a [u8]) -> Option<Self> {
        let line = line.trim_ascii();
        if line.is_empty() {
            return None;
        }
        let end = line.iter().position(|&b| b == b' ' || b == b'\t').unwrap_or(line.len());
        let (tag, rest) = line.split_at_checked(end)?;
        let arguments = Words(rest.trim_ascii_start());
        let known = KNOWN.iter().find(|(name, _)| tag.eq_ignore_ascii_case(name.as_bytes()));
        Some(known.and_then(|(_, read)| read(arguments)).unwrap_or(Self::Other { tag, arguments }))
    }

    /// The tag, as this crate writes it or as it was received.
    pub fn tag(&self) -> &'a [u8] {
        match self {
            Self::Top => b"TOP",
            Self::Uidl => b"UIDL",
            Self::User => b"USER",
            Self::Sasl(_) => b"SASL",
            Self::RespCodes => b"RESP-CODES",
            Self::AuthRespCode => b"AUTH-RESP-CODE",
            Self::Pipelining => b"PIPELINING",
            Self::LoginDelay { .. } => b"LOGIN-DELAY",
            Self::Expire { .. } => b"EXPIRE",
            Self::Implementation(_) => b"IMPLEMENTATION",
            Self::Stls => b"STLS",
            Self::Utf8 { .. } => b"UTF8",
            Self::Lang => b"LANG",
            Self::Other { tag, .. } => tag,
        }
    }

    /// Writes the line with its CRLF, or nothing.
    ///
    /// # Errors
    ///
    /// [`Full`]: `out` has not the room.
    pub fn encode(&self, out: &mut (impl Sink + ?Sized)) -> Result<(), Full> {
        let tag = self.tag();
        let user: &[u8] = b" USER";
        match self {
            Self::Sasl(words) | Self::Other { arguments: words, .. } if words.iter().next().is_some() => {
                put_line(&[tag, b" ", words.0, b"\r\n"], out)
            }
            Self::LoginDelay { seconds, per_user } => {
                let suffix = if *per_user { user } else { b"" };
                put_line(&[tag, b" ", Digits::new(u64::from(*seconds)).as_bytes(), suffix, b"\r\n"], out)
            }
            Self::Expire { days, per_user } => {
                let digits = days.map(|d| Digits::new(u64::from(d)));
                let suffix = if *per_user { user } else { b"" };
                put_line(
                    &[tag, b" ", digits.as_ref().map_or(b"NEVER", Digits::as_bytes), suffix, b"\r\n"],
                    out,
                )
            }
            Self::Implementation(text) => put_line(&[tag, b" ", text, b"\r\n"], out),
            Self::Utf8 { user: true } => put_line(&[tag, user, b"\r\n"], out),
            _ => put_line(&[tag, b"\r\n"], out),
        }
    }
}

type Read = for<'a> fn(Words<'a>) -> Option<Capability<'a>>;

/// Tag, and what its arguments mean; `None` where they make no sense.
const KNOWN: [(&str, Read); 13] = [
    ("TOP", |_| Some(Capability::Top)),
    ("UIDL", |_| Some(Capability::Uidl)),
    ("USER", |_| Some(Capability::User)),
    ("SASL", |words| Some(Capability::Sasl(words))),
    ("RESP-CODES", |_| Some(Capability::RespCodes)),
    ("AUTH-RESP-CODE", |_| Some(Capability::AuthRespCode)),
    ("PIPELINING", |_| Some(Capability::Pipelining)),
    ("LOGIN-DELAY", |words| {
        let mut words = words.iter();
        let seconds = u32::try_from(parse_number(words.next()?)?).ok()?;
        Some(Capability::LoginDelay { seconds, per_user: words.any(|w| w.eq_ignore_ascii_case(b"USER")) })
    }),
    ("EXPIRE", |words| {
        let mut words = words.iter();
        let first = words.next()?;
        let days = if first.eq_ignore_ascii_case(b"NEVER") {
            None
        } else {
            Some(u32::try_from(parse_number(first)?).ok()?)
        };
        Some(Capability::Expire { days, per_user: words.any(|w| w.eq_ignore_ascii_case(b"USER")) })
    }),
    ("IMPLEMENTATION", |words| Some(Capability::Implementation(words.0))),
    ("STLS", |_| Some(Capability::Stls)),
    ("UTF8", |words| Some(Capability::Utf8 { user: words.contains(b"USER") })),
    ("LANG", |_| Some(Capability::Lang)),
];

/// What a server can do, gathered from its capabilities, as far as it decides what may be sent.
///
/// [`Client`](crate::Client) keeps one and forgets it when TLS starts (R2595-4.5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capabilities {
    /// A `CAPA` was answered with `+OK`, so that what is missing below is not offered.
    pub known: bool,
    /// `TOP`.
    pub top: bool,
    /// `UIDL`.
    pub uidl: bool,
    /// `USER`.
    pub user: bool,
    /// `SASL`, with any mechanism.
    pub sasl: bool,
    /// `RESP-CODES`.
    pub resp_codes: bool,
    /// `AUTH-RESP-CODE`.
    pub auth_resp_code: bool,
    /// `PIPELINING`.
    pub pipelining: bool,
    /// `STLS`.
    pub stls: bool,
    /// `UTF8`.
    pub utf8: bool,
    /// `UTF8 USER`.
    pub utf8_user: bool,
    /// `LANG`.
    pub lang: bool,
    /// `LOGIN-DELAY`, in seconds.
    pub login_delay: Option<u32>,
}

impl Capabilities {
    /// Adds `capability`.
    pub fn add(&mut self, capability: &Capability<'_>) {
        match capability {
            Capability::Top => self.top = true,
            Capability::Uidl => self.uidl = true,
            Capability::User => self.user = true,
            Capability::Sasl(_) => self.sasl = true,
            Capability::RespCodes => self.resp_codes = true,
            Capability::AuthRespCode => self.auth_resp_code = true,
            Capability::Pipelining => self.pipelining = true,
            Capability::Stls => self.stls = true,
            Capability::Utf8 { user } => {
                self.utf8 = true;
                self.utf8_user = *user;
            }
            Capability::Lang => self.lang = true,
            Capability::LoginDelay { seconds, .. } => self.login_delay = Some(*seconds),
            Capability::Expire { .. } | Capability::Implementation(_) | Capability::Other { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Verb;

    #[test]
    fn r2449_5_2_pb_c25_pb_q35_unknown_capabilities_are_kept() {
        let line = b"X-FOO 1 2";
        match Capability::parse(line) {
            Some(Capability::Other { tag, arguments }) => {
                assert_eq!(tag, b"X-FOO");
                assert_eq!(arguments.iter().count(), 2);
            }
            other => panic!("{other:?}"),
        }
        assert!(matches!(Capability::parse(b"RESP_CODES"), Some(Capability::Other { .. })));
        assert!(matches!(Capability::parse(b"PIPELINE"), Some(Capability::Other { .. })));
        assert!(matches!(Capability::parse(b"EXPIRENEVER"), Some(Capability::Other { .. })));
        assert!(matches!(Capability::parse(b"EXPIRE"), Some(Capability::Other { .. })));
        assert!(matches!(Capability::parse(b"LOGIN-DELAY soon"), Some(Capability::Other { .. })));
    }

    #[test]
    fn pb_q36_blank_lines_are_no_capabilities() {
        assert_eq!(Capability::parse(b""), None);
        assert_eq!(Capability::parse(b"  "), None);
    }

    #[test]
    fn r2449_5_2_tags_have_no_case_and_words_any_blanks() {
        match Capability::parse(b"sasl  plain   SCRAM-SHA-1-PLUS ") {
            Some(Capability::Sasl(words)) => {
                assert!(words.contains(b"PLAIN"));
                assert!(words.contains(b"scram-sha-1-plus"));
                assert!(!words.contains(b"SCRAM-SHA-1"));
                assert_eq!(words.iter().count(), 2);
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn r2449_6_capabilities_parse_back_to_themselves() {
        let all = [
            Capability::Top,
            Capability::Sasl(Words(b"PLAIN EXTERNAL")),
            Capability::LoginDelay { seconds: 300, per_user: true },
            Capability::LoginDelay { seconds: 60, per_user: false },
            Capability::Expire { days: None, per_user: false },
            Capability::Expire { days: Some(0), per_user: false },
            Capability::Expire { days: Some(5), per_user: true },
            Capability::Implementation(b"a server"),
            Capability::Utf8 { user: true },
            Capability::Utf8 { user: false },
            Capability::Other { tag: b"X-FOO", arguments: Words(b"1 2") },
            Capability::AuthRespCode,
        ];
        for capability in all {
            let mut storage = [0u8; 64];
            let mut out = &mut storage[..];
            capability.encode(&mut out).unwrap();
            let used = 64 - out.len();
            let line = storage[..used].strip_suffix(b"\r\n").unwrap();
            assert_eq!(Capability::parse(line), Some(capability));
        }
    }

    #[test]
    fn r2449_6_1_the_tag_of_an_optional_command_is_its_keyword() {
        let commands = [Verb::Top, Verb::Uidl, Verb::User, Verb::Stls, Verb::Utf8, Verb::Lang];
        for verb in commands {
            let capability = Capability::parse(verb.keyword().as_bytes()).unwrap();
            assert!(!matches!(capability, Capability::Other { .. }), "{verb}");
            assert_eq!(capability.tag(), verb.keyword().as_bytes());
        }
        // All tags are registered ones, which never begin with X.
        assert!(KNOWN.iter().all(|(tag, _)| !tag.starts_with('X')));
    }

    #[test]
    fn r2449_5_1_no_blank_stands_where_no_word_follows() {
        for (words, line) in
            [(&b""[..], &b"SASL\r\n"[..]), (b" ", b"SASL\r\n"), (b"PLAIN", b"SASL PLAIN\r\n")]
        {
            let mut out = alloc::vec::Vec::new();
            Capability::Sasl(Words::new(words)).encode(&mut out).unwrap();
            assert_eq!(out, line, "{}", words.escape_ascii());
        }
    }
}
