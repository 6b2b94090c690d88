//! Who may log in to `pop3d`: the users file, and certificates of users that stand in it.

use pop3_blocking::auth::{AuthError, Authenticator, Identity, LoginContext, UsersFile, UsersFileError};
use pop3_blocking::tls::CertificateMap;

/// The users file, by password and, if clients are asked for certificates, by certificate.
#[derive(Debug)]
pub(crate) struct Users {
    file: UsersFile,
    map: CertificateMap,
}

impl Users {
    pub(crate) const fn new(file: UsersFile, map: CertificateMap) -> Self {
        Self { file, map }
    }

    pub(crate) fn reload(&self) -> Result<(), UsersFileError> {
        self.file.reload()
    }
}

impl Authenticator for Users {
    fn password(&self, cx: &LoginContext<'_>, user: &str, password: &[u8]) -> Result<Identity, AuthError> {
        self.file.password(cx, user, password)
    }

    /// The first name in the certificate that is a user's; no such name is a failure, never a fallback (PB-S26).
    fn certificate(&self, _: &LoginContext<'_>, certificate: &[u8]) -> Result<Identity, AuthError> {
        let names = self.map.candidates(certificate);
        let user = names.iter().find(|name| self.file.contains(name)).ok_or(AuthError::Rejected)?;
        Ok(Identity::new(user))
    }
}
