//! Who may log in, and how.

use std::path::{Path, PathBuf};

use pop3_blocking::auth::Mechanisms;
use pop3_blocking::server::Policy;

use super::SettingsError;
use super::file::File;

#[derive(Debug, clap::Args)]
pub(crate) struct LoginArgs {
    /// Who may log in: a file of lines "user:{SCHEME}hash" as Dovecot has them. Schemes: ARGON2ID, SHA512-CRYPT,
    /// SHA256-CRYPT, BLF-CRYPT, CRYPT, SCRAM-SHA-256 (-512, -1), PLAIN; EXTERNAL for who logs in by certificate alone;
    /// SECRET for who logs in by CRAM-MD5 or APOP alone. "pop3d hash" makes them.
    #[arg(long, value_name = "FILE")]
    users: Option<PathBuf>,

    /// Let clients log in by these mechanisms and no other, as in "EXTERNAL,SCRAM-SHA-256-PLUS,SCRAM-SHA-256,PLAIN,USER".
    /// Default: all that the users can use, but LOGIN, CRAM-MD5 and APOP, which are for old clients and must be named.
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    mechanisms: Vec<String>,

    /// Let clients log in by certificate and in no other way; needs --client-ca.
    #[arg(long)]
    certificate_only: bool,

    /// Offer SCRAM with channel binding under TLS 1.2 too, bound to the server's certificate (tls-server-end-point).
    #[arg(long)]
    bind_to_certificate: bool,

    /// Let clients log in by a bearer token (OAUTHBEARER, XOAUTH2) if this program says whose it is: it gets the token on
    /// standard input, and writes the user's name and ends with code 0, or ends with another code (75: try later).
    /// It has 10 seconds. No shell is involved.
    #[arg(long, value_name = "PROGRAM")]
    token_check: Option<PathBuf>,

    /// A file of 16 or more random octets. From it salts are made up for users that do not exist, so that they are the
    /// same after a restart [default: random ones at each start]
    #[arg(long, value_name = "FILE")]
    decoy_secret: Option<PathBuf>,

    /// Let passwords travel in clear text on --listen, where anyone on the path can read them.
    #[arg(long)]
    allow_cleartext_login: bool,
}

#[derive(Debug)]
pub(crate) struct LoginSettings {
    pub(crate) users: PathBuf,
    pub(crate) mechanisms: Mechanisms,
    /// Unless a listener has a setting of its own.
    pub(crate) certificate_only: bool,
    pub(crate) bind_to_certificate: bool,
    pub(crate) token_check: Option<PathBuf>,
    pub(crate) decoy_secret: Option<Vec<u8>>,
    pub(crate) allow_cleartext: bool,
}

impl LoginArgs {
    pub(super) fn settle(self, file: &mut File) -> Result<LoginSettings, SettingsError> {
        let named =
            if self.mechanisms.is_empty() { std::mem::take(&mut file.mechanisms) } else { self.mechanisms };
        let mechanisms = if named.is_empty() {
            Mechanisms::DEFAULT
        } else {
            let set =
                |name: &String| Mechanisms::named(name).ok_or_else(|| SettingsError::Mechanism(name.clone()));
            named.iter().map(set).collect::<Result<_, _>>()?
        };
        let decoy_secret = self.decoy_secret.or_else(|| file.decoy_secret.take());
        Ok(LoginSettings {
            users: self.users.or_else(|| file.users.take()).ok_or(SettingsError::Missing("users"))?,
            mechanisms,
            certificate_only: self.certificate_only || file.certificate_only,
            bind_to_certificate: self.bind_to_certificate || file.bind_to_certificate,
            token_check: self.token_check.or_else(|| file.token_check.take()),
            decoy_secret: decoy_secret.as_deref().map(secret).transpose()?,
            allow_cleartext: self.allow_cleartext_login || file.allow_cleartext_login,
        })
    }
}

impl LoginSettings {
    /// `policy` with the mechanisms. Clear text and certificates alone are settings of each listener.
    pub(crate) fn apply(&self, policy: Policy) -> Policy {
        let policy = policy.mechanisms(self.mechanisms);
        if self.bind_to_certificate { policy.tls_server_end_point() } else { policy }
    }
}

fn secret(path: &Path) -> Result<Vec<u8>, SettingsError> {
    let octets =
        std::fs::read(path).map_err(|source| SettingsError::Read { path: path.to_owned(), source })?;
    if octets.len() < 16 { Err(SettingsError::ShortSecret(path.to_owned())) } else { Ok(octets) }
}
