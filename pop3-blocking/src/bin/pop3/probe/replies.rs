//! All replies of the run: what their first lines have in common.

use pop3_blocking::pop3_proto::{CodeKind, FIRST_LINE_OCTETS, StatusLine};

use super::case::{Case, Checked, Evidence, Level, Need, PASS, Problem, note};
use super::kit::Kit;
use super::link::Heard;

pub(super) const CASES: &[Case] = &[
    Case {
        id: "reply-indicator",
        rows: "R1939-3.3 R1939-3.4 PB-S43",
        title: "replies begin with +OK or -ERR in upper case, then a blank or the end",
        level: Level::Must,
        needs: &[],
        check: indicator,
    },
    Case {
        id: "reply-crlf",
        rows: "R1939-3.1 R1939-3.7",
        title: "replies and lists end their lines with CRLF",
        level: Level::Must,
        needs: &[],
        check: crlf,
    },
    Case {
        id: "reply-length",
        rows: "R1939-3.5",
        title: "first lines have at most 512 octets",
        level: Level::Must,
        needs: &[],
        check: length,
    },
    Case {
        id: "reply-ascii",
        rows: "R1939-3.3 R6856-3.2",
        title: "texts are printable ASCII unless LANG was used",
        level: Level::Should,
        needs: &[],
        check: ascii,
    },
    Case {
        id: "reply-text",
        rows: "R1957-1 PB-Q60",
        title: "a blank follows the status indicator: old clients need it",
        level: Level::Should,
        needs: &[],
        check: text,
    },
    Case {
        id: "reply-codes",
        rows: "R2449-6.4 PB-S17",
        title: "with RESP-CODES, what begins with [ is a response code",
        level: Level::Must,
        needs: &[Need::Capability("RESP-CODES")],
        check: codes,
    },
    Case {
        id: "reply-known-codes",
        rows: "R2449-6.4 R3206-4.1",
        title: "response codes are registered ones",
        level: Level::Should,
        needs: &[Need::Capability("RESP-CODES")],
        check: known_codes,
    },
    Case {
        id: "reply-no-echo",
        rows: "RP-ALPACA.2 PB-S47",
        title: "replies do not repeat unknown commands",
        level: Level::Should,
        needs: &[],
        check: no_echo,
    },
];

/// The first reply that is not as it should be.
fn each(kit: &Kit, expected: &str, good: impl Fn(&Heard) -> bool) -> Checked {
    let record = kit.record.borrow();
    match record.heard.iter().find(|heard| !good(heard)) {
        None => note(format!("{} replies", record.heard.len())),
        Some(heard) => Err(evidence(heard, expected)),
    }
}

fn evidence(heard: &Heard, expected: &str) -> Problem {
    let end: &[u8] = if heard.line.crlf { b"\r\n" } else { b"\n" };
    Problem::Broken(Box::new(Evidence {
        sent: heard.sent.clone(),
        expected: expected.to_owned(),
        seen: [&heard.line.octets, end].concat(),
        event: String::new(),
    }))
}

/// Whether a line continues a SASL exchange.
fn is_challenge(heard: &Heard) -> bool {
    matches!(heard.line.octets.as_slice(), b"+" | [b'+', b' ', ..])
}

fn indicator(kit: &mut Kit) -> Checked {
    each(kit, "+OK or -ERR", |heard| is_challenge(heard) || StatusLine::parse(&heard.line.octets).is_some())
}

fn crlf(kit: &mut Kit) -> Checked {
    match &kit.record.borrow().bare_lf {
        Some(heard) => Err(evidence(heard, "CRLF")),
        None => PASS,
    }
}

fn length(kit: &mut Kit) -> Checked {
    each(kit, "at most 512 octets", |heard| {
        is_challenge(heard) || heard.line.octets.len() + 2 <= FIRST_LINE_OCTETS
    })
}

fn ascii(kit: &mut Kit) -> Checked {
    each(kit, "printable ASCII", |heard| {
        // A server that repeats what it got is another case.
        heard.language
            || !is_text(&heard.sent)
            || heard.line.octets.iter().all(|octet| (0x20..0x7f).contains(octet))
    })
}

/// Whether a line holds nothing that a client should not send.
fn is_text(line: &[u8]) -> bool {
    let line = line.strip_suffix(b"\r\n").unwrap_or(line);
    line.iter().all(|octet| (0x20..0x7f).contains(octet))
}

fn text(kit: &mut Kit) -> Checked {
    each(kit, "a blank behind the status indicator", |heard| {
        is_challenge(heard)
            || StatusLine::parse(&heard.line.octets).is_none()
            || heard.line.octets.contains(&b' ')
    })
}

fn codes(kit: &mut Kit) -> Checked {
    each(kit, "a response code within [], or no [ at the beginning", |heard| {
        StatusLine::parse(&heard.line.octets)
            .is_none_or(|status| !status.text.starts_with(b"[") || status.code().is_some())
    })
}

fn known_codes(kit: &mut Kit) -> Checked {
    each(kit, "a registered response code", |heard| {
        let code =
            StatusLine::parse(&heard.line.octets).and_then(|status| status.code().map(|code| code.kind()));
        code.is_none_or(|kind: Option<CodeKind>| kind.is_some())
    })
}

fn no_echo(kit: &mut Kit) -> Checked {
    each(kit, "no word of the command", |heard| {
        let unknown = heard.sent.to_ascii_uppercase().starts_with(b"XYZZY");
        !unknown || !heard.line.octets.to_ascii_uppercase().windows(5).any(|five| five == b"XYZZY")
    })
}
