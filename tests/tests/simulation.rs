//! Many small worlds with clients, servers, a network, a clock and a store that fail; see `src/simulation`.
//!
//! `POP3_SIM_SESSIONS` sets how many sessions are run; `POP3_SIM_SEED` with the test `replay` tells what happens in the
//! world of one seed.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use pop3_tests::simulation::{Counts, Tally, run};

/// How many sessions a plain `cargo test` runs.
const SESSIONS: u64 = 20_000;

fn number(variable: &str) -> Option<u64> {
    let text = env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is no number")))
}

/// Runs worlds from `first` on, `step` apart, until there were so many sessions. Gives what was counted, and what went
/// wrong by seed.
fn worlds(first: u64, step: u64, sessions: u64) -> (Counts, Vec<(u64, String)>) {
    let (mut counts, mut failures) = (Counts::default(), Vec::new());
    let mut seed = first;
    while counts.of(Tally::Sessions) < sessions && failures.len() < 5 {
        match catch_unwind(AssertUnwindSafe(|| run(seed, false))) {
            Ok(world) => {
                counts.merge(&world.counts);
                failures.extend(world.violation.map(|violation| (seed, violation)));
            }
            Err(_) => failures.push((seed, "a panic".to_owned())),
        }
        seed += step;
    }
    (counts, failures)
}

#[test]
fn r1939_6_1_r1939_3_16_pb_c33_many_sessions_hold_to_a_model_whatever_fails() {
    let sessions = number("POP3_SIM_SESSIONS").unwrap_or(SESSIONS);
    let first = number("POP3_SIM_SEED").unwrap_or(0);
    let threads = thread::available_parallelism().unwrap().get() as u64;
    let workers: Vec<_> = (0..threads)
        .map(|worker| thread::spawn(move || worlds(first + worker, threads, sessions.div_ceil(threads))))
        .collect();
    let (mut counts, mut failures) = (Counts::default(), Vec::new());
    for worker in workers {
        let (counted, failed) = worker.join().unwrap();
        counts.merge(&counted);
        failures.extend(failed);
    }
    for tally in Tally::ALL {
        println!("{:>12}  {}", counts.of(*tally), tally.text());
    }
    println!("{:>12}  violations", failures.len());
    failures.sort();
    for (seed, what) in &failures {
        println!(
            "seed {seed}: {what}; see it happen: POP3_SIM_SEED={seed} cargo test -p pop3-tests --test simulation replay"
        );
    }
    assert!(failures.is_empty(), "{} worlds went wrong", failures.len());
    // A simulation in which something no longer happens proves nothing about it.
    assert_eq!(counts.too_rare(), [], "these happen too seldom");
}

#[test]
fn the_same_seed_makes_the_same_world() {
    for seed in 0..200 {
        let (one, other) = (run(seed, false), run(seed, true));
        assert_eq!((one.digest, one.violation), (other.digest, other.violation), "seed {seed}");
        assert!(one.trace.is_empty() && !other.trace.is_empty());
    }
    assert_ne!(run(1, false).digest, run(2, false).digest);
}

/// Tells what happens in the world of `POP3_SIM_SEED`.
#[test]
fn replay() {
    let Some(seed) = number("POP3_SIM_SEED") else { return };
    let world = run(seed, true);
    for line in &world.trace {
        println!("{line}");
    }
    if let Some(violation) = world.violation {
        panic!("seed {seed}: {violation}");
    }
}
