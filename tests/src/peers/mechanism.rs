//! The ways to log in, and which peer knows which.

/// A way to log in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Mechanism {
    /// `USER` and `PASS`.
    UserPass,
    /// `APOP`.
    Apop,
    /// SASL PLAIN.
    Plain,
    /// SASL LOGIN.
    Login,
    /// SASL CRAM-MD5.
    CramMd5,
    /// SASL SCRAM-SHA-1.
    ScramSha1,
    /// SASL SCRAM-SHA-256.
    ScramSha256,
    /// SASL SCRAM-SHA-512.
    ScramSha512,
    /// SASL SCRAM-SHA-1-PLUS.
    ScramSha1Plus,
    /// SASL SCRAM-SHA-256-PLUS.
    ScramSha256Plus,
    /// SASL SCRAM-SHA-512-PLUS.
    ScramSha512Plus,
    /// SASL EXTERNAL, with a client certificate.
    External,
    /// SASL OAUTHBEARER; the password is the token.
    OAuthBearer,
    /// SASL XOAUTH2; the password is the token.
    XOAuth2,
    /// SASL ANONYMOUS.
    Anonymous,
}

impl Mechanism {
    /// All of them, in the order of tables.
    pub const ALL: [Self; 15] = [
        Self::UserPass,
        Self::Apop,
        Self::Plain,
        Self::Login,
        Self::CramMd5,
        Self::ScramSha1,
        Self::ScramSha256,
        Self::ScramSha512,
        Self::ScramSha1Plus,
        Self::ScramSha256Plus,
        Self::ScramSha512Plus,
        Self::External,
        Self::OAuthBearer,
        Self::XOAuth2,
        Self::Anonymous,
    ];

    /// Its name in CAPA, or the commands where it is no SASL mechanism.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::UserPass => "USER/PASS",
            Self::Apop => "APOP",
            Self::Plain => "PLAIN",
            Self::Login => "LOGIN",
            Self::CramMd5 => "CRAM-MD5",
            Self::ScramSha1 => "SCRAM-SHA-1",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha512 => "SCRAM-SHA-512",
            Self::ScramSha1Plus => "SCRAM-SHA-1-PLUS",
            Self::ScramSha256Plus => "SCRAM-SHA-256-PLUS",
            Self::ScramSha512Plus => "SCRAM-SHA-512-PLUS",
            Self::External => "EXTERNAL",
            Self::OAuthBearer => "OAUTHBEARER",
            Self::XOAuth2 => "XOAUTH2",
            Self::Anonymous => "ANONYMOUS",
        }
    }

    /// Whether the secret is a token.
    #[must_use]
    pub const fn has_token(self) -> bool {
        matches!(self, Self::OAuthBearer | Self::XOAuth2)
    }

    /// Whether it binds the login to the TLS connection.
    #[must_use]
    pub const fn binds_channel(self) -> bool {
        matches!(self, Self::ScramSha1Plus | Self::ScramSha256Plus | Self::ScramSha512Plus)
    }
}
