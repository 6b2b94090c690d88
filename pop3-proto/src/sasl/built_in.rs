//! The server mechanisms of this crate in one type, so that a server need not know which one it runs.

#[cfg(feature = "md5")]
use super::CramMd5Server;
#[cfg(feature = "scram")]
use super::ScramServer;
#[cfg(feature = "scram")]
use super::server::ScramHash;
use super::server::{ServerInput, ServerMechanism, ServerStep, Setup};
use super::{
    AnonymousServer, ExternalServer, LoginServer, OAuthBearerServer, PlainServer, SaslError, XOAuth2Server,
};
use crate::{MechanismName, Sink};

/// The mechanisms of this crate, to be chosen by the name in an `AUTH` command; [`MECHANISMS`](super::MECHANISMS) says
/// more of each.
///
/// It is as large as its largest, within 1,088 octets (640 without feature `scram`): those that ask twice keep what the
/// client said in between, since nothing allocates.
#[derive(Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "boxes need an allocator; there is one for a connection, during its login"
)]
#[non_exhaustive]
pub enum BuiltIn {
    /// RFC 4505.
    Anonymous(AnonymousServer),
    /// RFC 2195.
    #[cfg(feature = "md5")]
    CramMd5(CramMd5Server),
    /// RFC 4422 appendix A.
    External(ExternalServer),
    /// Never standardised.
    Login(LoginServer),
    /// RFC 7628.
    OAuthBearer(OAuthBearerServer),
    /// RFC 4616.
    Plain(PlainServer),
    /// RFC 5802 and RFC 7677, with each hash, with and without channel binding.
    #[cfg(feature = "scram")]
    Scram(ScramServer),
    /// Never standardised.
    XOAuth2(XOAuth2Server),
}

impl BuiltIn {
    /// The mechanism called `name`, in any case.
    pub fn named(name: MechanismName<'_>, setup: &Setup<'_>) -> Option<Self> {
        let _ = setup; // used by some features only
        Some(match name {
            name if name == MechanismName::ANONYMOUS => Self::Anonymous(AnonymousServer::new()),
            #[cfg(feature = "md5")]
            name if name == MechanismName::CRAM_MD5 => Self::CramMd5(CramMd5Server::new(setup)),
            name if name == MechanismName::EXTERNAL => Self::External(ExternalServer::new()),
            name if name == MechanismName::LOGIN => Self::Login(LoginServer::new()),
            name if name == MechanismName::OAUTHBEARER => Self::OAuthBearer(OAuthBearerServer::new()),
            name if name == MechanismName::PLAIN => Self::Plain(PlainServer::new()),
            #[cfg(feature = "scram")]
            name if name == MechanismName::SCRAM_SHA_1 => {
                Self::Scram(ScramServer::new(ScramHash::Sha1, false, setup))
            }
            #[cfg(feature = "scram")]
            name if name == MechanismName::SCRAM_SHA_256 => {
                Self::Scram(ScramServer::new(ScramHash::Sha256, false, setup))
            }
            #[cfg(feature = "scram")]
            name if name == MechanismName::SCRAM_SHA_512 => {
                Self::Scram(ScramServer::new(ScramHash::Sha512, false, setup))
            }
            #[cfg(feature = "scram")]
            name if name == MechanismName::SCRAM_SHA_1_PLUS => {
                Self::Scram(ScramServer::new(ScramHash::Sha1, true, setup))
            }
            #[cfg(feature = "scram")]
            name if name == MechanismName::SCRAM_SHA_256_PLUS => {
                Self::Scram(ScramServer::new(ScramHash::Sha256, true, setup))
            }
            #[cfg(feature = "scram")]
            name if name == MechanismName::SCRAM_SHA_512_PLUS => {
                Self::Scram(ScramServer::new(ScramHash::Sha512, true, setup))
            }
            name if name == MechanismName::XOAUTH2 => Self::XOAuth2(XOAuth2Server::new()),
            _ => return None,
        })
    }

    fn inner(&self) -> &dyn ServerMechanism {
        match self {
            Self::Anonymous(mechanism) => mechanism,
            #[cfg(feature = "md5")]
            Self::CramMd5(mechanism) => mechanism,
            Self::External(mechanism) => mechanism,
            Self::Login(mechanism) => mechanism,
            Self::OAuthBearer(mechanism) => mechanism,
            Self::Plain(mechanism) => mechanism,
            #[cfg(feature = "scram")]
            Self::Scram(mechanism) => mechanism,
            Self::XOAuth2(mechanism) => mechanism,
        }
    }

    fn inner_mut(&mut self) -> &mut dyn ServerMechanism {
        match self {
            Self::Anonymous(mechanism) => mechanism,
            #[cfg(feature = "md5")]
            Self::CramMd5(mechanism) => mechanism,
            Self::External(mechanism) => mechanism,
            Self::Login(mechanism) => mechanism,
            Self::OAuthBearer(mechanism) => mechanism,
            Self::Plain(mechanism) => mechanism,
            #[cfg(feature = "scram")]
            Self::Scram(mechanism) => mechanism,
            Self::XOAuth2(mechanism) => mechanism,
        }
    }
}

impl ServerMechanism for BuiltIn {
    fn name(&self) -> MechanismName<'static> {
        self.inner().name()
    }

    fn sends_password_in_clear(&self) -> bool {
        self.inner().sends_password_in_clear()
    }

    fn has_refused(&self) -> bool {
        self.inner().has_refused()
    }

    fn step<'a>(
        &'a mut self,
        input: ServerInput<'a>,
        out: &mut dyn Sink,
    ) -> Result<ServerStep<'a>, SaslError> {
        self.inner_mut().step(input, out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sasl::server::Exchange;
    use crate::sasl::{MECHANISMS, Mechanism};
    use std::vec::Vec;

    #[test]
    fn the_table_says_what_the_mechanisms_do() {
        for listed in MECHANISMS {
            let mut server = BuiltIn::named(listed.name, &Setup::default()).unwrap();
            assert_eq!(server.name().as_str(), listed.name.as_str());
            assert_eq!(server.sends_password_in_clear(), listed.sends_password_in_clear, "{}", listed.name);
            let mut challenge = Vec::new();
            let step = server.step(ServerInput::Start(None), &mut challenge);
            assert!(matches!(step, Ok(ServerStep::Challenge)), "{}", listed.name);
            assert_eq!(!challenge.is_empty(), listed.server_first, "{}", listed.name);
            let first = BuiltIn::named(listed.name, &Setup::default()).unwrap();
            let refused = Exchange::new(first)
                .initial(Some(crate::InitialResponse::parse(b"=").unwrap()), &mut [], &mut challenge)
                .map(|_| ());
            let unexpected = refused == Err(SaslError::UnexpectedInitialResponse);
            assert_eq!(unexpected, listed.server_first, "{}", listed.name);
            // What gives away a password or rests on TLS has no place outside of it.
            let rests_on_tls = listed.sends_password_in_clear || listed.binds_channel;
            assert!(listed.needs_tls || !rests_on_tls, "{}", listed.name);
            assert_eq!(listed.binds_channel, listed.name.as_str().ends_with("-PLUS"));
            let lower = listed.name.as_str().to_ascii_lowercase();
            let name = MechanismName::parse(lower.as_bytes()).unwrap();
            assert_eq!(Mechanism::named(name), Some(listed));
        }
        assert_eq!(Mechanism::named(MechanismName::parse(b"FOO").unwrap()), None);
    }

    #[test]
    fn it_is_as_small_as_the_doc_says() {
        let octets = size_of::<Exchange>();
        let limit = if cfg!(feature = "scram") { 1088 } else { 640 };
        assert!(octets <= limit, "{octets}");
    }

    #[test]
    fn r4422_6_1_the_table_begins_with_the_strongest() {
        let order = [
            "EXTERNAL",
            "SCRAM-SHA-512-PLUS",
            "SCRAM-SHA-256-PLUS",
            "SCRAM-SHA-1-PLUS",
            "SCRAM-SHA-512",
            "SCRAM-SHA-256",
            "SCRAM-SHA-1",
            "OAUTHBEARER",
            "XOAUTH2",
            "PLAIN",
            "LOGIN",
            "CRAM-MD5",
            "ANONYMOUS",
        ];
        let places: Vec<_> = MECHANISMS
            .iter()
            .map(|listed| order.iter().position(|name| *name == listed.name.as_str()))
            .collect();
        assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{places:?}");
        assert!(MECHANISMS.windows(2).all(|pair| pair[0].name != pair[1].name));
    }
}
