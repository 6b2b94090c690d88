//! netrc: users and passwords by host, as ftp and curl keep them.
//!
//! Words stand apart by blanks and line ends. A word in quotation marks may hold blanks, and in it `\"`, `\\`, `\n`, `\r`
//! and `\t` are what they are in curl. `#` begins a comment where a line begins; elsewhere it is a part of a word, as
//! passwords may hold it. `machine HOST` and `default` begin an entry; `login`, `password` and `account` belong to one;
//! `macdef NAME` is passed over up to the next empty line. The first entry that fits counts, and `default` fits every
//! host. Anything else is an error that names the line, not its text.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use pop3_blocking::client::{Method, Proxy};
use zeroize::Zeroizing;

use crate::account::Account;
use crate::args::Common;
use crate::exit::Failure;
use crate::files;
use crate::password::{Password, Secret};

/// Octets of the largest file.
const MAX_OCTETS: u64 = 1 << 20;

/// Who logs in, and by what.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) login: Option<String>,
    pub(crate) password: Option<Secret>,
}

/// Fills in the user and the password, and the password for the proxy, if `--netrc` is given.
pub(crate) fn complete(common: &mut Common) -> Result<(), Failure> {
    let Some(path) = &common.netrc else { return Ok(()) };
    let account = Account::new(common)?;
    let by_certificate = account.auth.method() == Some(Method::External);
    let bare = |proxy: &&Proxy| proxy.user().is_some() && !proxy.has_password();
    let proxy = common.proxy.as_ref().filter(bare);
    if by_certificate && proxy.is_none() {
        return Ok(());
    }
    let netrc = Netrc::read(path.as_deref())?;
    if let Some(proxy) = proxy {
        common.proxy = Some(netrc.complete_proxy(proxy)?);
    }
    if by_certificate {
        return Ok(());
    }
    let entry = netrc.entry(&account.host, account.user.as_deref())?;
    if account.user.is_none() {
        common.user = entry.login;
    }
    common.secret = entry.password;
    Ok(())
}

/// The file that is read where none is named.
fn usual_path() -> Result<PathBuf, Failure> {
    if let Some(path) = std::env::var_os("NETRC").filter(|path| !path.is_empty()) {
        return Ok(path.into());
    }
    let home = std::env::var_os("HOME").map(PathBuf::from).filter(|home| home.is_absolute());
    let home =
        home.ok_or_else(|| Failure::configuration("neither NETRC nor HOME is set; use --netrc=FILE"))?;
    Ok(home.join(".netrc"))
}

/// The text of a netrc.
struct Netrc {
    path: PathBuf,
    text: Password,
}

impl Netrc {
    fn read(path: Option<&Path>) -> Result<Self, Failure> {
        let path = path.map_or_else(usual_path, |path| Ok(path.to_owned()))?;
        let text = read(&path)?;
        Ok(Self { path, text })
    }

    /// The entry for `host` and, if it is known already, `user`.
    fn entry(&self, host: &str, user: Option<&str>) -> Result<Entry, Failure> {
        let found = find(&self.text, host, user, true).map_err(|fault| self.in_line(fault))?;
        found.ok_or_else(|| {
            let login = if user.is_some() { " with this login" } else { "" };
            fault(&self.path, &format_args!("no entry for {host}{login}, and no default"))
        })
    }

    /// `proxy` with its password, if an entry for its host and user has one. What is for every host is not for a proxy,
    /// which gets it in clear text.
    fn complete_proxy(&self, proxy: &Proxy) -> Result<Proxy, Failure> {
        let user = proxy.user().unwrap_or_default();
        let found = find(&self.text, proxy.host(), Some(user), false).map_err(|fault| self.in_line(fault))?;
        Ok(match found.and_then(|entry| entry.password) {
            Some(Secret(password)) => proxy.clone().with_credentials(user, password.as_str()),
            None => proxy.clone(),
        })
    }

    fn in_line(&self, (line, text): Fault) -> Failure {
        fault(&self.path, &format_args!("line {line}: {text}"))
    }
}

fn fault(path: &Path, text: &dyn core::fmt::Display) -> Failure {
    Failure::configuration(format!("netrc {path:?}: {text}"))
}

fn read(path: &Path) -> Result<Password, Failure> {
    let fault = |text: String| fault(path, &text);
    let unread = |error: io::Error| fault(format!("{error}; {}", files::advice(&error)));
    let mut file = File::open(path).map_err(unread)?;
    let metadata = file.metadata().map_err(unread)?;
    if metadata.mode() & 0o077 != 0 {
        return Err(fault("others may read it; chmod 600 ends that".to_owned()));
    }
    if metadata.len() > MAX_OCTETS {
        return Err(fault(format!("{} octets, over the limit of {MAX_OCTETS}", metadata.len())));
    }
    let room = usize::try_from(metadata.len()).unwrap_or_default().saturating_add(1);
    let mut text = Zeroizing::new(String::with_capacity(room));
    (&mut file).take(MAX_OCTETS).read_to_string(&mut text).map_err(unread)?;
    Ok(text)
}

/// The number of a line, and what is wrong there.
type Fault = (usize, &'static str);

/// The first entry that fits; `with_default`: that for every host may be it.
fn find(text: &str, host: &str, user: Option<&str>, with_default: bool) -> Result<Option<Entry>, Fault> {
    let mut words = Words { rest: text, line: 1 };
    let mut found: Option<Entry> = None;
    let mut entry: Option<(bool, Entry)> = None;
    // The whole file is read, so that a mistake in it is told in each run and not in some.
    while let Some(word) = words.next()? {
        match word.as_str() {
            "machine" | "default" => {
                keep(&mut found, entry.take(), user);
                let fits = match word.as_str() {
                    "default" => with_default,
                    _ => words.value()?.eq_ignore_ascii_case(host),
                };
                entry = Some((fits, Entry { login: None, password: None }));
            }
            "login" | "password" | "account" => {
                let line = words.line;
                let value = words.value()?;
                let Some((_, entry)) = &mut entry else {
                    return Err((line, "stands in front of the first machine"));
                };
                match word.as_str() {
                    "login" => entry.login = Some(value.as_str().to_owned()),
                    "password" => entry.password = Some(Secret(value)),
                    _ => {}
                }
            }
            "macdef" => {
                words.value()?;
                words.skip_macro();
            }
            _ => return Err((words.line, "neither machine, default, login, password, account nor macdef")),
        }
    }
    keep(&mut found, entry, user);
    Ok(found)
}

/// Keeps `entry` if it is the first that fits.
fn keep(found: &mut Option<Entry>, entry: Option<(bool, Entry)>, user: Option<&str>) {
    let Some((true, entry)) = entry else { return };
    let is_the_user = match (user, &entry.login) {
        (Some(user), Some(login)) => user == login,
        _ => true,
    };
    if found.is_none() && is_the_user {
        *found = Some(entry);
    }
}

/// The words of a netrc.
struct Words<'a> {
    rest: &'a str,
    line: usize,
}

impl Words<'_> {
    /// The next word; `None` at the end.
    fn next(&mut self) -> Result<Option<Password>, Fault> {
        let mut at_line_start = self.line == 1;
        loop {
            let blanks = self.rest.find(|c: char| !c.is_ascii_whitespace()).unwrap_or(self.rest.len());
            let (passed, rest) = self.rest.split_at(blanks);
            let lines = passed.matches('\n').count();
            at_line_start |= lines > 0;
            self.line = self.line.saturating_add(lines);
            self.rest = rest;
            if !(at_line_start && rest.starts_with('#')) {
                break;
            }
            self.rest = rest.find('\n').and_then(|end| rest.get(end..)).unwrap_or_default();
        }
        if self.rest.is_empty() {
            return Ok(None);
        }
        let rest = self.rest;
        if let Some(rest) = rest.strip_prefix('"') {
            return self.quoted(rest).map(Some);
        }
        let end = self.rest.find(|c: char| c.is_ascii_whitespace()).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        Ok(Some(Password::new(word.to_owned())))
    }

    /// A word in quotation marks: `text` stands behind the first.
    fn quoted(&mut self, text: &str) -> Result<Password, Fault> {
        // All the room at once: a String that grows leaves copies behind.
        let mut word = Password::new(String::with_capacity(text.len()));
        let mut characters = text.char_indices();
        while let Some((at, character)) = characters.next() {
            match character {
                '"' => {
                    let passed = self.rest.len().saturating_sub(text.len()).saturating_add(at + 1);
                    self.rest = self.rest.get(passed..).unwrap_or_default();
                    return Ok(word);
                }
                '\n' => break,
                '\\' => match characters.next() {
                    Some((_, 'n')) => word.push('\n'),
                    Some((_, 'r')) => word.push('\r'),
                    Some((_, 't')) => word.push('\t'),
                    Some((_, other)) => word.push(other),
                    None => break,
                },
                other => word.push(other),
            }
        }
        Err((self.line, "a quotation mark is not closed in its line"))
    }

    /// The word that must follow a keyword.
    fn value(&mut self) -> Result<Password, Fault> {
        let line = self.line;
        self.next()?.ok_or((line, "a word is missing behind the last one"))
    }

    /// To the empty line that ends a macro.
    fn skip_macro(&mut self) {
        let body = self.rest;
        let end = [body.find("\n\n"), body.find("\n\r\n")].into_iter().flatten().min().unwrap_or(body.len());
        let (passed, rest) = body.split_at(end);
        self.line = self.line.saturating_add(passed.matches('\n').count());
        self.rest = rest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str, host: &str, user: Option<&str>) -> Option<(String, String)> {
        let entry = find(text, host, user, true).unwrap()?;
        let password = entry.password.map(|secret| secret.0.as_str().to_owned());
        Some((entry.login.unwrap_or_else(|| "-".into()), password.unwrap_or_else(|| "-".into())))
    }

    fn pair(login: &str, password: &str) -> Option<(String, String)> {
        Some((login.to_owned(), password.to_owned()))
    }

    const FILE: &str = "# machine a login x password y\n\
        machine a login one password p#1\n\
        machine b\n\tlogin \"two words\"\n\tpassword \"q \\\"\\\\\\t\\x\"\n\taccount ignored\n\
        macdef init\ncd /pub\nmachine c login macro\n\n\
        machine a login three password p3\r\n\
        machine d password only\n\
        default login anonymous password me@\n\
        machine e login late password late\n";

    #[test]
    fn an_entry_is_found_by_host_and_login() {
        for (host, user, want) in [
            ("a", None, pair("one", "p#1")),
            ("A", Some("three"), pair("three", "p3")),
            ("a", Some("nobody"), None),
            ("a", Some("anonymous"), pair("anonymous", "me@")),
            ("b", None, pair("two words", "q \"\\\tx")),
            ("c", None, pair("anonymous", "me@")),
            ("d", None, pair("-", "only")),
            ("d", Some("whoever"), pair("-", "only")),
            ("e", None, pair("anonymous", "me@")),
            ("e", Some("late"), pair("late", "late")),
        ] {
            assert_eq!(found(FILE, host, user), want, "{host} {user:?}");
        }
        assert_eq!(found("", "a", None), None);
        assert_eq!(found("machine b login x", "a", None), None);
        assert_eq!(found("machine a", "a", None), pair("-", "-"));
        assert_eq!(found("default", "a", None), pair("-", "-"));
    }

    #[test]
    fn a_mistake_is_told_by_its_line_alone() {
        for (text, line) in [
            ("machine a\nlogin x\ncanary y", 3),
            ("login canary", 1),
            ("machine", 1),
            ("\n\nmachine a password", 3),
            ("machine a\npassword \"canary", 2),
            ("machine a\npassword \"canary\n\" login x", 2),
            ("macdef m\nx\n\n\ncanary", 5),
            ("# x\n#\n canary", 3),
        ] {
            let (told, fault) = find(text, "a", None, true).unwrap_err();
            assert_eq!(told, line, "{text:?}");
            assert!(!fault.contains("canary"), "{fault}");
        }
    }
}
