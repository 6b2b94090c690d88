//! What the core says to the log, at the most talkative level: never an argument, never mail, and no panic over either.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::sync::{Mutex, PoisonError};

use log::{LevelFilter, Log, Metadata, Record};
use pop3_proto::server::{MechanismOffer, Needs, SessionConfig};
use pop3_proto::{Arg, ClientTolerances, Command, MechanismName, MessageNumber, Secret};
use pop3_tests::player::Player;
use pop3_tests::world::{LOGIN, World};

const OFFER: &[MechanismOffer<'static>] = &[MechanismOffer::new(MechanismName::PLAIN, Needs::Privacy)];

static SAID: Mutex<String> = Mutex::new(String::new());

struct Collect;

impl Log for Collect {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let mut said = SAID.lock().unwrap_or_else(PoisonError::into_inner);
        said.push_str(&format!("{}\n", record.args()));
    }

    fn flush(&self) {}
}

/// Carries all that each side has to say to the other.
fn carry(player: &mut Player, world: &mut World<'_>) {
    while !player.sent.is_empty() || !world.said.is_empty() {
        world.feed(&std::mem::take(&mut player.sent));
        player.feed(&std::mem::take(&mut world.said));
    }
}

#[test]
fn pb_k16_pb_s53_pb_c32_the_log_holds_neither_secrets_nor_mail_at_any_level() {
    log::set_logger(&Collect).unwrap();
    log::set_max_level(LevelFilter::Trace);
    let config = {
        let mut config = SessionConfig::default();
        config.mechanisms = OFFER;
        config.limits.failed_logins = 100;
        config
    };
    // Mail of every octet value; ids and names that would be seen.
    let mail: Vec<u8> = b"mailcanary: x\r\n\r\n".iter().copied().chain(0..=255).collect();
    for sasl in [false, true] {
        let mut world = World::new(config, true, vec![(mail.clone(), "idcanary".into())]);
        let mut player = Player::over_tls(ClientTolerances::default());
        carry(&mut player, &mut world);
        for password in ["passcanary", LOGIN.1] {
            if sasl {
                let Player { client, sent, .. } = &mut player;
                let message = format!("\0{}\0{password}", LOGIN.0);
                client.authenticate(MechanismName::PLAIN, Some(message.as_bytes()), sent).unwrap();
                carry(&mut player, &mut world);
            } else {
                for command in [
                    Command::User(Arg::new(LOGIN.0.as_bytes()).unwrap()),
                    Command::Pass(Secret::new(password.as_bytes()).unwrap()),
                ] {
                    player.send(&command).unwrap();
                    carry(&mut player, &mut world);
                }
            }
        }
        let first = MessageNumber::FIRST;
        for command in [
            Command::Capa,
            Command::Uidl(None),
            Command::Retr(first),
            Command::Top { number: first, lines: 1 },
            Command::Dele(first),
            Command::Quit,
        ] {
            player.send(&command).unwrap();
            carry(&mut player, &mut world);
        }
        assert_eq!(world.committed, Some(vec![1]));
        // Lines that are no commands and replies that are none.
        let mut world = World::new(config, true, Vec::new());
        world.feed(b"XCANARY \xff\xfe\r\nPASS passcanary\0\r\nUSER usercanary extra\r\n");
        let mut player = Player::over_tls(ClientTolerances::default());
        player.feed(b"+OK greetcanary\r\n\xff\xfecanary\r\n");
        assert!(player.failed.is_some());
    }
    let said = SAID.lock().unwrap_or_else(PoisonError::into_inner);
    assert!(said.lines().count() > 40, "the log is on:\n{said}");
    let lower = said.to_ascii_lowercase();
    for secret in ["canary", "wonder", "alice", "aGFsaWNl", "AGFsaWNl"] {
        assert!(!lower.contains(&secret.to_ascii_lowercase()), "{secret} in the log:\n{said}");
    }
}
