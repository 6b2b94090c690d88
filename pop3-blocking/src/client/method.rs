//! Ways to log in, and how strong each is.

use core::fmt;

use pop3_proto::MechanismName;

/// A way to log in: a SASL mechanism, or commands of POP3 itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Method {
    /// SASL EXTERNAL: the client certificate (RFC 4422 appendix A).
    External,
    /// SCRAM-SHA-512-PLUS.
    ScramSha512Plus,
    /// SCRAM-SHA-256-PLUS (RFC 7677).
    ScramSha256Plus,
    /// SCRAM-SHA-1-PLUS (RFC 5802).
    ScramSha1Plus,
    /// SCRAM-SHA-512.
    ScramSha512,
    /// SCRAM-SHA-256 (RFC 7677).
    ScramSha256,
    /// SCRAM-SHA-1 (RFC 5802).
    ScramSha1,
    /// OAUTHBEARER (RFC 7628).
    OAuthBearer,
    /// XOAUTH2, a practice of Google and Microsoft.
    XOAuth2,
    /// SASL PLAIN (RFC 4616).
    Plain,
    /// SASL LOGIN, never standardised; used only where it was asked for.
    Login,
    /// CRAM-MD5 (RFC 2195); used only where it was asked for.
    #[cfg(feature = "legacy-md5")]
    CramMd5,
    /// The commands `USER` and `PASS` (RFC 1939 section 7).
    UserPass,
    /// The command `APOP` (RFC 1939 section 7); used only where it was asked for.
    #[cfg(feature = "legacy-md5")]
    Apop,
}

/// What a method does to the secret, the weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Strength {
    /// The server learns the password or token, as with PLAIN, OAUTHBEARER, and `USER` and `PASS`; or something out of
    /// which it is found by trying, as with CRAM-MD5 and `APOP`.
    SecretSent,
    /// Both sides prove that they know the password and neither sends it: SCRAM.
    SecretProven,
    /// As [`SecretProven`](Self::SecretProven), or by certificate, and bound to this very TLS connection, so that nobody
    /// can stand in the middle, not even with a certificate that is believed: SCRAM with `-PLUS`, EXTERNAL.
    ChannelBound,
}

impl Method {
    /// All of them, in the order in which they are chosen: the strongest first (R4422-6.1).
    pub const ALL: &'static [Self] = &[
        Self::External,
        Self::ScramSha512Plus,
        Self::ScramSha256Plus,
        Self::ScramSha1Plus,
        Self::ScramSha512,
        Self::ScramSha256,
        Self::ScramSha1,
        Self::OAuthBearer,
        Self::XOAuth2,
        Self::Plain,
        Self::Login,
        #[cfg(feature = "legacy-md5")]
        Self::CramMd5,
        Self::UserPass,
        #[cfg(feature = "legacy-md5")]
        Self::Apop,
    ];

    /// The method called `name`, in any case: the name of a SASL mechanism, `USER` or `APOP`.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|method| method.name().eq_ignore_ascii_case(name))
    }

    /// The name of the mechanism, or the first command.
    pub const fn name(self) -> &'static str {
        match self {
            Self::UserPass => "USER",
            #[cfg(feature = "legacy-md5")]
            Self::Apop => "APOP",
            _ => match self.mechanism() {
                Some(name) => name.as_str(),
                None => "",
            },
        }
    }

    /// The SASL mechanism; `None` for commands of POP3 itself.
    pub const fn mechanism(self) -> Option<MechanismName<'static>> {
        Some(match self {
            Self::External => MechanismName::EXTERNAL,
            Self::ScramSha512Plus => MechanismName::SCRAM_SHA_512_PLUS,
            Self::ScramSha256Plus => MechanismName::SCRAM_SHA_256_PLUS,
            Self::ScramSha1Plus => MechanismName::SCRAM_SHA_1_PLUS,
            Self::ScramSha512 => MechanismName::SCRAM_SHA_512,
            Self::ScramSha256 => MechanismName::SCRAM_SHA_256,
            Self::ScramSha1 => MechanismName::SCRAM_SHA_1,
            Self::OAuthBearer => MechanismName::OAUTHBEARER,
            Self::XOAuth2 => MechanismName::XOAUTH2,
            Self::Plain => MechanismName::PLAIN,
            Self::Login => MechanismName::LOGIN,
            #[cfg(feature = "legacy-md5")]
            Self::CramMd5 => MechanismName::CRAM_MD5,
            Self::UserPass => return None,
            #[cfg(feature = "legacy-md5")]
            Self::Apop => return None,
        })
    }

    /// What it does to the secret.
    pub const fn strength(self) -> Strength {
        match self {
            Self::External => Strength::ChannelBound,
            _ if self.is_plus() => Strength::ChannelBound,
            Self::ScramSha512 | Self::ScramSha256 | Self::ScramSha1 => Strength::SecretProven,
            _ => Strength::SecretSent,
        }
    }

    /// Whether the server learns the password or token itself.
    pub const fn sends_password_in_clear(self) -> bool {
        matches!(self, Self::OAuthBearer | Self::XOAuth2 | Self::Plain | Self::Login | Self::UserPass)
    }

    pub(super) const fn is_plus(self) -> bool {
        matches!(self, Self::ScramSha512Plus | Self::ScramSha256Plus | Self::ScramSha1Plus)
    }

    /// Whether it has no place outside TLS, whatever the caller allows: it rests on TLS, or what it sends is worth
    /// nothing in the hands of anyone but the server.
    pub(super) const fn needs_tls(self) -> bool {
        match self {
            Self::External | Self::OAuthBearer | Self::XOAuth2 => true,
            #[cfg(feature = "legacy-md5")]
            Self::CramMd5 | Self::Apop => true,
            _ => self.is_plus(),
        }
    }

    /// Whether it can tell the server to act as somebody else.
    pub(super) const fn has_authzid(self) -> bool {
        match self {
            Self::Login | Self::UserPass => false,
            #[cfg(feature = "legacy-md5")]
            Self::CramMd5 | Self::Apop => false,
            _ => true,
        }
    }

    /// The place in a set.
    pub(super) const fn bit(self) -> u32 {
        1 << self as u32
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
