//! Maildirs that another server served before.

use super::*;
use crate::store::maildir::maildrop::keep_apart;
use crate::store::maildir::unique_ids::UniqueIds;

const DOVECOT: &str = "3 V7 N9\n5 W9 :1.M1.h\n6 :2.M2.h\n7 :4.gone.h\n";

fn moved() -> Fixture {
    let fixture = Fixture::with(&["cur/1.M1.h:2,S", "new/2.M2.h", "new/3.M3.h"]);
    fs::write(fixture.path("dovecot-uidlist"), DOVECOT).unwrap();
    fixture
}

#[test]
fn r1939_7_3_ids_of_dovecot_go_on_to_hold() {
    let fixture = moved();
    let ids = fixture.ids();
    assert_eq!(ids[..2], ["0000000500000007", "0000000600000007"]);
    assert!(distinct(&ids) && ids[2].len() == 16);
    assert_eq!(fs::read_to_string(fixture.path("dovecot-uidlist")).unwrap(), DOVECOT);
    // From now on they stand in the list of this crate; what Dovecot writes later changes nothing.
    fs::write(fixture.path("dovecot-uidlist"), "3 V8 N9\n1 :1.M1.h\n2 :2.M2.h\n3 :3.M3.h\n").unwrap();
    assert_eq!(fixture.ids(), ids);
    fixture.remove("new/3.M3.h");
    fixture.deliver("new/5.M5.h", "A: b\n\n");
    let later = fixture.ids();
    assert_eq!(later[..2], ids[..2]);
    assert!(!ids.contains(&later[2]));
    fs::remove_file(fixture.path("dovecot-uidlist")).unwrap();
    assert_eq!(fixture.ids(), later);
}

#[test]
fn r1939_6_1_a_message_with_an_old_id_is_read_and_removed_by_it() {
    let fixture = moved();
    let mut maildrop = fixture.open();
    let listed = list(&mut maildrop);
    assert_eq!(read(&mut maildrop, 1, &listed[0].1).unwrap(), b"A: b\n\n");
    drop(maildrop);
    assert_eq!(fixture.commit(&[2]).unwrap().removed, 1);
    assert_eq!(
        (fixture.names("cur"), fixture.names("new")),
        (vec!["1.M1.h:2,S".into()], vec!["3.M3.h".into()])
    );
    assert_eq!(fixture.ids()[0], "0000000500000007");
}

#[test]
fn r1939_7_3_an_id_that_cannot_be_told_or_is_not_unique_is_replaced() {
    let fixture = moved();
    let long = "x".repeat(71);
    for list in [
        format!("3 V7 N9\n5 P{long} :1.M1.h\n6 Pa :2.M2.h\n"),
        "3 V7 N9\n5 P :1.M1.h\n6 Pa :2.M2.h\n".to_owned(),
        "3 V7 N9\n5 P\u{e4} :1.M1.h\n6 Pa :2.M2.h\n".to_owned(),
        "3 V7 N9\n5 Pb :1.M1.h\n6 Pa :2.M2.h\n7 Pb :3.M3.h\n".to_owned(),
        "3 V7 N9\n6 Pz :2.M2.h\n6 Pa :2.M2.h\n".to_owned(),
    ] {
        fs::write(fixture.path("dovecot-uidlist"), &list).unwrap();
        drop(fs::remove_file(fixture.list_file()));
        let ids = fixture.ids();
        assert_eq!(ids[1], "a", "{list}");
        assert!([0, 2].iter().all(|at| ids[*at].len() == 16) && distinct(&ids), "{ids:?}");
    }
}

#[test]
fn r1939_7_3_no_new_id_looks_like_an_old_one() {
    let mut previous = UniqueIds::default();
    for (number, id) in [(1, "0000000A00000001"), (2, "0000000bx"), (3, "0000000")] {
        assert!(previous.push(number, id.as_bytes()));
    }
    previous.settle();
    for (validity, drawn, left) in [(0xa, &[0xb, 0xa, 0xc][..], 0xc), (0xb, &[0xd], 0xd), (0, &[], 0)] {
        let mut header = Header { validity, next: 1, rules: 0, format: Format::Sizes };
        let mut draws = drawn.iter().copied();
        keep_apart(&mut header, &previous, || draws.next().unwrap());
        assert_eq!((header.validity, draws.next()), (left, None));
    }
}

#[test]
fn a_damaged_list_of_this_crate_brings_the_old_ids_back() {
    let fixture = moved();
    let ids = fixture.ids();
    fs::write(fixture.list_file(), "damage\n").unwrap();
    assert_eq!(fixture.ids()[..2], ids[..2]);
}

#[test]
fn no_previous_server_is_asked_for_nothing() {
    let mut fixture = moved();
    fixture.store = fixture.store.previous_server(PreviousServer::None);
    assert!(fixture.ids().iter().all(|id| !id.ends_with("00000007")));
    fs::remove_file(fixture.list_file()).unwrap();
    fixture.store = fixture.store.previous_server(PreviousServer::Dovecot("%v.%u".parse().unwrap()));
    assert_eq!(fixture.ids()[..2], ["7.5", "7.6"]);
}

#[test]
fn courier_and_its_list() {
    let fixture = Fixture::with(&["cur/1.M1.h:2,S", "new/2.M2.h"]);
    fs::write(fixture.path("courierpop3dsizelist"), "/3 3 9\n1.M1.h:2, 7 1:9:0\n2.M2.h 7 2:9:0\n").unwrap();
    assert_eq!(fixture.ids(), ["UID1-9", "UID2-9"]);
}

#[test]
fn r1939_7_3_a_list_that_cannot_be_read_is_a_fault_and_no_reason_for_new_ids() {
    let fixture = moved();
    fs::remove_file(fixture.path("dovecot-uidlist")).unwrap();
    fs::create_dir(fixture.path("dovecot-uidlist")).unwrap();
    assert!(matches!(fixture.fails(), StoreError::Permanent(_)));
    assert!(!fixture.list_file().exists());
}
