//! The first line of a connection.

use pop3_blocking::pop3_proto::{FIRST_LINE_OCTETS, apop};

use super::case::{Case, Checked, Level, PASS, note};
use super::kit::Kit;

pub(super) const CASES: &[Case] = &[
    Case {
        id: "greeting-form",
        rows: "R1939-4.1 R1939-3.3 R1939-3.1",
        title: "the greeting is one line: +OK, then a blank or CRLF",
        level: Level::Must,
        needs: &[],
        check: form,
    },
    Case {
        id: "greeting-length",
        rows: "R1939-3.5",
        title: "the greeting has at most 512 octets",
        level: Level::Must,
        needs: &[],
        check: length,
    },
    Case {
        id: "greeting-stamp",
        rows: "R1939-7.9 R1939-7.11",
        title: "what stands in <> is a message-id, a new one each time; or there are no <>",
        level: Level::Must,
        needs: &[],
        check: stamp,
    },
];

fn form(kit: &mut Kit) -> Checked {
    kit.before_login(|link| {
        // The greeting may have come before TLS; what was heard then is not heard again.
        let Some(greeting) = link.greeting.clone() else { return PASS };
        link.expect(
            greeting.line.crlf && greeting.status().is_some_and(|status| status.is_ok()),
            "+OK ... CRLF",
        )?;
        PASS
    })
}

fn length(kit: &mut Kit) -> Checked {
    kit.before_login(|link| {
        let octets = link.greeting.as_ref().map_or(0, |greeting| greeting.line.octets.len() + 2);
        link.expect(
            octets <= FIRST_LINE_OCTETS,
            format!("at most {FIRST_LINE_OCTETS} octets, not {octets}"),
        )?;
        PASS
    })
}

fn stamp(kit: &mut Kit) -> Checked {
    let before = kit.facts.greeting.clone();
    kit.before_login(|link| {
        let now = link.greeting.as_ref().map(|greeting| greeting.text().to_vec()).unwrap_or_default();
        if !now.contains(&b'<') {
            return note("none: the server has no APOP");
        }
        let stamp = apop::timestamp(&now);
        link.expect(stamp.is_some(), "a message-id within <>")?;
        link.expect(stamp != apop::timestamp(&before), "another timestamp than in the greeting before")?;
        PASS
    })
}
