//! Headers that are not ASCII, in all three ways to show them.

use std::cell::Cell;
use std::rc::Rc;

use super::*;
use crate::store::Utf8Headers;
use crate::store::testing::open_with;

/// The message of the specification, and its surrogate: 89 and 146 octets on the wire.
const MESSAGE: &str = "From: Jørgen <jørgen@exämple.net>\nTo: alice@example.net\nSubject: Grüße\n\nHallo.\n";
const SURROGATE: &str = "From: =?utf-8?Q?J=C3=B8rgen?= <invalid@internationalized-address.invalid>\r\n\
    To: alice@example.net\nSubject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?=\r\n\nHallo.\n";

const ALL: [Utf8Headers; 3] = [Utf8Headers::AsStored, Utf8Headers::Surrogates, Utf8Headers::Refused];

fn mail() -> Fixture {
    let fixture = Fixture::new();
    fixture.deliver("new/1.1.h", "A: b\n\nü 8-bit\n");
    fixture.deliver("cur/2.1.h:2,S", MESSAGE);
    fixture
}

/// What a session is told: octets, ids, and which need UTF-8 mode.
fn told(fixture: &Fixture, headers: Utf8Headers) -> Vec<(u64, String, bool)> {
    let mut told = Vec::new();
    let scanned = open_with(&fixture.store, "mrose", headers).scan(&mut |meta| {
        told.push((meta.octets, String::from_utf8(meta.unique_id.to_vec()).unwrap(), meta.needs_utf8));
        Ok(())
    });
    scanned.unwrap();
    told
}

/// How many messages the sessions of `work` open.
fn opened(work: impl FnOnce()) -> u32 {
    let count = Rc::new(Cell::new(0));
    let counter = Rc::clone(&count);
    set_hook(move |call| {
        if call == Call::OpenMessage {
            counter.set(counter.get() + 1);
        }
    });
    work();
    set_hook(|_| {});
    count.get()
}

#[test]
fn r6856_2_3_r6856_2_6_r6858_4_1_sizes_follow_what_is_sent_and_ids_do_not() {
    for first in ALL {
        let fixture = mail();
        told(&fixture, first);
        let ids = fixture.ids();
        for headers in ALL {
            let second = if headers == Utf8Headers::Surrogates { 146 } else { 89 };
            let needs_utf8 = |told: &[(u64, String, bool)]| (told[0].2, told[1].2);
            let told = told(&fixture, headers);
            assert_eq!((told[0].0, told[1].0), (18, second), "{headers:?}");
            assert_eq!([&told[0].1, &told[1].1], [&ids[0], &ids[1]]);
            if headers != Utf8Headers::AsStored {
                assert_eq!(needs_utf8(&told), (false, true));
            }
            let mut maildrop = open_with(&fixture.store, "mrose", headers);
            list(&mut maildrop);
            assert_eq!(read(&mut maildrop, 1, &ids[0]).unwrap(), "A: b\n\nü 8-bit\n".as_bytes());
            match headers {
                Utf8Headers::AsStored => {
                    assert_eq!(read(&mut maildrop, 2, &ids[1]).unwrap(), MESSAGE.as_bytes());
                }
                Utf8Headers::Surrogates => {
                    assert_eq!(read(&mut maildrop, 2, &ids[1]).unwrap(), SURROGATE.as_bytes());
                }
                // The session does not ask for it.
                _ => assert!(read(&mut maildrop, 2, &ids[1]).is_err()),
            }
        }
    }
}

#[test]
fn r6856_2_6_each_header_is_looked_at_once() {
    let fixture = mail();
    let in_sessions = |headers| opened(|| drop(told(&fixture, headers)));
    assert_eq!(in_sessions(Utf8Headers::AsStored), 2, "counted");
    let format = |fixture: &Fixture| {
        let list = fs::read_to_string(fixture.list_file()).unwrap();
        list.split(' ').nth(2).unwrap().to_owned()
    };
    // A server that does not offer UTF8 writes what earlier versions read.
    assert_eq!(format(&fixture), "1");
    assert_eq!(in_sessions(Utf8Headers::AsStored), 0);
    // A list of an earlier version: the sizes are believed, the headers looked at.
    assert_eq!(in_sessions(Utf8Headers::Surrogates), 2);
    assert_eq!(format(&fixture), "2");
    for headers in ALL {
        assert_eq!(in_sessions(headers), 0, "{headers:?}");
    }
    assert_eq!(told(&fixture, Utf8Headers::Surrogates)[1].0, 146);
    // New mail is counted and looked at; what is known stays, when the server offers UTF8 no more too.
    fixture.deliver("new/3.1.h", MESSAGE);
    fixture.remove("new/1.1.h");
    assert_eq!(in_sessions(Utf8Headers::AsStored), 1);
    assert_eq!((in_sessions(Utf8Headers::Refused), in_sessions(Utf8Headers::Surrogates)), (1, 0));
    let sizes: Vec<u64> = told(&fixture, Utf8Headers::Surrogates).iter().map(|told| told.0).collect();
    assert_eq!(sizes, [146, 146]);
    // After a commit as well.
    let mut maildrop = open_with(&fixture.store, "mrose", Utf8Headers::Surrogates);
    let listed = list(&mut maildrop);
    assert_eq!(Box::new(maildrop).commit(&Marks::of(&listed, &[1])).unwrap(), Committed::new(1));
    assert_eq!(in_sessions(Utf8Headers::Surrogates), 0);
    assert_eq!(told(&fixture, Utf8Headers::Surrogates), [(146, listed[1].1.clone(), true)]);
    // Other rules about bodies: all is counted once more.
    let store = fixture.store.clone().rules(BodyRules::default().with_mask_nul(true));
    let fixture = Fixture { store, ..fixture };
    assert_eq!(opened(|| assert_eq!(told(&fixture, Utf8Headers::Surrogates)[0].0, 146)), 2);
}

#[test]
fn r6856_2_6_a_message_that_has_changed_is_looked_at_again() {
    let fixture = mail();
    told(&fixture, Utf8Headers::Surrogates);
    let ids = fixture.ids();
    fixture.deliver("cur/2.1.h:2,S", "A: b\n\nshort\n");
    {
        let mut maildrop = open_with(&fixture.store, "mrose", Utf8Headers::Surrogates);
        assert_eq!(list(&mut maildrop)[1].0, 146);
        read(&mut maildrop, 2, &ids[1]).unwrap();
    }
    let told = told(&fixture, Utf8Headers::Surrogates);
    assert_eq!((told[1].0, told[1].2), (15, false));
}
