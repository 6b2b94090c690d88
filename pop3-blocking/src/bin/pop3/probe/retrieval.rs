//! `RETR` and `TOP`: messages as they come over the wire.

use pop3_blocking::pop3_proto::body::TopFilter;
use pop3_blocking::pop3_proto::{MessageNumber, ScanListing};

use super::case::{Case, Checked, Level, Need, PASS, Problem, note, skip};
use super::commands::goes_on;
use super::kit::Kit;
use super::link::{Body, Link};

pub(super) const CASES: &[Case] = &[
    Case {
        id: "retr-whole",
        rows: "R1939-5.8 R1939-3.7",
        title: "RETR gives a message up to the final dot, and the session is in step behind it",
        level: Level::Must,
        needs: &[Need::Messages(1)],
        check: whole,
    },
    Case {
        id: "retr-octets",
        rows: "R1939-5.6 PB-S10",
        title: "a message has the octets that LIST says, stuffed dots not counted",
        level: Level::Must,
        needs: &[Need::Messages(1)],
        check: octets,
    },
    Case {
        id: "retr-stuffed",
        rows: "R1939-3.7 PB-S06 PB-S07 PB-S08",
        title: "each line that begins with a dot has another dot in front",
        level: Level::Must,
        needs: &[Need::Messages(1)],
        check: stuffed,
    },
    Case {
        id: "retr-crlf",
        rows: "R1939-3.7 R1939-3.11 PB-S09",
        title: "lines of a message end with CRLF; there is no LF alone",
        level: Level::Must,
        needs: &[Need::Messages(1)],
        check: crlf,
    },
    Case {
        id: "retr-again",
        rows: "R1939-5.8 R1939-4.6",
        title: "a message comes the same a second time",
        level: Level::Must,
        needs: &[Need::Messages(1)],
        check: again,
    },
    Case {
        id: "top-header",
        rows: "R1939-7.1 PB-S04",
        title: "TOP n 0 gives the header and the empty line behind it, as RETR does",
        level: Level::Must,
        needs: &[Need::Messages(1)],
        check: header,
    },
    Case {
        id: "top-lines",
        rows: "R1939-7.1 PB-S04",
        title: "TOP n k gives so many lines of the body",
        level: Level::Must,
        needs: &[Need::Messages(1)],
        check: lines,
    },
    Case {
        id: "top-all",
        rows: "R1939-7.1 PB-Q57",
        title: "TOP n 99999999 gives all of it",
        level: Level::Must,
        needs: &[Need::Messages(1)],
        check: all,
    },
    Case {
        id: "top-many",
        rows: "R1939-7.1 PB-Q57 PB-S04",
        title: "TOP n 4294967296: all of it, or a refusal, but no less",
        level: Level::Must,
        needs: &[Need::Messages(1)],
        check: many,
    },
];

fn retrieve(link: &mut Link, number: MessageNumber) -> Result<Body, Problem> {
    let body = link.body(&format!("RETR {number}"))?;
    link.expect(body.reply.is_ok(), "+OK and the message")?;
    Ok(body)
}

/// Looks at some messages.
fn each(
    kit: &mut Kit,
    mut look: impl FnMut(&mut Link, MessageNumber, Body) -> Result<(), Problem>,
) -> Checked {
    kit.in_session(|link, facts| {
        let samples = facts.samples();
        if samples.is_empty() {
            return skip("no message that is small enough");
        }
        for number in samples {
            let body = retrieve(link, number)?;
            look(link, number, body)?;
        }
        PASS
    })
}

fn whole(kit: &mut Kit) -> Checked {
    let facts = kit.facts.clone();
    each(kit, |link, _, _| goes_on(link, &facts))
}

fn octets(kit: &mut Kit) -> Checked {
    each(kit, |link, number, body| {
        let reply = link.ask(&format!("LIST {number}"))?;
        let Some(listed) = ScanListing::parse(reply.text()).map(|listing| listing.octets) else {
            return skip("LIST n cannot be read");
        };
        // A dot that lacks its stuffing is another case, and counted here.
        let bare = dotted(&body.wire).iter().filter(|line| !line.starts_with(b"..")).count();
        let octets = (body.octets.len() + bare) as u64;
        link.expect(octets == listed, format!("{listed} octets, as LIST says, not {octets}"))
    })
}

/// The lines on the wire that begin with a dot, without the final one.
fn dotted(wire: &[u8]) -> Vec<&[u8]> {
    let text = wire.strip_suffix(b".\r\n").unwrap_or(wire);
    let mut lines = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.windows(2).position(|two| two == b"\r\n").map_or(rest.len(), |at| at + 2);
        let (line, others) = rest.split_at(end);
        if line.starts_with(b".") {
            lines.push(line);
        }
        rest = others;
    }
    lines
}

fn stuffed(kit: &mut Kit) -> Checked {
    let (facts, mut seen) = (kit.facts.clone(), 0);
    let done = each(kit, |link, _, body| {
        for line in dotted(&body.wire) {
            seen += 1;
            let shown = line.get(..line.len().min(40)).unwrap_or_default().escape_ascii();
            link.expect(line.starts_with(b".."), format!("another dot before \"{shown}\""))?;
        }
        // A dot alone on a line that was not stuffed ends the message too early.
        goes_on(link, &facts)
    });
    match done {
        Ok(_) if seen == 0 => skip("no message has a line that begins with a dot"),
        Ok(_) => note(format!("{seen} lines")),
        other => other,
    }
}

fn crlf(kit: &mut Kit) -> Checked {
    each(kit, |link, number, body| {
        let bare = body
            .octets
            .iter()
            .zip(std::iter::once(&0).chain(&body.octets))
            .position(|(&now, &before)| now == b'\n' && before != b'\r');
        link.expect(
            bare.is_none(),
            format!("CRLF where message {number} has LF alone, at octet {}", bare.unwrap_or(0)),
        )
    })
}

fn again(kit: &mut Kit) -> Checked {
    each(kit, |link, number, body| {
        let second = retrieve(link, number)?;
        link.expect(second.wire == body.wire, "the same octets")
    })
}

/// What `TOP` is to give, by the message that `RETR` gave.
fn part(message: &[u8], lines: u64) -> &[u8] {
    TopFilter::new(lines).take(message).0
}

/// Compares `TOP` with `RETR` for this number of lines.
fn compare(kit: &mut Kit, counts: &[u64], may_refuse: bool) -> Checked {
    if !kit.facts.announces("TOP") {
        let known = kit.in_session(|link, _| {
            let known = link.body("TOP 1 0")?.reply.is_ok();
            if known { PASS } else { skip("the server has no TOP") }
        });
        known?;
    }
    each(kit, |link, number, body| {
        for &count in counts {
            let top = link.body(&format!("TOP {number} {count}"))?;
            if may_refuse && top.reply.is_err() {
                continue;
            }
            let want = part(&body.octets, count);
            let same = top.reply.is_ok() && top.octets == want;
            link.expect(
                same,
                format!("the first {} octets of the message, not {}", want.len(), top.octets.len()),
            )?;
        }
        Ok(())
    })
}

fn header(kit: &mut Kit) -> Checked {
    compare(kit, &[0], false)
}

fn lines(kit: &mut Kit) -> Checked {
    compare(kit, &[1, 2, 5], false)
}

fn all(kit: &mut Kit) -> Checked {
    compare(kit, &[99_999_999], false)
}

fn many(kit: &mut Kit) -> Checked {
    compare(kit, &[4_294_967_296], true)
}
