//! HAProxy: a load balancer, which tells servers by the PROXY protocol whom it forwards.

use std::fmt::Write as _;
use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use super::TempDir;
use super::process::{Service, free_port};

const LIMIT: Duration = Duration::from_secs(30);

/// A running HAProxy; dropped, it ends.
#[derive(Debug)]
#[must_use]
pub struct Haproxy {
    // Before the folder: it must not be removed under the running process.
    _service: Service,
    dir: TempDir,
    /// Where it forwards to each of the servers, on `127.0.0.1` and on `::1`.
    pub ports: Vec<u16>,
}

impl Haproxy {
    /// Starts it and waits until it accepts connections; `None` where it is not installed, which was then said.
    ///
    /// Each server is what follows its name on a `server` line, as `127.0.0.1:110 send-proxy`. One with a `check` is held
    /// against the greeting of POP3, and gets no connection before it has passed.
    ///
    /// # Panics
    ///
    /// When it is installed but does not start, with what it said.
    #[must_use]
    pub fn start(servers: &[String]) -> Option<Self> {
        let program = super::require("haproxy")?;
        // A port that was free may be taken before HAProxy asks for it.
        let mut failure = String::new();
        for _ in 0..5 {
            match Self::try_start(&program, servers) {
                Ok(started) => return Some(started),
                Err(said) if said.contains("Address already in use") => failure = said,
                Err(said) => panic!("haproxy: {said}"),
            }
        }
        panic!("haproxy: {failure}");
    }

    fn try_start(program: &Path, servers: &[String]) -> Result<Self, String> {
        let dir = TempDir::new("haproxy");
        let mut text = format!(
            "global\n stats socket {} level admin\ndefaults\n mode tcp\n timeout connect 5s\n timeout client 60s\n \
             timeout server 60s\n timeout check 5s\n option tcp-check\n tcp-check expect string +OK\n",
            dir.join("stats").display()
        );
        let ports: Vec<u16> = servers.iter().map(|_| free_port()).collect();
        for (number, (port, server)) in ports.iter().zip(servers).enumerate() {
            write!(
                text,
                "listen forward{number}\n bind 127.0.0.1:{port}\n bind [::1]:{port}\n server there {server}\n"
            )
            .unwrap();
        }
        let config = dir.file("haproxy.cfg", text);
        let log = dir.join("log");
        let mut service = Service::start(Command::new(program).arg("-db").arg("-f").arg(config), &log);
        for port in &ports {
            service
                .wait_for_port(*port, LIMIT)
                .map_err(|error| format!("{error}: {}", std::fs::read_to_string(&log).unwrap_or_default()))?;
        }
        Ok(Self { _service: service, dir, ports })
    }

    /// Waits until the last check of that server came to `status`, as `L7OK` for a greeting that was understood.
    ///
    /// # Panics
    ///
    /// When that takes too long, with the other status.
    pub fn wait_for_check(&self, server: usize, status: &str) {
        let deadline = Instant::now() + LIMIT;
        loop {
            // The socket to ask by may come later than the ports.
            let last = self.check_status(server).unwrap_or_else(|error| error.to_string());
            if last == status {
                return;
            }
            assert!(Instant::now() < deadline, "check of server {server}: {last}");
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn check_status(&self, server: usize) -> io::Result<String> {
        let mut socket = UnixStream::connect(self.dir.join("stats"))?;
        socket.write_all(b"show stat\n")?;
        let mut table = String::new();
        socket.read_to_string(&mut table)?;
        let cell = |line: &str, column: usize| line.split(',').nth(column).unwrap_or_default().to_owned();
        let head = table.lines().next().unwrap_or_default();
        let column = head.split(',').position(|name| name == "check_status").unwrap();
        let row = table.lines().find(|line| line.starts_with(&format!("forward{server},there,"))).unwrap();
        Ok(cell(row, column))
    }
}
