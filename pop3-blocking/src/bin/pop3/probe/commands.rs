//! Lines that a client should not send: they are refused, and nothing else happens.

use super::case::{Case, Checked, Level, Need, PASS, Problem, note};
use super::facts::Facts;
use super::kit::Kit;
use super::link::Link;

pub(super) const CASES: &[Case] = &[
    Case {
        id: "command-case",
        rows: "R1939-3.1",
        title: "keywords may be in upper or lower case",
        level: Level::Must,
        needs: &[],
        check: any_case,
    },
    Case {
        id: "command-unknown",
        rows: "R1939-3.12",
        title: "an unknown command is refused, and the session goes on",
        level: Level::Must,
        needs: &[],
        check: unknown,
    },
    Case {
        id: "command-prefix",
        rows: "R1939-3.1 R1939-3.12 PB-S21",
        title: "a keyword is known whole: no letter more, none less",
        level: Level::Must,
        needs: &[],
        check: prefix,
    },
    Case {
        id: "command-empty",
        rows: "R1939-3.12 PB-S20",
        title: "an empty line is refused",
        level: Level::Must,
        needs: &[],
        check: empty,
    },
    Case {
        id: "command-odd",
        rows: "R1939-3.12 PB-S20 PB-S23",
        title: "odd lines are refused: a colon, formats, octets over 7F",
        level: Level::Must,
        needs: &[],
        check: odd,
    },
    Case {
        id: "command-nul",
        rows: "R1939-3.12 PB-S19",
        title: "a command with NUL in it is refused",
        level: Level::Must,
        needs: &[],
        check: nul,
    },
    Case {
        id: "command-cr",
        rows: "R1939-3.1 R1939-3.12 PB-S22",
        title: "a command with CR in it is refused",
        level: Level::Must,
        needs: &[],
        check: inner_cr,
    },
    Case {
        id: "command-bare-lf",
        rows: "R1939-3.1 PB-Q53",
        title: "a line that ends with LF alone: no command, or one",
        level: Level::Note,
        needs: &[],
        check: bare_lf,
    },
    Case {
        id: "command-blanks",
        rows: "R1939-3.1 PB-Q53",
        title: "blanks before, behind and between",
        level: Level::Note,
        needs: &[Need::Messages(1)],
        check: blanks,
    },
    Case {
        id: "command-missing-argument",
        rows: "R1939-3.12 PB-S20",
        title: "RETR, TOP, TOP 1 and USER without their arguments are refused",
        level: Level::Must,
        needs: &[],
        check: missing_argument,
    },
    Case {
        id: "command-extra-argument",
        rows: "R1939-3.12",
        title: "STAT 1, NOOP 1, RETR 1 1 and the like are refused",
        level: Level::Must,
        needs: &[Need::Messages(1)],
        check: extra_argument,
    },
    Case {
        id: "command-removed",
        rows: "R1939-3.12 PB-Q58",
        title: "LAST, RPOP and XTND are refused",
        level: Level::Should,
        needs: &[],
        check: removed,
    },
    Case {
        id: "command-split",
        rows: "R1939-3.9 PB-S16",
        title: "a command may come octet by octet",
        level: Level::Must,
        needs: &[],
        check: split,
    },
    Case {
        id: "state-before-login",
        rows: "R1939-3.13 R8314-3.1 RDM-2.1f",
        title: "STAT, LIST, RETR, TOP, UIDL, NOOP, RSET are refused before the login",
        level: Level::Must,
        needs: &[],
        check: too_early,
    },
    Case {
        id: "state-after-login",
        rows: "R1939-3.13 R5034-4.1 R2595-4.2",
        title: "USER, PASS, APOP, AUTH and STLS are refused after the login",
        level: Level::Must,
        needs: &[],
        check: too_late,
    },
];

/// Something harmless, to see whether the next reply is in step.
pub(super) fn goes_on(link: &mut Link, facts: &Facts) -> Result<(), Problem> {
    if !link.is_logged_in && facts.before.is_some() {
        let list = link.list("CAPA")?;
        return link.expect(list.reply.is_ok(), "the reply to CAPA");
    }
    let reply = link.ask("NOOP")?;
    link.expect(reply.is_ok() || reply.is_err(), "the reply to NOOP")?;
    link.expect(!link.has_unread(), "one reply to NOOP")
}

/// All of these lines are refused in the session, and each time it goes on.
fn all_refused(kit: &mut Kit, lines: &[&[u8]]) -> Checked {
    kit.in_session(|link, facts| {
        for line in lines {
            link.refused(line)?;
            goes_on(link, facts)?;
        }
        PASS
    })
}

fn any_case(kit: &mut Kit) -> Checked {
    kit.in_session(|link, _| {
        for command in ["sTaT", "noop"] {
            let reply = link.ask(command)?;
            link.expect(reply.is_ok(), "+OK")?;
        }
        PASS
    })
}

fn unknown(kit: &mut Kit) -> Checked {
    let facts = kit.facts.clone();
    kit.before_login(|link| {
        link.refused(b"XYZZY")?;
        goes_on(link, &facts).and(PASS)
    })?;
    if facts.method.is_none() {
        return PASS;
    }
    all_refused(kit, &[b"XYZZY", b"XYZZY 1 2"])
}

fn prefix(kit: &mut Kit) -> Checked {
    all_refused(kit, &[b"STATX", b"STA", b"NOOPS", b"NOO", b"LISTS", b"LIS"])
}

fn empty(kit: &mut Kit) -> Checked {
    all_refused(kit, &[b""])
}

fn odd(kit: &mut Kit) -> Checked {
    all_refused(kit, &[b":", b"%s%n", b"\xc3\xa9\xff", b"\x1b[2J", b"..", b"."])
}

fn nul(kit: &mut Kit) -> Checked {
    all_refused(kit, &[b"NOOP\0", b"STAT\0x", b"\0NOOP", b"NO\0OP"])
}

fn inner_cr(kit: &mut Kit) -> Checked {
    all_refused(kit, &[b"NO\rOP", b"\rNOOP", b"NOOP\r"])
}

fn bare_lf(kit: &mut Kit) -> Checked {
    kit.in_session(|link, _| {
        link.send(b"NOOP\nNOOP\r\nSTAT\r\n");
        let first = link.reply()?;
        let second = link.reply()?;
        let counted = |text: &[u8]| text.first().is_some_and(u8::is_ascii_digit);
        match (first.is_ok(), second.is_ok()) {
            (false, true) if counted(second.text()) => {
                note("LF ends no line: the line is refused at its CRLF")
            }
            (true, true) if !counted(second.text()) => {
                let third = link.reply()?;
                link.expect(third.is_ok(), "+OK to STAT")?;
                note("LF ends a line too")
            }
            _ => Err(link.broken("one refusal, or a reply to each NOOP, and then that to STAT")),
        }
    })
}

fn blanks(kit: &mut Kit) -> Checked {
    kit.in_session(|link, _| {
        let mut taken = Vec::new();
        for (name, line) in [
            ("in front", " NOOP"),
            ("behind", "NOOP "),
            ("two between", "LIST  1"),
            ("a tab between", "LIST\t1"),
            ("behind a number", "LIST 1 "),
        ] {
            if link.ask(line)?.is_ok() {
                taken.push(name);
            }
        }
        note(if taken.is_empty() { "all refused".to_owned() } else { format!("taken: {}", taken.join(", ")) })
    })
}

fn missing_argument(kit: &mut Kit) -> Checked {
    let facts = kit.facts.clone();
    if facts.methods().contains(&pop3_blocking::client::Method::UserPass) {
        kit.before_login(|link| {
            link.refused(b"USER")?;
            goes_on(link, &facts).and(PASS)
        })?;
    }
    all_refused(kit, &[b"RETR", b"TOP", b"TOP 1"])
}

fn extra_argument(kit: &mut Kit) -> Checked {
    all_refused(kit, &[b"STAT 1", b"NOOP 1", b"RSET 1", b"LIST 1 1", b"RETR 1 1", b"TOP 1 0 0"])
}

fn removed(kit: &mut Kit) -> Checked {
    all_refused(kit, &[b"LAST", b"XTND XMIT"])?;
    let facts = kit.facts.clone();
    kit.before_login(|link| {
        link.refused(b"RPOP probe")?;
        goes_on(link, &facts).and(PASS)
    })
}

fn split(kit: &mut Kit) -> Checked {
    kit.in_session(|link, _| {
        link.send_singly(b"STAT\r\nNOOP\r\n");
        for _ in 0..2 {
            let reply = link.reply()?;
            link.expect(reply.is_ok(), "+OK to each command")?;
        }
        PASS
    })
}

fn too_early(kit: &mut Kit) -> Checked {
    // Some servers close after a few: one connection for two commands each.
    let facts = kit.facts.clone();
    let commands: [&[u8]; 7] = [b"STAT", b"LIST", b"RETR 1", b"TOP 1 0", b"UIDL", b"NOOP", b"RSET"];
    for two in commands.chunks(2) {
        kit.before_login(|link| {
            for command in two {
                link.refused(command)?;
            }
            if facts.before.is_some() {
                goes_on(link, &facts)?;
            }
            PASS
        })?;
    }
    PASS
}

fn too_late(kit: &mut Kit) -> Checked {
    all_refused(
        kit,
        &[
            b"USER probe",
            b"PASS probe",
            b"APOP probe 00000000000000000000000000000000",
            b"AUTH PLAIN",
            b"STLS",
        ],
    )
}
