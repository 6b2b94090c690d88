//! One table of the file of accounts, and how it becomes options.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use pop3_blocking::client::Proxy;

use crate::args::{self, Common, Fetch, MinStrength, TlsMode, Utf8};
use crate::date;
use crate::filter::Pattern;
use crate::limits;
use crate::password::Secret;

macro_rules! table {
    ($($key:ident: $type:ty,)*) => {
        /// An account, or the defaults.
        #[derive(Clone, Debug, Default, serde::Deserialize)]
        #[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
        pub(super) struct Table {
            $($key: Option<$type>,)*
        }

        impl Table {
            fn fill(self, other: &Self) -> Self {
                Self { $($key: self.$key.or_else(|| other.$key.clone()),)* }
            }
        }
    };
}

table! {
    url: String,
    user: String,
    password: Secret,
    password_file: PathBuf,
    password_command: String,
    token_file: PathBuf,
    token_command: String,
    netrc: Netrc,
    auth: String,
    min_strength: MinStrength,
    require_certificate_login: bool,
    tls: TlsMode,
    ca: PathBuf,
    pin: OneOrMore,
    client_cert: PathBuf,
    client_key: PathBuf,
    srv: bool,
    dns: SocketAddr,
    proxy: Secret,
    utf8: Utf8,
    lang: String,
    timeout: u32,
    no_pipelining: bool,
    max_message_octets: u64,
    limits: BTreeMap<String, u64>,
    keep: bool,
    delete: bool,
    to: String,
    state: PathBuf,
    r#match: OneOrMore,
    no_match: OneOrMore,
    since: String,
    max: u64,
    max_octets: u64,
    watch: u32,
}

/// `"a"` or `["a", "b"]`.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl OneOrMore {
    fn as_slice(&self) -> &[String] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::More(more) => more,
        }
    }
}

/// `true` for the usual file, or a path.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(untagged)]
enum Netrc {
    Usual(bool),
    File(PathBuf),
}

impl Table {
    pub(super) const fn has_url(&self) -> bool {
        self.url.is_some()
    }

    pub(super) fn has_password(&self) -> bool {
        let proxy = self.proxy.as_ref().and_then(|url| Proxy::parse(&url.0).ok());
        self.password.is_some() || proxy.is_some_and(|proxy| proxy.has_password())
    }

    /// Refuses what says two things at once.
    pub(super) fn check(self) -> Result<Self, String> {
        if self.sources() > 1 {
            return Err("more than one of password, password-file, password-command, token-file, \
                        token-command and netrc"
                .to_owned());
        }
        if self.keep == Some(true) && self.delete == Some(true) {
            return Err("both keep and delete".to_owned());
        }
        if self.client_cert.is_some() != self.client_key.is_some() {
            return Err("client-cert and client-key go together".to_owned());
        }
        if self.timeout == Some(0) || self.max_message_octets == Some(0) {
            return Err("timeout and max-message-octets are 1 or more".to_owned());
        }
        if self.watch.is_some_and(|seconds| !(1..=604_800).contains(&seconds)) {
            return Err("watch is not from 1 to 604800 seconds".to_owned());
        }
        if self.max == Some(0) || self.max_octets == Some(0) {
            return Err("max and max-octets are 1 or more".to_owned());
        }
        Ok(self)
    }

    fn sources(&self) -> usize {
        let files = [&self.password_file, &self.token_file].into_iter().flatten().count();
        let commands = [&self.password_command, &self.token_command].into_iter().flatten().count();
        files + commands + usize::from(self.password.is_some()) + usize::from(self.netrc.is_some())
    }

    /// What is not here is as in `defaults`.
    pub(super) fn or(self, defaults: &Self) -> Self {
        let mut defaults = defaults.clone();
        if self.sources() > 0 {
            defaults.password = None;
            (defaults.password_file, defaults.password_command) = (None, None);
            (defaults.token_file, defaults.token_command) = (None, None);
            defaults.netrc = None;
        }
        if self.keep.is_some() || self.delete.is_some() {
            (defaults.keep, defaults.delete) = (None, None);
        }
        self.fill(&defaults)
    }

    /// Fills in what the command line does not say.
    pub(super) fn complete(&self, common: &mut Common, base: &Path) -> Result<(), String> {
        let path = |path: &PathBuf| located(base, path);
        common.url.clone_from(&self.url);
        or(&mut common.user, self.user.clone());
        let is_given = common.password_file.is_some()
            || common.password_command.is_some()
            || common.token_file.is_some()
            || common.token_command.is_some()
            || common.netrc.is_some()
            || common.require_certificate_login;
        common.require_certificate_login |= self.require_certificate_login == Some(true);
        if !is_given {
            common.secret.clone_from(&self.password);
            common.password_file = self.password_file.as_ref().map(path);
            common.password_command = self.password_command.clone().map(OsString::from);
            common.token_file = self.token_file.as_ref().map(path);
            common.token_command = self.token_command.clone().map(OsString::from);
            common.netrc = match &self.netrc {
                None | Some(Netrc::Usual(false)) => None,
                Some(Netrc::Usual(true)) => Some(None),
                Some(Netrc::File(file)) => Some(Some(path(file))),
            };
        }
        or(&mut common.auth, self.auth.clone());
        or(&mut common.min_strength, self.min_strength);
        or(&mut common.tls, self.tls);
        if common.ca.is_none() && common.pin.is_empty() {
            common.ca = self.ca.as_ref().map(path);
            let pins = self.pin.as_ref().map(OneOrMore::as_slice).unwrap_or_default();
            let pins: Result<_, String> = pins.iter().map(|pin| args::pin(pin)).collect();
            common.pin = pins.map_err(|fault| format!("pin: {fault}"))?;
        }
        if common.client_cert.is_none() {
            common.client_cert = self.client_cert.as_ref().map(path);
            common.client_key = self.client_key.as_ref().map(path);
        }
        common.srv |= self.srv == Some(true);
        or(&mut common.dns, self.dns);
        let proxy = self.proxy.as_ref().map(|url| Proxy::parse(&url.0)).transpose();
        or(&mut common.proxy, proxy.map_err(|fault| format!("proxy: {fault}"))?);
        or(&mut common.utf8, self.utf8);
        or(&mut common.lang, self.lang.clone());
        or(&mut common.timeout, self.timeout);
        common.no_pipelining |= self.no_pipelining == Some(true);
        or(&mut common.max_message_octets, self.max_message_octets);
        let limits = self.limits.iter().flatten();
        let limits: Result<Vec<_>, _> =
            limits.map(|(name, value)| limits::setting(&format!("{name}={value}"))).collect();
        let given = std::mem::replace(&mut common.limit, limits.map_err(|fault| format!("limits: {fault}"))?);
        common.limit.extend(given);
        Ok(())
    }

    /// As [`complete`](Self::complete), for what only `fetch` has.
    pub(super) fn complete_fetch(&self, args: &mut Fetch, base: &Path) -> Result<(), String> {
        if !args.keep {
            args.delete |= self.delete == Some(true);
        }
        or(&mut args.to, self.to.as_ref().map(|to| target(base, to)));
        let patterns = |given: &mut Vec<Pattern>, texts: &Option<OneOrMore>| {
            if given.is_empty() {
                let texts = texts.as_ref().map(OneOrMore::as_slice).unwrap_or_default();
                *given = texts.iter().map(|text| text.parse()).collect::<Result<_, String>>()?;
            }
            Ok::<_, String>(())
        };
        patterns(&mut args.matching, &self.r#match).map_err(|fault| format!("match: {fault}"))?;
        patterns(&mut args.no_match, &self.no_match).map_err(|fault| format!("no-match: {fault}"))?;
        let since = self.since.as_deref().map(date::since).transpose();
        or(&mut args.since, since.map_err(|fault| format!("since: {fault}"))?);
        or(&mut args.max, self.max);
        or(&mut args.watch, self.watch);
        or(&mut args.max_octets, self.max_octets);
        or(&mut args.state, self.state.as_ref().map(|state| located(base, state)));
        Ok(())
    }
}

/// `given`, or else `value`.
fn or<T>(given: &mut Option<T>, value: Option<T>) {
    if given.is_none() {
        *given = value;
    }
}

/// Where a path of the file leads: `~/` is the home directory, and what is relative begins where the file lies.
fn located(base: &Path, path: &Path) -> PathBuf {
    let home = std::env::var_os("HOME").map(PathBuf::from).filter(|home| home.is_absolute());
    match (path.strip_prefix("~"), home) {
        (Ok(rest), Some(home)) => home.join(rest),
        _ => base.join(path),
    }
}

/// A target whose path is found as [`located`] says.
fn target(base: &Path, text: &str) -> OsString {
    match text.split_once(':') {
        Some((kind @ ("maildir" | "mbox" | "mboxrd"), path)) if !path.is_empty() => {
            let mut target = OsString::from(format!("{kind}:"));
            target.push(located(base, Path::new(path)));
            target
        }
        _ => text.into(),
    }
}
