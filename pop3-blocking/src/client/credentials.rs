//! Who logs in, and by what.

use core::fmt;

use zeroize::Zeroizing;

use super::policy::AuthPolicy;

/// Who logs in, by what, and which ways are acceptable: for [`Connection::log_in`](super::Connection::log_in).
///
/// Three kinds, and no kind holds what another needs: those by [certificate](Self::certificate) have no password, so that
/// none can be sent, whatever the server offers or refuses (RDM-2.1d, PB-C41).
///
/// Passwords and tokens are wiped when this is dropped, and never shown.
#[derive(Clone)]
#[must_use]
pub struct Credentials {
    pub(super) proof: Proof,
    pub(super) authzid: Option<String>,
    pub(super) policy: AuthPolicy,
}

#[derive(Clone)]
pub(super) enum Proof {
    /// Holds no secret on purpose.
    Certificate,
    Password {
        user: String,
        password: Zeroizing<String>,
        /// Whether EXTERNAL is to be taken if it is offered and a certificate was shown.
        certificate: bool,
    },
    Token {
        user: String,
        token: Zeroizing<String>,
    },
}

impl Credentials {
    /// A name and a password. SCRAM sends and hashes both prepared by SASLprep (R5802-5.10), and so does `APOP`; all other
    /// methods send them as they are, and it is the server who prepares (RFC 4616 section 2).
    pub fn password(user: impl Into<String>, password: impl Into<String>) -> Self {
        let (user, password) = (user.into(), Zeroizing::new(password.into()));
        Self::by(Proof::Password { user, password, certificate: false })
    }

    /// A name and a token of OAuth 2.0, for OAUTHBEARER and XOAUTH2; TLS only.
    ///
    /// A token of more than about 9,000 octets needs a larger
    /// [`ClientLimits::sasl_line`](pop3_proto::ClientLimits::sasl_line): 90,000 for 64 KiB.
    pub fn token(user: impl Into<String>, token: impl Into<String>) -> Self {
        Self::by(Proof::Token { user: user.into(), token: Zeroizing::new(token.into()) })
    }

    /// The client certificate of the TLS connection and nothing else, as whoever the server finds in it. There is no
    /// password: if EXTERNAL cannot be used or is refused, `QUIT` is all that is sent (RDM-2.1d).
    pub fn certificate() -> Self {
        Self::by(Proof::Certificate)
    }

    /// As [`certificate`](Self::certificate), asking to act as `authzid`.
    pub fn certificate_as(authzid: impl Into<String>) -> Self {
        Self::certificate().authzid(authzid)
    }

    /// For a name and a password: takes EXTERNAL before all others if the server offers it and was shown a certificate
    /// (RDM-2.1c). If it is refused then, the password stays unsent unless
    /// [`AuthPolicy::fall_back_after_refusal`] says otherwise. Without effect on other kinds.
    pub fn or_certificate(mut self) -> Self {
        if let Proof::Password { certificate, .. } = &mut self.proof {
            *certificate = true;
        }
        self
    }

    /// Asks to act as `authzid`, the authorization identity, which is prepared by SASLprep (R5034-4.15). Methods that
    /// cannot say so are not used. With a token it is the name that goes with the token.
    pub fn authzid(mut self, authzid: impl Into<String>) -> Self {
        self.authzid = Some(authzid.into());
        self
    }

    /// Which ways are acceptable; [`AuthPolicy::new`] unless set.
    pub fn policy(mut self, policy: AuthPolicy) -> Self {
        self.policy = policy;
        self
    }

    fn by(proof: Proof) -> Self {
        Self { proof, authzid: None, policy: AuthPolicy::new() }
    }

    pub(super) const fn is_certificate_only(&self) -> bool {
        matches!(self.proof, Proof::Certificate)
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.proof {
            Proof::Certificate => "certificate",
            Proof::Password { .. } => "password",
            Proof::Token { .. } => "token",
        };
        f.debug_struct("Credentials")
            .field("kind", &kind)
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}
