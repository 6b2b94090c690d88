//! Blocking POP3 (under construction).
#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod auth;
pub mod server;
pub mod store;
pub mod tls;
mod transport;

pub use pop3_proto;
pub use rustls;
pub use transport::{Deadline, Input, Stream, Transport, TransportError, Untimed};
