//! A home directory of its own for each test, and the program run in it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::fake::{Fake, PASSWORD};

pub(crate) struct Home(PathBuf);

/// What a run left.
#[derive(Debug)]
pub(crate) struct Done {
    /// `None`: a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    /// Without the warning that there is no TLS.
    pub(crate) err: String,
    /// Whether that warning was there.
    pub(crate) warned: bool,
}

const NOT_PRIVATE: &str =
    "pop3: no TLS: what is sent, the password too, can be read and changed on the way\n";

impl Home {
    pub(crate) fn new() -> Self {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        let made = MADE.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("pop3-program-{}-{made}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        let home = Self(path);
        home.write("password", &format!("{PASSWORD}\nsecond line\n"));
        home
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(crate) fn text(&self, name: &str) -> String {
        self.path(name).into_os_string().into_string().unwrap()
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> String {
        std::fs::write(self.path(name), text).unwrap();
        self.text(name)
    }

    pub(crate) fn command<S: AsRef<OsStr>>(&self, args: &[S]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pop3"));
        command.args(args).env_clear().env("HOME", &self.0).current_dir(&self.0).stdin(Stdio::null());
        if let Some(path) = std::env::var_os("PATH") {
            command.env("PATH", path);
        }
        command
    }

    pub(crate) fn run<S: AsRef<OsStr>>(&self, args: &[S]) -> Done {
        Done::of(&mut self.command(args))
    }

    pub(crate) fn spawn<S: AsRef<OsStr>>(&self, args: &[S]) -> Child {
        self.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// The arguments for `fake` in clear text, `more` behind them.
    pub(crate) fn args(&self, command: &str, fake: &Fake, more: &[&str]) -> Vec<String> {
        let url = fake.url("pop");
        let password = self.text("password");
        let usual = [command, &url, "--tls", "none-insecure", "--password-file", &password];
        usual.iter().chain(more).map(ToString::to_string).collect()
    }

    pub(crate) fn pop3(&self, command: &str, fake: &Fake, more: &[&str]) -> Done {
        self.run(&self.args(command, fake, more))
    }

    /// `fetch` into the Maildir `Mail`.
    pub(crate) fn fetch(&self, fake: &Fake, more: &[&str]) -> Done {
        self.pop3("fetch", fake, &[&["--to", "maildir:Mail"], more].concat())
    }

    /// What was delivered into the Maildir, sorted.
    pub(crate) fn mail(&self) -> Vec<Vec<u8>> {
        let mut mail: Vec<_> = files(&self.path("Mail/new")).iter().map(|path| read(path)).collect();
        mail.sort();
        mail
    }

    /// How many messages were delivered into the Maildir.
    pub(crate) fn delivered(&self) -> usize {
        files(&self.path("Mail/new")).len()
    }

    pub(crate) fn unfinished(&self) -> usize {
        files(&self.path("Mail/tmp")).len()
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

impl Done {
    pub(crate) fn of(command: &mut Command) -> Self {
        let output = command.output().unwrap();
        let text = |octets| String::from_utf8(octets).unwrap();
        let (mut err, mut warned) = (text(output.stderr), false);
        if let Some(rest) = err.strip_prefix(NOT_PRIVATE) {
            (err, warned) = (rest.to_owned(), true);
        }
        Self { code: output.status.code(), out: text(output.stdout), err, warned }
    }

    pub(crate) fn lines(&self) -> Vec<&str> {
        self.out.lines().collect()
    }

    /// The last line: the totals of a fetch.
    pub(crate) fn last(&self) -> &str {
        self.out.lines().last().unwrap_or_default()
    }

    #[track_caller]
    pub(crate) fn expect(&self, code: i32) -> &Self {
        assert_eq!(self.code, Some(code), "{self:?}");
        self
    }

    /// The run failed in this way and said so.
    #[track_caller]
    pub(crate) fn expect_error(&self, code: i32, kind: &str) -> &Self {
        self.expect(code);
        let want = format!("{{\"error\":{{\"kind\":\"{kind}\",");
        assert!(self.err.starts_with(&want) && self.err.lines().count() == 1, "{self:?}");
        self
    }
}

fn files(dir: &Path) -> Vec<PathBuf> {
    match std::fs::read_dir(dir) {
        Ok(entries) => entries.map(|entry| entry.unwrap().path()).collect(),
        Err(_) => Vec::new(),
    }
}

fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap()
}

/// The octets of `mail`, sorted as [`Home::mail`] is.
pub(crate) fn texts(mail: &[crate::fake::Mail]) -> Vec<Vec<u8>> {
    let mut texts: Vec<_> = mail.iter().map(|(_, text)| text.clone()).collect();
    texts.sort();
    texts
}
