//! The client against servers that are scripted octet by octet.
//!
//! What the client makes of them is written down as text, one event a line with the parts of a message put together, so
//! that two ways to cut the same octets must give the same text.

mod limits;
mod login;
mod order;
mod replies;
mod session;
mod utf8;

use super::*;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use crate::codec::{Arg, MechanismName, Secret};

/// What a client saw, and what it has not looked at yet.
#[derive(Default)]
struct Seen {
    text: String,
    unread: Vec<u8>,
    in_body: bool,
}

impl Seen {
    /// Gives the client `octets`, as a driver would that keeps what was not consumed.
    fn feed<const DEPTH: usize>(&mut self, client: &mut Client<DEPTH>, octets: &[u8]) {
        self.unread.extend_from_slice(octets);
        loop {
            match client.receive(&self.unread) {
                Ok(Received { consumed, step }) => {
                    let done = !matches!(step, Step::Event(_));
                    match step {
                        Step::Event(event) => note(&mut self.text, &mut self.in_body, &event),
                        Step::NeedInput => {}
                        Step::Paused => self.text.push_str("paused\n"),
                    }
                    self.unread.drain(..consumed);
                    if done {
                        return;
                    }
                }
                Err(error) => {
                    assert_eq!(client.receive(b"+OK\r\n"), Err(error), "errors are final");
                    self.text.push_str(&format!("error: {error}\n"));
                    return;
                }
            }
        }
    }

    fn take(&mut self) -> String {
        self.in_body = false;
        core::mem::take(&mut self.text)
    }
}

fn note(text: &mut String, in_body: &mut bool, event: &ClientEvent<'_>) {
    if let ClientEvent::Body(_, chunk) = event {
        assert!(!chunk.is_empty());
        if *in_body {
            text.pop();
        } else {
            text.push_str("body ");
        }
        *in_body = true;
        text.push_str(&format!("{}\n", chunk.escape_ascii()));
        return;
    }
    *in_body = false;
    text.push_str(&match event {
        ClientEvent::Greeting(line) => format!("greeting {line:?}\n"),
        ClientEvent::Reply(reply) => {
            let number = reply.message.map_or_else(String::new, |n| format!(" {n}"));
            let code = reply.code().map_or_else(String::new, |code| format!(" {code:?}"));
            let more = if reply.more { " ..." } else { "" };
            format!("{}{number}: {:?}{code}{more}\n", reply.verb, reply.line)
        }
        ClientEvent::ScanListing(_, listing) => format!("{} {}\n", listing.number, listing.octets),
        ClientEvent::UniqueId(_, listing) => format!("{} {:?}\n", listing.number, listing.unique_id),
        ClientEvent::Capability(_, capability) => format!("{capability:?}\n"),
        ClientEvent::Language(_, listing) => {
            format!("{} {}\n", listing.tag.escape_ascii(), listing.description.escape_ascii())
        }
        ClientEvent::Mechanism(_, name) => format!("mechanism {}\n", name.escape_ascii()),
        ClientEvent::Malformed(_, line) => format!("malformed {}\n", line.escape_ascii()),
        ClientEvent::End(_) => "end\n".into(),
        ClientEvent::Challenge(challenge) => format!("challenge {}\n", challenge.as_bytes().escape_ascii()),
        ClientEvent::UndecodableChallenge(line) => format!("undecodable {}\n", line.escape_ascii()),
        ClientEvent::ClosingNotice(line) => format!("notice {line:?}\n"),
        ClientEvent::Body(..) => String::new(),
    });
}

/// Calls `check` with `input` whole, octet by octet, and cut at every single place.
fn cuts(input: &[u8], mut check: impl FnMut(&[&[u8]])) {
    check(&[input]);
    check(&input.chunks(1).collect::<Vec<_>>());
    for at in 1..input.len() {
        check(&[&input[..at], &input[at..]]);
    }
}

const CRLF_CAPA: &[u8] = b"+OK\r\nPIPELINING\r\nRESP-CODES\r\n.\r\n";

fn plain() -> Client {
    Client::in_clear(ClientLimits::DEFAULT, ClientTolerances::default())
}

/// A client over TLS that has been greeted.
fn greeted() -> Client {
    with(ClientLimits::DEFAULT, ClientTolerances::default())
}

fn with(limits: ClientLimits, tolerances: ClientTolerances) -> Client {
    let mut client = Client::over_tls(limits, tolerances);
    let mut seen = Seen::default();
    seen.feed(&mut client, b"+OK ready <1896.697170952@dbc.mtview.ca.us>\r\n");
    assert_eq!(seen.text, "greeting +OK \"ready <1896.697170952@dbc.mtview.ca.us>\"\n");
    client
}

/// A client over TLS that has logged in, to a server with these capabilities.
fn logged_in_to(capabilities: &[u8], limits: ClientLimits, tolerances: ClientTolerances) -> Client {
    let mut client = with(limits, tolerances);
    if !capabilities.is_empty() {
        send(&mut client, &Command::Capa);
        Seen::default().feed(&mut client, capabilities);
    }
    for command in [user("alice"), pass("secret")] {
        send(&mut client, &command);
        Seen::default().feed(&mut client, b"+OK\r\n");
    }
    assert_eq!((client.state(), client.outstanding()), (State::Transaction, 0));
    client
}

/// A client in TRANSACTION that may pipeline.
fn pipelining() -> Client {
    logged_in_to(CRLF_CAPA, ClientLimits::DEFAULT, ClientTolerances::default())
}

/// A client in TRANSACTION, to a server without any capability.
fn logged_in() -> Client {
    logged_in_to(b"", ClientLimits::DEFAULT, ClientTolerances::default())
}

/// Sends a command that must go out whole, and returns its octets.
#[track_caller]
fn send<const DEPTH: usize>(client: &mut Client<DEPTH>, command: &Command<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    client.send(command, &mut out).unwrap();
    out
}

/// Sends a command that must be refused; nothing may be written and nothing may change.
#[track_caller]
fn refused<const DEPTH: usize>(client: &mut Client<DEPTH>, command: &Command<'_>) -> SendError {
    let before = format!("{client:?}");
    let mut out = Vec::new();
    let error = client.send(command, &mut out).unwrap_err();
    assert!(out.is_empty(), "{command:?} wrote {}", out.escape_ascii());
    assert_eq!(format!("{client:?}"), before, "{command:?}");
    error
}

fn n(number: u32) -> MessageNumber {
    MessageNumber::new(number).unwrap()
}

fn user(name: &str) -> Command<'_> {
    Command::User(Arg::new(name.as_bytes()).unwrap())
}

fn pass(password: &str) -> Command<'_> {
    Command::Pass(Secret::new(password.as_bytes()).unwrap())
}

/// One command of every kind that has an argument-dependent shape of its own.
fn every_command() -> Vec<Command<'static>> {
    let name = Arg::new(b"a").unwrap();
    vec![
        user("alice"),
        pass("secret"),
        Command::Apop { name, digest: name },
        Command::Auth { mechanism: MechanismName::PLAIN, initial: None },
        Command::Mechanisms,
        Command::Capa,
        Command::Stls,
        Command::Utf8,
        Command::Lang(None),
        Command::Lang(Some(name)),
        Command::Stat,
        Command::List(None),
        Command::List(Some(n(1))),
        Command::Uidl(None),
        Command::Uidl(Some(n(1))),
        Command::Retr(n(1)),
        Command::Top { number: n(1), lines: 0 },
        Command::Dele(n(1)),
        Command::Noop,
        Command::Rset,
        Command::Quit,
    ]
}
