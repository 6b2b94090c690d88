//! `pop3-pg serve` as a process.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use pop3_tests::peers::TempDir;

use crate::postgres::{LIMIT, Mail};

/// A running server; dropped, it is killed.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    dir: TempDir,
    /// Where it listens.
    pub(crate) address: SocketAddr,
}

impl Server {
    /// Starts one on any port.
    pub(crate) fn start(mail: &Mail, options: &[&str]) -> Self {
        Self::start_on(mail, "127.0.0.1:0", options)
    }

    /// Starts one where another one was.
    pub(crate) fn start_on(mail: &Mail, address: &str, options: &[&str]) -> Self {
        let dir = TempDir::new("pop3-pg");
        let log = File::create(dir.join("log")).unwrap();
        let mut command = mail.program(&["serve", "--listen", address]);
        let mut child = command.args(options).stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let logged = || fs::read_to_string(dir.join("log")).unwrap();
        let address = line.trim_end().strip_prefix("listening ").unwrap_or_else(|| panic!("{}", logged()));
        let address = address.parse().unwrap();
        Self { child, dir, address }
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Kills it as `kill -9` does, and waits until it is gone.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to stop.
    pub(crate) fn terminate(&self) {
        let told = std::process::Command::new("/bin/kill").arg(self.pid().to_string()).status();
        assert!(told.unwrap().success());
    }

    /// Whether it has ended; waits for it.
    pub(crate) fn ended(&mut self) -> bool {
        wait_for("the server to end", || self.child.try_wait().unwrap()).success()
    }

    /// What it has logged so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.dir.join("log")).unwrap()
    }

    /// Waits for a line with `text` in its log.
    pub(crate) fn logged(&self, text: &str) -> String {
        wait_for(text, || self.log().lines().find(|line| line.contains(text)).map(str::to_owned))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Asks again and again until there is an answer.
pub(crate) fn wait_for<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + LIMIT;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        thread::sleep(Duration::from_millis(2));
    }
}
