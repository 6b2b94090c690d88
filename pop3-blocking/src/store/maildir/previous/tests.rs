//! Lists that Dovecot 2.3.19 and Courier 1.0.16 wrote, and the ids that the same servers told.

use super::*;
use crate::store::maildir::tests::files::TempDir;

const DOVECOT_LIST: &str = "3 V1795562419 N5 G600e7a18b31b066b0054000083ecc375\n\
    1 W11 :1000000001.M1P2.host\n\
    2 W12 :1000000002.M3P4.host,S=9\n\
    3 W8 :1000000003.M5P6.host\n\
    4 W8 :1000000004.it's+1.h\n";

const BASES: [&str; 4] =
    ["1000000001.M1P2.host", "1000000002.M3P4.host,S=9", "1000000003.M5P6.host", "1000000004.it's+1.h"];

/// The ids of the messages at [`BASES`], and lines that are none.
fn ids(read: impl FnOnce(&mut Take<'_>) -> Result<Seen, MaildirError>) -> (Vec<String>, Seen) {
    let mut found: Vec<(String, String)> = Vec::new();
    let text = |octets: &[u8]| String::from_utf8(octets.to_vec()).unwrap();
    let seen = read(&mut |base, id| found.push((text(base), text(id)))).unwrap();
    assert!(found.iter().map(|(base, _)| base.as_str()).eq(BASES.into_iter().take(found.len())), "{found:?}");
    (found.into_iter().map(|(_, id)| id).collect(), seen)
}

fn dovecot(format: &str, list: &str) -> (Vec<String>, Seen) {
    ids(|take| read_dovecot(list.as_bytes(), &format.parse().unwrap(), take))
}

fn courier(list: &str) -> (Vec<String>, Seen) {
    ids(|take| read_courier(list.as_bytes(), take))
}

#[test]
fn r1939_7_3_the_ids_that_dovecot_told() {
    for (format, want) in [
        ("%08Xu%08Xv", ["000000016b061bb3", "000000026b061bb3", "000000036b061bb3", "000000046b061bb3"]),
        ("%08Xv%08Xu", ["6b061bb300000001", "6b061bb300000002", "6b061bb300000003", "6b061bb300000004"]),
        ("%v-%u", ["1795562419-1", "1795562419-2", "1795562419-3", "1795562419-4"]),
        ("UID%u-%v", ["UID1-1795562419", "UID2-1795562419", "UID3-1795562419", "UID4-1795562419"]),
        (
            "%08XUu%v",
            ["000000011795562419", "000000021795562419", "000000031795562419", "000000041795562419"],
        ),
        ("%06u", ["000001", "000002", "000003", "000004"]),
        ("%f", BASES),
        ("%g", BASES),
        (
            "%Uf",
            [
                "1000000001.M1P2.HOST",
                "1000000002.M3P4.HOST,S=9",
                "1000000003.M5P6.HOST",
                "1000000004.IT'S+1.H",
            ],
        ),
        (
            "%048f",
            [
                "00000000000000000000000000001000000001.M1P2.host",
                "0000000000000000000000001000000002.M3P4.host,S=9",
                "00000000000000000000000000001000000003.M5P6.host",
                "000000000000000000000000000001000000004.it's+1.h",
            ],
        ),
    ] {
        let (found, seen) = dovecot(format, DOVECOT_LIST);
        assert_eq!(found, want, "{format}");
        assert_eq!(seen, Seen { name: "dovecot-uidlist", usable: true, odd: 0 });
    }
}

#[test]
fn r1939_7_3_ids_that_dovecot_has_saved_hold_whatever_the_format() {
    let list = "3 V1795562421 N5 Ga53cff37b51b066b6c54000083ecc375\n\
        1 W11 P000000016b061bb5 :1000000001.M1P2.host\n\
        2 W12 P000000026b061bb5 :1000000002.M3P4.host,S=9\n\
        3 W8 :1000000003.M5P6.host\n\
        4 W8 Gabc P1 :1000000004.it's+1.h\n";
    assert_eq!(dovecot("%g", list).0, ["000000016b061bb5", "000000026b061bb5", BASES[2], "1"]);
}

#[test]
fn the_first_form_of_dovecots_list() {
    let list = "1 1795562419 5\n1 1000000001.M1P2.host:2,S\n2 1000000002.M3P4.host,S=9\n";
    assert_eq!(dovecot("%u.%v", list).0, ["1.1795562419", "2.1795562419"]);
}

#[test]
fn r1939_7_3_the_ids_that_courier_told() {
    let list = "/3 5 1795562400\n\
        1000000001.M1P2.host:2,S 11 1:1795562400:0\n\
        1000000002.M3P4.host,S=9:2,RS 12 2:1795562400:0\n\
        1000000003.M5P6.host 8 3:1795562400:0\n\
        1000000004.it's+1.h:2, 8 4:1795562400:0\n";
    let (found, seen) = courier(list);
    assert_eq!(found, ["UID1-1795562400", "UID2-1795562400", "UID3-1795562400", "UID4-1795562400"]);
    assert_eq!(seen, Seen { name: "courierpop3dsizelist", usable: true, odd: 0 });
    // Of earlier versions.
    let list = "/2 5 1795562400\n\
        1000000001.M1P2.host:2,S 11 1:1795562400\n\
        1000000002.M3P4.host,S=9:2,RS 12 2:1795562400:0\n\
        1000000003.M5P6.host 8 3:0:1\n\
        1000000004.it's+1.h:2, 8 0:0:0\n";
    let (found, _) = courier(list);
    assert_eq!(found, ["UID1-1795562400", "UID2-1795562400", "UID3", "1000000004.it+27s+2B1.h"]);
}

#[test]
fn lines_of_no_message_are_counted_and_passed_over() {
    let long = format!("5 W1 :{}\n", "x".repeat(LINE_MAX));
    for line in ["\n", "x\n", "5\n", "0 :1.host\n", "5 W1\n", "5 :\n", "5 :a\u{7}\n", "-1 :a\n", &long] {
        let (found, seen) = dovecot("%u", &format!("{DOVECOT_LIST}{line}"));
        assert_eq!((found.len(), seen.odd), (4, 1), "{line:?}");
    }
    for line in ["\n", "a 1\n", "a 1 2\n", "a 1 x:1\n", " 1 1:2\n", "a 1 1:2x\n"] {
        let (found, seen) = courier(&format!("/3 5 7\n1000000001.M1P2.host 1 1:7:0\n{line}"));
        assert_eq!((found.len(), seen.odd), (1, 1), "{line:?}");
    }
    // A name with blanks is one.
    let mut names = Vec::new();
    let list = "3 V1 N2\n1 W2 :a b :c d\n";
    read_dovecot(list.as_bytes(), &UidlFormat::default(), &mut |base, _| names.push(base.to_vec())).unwrap();
    read_courier(&b"/3 1 1\na b 1 1:1\n"[..], &mut |base, _| names.push(base.to_vec())).unwrap();
    assert_eq!(names, [&b"a b "[..], b"a b"]);
}

#[test]
fn a_list_of_another_form_tells_nothing() {
    for list in ["", "\n", "4 V1 N1\n1 :a\n", "3 N1\n1 :a\n", "3 Vx N1\n1 :a\n", "1 x\n1 a\n", "\u{0}"] {
        assert_eq!(dovecot("%u", list), (vec![], Seen { name: DOVECOT, usable: false, odd: 0 }), "{list:?}");
    }
    for list in ["", "/1 1\na 1 1:1\n", "/4 1 1\na 1 1:1\n", "3 1 1\na 1 1:1\n"] {
        assert_eq!(courier(list), (vec![], Seen { name: COURIER, usable: false, odd: 0 }), "{list:?}");
    }
}

#[test]
fn which_list_is_read() {
    let dir = TempDir::new();
    let root = File::open(dir.path()).unwrap();
    let of = |server: &PreviousServer| {
        let mut ids = Vec::new();
        let seen = read(&root, server, &mut |_, id| ids.push(String::from_utf8(id.to_vec()).unwrap()));
        (seen.unwrap().map(|seen| seen.name), ids)
    };
    let all = [
        PreviousServer::Any,
        PreviousServer::None,
        PreviousServer::Dovecot("%u".parse().unwrap()),
        PreviousServer::Courier,
    ];
    assert!(all.iter().all(|server| of(server) == (None, vec![])));
    let courier = (Some(COURIER), vec!["UID1-7".to_owned()]);
    std::fs::write(dir.path().join(COURIER), "/3 2 7\na 1 1:7:0\n").unwrap();
    assert_eq!(of(&all[0]), courier);
    assert_eq!(of(&all[2]), (None, vec![]));
    std::fs::write(dir.path().join(DOVECOT), "3 V7 N2\n1 :a\n").unwrap();
    assert_eq!(of(&all[0]), (Some(DOVECOT), vec!["0000000100000007".to_owned()]));
    assert_eq!(of(&all[1]), (None, vec![]));
    assert_eq!(of(&all[2]), (Some(DOVECOT), vec!["1".to_owned()]));
    assert_eq!(of(&all[3]), courier);

    // PB-S50: nothing is followed.
    std::fs::remove_file(dir.path().join(DOVECOT)).unwrap();
    std::os::unix::fs::symlink(dir.path().join(COURIER), dir.path().join(DOVECOT)).unwrap();
    assert!(read(&root, &PreviousServer::Any, &mut |_, _| {}).is_err());
    std::fs::remove_file(dir.path().join(DOVECOT)).unwrap();
    std::fs::create_dir(dir.path().join(DOVECOT)).unwrap();
    assert!(matches!(
        read(&root, &PreviousServer::Any, &mut |_, _| {}),
        Err(MaildirError::NotRegular { name: DOVECOT })
    ));
}
