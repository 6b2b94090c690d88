//! A POP3 client for a machine without operating system and allocator: over the traits of `embedded-io`.
//!
//! ```text
//! embedded_client HOST PORT USER FOLDER < password      the same client on a machine with an operating system
//! ```
//!
//! [`fetch`] is the client: it needs a stream, a clock and a nonce, and hands each message out in parts. It runs as it
//! stands on a Cortex-M3 in `tests/bare-metal`, with 9 KiB of stack in all; `main` below only joins it to a socket. It logs in with SCRAM-SHA-256, so
//! that the password does not travel even where there is no TLS: put `embedded-tls` between, and say `over_tls`, for the
//! mail itself.

use core::time::Duration;

use embedded_io::{Error as _, ErrorKind, Read, Write};
use pop3_proto::sasl::client::{Exchange, Move};
use pop3_proto::sasl::scram::Binding;
use pop3_proto::sasl::server::ScramHash;
use pop3_proto::sasl::{Scram, wipe};
use pop3_proto::{
    Buffer, Client, ClientEvent, ClientLimits, ClientTolerances, Command, Deadlines, MessageNumber, Step,
    Verb,
};

/// The longest line that the server may send, in octets.
const LINE: usize = 1024;

/// Why not all mail was fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The stream failed.
    Stream(ErrorKind),
    /// The server broke the protocol, or the connection broke off.
    Protocol(pop3_proto::Error),
    /// A command cannot be sent: a fault of this program.
    Send(pop3_proto::SendError),
    /// The login went wrong on our side, or the server has not shown that it knows the password.
    Login,
    /// The server refused this.
    Refused(Verb),
    /// The server ended the session.
    Closing,
    /// Nothing more can be kept.
    Full,
}

/// Who logs in.
#[derive(Clone, Copy)]
pub(crate) struct Account<'a> {
    pub(crate) user: &'a str,
    pub(crate) password: &'a str,
    /// Printable octets that were never used before, 18 or more.
    pub(crate) nonce: &'a str,
}

/// What is handed out.
pub(crate) enum Mail<'a> {
    /// A part of a message, in order.
    Part(MessageNumber, &'a [u8]),
    /// All parts of it have come. Whatever was handed out of a message without this is not the whole.
    Whole(MessageNumber),
}

/// Fetches all messages over a connection that was just made.
///
/// A `read` may give up with [`ErrorKind::TimedOut`] whenever it likes, once in a while at least: then the deadlines are
/// looked at. `clock` tells the time since any moment.
pub(crate) fn fetch<S: Read + Write>(
    stream: &mut S,
    clock: impl Fn() -> Duration,
    account: Account<'_>,
    keep: &mut dyn FnMut(Mail<'_>) -> Result<(), Failure>,
) -> Result<u32, Failure> {
    let mut limits = ClientLimits::DEFAULT;
    (limits.line, limits.sasl_line) = (LINE, LINE);
    let mut client = Client::<1>::in_clear(limits, ClientTolerances::default());
    client.allow_cleartext_login(); // of SCRAM alone
    let Account { user, password, nonce } = account;
    let mut scram = Scram::new(ScramHash::Sha256, Binding::Unsupported, None, user, password, nonce)
        .map_err(|_| Failure::Login)?;
    let mut exchange = Exchange::new(&mut scram);
    let (mut input, mut output) = (Buffer::new([0u8; LINE]), Buffer::new([0u8; 512]));
    let mut deadlines = Deadlines::new(clock(), Duration::from_secs(60));
    let mut messages = 0;
    let mut receiving = MessageNumber::FIRST;

    while !client.state().is_over() {
        let received = client.receive(input.unread()).map_err(Failure::Protocol)?;
        let consumed = received.consumed;
        let mut next = None;
        let retrieve = |number: Option<MessageNumber>, messages| {
            number.filter(|number| number.get() <= messages).map_or(Command::Quit, Command::Retr)
        };
        match received.step {
            Step::Event(ClientEvent::Greeting(line)) if line.is_ok() => {
                let mut scratch = [0u8; 256];
                let first = exchange.start(&mut scratch).map_err(|_| Failure::Login)?;
                client.authenticate(first.mechanism, first.initial, &mut output).map_err(Failure::Send)?;
            }
            Step::Event(ClientEvent::Challenge(challenge)) => {
                let mut scratch = [0u8; LINE];
                // An error of the mechanism is ours or the server's; the connection is of no use then.
                match exchange.challenge(challenge, &mut scratch) {
                    Ok(Move::Respond(raw)) => client.respond(raw, &mut output).map_err(Failure::Send)?,
                    _ => return Err(Failure::Login),
                }
                wipe(&mut scratch);
            }
            Step::Event(ClientEvent::Reply(reply)) if !reply.is_ok() => {
                return Err(Failure::Refused(reply.verb));
            }
            Step::Event(ClientEvent::Reply(reply)) => match reply.verb {
                // The +OK counts only if the server has shown that it knows the password, too.
                Verb::Auth => {
                    exchange.success().map_err(|_| Failure::Login)?;
                    next = Some(Command::Stat);
                }
                Verb::Stat => {
                    messages = reply.drop_listing().ok_or(Failure::Refused(Verb::Stat))?.messages;
                    next = Some(retrieve(Some(receiving), messages));
                }
                _ => {}
            },
            Step::Event(ClientEvent::Body(_, part)) => keep(Mail::Part(receiving, part))?,
            Step::Event(ClientEvent::End(_)) => {
                keep(Mail::Whole(receiving))?;
                let number = MessageNumber::new(receiving.get().saturating_add(1));
                receiving = number.unwrap_or(receiving);
                next = Some(retrieve(number, messages));
            }
            Step::Event(_) => return Err(Failure::Closing),
            Step::NeedInput | Step::Paused => {
                input.consume(consumed);
                if !output.is_empty() {
                    stream.write_all(output.unread()).map_err(|error| Failure::Stream(error.kind()))?;
                    stream.flush().map_err(|error| Failure::Stream(error.kind()))?;
                    output.clear();
                    deadlines.sent(clock());
                }
                match stream.read(input.room()) {
                    // An end that no QUIT has announced is an error, and tells what it has cut.
                    Ok(0) => client.end_of_input().map_err(Failure::Protocol)?,
                    Ok(octets) => {
                        input.filled(octets);
                        deadlines.received(clock());
                    }
                    Err(error) if error.kind() == ErrorKind::TimedOut => {
                        if deadlines.left(client.timeout(), clock()).is_none_or(|left| left.is_zero()) {
                            return Err(Failure::Protocol(client.timed_out()));
                        }
                    }
                    Err(error) => return Err(Failure::Stream(error.kind())),
                }
                continue;
            }
        }
        if let Some(command) = next {
            client.send(&command, &mut output).map_err(Failure::Send)?;
        }
        input.consume(consumed);
    }
    Ok(messages)
}

#[cfg(not(target_os = "none"))]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    hosted::main()
}

/// A socket in the place of a network chip, and files in that of memory.
#[cfg(not(target_os = "none"))]
mod hosted {
    use super::{Account, Duration, Failure, Mail, fetch};
    use std::fs::{self, File};
    use std::io::{self, Read as _, Write as _};
    use std::net::TcpStream;
    use std::path::Path;
    use std::time::Instant;

    struct Socket(TcpStream);

    #[derive(Debug)]
    struct SocketError(io::Error);

    impl core::fmt::Display for SocketError {
        fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
            self.0.fmt(f)
        }
    }

    impl core::error::Error for SocketError {}

    impl embedded_io::Error for SocketError {
        fn kind(&self) -> embedded_io::ErrorKind {
            match self.0.kind() {
                // What a socket with a time to wait says when that is over.
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => embedded_io::ErrorKind::TimedOut,
                io::ErrorKind::ConnectionReset => embedded_io::ErrorKind::ConnectionReset,
                _ => embedded_io::ErrorKind::Other,
            }
        }
    }

    impl embedded_io::ErrorType for Socket {
        type Error = SocketError;
    }

    impl embedded_io::Read for Socket {
        fn read(&mut self, room: &mut [u8]) -> Result<usize, SocketError> {
            self.0.read(room).map_err(SocketError)
        }
    }

    impl embedded_io::Write for Socket {
        fn write(&mut self, octets: &[u8]) -> Result<usize, SocketError> {
            self.0.write(octets).map_err(SocketError)
        }

        fn flush(&mut self) -> Result<(), SocketError> {
            Ok(())
        }
    }

    pub(super) fn main() -> Result<(), Box<dyn std::error::Error>> {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        let [host, port, user, folder] = arguments.as_slice() else {
            return Err("usage: embedded_client HOST PORT USER FOLDER".into());
        };
        let mut password = String::new();
        io::stdin().read_line(&mut password)?;
        let mut random = [0u8; 18];
        File::open("/dev/urandom")?.read_exact(&mut random)?;
        let nonce: String = random.iter().map(|octet| format!("{octet:02x}")).collect();
        let stream = TcpStream::connect((host.as_str(), port.parse()?))?;
        stream.set_read_timeout(Some(Duration::from_millis(250)))?;
        stream.set_write_timeout(Some(Duration::from_secs(60)))?;
        let started = Instant::now();
        let account = Account { user, password: password.trim_end_matches(['\r', '\n']), nonce: &nonce };
        fs::create_dir_all(folder)?;
        let path = |number, suffix| Path::new(folder).join(format!("{number}.{suffix}"));
        let mut file = None;
        let fetched = fetch(&mut Socket(stream), || started.elapsed(), account, &mut |mail| {
            let kept = match mail {
                Mail::Part(number, part) => {
                    let file = match &mut file {
                        Some(file) => file,
                        none => none.insert(File::create(path(number, "part")).map_err(|_| Failure::Full)?),
                    };
                    file.write_all(part)
                }
                // One without any octets has no parts.
                Mail::Whole(number) => match file.take() {
                    Some(file) => {
                        file.sync_all().and_then(|()| fs::rename(path(number, "part"), path(number, "eml")))
                    }
                    None => fs::write(path(number, "eml"), ""),
                },
            };
            kept.map_err(|_| Failure::Full)
        });
        fetched.map(drop).map_err(|failure| format!("{failure:?}").into())
    }
}
