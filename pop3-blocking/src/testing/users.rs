//! Who may log in to a test server: by password, token or certificate.

use std::sync::Arc;

use pop3_proto::sasl::server::ScramHash;

use super::certificates::Authority;
use crate::auth::{
    AuthError, Authenticator, Identity, LoginContext, Mechanisms, MemoryUsers, ScramKeys, TokenError,
    TokenRequest,
};

pub(super) struct Users {
    passwords: MemoryUsers,
    /// User and token.
    tokens: Vec<(String, String)>,
    /// If clients are asked for certificates.
    authority: Option<Arc<Authority>>,
}

impl Users {
    pub(super) const fn new(
        passwords: MemoryUsers,
        tokens: Vec<(String, String)>,
        authority: Option<Arc<Authority>>,
    ) -> Self {
        Self { passwords, tokens, authority }
    }
}

impl Authenticator for Users {
    fn mechanisms(&self) -> Mechanisms {
        let tokens = if self.tokens.is_empty() { Mechanisms::NONE } else { Mechanisms::TOKENS };
        let external = if self.authority.is_none() { Mechanisms::NONE } else { Mechanisms::EXTERNAL };
        self.passwords.mechanisms() | tokens | external
    }

    fn password(&self, cx: &LoginContext<'_>, user: &str, password: &[u8]) -> Result<Identity, AuthError> {
        self.passwords.password(cx, user, password)
    }

    fn scram_keys(&self, cx: &LoginContext<'_>, user: &str, hash: ScramHash) -> Result<ScramKeys, AuthError> {
        self.passwords.scram_keys(cx, user, hash)
    }

    fn certificate(&self, _: &LoginContext<'_>, certificate: &[u8]) -> Result<Identity, AuthError> {
        let owner = self.authority.as_ref().and_then(|authority| authority.owner(certificate));
        owner.map(Identity::new).ok_or(AuthError::Rejected)
    }

    fn token(&self, _: &LoginContext<'_>, request: &TokenRequest<'_>) -> Result<Identity, TokenError> {
        // These tokens protect nothing, so how long the comparison takes may tell what it likes.
        let known = self.tokens.iter().find(|(_, token)| token.as_bytes() == request.token.expose());
        known.map(|(user, _)| Identity::new(user)).ok_or(TokenError::REJECTED)
    }
}
