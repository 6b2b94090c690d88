//! Where `pop3d` listens, and what is asked of clients there.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use pop3_blocking::server::TrustedProxies;

use super::file::{File, OneOrMore};
use super::proxy::{Others, ProxyArgs, ProxyTable};
use super::tls::{ClientCert, TlsSettings};
use super::{LoginSettings, SettingsError};

#[derive(Debug, clap::Args)]
pub(crate) struct ListenArgs {
    /// Where to listen for POP3S: TLS from the first octet (the registered port is 995). May be given more than once.
    /// "fd:NAME": on the sockets of this FileDescriptorName that systemd has passed
    #[arg(long, value_name = "ADDR")]
    listen_tls: Vec<Place>,

    /// Where to listen for POP3 in clear text (the registered port is 110). With --cert, STLS is offered there; without
    /// --allow-cleartext-login nobody can log in before it. May be given more than once.
    #[arg(long, value_name = "ADDR")]
    listen: Vec<Place>,

    #[command(flatten)]
    proxy: ProxyArgs,
}

/// A place to listen at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Address(SocketAddr),
    /// The sockets that were passed under this name.
    Passed(String),
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_prefix("fd:") {
            Some("") => Err("fd: what name?".into()),
            Some(name) => Ok(Self::Passed(name.into())),
            None => text.parse().map(Self::Address).map_err(|error| format!("{error}")),
        }
    }
}

impl<'de> serde::Deserialize<'de> for Place {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Passed(name) => write!(f, "fd:{name}"),
        }
    }
}

/// A listener in the file of options, with a policy of its own.
#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct ListenerTable {
    address: Place,
    mode: Mode,
    /// As `client-cert` for all.
    client_cert: Option<ClientCert>,
    /// As `allow-cleartext-login` for all.
    allow_cleartext_login: Option<bool>,
    /// As `certificate-only` for all.
    certificate_only: Option<bool>,
    /// As `proxy-from` for all.
    proxy_from: Option<OneOrMore<String>>,
    /// As `proxy-others` for all.
    proxy_others: Option<Others>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Mode {
    /// TLS from the first octet.
    Tls,
    /// Clear text, and TLS by STLS.
    Stls,
    /// Clear text.
    Clear,
}

/// One listener.
#[derive(Debug)]
pub(crate) struct ListenSettings {
    pub(crate) address: Place,
    pub(crate) mode: Mode,
    /// [`ClientCert::Off`] where there is no TLS.
    pub(crate) client_cert: ClientCert,
    pub(crate) allow_cleartext_login: bool,
    pub(crate) certificate_only: bool,
    /// Who stands in front of it.
    pub(crate) proxies: Option<TrustedProxies>,
}

impl ListenArgs {
    #[cfg(test)]
    pub(super) const fn is_set(&self) -> bool {
        !self.listen.is_empty() || !self.listen_tls.is_empty()
    }

    /// All listeners, those with TLS from the first octet before the others.
    pub(super) fn settle(
        self,
        file: &mut File,
        tls: &TlsSettings,
        login: &LoginSettings,
    ) -> Result<Vec<ListenSettings>, SettingsError> {
        let plain = if tls.certificates.is_empty() { Mode::Clear } else { Mode::Stls };
        let defaults = self.proxy.unless(&mut file.proxy_from, file.proxy_others);
        let short = |mode: Mode| {
            move |address| ListenSettings {
                address,
                mode,
                client_cert: if mode == Mode::Clear { ClientCert::Off } else { tls.client_cert },
                allow_cleartext_login: login.allow_cleartext,
                certificate_only: login.certificate_only,
                proxies: None,
            }
        };
        let mut all: Vec<ListenSettings> =
            file.listen_tls.unless(self.listen_tls).into_iter().map(short(Mode::Tls)).collect();
        all.extend(file.listen.unless(self.listen).into_iter().map(short(plain)));
        for listener in &mut all {
            listener.proxies = defaults.settle(ProxyTable::default())?;
        }
        for table in std::mem::take(&mut file.listener) {
            let by_default = short(table.mode)(table.address);
            all.push(ListenSettings {
                client_cert: table.client_cert.unwrap_or(by_default.client_cert),
                allow_cleartext_login: table.allow_cleartext_login.unwrap_or(login.allow_cleartext),
                certificate_only: table.certificate_only.unwrap_or(login.certificate_only),
                proxies: defaults
                    .settle(ProxyTable { proxy_from: table.proxy_from, proxy_others: table.proxy_others })?,
                ..by_default
            });
        }
        all.sort_by_key(|listener| listener.mode != Mode::Tls);
        for listener in &all {
            listener.check(tls)?;
        }
        if all.is_empty() { Err(SettingsError::NoAddress) } else { Ok(all) }
    }
}

impl ListenSettings {
    fn check(&self, tls: &TlsSettings) -> Result<(), SettingsError> {
        if self.mode != Mode::Clear && tls.certificates.is_empty() {
            return Err(SettingsError::NoCertificate);
        }
        if self.mode == Mode::Clear && self.client_cert != ClientCert::Off {
            return Err(SettingsError::Listener(self.address.clone(), "client certificates need TLS"));
        }
        if self.certificate_only && self.client_cert == ClientCert::Off {
            return Err(SettingsError::Listener(
                self.address.clone(),
                "nobody can log in: certificates only, but none asked for",
            ));
        }
        Ok(())
    }
}
