//! The configuration file: the same options in TOML.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::SettingsError;

/// What stands in the file.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(super) struct File {
    // Listening.
    pub(super) listen_tls: OneOrMore,
    pub(super) listen: OneOrMore,
    // TLS.
    pub(super) cert: Option<PathBuf>,
    pub(super) key: Option<PathBuf>,
    pub(super) client_ca: Option<PathBuf>,
    // Logins.
    pub(super) users: Option<PathBuf>,
    pub(super) allow_cleartext_login: bool,
    // Mail.
    pub(super) maildir: Option<PathBuf>,
    // Limits.
    pub(super) preauth_timeout: Option<u64>,
    pub(super) idle_timeout: Option<u64>,
    pub(super) write_timeout: Option<u64>,
    pub(super) max_connections: Option<usize>,
}

/// `"a"` or `["a", "b"]`.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(untagged)]
pub(super) enum OneOrMore {
    #[default]
    None,
    One(SocketAddr),
    More(Vec<SocketAddr>),
}

impl OneOrMore {
    /// Those of the command line if there are any, else these.
    pub(super) fn unless(&mut self, given: Vec<SocketAddr>) -> Vec<SocketAddr> {
        if !given.is_empty() {
            return given;
        }
        match std::mem::take(self) {
            Self::None => Vec::new(),
            Self::One(address) => vec![address],
            Self::More(addresses) => addresses,
        }
    }
}

impl File {
    pub(super) fn read(path: &Path) -> Result<Self, SettingsError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| SettingsError::Read { path: path.to_owned(), source })?;
        let mut file: Self = toml::from_str(&text)
            .map_err(|source| SettingsError::Parse { path: path.to_owned(), source: Box::new(source) })?;
        let base = path.parent().unwrap_or_else(|| Path::new(""));
        let paths = [&mut file.cert, &mut file.key, &mut file.client_ca, &mut file.users, &mut file.maildir];
        for path in paths.into_iter().flatten() {
            *path = base.join(&*path);
        }
        Ok(file)
    }
}
