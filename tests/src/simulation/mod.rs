//! A simulated world: clients over [`pop3_proto::Client`], and without it, against servers over
//! [`pop3_proto::server::Session`], with a network, a clock and maildrops that fail in every way they can.
//!
//! A world is made from one number and nothing else, and runs the same way each time. Time passes only when nothing is
//! left to do, and then it jumps. Several clients meet at one maildrop; each has several sessions; what they must see is
//! told by `model.rs`, which knows nothing of the library. What holds in every world:
//!
//! - Of what is marked before an acknowledged `QUIT` everything is gone for good; of what is marked before another `QUIT`
//!   each message is whole or gone; nothing else ever goes.
//! - A message that is handed out as complete has every octet as it should be; one that was cut is not handed out.
//! - A program that fetches and deletes loses no message, and fetches none twice but after a crash.
//! - At most one session has a maildrop, it is free after each, and before the client sees the end.
//! - Each command has one reply, and nothing else has one. Nothing of what came before TLS is answered within it.
//! - No credential passes in clear text where the client wants TLS.
//! - Everything comes to an end, and no buffer grows beyond its limit.
//!
//! `server/` and `client.rs` are what somebody writes who uses the core without `pop3-blocking`.

mod attacker;
mod client;
mod counts;
mod hostile;
mod model;
mod network;
mod plan;
mod random;
mod server;
mod store;
mod tls;
mod trace;
mod world;

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use pop3_proto::{Arg, Secret};

pub use counts::{Counts, Tally};
use model::Facts;
use random::Random;
use store::Maildrop;
use trace::Trace;

/// Milliseconds since the world began.
type Time = u64;

/// The users, each with a maildrop.
const USERS: [&str; 2] = ["alice.of.the.simulation", "bob"];
/// The password of both.
const PASSWORD: &str = "looking-glass-7";
/// The longest command line that servers take, with CRLF.
const LINE: usize = 512;

/// What became of a world.
#[derive(Debug)]
#[non_exhaustive]
pub struct Run {
    /// What happened, counted.
    pub counts: Counts,
    /// The same for the same seed.
    pub digest: u64,
    /// What happened, line by line, if it was asked for.
    pub trace: Vec<String>,
    /// What must never happen, if it did.
    pub violation: Option<String>,
}

/// Runs the world of `seed` to its end. `trace`: tell what happens.
#[must_use]
pub fn run(seed: u64, trace: bool) -> Run {
    let mut world = world::World::new(seed, trace);
    let violation = world.run().err().map(|violation| violation.to_string());
    let (counts, digest, trace) = world.into_parts();
    Run { counts, digest, trace, violation }
}

/// What all parts of a world share.
#[derive(Debug)]
struct Cx {
    now: Time,
    random: Random,
    trace: Trace,
    counts: Counts,
    drops: Vec<Maildrop>,
    next_mail: u32,
    /// By session, as those of the links.
    sessions: Vec<Facts>,
    keepers: Vec<Keeper>,
}

/// What a program that fetches mail has on its disk.
#[derive(Debug, Default)]
struct Keeper {
    /// Messages in place, and how often.
    kept: BTreeMap<u32, u32>,
    /// Unique-ids that need not be fetched again.
    journal: BTreeSet<u32>,
    crashes: u32,
}

fn millis(duration: Duration) -> Time {
    Time::try_from(duration.as_millis()).expect("limits are short")
}

fn name(user: &'static str) -> Arg<'static> {
    Arg::new(user.as_bytes()).expect("a name")
}

fn secret(password: &'static str) -> Secret<'static> {
    Secret::new(password.as_bytes()).expect("a password")
}
