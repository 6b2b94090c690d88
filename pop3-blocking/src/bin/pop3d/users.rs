//! Who may log in to `pop3d`: the users file, and certificates of users that stand in it; or whom a program knows.

use std::path::Path;

use pop3_blocking::auth::{
    AuthError, Authenticator, CheckPassword, Identity, LoginContext, Mechanisms, ScramKeys, SharedSecret,
    TokenError, TokenRequest, UsersFile, UsersFileError,
};
use pop3_blocking::pop3_proto::sasl::server::ScramHash;
use pop3_blocking::tls::CertificateMap;

use crate::files;
use crate::token::TokenCheck;

/// Who checks passwords.
#[derive(Debug)]
pub(crate) enum Passwords {
    File(UsersFile),
    Program(CheckPassword),
}

/// What is wrong with the users file at `path`, and what to do.
pub(crate) fn fault(path: &Path, error: &UsersFileError) -> String {
    match error {
        UsersFileError::Read { path, source } => files::cannot_read(path, source),
        _ => format!("{}: {error}; pop3d check tells all that is wrong", path.display()),
    }
}

/// Passwords; certificates, if clients are asked for them; and tokens, if there is a program that knows them.
#[derive(Debug)]
pub(crate) struct Users {
    passwords: Passwords,
    map: CertificateMap,
    tokens: Option<TokenCheck>,
}

impl Users {
    pub(crate) const fn new(passwords: Passwords, map: CertificateMap, tokens: Option<TokenCheck>) -> Self {
        Self { passwords, map, tokens }
    }

    /// Reads the file again, if there is one.
    pub(crate) fn reload(&self) -> Result<(), UsersFileError> {
        self.file().map_or(Ok(()), UsersFile::reload)
    }

    const fn file(&self) -> Option<&UsersFile> {
        match &self.passwords {
            Passwords::File(file) => Some(file),
            Passwords::Program(_) => None,
        }
    }

    const fn asked(&self) -> &dyn Authenticator {
        match &self.passwords {
            Passwords::File(file) => file,
            Passwords::Program(program) => program,
        }
    }
}

impl Authenticator for Users {
    fn mechanisms(&self) -> Mechanisms {
        let tokens = if self.tokens.is_some() { Mechanisms::TOKENS } else { Mechanisms::NONE };
        let certificates = if self.file().is_some() { Mechanisms::EXTERNAL } else { Mechanisms::NONE };
        self.asked().mechanisms() | certificates | tokens
    }

    fn password(&self, cx: &LoginContext<'_>, user: &str, password: &[u8]) -> Result<Identity, AuthError> {
        self.asked().password(cx, user, password)
    }

    /// The first name in the certificate that is a user's; no such name is a failure, never a fallback (PB-S26).
    fn certificate(&self, _: &LoginContext<'_>, certificate: &[u8]) -> Result<Identity, AuthError> {
        let names = self.map.candidates(certificate);
        let file = self.file().ok_or(AuthError::Rejected)?;
        let user = names.iter().find(|name| file.contains(name)).ok_or(AuthError::Rejected)?;
        Ok(Identity::new(user))
    }

    fn scram_keys(&self, cx: &LoginContext<'_>, user: &str, hash: ScramHash) -> Result<ScramKeys, AuthError> {
        self.asked().scram_keys(cx, user, hash)
    }

    fn secret(&self, cx: &LoginContext<'_>, user: &str) -> Result<SharedSecret, AuthError> {
        self.asked().secret(cx, user)
    }

    fn proven(&self, cx: &LoginContext<'_>, user: &str) -> Result<Identity, AuthError> {
        self.asked().proven(cx, user)
    }

    /// Whoever the program names, in the users file or not; but not who logs in by certificate alone (RDM-2.1e).
    fn token(&self, _: &LoginContext<'_>, request: &TokenRequest<'_>) -> Result<Identity, TokenError> {
        let tokens = self.tokens.as_ref().ok_or(TokenError::REJECTED)?;
        let who = tokens.ask(request.token.expose())?;
        if self.file().is_some_and(|file| file.is_certificate_only(who.name())) {
            Err(TokenError::REJECTED)
        } else {
            Ok(who)
        }
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use pop3_blocking::pop3_proto::Secret;

    use super::*;

    #[test]
    fn pb_s48_r4422_3_6_the_program_for_tokens_runs_once_whoever_the_client_wants_to_be() {
        let path = |name| std::env::temp_dir().join(format!("pop3d-users-{}-{name}", std::process::id()));
        let (users, program, runs) = (path("file"), path("program"), path("runs"));
        std::fs::write(&users, "mrose:{PLAIN}secret\nkim:{EXTERNAL}\n").unwrap();
        std::fs::write(&program, format!("#!/bin/sh\necho run >>'{}'\nexit 1\n", runs.display())).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).unwrap();
        let tokens = Some(TokenCheck::new(&program));
        let all =
            Users::new(Passwords::File(UsersFile::load(&users).unwrap()), CertificateMap::default(), tokens);
        let cx = LoginContext::new(None, true, "XOAUTH2");
        let known = [Some("mrose"), Some("kim"), Some("nobody"), None].map(|authzid| {
            let mut request = TokenRequest::new(Secret::new(b"stolen").unwrap());
            request.authzid = authzid;
            let refused = all.token(&cx, &request);
            assert!(matches!(refused, Err(TokenError::Rejected { report: None })), "{authzid:?}");
            std::fs::read_to_string(&runs).unwrap().lines().count()
        });
        assert_eq!(known, [1, 2, 3, 4]);
        for path in [users, program, runs] {
            std::fs::remove_file(path).unwrap();
        }
    }
}
