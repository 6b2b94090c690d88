//! Lines that are too long, commands that are too many, and a client that is silent.

use std::thread::sleep;
use std::time::Duration;

use super::case::{Case, Checked, Level, Need, PASS, note};
use super::commands::goes_on;
use super::kit::{GRACE, Kit};

pub(super) const CASES: &[Case] = &[
    Case {
        id: "line-255",
        rows: "R2449-4.1",
        title: "a command of 255 octets gets one reply, and the session goes on",
        level: Level::Must,
        needs: &[Need::Capa],
        check: longest,
    },
    Case {
        id: "line-over-long",
        rows: "R2449-4.1 PB-S18",
        title: "the rest of an over-long line is never taken for another command",
        level: Level::Must,
        needs: &[],
        check: over_long,
    },
    Case {
        id: "line-10k",
        rows: "R2449-4.1 PB-S18",
        title: "a line of 10 KiB is refused, and the session goes on",
        level: Level::Should,
        needs: &[],
        check: ten_kibibytes,
    },
    Case {
        id: "limit-bad-commands",
        rows: "RP-ALPACA.2 PB-S47",
        title: "a client that sends 60 unknown commands is sent away before the login",
        level: Level::Should,
        needs: &[],
        check: bad_commands,
    },
    Case {
        id: "limit-idle",
        rows: "R1939-3.15 PB-S54 PB-Q32",
        title: "a session lives on after 9 minutes and 50 seconds of silence",
        level: Level::Must,
        needs: &[Need::Slow],
        check: idle,
    },
];

fn longest(kit: &mut Kit) -> Checked {
    let facts = kit.facts.clone();
    kit.before_login(|link| {
        // With CRLF: 255.
        let reply = link.ask(&format!("USER {}", "a".repeat(248)))?;
        link.expect(reply.is_ok() || reply.is_err(), "+OK or -ERR")?;
        goes_on(link, &facts).and(PASS)
    })
}

fn over_long(kit: &mut Kit) -> Checked {
    for octets in [300, 600, 1100, 2100] {
        let done = kit.in_own_session(|link, _| {
            // Wherever it is cut, what is left is a line that gets a reply.
            link.send(format!("XYZZY {}STAT\r\n", "STAT ".repeat(octets / 5)).as_bytes());
            let reply = link.reply();
            if link.has_ended() {
                return note("the connection ends");
            }
            let reply = reply?;
            link.expect(reply.is_err(), "-ERR")?;
            link.send_more(b"NOOP\r\nQUIT\r\n");
            let (lines, _) = link.rest(GRACE);
            link.expect(lines.len() <= 2, "one -ERR, and then the replies to NOOP and QUIT")?;
            PASS
        });
        done?;
    }
    PASS
}

fn ten_kibibytes(kit: &mut Kit) -> Checked {
    kit.in_own_session(|link, facts| {
        link.refused("x".repeat(10 * 1024).as_bytes())?;
        goes_on(link, facts).and(PASS)
    })
}

/// As many bad commands as a broken client may have sent, and more.
const MANY: usize = 60;

fn bad_commands(kit: &mut Kit) -> Checked {
    kit.before_login(|link| {
        for sent in 1..=MANY {
            let reply = link.ask("XYZZY");
            if link.has_ended() {
                return note(format!("after {sent}"));
            }
            reply?;
        }
        let end = link.end(GRACE);
        link.expect(end.is_some(), format!("the end of the connection after {MANY} bad commands"))?;
        PASS
    })
}

/// Ten minutes are what the standard demands; clocks differ.
const SILENCE: Duration = Duration::from_secs(590);

fn idle(kit: &mut Kit) -> Checked {
    kit.in_own_session(|link, _| {
        sleep(SILENCE);
        let reply = link.ask("NOOP")?;
        link.expect(reply.is_ok(), "+OK")?;
        PASS
    })
}
