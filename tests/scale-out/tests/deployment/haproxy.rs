//! HAProxy with the configuration that is shown to the world.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command};

use pop3_tests::peers::process::free_port;
use pop3_tests::peers::{TempDir, require};

use crate::server::wait_for;

const CONFIG: &str = include_str!("../../haproxy.cfg");

/// A running HAProxy; dropped, it is killed.
#[derive(Debug)]
pub(crate) struct Haproxy {
    child: Child,
    dir: TempDir,
    /// Where clients connect.
    pub(crate) address: SocketAddr,
}

impl Haproxy {
    /// Starts one before these servers; `None` after a visible line where it is not installed. `change` is put at the end of
    /// the lines that tell of servers.
    pub(crate) fn start(servers: &[SocketAddr], change: &str) -> Option<Self> {
        let program = require("haproxy")?;
        let dir = TempDir::new("haproxy");
        let mut config = CONFIG.to_owned();
        for (number, server) in (1..).zip(servers) {
            config += &format!("    server pop{number} {server} {change}\n");
        }
        let file = dir.file("haproxy.cfg", config);
        // Somebody else may take the port first: then it ends at once.
        for _ in 0..10 {
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
            let log = File::create(dir.join("log")).unwrap();
            let mut command = Command::new(&program);
            command.args(["-db", "-f"]).arg(&file).env("POP3_BIND", address.to_string());
            command.env("POP3_STATS", dir.join("stats")).stdout(log.try_clone().unwrap()).stderr(log);
            let mut child = command.spawn().unwrap();
            let up = wait_for("haproxy", || match child.try_wait().unwrap() {
                Some(_) => Some(false),
                None => UnixStream::connect(dir.join("stats")).is_ok().then_some(true),
            });
            if up {
                let haproxy = Self { child, dir, address };
                for number in 1..=servers.len() {
                    haproxy.wait_until(number, "UP");
                }
                return Some(haproxy);
            }
        }
        panic!("{}", fs::read_to_string(dir.join("log")).unwrap());
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A command to its administration.
    pub(crate) fn tell(&self, command: &str) -> String {
        let mut stream = UnixStream::connect(self.stats()).unwrap();
        stream.write_all(format!("{command}\n").as_bytes()).unwrap();
        let mut said = String::new();
        stream.read_to_string(&mut said).unwrap();
        said
    }

    fn stats(&self) -> PathBuf {
        self.dir.join("stats")
    }

    /// A column of its statistics about server `number`.
    pub(crate) fn about(&self, number: usize, column: &str) -> String {
        let said = self.tell("show stat");
        let mut lines = said.lines();
        let place = lines.next().unwrap().split(',').position(|name| name.trim_start_matches("# ") == column);
        let place = place.unwrap();
        let line = lines.find(|line| line.starts_with(&format!("servers,pop{number},"))).unwrap();
        line.split(',').nth(place).unwrap().to_owned()
    }

    /// Waits until it thinks so of a server.
    pub(crate) fn wait_until(&self, number: usize, status: &str) {
        wait_for(status, || (self.about(number, "status") == status).then_some(()));
    }

    /// Which of the servers has a session, once one alone has.
    pub(crate) fn busy(&self, servers: usize) -> usize {
        wait_for("one busy server", || {
            let mut busy = (1..=servers).filter(|number| self.about(*number, "scur") != "0");
            busy.next().filter(|_| busy.next().is_none())
        })
    }
}

impl Drop for Haproxy {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
