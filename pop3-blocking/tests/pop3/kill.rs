//! `fetch` killed again and again: every message arrives, whole, and at most one twice for each kill.

use std::collections::HashMap;
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

use crate::fake::{Act, Fake, mail, texts_by_number};
use crate::home::Home;

const MESSAGES: usize = 50;

/// A small generator; the seed is printed with every failure.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// A server that tells when it has taken so many more commands.
struct Bell {
    fake: Fake,
    commands_left: Arc<AtomicI64>,
    rings: Receiver<()>,
}

impl Bell {
    fn new(capabilities: &[&str]) -> Self {
        let (ring, rings): (Sender<()>, _) = channel();
        let commands_left = Arc::new(AtomicI64::new(i64::MAX));
        let counter = Arc::clone(&commands_left);
        let fake = Fake::start(mail(MESSAGES, 3000), capabilities, move |_| {
            // It goes on serving: the kill comes at any point of what the program does meanwhile.
            if counter.fetch_sub(1, Ordering::Relaxed) == 0 {
                ring.send(()).ok();
            }
            Act::Usual
        });
        Self { fake, commands_left, rings }
    }

    /// Runs the program and kills it at the command of this number; tells how it ended.
    fn run_and_kill(&self, home: &Home, args: &[&str], command: u64) -> ExitStatus {
        while self.rings.try_recv().is_ok() {}
        self.commands_left.store(i64::try_from(command).unwrap(), Ordering::Relaxed);
        let mut child =
            home.spawn(&home.args("fetch", &self.fake, &[&["--to", "maildir:Mail"], args].concat()));
        loop {
            if self.rings.recv_timeout(std::time::Duration::from_millis(20)).is_ok() {
                child.kill().unwrap();
                return child.wait().unwrap();
            }
            if let Some(status) = child.try_wait().unwrap() {
                return status;
            }
        }
    }
}

/// Kills runs at random commands until one comes through, then checks what is here.
fn kill_until_done(seed: u64, args: &[&str], capabilities: &[&str]) -> usize {
    let (home, bell, mut random) = (Home::new(), Bell::new(capabilities), Random(seed));
    let mut kills = 0;
    loop {
        // The span of a whole run at first; shorter as there is less to do.
        let span = 12 + 2 * MESSAGES as u64 / (kills as u64 + 1);
        let status = bell.run_and_kill(&home, args, random.below(span));
        if status.success() {
            break;
        }
        assert_eq!(status.code(), None, "seed {seed}: not killed");
        kills += 1;
    }
    let mut copies: HashMap<Vec<u8>, usize> = HashMap::new();
    home.mail().into_iter().for_each(|text| *copies.entry(text).or_default() += 1);
    for (number, text) in texts_by_number(MESSAGES, 3000) {
        assert!(copies.contains_key(&text), "seed {seed}: message {number} is lost");
    }
    assert_eq!(copies.len(), MESSAGES, "seed {seed}: something is here that was never sent");
    let twice = copies.values().sum::<usize>() - MESSAGES;
    assert!(twice <= kills, "seed {seed}: {twice} duplicates of {kills} kills");
    assert_eq!(bell.fake.left().len(), if args.contains(&"--delete") { 0 } else { MESSAGES }, "seed {seed}");
    kills
}

#[test]
fn pb_c19_a_killed_fetch_that_keeps_loses_nothing() {
    let kills: usize = (0..6).map(|seed| kill_until_done(seed, &["--keep"], &["UIDL", "PIPELINING"])).sum();
    assert!(kills > 6, "{kills} kills");
}

#[test]
fn pb_c19_a_killed_fetch_that_deletes_loses_nothing() {
    let kills: usize = (100..106)
        .map(|seed| {
            let capabilities: &[&str] = if seed % 2 == 0 { &["UIDL", "PIPELINING"] } else { &["UIDL"] };
            kill_until_done(seed, &["--delete"], capabilities)
        })
        .sum();
    assert!(kills > 6, "{kills} kills");
}
