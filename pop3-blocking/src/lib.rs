//! Blocking POP3 (under construction).
#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod auth;
pub mod delivery;
pub mod store;

pub use pop3_proto;
pub use rustls;
