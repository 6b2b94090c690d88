//! Child processes that cannot outlive the test: clients under a time limit, servers that end when dropped.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// How a program ended.
#[derive(Debug)]
#[must_use]
#[non_exhaustive]
pub struct Finished {
    /// Its exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// Whether that signal was ours, because the time was up.
    pub timed_out: bool,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: Vec<u8>,
}

impl Finished {
    /// Both outputs, for messages of failed tests.
    #[must_use]
    pub fn output(&self) -> String {
        format!("{}{}", String::from_utf8_lossy(&self.stdout), String::from_utf8_lossy(&self.stderr))
    }
}

/// Runs `command` to its end, without standard input, and kills it with all its children after `limit`.
///
/// Its outputs go to files in `dir`, so that a grandchild which keeps them open holds up nothing.
pub fn run(command: &mut Command, limit: Duration, dir: &Path) -> Finished {
    let (out, err) = (dir.join("stdout"), dir.join("stderr"));
    let mut child = command
        .stdin(Stdio::null())
        .stdout(File::create(&out).unwrap())
        .stderr(File::create(&err).unwrap())
        .process_group(0)
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let pid = child.id();
    let (sender, ended) = mpsc::channel();
    let waiter = thread::spawn(move || {
        let status = child.wait();
        sender.send(()).ok(); // nobody listens any more when the time was up
        status
    });
    let timed_out = ended.recv_timeout(limit).is_err();
    if timed_out {
        signal("KILL", pid);
    }
    let status = waiter.join().unwrap().unwrap();
    Finished {
        code: status.code(),
        timed_out,
        stdout: fs::read(out).unwrap(),
        stderr: fs::read(err).unwrap(),
    }
}

/// Kills a child with all in the process group that it leads.
pub(super) fn kill_group(child: &Child) {
    signal("KILL", child.id());
}

/// Sends a signal to the process group that a child of ours leads.
fn signal(name: &str, leader: u32) {
    // The shell's own `kill`: the program is not on every machine.
    let sent = Command::new("/bin/sh")
        .args(["-c", "kill -s \"$0\" -- \"-$1\"", name, &leader.to_string()])
        .stderr(Stdio::null())
        .status();
    // That it fails is no error: the group may have ended by itself in this moment.
    assert!(sent.is_ok(), "no shell");
}

/// A server that runs as long as this value lives.
#[derive(Debug)]
#[must_use]
pub struct Service {
    child: Child,
}

impl Service {
    /// Starts `command` as the leader of a process group; both outputs go to the file `log`.
    pub fn start(command: &mut Command, log: &Path) -> Self {
        let log = File::create(log).unwrap();
        let child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Self { child }
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until something accepts connections on `port` of the loopback address.
    ///
    /// # Errors
    ///
    /// `BrokenPipe` when the server ended, `TimedOut` after `limit`.
    pub fn wait_for_port(&mut self, port: u16, limit: Duration) -> io::Result<TcpStream> {
        let deadline = Instant::now() + limit;
        loop {
            if let Ok(stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) {
                return Ok(stream);
            }
            if let Some(status) = self.child.try_wait()? {
                return Err(io::Error::new(ErrorKind::BrokenPipe, format!("ended early: {status}")));
            }
            if Instant::now() > deadline {
                return Err(io::Error::new(ErrorKind::TimedOut, format!("port {port} does not answer")));
            }
            // A foreign program tells nobody when it is ready.
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // The polite signal first, so that the server ends its own children, which may have left the group.
        signal("TERM", self.child.id());
        let deadline = Instant::now() + Duration::from_secs(5);
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(5));
        }
        if matches!(self.child.try_wait(), Ok(None)) {
            signal("KILL", self.child.id());
            drop(self.child.wait());
        }
    }
}

/// A port of the loopback address that nobody listens on. Somebody else may take it before its user does, so whoever
/// starts a server with it must be ready to try another.
#[must_use]
pub fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peers::TempDir;

    #[test]
    fn run_gives_exit_code_and_both_outputs() {
        let dir = TempDir::new("process");
        let ended =
            run(Command::new("/bin/sh").args(["-c", "echo out; echo err >&2; exit 7"]), LIMIT, dir.path());
        assert_eq!(ended.code, Some(7));
        assert!(!ended.timed_out);
        assert_eq!(ended.output(), "out\nerr\n");
    }

    #[test]
    fn run_kills_children_and_theirs_when_the_time_is_up() {
        let dir = TempDir::new("process");
        // Both would be there for a minute; the lock goes with the last of them.
        let script = "exec 9>lock; flock 9; sleep 60 & echo started; sleep 60";
        let started = Instant::now();
        let ended = run(
            Command::new("/bin/sh").args(["-c", script]).current_dir(dir.path()),
            Duration::from_secs(1),
            dir.path(),
        );
        assert_eq!((ended.code, ended.timed_out), (None, true));
        assert_eq!(ended.output(), "started\n");
        let free = Command::new("flock").args(["--wait", "10"]).arg(dir.join("lock")).arg("true").status();
        assert!(free.unwrap().success());
        assert!(started.elapsed() < LIMIT);
    }

    #[test]
    fn service_ends_when_dropped_even_if_it_does_not_want_to() {
        let dir = TempDir::new("process");
        let script = "trap '' TERM; exec 9>lock; flock 9; echo ready; while :; do sleep 60; done";
        let mut command = Command::new("/bin/sh");
        let service = Service::start(command.args(["-c", script]).current_dir(dir.path()), &dir.join("log"));
        let deadline = Instant::now() + LIMIT;
        while fs::read(dir.join("log")).unwrap().is_empty() {
            assert!(Instant::now() < deadline);
            thread::yield_now();
        }
        drop(service);
        let free = Command::new("flock").args(["--wait", "10"]).arg(dir.join("lock")).arg("true").status();
        assert!(free.unwrap().success());
    }

    #[test]
    fn wait_for_port_tells_a_server_that_ended() {
        let dir = TempDir::new("process");
        let mut service = Service::start(&mut Command::new("true"), &dir.join("log"));
        let error = service.wait_for_port(free_port(), LIMIT).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
    }

    const LIMIT: Duration = Duration::from_secs(30);
}
