//! The client against scripted servers: what it sends, what it makes of the replies, how it ends.

#![cfg(all(unix, feature = "aws-lc-rs"))]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod certificates;
mod choice;
mod fixture;
mod modes;
mod pair;
mod scram;
mod sessions;
mod tokens;
mod waits;
