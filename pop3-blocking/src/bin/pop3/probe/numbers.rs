//! Message numbers that name no message.

use super::case::{Case, Checked, Level, Need, PASS, note};
use super::commands::goes_on;
use super::kit::Kit;

pub(super) const CASES: &[Case] = &[
    Case {
        id: "number-zero",
        rows: "R1939-4.7 PB-S03",
        title: "message 0 does not exist",
        level: Level::Must,
        needs: &[],
        check: zero,
    },
    Case {
        id: "number-absent",
        rows: "R1939-5.5",
        title: "a number beyond the last message is refused",
        level: Level::Must,
        needs: &[],
        check: absent,
    },
    Case {
        id: "number-huge",
        rows: "R1939-4.7 PB-S03",
        title: "numbers over 32 and 64 bits name no message",
        level: Level::Must,
        needs: &[],
        check: huge,
    },
    Case {
        id: "number-signed",
        rows: "R1939-4.7 PB-S03",
        title: "-1 and +1 are no numbers",
        level: Level::Must,
        needs: &[],
        check: signed,
    },
    Case {
        id: "number-malformed",
        rows: "R1939-4.7 PB-S03",
        title: "0x1, 1x, 1.0 and x are no numbers",
        level: Level::Must,
        needs: &[],
        check: malformed,
    },
    Case {
        id: "number-leading-zero",
        rows: "R1939-4.7 PB-S03",
        title: "01: message 1, or no number",
        level: Level::Note,
        needs: &[Need::Messages(1)],
        check: leading_zero,
    },
];

/// None of these names a message, in no command that takes one and does no harm.
fn nothing(kit: &mut Kit, numbers: &[&str]) -> Checked {
    kit.in_session(|link, facts| {
        let mut commands = vec!["LIST"];
        commands.extend(["UIDL"].into_iter().filter(|tag| facts.announces(tag)));
        for number in numbers {
            for command in &commands {
                link.refused(format!("{command} {number}").as_bytes())?;
                goes_on(link, facts)?;
            }
            // A server that takes it sends a message, which must not be taken for a reply.
            let body = link.body(&format!("RETR {number}"))?;
            link.expect(body.reply.is_err(), "-ERR")?;
            goes_on(link, facts)?;
            if facts.announces("TOP") {
                let body = link.body(&format!("TOP {number} 0"))?;
                link.expect(body.reply.is_err(), "-ERR")?;
                goes_on(link, facts)?;
            }
        }
        PASS
    })
}

fn zero(kit: &mut Kit) -> Checked {
    nothing(kit, &["0", "00"])
}

fn absent(kit: &mut Kit) -> Checked {
    let next = u64::from(kit.facts.last()) + 1;
    nothing(kit, &[&next.to_string()])
}

fn huge(kit: &mut Kit) -> Checked {
    // 2^32 + 1 and 2^64 + 1 are 1 where a number is cut to its lowest bits.
    nothing(kit, &["4294967297", "18446744073709551617"])?;
    nothing(kit, &["99999999999999999999"])
}

fn signed(kit: &mut Kit) -> Checked {
    nothing(kit, &["-1", "+1"])
}

fn malformed(kit: &mut Kit) -> Checked {
    nothing(kit, &["0x1", "1x"])?;
    nothing(kit, &["1.0", "x"])
}

fn leading_zero(kit: &mut Kit) -> Checked {
    kit.in_session(|link, _| {
        let reply = link.ask("LIST 01")?;
        note(if reply.is_ok() { "message 1" } else { "refused" })
    })
}
