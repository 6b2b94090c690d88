//! `pop3d` as a process, and an address that stays while one process follows another.

use std::io::{BufRead as _, BufReader};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use crate::fake::PASSWORD;
use crate::home::Home;
use crate::{failpoint, sent};

/// A running `pop3d` for alice, whose Maildir is `alice` in her home; killed when dropped.
pub(crate) struct Serving {
    child: Child,
    address: SocketAddr,
}

impl Serving {
    pub(crate) fn start(home: &Home, at: Option<(usize, &str)>) -> Self {
        let users = home.write("users", &format!("alice:{{PLAIN}}{PASSWORD}\n"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_pop3d"));
        command.args(["--listen", "127.0.0.1:0", "--allow-cleartext-login", "--users", &users, "--maildir"]);
        command.arg(home.path("{user}")).current_dir(home.path("")).env_remove("POP3_LOG");
        if let Some((at, what)) = at {
            failpoint(&mut command, at, what);
        }
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim_end().split_once("plain=").unwrap().1.parse().unwrap();
        Self { child, address }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Puts the messages into alice's Maildir, with LF, as mail programs do.
pub(crate) fn deliver(home: &Home) {
    for dir in ["tmp", "new", "cur"] {
        std::fs::create_dir_all(home.path("alice").join(dir)).unwrap();
    }
    for (at, text) in sent().into_iter().enumerate() {
        let text = String::from_utf8(text).unwrap().replace("\r\n", "\n");
        home.write(&format!("alice/new/{}.M1P1.host", 1_700_000_000 + at), &text);
    }
}

/// How many messages alice has.
pub(crate) fn left(home: &Home) -> usize {
    ["new", "cur"].map(|dir| std::fs::read_dir(home.path("alice").join(dir)).unwrap().count()).iter().sum()
}

/// An address from which connections go on to whichever server was named last.
pub(crate) struct Relay {
    pub(crate) address: SocketAddr,
    to: Arc<Mutex<Option<SocketAddr>>>,
}

impl Relay {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let to = Arc::new(Mutex::new(None));
        let target = Arc::clone(&to);
        // It ends with the process.
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let to: Option<SocketAddr> = *target.lock().unwrap();
                let (Ok(client), Some(Ok(server))) = (client, to.map(TcpStream::connect)) else { continue };
                pass(client.try_clone().unwrap(), server.try_clone().unwrap());
                pass(server, client);
            }
        });
        Self { address, to }
    }

    pub(crate) fn lead_to(&self, server: &Serving) {
        *self.to.lock().unwrap() = Some(server.address);
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream) {
    from.set_nodelay(true).unwrap();
    std::thread::spawn(move || {
        // However it ends, the other side is to know.
        drop(std::io::copy(&mut from, &mut to));
        drop(to.shutdown(Shutdown::Write));
    });
}
