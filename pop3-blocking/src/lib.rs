//! POP3 over sockets, blocking: client, server, Maildir and TLS around the sans-IO core [`pop3_proto`].
//!
//! | I want to | look at |
//! |---|---|
//! | fetch mail | [`client`]: [`Connection`](client::Connection), then [`Session`](client::Session) |
//! | find the server of a mail domain | `discovery` (feature `srv`): `Connection::discover` |
//! | keep what was fetched | [`delivery`]: Maildir, mbox, and a journal of unique-ids |
//! | serve mail | [`server`]: [`Server`](server::Server) over an [`Authenticator`](auth::Authenticator) and a [`Store`](store::Store) |
//! | serve from my own database | implement [`Store`](store::Store) and [`Maildrop`](store::Maildrop) |
//! | test my mail code | `testing` (feature `testing`): `TestServer` |
//! | use another stream than TCP | [`Transport`] over any [`Stream`] |
//! | keep a server from all files but its own | `sandbox` (feature `sandbox`, Linux): `Sandbox` |
//! | set up TLS | [`tls`]: [`ClientTls`](tls::ClientTls), [`ServerTls`](tls::ServerTls) |
//!
//! How to do each of these, in programs that run: the `guide`.
//!
//! There is no executor and no hidden thread in the client: a call blocks until it has its answer or its deadline has
//! passed. The server has a thread for each connection. Messages are streamed in both directions; memory does not depend
//! on their size.
//!
//! What holds everywhere: credentials travel under TLS unless a call whose name says so was made; what was not received
//! whole is an error, never a short message; only `QUIT` removes mail; every wait ends; every size has a limit.
//!
//! Features are listed in `Cargo.toml`. [`rustls`] is re-exported, because its configurations can be handed over.

#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))] // the documentation tells which feature adds an item
#![deny(missing_docs)]

pub mod auth;
pub mod client;
#[cfg(feature = "maildir")]
mod crc;
pub mod delivery;
#[cfg(feature = "srv")]
pub mod discovery;
#[cfg(any(test, all(feature = "__failpoint", debug_assertions)))]
#[cfg(feature = "maildir")]
mod failpoint;
#[cfg(feature = "__fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
#[cfg(all(
    any(doc, doctest),
    feature = "maildir",
    feature = "testing",
    any(feature = "aws-lc-rs", feature = "ring")
))]
pub mod guide;
mod random;
#[cfg(all(feature = "sandbox", target_os = "linux"))]
pub mod sandbox;
pub mod server;
pub mod store;
#[cfg(all(feature = "testing", any(feature = "aws-lc-rs", feature = "ring")))]
pub mod testing;
pub mod tls;
mod transport;

pub use pop3_proto;
pub use rustls;
pub use transport::{Deadline, Input, Stream, Transport, TransportError, Untimed};

/// The README's examples compile, and run where they can.
#[cfg(all(doctest, feature = "testing", any(feature = "aws-lc-rs", feature = "ring")))]
#[doc = include_str!("../../README.md")]
struct Readme;
