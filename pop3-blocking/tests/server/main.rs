//! The server over real sockets: whole sessions, every way to end one, faults of the store, limits, shutdown.
#![cfg(all(unix, feature = "aws-lc-rs"))]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[cfg(feature = "legacy-md5")]
mod apop;
mod closing;
mod dialogue;
mod endings;
mod faults;
mod fixture;
mod limits;
mod logging;
mod logins;
mod mechanisms;
mod metrics;
mod peer;
mod proxy;
mod scram;
mod shutdown;
mod utf8;
mod writes;
