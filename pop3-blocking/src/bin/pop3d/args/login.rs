//! Who may log in, and how.

use std::path::PathBuf;

use super::SettingsError;
use super::file::File;

#[derive(Debug, clap::Args)]
pub(crate) struct LoginArgs {
    /// Who may log in: a file of lines "user:{SCHEME}hash" as Dovecot has them. Schemes: ARGON2ID, SHA512-CRYPT,
    /// SHA256-CRYPT, BLF-CRYPT, CRYPT, PLAIN.
    #[arg(long, value_name = "FILE")]
    users: Option<PathBuf>,

    /// Let passwords travel in clear text on --listen, where anyone on the path can read them.
    #[arg(long)]
    allow_cleartext_login: bool,
}

#[derive(Debug)]
pub(crate) struct LoginSettings {
    pub(crate) users: PathBuf,
    pub(crate) allow_cleartext: bool,
}

impl LoginArgs {
    pub(super) fn settle(self, file: &mut File) -> Result<LoginSettings, SettingsError> {
        Ok(LoginSettings {
            users: self.users.or_else(|| file.users.take()).ok_or(SettingsError::Missing("users"))?,
            allow_cleartext: self.allow_cleartext_login || file.allow_cleartext_login,
        })
    }
}
