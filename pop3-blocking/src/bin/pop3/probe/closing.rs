//! How a connection ends.

use std::time::Duration;

use super::case::{Case, Checked, Level, Need, PASS, note};
use super::kit::{GRACE, Kit};
use super::link::{End, Link};

pub(super) const CASES: &[Case] = &[
    Case {
        id: "quit-before-login",
        rows: "R1939-4.9 RP-CLOSE.1",
        title: "QUIT before the login: +OK, and the connection ends",
        level: Level::Must,
        needs: &[],
        check: before_login,
    },
    Case {
        id: "quit-after-login",
        rows: "R1939-6.1 RP-CLOSE.1 PB-S34",
        title: "QUIT after the login: +OK, and the connection ends",
        level: Level::Must,
        needs: &[],
        check: after_login,
    },
    Case {
        id: "quit-close-notify",
        rows: "R8446-6.1 RP-CLOSE.1 PB-Q41",
        title: "TLS ends with close_notify",
        level: Level::Must,
        needs: &[Need::Tls],
        check: close_notify,
    },
    Case {
        id: "quit-last",
        rows: "R1939-6.6 PB-Q64",
        title: "nothing behind QUIT is answered",
        level: Level::Should,
        needs: &[],
        check: last,
    },
    Case {
        id: "foreign-line",
        rows: "RP-ALPACA.1 PB-S47",
        title: "a first line of HTTP, SMTP or IMAP gets -ERR, and the connection ends",
        level: Level::Should,
        needs: &[],
        check: foreign,
    },
];

/// How long to wait for the end where many servers stay.
const FOREIGN: Duration = Duration::from_secs(2);

fn quit(link: &mut Link) -> Checked {
    let reply = link.ask("QUIT")?;
    link.expect(reply.is_ok(), "+OK")?;
    let end = link.end(GRACE);
    link.expect(end.is_some(), "the end of the connection")?;
    PASS
}

fn before_login(kit: &mut Kit) -> Checked {
    kit.before_login(quit)
}

fn after_login(kit: &mut Kit) -> Checked {
    kit.in_own_session(|link, _| quit(link))
}

fn close_notify(kit: &mut Kit) -> Checked {
    kit.before_login(|link| {
        link.ask("QUIT")?;
        let end = link.end(GRACE);
        link.expect(end == Some(End::Orderly), "close_notify, then the end of the connection")?;
        PASS
    })
}

fn last(kit: &mut Kit) -> Checked {
    kit.before_login(|link| {
        link.send(b"QUIT\r\nNOOP\r\nNOOP\r\n");
        let (lines, end) = link.rest(GRACE);
        link.expect(lines.len() == 1, "one reply")?;
        match end {
            Some(_) => PASS,
            None => note("the connection stays open"),
        }
    })
}

fn foreign(kit: &mut Kit) -> Checked {
    for line in ["GET / HTTP/1.1\r\nHost: probe\r\n\r\n", "EHLO probe\r\n", "a1 LOGIN probe probe\r\n"] {
        let look = |link: &mut Link| {
            link.send(line.as_bytes());
            let (lines, end) = link.rest(FOREIGN);
            let taken = lines.iter().any(|line| line.octets.starts_with(b"+OK"));
            link.expect(!taken && end.is_some(), "-ERR, and the end of the connection")?;
            PASS
        };
        // The first line of the connection, not only of what follows STLS.
        if kit.is_implicit() {
            kit.before_login(look)?
        } else {
            kit.in_clear(look)?
        };
    }
    PASS
}
