//! `fetch` killed again and again: every message arrives in the Maildir, whole and once.

use std::collections::HashMap;
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use crate::fake::{Act, Fake, mail, texts_by_number};
use crate::home::Home;

const MESSAGES: usize = 50;
const OCTETS: usize = 3000;
/// With fewer kills a run would tell nothing.
const ENOUGH: usize = 24;

/// A small generator; the seed is printed with every failure.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % limit
    }
}

/// When a run is killed.
#[derive(Clone, Copy, Debug)]
enum When {
    /// So many messages are in the Maildir.
    Delivered(usize),
    /// The server has got so many `RETR`.
    Asked(usize),
    /// The server has got the `DELE` or `QUIT` of this number.
    Ending(usize),
}

/// A server that counts the commands for messages, and those at the end of a session.
struct Counted {
    fake: Fake,
    asked: Arc<AtomicI64>,
    endings: Arc<AtomicI64>,
}

impl Counted {
    fn new(capabilities: &[&str]) -> Self {
        let [asked, endings] = [(); 2].map(|()| Arc::new(AtomicI64::new(0)));
        let counters = [Arc::clone(&asked), Arc::clone(&endings)];
        let fake = Fake::start(mail(MESSAGES, OCTETS), capabilities, move |moment| {
            if moment.line.starts_with("DELE") || moment.line == "QUIT" {
                counters[1].fetch_add(1, Ordering::Relaxed);
            } else if moment.line.starts_with("RETR") {
                counters[0].fetch_add(1, Ordering::Relaxed);
            }
            Act::Usual
        });
        Self { fake, asked, endings }
    }

    /// Runs the program and kills it shortly after `when`, if it comes to that; tells how it ended.
    ///
    /// The program goes on while this looks, so that the kill comes at any of its steps.
    fn run_and_kill(&self, home: &Home, args: &[&str], when: When, delay: usize) -> ExitStatus {
        self.asked.store(0, Ordering::Relaxed);
        self.endings.store(0, Ordering::Relaxed);
        let got = |counter: &AtomicI64| usize::try_from(counter.load(Ordering::Relaxed)).unwrap();
        let args = home.args("fetch", &self.fake, &[&["--to", "maildir:Mail"], args].concat());
        let mut child = home.command(&args).spawn().unwrap();
        loop {
            let reached = match when {
                When::Delivered(messages) => home.delivered() >= messages,
                When::Asked(messages) => got(&self.asked) > messages,
                When::Ending(commands) => got(&self.endings) > commands,
            };
            if reached {
                (0..delay).for_each(|_| std::thread::yield_now());
                child.kill().unwrap();
                return child.wait().unwrap();
            }
            if let Some(status) = child.try_wait().unwrap() {
                return status;
            }
            std::thread::yield_now();
        }
    }
}

/// Kills runs at random points until one comes through, then checks what is here. Tells how many kills it took.
fn kill_until_done(seed: u64, args: &[&str], capabilities: &[&str]) -> usize {
    let (home, server, mut random) = (Home::new(), Counted::new(capabilities), Random(seed));
    let args = [args, &["--quiet"]].concat();
    let mut kills = 0;
    loop {
        let when = match random.below(4) {
            0 => When::Ending(random.below(MESSAGES + 1)),
            1 | 2 => When::Asked(random.below(MESSAGES - home.delivered().min(MESSAGES - 1))),
            _ => When::Delivered(home.delivered() + random.below(6)),
        };
        let status = server.run_and_kill(&home, &args, when, random.below(400));
        if status.success() {
            break;
        }
        assert_eq!(status.code(), None, "seed {seed}: not killed, but failed");
        kills += 1;
    }
    let mut copies: HashMap<Vec<u8>, usize> = HashMap::new();
    home.mail().into_iter().for_each(|text| *copies.entry(text).or_default() += 1);
    for (number, text) in texts_by_number(MESSAGES, OCTETS) {
        assert!(copies.contains_key(&text), "seed {seed}: message {number} is lost");
    }
    assert_eq!(copies.len(), MESSAGES, "seed {seed}: something is here that was never sent");
    let twice = copies.values().sum::<usize>() - MESSAGES;
    assert_eq!(twice, 0, "seed {seed}: duplicates of {kills} kills");
    assert_eq!(
        server.fake.left().len(),
        if args.contains(&"--delete") { 0 } else { MESSAGES },
        "seed {seed}"
    );
    kills
}

/// Sixteen seeds, and more where a busy machine lets most runs through before they are killed.
fn kills(first: u64, way: &str) -> usize {
    let capabilities = |seed: u64| if seed % 2 == 0 { &["UIDL", "PIPELINING"][..] } else { &["UIDL"] };
    let mut kills = 0;
    for seed in first..first + 160 {
        if seed >= first + 16 && kills >= ENOUGH {
            break;
        }
        kills += kill_until_done(seed, &[way], capabilities(seed));
    }
    kills
}

#[test]
fn pb_c19_a_killed_fetch_that_keeps_loses_nothing() {
    let kills = kills(0, "--keep");
    assert!(kills >= ENOUGH, "{kills} kills are too few to tell anything");
}

#[test]
fn pb_c19_a_killed_fetch_that_deletes_loses_nothing() {
    let kills = kills(1000, "--delete");
    assert!(kills >= ENOUGH, "{kills} kills are too few to tell anything");
}
