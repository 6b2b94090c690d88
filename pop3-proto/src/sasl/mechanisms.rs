//! The mechanisms of this crate: one table for what a server offers, what a client chooses and what the docs say.

use super::server::ScramHash;
use crate::MechanismName;

/// What there is to know of a mechanism before it is used.
///
/// A server offers those for which its user database can answer the [question](Proof) and whose needs the connection
/// meets; a client takes the first of [`MECHANISMS`] that the server offers, that it has credentials for, and that its
/// caller allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Mechanism {
    /// Its name.
    pub name: MechanismName<'static>,
    /// By what the client shows who it is.
    pub proof: Proof,
    /// Whether the server learns a password or token, which others could use: the client must have verified who the
    /// server is (R4616-5.1, R5034-4.18).
    pub sends_password_in_clear: bool,
    /// Whether the server speaks first, so that there is no initial response (R5034-4.8).
    pub server_first: bool,
    /// Whether it has no place outside TLS: what it sends can be used by whoever reads it, or tried out at leisure, or
    /// it rests on TLS itself.
    pub needs_tls: bool,
    /// Whether it is bound to the TLS connection, and so shows a server in the middle for what it is.
    pub binds_channel: bool,
    /// Whether it is for old peers only, to be used where somebody asked for it.
    pub legacy: bool,
}

/// By what a client shows who it is, which is what the server must be able to check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Proof {
    /// A TLS certificate ([`Query::External`](super::server::Query::External)).
    Certificate,
    /// A password of which the server keeps keys for this hash ([`Query::ScramKeys`](super::server::Query::ScramKeys)).
    ScramKeys(ScramHash),
    /// A token of OAuth 2.0 ([`Query::Token`](super::server::Query::Token)).
    Token,
    /// A password that the server sees and compares ([`Query::Password`](super::server::Query::Password)).
    Password,
    /// A password that the server must keep as it is ([`Query::Secret`](super::server::Query::Secret)).
    Secret,
    /// None at all ([`Query::Anonymous`](super::server::Query::Anonymous)).
    Nothing,
}

/// The mechanisms of this crate with the features it was built with, the strongest first (R4422-6.1).
pub const MECHANISMS: &[Mechanism] = &[
    Mechanism { needs_tls: true, ..client_first(MechanismName::EXTERNAL, Proof::Certificate) },
    #[cfg(feature = "scram")]
    bound(client_first(MechanismName::SCRAM_SHA_512_PLUS, Proof::ScramKeys(ScramHash::Sha512))),
    #[cfg(feature = "scram")]
    bound(client_first(MechanismName::SCRAM_SHA_256_PLUS, Proof::ScramKeys(ScramHash::Sha256))),
    #[cfg(feature = "scram")]
    bound(client_first(MechanismName::SCRAM_SHA_1_PLUS, Proof::ScramKeys(ScramHash::Sha1))),
    #[cfg(feature = "scram")]
    client_first(MechanismName::SCRAM_SHA_512, Proof::ScramKeys(ScramHash::Sha512)),
    #[cfg(feature = "scram")]
    client_first(MechanismName::SCRAM_SHA_256, Proof::ScramKeys(ScramHash::Sha256)),
    #[cfg(feature = "scram")]
    client_first(MechanismName::SCRAM_SHA_1, Proof::ScramKeys(ScramHash::Sha1)),
    in_clear(MechanismName::OAUTHBEARER, Proof::Token),
    in_clear(MechanismName::XOAUTH2, Proof::Token),
    in_clear(MechanismName::PLAIN, Proof::Password),
    Mechanism { server_first: true, legacy: true, ..in_clear(MechanismName::LOGIN, Proof::Password) },
    #[cfg(feature = "md5")]
    Mechanism {
        server_first: true,
        needs_tls: true,
        legacy: true,
        ..client_first(MechanismName::CRAM_MD5, Proof::Secret)
    },
    client_first(MechanismName::ANONYMOUS, Proof::Nothing),
];

/// One in which the client speaks first, and of which nothing else is to be said.
const fn client_first(name: MechanismName<'static>, proof: Proof) -> Mechanism {
    Mechanism {
        name,
        proof,
        sends_password_in_clear: false,
        server_first: false,
        needs_tls: false,
        binds_channel: false,
        legacy: false,
    }
}

#[cfg(feature = "scram")]
const fn bound(mechanism: Mechanism) -> Mechanism {
    Mechanism { needs_tls: true, binds_channel: true, ..mechanism }
}

const fn in_clear(name: MechanismName<'static>, proof: Proof) -> Mechanism {
    Mechanism { sends_password_in_clear: true, needs_tls: true, ..client_first(name, proof) }
}

impl Mechanism {
    /// The mechanism of this crate called `name`, in any case.
    pub fn named(name: MechanismName<'_>) -> Option<&'static Self> {
        MECHANISMS.iter().find(|mechanism| mechanism.name == name)
    }
}
