//! What no input may do to pop3.
//!
//! Each target is a plain function over octets that panics where a promise is broken; `fuzz_targets/` hands them to
//! libFuzzer, and the tests of the main workspace replay the corpus, the regressions and the recorded transcripts through
//! them on every change. What each one holds the code to is said at its head.

#![allow(
    clippy::missing_panics_doc,
    reason = "a target panics where a promise is broken: that is what it is for"
)]

mod body;
mod certificate;
mod client;
mod core;
mod dialogue;
mod dns;
mod journal;
mod language;
mod lines;
mod mail;
mod maildir;
mod pair;
mod plan;
mod prep;
mod proxy;
mod sasl;
mod scratch;
mod seeds;
mod server;
mod users;

pub use body::{body_decode, body_round_trip, top};
pub use certificate::certificate_names;
pub use client::client_stream;
pub use core::server_core;
pub use dns::dns_packet;
pub use journal::journal;
pub use language::language;
pub use lines::{base64, capability_line, command_line, list_line, status_line, url};
pub use mail::{srv_order, surrogate};
pub use maildir::{maildir, maildir_cache, maildir_name, previous_ids, uid_list};
pub use pair::pair;
pub use prep::{apop, saslprep};
pub use proxy::proxy;
pub use sasl::{sasl_client, sasl_server, scram_pair};
pub use seeds::seeds;
pub use server::{server_stream, stls_gate};
pub use users::users_file;

/// A target: a function over octets.
pub type Target = fn(&[u8]);

/// Every target, by its name.
pub const TARGETS: [(&str, Target); 32] = [
    ("apop", apop),
    ("base64", base64),
    ("body_decode", body_decode),
    ("body_round_trip", body_round_trip),
    ("capability_line", capability_line),
    ("certificate_names", certificate_names),
    ("client_stream", client_stream),
    ("command_line", command_line),
    ("dns_packet", dns_packet),
    ("journal", journal),
    ("language", language),
    ("list_line", list_line),
    ("maildir", maildir),
    ("maildir_cache", maildir_cache),
    ("maildir_name", maildir_name),
    ("pair", pair),
    ("previous_ids", previous_ids),
    ("proxy", proxy),
    ("sasl_client", sasl_client),
    ("sasl_server", sasl_server),
    ("saslprep", saslprep),
    ("scram_pair", scram_pair),
    ("server_core", server_core),
    ("server_stream", server_stream),
    ("srv_order", srv_order),
    ("status_line", status_line),
    ("stls_gate", stls_gate),
    ("surrogate", surrogate),
    ("top", top),
    ("uid_list", uid_list),
    ("url", url),
    ("users_file", users_file),
];
