//! The keywords of the protocol and what is known about each: one table for parsing, encoding and logging.

use core::fmt;

/// A command without its arguments.
///
/// `AUTH` without arguments asks for the list of mechanisms (a habit of deployed clients, in no RFC); it has a verb of
/// its own, [`Mechanisms`](Self::Mechanisms), because its reply has another shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Verb {
    /// `USER name` (RFC 1939 section 7).
    User,
    /// `PASS string` (RFC 1939 section 7).
    Pass,
    /// `APOP name digest` (RFC 1939 section 7).
    Apop,
    /// `AUTH mechanism [initial-response]` (RFC 5034).
    Auth,
    /// `AUTH` alone: which mechanisms there are.
    Mechanisms,
    /// `CAPA` (RFC 2449 section 5).
    Capa,
    /// `STLS` (RFC 2595 section 4).
    Stls,
    /// `UTF8` (RFC 6856 section 2).
    Utf8,
    /// `LANG [range]` (RFC 6856 section 3).
    Lang,
    /// `STAT` (RFC 1939 section 5).
    Stat,
    /// `LIST [msg]` (RFC 1939 section 5).
    List,
    /// `UIDL [msg]` (RFC 1939 section 7).
    Uidl,
    /// `RETR msg` (RFC 1939 section 5).
    Retr,
    /// `TOP msg n` (RFC 1939 section 7).
    Top,
    /// `DELE msg` (RFC 1939 section 5).
    Dele,
    /// `NOOP` (RFC 1939 section 5).
    Noop,
    /// `RSET` (RFC 1939 section 5).
    Rset,
    /// `QUIT` (RFC 1939 sections 4 and 6).
    Quit,
}

/// What a `+OK` to a command brings with it. A `-ERR` is one line for every command (R2449-6.6.2, PB-C24).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ReplyShape {
    /// One line.
    Single,
    /// One line, then dot-terminated lines of this kind.
    Lines(LineKind),
    /// One line, then a dot-terminated message.
    Body,
    /// Challenges (`+ `…), then one line.
    Sasl,
    /// One line, and behind its CRLF the TLS handshake.
    Tls,
}

/// What the lines of a multi-line reply are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LineKind {
    /// Scan listings of `LIST`.
    Scan,
    /// Unique-id listings of `UIDL`.
    UniqueId,
    /// Capabilities of `CAPA`.
    Capability,
    /// Languages of `LANG`.
    Language,
    /// Names of SASL mechanisms, of `AUTH` alone.
    Mechanism,
}

impl Verb {
    /// All verbs. Those with one keyword stand side by side.
    pub const ALL: [Self; 18] = [
        Self::User,
        Self::Pass,
        Self::Apop,
        Self::Auth,
        Self::Mechanisms,
        Self::Capa,
        Self::Stls,
        Self::Utf8,
        Self::Lang,
        Self::Stat,
        Self::List,
        Self::Uidl,
        Self::Retr,
        Self::Top,
        Self::Dele,
        Self::Noop,
        Self::Rset,
        Self::Quit,
    ];

    /// The keyword, as it is sent.
    pub const fn keyword(self) -> &'static str {
        match self {
            Self::User => "USER",
            Self::Pass => "PASS",
            Self::Apop => "APOP",
            Self::Auth | Self::Mechanisms => "AUTH",
            Self::Capa => "CAPA",
            Self::Stls => "STLS",
            Self::Utf8 => "UTF8",
            Self::Lang => "LANG",
            Self::Stat => "STAT",
            Self::List => "LIST",
            Self::Uidl => "UIDL",
            Self::Retr => "RETR",
            Self::Top => "TOP",
            Self::Dele => "DELE",
            Self::Noop => "NOOP",
            Self::Rset => "RSET",
            Self::Quit => "QUIT",
        }
    }

    /// The verb of `keyword`, in any case (R1939-3.1). `AUTH` gives [`Auth`](Self::Auth).
    pub fn from_keyword(keyword: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|verb| verb.keyword().as_bytes().eq_ignore_ascii_case(keyword))
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.keyword())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn r1939_3_1_keywords_have_no_case() {
        for verb in Verb::ALL {
            let upper = verb.keyword().as_bytes();
            let mixed: Vec<u8> = upper
                .iter()
                .enumerate()
                .map(|(i, b)| if i % 2 == 0 { b.to_ascii_lowercase() } else { *b })
                .collect();
            let want = if verb == Verb::Mechanisms { Verb::Auth } else { verb };
            assert_eq!(Verb::from_keyword(upper), Some(want));
            assert_eq!(Verb::from_keyword(&mixed), Some(want));
        }
    }

    #[test]
    fn pb_s21_a_keyword_is_matched_whole() {
        for verb in Verb::ALL {
            let mut longer = verb.keyword().as_bytes().to_vec();
            longer.push(b'X');
            assert_eq!(Verb::from_keyword(&longer), None);
            assert_eq!(Verb::from_keyword(&longer[..verb.keyword().len() - 1]), None);
        }
        assert_eq!(Verb::from_keyword(b""), None);
        assert_eq!(Verb::from_keyword(b"\0TOP"), None);
        assert_eq!(Verb::from_keyword(b"LAST"), None);
    }
}
