//! What the process keeps once it has opened its sockets.

use std::path::{Path, PathBuf};

use super::file::File;
use super::{LoginSettings, SettingsError, TlsSettings};

#[derive(Debug, clap::Args)]
pub(crate) struct SandboxArgs {
    /// Once the sockets are open, give up all files but the mail (the directory before "{user}") and the directories of the
    /// users file and of certificates, which are read again by SIGHUP, and all other sockets (Landlock, Linux 5.13;
    /// sockets 6.7). "best-effort": as far as the kernel can, and the log tells how far. "required", or --sandbox alone: do
    /// not start where files cannot be kept back. Not with --token-check and --checkpassword [default: off]
    #[arg(long, value_name = "WHEN", num_args = 0..=1, require_equals = true, default_missing_value = "required")]
    sandbox: Option<When>,
}

/// Whether there is a sandbox.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum When {
    /// There is none
    #[default]
    Off,
    /// As far as the kernel can
    BestEffort,
    /// Or not at all
    Required,
}

/// What the sandbox lets through.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SandboxSettings {
    pub(crate) best_effort: bool,
    /// Read, and read again after a SIGHUP.
    pub(crate) files: Vec<PathBuf>,
    /// Where the mail is.
    pub(crate) mail: PathBuf,
}

impl SandboxArgs {
    pub(super) fn settle(
        self,
        file: &File,
        login: &LoginSettings,
        tls: &TlsSettings,
        maildir: &Path,
    ) -> Result<Option<SandboxSettings>, SettingsError> {
        let when = self.sandbox.or(file.sandbox).unwrap_or_default();
        if when == When::Off {
            return Ok(None);
        }
        if cfg!(not(target_os = "linux")) {
            return if when == When::BestEffort { Ok(None) } else { Err(SettingsError::NoSandbox) };
        }
        if login.token_check.is_some() {
            return Err(SettingsError::SandboxedProgram("token-check"));
        }
        let Some(users) = login.users.file() else {
            return Err(SettingsError::SandboxedProgram("checkpassword"));
        };
        let mail = before_user(maildir);
        if mail.parent().is_none() {
            return Err(SettingsError::SandboxOfAll);
        }
        let files = std::iter::once(users).chain(tls.files()).cloned().collect();
        Ok(Some(SandboxSettings { best_effort: when == When::BestEffort, files, mail }))
    }
}

/// The part of a template that is the same for all users.
pub(crate) fn before_user(template: &Path) -> PathBuf {
    let same = |part: &std::path::Component<'_>| !part.as_os_str().to_string_lossy().contains("{user}");
    let path: PathBuf = template.components().take_while(same).collect();
    if path.as_os_str().is_empty() { ".".into() } else { path }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_all_users_have_in_common() {
        for (template, common) in [
            ("/home/{user}/Maildir", "/home"),
            ("/var/mail/x-{user}", "/var/mail"),
            ("mail/{user}", "mail"),
            ("{user}/Maildir", "."),
            ("/{user}", "/"),
        ] {
            assert_eq!(before_user(Path::new(template)), Path::new(common), "{template}");
        }
    }
}
