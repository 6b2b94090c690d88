//! Maildirs: names of files, the list of unique-ids, and both together in a folder.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path};

use pop3_blocking::auth::Identity;
use pop3_blocking::fuzzing::{
    UidLine, UidList, arrival, base_of, cache_beginning, maildir_of, previous_ids as ids_of_previous,
    read_cache, read_uid_list, write_uid_list,
};
use pop3_blocking::store::{MaildirStore, Maildrop, Message, OpenContext, Plan as Marked, Store};
use pop3_proto::MessageNumber;

use crate::plan::Plan;
use crate::scratch::{Scratch, crc32, opened, sealed};

/// Whether a file of this name may be a message, and the part of the name that is its own for ever.
fn naive_base(name: &[u8]) -> Option<&[u8]> {
    let text = core::str::from_utf8(name).ok()?;
    let base = text.split(':').next()?;
    (name.len() <= 255 && !base.is_empty() && !text.contains(char::is_control)).then_some(base.as_bytes())
}

/// The number that `text` begins with.
fn digits(text: &str) -> Option<u64> {
    let end = text.bytes().take_while(u8::is_ascii_digit).count();
    text[..end].parse().ok()
}

/// Seconds, microseconds, count.
fn naive_arrival(base: &str) -> Option<(u64, u64, u64)> {
    let mut parts = base.split('.');
    let seconds = parts.next()?;
    let seconds =
        Some(seconds).filter(|text| !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit()))?;
    let unique = parts.next()?;
    let behind = |letter| unique.split_once(letter).and_then(|(_, rest)| digits(rest));
    Some((seconds.parse().ok()?, behind('M').unwrap_or(0), behind('Q').or_else(|| behind('_')).unwrap_or(0)))
}

/// Names are read as a naive reader does; deliveries stand in the order of their times; a user's name leads into one
/// folder below its place or nowhere.
pub fn maildir_name(input: &[u8]) {
    let mut halves = input.splitn(2, |&octet| octet == b'\n');
    let (one, other) = (halves.next().unwrap_or_default(), halves.next().unwrap_or_default());
    for name in [one, other] {
        assert_eq!(base_of(name), naive_base(name), "{}", name.escape_ascii());
        if let Some(base) = base_of(name) {
            assert_eq!(base_of(base), Some(base));
        }
    }
    if let (Ok(one), Ok(other)) = (core::str::from_utf8(one), core::str::from_utf8(other)) {
        let (naive_one, naive_other) = (naive_arrival(one), naive_arrival(other));
        let (seconds, order) = arrival(one.as_bytes(), other.as_bytes());
        assert_eq!(seconds, naive_one.map(|arrival| arrival.0), "{one:?}");
        assert_eq!(order, naive_one.cmp(&naive_other), "{one:?} {other:?}");
        if let Some(path) = maildir_of("mail/{user}/new", one) {
            let parts: Vec<Component<'_>> = path.components().collect();
            assert_eq!(parts.len(), 3, "{path:?}");
            assert_eq!(parts[1], Component::Normal(one.as_ref()));
            assert!(!one.contains(char::is_control) && !one.starts_with('.'));
        }
        if let Some(path) = maildir_of(other, "alice") {
            assert!(other.contains("{user}"));
            assert_eq!(path.to_str(), Some(other.replace("{user}", "alice").as_str()));
        }
    }
}

/// What follows the beginning of a cache, as a naive reader has it: validity, next number, messages.
type NaiveCache = (u32, u32, Vec<(u32, u64, bool, Vec<u8>)>);

fn naive_cache(mut rest: &[u8], limit: u32) -> Option<NaiveCache> {
    fn take<'a>(rest: &mut &'a [u8], octets: usize) -> Option<&'a [u8]> {
        let (taken, left) = rest.split_at_checked(octets)?;
        *rest = left;
        Some(taken)
    }
    let little =
        |octets: &[u8]| octets.iter().rev().fold(0, |number: u64, octet| number << 8 | u64::from(*octet));
    let narrow = |octets: &[u8]| u32::try_from(little(octets)).ok();
    let head: Vec<u32> = take(&mut rest, 20)?.chunks(4).filter_map(narrow).collect();
    let (validity, next, count, octets_of_names) = (head[0], head[1], head[3], head[4]);
    let (mut messages, mut ids) = (Vec::new(), BTreeMap::new());
    for _ in 0..count {
        let uid = narrow(take(&mut rest, 4)?)?;
        let octets = little(take(&mut rest, 8)?);
        take(&mut rest, 16)?;
        let flags = take(&mut rest, 1)?[0];
        let len = usize::from(take(&mut rest, 1)?[0]);
        let name = take(&mut rest, len)?.to_vec();
        match flags >> 1 & 3 {
            0 | 1 => {}
            2 => drop(take(&mut rest, 8)?),
            _ => return None,
        }
        if flags & 8 != 0 {
            let len = usize::from(take(&mut rest, 1)?[0]);
            let id = take(&mut rest, len)?;
            let good =
                (1..=70).contains(&len) && id.iter().all(|octet| (0x21..=0x7e).contains(octet)) && id != b"-";
            // Of two ids of one message the later holds; one that two messages have is nobody's.
            ids.insert(uid, Some(id).filter(|_| good)?);
        }
        // What no directory holds, and what is hidden in it.
        let odd = name.contains(&b'/') || name.contains(&0) || name.first() == Some(&b'.');
        if odd || naive_base(&name).is_none() || uid == 0 || uid >= next {
            return None;
        }
        messages.push((uid, octets, flags & 1 != 0, name));
    }
    let names: usize = messages.iter().map(|(.., name)| name.len()).sum();
    let texts: BTreeSet<_> = ids.values().collect();
    let whole = rest.is_empty() && count <= limit && names as u64 == u64::from(octets_of_names);
    (whole && texts.len() == ids.len()).then_some((validity, next, messages))
}

/// A cache is believed if a naive reader believes it; then all its names are such as a directory may hold, and it is
/// written again as it reads. With a wrong sum, or cut, it is not believed.
pub fn maildir_cache(input: &[u8]) {
    let beginning = cache_beginning();
    let mut text = [&beginning[..], input].concat();
    text.extend(crc32(&text).to_le_bytes());
    let read = |text: &[u8]| read_cache(text, 100).expect("memory has no faults");
    match (read(&text), naive_cache(input, 100)) {
        (None, naive) => assert_eq!(naive, None, "{}", input.escape_ascii()),
        (Some(cache), naive) => {
            let found = (cache.validity, cache.next, cache.messages.clone());
            assert_eq!(Some(found), naive, "{}", input.escape_ascii());
            // Flags that mean nothing are not kept.
            assert_eq!(read(&cache.written).as_ref().map(|again| &again.messages), Some(&cache.messages));
            assert_eq!(read(&text[..text.len() - 1]), None);
            *text.last_mut().expect("a sum") ^= 1;
            assert_eq!(read(&text), None);
        }
    }
}

fn hex(text: &str) -> Option<u32> {
    let fits = text.len() == 8 && text.bytes().all(|octet| b"0123456789abcdef".contains(&octet));
    u32::from_str_radix(text, 16).ok().filter(|_| fits)
}

fn number(text: &str) -> Option<u64> {
    Some(text)
        .filter(|text| !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit()))?
        .parse()
        .ok()
}

/// A message's line behind its sum.
fn naive_line(text: &[u8], format: u8) -> Option<UidLine> {
    let text = core::str::from_utf8(text).ok()?;
    let mut fields = text.splitn(4 + usize::from(format), ' ');
    let uid = hex(fields.next()?).filter(|uid| *uid > 0)?;
    let octets = match fields.next()? {
        "-" => None,
        digits => Some(number(digits)?),
    };
    let surrogate = match if format > 1 { fields.next()? } else { "-" } {
        "-" => None,
        "=" => Some(None),
        digits => Some(Some(number(digits)?)),
    };
    let unique_id = match if format > 2 { fields.next()? } else { "-" } {
        "-" => None,
        id => {
            let good = (1..=70).contains(&id.len()) && id.bytes().all(|octet| (0x21..=0x7e).contains(&octet));
            Some(Some(id.as_bytes().to_vec()).filter(|_| good)?)
        }
    };
    let (size, mtime) = (number(fields.next()?)?, fields.next()?.parse().ok()?);
    let base = fields.next()?.as_bytes();
    (naive_base(base) == Some(base)).then(|| UidLine {
        uid,
        octets,
        surrogate,
        unique_id,
        size,
        mtime,
        base: base.to_vec(),
    })
}

/// A list, without its damage; `None` if it cannot be used.
fn naive_list(text: &[u8]) -> Option<UidList> {
    let mut lines = text.split(|&octet| octet == b'\n');
    let head = core::str::from_utf8(opened(lines.next()?)?).ok()?;
    let fields: Vec<&str> = head.split(' ').collect();
    let ["pop3-uidlist", version @ ("1" | "2" | "3"), validity, next, rules] = fields[..] else {
        return None;
    };
    let format = version.parse().ok()?;
    let next = hex(next).filter(|next| *next > 0)?;
    let (mut found, mut ended) = (Vec::new(), false);
    for line in lines {
        let Some(text) = opened(line).filter(|_| line.len() <= 512 && !ended) else { continue };
        // An end that tells no number is a damaged line like any other.
        ended |=
            text.strip_prefix(b"end ").and_then(|count| number(core::str::from_utf8(count).ok()?)).is_some();
        found.extend(naive_line(text, format));
    }
    let (validity, rules) = (hex(validity)?, hex(rules)?);
    Some(UidList { validity, next, rules, format, lines: found, damage: (0, false) })
}

/// A list as the plan says.
fn planned(plan: &mut Plan<'_>) -> UidList {
    let mut next = || u32::from_be_bytes([plan.next() >> 4, plan.next(), plan.next(), plan.next()]);
    let (validity, first, rules) = (next(), next().max(1), next());
    let format = 1 + plan.next() % 3;
    let mut lines = Vec::new();
    while !plan.is_empty() && lines.len() < 20 {
        let flags = plan.next();
        let octets = u64::from(plan.next()) << (plan.next() % 57);
        let base: String = plan
            .piece()
            .iter()
            .take(254)
            .map(|octet| char::from(b'!' + octet % 90))
            .filter(|c| *c != ':')
            .collect();
        lines.push(UidLine {
            uid: u32::from(plan.next()) + 1,
            octets: (flags & 1 != 0).then_some(octets),
            surrogate: Some(Some(octets / 2).filter(|_| flags & 2 != 0))
                .filter(|_| format > 1 && flags & 4 != 0),
            unique_id: Some(plan.piece())
                .filter(|_| format > 2)
                .map(|octets| octets.iter().take(69).map(|octet| b'!' + octet % 94).collect::<Vec<u8>>())
                .map(|octets| [b"i", &octets[..]].concat())
                .filter(|_| flags & 8 != 0),
            size: octets,
            mtime: i64::from(flags) - 100,
            base: format!("b{base}").into_bytes(),
        });
    }
    UidList { validity, next: first, rules, format, lines, damage: (0, false) }
}

/// A list is read as a naive reader does, and what was read is written, and read again, as it is. Of a list that was damaged
/// in one place no line gives a message another number, and the damage is told.
pub fn uid_list(input: &[u8]) {
    let mut plan = Plan::new(input);
    let text = match plan.next() % 3 {
        0 => plan.rest().to_vec(),
        1 => sealed(plan.rest()),
        _ => return damaged(&mut plan),
    };
    match read_uid_list(&text) {
        // Written by a later version: the sum is right, and it must not be touched.
        Err(_) => {
            let first = text.split(|&octet| octet == b'\n').next().unwrap_or_default();
            assert!(opened(first).is_some_and(|head| head.starts_with(b"pop3-uidlist")));
        }
        Ok(None) => assert_eq!(naive_list(&text), None, "{}", text.escape_ascii()),
        Ok(Some(list)) => {
            let naive = naive_list(&text).expect("a list that a naive reader reads");
            assert_eq!(UidList { damage: (0, false), ..list.clone() }, naive, "{}", text.escape_ascii());
            let (written, ids) = write_uid_list(&list).expect("memory takes all");
            for (line, id) in list.lines.iter().zip(ids) {
                assert_eq!(id, format!("{:08x}{:08x}", list.validity, line.uid).as_bytes());
            }
            assert_eq!(read_uid_list(&written), Ok(Some(naive.clone())));
            assert_eq!(write_uid_list(&naive).expect("memory takes all").0, written);
        }
    }
}

/// The list of a previous server, of any octets or of lines that make sense, gives to names that may be messages' the ids
/// that a naive reader finds, and to nothing else.
pub fn previous_ids(input: &[u8]) {
    let mut plan = Plan::new(input);
    let kind = plan.next();
    if kind & 1 == 0 {
        let format = ["%08Xu%08Xv", "%v.%u", "%f", "%g-%u"][usize::from(kind >> 1) % 4];
        let list = plan.rest();
        assert_eq!(
            ids_of_previous(Some(format), list),
            naive_dovecot(format, list),
            "{}",
            list.escape_ascii()
        );
    } else {
        let list = plan.rest();
        assert_eq!(ids_of_previous(None, list), naive_courier(list), "{}", list.escape_ascii());
    }
}

/// The lines of a list that may say something, behind the first.
fn body(list: &[u8]) -> impl Iterator<Item = &str> {
    let lines = list.strip_suffix(b"\n").unwrap_or(list).split(|&octet| octet == b'\n').skip(1);
    lines.filter(|line| line.len() < 1024).filter_map(|line| core::str::from_utf8(line).ok())
}

fn naive_dovecot(format: &str, list: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let head = list.split(|&octet| octet == b'\n').next().unwrap_or_default();
    let head = core::str::from_utf8(&head[..head.len().min(1024)]).unwrap_or_default();
    let words: Vec<&str> = head.split_ascii_whitespace().collect();
    let validity = match words[..] {
        ["3", ..] => words[1..].iter().find(|word| word.starts_with('V')).map(|word| &word[1..]),
        ["1", validity, ..] => Some(validity),
        _ => None,
    };
    let Some(validity) = validity.and_then(|text| text.parse::<u32>().ok()) else { return Vec::new() };
    let old = words[0] == "1";
    let mut found = Vec::new();
    for line in body(list) {
        let Some((uid, rest)) = line.split_once(' ') else { continue };
        let Some(uid) = uid.parse::<u32>().ok().filter(|uid| *uid > 0) else { continue };
        let (fields, name) = match rest.split_once(" :") {
            _ if old => ("", rest),
            _ if rest.starts_with(':') => ("", &rest[1..]),
            Some(parts) => parts,
            None => continue,
        };
        let Some(base) = naive_base(name.as_bytes()) else { continue };
        let text = core::str::from_utf8(base).expect("a part of a text");
        let field =
            |letter| fields.split(' ').find(|field| field.starts_with(letter)).map(|field| &field[1..]);
        let id = field('P').map(str::to_owned).unwrap_or_else(|| match format {
            "%v.%u" => format!("{validity}.{uid}"),
            "%f" => text.to_owned(),
            "%g-%u" => format!("{}-{uid}", field('G').unwrap_or(text)),
            _ => format!("{uid:08x}{validity:08x}"),
        });
        found.push((base.to_vec(), id.into_bytes()));
    }
    found
}

fn naive_courier(list: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let head = list.split(|&octet| octet == b'\n').next().unwrap_or_default();
    let head = core::str::from_utf8(&head[..head.len().min(1024)]).unwrap_or_default();
    if !head.starts_with('/') || !matches!(head[1..].split_ascii_whitespace().next(), Some("2" | "3")) {
        return Vec::new();
    }
    let mut found = Vec::new();
    for line in body(list) {
        let words: Vec<&str> = line.split(' ').collect();
        let [name @ .., _, id] = &words[..] else { continue };
        let Some(base) = Some(name.join(" ")).filter(|_| !name.is_empty()) else { continue };
        let Some(base) = naive_base(base.as_bytes()) else { continue };
        let mut numbers = id.split(':').map(|number| number.parse::<u64>());
        let (Some(Ok(number)), Some(Ok(validity))) = (numbers.next(), numbers.next()) else { continue };
        let id: String = match (number, validity) {
            (0, _) => base.iter().fold(String::new(), |id, octet| match octet {
                b'!' | b'#'..=b'&' | b'('..=b'*' | b','..=b'~' => id + &char::from(*octet).to_string(),
                _ => id + &format!("+{octet:02X}"),
            }),
            (_, 0) => format!("UID{number}"),
            _ => format!("UID{number}-{validity}"),
        };
        found.push((base.to_vec(), id.into_bytes()));
    }
    found
}

fn damaged(plan: &mut Plan<'_>) {
    let (at, change) = (usize::from(plan.next()) << 8 | usize::from(plan.next()), plan.next());
    let list = planned(plan);
    let (mut text, _) = write_uid_list(&list).expect("memory takes all");
    assert_eq!(read_uid_list(&text), Ok(Some(list.clone())));
    let (at, head) = (at % text.len(), text.iter().position(|&octet| octet == b'\n').expect("a line"));
    if change == 0 {
        text.truncate(at);
    } else {
        text[at] ^= change;
    }
    match read_uid_list(&text) {
        Ok(Some(read)) => {
            assert!(at >= head, "a damaged head was believed");
            assert_eq!((read.validity, read.next), (list.validity, list.next));
            assert!(read.lines.iter().all(|line| list.lines.contains(line)), "a line was made up");
            let last = change == 0 && at + 1 == text.len() + 1 && text.ends_with(b"\n")
                || read.lines.len() == list.lines.len();
            assert!(read.damage != (0, false) || last, "damage was not told");
            assert!(
                read.lines.len() == list.lines.len() || read.damage != (0, false),
                "a line was lost in silence"
            );
        }
        other => assert!(at <= head, "{other:?}"),
    }
}

/// Marks these messages.
struct Marks(Vec<(MessageNumber, u64, Vec<u8>)>);

impl Marked for Marks {
    fn for_each_marked(&self, each: &mut dyn FnMut(Message<'_>)) {
        for (number, octets, id) in &self.0 {
            each(Message::new(*number, *octets, id));
        }
    }
}

/// Octets and id of each message.
type Listed = Vec<(u64, Vec<u8>)>;

/// Opens the maildrop and lists octets and id of each message. `None`: it is refused, as a list of a later version is.
fn scan(store: &MaildirStore) -> Option<(Box<impl Maildrop + use<>>, Listed)> {
    let mut maildrop =
        Box::new(store.open(&Identity::new("u"), &OpenContext::new(None)).expect("nobody has the lock"));
    let mut found = Vec::new();
    maildrop
        .scan(&mut |meta| {
            found.push((meta.octets, meta.unique_id.to_vec()));
            Ok(())
        })
        .ok()?;
    Some((maildrop, found))
}

/// A folder of files and a list of any octets: each file that can be a message is one, with its octets; ids are sixteen
/// digits, differ, and stay; whatever is then done to the list, no message is ever given the id of another, and one that
/// was removed and comes back has a new one.
pub fn maildir(input: &[u8]) {
    let mut plan = Plan::new(input);
    let scratch = Scratch::new();
    let root = scratch.path().join("u");
    for folder in ["cur", "new", "tmp"] {
        fs::create_dir_all(root.join(folder)).expect("a folder");
    }
    // Each base has octets of its own, by which the message is known again.
    let mut octets: BTreeMap<Vec<u8>, u64> = BTreeMap::new();
    for _ in 0..plan.below(6) {
        let folder = if plan.next() & 1 == 0 { "cur" } else { "new" };
        let name = plan.piece();
        let Ok(text) = core::str::from_utf8(name) else { continue };
        if text.is_empty() || text == "." || text == ".." || text.contains(['/', '\0']) || name.len() > 255 {
            continue;
        }
        let next = 6 + 2 * octets.len();
        let lines = octets
            .get(naive_base(name).unwrap_or_default())
            .map_or(next, |octets| usize::try_from(*octets).expect("few"));
        fs::write(root.join(folder).join(text), [b"\r\n", &b"a".repeat(lines - 4)[..], b"\r\n"].concat())
            .expect("a file");
        // A file that begins with a dot is none of a mail program's.
        if let Some(base) = naive_base(name).filter(|base| !base.starts_with(b".")) {
            octets.insert(base.to_vec(), lines as u64);
        }
    }
    let list = root.join("pop3-uidlist");
    let kind = plan.next();
    let text = plan.piece();
    match kind % 3 {
        0 => {}
        1 => fs::write(&list, text).expect("a file"),
        _ => fs::write(&list, sealed(text)).expect("a file"),
    }
    let store = MaildirStore::new(scratch.path().join("{user}")).expect("a template");
    let Some((maildrop, first)) = scan(&store) else { return };
    drop(maildrop);
    let told: BTreeSet<u64> = first.iter().map(|(octets, _)| *octets).collect();
    // A list with right sums is believed; its octets too.
    if kind % 3 != 2 {
        assert_eq!(told, octets.values().copied().collect());
    }
    assert_eq!(first.len(), octets.len(), "{first:?} {octets:?}");
    let ids = |found: &[(u64, Vec<u8>)]| found.iter().map(|(_, id)| id.clone()).collect::<BTreeSet<_>>();
    assert_eq!(ids(&first).len(), first.len());
    // A list with right sums may hold ids of a previous server.
    assert!(
        kind % 3 == 2
            || ids(&first)
                .iter()
                .all(|id| id.len() == 16 && id.iter().all(|digit| b"0123456789abcdef".contains(digit)))
    );
    let Some((maildrop, again)) = scan(&store) else { panic!("a list of its own is refused") };
    assert_eq!(again, first, "ids do not stay");
    drop(maildrop);
    if kind % 3 == 2 {
        return; // who can make sums can make the list say what they like
    }
    // Damage in one place.
    let mut owner: BTreeMap<Vec<u8>, u64> = first.iter().map(|(octets, id)| (id.clone(), *octets)).collect();
    let mut same = |found: &[(u64, Vec<u8>)]| {
        assert_eq!(ids(found).len(), found.len());
        for (octets, id) in found {
            assert_eq!(*owner.entry(id.clone()).or_insert(*octets), *octets, "an id of another message");
        }
    };
    if let Ok(mut text) = fs::read(&list) {
        let (at, change) = (usize::from(plan.next()) << 8 | usize::from(plan.next()), plan.next());
        let at = at % text.len();
        if change == 0 {
            text.truncate(at);
        } else {
            text[at] ^= change;
        }
        fs::write(&list, text).expect("a file");
    }
    let Some((maildrop, found)) = scan(&store) else { panic!("damage is no reason to refuse") };
    assert_eq!(found.iter().map(|(octets, _)| *octets).collect::<BTreeSet<_>>(), told);
    same(&found);
    // One is removed, and comes back.
    let Some((octets, id)) = found.first().cloned() else { return };
    let marks = Marks(vec![(MessageNumber::FIRST, octets, id.clone())]);
    assert_eq!(maildrop.commit(&marks).expect("a message is removed").removed, 1);
    let left = |folder: &str| fs::read_dir(root.join(folder)).expect("a folder").count();
    let before = (left("cur"), left("new"));
    let Some((maildrop, rest)) = scan(&store) else { panic!("a list of its own is refused") };
    drop(maildrop);
    assert_eq!(rest.len(), found.len() - 1, "{before:?}");
    same(&rest);
    assert!(!ids(&rest).contains(&id), "an id of a message that is gone");
    fs::write(root.join("new").join("1.back.h"), [&b"a".repeat(300)[..], b"\r\n"].concat()).expect("a file");
    let Some((maildrop, found)) = scan(&store) else { panic!("a list of its own is refused") };
    drop(maildrop);
    assert!(!ids(&found).contains(&id), "an id of a message that is gone");
    same(&found);
    assert!(!Path::new(&root).join("pop3-uidlist.new").exists());
}
