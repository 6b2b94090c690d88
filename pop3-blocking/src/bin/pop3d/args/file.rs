//! The configuration file: the same options in TOML.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::SettingsError;
use super::listen::{ListenerTable, Place};
use super::proxy::Others;
use super::sandbox::When;
use super::text::Utf8;
use super::tls::{CertificateTable, ClientCert};

/// What stands in the file.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(super) struct File {
    // Listening.
    pub(super) listen_tls: OneOrMore<Place>,
    pub(super) listen: OneOrMore<Place>,
    pub(super) listener: Vec<ListenerTable>,
    pub(super) proxy_from: OneOrMore<String>,
    pub(super) proxy_others: Option<Others>,
    // TLS.
    pub(super) cert: Option<PathBuf>,
    pub(super) key: Option<PathBuf>,
    pub(super) certificate: Vec<CertificateTable>,
    pub(super) refuse_unknown_names: bool,
    pub(super) client_cert: Option<ClientCert>,
    pub(super) client_ca: OneOrMore<PathBuf>,
    pub(super) client_crl: OneOrMore<PathBuf>,
    pub(super) client_cert_map: OneOrMore<String>,
    // Logins.
    pub(super) users: Option<PathBuf>,
    /// The program, and its arguments.
    pub(super) checkpassword: OneOrMore<PathBuf>,
    pub(super) checkpassword_timeout: Option<u64>,
    pub(super) checkpassword_user: bool,
    pub(super) mechanisms: Vec<String>,
    pub(super) certificate_only: bool,
    pub(super) bind_to_certificate: bool,
    pub(super) token_check: Option<PathBuf>,
    pub(super) decoy_secret: Option<PathBuf>,
    pub(super) allow_cleartext_login: bool,
    // Mail.
    pub(super) maildir: Option<PathBuf>,
    pub(super) previous_server: Option<String>,
    pub(super) utf8: Option<Utf8>,
    pub(super) lenient_utf8: bool,
    pub(super) language: Option<String>,
    // The process.
    pub(super) sandbox: Option<When>,
    // Limits.
    pub(super) preauth_timeout: Option<u64>,
    pub(super) idle_timeout: Option<u64>,
    pub(super) write_timeout: Option<u64>,
    pub(super) max_connections: Option<u64>,
    pub(super) limits: BTreeMap<String, u64>,
}

/// `"a"` or `["a", "b"]`.
#[derive(Debug, serde::Deserialize)]
#[serde(untagged)]
pub(super) enum OneOrMore<T> {
    One(T),
    More(Vec<T>),
}

impl<T> Default for OneOrMore<T> {
    fn default() -> Self {
        Self::More(Vec::new())
    }
}

impl<T> OneOrMore<T> {
    /// Those of the command line if there are any, else these.
    pub(super) fn unless(&mut self, given: Vec<T>) -> Vec<T> {
        if given.is_empty() { std::mem::take(self).into_vec() } else { given }
    }

    pub(super) fn into_vec(self) -> Vec<T> {
        match self {
            Self::One(one) => vec![one],
            Self::More(more) => more,
        }
    }

    fn iter_mut(&mut self) -> std::slice::IterMut<'_, T> {
        match self {
            Self::One(one) => std::slice::from_mut(one).iter_mut(),
            Self::More(more) => more.iter_mut(),
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
        let single = [
            &mut file.cert,
            &mut file.key,
            &mut file.users,
            &mut file.token_check,
            &mut file.decoy_secret,
            &mut file.maildir,
        ];
        let certificates = file.certificate.iter_mut().flat_map(|table| [&mut table.cert, &mut table.key]);
        let lists = file.client_ca.iter_mut().chain(file.client_crl.iter_mut());
        let program = file.checkpassword.iter_mut().take(1);
        for path in single.into_iter().flatten().chain(certificates).chain(lists).chain(program) {
            *path = base.join(&*path);
        }
        Ok(file)
    }
}
