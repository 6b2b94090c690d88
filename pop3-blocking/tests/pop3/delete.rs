//! `fetch --delete`: what is deleted, and what `QUIT` says about it.

use crate::fake::{Act, Fake, Mail, Moment, close, mail, say};
use crate::home::{Home, texts};

#[test]
fn r1939_6_4_what_is_delivered_is_deleted() {
    let (home, fake) = (Home::new(), Fake::good(mail(3, 0)));
    let done = home.fetch(&fake, &["--delete", "--json"]);
    assert_eq!(
        done.expect(0).lines(),
        [
            r#"{"number":1,"unique_id":"id-1","octets":33,"status":"delivered","deleted":true}"#,
            r#"{"number":2,"unique_id":"id-2","octets":33,"status":"delivered","deleted":true}"#,
            r#"{"number":3,"unique_id":"id-3","octets":33,"status":"delivered","deleted":true}"#,
            r#"{"outcome":"committed","messages":3,"delivered":3,"skipped":0,"failed":0,"deleted":3,"octets":99}"#,
        ]
    );
    assert_eq!((home.mail(), fake.left().len()), (texts(&mail(3, 0)), 0));
    let done = home.fetch(&fake, &["--delete"]);
    assert_eq!(
        done.expect(0).out,
        "0 messages: 0 delivered (0 octets), 0 skipped; 0 deleted on the server\n"
    );
    assert_eq!(home.fetch(&fake, &["--delete", "--quiet"]).expect(0).out, "");
}

#[test]
fn r1939_5_10_pb_q13_every_retr_comes_before_the_first_dele_and_those_go_downwards() {
    let (home, fake) = (Home::new(), Fake::good(mail(20, 0)));
    home.fetch(&fake, &["--delete"]).expect(0);
    let commands = fake.said("");
    let at = |verb: &str| commands.iter().position(|line| line.starts_with(verb)).unwrap();
    assert!(at("UIDL") < at("RETR") && at("LIST") < at("RETR"), "{commands:?}");
    assert!(commands.iter().rposition(|line| line.starts_with("RETR")).unwrap() < at("DELE"), "{commands:?}");
    let numbers: Vec<u32> = fake.said("DELE ").iter().map(|line| line[5..].parse().unwrap()).collect();
    assert_eq!(numbers, (1..=20).rev().collect::<Vec<_>>());
}

#[test]
fn r1939_7_4_what_an_earlier_run_kept_is_deleted_without_being_fetched_again() {
    let (home, fake) = (Home::new(), Fake::good(mail(2, 0)));
    home.fetch(&fake, &["--keep"]).expect(0);
    fake.put(mail(3, 0));
    fake.forget_commands();
    let done = home.fetch(&fake, &["--delete", "--json"]);
    assert_eq!(
        done.expect(0).lines(),
        [
            r#"{"number":1,"unique_id":"id-1","octets":33,"status":"skipped","deleted":true}"#,
            r#"{"number":2,"unique_id":"id-2","octets":33,"status":"skipped","deleted":true}"#,
            r#"{"number":3,"unique_id":"id-3","octets":33,"status":"delivered","deleted":true}"#,
            r#"{"outcome":"committed","messages":3,"delivered":1,"skipped":2,"failed":0,"deleted":3,"octets":33}"#,
        ]
    );
    assert_eq!(fake.said("RETR"), ["RETR 3"]);
    assert_eq!((home.mail(), fake.left().len()), (texts(&mail(3, 0)), 0));
    // Once a deletion is confirmed the id may come back with another message.
    let again: Vec<Mail> = vec![(b"id-1".to_vec(), b"Subject: another\r\n\r\n".to_vec())];
    fake.put(again.clone());
    home.fetch(&fake, &["--delete"]).expect(0);
    assert_eq!(home.mail(), texts(&[mail(3, 0), again].concat()));
}

/// A server on which `QUIT` goes wrong the first time.
fn bad_quit(act: Act) -> Fake {
    Fake::start(mail(3, 0), &["UIDL", "PIPELINING"], move |moment: Moment<'_>| {
        if moment.line == "QUIT" && moment.connection == 1 { act.clone() } else { Act::Usual }
    })
}

#[test]
fn r1939_6_4_a_refused_quit_is_partial() {
    let (home, fake) = (Home::new(), bad_quit(close("-ERR some deleted messages not removed\r\n")));
    let done = home.fetch(&fake, &["--delete", "--json"]);
    done.expect_error(75, "refused");
    assert!(done.err.contains("\"command\":\"QUIT\""), "{}", done.err);
    assert!(done.lines()[0].ends_with("\"status\":\"delivered\",\"deleted\":null}"), "{done:?}");
    assert_eq!(
        done.last(),
        r#"{"outcome":"partial","messages":3,"delivered":3,"skipped":0,"failed":0,"deleted":null,"octets":99}"#
    );
    fake.forget_commands();
    assert!(home.fetch(&fake, &["--delete", "--json"]).expect(0).last().contains("\"committed\""));
    assert_eq!((home.mail().len(), fake.said("RETR").len(), fake.left().len()), (3, 0, 0));
}

#[test]
fn r1939_6_5_an_unanswered_quit_is_unknown() {
    for act in [close(""), close("+OK"), close("+OK bye\n"), say("* BYE\r\n")] {
        let (home, fake) = (Home::new(), bad_quit(act.clone()));
        let done = home.fetch(&fake, &["--delete", "--json"]);
        assert_eq!(done.expect(75).err.lines().count(), 1, "{act:?}");
        assert!(done.last().starts_with("{\"outcome\":\"unknown\","), "{act:?}: {}", done.last());
        assert!(done.lines()[2].ends_with("\"deleted\":null}"), "{act:?}");
        fake.forget_commands();
        home.fetch(&fake, &["--delete"]).expect(0);
        assert_eq!((home.mail().len(), fake.said("RETR").len(), fake.left().len()), (3, 0, 0), "{act:?}");
    }
    let (home, fake) = (Home::new(), bad_quit(Act::Hang));
    home.fetch(&fake, &["--delete", "--json", "--timeout", "1"]).expect_error(75, "timeout");
    // Nothing was to be deleted: then the answer does not matter.
    let (home, fake) = (Home::new(), bad_quit(close("")));
    assert!(home.fetch(&fake, &["--json"]).expect(0).last().starts_with("{\"outcome\":\"kept\","));
}

#[test]
fn r1939_6_3_a_connection_lost_before_quit_deletes_nothing() {
    let (home, fake) = (
        Home::new(),
        Fake::start(mail(3, 0), &["UIDL"], |moment| match (moment.line, moment.connection) {
            ("DELE 2", 1) => close(""),
            _ => Act::Usual,
        }),
    );
    let done = home.fetch(&fake, &["--delete", "--json"]);
    done.expect_error(75, "connection");
    assert!(done.lines().iter().all(|line| !line.contains("true")), "{done:?}");
    assert!(done.last().starts_with("{\"outcome\":\"kept\",\"messages\":3,\"delivered\":3,"), "{done:?}");
    fake.forget_commands();
    home.fetch(&fake, &["--delete"]).expect(0);
    assert_eq!((home.mail().len(), fake.said("RETR").len(), fake.left().len()), (3, 0, 0));
}

#[test]
fn pb_c29_a_refused_dele_stops_nothing() {
    let (home, fake) = (
        Home::new(),
        Fake::start(mail(3, 0), &["UIDL", "PIPELINING"], |moment| match moment.line {
            "DELE 2" => say("-ERR [SYS/TEMP] not now\r\n"),
            _ => Act::Usual,
        }),
    );
    let done = home.fetch(&fake, &["--delete", "--json"]);
    done.expect(69);
    assert!(
        done.lines()[1].ends_with("\"deleted\":false}") && done.lines()[2].ends_with("\"deleted\":true}")
    );
    assert_eq!(fake.left(), mail(3, 0)[1..2]);
}

fn named(id: &[u8], text: &str) -> Mail {
    (id.to_vec(), format!("Subject: {text}\r\n\r\n").into_bytes())
}

#[test]
fn pb_c38_ids_that_stand_twice_neither_skip_nor_delete() {
    let (home, one, two) = (Home::new(), named(b"same", "one"), named(b"same", "two"));
    let fake = Fake::good(vec![one, named(b"x", "x"), two.clone()]);
    let done = home.fetch(&fake, &[]);
    assert_eq!(
        done.expect(0).err,
        "pop3: 1 unique-ids stand for several messages: those are always fetched\n"
    );
    assert_eq!(home.mail().len(), 3);
    assert!(home.fetch(&fake, &["--json"]).expect(0).last().contains("\"delivered\":2,\"skipped\":1,"));
    assert_eq!(home.mail().len(), 5);

    // One of them alone is fetched before it goes: the journal cannot speak for it.
    fake.put(vec![two]);
    fake.forget_commands();
    home.fetch(&fake, &["--delete"]).expect(0);
    assert_eq!((fake.said("RETR").len(), home.mail().len(), fake.left().len()), (1, 6, 0));
}

#[test]
fn pb_c38_a_known_id_that_comes_twice_is_forgotten() {
    let (home, one, two) = (Home::new(), named(b"same", "one"), named(b"same", "two"));
    let fake = Fake::start(vec![one.clone()], &["UIDL"], |moment| {
        if moment.line == "RETR 2" { say("-ERR not now\r\n") } else { Act::Usual }
    });
    home.fetch(&fake, &["--keep"]).expect(0);
    fake.put(vec![one, two.clone()]);
    home.fetch(&fake, &["--keep"]).expect(69);
    // Somebody else has removed the first. The second was never here.
    fake.put(vec![two.clone()]);
    home.fetch(&fake, &["--delete"]).expect(0);
    assert!(home.mail().contains(&two.1), "a message was deleted unseen");
}

#[test]
fn pb_q06_an_odd_id_is_fetched_again_before_it_is_deleted() {
    let ids: [&[u8]; 4] = [b"a b", b"\xff", &[b'a'; 71], b"../../etc/passwd"];
    let odd: Vec<Mail> = ids.iter().enumerate().map(|(at, id)| named(id, &format!("odd {at}"))).collect();
    let (home, fake) = (Home::new(), Fake::good(odd));
    home.fetch(&fake, &["--keep"]).expect(0);
    home.fetch(&fake, &["--keep"]).expect(0);
    assert_eq!(fake.said("RETR").len(), 4, "it skips as well as any other");
    fake.forget_commands();
    home.fetch(&fake, &["--delete"]).expect(0);
    // The last one is strange and conforms.
    assert_eq!((fake.said("RETR").len(), home.mail().len(), fake.left().len()), (3, 7, 0));
}
