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
