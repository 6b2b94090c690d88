//! A POP3 server that does what a test wants.

use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pop3_blocking::tls::ServerTls;
use pop3_blocking::{Deadline, Input, Transport};

pub(crate) const PASSWORD: &str = "wonder land";
/// `NUL alice NUL wonder land` in base64.
const PLAIN: &str = "AGFsaWNlAHdvbmRlciBsYW5k";
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// What the server does at one command.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// What a good server does.
    Usual,
    /// Says this instead.
    Say(Vec<u8>),
    /// Says this and closes.
    Close(Vec<u8>),
    /// Says nothing any more, and waits until the client goes.
    Hang,
}

pub(crate) fn say(text: &str) -> Act {
    Act::Say(text.into())
}

pub(crate) fn close(text: &str) -> Act {
    Act::Close(text.into())
}

/// When the server asks the rule.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment<'a> {
    /// The command; `CONNECT` before the greeting.
    pub(crate) line: &'a str,
    /// Which connection it is, from 1.
    pub(crate) connection: usize,
    /// Whether more commands are here already.
    pub(crate) more: bool,
}

type Rule = dyn Fn(Moment<'_>) -> Act + Send + Sync;

/// When TLS starts.
#[derive(Clone)]
pub(crate) enum Mode {
    Plain,
    Stls(ServerTls),
    Implicit(ServerTls),
}

/// A message: its unique-id and its octets, with CRLF.
pub(crate) type Mail = (Vec<u8>, Vec<u8>);

pub(crate) struct Fake {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    mode: Mode,
    capabilities: Vec<String>,
    rule: Box<Rule>,
    mail: Mutex<Vec<Mail>>,
    commands: Mutex<Vec<String>>,
    connections: Mutex<usize>,
}

/// `count` messages, all different, `octets` octets of body and more.
pub(crate) fn mail(count: usize, octets: usize) -> Vec<Mail> {
    let message = |number: usize| {
        let mut text = format!("Subject: message {number}\r\n\r\n.dots\r\n..\r\n").into_bytes();
        while text.len() < octets {
            text.extend_from_slice(format!("line {} of {number}\r\n", text.len()).as_bytes());
        }
        (format!("id-{number}").into_bytes(), text)
    };
    (1..=count).map(message).collect()
}

/// The octets of the messages of [`mail`], each with its number.
pub(crate) fn texts_by_number(count: usize, octets: usize) -> impl Iterator<Item = (usize, Vec<u8>)> {
    mail(count, octets).into_iter().enumerate().map(|(at, (_, text))| (at + 1, text))
}

impl Fake {
    /// Serves `mail` in clear text; `rule` may change what is done at a command.
    pub(crate) fn start(
        mail: Vec<Mail>,
        capabilities: &[&str],
        rule: impl Fn(Moment<'_>) -> Act + Send + Sync + 'static,
    ) -> Self {
        Self::start_with(Mode::Plain, mail, capabilities, rule)
    }

    pub(crate) fn start_with(
        mode: Mode,
        mail: Vec<Mail>,
        capabilities: &[&str],
        rule: impl Fn(Moment<'_>) -> Act + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            mode,
            capabilities: capabilities.iter().map(ToString::to_string).collect(),
            rule: Box::new(rule),
            mail: Mutex::new(mail),
            commands: Mutex::default(),
            connections: Mutex::new(0),
        });
        let serving = Arc::clone(&shared);
        // It ends with the process.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let shared = Arc::clone(&serving);
                std::thread::spawn(move || Conversation::hold(&shared, stream.unwrap()));
            }
        });
        Self { address, shared }
    }

    /// A well-behaved server of `mail`.
    pub(crate) fn good(mail: Vec<Mail>) -> Self {
        Self::start(mail, &["UIDL", "TOP", "USER", "PIPELINING", "RESP-CODES"], |_| Act::Usual)
    }

    pub(crate) fn url(&self, scheme: &str) -> String {
        format!("{scheme}://alice@127.0.0.1:{}", self.address.port())
    }

    /// How many connections there were.
    pub(crate) fn connections(&self) -> usize {
        *self.shared.connections.lock().unwrap()
    }

    /// What is left in the maildrop.
    pub(crate) fn left(&self) -> Vec<Mail> {
        self.shared.mail.lock().unwrap().clone()
    }

    pub(crate) fn put(&self, mail: Vec<Mail>) {
        *self.shared.mail.lock().unwrap() = mail;
    }

    /// The commands since the last look that begin with `verb`.
    pub(crate) fn said(&self, verb: &str) -> Vec<String> {
        self.shared.commands.lock().unwrap().iter().filter(|line| line.starts_with(verb)).cloned().collect()
    }

    pub(crate) fn forget_commands(&self) {
        self.shared.commands.lock().unwrap().clear();
    }
}

struct Conversation<'a> {
    shared: &'a Shared,
    transport: Transport<TcpStream>,
    unread: Vec<u8>,
    number: usize,
    mail: Vec<Mail>,
    marked: Vec<usize>,
    logged_in: bool,
}

/// The client is gone, or the server closes.
struct Over;

impl<'a> Conversation<'a> {
    fn hold(shared: &'a Shared, stream: TcpStream) {
        stream.set_nodelay(true).unwrap();
        let number = {
            let mut connections = shared.connections.lock().unwrap();
            *connections += 1;
            *connections
        };
        let mut transport = Transport::plain(stream);
        if let Mode::Implicit(tls) = &shared.mode {
            match transport.accept_tls(tls, Deadline::after(LONG)) {
                Ok(secure) => transport = secure,
                Err(_) => return,
            }
        }
        let (unread, mail, marked) = (Vec::new(), Vec::new(), Vec::new());
        let mut conversation = Self { shared, transport, unread, number, mail, marked, logged_in: false };
        if conversation.act("CONNECT").is_ok() {
            while let Some(line) = conversation.line() {
                shared.commands.lock().unwrap().push(line.clone());
                if line == "STLS" {
                    let Mode::Stls(tls) = &shared.mode else { panic!("STLS was not offered") };
                    if conversation.say(b"+OK begin\r\n").is_err() {
                        return;
                    }
                    match conversation.transport.accept_tls(tls, Deadline::after(LONG)) {
                        Ok(secure) => conversation.transport = secure,
                        Err(_) => return,
                    }
                } else if conversation.act(&line).is_err() {
                    break;
                }
            }
        }
        conversation.transport.close(None).ok();
    }

    fn act(&mut self, line: &str) -> Result<(), Over> {
        let moment = Moment { line, connection: self.number, more: !self.unread.is_empty() };
        match (self.shared.rule)(moment) {
            Act::Usual => self.usual(line),
            Act::Say(octets) => self.say(&octets),
            Act::Close(octets) => self.say(&octets).and(Err(Over)),
            Act::Hang => {
                while self.line().is_some() {}
                Err(Over)
            }
        }
    }

    fn usual(&mut self, line: &str) -> Result<(), Over> {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        let number = || rest.split(' ').next().unwrap().parse::<usize>().unwrap() - 1;
        let reply = match verb {
            "CONNECT" => b"+OK ready\r\n".to_vec(),
            "CAPA" => {
                let lines = self.shared.capabilities.iter().map(|line| format!("{line}\r\n"));
                format!("+OK\r\n{}.\r\n", lines.collect::<String>()).into_bytes()
            }
            "USER" => b"+OK\r\n".to_vec(),
            "PASS" => self.log_in(rest == PASSWORD),
            "AUTH" => self.log_in(rest == format!("PLAIN {PLAIN}") || rest.starts_with("EXTERNAL ")),
            _ if verb != "QUIT" && !self.logged_in => b"-ERR log in first\r\n".to_vec(),
            "STAT" => {
                let octets: usize = self.mail.iter().map(|(_, text)| text.len()).sum();
                format!("+OK {} {octets}\r\n", self.mail.len()).into_bytes()
            }
            "LIST" => self.lines(|(_, text)| text.len().to_string().into_bytes()),
            "UIDL" => self.lines(|(id, _)| id.clone()),
            "RETR" => stuffed(&self.mail[number()].1),
            "TOP" => {
                let text = String::from_utf8(self.mail[number()].1.clone()).unwrap();
                let lines: usize = rest.split(' ').nth(1).unwrap().parse().unwrap();
                let (header, body) = text.split_once("\r\n\r\n").unwrap();
                let body: String = body.split_inclusive("\r\n").take(lines).collect();
                stuffed(format!("{header}\r\n\r\n{body}").as_bytes())
            }
            "DELE" => {
                self.marked.push(number());
                b"+OK\r\n".to_vec()
            }
            "QUIT" => {
                self.remove();
                self.say(b"+OK bye\r\n")?;
                return Err(Over);
            }
            _ => b"-ERR what\r\n".to_vec(),
        };
        self.say(&reply)
    }

    fn log_in(&mut self, right: bool) -> Vec<u8> {
        if !right {
            return b"-ERR [AUTH] wrong\r\n".to_vec();
        }
        self.mail = self.shared.mail.lock().unwrap().clone();
        self.logged_in = true;
        b"+OK logged in\r\n".to_vec()
    }

    fn lines(&self, value: impl Fn(&Mail) -> Vec<u8>) -> Vec<u8> {
        let mut reply = b"+OK\r\n".to_vec();
        for (at, mail) in self.mail.iter().enumerate() {
            write!(reply, "{} ", at + 1).unwrap();
            reply.extend(value(mail));
            reply.extend(b"\r\n");
        }
        reply.extend(b".\r\n");
        reply
    }

    /// What `QUIT` does.
    fn remove(&self) {
        let gone: Vec<&Mail> = self.marked.iter().map(|&at| &self.mail[at]).collect();
        self.shared.mail.lock().unwrap().retain(|mail| !gone.contains(&mail));
    }

    fn say(&mut self, octets: &[u8]) -> Result<(), Over> {
        self.transport.write_all(octets, LONG, Deadline::NEVER).map_err(|_| Over)
    }

    /// The next command, without its CRLF; `None` when the client is gone.
    fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.unread.windows(2).position(|two| two == b"\r\n") {
                let line = String::from_utf8(self.unread.drain(..end + 2).collect()).unwrap();
                return Some(line.trim_end().to_owned());
            }
            let mut room = [0; 4096];
            match self.transport.read(&mut room, Deadline::after(LONG)) {
                Ok(Input::Octets(octets)) => self.unread.extend_from_slice(&room[..octets]),
                Ok(Input::Closed) | Err(_) => return None,
            }
        }
    }
}

/// A reply that holds `text`.
pub(crate) fn stuffed(text: &[u8]) -> Vec<u8> {
    let mut reply = b"+OK\r\n".to_vec();
    for line in text.split_inclusive(|&octet| octet == b'\n') {
        if line.starts_with(b".") {
            reply.push(b'.');
        }
        reply.extend_from_slice(line);
    }
    reply.extend_from_slice(b".\r\n");
    reply
}
