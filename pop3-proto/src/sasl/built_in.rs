//! The server mechanisms of this crate in one type, so that a server need not know which one it runs.

#[cfg(feature = "md5")]
use super::CramMd5Server;
use super::server::{ServerInput, ServerMechanism, ServerStep, Setup};
use super::{
    AnonymousServer, ExternalServer, LoginServer, OAuthBearerServer, PlainServer, SaslError, XOAuth2Server,
};
use crate::{MechanismName, Sink};

/// The mechanisms of this crate, to be chosen by the name in an `AUTH` command; [`MECHANISMS`](super::MECHANISMS) says
/// more of each.
///
/// It is as large as its largest: those that ask twice keep what the client said in between, since nothing allocates.
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

    fn step<'a>(
        &'a mut self,
        input: ServerInput<'a>,
        out: &mut dyn Sink,
    ) -> Result<ServerStep<'a>, SaslError> {
        self.inner_mut().step(input, out)
    }
}
