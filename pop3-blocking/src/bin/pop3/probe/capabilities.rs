//! `CAPA`: its form, and whether what it announces is there.

use pop3_blocking::pop3_proto::{Capability, FIRST_LINE_OCTETS, MechanismName, parse_number};

use super::case::{Case, Checked, Level, Need, PASS, Problem, note, skip};
use super::kit::{Kit, is_capability};
use super::link::{Link, List};

pub(super) const CASES: &[Case] = &[
    Case {
        id: "capa-before-login",
        rows: "R2449-5.1",
        title: "CAPA is answered before the login",
        level: Level::Must,
        needs: &[Need::Capa],
        check: before_login,
    },
    Case {
        id: "capa-after-login",
        rows: "R2449-5.1",
        title: "CAPA is answered after the login",
        level: Level::Must,
        needs: &[Need::Capa],
        check: after_login,
    },
    Case {
        id: "capa-lines",
        rows: "R2449-5.1 PB-Q36 PB-S46",
        title: "each line is a tag and arguments, one blank between them, nothing else",
        level: Level::Must,
        needs: &[Need::Capa],
        check: lines,
    },
    Case {
        id: "capa-line-length",
        rows: "R1939-3.5",
        title: "no line has more than 512 octets",
        level: Level::Must,
        needs: &[Need::Capa],
        check: line_length,
    },
    Case {
        id: "capa-once",
        rows: "R2449-6.1 PB-S46",
        title: "no capability is announced twice",
        level: Level::Should,
        needs: &[Need::Capa],
        check: once,
    },
    Case {
        id: "capa-known-tags",
        rows: "R2449-6.1 PB-Q35",
        title: "tags are registered ones or begin with X",
        level: Level::Should,
        needs: &[Need::Capa],
        check: known_tags,
    },
    Case {
        id: "capa-both-states",
        rows: "R2449-5.1 R5034-3.1 PB-Q08",
        title: "what is announced before the login is announced after it, STLS excepted",
        level: Level::Must,
        needs: &[Need::Capa],
        check: both_states,
    },
    Case {
        id: "capa-login",
        rows: "R2449-6.2 R5034-3.1 PB-S46",
        title: "a way to log in is announced: USER or SASL",
        level: Level::Should,
        needs: &[Need::Capa],
        check: login,
    },
    Case {
        id: "capa-user",
        rows: "R2449-6.2",
        title: "USER, if announced, is not refused",
        level: Level::Must,
        needs: &[Need::Capability("USER")],
        check: user,
    },
    Case {
        id: "capa-sasl",
        rows: "R5034-3.1",
        title: "SASL lists names of mechanisms, none of them twice",
        level: Level::Must,
        needs: &[Need::Capability("SASL")],
        check: sasl,
    },
    Case {
        id: "capa-top-uidl",
        rows: "R1957-2 R2449-6.1 PB-Q07 PB-S46",
        title: "TOP and UIDL are announced where they work, before the login too",
        level: Level::Should,
        needs: &[Need::Capa, Need::Messages(1)],
        check: top_and_uidl,
    },
    Case {
        id: "capa-top-works",
        rows: "R1939-7.1 R2449-6.1",
        title: "TOP, if announced, works",
        level: Level::Must,
        needs: &[Need::Capability("TOP"), Need::Messages(1)],
        check: top_works,
    },
    Case {
        id: "capa-uidl-works",
        rows: "R1939-7.2 R2449-6.1",
        title: "UIDL, if announced, works",
        level: Level::Must,
        needs: &[Need::Capability("UIDL")],
        check: uidl_works,
    },
    Case {
        id: "capa-expire",
        rows: "R2449-6.7.1",
        title: "EXPIRE has a number of days or NEVER, and perhaps USER",
        level: Level::Should,
        needs: &[Need::Capability("EXPIRE")],
        check: expire,
    },
    Case {
        id: "capa-login-delay",
        rows: "R2449-6.5.1",
        title: "LOGIN-DELAY has a number of seconds, and perhaps USER",
        level: Level::Must,
        needs: &[Need::Capability("LOGIN-DELAY")],
        check: login_delay,
    },
    Case {
        id: "capa-no-arguments",
        rows: "R2449-5.1 R1939-3.12",
        title: "CAPA with an argument is refused",
        level: Level::Note,
        needs: &[Need::Capa],
        check: no_arguments,
    },
];

fn before_login(kit: &mut Kit) -> Checked {
    kit.before_login(|link| {
        let list = link.list("CAPA")?;
        link.expect(list.reply.is_ok(), "+OK and a list")?;
        PASS
    })
}

fn after_login(kit: &mut Kit) -> Checked {
    kit.in_session(|link, _| {
        let list = link.list("CAPA")?;
        link.expect(list.reply.is_ok(), "+OK and a list")?;
        PASS
    })
}

/// Looks at the list of each state.
fn each_list(kit: &mut Kit, look: impl Fn(&Link, &List) -> Result<(), Problem>) -> Checked {
    kit.before_login(|link| {
        let list = link.list("CAPA")?;
        look(link, &list).and(PASS)
    })?;
    if kit.facts.after.is_none() {
        return PASS;
    }
    kit.in_session(|link, _| {
        let list = link.list("CAPA")?;
        look(link, &list).and(PASS)
    })
}

fn lines(kit: &mut Kit) -> Checked {
    each_list(kit, |link, list| {
        list.lines.iter().try_for_each(|line| {
            let words: Vec<&[u8]> = line.octets.split(|&octet| octet == b' ').collect();
            let good = |word: &&[u8]| !word.is_empty() && word.iter().all(u8::is_ascii_graphic);
            let tag = words.first().is_some_and(|tag| !tag.contains(&b'.'));
            let text = line.octets.escape_ascii();
            link.expect(tag && words.iter().all(good), format!("a tag and arguments, not \"{text}\""))
        })
    })
}

fn line_length(kit: &mut Kit) -> Checked {
    each_list(kit, |link, list| {
        let longest = list.lines.iter().map(|line| line.octets.len() + 2).max().unwrap_or(0);
        link.expect(
            longest <= FIRST_LINE_OCTETS,
            format!("at most {FIRST_LINE_OCTETS} octets, not {longest}"),
        )
    })
}

fn tags(list: &List) -> Vec<Vec<u8>> {
    let tags = list.lines.iter().filter_map(|line| Capability::parse(&line.octets));
    tags.map(|capability| capability.tag().to_ascii_uppercase()).collect()
}

fn once(kit: &mut Kit) -> Checked {
    each_list(kit, |link, list| {
        let mut tags = tags(list);
        tags.sort();
        let twice =
            tags.windows(2).find(|two| two.first() == two.last()).and_then(|two| two.first().cloned());
        let name = twice.clone().unwrap_or_default();
        link.expect(twice.is_none(), format!("{} once", name.escape_ascii()))
    })
}

/// The tags of the registry (RFC 2449 section 6 and what came after), and `CAPA`, which some list.
const KNOWN: &[&[u8]] = &[
    b"TOP",
    b"USER",
    b"SASL",
    b"RESP-CODES",
    b"LOGIN-DELAY",
    b"PIPELINING",
    b"EXPIRE",
    b"UIDL",
    b"IMPLEMENTATION",
    b"STLS",
    b"AUTH-RESP-CODE",
    b"UTF8",
    b"LANG",
    b"APOP",
    b"CAPA",
];

fn known_tags(kit: &mut Kit) -> Checked {
    each_list(kit, |link, list| {
        let odd =
            tags(list).into_iter().find(|tag| !tag.starts_with(b"X") && !KNOWN.contains(&tag.as_slice()));
        let name = odd.clone().unwrap_or_default();
        link.expect(odd.is_none(), format!("no unregistered {}", name.escape_ascii()))
    })
}

fn both_states(kit: &mut Kit) -> Checked {
    let before = kit.facts.before.clone().unwrap_or_default();
    kit.in_session(|link, _| {
        let list = link.list("CAPA")?;
        let after = tags(&list);
        let lost: Vec<String> = before
            .iter()
            .filter_map(|line| Capability::parse(line))
            .map(|capability| capability.tag().to_ascii_uppercase())
            .filter(|tag| tag != b"STLS" && !after.contains(tag))
            .map(|tag| tag.escape_ascii().to_string())
            .collect();
        link.expect(lost.is_empty(), format!("{} as before the login", lost.join(", ")))?;
        PASS
    })
}

fn login(kit: &mut Kit) -> Checked {
    kit.before_login(|link| {
        let list = link.list("CAPA")?;
        let tags = tags(&list);
        link.expect(tags.iter().any(|tag| tag == b"USER" || tag == b"SASL"), "USER or SASL")?;
        PASS
    })
}

fn user(kit: &mut Kit) -> Checked {
    let user = kit.user();
    if user.is_empty() {
        return skip("no user name");
    }
    kit.before_login(|link| {
        let list = link.list("CAPA")?;
        if !list.lines.iter().any(|line| is_capability(&line.octets, "USER")) {
            return skip("announced after the login only");
        }
        let reply = link.ask(&format!("USER {user}"))?;
        link.expect(reply.is_ok(), "+OK")?;
        PASS
    })
}

fn sasl(kit: &mut Kit) -> Checked {
    each_list(kit, |link, list| {
        list.lines.iter().filter(|line| is_capability(&line.octets, "SASL")).try_for_each(|line| {
            let names: Vec<&[u8]> = line.octets.split(|&octet| octet == b' ').skip(1).collect();
            let good = names.iter().all(|name| MechanismName::parse(name).is_ok());
            let mut sorted: Vec<Vec<u8>> = names.iter().map(|name| name.to_ascii_uppercase()).collect();
            sorted.sort();
            sorted.dedup();
            link.expect(!names.is_empty() && good, "names of mechanisms")?;
            link.expect(sorted.len() == names.len(), "each mechanism once")
        })
    })
}

fn top_and_uidl(kit: &mut Kit) -> Checked {
    let facts = kit.facts.clone();
    let announced =
        |lines: &Option<Vec<Vec<u8>>>, tag: &str| lines.iter().flatten().any(|line| is_capability(line, tag));
    kit.in_session(|link, _| {
        for (tag, command) in [("UIDL", "UIDL 1"), ("TOP", "TOP 1 0")] {
            let works =
                if tag == "TOP" { link.body(command)?.reply.is_ok() } else { link.ask(command)?.is_ok() };
            link.expect(works, format!("{tag}, which popular clients require"))?;
            link.expect(announced(&facts.before, tag), format!("{tag} in CAPA before the login"))?;
            link.expect(announced(&facts.after, tag), format!("{tag} in CAPA after the login"))?;
        }
        PASS
    })
}

fn top_works(kit: &mut Kit) -> Checked {
    kit.in_session(|link, _| {
        let body = link.body("TOP 1 0")?;
        link.expect(body.reply.is_ok(), "+OK")?;
        PASS
    })
}

fn uidl_works(kit: &mut Kit) -> Checked {
    kit.in_session(|link, _| {
        let list = link.list("UIDL")?;
        link.expect(list.reply.is_ok(), "+OK")?;
        PASS
    })
}

/// The arguments of a capability, in the list of each state.
fn each_value(kit: &mut Kit, tag: &str, good: impl Fn(&[&[u8]]) -> bool, expected: &str) -> Checked {
    each_list(kit, |link, list| {
        list.lines.iter().filter(|line| is_capability(&line.octets, tag)).try_for_each(|line| {
            let words: Vec<&[u8]> = line.octets.split(|&octet| octet == b' ').skip(1).collect();
            link.expect(good(&words), expected)
        })
    })
}

fn expire(kit: &mut Kit) -> Checked {
    let good = |words: &[&[u8]]| {
        let days = |word: &[u8]| word.eq_ignore_ascii_case(b"NEVER") || parse_number(word).is_some();
        match words {
            [value] => days(value),
            [value, user] => days(value) && user.eq_ignore_ascii_case(b"USER"),
            _ => false,
        }
    };
    each_value(kit, "EXPIRE", good, "EXPIRE, days or NEVER, perhaps USER")
}

fn login_delay(kit: &mut Kit) -> Checked {
    let good = |words: &[&[u8]]| match words {
        [value] => parse_number(value).is_some(),
        [value, user] => parse_number(value).is_some() && user.eq_ignore_ascii_case(b"USER"),
        _ => false,
    };
    each_value(kit, "LOGIN-DELAY", good, "LOGIN-DELAY, seconds, perhaps USER")
}

fn no_arguments(kit: &mut Kit) -> Checked {
    kit.before_login(|link| {
        let list = link.list("CAPA x")?;
        note(if list.reply.is_ok() { "the argument is ignored" } else { "refused" })
    })
}
