//! `pop3d check`: everything that is wrong with the options and the files that they name.
//!
//! Nothing is changed: files are read, and addresses are bound for an instant without listening.

use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use pop3_blocking::auth::{Examined, UsersFile};
use pop3_blocking::store::MaildirStore;

use crate::args::file::File;
use crate::args::login::{LoginSettings, UsersSettings};
use crate::args::{Options, SettingsError};
use crate::files::cannot_read;

mod certificates;
mod files;
mod sockets;

/// How many users are named of whom the same is wrong.
const NAMED_MAX: usize = 10;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    Fine,
    Warning,
    Error,
}

/// All that was found.
#[derive(Debug, Default)]
pub(crate) struct Report {
    findings: Vec<(Level, String)>,
}

impl Report {
    fn fine(&mut self, text: impl fmt::Display) {
        self.findings.push((Level::Fine, text.to_string()));
    }

    fn warn(&mut self, text: impl fmt::Display) {
        self.findings.push((Level::Warning, text.to_string()));
    }

    fn wrong(&mut self, text: impl fmt::Display) {
        self.findings.push((Level::Error, text.to_string()));
    }

    fn count(&self, level: Level) -> usize {
        self.findings.iter().filter(|(found, _)| *found == level).count()
    }

    /// The exit code: 0, 1 if the worst is a warning, 2 if it is an error.
    pub(crate) fn code(&self) -> u8 {
        match self.findings.iter().map(|(level, _)| *level).max() {
            Some(Level::Error) => 2,
            Some(Level::Warning) => 1,
            _ => 0,
        }
    }

    /// Writes a line for each finding, errors last, and one with their numbers.
    pub(crate) fn print(&self) -> io::Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(self.to_string().as_bytes())?;
        out.flush()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (wanted, word) in [(Level::Fine, "fine"), (Level::Warning, "warning"), (Level::Error, "error")] {
            for (_, text) in self.findings.iter().filter(|(level, _)| *level == wanted) {
                // A file may hold anything; a finding is one line.
                let line: String =
                    text.chars().map(|char| if char.is_control() { ' ' } else { char }).collect();
                writeln!(f, "{word}: {line}")?;
            }
        }
        let (errors, warnings) = (self.count(Level::Error), self.count(Level::Warning));
        writeln!(f, "errors: {errors}, warnings: {warnings}")
    }
}

/// Looks at everything.
pub(crate) fn run(options: Options) -> Report {
    let mut report = Report::default();
    let file = options.config.clone().map_or_else(File::default, |path| file(&path, &mut report));
    let (parts, faults) = options.settle_all(file);
    for fault in faults {
        match &fault {
            SettingsError::ShortSecret(path) => report.wrong(format_args!(
                "{fault}: make it anew, as by head -c 32 /dev/urandom > {}",
                path.display()
            )),
            _ => report.wrong(fault),
        }
    }
    if let Some(tls) = &parts.tls {
        certificates::check(tls, parts.listeners.as_deref().unwrap_or_default(), &mut report);
    }
    let users = parts.login.as_ref().map(|login| logins(login, &mut report)).unwrap_or_default();
    if let Some(template) = &parts.maildir {
        maildirs(template, &users, &mut report);
    }
    if let Some(listeners) = &parts.listeners {
        sockets::check(listeners, &mut report);
    }
    report
}

/// What stands in the file of options, as far as it is right.
fn file(path: &Path, report: &mut Report) -> File {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            report.wrong(cannot_read(path, &error));
            return File::default();
        }
    };
    match text.parse::<toml::Table>() {
        Ok(table) => {
            let mut wrong = Vec::new();
            let file = File::examine(table, &mut wrong).beside(path);
            for text in wrong {
                report.wrong(format_args!("{}: {text}", path.display()));
            }
            file
        }
        Err(error) => {
            let line = error.span().map(|span| 1 + text[..span.start].matches('\n').count());
            let line = line.map_or_else(String::new, |line| format!(", line {line}"));
            report.wrong(format_args!("{}{line}: {}", path.display(), error.message()));
            File::default()
        }
    }
}

/// Looks at who may log in; gives the names of those whom a file names.
fn logins(login: &LoginSettings, report: &mut Report) -> Vec<String> {
    if let Some(program) = &login.token_check {
        files::program(program, "--token-check", report);
    }
    if let Some(path) = &login.decoy_secret_file {
        files::secret(path, report);
    }
    let path = match &login.users {
        UsersSettings::Program { program, .. } => {
            files::program(program, "--checkpassword", report);
            return Vec::new();
        }
        UsersSettings::File(path) => path,
    };
    files::secret(path, report);
    match UsersFile::examine(path) {
        Ok(Examined { users, problems: wrong, .. }) => {
            for (line, problem) in &wrong {
                report.wrong(format_args!("{}, line {line}: {problem}", path.display()));
            }
            match users.len() {
                0 if wrong.is_empty() => {
                    report.warn(format_args!(
                        "{} names nobody, so that nobody can log in; \"pop3d hash\" makes entries",
                        path.display()
                    ));
                }
                0 => {}
                users => report.fine(format_args!("{}: {users} users", path.display())),
            }
            users
        }
        Err(error) => {
            report.wrong(crate::users::fault(path, &error));
            Vec::new()
        }
    }
}

/// Looks at the Maildirs of `users`.
fn maildirs(template: &Path, users: &[String], report: &mut Report) {
    if let Err(error) = MaildirStore::new(template) {
        report.wrong(format_args!(
            "--maildir {}: {error}; write {{user}} where the name of the user belongs",
            template.display()
        ));
        return;
    }
    let base = crate::args::sandbox::before_user(template);
    if !files::directory(&base, "the directory of all Maildirs", false, report) {
        return;
    }
    let mut missing = Vec::new();
    let mut bad = 0;
    for user in users {
        let maildir = PathBuf::from(template.to_string_lossy().replace("{user}", user));
        if !maildir.exists() {
            missing.push((user, maildir));
        } else if bad < NAMED_MAX {
            let inner = ["new", "cur"].map(|name| maildir.join(name));
            let whole = files::directory(&maildir, "a Maildir", true, report)
                && inner.iter().all(|path| files::directory(path, "part of a Maildir", true, report));
            bad += usize::from(!whole);
        }
    }
    if let Some((user, maildir)) = missing.first() {
        report.warn(format_args!(
            "{} of {} users have no Maildir and cannot log in before there is one, as {}: {}",
            missing.len(),
            users.len(),
            user.escape_debug(),
            maildir.display()
        ));
    }
}

#[cfg(test)]
mod tests;
