//! POP3 over the standard library alone: a client, and a server with a thread for each connection.
//!
//! ```text
//! std_loop fetch HOST PORT USER FOLDER < password    fetches all messages into FOLDER
//! std_loop serve ADDRESS MAIL                        serves the folders below MAIL (see shared/mail.rs)
//! ```
//!
//! There is no TLS here, so both speak with this machine only: a tunnel or a proxy that ends TLS. What is to be seen is the
//! loop that every driver has, in its plainest form: receive, act, drop what was consumed, flush, read. The other examples
//! are the same loop where nothing may block, and over TLS.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program talks to its user")]

#[path = "shared/fetch.rs"]
mod fetch;
#[path = "shared/mail.rs"]
mod mail;

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use fetch::{Failure, Fetch};
use mail::{Mail, Maildrop};
use pop3_proto::maildrop::HeapStorage;
use pop3_proto::server::{Refusal, Request, Session, SessionConfig};
use pop3_proto::{Buffer, Client, ClientLimits, ClientTolerances, Deadlines, MessageNumber, Step, Timeout};

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["fetch", host, port, user, folder] => {
            let stream = TcpStream::connect((*host, port.parse()?))?;
            fetch_all(Connection::new(stream)?, Fetch::new(user, folder, false)?)
        }
        ["serve", address, folder] => {
            let mail = Mail::load(Path::new(folder))?;
            let listener = TcpListener::bind(address)?;
            println!("listening {}", listener.local_addr()?);
            for stream in listener.incoming() {
                let mail = Arc::clone(&mail);
                thread::spawn(move || {
                    if let Err(error) =
                        stream.and_then(Connection::new).map_err(Failure::from).and_then(|c| serve(c, &mail))
                    {
                        eprintln!("{error}");
                    }
                });
            }
            Ok(())
        }
        _ => Err("usage: std_loop fetch HOST PORT USER FOLDER | std_loop serve ADDRESS MAIL".into()),
    }
}

/// A socket with its two buffers, of a fixed size, and the time.
struct Connection {
    stream: TcpStream,
    input: Buffer<[u8; 4096]>,
    output: Buffer<[u8; 4096]>,
    started: Instant,
    deadlines: Deadlines,
}

impl Connection {
    fn new(stream: TcpStream) -> io::Result<Self> {
        if !stream.peer_addr()?.ip().is_loopback() {
            return Err(io::Error::other("passwords would travel in clear text"));
        }
        stream.set_nodelay(true)?;
        let write = Duration::from_secs(60);
        stream.set_write_timeout(Some(write))?;
        let deadlines = Deadlines::new(Duration::ZERO, write);
        let (input, output) = (Buffer::new([0; 4096]), Buffer::new([0; 4096]));
        Ok(Self { stream, input, output, started: Instant::now(), deadlines })
    }

    /// Sends all that waits.
    fn flush(&mut self) -> io::Result<()> {
        while !self.output.is_empty() {
            let written = self.stream.write(self.output.unread())?;
            self.output.consume(written);
            self.deadlines.sent(self.started.elapsed());
        }
        Ok(())
    }

    /// Waits for more input, but not for longer than the core says; `false`: there is no more.
    fn read(&mut self, timeout: Option<Timeout>) -> io::Result<bool> {
        let left = self.deadlines.left(timeout, self.started.elapsed()).ok_or(ErrorKind::InvalidInput)?;
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        self.stream.set_read_timeout(Some(left))?;
        let octets = self.stream.read(self.input.room())?;
        self.input.filled(octets);
        self.deadlines.received(self.started.elapsed());
        Ok(octets > 0)
    }
}

fn fetch_all(mut connection: Connection, mut fetch: Fetch) -> Result<(), Failure> {
    let mut limits = ClientLimits::DEFAULT;
    limits.line = 4096; // a line must fit into the input
    let mut client = Client::<4>::in_clear(limits, ClientTolerances::default());
    client.allow_cleartext_login();
    while !client.state().is_over() {
        let received = client.receive(connection.input.unread())?;
        let consumed = received.consumed;
        match received.step {
            Step::Event(event) => {
                if let Some(command) = fetch.on(event)? {
                    client.send(&command, &mut connection.output)?;
                }
                connection.input.consume(consumed);
            }
            Step::NeedInput | Step::Paused => {
                connection.input.consume(consumed);
                connection.flush()?;
                if !connection.read(client.timeout())? {
                    // An end that no QUIT has announced is an error, and tells what it has cut.
                    client.end_of_input()?;
                }
            }
        }
    }
    Ok(())
}

fn serve(mut connection: Connection, mail: &Arc<Mail>) -> Result<(), Failure> {
    let mut config = SessionConfig::DEFAULT;
    config.allow_cleartext_login = true;
    config.limits.sasl_line = config.limits.line; // no mechanism is offered: all lines are short
    let mut session = Session::new(config, false, HeapStorage::new(10_000));
    let mut maildrop: Option<Maildrop> = None;
    session.greet(&mut connection.output)?;
    loop {
        let received = session.receive(connection.input.unread(), &mut connection.output)?;
        let consumed = received.consumed;
        match received.step {
            Step::Event(Request::Login { password }) => {
                let opened = mail.open(session.user(), password.expose());
                let out = &mut connection.output;
                match opened {
                    Ok(opened) => {
                        for message in &*opened.messages {
                            session.add_message(message.octets, message.unique_id.as_bytes())?;
                        }
                        session.opened(out)?;
                        maildrop = Some(opened);
                    }
                    Err(refusal) => session.refuse(refusal, out)?,
                }
            }
            Step::Event(Request::Message { number, .. }) => {
                send_message(&mut connection, &mut session, maildrop.as_ref(), number)?;
            }
            Step::Event(Request::Commit) => {
                // The lock is free and the mail is gone before the client is told so.
                let marked = session.marked().map(|message| message.number);
                let all = maildrop.take().is_none_or(|maildrop| maildrop.remove(marked));
                session.committed(all, &mut connection.output)?;
            }
            Step::Event(Request::Close(_)) => return Ok(connection.flush()?),
            Step::Event(_) => session.refuse(Refusal::Credentials, &mut connection.output)?,
            Step::Paused => connection.flush()?,
            Step::NeedInput => {
                connection.input.consume(consumed);
                connection.flush()?;
                if !connection.read(session.timeout())? {
                    session.end_of_input(); // nothing is removed
                    return Ok(());
                }
                continue;
            }
        }
        connection.input.consume(consumed);
    }
}

fn send_message(
    connection: &mut Connection,
    session: &mut Session<'_, HeapStorage>,
    maildrop: Option<&Maildrop>,
    number: MessageNumber,
) -> Result<(), Failure> {
    let Some(mut file) = maildrop.and_then(|maildrop| maildrop.read(number).ok()) else {
        return Ok(session.refuse(Refusal::Gone, &mut connection.output)?);
    };
    session.start_message(&mut connection.output)?;
    let mut piece = Buffer::new([0; 4096]);
    loop {
        let octets = file.read(piece.room())?;
        piece.filled(octets);
        let mut done = octets == 0;
        while !piece.is_empty() && !done {
            let progress = session.body(piece.unread(), connection.output.room())?;
            connection.output.filled(progress.written);
            piece.consume(progress.read);
            done = progress.done; // TOP has what it wants
            connection.flush()?;
        }
        if done {
            // An error here, as one above, closes the connection: no final dot for half a message.
            return Ok(session.end_message(&mut connection.output)?);
        }
    }
}
