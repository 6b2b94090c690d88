//! How to: each page is a program that runs, with what to think of beside it.
//!
//! | I want to | page |
//! |---|---|
//! | fetch mail, once or for good | [`fetching`] |
//! | keep mail so that nothing is lost when power fails | [`keeping`] |
//! | serve mail from my own database | [`serving`] |
//! | log in by certificate, or have others do so | [`certificates`] |
//! | log in by token, as Gmail and Office 365 want it | [`tokens`] |
//! | move from Dovecot or Courier | [`migrating`] |
//! | test my mail code | [`testing`] |
//! | talk to servers and clients that keep no rules | [`tolerances`] |
//! | drive the protocol core myself | [the guide of `pop3_proto`](pop3_proto#writing-a-driver) |
//!
//! The programs here start a [`TestServer`](crate::testing::TestServer) where a real one would be, so that they can run.

pub mod certificates;
pub mod fetching;
pub mod keeping;
pub mod migrating;
pub mod serving;
pub mod testing;
pub mod tokens;
pub mod tolerances;
