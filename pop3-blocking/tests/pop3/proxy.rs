//! A server with one fault: a proxy before a good server of this library. It passes lines and replies on, except where the
//! fault has it do otherwise. It speaks TLS itself, so that what is behind it is always in clear text.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use pop3_blocking::auth::MemoryUsers;
use pop3_blocking::server::{Limits, Policy, Running, Server};
use pop3_blocking::store::MemoryStore;
use pop3_blocking::tls::ServerTls;
use pop3_blocking::{Deadline, Input, Transport};

use crate::fake::{LONG, PASSWORD};

/// What is done with a line of the client.
pub(crate) enum Do {
    /// The server gets it, and its reply goes back.
    Pass,
    /// The server gets this instead.
    As(Vec<u8>),
    /// The server gets nothing; this is the reply.
    Say(Vec<u8>),
    /// As [`Say`](Self::Say), and then the connection ends.
    Close(Vec<u8>),
}

/// What is known of a connection.
#[derive(Default)]
pub(crate) struct Talk {
    /// Which it is, from 1.
    pub(crate) connection: usize,
    /// How many lines came before this one.
    pub(crate) lines: usize,
    /// The last argument of `USER`.
    pub(crate) user: String,
    /// The lines that came since then.
    pub(crate) since_user: usize,
    pub(crate) logged_in: bool,
    pub(crate) secure: bool,
}

/// What crosses STLS.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keeps {
    /// Nothing: the connection ends.
    Nothing,
    WholeLines,
    HalfLine,
}

/// One thing that a server does wrong, and the case that is to find it.
#[derive(Clone, Copy)]
pub(crate) struct Fault {
    pub(crate) case: &'static str,
    pub(crate) verdict: &'static str,
    pub(crate) destructive: bool,
    pub(crate) stls: bool,
    pub(crate) line: fn(&Talk, &str) -> Do,
    pub(crate) reply: fn(&Talk, &str, Vec<u8>) -> Vec<u8>,
    /// Other cases that cannot but find it too.
    pub(crate) also: &'static [(&'static str, &'static str)],
    /// Octets behind STLS that are kept for the time under TLS.
    pub(crate) keeps: Keeps,
    /// A second greeting comes under TLS.
    pub(crate) greets_again: bool,
    /// Half a command at the end of the client's side counts as whole.
    pub(crate) completes: bool,
    /// The end of the client's side counts as QUIT.
    pub(crate) quits: bool,
    /// TLS ends without `close_notify`.
    pub(crate) tears: bool,
    /// A client certificate is asked for.
    pub(crate) asks: bool,
    /// A session that broke off holds its maildrop for a while, as one does whose server still has much to read.
    pub(crate) lingers: bool,
}

impl Fault {
    /// No fault yet, in clear text.
    pub(crate) fn of(case: &'static str) -> Self {
        Self {
            case,
            verdict: "fail",
            destructive: false,
            stls: false,
            line: |_, _| Do::Pass,
            reply: |_, _, reply| reply,
            also: &[],
            keeps: Keeps::Nothing,
            greets_again: false,
            completes: false,
            quits: false,
            tears: false,
            asks: false,
            lingers: false,
        }
    }

    /// What it does with lines.
    pub(crate) fn line(mut self, line: fn(&Talk, &str) -> Do) -> Self {
        self.line = line;
        self
    }

    /// What it makes of replies, the greeting too: that is the reply to `CONNECT`.
    pub(crate) fn reply(mut self, reply: fn(&Talk, &str, Vec<u8>) -> Vec<u8>) -> Self {
        self.reply = reply;
        self
    }

    pub(crate) fn warn(mut self) -> Self {
        self.verdict = "warn";
        self
    }

    pub(crate) fn destructive(mut self) -> Self {
        self.destructive = true;
        self
    }

    pub(crate) fn stls(mut self) -> Self {
        self.stls = true;
        self
    }
}

/// The two certificates that it may show itself with: the second server asks for the client's.
#[derive(Clone)]
pub(crate) struct Tls(pub(crate) ServerTls, pub(crate) ServerTls);

/// A good server, and the proxy before it.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    _server: Running,
}

impl Proxy {
    pub(crate) fn start(fault: Fault, messages: &[&str], tls: Tls) -> Self {
        let store = MemoryStore::new();
        for message in messages {
            store.add("alice", *message);
        }
        let mut limits = Limits::default();
        limits.failed_login_delay = std::time::Duration::ZERO;
        limits.connections_per_address_before_login = 1000;
        let users = MemoryUsers::new().with_user("alice", PASSWORD);
        let server = Server::builder(users, store)
            .limits(limits)
            .listen(([127, 0, 0, 1], 0).into(), Policy::cleartext().allow_cleartext_login());
        let server = server.bind().unwrap().serve().unwrap();
        let behind = server.addresses()[0];
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let count = Arc::new(AtomicUsize::new(0));
        // It ends with the process.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (tls, count) = (tls.clone(), Arc::clone(&count));
                std::thread::spawn(move || {
                    let talk =
                        Talk { connection: count.fetch_add(1, Ordering::Relaxed) + 1, ..Talk::default() };
                    let stream = stream.unwrap();
                    stream.set_nodelay(true).unwrap();
                    let client = Transport::plain(stream);
                    let server = BufReader::new(TcpStream::connect(behind).unwrap());
                    let tls = if fault.asks { tls.1 } else { tls.0 };
                    Conversation {
                        fault,
                        talk,
                        client: Some(client),
                        server,
                        unread: Vec::new(),
                        sasl: false,
                        tls,
                    }
                    .hold();
                });
            }
        });
        Self { address, _server: server }
    }
}

struct Conversation {
    fault: Fault,
    talk: Talk,
    client: Option<Transport<TcpStream>>,
    server: BufReader<TcpStream>,
    unread: Vec<u8>,
    /// Whether the next line continues a SASL exchange.
    sasl: bool,
    tls: ServerTls,
}

/// One of the two is gone.
struct Over;

impl Conversation {
    fn hold(mut self) {
        // Whoever goes ends it.
        let _over: Result<(), Over> = self.talk();
        if let Some(client) = self.client.take().filter(|_| !self.fault.tears) {
            client.close(None).ok();
        }
        if self.fault.lingers {
            std::thread::sleep(std::time::Duration::from_millis(300));
        }
    }

    fn talk(&mut self) -> Result<(), Over> {
        let greeting = self.take_reply("CONNECT")?;
        let greeting = (self.fault.reply)(&self.talk, "CONNECT", greeting);
        self.say(&greeting)?;
        loop {
            let Some(raw) = self.line() else { return self.end() };
            let line = String::from_utf8_lossy(&raw).into_owned();
            if self.fault.stls && !self.talk.secure && line == "STLS" {
                self.start_tls(&greeting)?;
                continue;
            }
            let done = (self.fault.line)(&self.talk, &line);
            let says = matches!(done, Do::Say(_));
            let reply = match done {
                Do::Say(reply) => reply,
                Do::Close(reply) => {
                    self.say(&reply)?;
                    return Err(Over);
                }
                Do::Pass => self.ask(&raw, &line)?,
                Do::As(raw) => {
                    let line = String::from_utf8_lossy(&raw).into_owned();
                    self.ask(&raw, &line)?
                }
            };
            let upper = line.to_ascii_uppercase();
            self.talk.lines += 1;
            self.talk.since_user += 1;
            if let Some(user) = line.get(5..).filter(|_| upper.starts_with("USER ")) {
                (self.talk.user, self.talk.since_user) = (user.to_owned(), 0);
            }
            let reply =
                (self.fault.reply)(&self.talk, &line, if says { reply } else { self.hidden(&upper, reply) });
            let login = self.sasl || ["PASS", "AUTH "].iter().any(|verb| upper.starts_with(verb));
            self.talk.logged_in |= login && reply.starts_with(b"+OK");
            self.sasl = reply.starts_with(b"+ ");
            self.say(&reply)?;
            if closes(&upper, self.talk.lines) && !says {
                return Err(Over);
            }
        }
    }

    /// What a server that wants TLS lets through before.
    fn hidden(&self, line: &str, reply: Vec<u8>) -> Vec<u8> {
        if !self.fault.stls || self.talk.secure {
            return reply;
        }
        match line {
            "CAPA" => b"+OK list\r\nTOP\r\nUIDL\r\nSTLS\r\n.\r\n".to_vec(),
            _ if line.starts_with("USER") => b"-ERR TLS first\r\n".to_vec(),
            _ => reply,
        }
    }

    fn start_tls(&mut self, greeting: &[u8]) -> Result<(), Over> {
        let half = self.unread.iter().rposition(|&octet| octet == b'\n').map_or(0, |at| at + 1);
        match self.fault.keeps {
            Keeps::Nothing if !self.unread.is_empty() => return Err(Over),
            Keeps::Nothing => {}
            Keeps::WholeLines => self.unread.truncate(half),
            Keeps::HalfLine => drop(self.unread.drain(..half)),
        }
        self.say(b"+OK begin\r\n")?;
        let client = self.client.take().unwrap();
        self.client = Some(client.accept_tls(&self.tls, Deadline::after(LONG)).map_err(|_| Over)?);
        self.talk.secure = true;
        if self.fault.greets_again { self.say(greeting) } else { Ok(()) }
    }

    /// The client's side has ended.
    fn end(&mut self) -> Result<(), Over> {
        let rest = std::mem::take(&mut self.unread);
        let server = self.server.get_mut();
        server.write_all(if self.fault.quits { b"QUIT\r\n" } else { &rest }).map_err(|_| Over)?;
        if self.fault.completes && !rest.is_empty() {
            server.write_all(b"\r\n").map_err(|_| Over)?;
        }
        server.shutdown(Shutdown::Write).map_err(|_| Over)?;
        self.server.read_to_end(&mut Vec::new()).map_err(|_| Over)?;
        Ok(())
    }

    fn ask(&mut self, raw: &[u8], line: &str) -> Result<Vec<u8>, Over> {
        self.server.get_mut().write_all(&[raw, b"\r\n"].concat()).map_err(|_| Over)?;
        self.take_reply(line)
    }

    /// A whole reply of the server.
    fn take_reply(&mut self, line: &str) -> Result<Vec<u8>, Over> {
        let mut reply = Vec::new();
        self.server.read_until(b'\n', &mut reply).map_err(|_| Over)?;
        if reply.is_empty() {
            return Err(Over);
        }
        if reply.starts_with(b"+OK") && is_multi_line(line) {
            loop {
                let start = reply.len();
                self.server.read_until(b'\n', &mut reply).map_err(|_| Over)?;
                if matches!(&reply[start..], b".\r\n" | b"") {
                    break;
                }
            }
        }
        Ok(reply)
    }

    fn say(&mut self, octets: &[u8]) -> Result<(), Over> {
        let client = self.client.as_mut().ok_or(Over)?;
        client.write_all(octets, LONG, Deadline::after(LONG)).map_err(|_| Over)
    }

    /// The next line, without its CRLF; `None` when the client has ended its side.
    fn line(&mut self) -> Option<Vec<u8>> {
        loop {
            if let Some(end) = self.unread.windows(2).position(|two| two == b"\r\n") {
                let mut line: Vec<u8> = self.unread.drain(..end + 2).collect();
                line.truncate(end);
                return Some(line);
            }
            let mut room = [0; 4096];
            match self.client.as_mut()?.read(&mut room, Deadline::after(LONG)) {
                Ok(Input::Octets(octets)) => self.unread.extend_from_slice(&room[..octets]),
                Ok(Input::Closed) | Err(_) => return None,
            }
        }
    }
}

/// Whether the server closes behind its reply to this line, which is the first or not.
fn closes(line: &str, lines: usize) -> bool {
    let foreign = ["GET ", "EHLO ", "A1 LOGIN ", "\u{16}"];
    line == "QUIT" || (lines == 1 && foreign.iter().any(|opening| line.starts_with(opening)))
}

fn is_multi_line(line: &str) -> bool {
    let line = line.to_ascii_uppercase();
    let verb = line.split(' ').next().unwrap();
    let alone = verb == line;
    matches!(verb, "CAPA" | "RETR" | "TOP") || alone && matches!(verb, "LIST" | "UIDL" | "LANG" | "AUTH")
}
