//! Runs that no crash ends: what a failure leaves behind in the delivery that goes on, and what a second run finds.

use std::error::Error as StdError;
use std::path::Path;

use rustix::io::Errno;

use super::fault::{FaultFs, What};
use super::sweep::{Deletes, HOME, Kind, Maildrop, fetch, forms, found, maildrop, open, world};
use super::{Delivery, Durability, Held, LineEnds, MaildirDelivery};

/// A failed message must not spoil the next one in the same delivery.
#[test]
fn r36_the_next_message_is_whole_after_any_failure() {
    let sent = maildrop(70);
    let message = &sent[&vec![b'z'; 71]];
    for kind in [Kind::Maildir, Kind::SingleMaildir, Kind::Mbox] {
        for what in [What::Fail(Errno::NOSPC), What::FailThrice(Errno::IO), What::Lie(Errno::IO)] {
            for at in 0.. {
                let fs = world(kind);
                let failing = FaultFs::new(fs.shared(), at, what);
                let Ok(mut delivery) = open(&failing.shared(), Path::new(HOME), kind) else { continue };
                let deliver = |delivery: &mut dyn Delivery| -> Result<Durability, Box<dyn StdError>> {
                    let mut incoming = delivery.begin()?;
                    for part in message.chunks(50_000) {
                        incoming.write_all(part)?;
                    }
                    if kind != Kind::Maildir {
                        return Ok(incoming.finish()?);
                    }
                    assert_eq!(incoming.hold(None)?, Held::Waiting { full: false });
                    let kept = delivery.keep(None);
                    match (kept.error, &kept.messages[..]) {
                        (None, [Some(durability)]) => Ok(*durability),
                        (Some(error), [None]) => Err(error.into()),
                        other => panic!("{other:?}"),
                    }
                };
                let first = deliver(&mut *delivery);
                // Three faults in a row must not reach the next message.
                let more = if matches!(what, What::FailThrice(_)) { 2 } else { 0 };
                if failing.calls() <= at + more {
                    break; // all calls of one message have been tried
                }
                let context = format!("{kind:?} {what:?} {at}: {first:?}");
                assert_eq!(deliver(&mut *delivery).unwrap(), Durability::Durable, "{context}");
                let copies: usize =
                    found(&fs, Path::new(HOME), kind, &forms(kind, &sent), &context).values().sum();
                // A message said to be lost may be there all the same only if a lie hid it.
                assert_eq!(copies, 1 + usize::from(first.is_ok()), "{context}");
            }
        }
    }
}

#[test]
fn r1939_6_4_a_second_run_fetches_nothing_twice() {
    for kind in [Kind::Maildir, Kind::SingleMaildir, Kind::Mbox] {
        let fs = world(kind);
        let sent: Maildrop = (0..100u32)
            .map(|n| (format!("id{n}").into_bytes(), format!("Subject: {n}\r\n\r\n{n}\r\n").into_bytes()))
            .collect();
        let mut fetched = 0;
        for deletes in [Deletes::Never, Deletes::Never, Deletes::AtQuit] {
            let mut server = sent.clone();
            fetch(fs.shared(), Path::new(HOME), kind, deletes, &mut server, &mut fetched).unwrap();
            assert_eq!(fetched, 100);
            assert_eq!(server.is_empty(), deletes == Deletes::AtQuit);
        }
        // The server confirmed, so an old id is now a new message.
        let mut server = Maildrop::from([(b"id7".to_vec(), sent[&b"id8"[..]].clone())]);
        fetch(fs.shared(), Path::new(HOME), kind, Deletes::AtQuit, &mut server, &mut fetched).unwrap();
        assert_eq!(fetched, 101);
        let copies = found(&fs, Path::new(HOME), kind, &forms(kind, &sent), "100 messages");
        assert_eq!(copies.len(), 100);
        assert!(copies.iter().all(|(id, &copies)| copies == 1 + usize::from(id == b"id8")));
    }
}

#[test]
fn r36_the_line_ends_of_a_maildir_are_a_choice() {
    for (line_ends, want) in [(LineEnds::Keep, &b"a\r\n\rb\n\r"[..]), (LineEnds::Lf, b"a\n\rb\n\r")] {
        let fs = world(Kind::Maildir);
        let delivery = MaildirDelivery::open_on(fs.shared(), Path::new("/home/mail/inbox")).unwrap();
        let mut delivery = delivery.with_line_ends(line_ends);
        let mut incoming = delivery.begin().unwrap();
        for octet in b"a\r\n\rb\n\r" {
            assert_eq!(incoming.write(&[*octet]).unwrap(), 1);
        }
        assert_eq!(incoming.finish().unwrap(), Durability::Durable);
        let contents = fs.contents("/home/mail/inbox/new");
        assert_eq!(contents.len(), 1);
        assert_eq!(contents[0].1, want);
    }
}

#[test]
fn r36_without_synced_names_nothing_is_called_durable() {
    for kind in [Kind::Maildir, Kind::Mbox] {
        let fs = world(kind).without_synced_dirs();
        let mut delivery = open(&fs.shared(), Path::new(HOME), kind).unwrap();
        let incoming = delivery.begin().unwrap();
        assert_eq!(incoming.finish().unwrap(), Durability::Written, "{kind:?}");
    }
}
