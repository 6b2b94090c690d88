//! The program `pop3d` as a process: started with options, told by signals, stopped.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::peers::process::{Finished, run};
use crate::peers::server::{User, count_maildir, fill_maildir};
use crate::peers::{Certs, TempDir};
use crate::programs::program;

/// How long it may take to start, to stop, or to log what a test waits for.
const LIMIT: Duration = Duration::from_secs(30);

/// A running `pop3d` with the Maildirs that it serves; dropped, it is killed.
#[derive(Debug)]
#[must_use]
pub struct Pop3d {
    child: Child,
    dir: TempDir,
    /// The line with which it said that it listens, without its line end.
    pub announced: String,
    /// The port for TLS from the first octet, 0 if there is none.
    pub implicit: u16,
    /// The port for connections in the clear and STLS, 0 if there is none.
    pub plain: u16,
}

impl Pop3d {
    /// Starts it with a listener of each kind and logins in the clear allowed, `options` behind, and waits until it
    /// listens.
    ///
    /// # Panics
    ///
    /// When it does not, with what it said.
    pub fn start(certs: &Certs, users: &[User<'_>], options: &[&str]) -> Self {
        let (cert, key) = (certs.server_file(), certs.server_key_file());
        let mut all =
            vec!["--listen-tls", "127.0.0.1:0", "--listen", "127.0.0.1:0", "--allow-cleartext-login"];
        all.extend(["--cert", cert.to_str().unwrap(), "--key", key.to_str().unwrap()]);
        all.extend(options);
        Self::start_with(users, &all)
    }

    /// Starts it with these options, and those for `users` and their mail.
    ///
    /// # Panics
    ///
    /// As [`start`](Self::start).
    pub fn start_with(users: &[User<'_>], options: &[&str]) -> Self {
        let dir = mail_of(users);
        let (file, template) = (dir.join("users"), dir.join("mail/{user}/Maildir"));
        let mut command = Command::new(program("pop3d"));
        command.args(options).arg("--users").arg(file).arg("--maildir").arg(template);
        Self::spawn(&mut command, dir)
    }

    /// Starts it by way of `wrapper`, a program that is given the path of `pop3d` and its options behind its own
    /// arguments.
    ///
    /// # Panics
    ///
    /// As [`start`](Self::start).
    pub fn start_by(wrapper: &mut Command, users: &[User<'_>], options: &[&str]) -> Self {
        let dir = mail_of(users);
        let (file, template) = (dir.join("users"), dir.join("mail/{user}/Maildir"));
        wrapper.arg(program("pop3d")).args(options).arg("--users").arg(file).arg("--maildir").arg(template);
        Self::spawn(wrapper, dir)
    }

    /// Starts it with `--config` and nothing else; the text is the file's, which lies in the folder with `users` and
    /// `mail`.
    ///
    /// # Panics
    ///
    /// As [`start`](Self::start).
    pub fn start_with_file(users: &[User<'_>], text: &str) -> Self {
        let dir = mail_of(users);
        let config = dir.file("pop3d.toml", text);
        Self::spawn(Command::new(program("pop3d")).arg("--config").arg(config), dir)
    }

    fn spawn(command: &mut Command, dir: TempDir) -> Self {
        let log = File::create(dir.join("log")).unwrap();
        command.env_remove("POP3_LOG").env_remove("RUST_LOG").current_dir(dir.path());
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let (sender, line) = mpsc::channel();
        // Reads to the end, so that the program's output is never without a reader.
        thread::spawn(move || {
            let mut line = String::new();
            drop(out.read_line(&mut line));
            drop(sender.send(line));
            drop(out.read_to_end(&mut Vec::new()));
        });
        let announced = line.recv_timeout(LIMIT).unwrap_or_default().trim_end().to_owned();
        let mut server = Self { child, dir, announced, implicit: 0, plain: 0 };
        let Some((tls, plain)) =
            server.announced.strip_prefix("listening tls=").and_then(|rest| rest.split_once(" plain="))
        else {
            panic!("pop3d said {:?} and logged: {}", server.announced, server.log());
        };
        let port = |list: &str| list.parse::<SocketAddr>().map_or(0, |address| address.port());
        (server.implicit, server.plain) = (port(tls), port(plain));
        server
    }

    /// Runs it with options that should end it at once.
    pub fn run(options: &[&str], dir: &TempDir) -> Finished {
        run(Command::new(program("pop3d")).args(options).current_dir(dir.path()), LIMIT, dir.path())
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal, as `"HUP"`.
    pub fn signal(&self, name: &str) {
        let kill = Command::new("/bin/kill").args([format!("-{name}"), self.pid().to_string()]).status();
        assert!(kill.unwrap().success());
    }

    /// Waits until it has ended by itself, and gives its exit code; `None` when a signal ended it.
    ///
    /// # Panics
    ///
    /// When that takes too long.
    #[must_use]
    pub fn wait(&mut self) -> Option<i32> {
        let deadline = Instant::now() + LIMIT;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(Instant::now() < deadline, "pop3d does not end: {}", self.log());
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits until its log has `text` in it at least `times` times.
    ///
    /// # Panics
    ///
    /// When that takes too long.
    pub fn wait_for_log(&self, text: &str, times: usize) {
        let deadline = Instant::now() + LIMIT;
        while self.log().matches(text).count() < times {
            assert!(Instant::now() < deadline, "not logged: {text}: {}", self.log());
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// What it has logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.join("log")).unwrap_or_default()
    }

    /// The folder with `users`, `mail` and `log`.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Writes the users file anew.
    pub fn write_users(&self, users: &[User<'_>]) {
        self.dir.file("users", users_file(users));
    }

    /// The Maildir of a user.
    #[must_use]
    pub fn maildir(&self, user: &str) -> PathBuf {
        self.dir.join("mail").join(user).join("Maildir")
    }

    /// How many messages a user has.
    #[must_use]
    pub fn count(&self, user: &str) -> usize {
        count_maildir(&self.maildir(user))
    }

    /// The name and content of every message file of a user, in the order of the names.
    #[must_use]
    pub fn stored(&self, user: &str) -> Vec<(PathBuf, Vec<u8>)> {
        let maildir = self.maildir(user);
        let mut paths: Vec<PathBuf> = ["new", "cur"]
            .iter()
            .flat_map(|part| fs::read_dir(maildir.join(part)).unwrap())
            .map(|entry| entry.unwrap().path())
            .collect();
        paths.sort();
        paths.into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect()
    }
}

impl Drop for Pop3d {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A folder with a Maildir for each user, and the users file.
fn mail_of(users: &[User<'_>]) -> TempDir {
    let dir = TempDir::new("pop3d");
    for user in users {
        fill_maildir(&dir.join("mail").join(user.name).join("Maildir"), &user.messages);
    }
    dir.file("users", users_file(users));
    dir
}

/// A password that begins with a scheme in braces stands as it is, every other one is `PLAIN`.
fn users_file(users: &[User<'_>]) -> String {
    let scheme = |user: &User<'_>| if user.password.starts_with('{') { "" } else { "{PLAIN}" };
    users.iter().map(|user| format!("{}:{}{}\n", user.name, scheme(user), user.password)).collect()
}
