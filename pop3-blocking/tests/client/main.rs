//! The client against scripted servers: what it sends, what it makes of the replies, how it ends.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod fixture;
mod sessions;
