//! `STAT`, `LIST` and `UIDL`: what they say of the maildrop, and whether they agree.

use std::collections::{BTreeMap, BTreeSet};

use pop3_blocking::pop3_proto::{DropListing, ScanListing, UniqueId, UniqueIdListing, parse_number};

use super::case::{Case, Checked, Level, Need, PASS, Problem, skip};
use super::kit::Kit;
use super::link::{Line, Link};

pub(super) const CASES: &[Case] = &[
    Case {
        id: "stat-form",
        rows: "R1939-5.1 PB-S11",
        title: "STAT gives two numbers",
        level: Level::Must,
        needs: &[],
        check: stat_form,
    },
    Case {
        id: "stat-no-more",
        rows: "R1939-5.1",
        title: "STAT gives nothing behind the two numbers",
        level: Level::Should,
        needs: &[],
        check: stat_no_more,
    },
    Case {
        id: "stat-agrees",
        rows: "R1939-5.1 R1939-5.3",
        title: "STAT counts the messages and octets that LIST shows",
        level: Level::Must,
        needs: &[],
        check: stat_agrees,
    },
    Case {
        id: "list-form",
        rows: "R1939-5.3",
        title: "each line of LIST is a number, one blank, octets, and nothing else",
        level: Level::Must,
        needs: &[],
        check: list_form,
    },
    Case {
        id: "list-numbers",
        rows: "R1939-4.6",
        title: "messages are numbered 1, 2, 3 and so on",
        level: Level::Must,
        needs: &[],
        check: list_numbers,
    },
    Case {
        id: "list-one",
        rows: "R1939-5.3 PB-S44",
        title: "LIST n gives number and octets on the first line, as LIST does",
        level: Level::Must,
        needs: &[Need::Messages(1)],
        check: list_one,
    },
    Case {
        id: "list-again",
        rows: "R1939-4.6 PB-S29",
        title: "LIST says the same after RSET",
        level: Level::Must,
        needs: &[],
        check: list_again,
    },
    Case {
        id: "uidl-form",
        rows: "R1939-7.2",
        title: "each line of UIDL is a number, one blank, 1 to 70 octets of 21 to 7E",
        level: Level::Must,
        needs: &[Need::Messages(1)],
        check: uidl_form,
    },
    Case {
        id: "uidl-numbers",
        rows: "R1939-7.2 R1939-5.3",
        title: "UIDL names the messages that LIST names",
        level: Level::Must,
        needs: &[Need::Messages(1)],
        check: uidl_numbers,
    },
    Case {
        id: "uidl-unique",
        rows: "R1939-7.3 PB-S42",
        title: "no two messages have the same unique-id",
        level: Level::Must,
        needs: &[Need::Messages(2)],
        check: uidl_unique,
    },
    Case {
        id: "uidl-one",
        rows: "R1939-7.2 PB-S44",
        title: "UIDL n gives number and unique-id on the first line, as UIDL does",
        level: Level::Must,
        needs: &[Need::Messages(1)],
        check: uidl_one,
    },
    Case {
        id: "uidl-persistent",
        rows: "R1939-7.3 PB-S42",
        title: "unique-ids are the same in another session",
        level: Level::Must,
        needs: &[Need::Messages(1)],
        check: uidl_persistent,
    },
    Case {
        id: "uidl-no-number",
        rows: "R1939-7.3 PB-S42",
        title: "unique-ids are more than the numbers of the messages",
        level: Level::Should,
        needs: &[Need::Messages(1)],
        check: uidl_no_number,
    },
    Case {
        id: "list-empty",
        rows: "R1939-3.10",
        title: "LIST and UIDL of an empty maildrop: +OK and the final dot",
        level: Level::Must,
        needs: &[],
        check: list_empty,
    },
];

fn stat(link: &mut Link) -> Result<DropListing, Problem> {
    let reply = link.ask("STAT")?;
    let numbers: Vec<&[u8]> = reply.text().split(|&octet| octet == b' ').collect();
    let stat = match numbers.as_slice() {
        [count, octets, ..] if parse_number(octets).is_some() => {
            parse_number(count).and_then(|_| DropListing::parse(reply.text()))
        }
        _ => None,
    };
    stat.filter(|_| reply.is_ok()).ok_or_else(|| link.broken("+OK, a blank, messages, a blank, octets"))
}

/// The lines of LIST that can be read.
pub(super) fn scan(link: &mut Link) -> Result<BTreeMap<u32, u64>, Problem> {
    let list = link.list("LIST")?;
    link.expect(list.reply.is_ok(), "+OK")?;
    let lines = list.lines.iter().filter_map(|line| ScanListing::parse(&line.octets));
    Ok(lines.map(|listing| (listing.number.get(), listing.octets)).collect())
}

/// The lines of UIDL that can be read.
pub(super) fn unique_ids(link: &mut Link) -> Result<BTreeMap<u32, Vec<u8>>, Problem> {
    let list = link.list("UIDL")?;
    if !list.reply.is_ok() {
        return skip("the server has no UIDL");
    }
    let lines = list.lines.iter().filter_map(|line| UniqueIdListing::parse(&line.octets));
    Ok(lines.map(|listing| (listing.number.get(), listing.unique_id.as_bytes().to_vec())).collect())
}

fn stat_form(kit: &mut Kit) -> Checked {
    kit.in_session(|link, _| stat(link).and(PASS))
}

fn stat_no_more(kit: &mut Kit) -> Checked {
    kit.in_session(|link, _| {
        let reply = link.ask("STAT")?;
        let words = reply.text().split(|&octet| octet == b' ').count();
        link.expect(words <= 2, "two numbers")?;
        PASS
    })
}

fn stat_agrees(kit: &mut Kit) -> Checked {
    kit.in_session(|link, _| {
        let reply = link.ask("STAT")?;
        let stat = DropListing::parse(reply.text());
        let Some((messages, octets)) = stat.and_then(|stat| Some((stat.messages, stat.octets?))) else {
            return skip("STAT cannot be read");
        };
        let sizes = scan(link)?;
        let sum: u64 = sizes.values().sum();
        let count = u64::from(messages);
        let same = count == sizes.len() as u64 && octets == sum;
        link.expect(
            same,
            format!("{count} messages of {octets} octets, as STAT says, not {} of {sum}", sizes.len()),
        )?;
        PASS
    })
}

/// Whether a line is a number, one blank, and what `rest` takes.
fn is_line(line: &Line, rest: impl Fn(&[u8]) -> bool) -> bool {
    let mut words = line.octets.splitn(2, |&octet| octet == b' ');
    let number = words.next().and_then(parse_number).is_some_and(|number| number > 0);
    number && words.next().is_some_and(rest)
}

fn list_form(kit: &mut Kit) -> Checked {
    kit.in_session(|link, _| {
        let list = link.list("LIST")?;
        link.expect(list.reply.is_ok(), "+OK")?;
        let odd = list.lines.iter().find(|line| !is_line(line, |octets| parse_number(octets).is_some()));
        let shown = odd.map(|line| line.octets.escape_ascii().to_string()).unwrap_or_default();
        link.expect(odd.is_none(), format!("number and octets, not \"{shown}\""))?;
        PASS
    })
}

fn list_numbers(kit: &mut Kit) -> Checked {
    kit.in_session(|link, _| {
        let sizes = scan(link)?;
        link.expect(
            sizes.keys().zip(1..).all(|(&number, place)| number == place),
            "numbers from 1 without a gap",
        )?;
        PASS
    })
}

fn list_one(kit: &mut Kit) -> Checked {
    kit.in_session(|link, _| {
        let sizes = scan(link)?;
        let last = sizes.last_key_value().map_or(1, |(&number, _)| number);
        for number in BTreeSet::from([1, last]) {
            let reply = link.ask(&format!("LIST {number}"))?;
            let octets = sizes.get(&number).copied().unwrap_or(0);
            let same = reply.text() == format!("{number} {octets}").as_bytes();
            link.expect(reply.is_ok() && same, format!("+OK {number} {octets}"))?;
        }
        PASS
    })
}

fn list_again(kit: &mut Kit) -> Checked {
    kit.in_session(|link, _| {
        let before = scan(link)?;
        let reply = link.ask("RSET")?;
        link.expect(reply.is_ok(), "+OK")?;
        let after = scan(link)?;
        link.expect(before == after, "the same list")?;
        PASS
    })
}

fn uidl_form(kit: &mut Kit) -> Checked {
    kit.in_session(|link, _| {
        let list = link.list("UIDL")?;
        if !list.reply.is_ok() {
            return skip("the server has no UIDL");
        }
        let good = |id: &[u8]| UniqueId::new(id).is_some_and(|id| id.is_conformant());
        let odd = list.lines.iter().find(|line| !is_line(line, good));
        let shown = odd.map(|line| line.octets.escape_ascii().to_string()).unwrap_or_default();
        link.expect(odd.is_none(), format!("number and unique-id, not \"{shown}\""))?;
        PASS
    })
}

fn uidl_numbers(kit: &mut Kit) -> Checked {
    kit.in_session(|link, _| {
        let sizes = scan(link)?;
        let ids = unique_ids(link)?;
        link.expect(ids.keys().eq(sizes.keys()), "the numbers that LIST gives")?;
        PASS
    })
}

fn uidl_unique(kit: &mut Kit) -> Checked {
    kit.in_session(|link, _| {
        let ids = unique_ids(link)?;
        let different: BTreeSet<&Vec<u8>> = ids.values().collect();
        link.expect(different.len() == ids.len(), "a unique-id for each message")?;
        PASS
    })
}

fn uidl_one(kit: &mut Kit) -> Checked {
    kit.in_session(|link, _| {
        let ids = unique_ids(link)?;
        for (number, id) in ids.iter().take(1).chain(ids.iter().next_back()) {
            let reply = link.ask(&format!("UIDL {number}"))?;
            let expected = [number.to_string().as_bytes(), b" ", id].concat();
            link.expect(
                reply.is_ok() && reply.text() == expected,
                format!("+OK {}", expected.escape_ascii()),
            )?;
        }
        PASS
    })
}

fn uidl_persistent(kit: &mut Kit) -> Checked {
    let before = kit.facts.unique_ids.clone();
    if before.is_empty() {
        return skip("the server has no UIDL");
    }
    kit.in_own_session(|link, _| {
        let after = unique_ids(link)?;
        // New mail may have come behind.
        let same = before.iter().all(|(number, id)| after.get(number) == Some(id));
        link.expect(same, "the unique-ids of the session before")?;
        PASS
    })
}

fn uidl_no_number(kit: &mut Kit) -> Checked {
    kit.in_session(|link, _| {
        let ids = unique_ids(link)?;
        let mere = |(number, id): (&u32, &Vec<u8>)| id == number.to_string().as_bytes();
        link.expect(!ids.iter().all(mere), "what is not only the number")?;
        PASS
    })
}

fn list_empty(kit: &mut Kit) -> Checked {
    if kit.facts.method.is_some() && kit.facts.messages() > 0 {
        return skip("the maildrop is not empty");
    }
    kit.in_session(|link, facts| {
        for command in ["LIST", "UIDL"] {
            if command == "LIST" || facts.announces(command) {
                let list = link.list(command)?;
                link.expect(list.reply.is_ok() && list.lines.is_empty(), "+OK and the final dot")?;
            }
        }
        PASS
    })
}
