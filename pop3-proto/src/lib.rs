//! POP3 without input and output: a codec, connection state machines for both roles, and a whole server session.
//!
//! | layer | here | knows | never knows |
//! |---|---|---|---|
//! | codec | [`Command`], [`StatusLine`], [`ScanListing`], [`Capability`], [`body`], `sasl` | one line, one message, one SASL exchange | sockets, time, which side it is |
//! | connection | [`Client`], [`server::Server`], [`state`] | which command may follow which, what reply is owed, pipelining, the STLS and AUTH gates | sockets, clocks, mail storage |
//! | session | [`server::Session`] over a [`maildrop::Index`] | numbers, octets, marks; answers by itself, and asks for what needs the world | how any of that is done |
//! | driver | yours, or the crate `pop3-blocking` | sockets, threads or tasks, deadlines, TLS, files | the grammar |
//!
//! To fetch mail over a runtime of your own you need [`Client`]; to serve it, [`server::Session`]; to look at traffic, the
//! codec. The crate is `no_std`, allocates nothing without feature `alloc`, has no `unsafe`, reads no clock and draws no
//! randomness. No octets from the wire can make it panic, and everything that a peer can make grow has a limit.
//!
//! # The loop
//!
//! Every driver is the same loop: give the core what is unread, act on what it says, drop what it consumed, send what it
//! wrote, and read more when it asks for more. Here it is, over a server made of constants:
//!
//! ```
//! use pop3_proto::{Arg, Buffer, Client, ClientEvent, ClientLimits, ClientTolerances, Command, Secret, Step};
//!
//! // What the server says, and when: after the connection, and after each command.
//! let mut server = ["+OK ready\r\n", "+OK\r\n", "+OK\r\n", "+OK 2 320\r\n", "+OK bye\r\n"].iter();
//! let (name, password) = (Arg::new(b"alice")?, Secret::new(b"wonderland")?);
//! let mut commands = [Command::User(name), Command::Pass(password), Command::Stat, Command::Quit].into_iter();
//!
//! let mut limits = ClientLimits::DEFAULT;
//! limits.line = 512; // a line must fit into the buffer below
//! let mut client = Client::<8>::over_tls(limits, ClientTolerances::default());
//! let (mut input, mut output) = (Buffer::new([0u8; 512]), Buffer::new([0u8; 512]));
//! let mut messages = None;
//! while !client.state().is_over() {
//!     // 1. Give the core what is unread, and drop what it consumed.
//!     let received = client.receive(input.unread())?;
//!     let consumed = received.consumed;
//!     let more = match received.step {
//!         // 2. Act.
//!         Step::Event(ClientEvent::Reply(reply)) if reply.drop_listing().is_some() => {
//!             messages = reply.drop_listing().map(|listing| listing.messages);
//!             commands.next()
//!         }
//!         Step::Event(ClientEvent::Greeting(_) | ClientEvent::Reply(_)) => commands.next(),
//!         Step::Event(_) => None,
//!         // 3. Nothing to act on: read more. An end of the stream goes to `end_of_input`.
//!         Step::NeedInput | Step::Paused => {
//!             let said = server.next().ok_or("the server has nothing more to say")?.as_bytes();
//!             input.room()[..said.len()].copy_from_slice(said);
//!             input.filled(said.len());
//!             None
//!         }
//!     };
//!     input.consume(consumed);
//!     // 4. Send.
//!     if let Some(command) = more {
//!         client.send(&command, &mut output)?;
//!         output.clear(); // here the socket would take `output.unread()`
//!     }
//! }
//! assert_eq!(messages, Some(2));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Writing a driver
//!
//! A driver owns what the core does not: the socket, TLS, the clock, the buffers, and on a server the users and the mail.
//! Whatever the runtime, it has the same duties, and they are few:
//!
//! | duty | how |
//! |---|---|
//! | two buffers of a fixed size | [`Buffer`], or any [`Sink`]. The input must hold the longest line of the limits, `line` and `sasl_line`; the output 512 octets. Neither needs to grow |
//! | read when told to | On [`Step::NeedInput`] alone, and after the output has left: then a peer that does not read is not read from either, and TCP holds it up. [`Step::Paused`] wants the output flushed, or a request answered |
//! | deadlines | `timeout` says for what and how long, [`Deadlines`] until when; at its end call `timed_out` and close. The wait for room in the connection ends too |
//! | the end of the stream | `end_of_input`, for a FIN in clear text and a close_notify under TLS. Any other end of TLS is an error: what came is cut |
//! | `STLS` | Client: `receive` pauses in [`state::State::Tls`]. Server: [`server::Request::StartTls`]; flush first. Do the handshake, call `tls_started`. Nothing read before may be handed to TLS or kept: that `receive` returned no error has shown that there is nothing |
//! | what is final | An error of `receive` is: close without another octet. [`SendError`] and [`ReplyError`] are not: nothing happened |
//! | the end of a session | Remove what is marked on [`server::Request::Commit`] and on nothing else, free the lock, and then write the reply. The lock is free before the client can see the connection end |
//! | secrets | Requests that hold passwords lie in the input: overwrite it once they are answered, if memory may be looked at |
//!
//! A request or an event borrows the input and nothing else, so the core and the output may be used while it is held. What
//! must wait for an answer of another thread takes a copy of name and password along; until the answer is there the session
//! [pauses](Step::Paused), and `timeout` says that nothing is waited for.
//!
//! A whole server, over a client made of constants:
//!
//! ```
//! use pop3_proto::Step;
//! use pop3_proto::body::{BodyRules, Measure};
//! use pop3_proto::maildrop::{Entry, FixedStorage};
//! use pop3_proto::server::{Refusal, Request, Session, SessionConfig};
//! # use pop3_proto::Buffer;
//!
//! // What the client says, as it comes out of a socket; the mail, one message in the form of the system.
//! let mut client = ["USER ali", "ce\r\nPASS wonderland\r\nTOP 1 0\r\n", "RETR 1\r\nDELE 1\r\nQUIT\r\n"].iter();
//! let mut mail: Option<&[u8]> = Some(b"Subject: a dot\n\n.\n");
//! let mut heard = Vec::new();
//!
//! let (mut entries, mut ids) = ([Entry::EMPTY; 100], [0; 100 * 70]);
//! let mut session = Session::new(SessionConfig::DEFAULT, true, FixedStorage::new(&mut entries, &mut ids));
//! let (mut input, mut output) = (Buffer::new([0; 512]), Buffer::new([0; 512]));
//! session.greet(&mut output)?;
//! loop {
//!     let received = session.receive(input.unread(), &mut output)?;
//!     let consumed = received.consumed;
//!     match received.step {
//!         Step::Event(Request::Login { password }) => {
//!             if (session.user(), password.expose()) == (&b"alice"[..], &b"wonderland"[..]) {
//!                 // Lock the maildrop here. Sizes are those of what is sent, not of what is stored.
//!                 for message in mail {
//!                     session.add_message(Measure::of(message, BodyRules::new()), b"id-1")?;
//!                 }
//!                 session.opened(&mut output)?;
//!             } else {
//!                 session.refuse(Refusal::Credentials, &mut output)?;
//!             }
//!         }
//!         Step::Event(Request::Message { .. }) => {
//!             let mut rest = mail.ok_or("an index that is not the maildrop")?;
//!             session.start_message(&mut output)?;
//!             while !rest.is_empty() {
//!                 let progress = session.body(rest, output.room())?;
//!                 output.filled(progress.written);
//!                 rest = if progress.done { &[] } else { &rest[progress.read..] };
//!                 flush(&mut output, &mut heard);
//!             }
//!             session.end_message(&mut output)?;
//!         }
//!         Step::Event(Request::Commit) => {
//!             for _ in session.marked() {
//!                 mail = None;
//!             }
//!             // Unlock the maildrop here.
//!             session.committed(true, &mut output)?;
//!         }
//!         Step::Event(Request::Close(_)) => break,
//!         Step::Event(_) => return Err("not offered by the configuration".into()),
//!         Step::Paused => {}
//!         Step::NeedInput => {
//!             input.consume(consumed);
//!             flush(&mut output, &mut heard);
//!             // Here the socket would be read, until `deadlines.end(session.timeout())`.
//!             let said = client.next().ok_or("the client has gone: session.end_of_input()")?.as_bytes();
//!             input.room()[..said.len()].copy_from_slice(said);
//!             input.filled(said.len());
//!             continue;
//!         }
//!     }
//!     input.consume(consumed);
//!     flush(&mut output, &mut heard);
//! }
//! flush(&mut output, &mut heard);
//! assert!(mail.is_none());
//! assert!(heard.ends_with(
//!     b"+OK message follows\r\nSubject: a dot\r\n\r\n.\r\n\
//!       +OK 21 octets\r\nSubject: a dot\r\n\r\n..\r\n.\r\n\
//!       +OK message marked as deleted\r\n+OK bye\r\n"
//! ));
//!
//! /// Here the socket would take what it can.
//! fn flush(output: &mut Buffer<[u8; 512]>, heard: &mut Vec<u8>) {
//!     heard.extend_from_slice(output.unread());
//!     output.clear();
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Whole programs of this kind, each for a runtime of its own, are in the folder `pop3-proto/examples` of the repository:
//! `std_loop` with a thread for each connection, `tokio_client` and `tokio_server` over rustls, `mio_server` with thousands
//! of sessions on one thread, `embedded_client` without operating system and allocator.
//!
//! # Features
//!
//! | feature | adds |
//! |---|---|
//! | `alloc` | growing storage for output and the maildrop index |
//! | `std` | `alloc`, and run-time detection of the processor's vector units |
//! | `log` (default) | states, verbs and counts to the `log` facade, never an argument |
//! | `sasl` (default) | the SASL engine for both roles with PLAIN, LOGIN, EXTERNAL, ANONYMOUS, OAUTHBEARER and XOAUTH2 |
//! | `scram` | SCRAM-SHA-1, -SHA-256 and -SHA-512 with their -PLUS forms, for both roles; needs `sasl` |
//! | `md5` | CRAM-MD5 and APOP, for old peers; needs `sasl` |
//! | `saslprep` | preparation of names and passwords (RFC 4013); needs `alloc` and `sasl` |
//!
//! RFC 1939, 2195, 2384, 2449, 2595, 2782, 3206, 3454, 4013, 4422, 4505, 4616, 5034, 5802, 5929, 6186, 6856,
//! 6858, 7628, 7677, 9266.

#![no_std]
#![cfg_attr(docsrs, feature(doc_cfg))] // the documentation tells which feature adds an item
#![forbid(unsafe_code)]
#![warn(clippy::alloc_instead_of_core)]
#![cfg_attr(test, allow(clippy::type_complexity, reason = "tables of cases"))]
#![cfg_attr(
    not(test),
    deny(
        missing_docs,
        clippy::std_instead_of_alloc,
        clippy::std_instead_of_core,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::string_slice,
        clippy::arithmetic_side_effects,
        clippy::cast_possible_truncation
    )
)]

#[cfg(any(feature = "alloc", test))]
extern crate alloc;
#[cfg(any(feature = "std", test))]
extern crate std;

#[cfg(feature = "log")]
macro_rules! debug {
    ($($arg:tt)*) => { log::debug!(target: "pop3_proto", $($arg)*) };
}
#[cfg(feature = "log")]
macro_rules! trace {
    ($($arg:tt)*) => { log::trace!(target: "pop3_proto", $($arg)*) };
}
// The arguments stay in use, so that a build without `log` warns of nothing; the optimiser removes them.
#[cfg(not(feature = "log"))]
macro_rules! debug {
    ($($arg:tt)*) => { { let _ = format_args!($($arg)*); } };
}
#[cfg(not(feature = "log"))]
macro_rules! trace {
    ($($arg:tt)*) => { { let _ = format_args!($($arg)*); } };
}

#[cfg(feature = "md5")]
pub mod apop;
pub mod body;
mod buffer;
mod client;
mod codec;
mod deadline;
pub mod discovery;
mod error;
mod limits;
mod line;
pub mod maildrop;
mod msg_id;
#[cfg(feature = "sasl")]
pub mod sasl;
pub mod server;
pub mod state;
mod uri;

pub use buffer::{Buffer, Full, Sink};
pub use client::{Client, ClientEvent, CommandId, Received, Reply, Step};
pub use codec::{
    Arg, ArgError, Base64, Base64Error, Capabilities, Capability, CodeKind, Command, CommandError,
    DropListing, FIRST_LINE_OCTETS, InitialResponse, LanguageListing, LineKind, MechanismName, MessageNumber,
    ReplyLine, ReplyShape, ResponseCode, ScanListing, Secret, Status, StatusLine, UNIQUE_ID_OCTETS, UniqueId,
    UniqueIdError, UniqueIdListing, Verb, Words, encode_status, encode_status_utf8, parse_number,
};
pub use deadline::Deadlines;
pub use error::{ApiMisuse, Error, PeerMisbehaved, ReplyError, SendError};
pub use limits::{ClientLimits, ClientTolerances, ServerLimits, Timeout, WaitingFor};
pub use uri::{PercentDecoded, PopUrl, PopUrlError, UrlAuth, UrlHost, UrlTls};
