//! The program `pop3` as a script sees it: arguments, output, exit codes, files. The server is a script too, and knows
//! nothing of this library.
#![cfg(all(unix, feature = "aws-lc-rs"))]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod accounts;
mod commands;
mod delete;
mod errors;
mod fake;
mod fetch;
mod home;
mod kill;
mod login;
mod pipe;
mod probe;
mod proxy;
mod secrets;
mod selection;
mod srv;
mod tls;
mod tunnel;
mod watch;
