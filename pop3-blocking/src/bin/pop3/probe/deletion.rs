//! `DELE`, `RSET` and what `QUIT` makes of them: only with `--destructive`.

use std::collections::BTreeMap;

use pop3_blocking::pop3_proto::DropListing;

use super::case::{Case, Checked, Level, Need, PASS, Problem, note};
use super::kit::{GRACE, Kit};
use super::link::Link;
use super::listing::{scan, unique_ids};

pub(super) const CASES: &[Case] = &[
    Case {
        id: "dele-marks",
        rows: "R1939-5.1 R1939-5.3 R1939-4.6 PB-S01 PB-S02",
        title: "a marked message is gone from STAT, LIST and UIDL; the others keep their numbers",
        level: Level::Must,
        needs: &[Need::Destructive, Need::Messages(3)],
        check: marks,
    },
    Case {
        id: "dele-hides",
        rows: "R1939-5.5 R1939-5.8 PB-S02 PB-Q38",
        title: "LIST, RETR, TOP, UIDL and DELE of a marked message are refused",
        level: Level::Must,
        needs: &[Need::Destructive, Need::Messages(3)],
        check: hides,
    },
    Case {
        id: "dele-reset",
        rows: "R1939-5.9 PB-S29",
        title: "RSET takes all marks away",
        level: Level::Must,
        needs: &[Need::Destructive, Need::Messages(3)],
        check: reset,
    },
    Case {
        id: "dele-no-number",
        rows: "R1939-4.7 R1939-3.12 R1939-5.5 PB-S03",
        title: "DELE of what is no message marks nothing",
        level: Level::Must,
        needs: &[Need::Destructive, Need::Messages(3)],
        check: no_number,
    },
    Case {
        id: "dele-nul",
        rows: "R1939-3.12 PB-S19",
        title: "DELE 1 with NUL and more behind it marks nothing",
        level: Level::Must,
        needs: &[Need::Destructive, Need::Messages(3)],
        check: nul,
    },
    Case {
        id: "dele-lost-connection",
        rows: "R1939-6.3 R1939-4.8 PB-S33",
        title: "a connection that is lost removes nothing",
        level: Level::Must,
        needs: &[Need::Destructive, Need::Messages(3)],
        check: lost_connection,
    },
    Case {
        id: "dele-half-close",
        rows: "R1939-6.3 RP-CLOSE.4 PB-S33",
        title: "the end of the client's side without QUIT removes nothing",
        level: Level::Must,
        needs: &[Need::Destructive, Need::Messages(3)],
        check: half_close,
    },
    Case {
        id: "dele-quit-cut",
        rows: "R1939-6.3 PB-S33",
        title: "QUIT without its CRLF removes nothing",
        level: Level::Must,
        needs: &[Need::Destructive, Need::Messages(3)],
        check: quit_cut,
    },
    Case {
        id: "dele-quit",
        rows: "R1939-6.1 R1939-6.2 R1939-7.3",
        title: "QUIT removes what is marked and nothing else",
        level: Level::Must,
        needs: &[Need::Destructive, Need::Messages(3)],
        check: quit,
    },
];

fn dele(link: &mut Link, number: u32) -> Result<(), Problem> {
    let reply = link.ask(&format!("DELE {number}"))?;
    link.expect(reply.is_ok(), "+OK")
}

fn without(mut sizes: BTreeMap<u32, u64>, number: u32) -> BTreeMap<u32, u64> {
    sizes.remove(&number);
    sizes
}

fn marks(kit: &mut Kit) -> Checked {
    kit.in_own_session(|link, facts| {
        let left = without(scan(link)?, 1);
        dele(link, 1)?;
        let after = scan(link)?;
        link.expect(after == left, "all messages but 1, under their old numbers")?;
        let reply = link.ask("STAT")?;
        let sum: u64 = left.values().sum();
        let stat = DropListing::parse(reply.text());
        let same = stat.is_some_and(|stat| stat.messages as usize == left.len() && stat.octets == Some(sum));
        link.expect(same, format!("{} messages of {sum} octets", left.len()))?;
        if facts.announces("UIDL") {
            let ids = unique_ids(link)?;
            link.expect(ids.keys().eq(left.keys()), "all messages but 1, under their old numbers")?;
        }
        PASS
    })
}

fn hides(kit: &mut Kit) -> Checked {
    kit.in_own_session(|link, facts| {
        dele(link, 1)?;
        link.refused(b"LIST 1")?;
        let body = link.body("RETR 1")?;
        link.expect(body.reply.is_err(), "-ERR")?;
        if facts.announces("TOP") {
            let body = link.body("TOP 1 0")?;
            link.expect(body.reply.is_err(), "-ERR")?;
        }
        if facts.announces("UIDL") {
            link.refused(b"UIDL 1")?;
        }
        link.refused(b"DELE 1")?;
        PASS
    })
}

fn reset(kit: &mut Kit) -> Checked {
    kit.in_own_session(|link, _| {
        let before = scan(link)?;
        dele(link, 1)?;
        dele(link, 2)?;
        let reply = link.ask("RSET")?;
        link.expect(reply.is_ok(), "+OK")?;
        let after = scan(link)?;
        link.expect(before == after, "all messages again")?;
        PASS
    })
}

/// None of these commands marks anything.
fn nothing(kit: &mut Kit, commands: &[Vec<u8>]) -> Checked {
    kit.in_own_session(|link, _| {
        let before = scan(link)?;
        for command in commands {
            link.refused(command)?;
            let after = scan(link)?;
            link.expect(before == after, "all messages still")?;
        }
        PASS
    })
}

fn no_number(kit: &mut Kit) -> Checked {
    let beyond = format!("DELE {}", u64::from(kit.facts.last()) + 1);
    let commands =
        ["DELE", "DELE 0", "DELE -1", "DELE +1", "DELE 4294967297", "DELE 1x", "DELE 1 2", &beyond];
    nothing(kit, &commands.map(|command| command.as_bytes().to_vec()))
}

fn nul(kit: &mut Kit) -> Checked {
    nothing(kit, &[b"DELE 1\0".to_vec(), b"DELE 1\0x".to_vec()])
}

/// Marks message 1, ends the session by `end`, and looks whether all messages are there in the next.
fn survives(kit: &mut Kit, end: impl FnOnce(&mut Link)) -> Checked {
    let (before, ids) = (kit.facts.sizes.clone(), kit.facts.unique_ids.clone());
    let mut link = kit.log_in()?;
    if let Err(problem) = dele(&mut link, 1) {
        kit.part(link);
        return Err(problem);
    }
    end(&mut link);
    kit.in_own_session(|link, _| {
        let after = scan(link)?;
        link.expect(after.len() >= before.len(), "all messages still")?;
        if !ids.is_empty() {
            let after = unique_ids(link)?;
            link.expect(ids.iter().all(|(number, id)| after.get(number) == Some(id)), "all messages still")?;
        }
        PASS
    })
}

fn lost_connection(kit: &mut Kit) -> Checked {
    survives(kit, Link::vanish)
}

fn half_close(kit: &mut Kit) -> Checked {
    survives(kit, |link| link.close(Some(GRACE)))
}

fn quit_cut(kit: &mut Kit) -> Checked {
    survives(kit, |link| {
        link.send(b"QUIT");
        link.close(Some(GRACE));
    })
}

fn quit(kit: &mut Kit) -> Checked {
    let mut link = kit.log_in()?;
    let outcome = remove_last(&mut link);
    let (last, sizes, ids) = match outcome {
        Ok(before) => before,
        Err(problem) => {
            kit.part(link);
            return Err(problem);
        }
    };
    drop(link);
    let done = kit.in_own_session(|link, facts| {
        let after = scan(link)?;
        link.expect(after.len() + 1 == sizes.len(), format!("all messages but {last}"))?;
        if facts.announces("UIDL") {
            let left: Vec<Vec<u8>> = unique_ids(link)?.into_values().collect();
            let gone = ids.get(&last).cloned().unwrap_or_default();
            let rest = ids.iter().filter(|&(&number, _)| number != last).map(|(_, id)| id);
            link.expect(!left.contains(&gone) && rest.eq(&left), format!("all messages but {last}"))?;
        }
        note(format!("message {last} was removed"))
    });
    kit.look_again()?;
    done
}

/// The last message of a maildrop, and the octets and unique-ids of all.
type Before = (u32, BTreeMap<u32, u64>, BTreeMap<u32, Vec<u8>>);

fn remove_last(link: &mut Link) -> Result<Before, Problem> {
    let sizes = scan(link)?;
    let ids = unique_ids(link).unwrap_or_default();
    let last = sizes.last_key_value().map_or(1, |(&number, _)| number);
    dele(link, last)?;
    let reply = link.ask("QUIT")?;
    link.expect(reply.is_ok(), "+OK")?;
    link.end(GRACE);
    Ok((last, sizes, ids))
}
