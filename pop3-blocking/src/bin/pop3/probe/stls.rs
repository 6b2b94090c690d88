//! `STLS`: where it may stand, and what crosses it.

use pop3_blocking::TransportError;
use pop3_blocking::pop3_proto::Capability;

use super::case::{Case, Checked, Level, Need, PASS, note, skip};
use super::kit::{GRACE, Kit, NOBODY, WRONG, is_capability, unclear};

pub(super) const CASES: &[Case] = &[
    Case {
        id: "stls-announced",
        rows: "R2595-4.2",
        title: "STLS is announced where it works",
        level: Level::Must,
        needs: &[Need::Stls],
        check: announced,
    },
    Case {
        id: "stls-argument",
        rows: "R2595-4.2",
        title: "STLS with an argument is refused",
        level: Level::Must,
        needs: &[Need::Stls],
        check: argument,
    },
    Case {
        id: "stls-no-greeting",
        rows: "R2595-4.3",
        title: "there is no second greeting under TLS",
        level: Level::Must,
        needs: &[Need::Stls],
        check: no_greeting,
    },
    Case {
        id: "stls-once",
        rows: "R2595-4.2 PB-S15",
        title: "under TLS, STLS is neither announced nor taken",
        level: Level::Must,
        needs: &[Need::Tls],
        check: only_once,
    },
    Case {
        id: "stls-injection",
        rows: "R2595-4.3 R2595-4.7 PB-S12",
        title: "a command in the segment of STLS is not carried out, in the clear or under TLS",
        level: Level::Must,
        needs: &[Need::Stls],
        check: injection,
    },
    Case {
        id: "stls-injection-half",
        rows: "R2595-4.3 R2595-4.7 PB-S13",
        title: "half a command in the segment of STLS is not completed under TLS",
        level: Level::Must,
        needs: &[Need::Stls],
        check: half_injection,
    },
    Case {
        id: "stls-forgets-user",
        rows: "R2595-4.7 PB-S14",
        title: "a user name from before TLS is forgotten",
        level: Level::Should,
        needs: &[Need::Stls, Need::BadLogins(1)],
        check: forgets_user,
    },
    Case {
        id: "stls-garbage",
        rows: "R2595-2.5 PB-S38",
        title: "after a handshake that fails nothing is answered in the clear",
        level: Level::Must,
        needs: &[Need::Stls],
        check: garbage,
    },
    Case {
        id: "stls-cleartext-login",
        rows: "R5034-4.17 R2595-2.2 R2595-2.3 R8314-4.3",
        title: "USER is refused before TLS",
        level: Level::Should,
        needs: &[Need::Stls],
        check: cleartext_login,
    },
    Case {
        id: "stls-cleartext-capa",
        rows: "R5034-4.17 R4616-5.1 R2449-6.2",
        title: "USER, PLAIN and LOGIN are not announced before TLS",
        level: Level::Should,
        needs: &[Need::Stls],
        check: cleartext_capa,
    },
];

fn announced(kit: &mut Kit) -> Checked {
    kit.in_clear(|link| {
        let list = link.list("CAPA")?;
        let there = list.lines.iter().any(|line| is_capability(&line.octets, "STLS"));
        link.expect(list.reply.is_ok() && there, "STLS in the list")?;
        PASS
    })
}

fn argument(kit: &mut Kit) -> Checked {
    kit.in_clear(|link| {
        link.refused(b"STLS now")?;
        PASS
    })
}

fn no_greeting(kit: &mut Kit) -> Checked {
    let mut link = kit.secured()?;
    let reply = link.ask("XYZZY")?;
    let done = link.expect(reply.is_err(), "-ERR to the command, and nothing before it").and(PASS);
    kit.part(link);
    done
}

fn only_once(kit: &mut Kit) -> Checked {
    let has_capa = kit.facts.before.is_some();
    kit.before_login(|link| {
        if has_capa {
            let list = link.list("CAPA")?;
            let there = list.lines.iter().any(|line| is_capability(&line.octets, "STLS"));
            link.expect(!there, "no STLS in the list")?;
        }
        link.refused(b"STLS")?;
        PASS
    })
}

/// Sends STLS with `more` behind it in one segment, completes the handshake, sends `then`, and counts replies to that.
fn inject(kit: &mut Kit, more: &[u8], then: &[u8], replies: usize) -> Checked {
    let mut link = kit.open()?;
    link.greet().map_err(unclear)?;
    link.send(&[b"STLS\r\n", more].concat());
    let reply = link.reply();
    if link.has_ended() {
        return note("the connection ends before the handshake");
    }
    if !reply?.is_ok() {
        kit.part(link);
        return note("STLS is refused");
    }
    link.expect(!link.has_unread(), "nothing in the clear behind the +OK to STLS")?;
    match kit.secure(&mut link) {
        Ok(()) => {}
        Err(TransportError::NotTls) => {
            return Err(link.broken("no reply in the clear behind the +OK to STLS"));
        }
        Err(TransportError::TimedOut) => return Err(link.broken("a handshake, or the end of the connection")),
        Err(_) => return note("the connection ends in the handshake"),
    }
    link.send_more(then);
    let (lines, end) = link.rest(GRACE);
    link.expect(lines.len() <= replies, format!("at most {replies} replies under TLS"))?;
    let refused = lines.len() < 2 || lines.first().is_some_and(|line| line.octets.starts_with(b"-ERR"));
    link.expect(refused, "-ERR to the first command under TLS")?;
    link.close(None);
    note(if lines.is_empty() && end.is_some() {
        "the connection ends after the handshake"
    } else {
        "what was behind STLS is dropped"
    })
}

fn injection(kit: &mut Kit) -> Checked {
    inject(kit, b"CAPA\r\n", b"QUIT\r\n", 1)
}

fn half_injection(kit: &mut Kit) -> Checked {
    // The half line and what follows would make a CAPA, which is a list.
    inject(kit, b"CA", b"PA\r\nQUIT\r\n", 2)
}

fn forgets_user(kit: &mut Kit) -> Checked {
    let mut plain = kit.open()?;
    plain.greet().map_err(unclear)?;
    if !plain.ask(&format!("USER {NOBODY}"))?.is_ok() {
        kit.part(plain);
        return note("USER is refused before TLS");
    }
    if !plain.ask("STLS")?.is_ok() {
        kit.part(plain);
        return skip("STLS is refused behind USER");
    }
    kit.secure(&mut plain).map_err(|error| plain.broken(format!("a handshake, not: {error}")))?;
    let kept = plain.ask(&format!("PASS {WRONG}"))?;
    kit.note_login(false);
    let mut fresh = kit.fresh()?;
    let without = fresh.ask(&format!("PASS {WRONG}"))?;
    kit.part(fresh);
    let words = without.line.octets.escape_ascii();
    plain.expect(kept.line.octets == without.line.octets, format!("{words}, as without USER"))?;
    kit.part(plain);
    PASS
}

fn garbage(kit: &mut Kit) -> Checked {
    kit.in_clear(|link| {
        let reply = link.ask("STLS")?;
        link.expect(reply.is_ok(), "+OK")?;
        link.send_more(b"this is no handshake\r\nNOOP\r\nCAPA\r\nQUIT\r\n");
        let (lines, _) = link.rest(GRACE);
        let answered =
            lines.iter().any(|line| line.octets.starts_with(b"+OK") || line.octets.starts_with(b"-ERR"));
        link.expect(!answered, "no reply in the clear")?;
        link.close(None);
        PASS
    })
}

fn cleartext_login(kit: &mut Kit) -> Checked {
    kit.in_clear(|link| {
        // A made-up name: who reads along learns nothing.
        link.refused(format!("USER {NOBODY}").as_bytes())?;
        PASS
    })
}

fn cleartext_capa(kit: &mut Kit) -> Checked {
    kit.in_clear(|link| {
        let list = link.list("CAPA")?;
        for line in &list.lines {
            match Capability::parse(&line.octets) {
                Some(Capability::User) => return Err(link.broken("no USER")),
                Some(Capability::Sasl(words)) => {
                    for name in ["PLAIN", "LOGIN"] {
                        link.expect(!words.contains(name.as_bytes()), format!("no SASL {name}"))?;
                    }
                }
                _ => {}
            }
        }
        PASS
    })
}
