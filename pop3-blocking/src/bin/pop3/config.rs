//! The file of accounts: what is the same in each run, under a name, in TOML.
//!
//! The keys are the long options. What stands on the command line goes before the table of the account, and that before
//! the table `defaults`. The file is read only where an account is named, so that a URL means the same everywhere.
//!
//! No message shows a line of the file: a password may stand in it, under a mistyped key too.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::args::{Command, Common, Fetch};
use crate::exit::Failure;
use crate::files;
use crate::netrc;

mod table;

use table::Table;

/// Octets of the largest file.
const MAX_OCTETS: u64 = 1 << 20;
/// Octets of the longest name of an account.
const MAX_NAME: usize = 64;

/// All accounts.
#[derive(Debug)]
pub(crate) struct Config {
    path: PathBuf,
    pub(crate) jobs: Option<u8>,
    accounts: BTreeMap<String, Table>,
}

/// What stands in the file.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
struct Content {
    jobs: Option<u8>,
    defaults: Table,
    account: BTreeMap<String, Table>,
}

/// Whether `text`, given for a URL, is the name of an account.
pub(crate) fn is_name(text: &str) -> bool {
    !text.contains("://")
}

/// Fills in what a name and `--netrc` stand for.
pub(crate) fn complete(command: &mut Command) -> Result<(), Failure> {
    let common = command.common_mut();
    if let Some(name) = common.url.take_if(|url| is_name(url)) {
        let config = Config::read(common)?;
        match command {
            Command::Fetch(args) => config.complete_fetch(&name, args)?,
            _ => config.complete(&name, command.common_mut())?,
        }
    }
    let common = command.common_mut();
    if common.url.is_some() { netrc::complete(common) } else { Ok(()) }
}

/// `${XDG_CONFIG_HOME:-~/.config}/pop3/config.toml`; `None` if nobody says where that is.
fn usual_path() -> Option<PathBuf> {
    // A relative XDG_CONFIG_HOME is to be ignored, as its specification says.
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = absolute("XDG_CONFIG_HOME").or_else(|| Some(absolute("HOME")?.join(".config")))?;
    Some(base.join("pop3/config.toml"))
}

impl Config {
    /// Reads the file that `common` names, or else the usual one.
    pub(crate) fn read(common: &Common) -> Result<Self, Failure> {
        let path = common.config.clone().or_else(usual_path).ok_or_else(|| {
            Failure::configuration("neither XDG_CONFIG_HOME nor HOME is set; use --config FILE")
        })?;
        let fault = |error: &dyn core::fmt::Display| {
            Failure::configuration(format!("file of accounts {path:?}: {error}"))
        };
        let unread = |error: io::Error| fault(&format_args!("{error}; {}", files::advice(&error)));
        let mut file = File::open(&path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => fault(&format_args!(
                "{error}; an account without it is named by its URL, as pops://USER@HOST"
            )),
            _ => unread(error),
        })?;
        let metadata = file.metadata().map_err(unread)?;
        if metadata.len() > MAX_OCTETS {
            return Err(fault(&format_args!("{} octets, over the limit of {MAX_OCTETS}", metadata.len())));
        }
        let room = usize::try_from(metadata.len()).unwrap_or_default().saturating_add(1);
        let mut text = Zeroizing::new(String::with_capacity(room));
        (&mut file).take(MAX_OCTETS).read_to_string(&mut text).map_err(unread)?;
        let config = Self::parse(&text, &path).map_err(|error| fault(&error))?;
        let has_password = config.accounts.values().any(Table::has_password);
        if has_password && metadata.mode() & 0o077 != 0 {
            return Err(fault(&"it holds a password and others may read it; chmod 600 ends that"));
        }
        Ok(config)
    }

    fn parse(text: &str, path: &Path) -> Result<Self, String> {
        let content: Content = toml::from_str(text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start));
            let line = before.map(|before| before.matches('\n').count().saturating_add(1));
            let message = error.message().trim_end();
            line.map_or_else(|| message.to_owned(), |line| format!("line {line}: {message}"))
        })?;
        let Content { jobs, defaults, account } = content;
        if jobs.is_some_and(|jobs| !(1..=64).contains(&jobs)) {
            return Err("jobs is not from 1 to 64".to_owned());
        }
        let defaults = defaults.check().map_err(|fault| format!("defaults: {fault}"))?;
        let mut accounts = BTreeMap::new();
        for (name, table) in account {
            let is_good = |octet: u8| octet.is_ascii_alphanumeric() || b"-_.".contains(&octet);
            if name.is_empty() || name.len() > MAX_NAME || !name.bytes().all(is_good) {
                return Err(format!(
                    "{name:?} is no name of an account: 1 to {MAX_NAME} letters, digits and -_."
                ));
            }
            let table = table.check().map_err(|fault| format!("account {name}: {fault}"))?;
            let table = table.or(&defaults);
            if !table.has_url() {
                return Err(format!("account {name}: it has no url"));
            }
            accounts.insert(name, table);
        }
        Ok(Self { path: path.to_owned(), jobs, accounts })
    }

    /// `args`, with all that the file says of the account `name`.
    pub(crate) fn fetch(&self, name: &str, args: &Fetch) -> Result<Fetch, Failure> {
        let mut args = args.clone();
        self.complete_fetch(name, &mut args)?;
        netrc::complete(&mut args.common)?;
        Ok(args)
    }

    /// The names of all accounts, in their order.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.accounts.keys().map(String::as_str)
    }

    /// Fills in what stands in the file for the account `name` and not on the command line.
    pub(crate) fn complete(&self, name: &str, common: &mut Common) -> Result<(), Failure> {
        let table = self.table(name)?;
        table.complete(common, self.base()).map_err(|fault| self.fault(name, &fault))?;
        common.account = Some(name.to_owned());
        Ok(())
    }

    /// As [`complete`](Self::complete), with what only `fetch` has.
    pub(crate) fn complete_fetch(&self, name: &str, args: &mut Fetch) -> Result<(), Failure> {
        self.complete(name, &mut args.common)?;
        self.table(name)?.complete_fetch(args, self.base()).map_err(|fault| self.fault(name, &fault))
    }

    fn table(&self, name: &str) -> Result<&Table, Failure> {
        self.accounts.get(name).ok_or_else(|| {
            // What was given may be an address with a password in it, so that it is not shown.
            let known: Vec<&str> = self.names().collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            Failure::usage(format!(
                "neither a URL (pops://USER@HOST) nor an account of {:?}, which has: {known}",
                self.path
            ))
        })
    }

    fn fault(&self, name: &str, fault: &str) -> Failure {
        Failure::configuration(format!("file of accounts {:?}: account {name}: {fault}", self.path))
    }

    /// Where relative paths begin.
    fn base(&self) -> &Path {
        self.path.parent().unwrap_or_else(|| Path::new(""))
    }
}

#[cfg(test)]
mod tests;
