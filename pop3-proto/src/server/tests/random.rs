//! Random scripts: one reply for each command, and nothing of the client in it.

use super::*;

/// A small generator; the seed is in the message of every failure.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }
}

const WORDS: [&str; 26] = [
    "USER",
    "PASS",
    "APOP",
    "AUTH",
    "CAPA",
    "STLS",
    "UTF8",
    "LANG",
    "STAT",
    "LIST",
    "UIDL",
    "RETR",
    "TOP",
    "DELE",
    "NOOP",
    "RSET",
    "zqxcanary",
    "alice",
    "1",
    "2",
    "3",
    "0",
    "PLAIN",
    "",
    "\u{e9}",
    "zqx",
];

fn line(random: &mut Random) -> String {
    match random.below(4) {
        0 => String::from(random.pick(&[
            "USER alice",
            "PASS wonder land",
            "STAT",
            "LIST",
            "UIDL",
            "RETR 1",
            "RETR 2",
        ])),
        1 => String::from(
            random.pick(&["TOP 2 1", "DELE 1", "DELE 2", "RSET", "NOOP", "LIST 2", "UIDL 1", "CAPA", "AUTH"]),
        ),
        _ => {
            let words: Vec<&str> = (0..=random.below(4)).map(|_| random.pick(&WORDS)).collect();
            words.join(" ")
        }
    }
}

/// Whether `said` is exactly one reply to a command that is no `AUTH` exchange.
fn is_one_reply(said: &[u8]) -> bool {
    let text = String::from_utf8_lossy(said);
    let Some(end) = text.find("\r\n") else { return false };
    let (first, rest) = text.split_at(end + 2);
    let starts = first.starts_with("+OK ") || first.starts_with("-ERR ");
    let rest_is_lines =
        rest.is_empty() || (first.starts_with("+OK ") && rest.ends_with("\r\n.\r\n") || rest == ".\r\n");
    starts && first.len() <= 512 && rest_is_lines && rest.matches("\r\n.\r\n").count() <= 1
}

#[test]
fn r2449_6_6_1_r1939_3_3_pb_s43_one_reply_for_each_command() {
    let mut config = everything();
    config.limits.bad_commands = u32::MAX;
    config.limits.bad_commands_in_a_row = u32::MAX;
    config.limits.bad_commands_before_login = u32::MAX;
    config.limits.failed_logins = u32::MAX;
    for seed in 0..300 {
        let mut random = Random(seed);
        let mut world = World::new(config, seed % 2 == 0);
        assert!(is_one_reply(&core::mem::take(&mut world.said)));
        // A first line could be taken for another protocol.
        assert!(is_one_reply(world.ask("CAPA\r\n").as_bytes()));
        for _ in 0..60 {
            let line = line(&mut random);
            world.feed(line.as_bytes());
            assert!(world.said.is_empty(), "seed {seed}: a reply before the end of {line:?}");
            world.feed(b"\r\n");
            let said = core::mem::take(&mut world.said);
            let told = format!("seed {seed}, {line:?}: {}", said.escape_ascii());
            assert!(said == b"+ \r\n" || is_one_reply(&said), "{told}");
            assert!(!String::from_utf8_lossy(&said).contains("zqx"), "{told}");
            assert!(!said.starts_with(b"+OK [") && world.ended.is_none(), "{told}");
        }
    }
}

#[test]
fn r1939_3_9_law_2_random_scripts_say_the_same_at_every_cut() {
    let mut config = everything();
    config.limits.bad_commands = 30;
    for seed in 0..60 {
        let mut random = Random(1000 + seed);
        let mut script = String::new();
        for _ in 0..random.below(25) {
            script.push_str(&line(&mut random));
            script.push_str(random.pick(&["\r\n", "\r\n", "\r\n", "\n", "\r", "\0\r\n"]));
        }
        let run = |cut: core::slice::Chunks<'_, u8>| {
            let mut world = World::new(config, true);
            cut.for_each(|piece| world.feed(piece));
            (String::from_utf8_lossy(&world.said).into_owned(), world.ended, world.session.marked().count())
        };
        let want = run(script.as_bytes().chunks(script.len().max(1)));
        for cut in pieces(script.as_bytes()) {
            assert_eq!(run(cut), want, "seed {seed}: {script:?}");
        }
    }
}
