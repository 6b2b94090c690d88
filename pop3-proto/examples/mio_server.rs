//! A POP3 server on one thread: thousands of sessions over mio, each with 9 KiB of buffers and a deadline.
//!
//! ```text
//! mio_server ADDRESS MAIL
//! ```
//!
//! What it serves stands in `shared/mail.rs`. There is no TLS: it listens on a loopback address only, behind a proxy that
//! ends TLS. Here is what a driver adds where nothing may wait: a session is run until it would block, and what it waits for
//! then is an event of its socket, its turn, or its deadline.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program talks to its user")]

#[path = "shared/mail.rs"]
mod mail;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::error::Error;
use std::fs::File;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mail::{Mail, Maildrop};
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use pop3_proto::maildrop::HeapStorage;
use pop3_proto::server::{Refusal, Request, Session, SessionConfig};
use pop3_proto::{Buffer, Deadlines, Step};

type Failure = Box<dyn Error + Send + Sync>;

const LISTENER: Token = Token(0);
/// How long a client may take nothing of what is to be sent.
const WRITE: Duration = Duration::from_secs(60);
/// Connections at a time. Others wait in the queue of the listener.
const CONNECTIONS: usize = 10_000;
/// Steps that a session takes before it is the turn of others, however much its client sends or reads.
const STEPS: usize = 32;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, folder] = arguments.as_slice() else { return Err("usage: mio_server ADDRESS MAIL".into()) };
    let address: SocketAddr = address.parse()?;
    if !address.ip().is_loopback() {
        return Err("passwords would travel in clear text".into());
    }
    let mail = Mail::load(Path::new(folder))?;
    let mut listener = TcpListener::bind(address)?;
    println!("listening {}", listener.local_addr()?);
    let (mut poll, mut events) = (Poll::new()?, Events::with_capacity(1024));
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let started = Instant::now();
    let mut connections: HashMap<Token, Connection> = HashMap::new();
    let mut deadlines: BTreeSet<(Duration, Token)> = BTreeSet::new();
    // Whose turn it is. Events come once for each change (they are edges), so a socket that was not drained, and the
    // listener too, stays here until it would block.
    let mut turns = VecDeque::new();
    let (mut last, mut waiting) = (0, false);
    loop {
        let idle = turns.is_empty() && !(waiting && connections.len() < CONNECTIONS);
        let next = deadlines.first().map(|(end, _)| end.saturating_sub(started.elapsed()));
        match poll.poll(&mut events, if idle { next } else { Some(Duration::ZERO) }) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error.into()),
            _ => {}
        }
        for event in &events {
            match event.token() {
                LISTENER => waiting = true,
                token => turns.push_back(token),
            }
        }
        let now = started.elapsed();
        while waiting && connections.len() < CONNECTIONS {
            match listener.accept() {
                Ok((mut stream, _)) => {
                    last += 1;
                    let token = Token(last);
                    poll.registry().register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
                    connections.insert(token, Connection::new(stream, now)?);
                    turns.push_back(token);
                }
                Err(error) => {
                    waiting = false;
                    if error.kind() != ErrorKind::WouldBlock {
                        eprintln!("{error}"); // no file descriptor is left; the next client tries again
                    }
                }
            }
        }
        for _ in 0..turns.len() {
            let Some(token) = turns.pop_front() else { break };
            let Some(connection) = connections.get_mut(&token) else { continue };
            if let Some(end) = connection.end.take() {
                deadlines.remove(&(end, token));
            }
            match connection.run(&mail, now) {
                Ok(Turn::Over) => drop(connections.remove(&token)),
                Ok(turn) => {
                    if turn == Turn::Again {
                        turns.push_back(token);
                    }
                    connection.end = connection.deadlines.end(connection.session.timeout());
                    deadlines.extend(connection.end.map(|end| (end, token)));
                }
                Err(error) => {
                    eprintln!("{error}");
                    drop(connections.remove(&token));
                }
            }
        }
        while deadlines.first().is_some_and(|(end, _)| *end <= now) {
            if let Some((_, token)) = deadlines.pop_first() {
                drop(connections.remove(&token)); // nothing is said and nothing removed
            }
        }
    }
}

#[derive(PartialEq, Eq)]
enum Turn {
    /// There is more to do, after the others.
    Again,
    /// The socket must change first, or the time must pass.
    Wait,
    Over,
}

struct Connection {
    // Above the stream: the lock is free before the client can see an end.
    maildrop: Option<Maildrop>,
    session: Session<'static, HeapStorage>,
    input: Buffer<Box<[u8]>>,
    output: Buffer<Box<[u8]>>,
    /// The message that is being sent, and what of it was read from the file.
    sending: Option<(File, Buffer<Box<[u8]>>)>,
    closing: bool,
    deadlines: Deadlines,
    /// As it stands in the set of all deadlines; none while it is our turn.
    end: Option<Duration>,
    stream: TcpStream,
}

fn buffer(octets: usize) -> Buffer<Box<[u8]>> {
    Buffer::new(vec![0; octets].into())
}

impl Connection {
    fn new(stream: TcpStream, now: Duration) -> Result<Self, Failure> {
        let mut config = SessionConfig::DEFAULT;
        config.allow_cleartext_login = true;
        config.limits.sasl_line = config.limits.line; // no mechanism is offered: all lines are short
        let mut session = Session::new(config, false, HeapStorage::new(100_000));
        let (input, mut output) = (buffer(1024), buffer(4096));
        session.greet(&mut output)?;
        let deadlines = Deadlines::new(now, WRITE);
        Ok(Self {
            maildrop: None,
            session,
            input,
            output,
            sending: None,
            closing: false,
            deadlines,
            end: None,
            stream,
        })
    }

    /// The loop of every driver, until it would block.
    fn run(&mut self, mail: &Arc<Mail>, now: Duration) -> Result<Turn, Failure> {
        for _ in 0..STEPS {
            // What is to be sent leaves first. While the client does not take it nothing is read, from file or socket:
            // then TCP holds the client up, and the buffers stay what they are.
            if !self.output.is_empty() {
                match self.stream.write(self.output.unread()) {
                    Ok(octets) => {
                        self.output.consume(octets);
                        self.deadlines.sent(now);
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {
                        self.deadlines.blocked(now);
                        return Ok(Turn::Wait);
                    }
                    Err(error) => return Err(error.into()),
                }
            } else if self.closing {
                return Ok(Turn::Over);
            } else if self.sending.is_some() {
                self.send_piece()?;
            } else if !self.take_command(mail)? {
                match self.stream.read(self.input.room()) {
                    Ok(0) => {
                        self.session.end_of_input(); // nothing is removed
                        return Ok(Turn::Over);
                    }
                    Ok(octets) => {
                        self.input.filled(octets);
                        self.deadlines.received(now);
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Turn::Wait),
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(Turn::Again)
    }

    /// Gives the session what is unread; `false`: it needs more.
    fn take_command(&mut self, mail: &Arc<Mail>) -> Result<bool, Failure> {
        let received = self.session.receive(self.input.unread(), &mut self.output)?;
        let consumed = received.consumed;
        match received.step {
            // Quick here. A check that takes its time belongs to another thread: copy name and password, and go on with
            // this session when the answer is there; until then it wants nothing.
            Step::Event(Request::Login { password }) => {
                match mail.open(self.session.user(), password.expose()) {
                    Ok(maildrop) => {
                        for message in &*maildrop.messages {
                            self.session.add_message(message.octets, message.unique_id.as_bytes())?;
                        }
                        self.session.opened(&mut self.output)?;
                        self.maildrop = Some(maildrop);
                    }
                    Err(refusal) => self.session.refuse(refusal, &mut self.output)?,
                }
            }
            Step::Event(Request::Message { number, .. }) => {
                match self.maildrop.as_ref().and_then(|maildrop| maildrop.read(number).ok()) {
                    Some(file) => {
                        self.session.start_message(&mut self.output)?;
                        self.sending = Some((file, buffer(4096)));
                    }
                    None => self.session.refuse(Refusal::Gone, &mut self.output)?,
                }
            }
            Step::Event(Request::Commit) => {
                let marked = self.session.marked().map(|message| message.number);
                let all = self.maildrop.take().is_none_or(|maildrop| maildrop.remove(marked));
                self.session.committed(all, &mut self.output)?;
            }
            Step::Event(Request::Close(_)) => self.closing = true,
            Step::Event(_) => self.session.refuse(Refusal::Credentials, &mut self.output)?,
            Step::NeedInput if self.output.is_empty() => {
                self.input.consume(consumed);
                return Ok(false);
            }
            Step::NeedInput | Step::Paused => {}
        }
        self.input.consume(consumed);
        Ok(true)
    }

    /// Fills the output with more of the message.
    fn send_piece(&mut self) -> Result<(), Failure> {
        let Some((file, piece)) = &mut self.sending else { return Ok(()) };
        if piece.is_empty() {
            let octets = file.read(piece.room())?;
            piece.filled(octets);
        }
        let progress = self.session.body(piece.unread(), self.output.room())?;
        self.output.filled(progress.written);
        let end = piece.is_empty();
        piece.consume(progress.read);
        if end || progress.done {
            // An error here, as one above, closes the connection: no final dot for half a message.
            self.session.end_message(&mut self.output)?;
            self.sending = None;
        }
        Ok(())
    }
}
