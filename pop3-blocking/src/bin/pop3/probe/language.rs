//! `UTF8` and `LANG` (RFC 6856).

use pop3_blocking::pop3_proto::{LanguageListing, ScanListing};

use super::case::{Case, Checked, Level, Need, PASS, note, skip};
use super::commands::goes_on;
use super::kit::Kit;
use super::listing::unique_ids;

pub(super) const CASES: &[Case] = &[
    Case {
        id: "utf8-state",
        rows: "R6856-2.1",
        title: "UTF8 is refused after the login",
        level: Level::Must,
        needs: &[Need::Capability("UTF8")],
        check: state,
    },
    Case {
        id: "utf8-works",
        rows: "R6856-2.1",
        title: "UTF8, announced, is taken before the login",
        level: Level::Should,
        needs: &[Need::Capability("UTF8")],
        check: works,
    },
    Case {
        id: "utf8-argument",
        rows: "R6856-2.1 R1939-3.12",
        title: "UTF8 with an argument is refused",
        level: Level::Must,
        needs: &[Need::Capability("UTF8")],
        check: argument,
    },
    Case {
        id: "utf8-plain-headers",
        rows: "R6856-2.3",
        title: "without UTF8 no header has octets over 7F",
        level: Level::Must,
        needs: &[Need::Capability("UTF8"), Need::Messages(1)],
        check: plain_headers,
    },
    Case {
        id: "utf8-octets",
        rows: "R6856-2.6",
        title: "after UTF8, messages have the octets that LIST says",
        level: Level::Should,
        needs: &[Need::Capability("UTF8"), Need::Messages(1)],
        check: octets,
    },
    Case {
        id: "utf8-unique-ids",
        rows: "R6858-4.1",
        title: "unique-ids are the same after UTF8",
        level: Level::Should,
        needs: &[Need::Capability("UTF8"), Need::Messages(1)],
        check: same_ids,
    },
    Case {
        id: "lang-list",
        rows: "R6856-3.4",
        title: "LANG lists languages, or is refused",
        level: Level::Must,
        needs: &[Need::Capability("LANG")],
        check: list,
    },
    Case {
        id: "lang-choice",
        rows: "R6856-3.1",
        title: "LANG with a tag answers +OK, the tag, a blank",
        level: Level::Must,
        needs: &[Need::Capability("LANG")],
        check: choice,
    },
    Case {
        id: "lang-unknown",
        rows: "R6856-3.3",
        title: "a language that is not there is refused",
        level: Level::Must,
        needs: &[Need::Capability("LANG")],
        check: unknown,
    },
    Case {
        id: "lang-any",
        rows: "R6856-3.3 R6856-3.1",
        title: "LANG * answers +OK, a tag, a blank; or is refused",
        level: Level::Must,
        needs: &[Need::Capability("LANG")],
        check: any,
    },
];

fn state(kit: &mut Kit) -> Checked {
    kit.in_session(|link, facts| {
        link.refused(b"UTF8")?;
        goes_on(link, facts).and(PASS)
    })
}

fn works(kit: &mut Kit) -> Checked {
    kit.before_login(|link| {
        let reply = link.ask("UTF8")?;
        link.expect(reply.is_ok(), "+OK")?;
        PASS
    })
}

fn argument(kit: &mut Kit) -> Checked {
    kit.before_login(|link| {
        link.refused(b"UTF8 now")?;
        PASS
    })
}

/// Where the header ends, in octets.
fn header(message: &[u8]) -> &[u8] {
    let end = message.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or(message.len());
    message.get(..end).unwrap_or_default()
}

fn plain_headers(kit: &mut Kit) -> Checked {
    kit.in_session(|link, facts| {
        for number in facts.samples() {
            let body = link.body(&format!("RETR {number}"))?;
            link.expect(
                header(&body.octets).is_ascii(),
                format!("a header of ASCII in message {number}, or -ERR"),
            )?;
        }
        PASS
    })
}

fn octets(kit: &mut Kit) -> Checked {
    let (mut link, mut raw) = (kit.log_in_after(&["UTF8"])?, 0);
    let done = (|| {
        for number in kit.facts.samples() {
            let reply = link.ask(&format!("LIST {number}"))?;
            let listed = ScanListing::parse(reply.text()).map_or(0, |listing| listing.octets);
            let body = link.body(&format!("RETR {number}"))?;
            let octets = body.octets.len() as u64;
            link.expect(octets == listed, format!("{listed} octets, as LIST says, not {octets}"))?;
            raw += usize::from(!header(&body.octets).is_ascii());
        }
        note(format!("{raw} headers with octets over 7F"))
    })();
    kit.part(link);
    done
}

fn same_ids(kit: &mut Kit) -> Checked {
    let before = kit.facts.unique_ids.clone();
    let mut link = kit.log_in_after(&["UTF8"])?;
    let done = (|| {
        let after = unique_ids(&mut link)?;
        link.expect(
            before.iter().all(|(number, id)| after.get(number) == Some(id)),
            "the ids of plain mode",
        )?;
        PASS
    })();
    kit.part(link);
    done
}

fn list(kit: &mut Kit) -> Checked {
    kit.before_login(|link| {
        link.language = true;
        let list = link.list("LANG")?;
        if list.reply.is_err() {
            return note("refused");
        }
        let odd = list.lines.iter().find(|line| LanguageListing::parse(&line.octets).is_none());
        link.expect(odd.is_none() && !list.lines.is_empty(), "a tag on each line")?;
        PASS
    })
}

fn choice(kit: &mut Kit) -> Checked {
    kit.before_login(|link| {
        link.language = true;
        let list = link.list("LANG")?;
        let tags = list.lines.iter().filter_map(|line| LanguageListing::parse(&line.octets));
        let tags: Vec<String> =
            tags.map(|listing| String::from_utf8_lossy(listing.tag).into_owned()).take(3).collect();
        if tags.is_empty() {
            return skip("no language is listed");
        }
        for tag in tags {
            let reply = link.ask(&format!("LANG {tag}"))?;
            let head = format!("{tag} ");
            let text = reply.text().to_ascii_lowercase();
            link.expect(
                reply.is_ok() && text.starts_with(head.to_ascii_lowercase().as_bytes()),
                format!("+OK {head}"),
            )?;
        }
        PASS
    })
}

fn unknown(kit: &mut Kit) -> Checked {
    kit.before_login(|link| {
        link.language = true;
        link.refused(b"LANG x-probe-nobody")?;
        PASS
    })
}

fn any(kit: &mut Kit) -> Checked {
    kit.before_login(|link| {
        link.language = true;
        let reply = link.ask("LANG *")?;
        if reply.is_err() {
            return note("refused");
        }
        let mut words = reply.text().splitn(2, |&octet| octet == b' ');
        let tag = words.next().is_some_and(|tag| !tag.is_empty() && tag.iter().all(u8::is_ascii_graphic));
        link.expect(tag && words.next().is_some(), "+OK, a tag, a blank")?;
        PASS
    })
}
