//! The configuration file: the same options in TOML.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::SettingsError;
use super::listen::{ListenerTable, Place};
use super::proxy::Others;
use super::sandbox::When;
use super::text::Utf8;
use super::tls::{CertificateTable, ClientCert};

/// What stands in the file.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct File {
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
    pub(super) reload_seconds: Option<u64>,
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
    pub(super) delete_policy: Option<String>,
    pub(super) utf8: Option<Utf8>,
    pub(super) lenient_utf8: bool,
    pub(super) language: Option<String>,
    // The process.
    pub(super) sandbox: Option<When>,
    pub(super) metrics: Option<String>,
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
        let file: Self = toml::from_str(&text)
            .map_err(|source| SettingsError::Parse { path: path.to_owned(), source: Box::new(source) })?;
        Ok(file.beside(path))
    }

    /// What stands in the table of a file. What is wrong with it goes to `wrong`, one message for each option, and
    /// counts as if it did not stand there.
    pub(crate) fn examine(table: toml::Table, wrong: &mut Vec<String>) -> Self {
        let names = Names::of::<Self>();
        let mut right = toml::Table::new();
        for (key, value) in table {
            if !names.contains(&key.as_str()) {
                wrong.push(unknown("", &key, &names));
                continue;
            }
            let inner = match key.as_str() {
                "listener" => Names::of::<ListenerTable>(),
                "certificate" => Names::of::<CertificateTable>(),
                _ => Vec::new(),
            };
            let tables = value.as_array().into_iter().flatten().filter_map(toml::Value::as_table);
            let odd = tables.flat_map(toml::Table::keys).filter(|name| !inner.contains(&name.as_str()));
            let before = wrong.len();
            if !inner.is_empty() {
                wrong.extend(odd.map(|name| unknown(&format!("in [[{key}]]: "), name, &inner)));
            }
            if wrong.len() == before {
                let alone = toml::Table::from_iter([(key.clone(), value.clone())]);
                match Self::deserialize(alone) {
                    Ok(_) => drop(right.insert(key, value)),
                    Err(error) => wrong.push(format!("{key}: {}", error.message())),
                }
            }
        }
        Self::deserialize(right).unwrap_or_default()
    }

    /// With paths that start at the directory of `path`.
    pub(crate) fn beside(mut self, path: &Path) -> Self {
        let file = &mut self;
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
        if let Some(place) = &mut file.metrics {
            if let Some(path) = place.strip_prefix("unix:").filter(|path| !path.is_empty()) {
                *place = format!("unix:{}", base.join(path).display());
            }
        }
        self
    }
}

fn unknown(place: &str, key: &str, names: &[&str]) -> String {
    let near = nearest(key, names.iter().copied());
    let hint = near.map_or_else(String::new, |near| format!("; did you mean {near}?"));
    format!("{place}there is no option {}{hint}", key.escape_debug())
}

/// The name that `word` is a misspelling of, if it is one.
pub(crate) fn nearest<'n>(word: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let word = word.to_lowercase().replace('_', "-");
    let near = names.map(|name| (distance(&word, name), name)).min()?;
    (near.0 <= 1 + near.1.len() / 5).then_some(near.1)
}

/// How many letters must be put in, taken out, or be others.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (at, letter) in a.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], at + 1);
        for (column, other) in b.bytes().enumerate() {
            let replaced = diagonal + usize::from(letter != other);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(row[column] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

/// Finds out the names of the fields of a type: what it asks its deserializer for.
struct Names<'n>(&'n mut &'static [&'static str]);

impl Names<'_> {
    fn of<T: for<'de> Deserialize<'de>>() -> Vec<&'static str> {
        let mut names: &'static [&'static str] = &[];
        // It gets an error, after it has named its fields.
        drop(T::deserialize(Names(&mut names)));
        names.to_vec()
    }
}

impl<'de> serde::Deserializer<'de> for Names<'_> {
    type Error = serde::de::value::Error;

    fn deserialize_any<V: serde::de::Visitor<'de>>(self, _: V) -> Result<V::Value, Self::Error> {
        Err(serde::de::Error::custom("names only"))
    }

    fn deserialize_struct<V: serde::de::Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        *self.0 = fields;
        self.deserialize_any(visitor)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}
