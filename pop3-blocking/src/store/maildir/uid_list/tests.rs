//! The list as it is written and read, whole, cut and damaged.

use super::*;
use crate::store::maildir::tests::files::TempDir;

const HEADER: Header = Header { validity: 0xdead_beef, next: 0x12, rules: 7, format: Format::Sizes };
const LINES: [Line<'static>; 3] = [
    Line {
        uid: 1,
        octets: Some(1234),
        surrogate: Surrogate::Unknown,
        unique_id: None,
        size: 1200,
        mtime: 1_700_000_000_123_456_789,
        base: b"1.M2P3.host,S=1200",
    },
    Line {
        uid: 0x11,
        octets: None,
        surrogate: Surrogate::Unknown,
        unique_id: None,
        size: 0,
        mtime: -1,
        base: b"two words",
    },
    Line {
        uid: 2,
        octets: Some(u64::MAX),
        surrogate: Surrogate::Unknown,
        unique_id: None,
        size: u64::MAX,
        mtime: i64::MIN,
        base: "größe".as_bytes(),
    },
];

fn written(dir: &TempDir) -> (File, Vec<u8>) {
    let root = File::open(dir.path()).unwrap();
    write(&root, &Lock::take(&root).unwrap(), HEADER, |writer| {
        LINES.iter().try_for_each(|line| writer.line(line))
    })
    .unwrap();
    let text = std::fs::read(dir.path().join(NAME)).unwrap();
    (root, text)
}

type Owned = (u32, Option<u64>, u64, i64, Vec<u8>);

/// Header, good lines, damage.
fn read(text: &[u8]) -> Option<(Header, Vec<Owned>, (u64, bool))> {
    let mut reader = Reader::new(text);
    let header = reader.header().unwrap()?;
    let mut lines = Vec::new();
    reader.for_each(|line| lines.push(owned(line))).unwrap();
    Some((header, lines, reader.damage()))
}

fn owned(line: &Line<'_>) -> Owned {
    (line.uid, line.octets, line.size, line.mtime, line.base.to_vec())
}

#[test]
fn r1939_7_2_pb_q56_an_id_is_sixteen_digits() {
    assert_eq!(&HEADER.unique_id(0x1f), b"deadbeef0000001f");
    assert_eq!(&Header { validity: 0, ..HEADER }.unique_id(u32::MAX), b"00000000ffffffff");
    let drawn: Vec<_> = (0..100).map(|_| Header::fresh(0).validity).collect();
    assert!(drawn.iter().any(|validity| *validity != drawn[0]));
}

#[test]
fn what_is_written_is_read() {
    let dir = TempDir::new();
    let (root, text) = written(&dir);
    let Ok(Opened::Ready(header, mut reader)) = open(&root) else { panic!("{}", text.escape_ascii()) };
    assert_eq!(header, HEADER);
    let mut lines = LINES.iter();
    reader.for_each(|line| assert_eq!(Some(line), lines.next())).unwrap();
    assert_eq!(lines.len(), 0);
    assert_eq!(reader.damage(), (0, false));
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&dir.path().join(NAME).metadata().unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    assert!(!dir.path().join(NEW_NAME).exists());
}

#[test]
fn r1939_7_3_damage_of_any_octet_never_gives_another_id() {
    let dir = TempDir::new();
    let (_, text) = written(&dir);
    let good: Vec<_> = LINES.iter().map(owned).collect();
    let header_len = text.iter().position(|&octet| octet == b'\n').unwrap();
    for at in 0..text.len() {
        for change in [1, 0x20, 0x80, 0xff, text[at] ^ b'\n', text[at] ^ b' '] {
            let mut damaged = text.clone();
            damaged[at] ^= change;
            if damaged == text {
                continue;
            }
            let found = read(&damaged);
            if at <= header_len {
                assert_eq!(found, None, "octet {at}");
                continue;
            }
            let (header, lines, damage) = found.unwrap();
            assert_eq!(header, HEADER);
            assert!(lines.iter().all(|line| good.contains(line)), "octet {at}");
            assert!(!lines.is_empty() && damage != (0, false), "octet {at} {change}");
        }
    }
}

#[test]
fn r1939_7_3_a_cut_at_any_octet_is_seen_and_keeps_the_lines_before() {
    let dir = TempDir::new();
    let (_, text) = written(&dir);
    let header_len = text.iter().position(|&octet| octet == b'\n').unwrap();
    for end in 0..text.len() {
        let whole_lines = text[..=end].iter().filter(|&&octet| octet == b'\n').count();
        match read(&text[..end]) {
            None => assert!(end < header_len, "{end}"),
            Some((_, lines, damage)) => {
                // A line without its LF still has its sum.
                assert_eq!(lines.len(), whole_lines.saturating_sub(1).min(3), "{end}");
                assert!(damage != (0, false) || end == text.len() - 1, "{end}");
            }
        }
    }
}

#[test]
fn damage_by_hand_is_passed_over_line_by_line() {
    let dir = TempDir::new();
    let (_, text) = written(&dir);
    let lines: Vec<&[u8]> = text.split_inclusive(|&octet| octet == b'\n').collect();
    let join = |parts: &[&[u8]]| read(&parts.concat()).map(|(_, lines, damage)| (lines.len(), damage));
    let long = [b'x'; 4 * LINE_MAX];
    let (head, end) = (lines[0], lines[4]);
    assert_eq!(join(&[head, lines[2], lines[1], lines[3], end]), Some((3, (0, false))));
    assert_eq!(join(&[head, lines[1], b"\n", lines[3], end]), Some((2, (1, false))));
    assert_eq!(join(&[head, lines[1], lines[2], end]), Some((2, (0, true))));
    assert_eq!(join(&[head, lines[1], &long, b"\n", lines[3], end]), Some((2, (1, false))));
    assert_eq!(join(&[head, &text]), Some((3, (1, true))));
    assert_eq!(join(&[&text, lines[1]]), Some((3, (1, true))));
    assert_eq!(join(&[&text, &text]), Some((3, (5, true))));
    assert_eq!(join(&[head, &long]), Some((0, (1, true))));
    assert_eq!(join(&[head]), Some((0, (0, true))));
    assert_eq!(join(&[lines[1], head, end]), None);
    assert_eq!(join(&[b"\n", &text]), None);
    assert_eq!(join(&[]), None);
    assert_eq!(join(&[&[0; 4096]]), None);
}

#[test]
fn lines_with_right_sums_and_wrong_fields_are_damage() {
    let dir = TempDir::new();
    let (_, text) = written(&dir);
    let head = text.split_inclusive(|&octet| octet == b'\n').next().unwrap();
    for field in [
        "",
        " ",
        "end",
        "end x",
        "00000000 1 1 1 base",
        "0000001 1 1 1 base",
        "0000000A 1 1 1 base",
        "00000001 1 1 base",
        "00000001 +1 1 1 base",
        "00000001 1 - 1 base",
        "00000001 1 1 1 ",
        "00000001 1 1 1 base:2,S",
        "00000001 1 1 1.5 base",
        "00000001 1 1 99999999999999999999 base",
    ] {
        let line = format!("{:08x} {field}\n", crc32(field.as_bytes()));
        let (_, lines, damage) = read(&[head, line.as_bytes()].concat()).unwrap();
        assert_eq!((lines.len(), damage.1), (0, true), "{field}");
    }
    for field in
        ["pop3-uidlist 1 00000001 00000000 00000001", "pop3-uidlist 1 00000001 00000001", "pop3-uidlist"]
    {
        let line = format!("{:08x} {field}\n", crc32(field.as_bytes()));
        assert!(!matches!(Reader::new(line.as_bytes()).header(), Ok(Some(_))), "{field}");
    }
}

#[test]
fn r6856_2_6_r1939_7_3_each_format_tells_what_it_should_and_no_more() {
    let dir = TempDir::new();
    let root = File::open(dir.path()).unwrap();
    let surrogates = [Surrogate::Octets(1300), Surrogate::None, Surrogate::Unknown];
    let ids = [None, Some(&br#"'\"--"#[..]), Some(b"=")];
    let longest = "x".repeat(70);
    for format in [Format::Sizes, Format::Surrogates, Format::UniqueIds] {
        let header = Header { format, ..HEADER };
        for ids in [ids, [None; 3], [Some(longest.as_bytes()), ids[1], None]] {
            let full: Vec<Line<'_>> = LINES
                .iter()
                .zip(surrogates)
                .zip(ids)
                .map(|((line, surrogate), unique_id)| Line { surrogate, unique_id, ..*line })
                .collect();
            write(&root, &Lock::take(&root).unwrap(), header, |writer| {
                full.iter().try_for_each(|line| writer.line(line))
            })
            .unwrap();
            let text = std::fs::read(dir.path().join(NAME)).unwrap();
            let mut reader = Reader::new(&text[..]);
            assert_eq!(reader.header().unwrap(), Some(header));
            let mut want = full.iter().map(|line| Line {
                surrogate: if format < Format::Surrogates { Surrogate::Unknown } else { line.surrogate },
                unique_id: if format < Format::UniqueIds { None } else { line.unique_id },
                ..*line
            });
            reader.for_each(|line| assert_eq!(Some(*line), want.next())).unwrap();
            assert_eq!((want.len(), reader.damage()), (0, (0, false)));
        }
    }
}

#[test]
fn a_list_of_a_later_version_is_left_alone() {
    let field = "pop3-uidlist 4 anything else";
    let line = format!("{:08x} {field}\n", crc32(field.as_bytes()));
    assert!(matches!(Reader::new(line.as_bytes()).header(), Err(MaildirError::ListVersion)));
}

#[test]
fn r1939_7_3_a_failed_write_leaves_the_old_list() {
    let dir = TempDir::new();
    let (root, text) = written(&dir);
    let failed = write(&root, &Lock::take(&root).unwrap(), HEADER, |_| {
        Err(io::Error::from(io::ErrorKind::StorageFull))
    });
    assert_eq!(failed.unwrap_err().kind(), io::ErrorKind::StorageFull);
    assert_eq!(std::fs::read(dir.path().join(NAME)).unwrap(), text);
    assert!(!dir.path().join(NEW_NAME).exists());

    // What a killed writer left, or somebody planted, is not written through.
    let outside = dir.path().join("outside");
    std::os::unix::fs::symlink(&outside, dir.path().join(NEW_NAME)).unwrap();
    write(&root, &Lock::take(&root).unwrap(), HEADER, |_| Ok(())).unwrap();
    assert!(!outside.exists());

    std::fs::create_dir(dir.path().join(NEW_NAME)).unwrap();
    assert!(write(&root, &Lock::take(&root).unwrap(), HEADER, |_| Ok(())).is_err());
}

#[test]
fn rules_have_tags_of_their_own() {
    let rules = BodyRules::new();
    let other = rules.with_add_header_separator(!rules.add_header_separator);
    assert_ne!(rules_tag(rules), rules_tag(other));
    assert_eq!(rules_tag(rules), rules_tag(BodyRules::default()));
}
