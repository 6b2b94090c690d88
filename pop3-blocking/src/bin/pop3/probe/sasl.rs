//! `AUTH`: the exchange, and what must not get through it.

use pop3_blocking::client::{Method, Strength};
use pop3_blocking::pop3_proto::Base64;

use super::authenticate::{Proof, base64, challenge, is_plus, plain_in_two_steps};
use super::case::{Case, Checked, Level, Need, PASS, Problem, note, skip};
use super::commands::goes_on;
use super::kit::{Kit, NOBODY, WRONG};
use super::link::Link;

pub(super) const CASES: &[Case] = &[
    Case {
        id: "auth-bare",
        rows: "R5034-3.1 PB-Q50",
        title: "AUTH without a mechanism: the list that CAPA gives, or a refusal",
        level: Level::Note,
        needs: &[Need::Capability("SASL")],
        check: bare,
    },
    Case {
        id: "auth-unknown",
        rows: "R5034-4.2",
        title: "an unknown mechanism is refused",
        level: Level::Must,
        needs: &[Need::Capability("SASL")],
        check: unknown,
    },
    Case {
        id: "auth-case",
        rows: "R5034-4.2 R1939-3.1",
        title: "auth plain is AUTH PLAIN",
        level: Level::Must,
        needs: &[Need::Mechanism("PLAIN")],
        check: any_case,
    },
    Case {
        id: "auth-challenge",
        rows: "R5034-4.3",
        title: "AUTH PLAIN alone gets the empty challenge: a plus, a blank, CRLF",
        level: Level::Must,
        needs: &[Need::Mechanism("PLAIN")],
        check: empty_challenge,
    },
    Case {
        id: "auth-cancel",
        rows: "R5034-4.9 R5034-4.13",
        title: "* cancels an exchange: -ERR, and the session goes on",
        level: Level::Must,
        needs: &[Need::Mechanism("PLAIN")],
        check: cancel,
    },
    Case {
        id: "auth-two-steps",
        rows: "R5034-4.3 R5034-4.16",
        title: "PLAIN behind the challenge logs in",
        level: Level::Must,
        needs: &[Need::Mechanism("PLAIN"), Need::UserPass],
        check: two_steps,
    },
    Case {
        id: "auth-initial",
        rows: "R2449-6.3.1 R5034-4.16",
        title: "PLAIN as an initial response logs in",
        level: Level::Must,
        needs: &[Need::Mechanism("PLAIN"), Need::UserPass],
        check: initial,
    },
    Case {
        id: "auth-mechanisms",
        rows: "R5034-3.1 R5034-4.14 R5802-5.6",
        title: "each mechanism that is announced and takes a password lets it in",
        level: Level::Should,
        needs: &[Need::Capability("SASL")],
        check: mechanisms,
    },
    Case {
        id: "auth-base64",
        rows: "R5034-4.9 R5034-4.11 PB-S25 PB-K15",
        title: "what is not base64 is refused: =AAA, AA A=, QQ",
        level: Level::Must,
        needs: &[Need::Mechanism("PLAIN"), Need::BadLogins(3)],
        check: bad_base64,
    },
    Case {
        id: "auth-equals",
        rows: "R5034-4.5",
        title: "= is an empty initial response, and no later one",
        level: Level::Must,
        needs: &[Need::Mechanism("PLAIN"), Need::BadLogins(2)],
        check: equals,
    },
    Case {
        id: "auth-plain-nuls",
        rows: "R4616-2.1 PB-S19",
        title: "a message of PLAIN with one or three NULs is refused",
        level: Level::Must,
        needs: &[Need::Mechanism("PLAIN"), Need::BadLogins(2)],
        check: nuls,
    },
    Case {
        id: "auth-long-line",
        rows: "R5034-4.12 R4616-2.2 PB-S24",
        title: "PLAIN with parts of 255 octets gets one reply, and the session goes on",
        level: Level::Must,
        needs: &[Need::Mechanism("PLAIN"), Need::BadLogins(1)],
        check: long_line,
    },
    Case {
        id: "auth-failed-goes-on",
        rows: "R5034-4.13 R1939-4.5",
        title: "after a failed AUTH the right one logs in, if the connection is still there",
        level: Level::Must,
        needs: &[Need::Mechanism("PLAIN"), Need::UserPass, Need::BadLogins(1)],
        check: failed_goes_on,
    },
    Case {
        id: "auth-server-first",
        rows: "R5034-4.8",
        title: "CRAM-MD5 with an initial response is refused",
        level: Level::Must,
        needs: &[Need::Mechanism("CRAM-MD5"), Need::BadLogins(1)],
        check: server_first,
    },
    Case {
        id: "auth-scram-decoy",
        rows: "R5802-5.9 R4422-3.6 PB-S48",
        title: "SCRAM goes on for a name that nobody has, with the same salt each time",
        level: Level::Should,
        needs: &[Need::Mechanism("SCRAM-SHA-256"), Need::BadLogins(2)],
        check: scram_decoy,
    },
];

/// Sends an AUTH command that must get a challenge.
fn begin(link: &mut Link, command: &str) -> Result<(), Problem> {
    let reply = link.ask(command)?;
    link.expect(challenge(&reply).is_some(), "a challenge")
}

fn bare(kit: &mut Kit) -> Checked {
    let mut announced: Vec<Vec<u8>> = kit.facts.mechanisms();
    announced.iter_mut().for_each(|name| name.make_ascii_uppercase());
    announced.sort();
    announced.dedup();
    kit.before_login(|link| {
        let list = link.list("AUTH")?;
        if list.reply.is_err() {
            return note("refused");
        }
        let mut names: Vec<Vec<u8>> =
            list.lines.iter().map(|line| line.octets.to_ascii_uppercase()).collect();
        names.sort();
        names.dedup();
        link.expect(names == announced, "the mechanisms of CAPA")?;
        note("the list")
    })
}

fn unknown(kit: &mut Kit) -> Checked {
    let facts = kit.facts.clone();
    kit.before_login(|link| {
        link.refused(b"AUTH XYZZY")?;
        goes_on(link, &facts).and(PASS)
    })
}

fn any_case(kit: &mut Kit) -> Checked {
    kit.before_login(|link| {
        begin(link, "auth plain")?;
        link.ask("*").and(PASS)
    })
}

fn empty_challenge(kit: &mut Kit) -> Checked {
    kit.before_login(|link| {
        let reply = link.ask("AUTH PLAIN")?;
        link.expect(reply.line.octets == b"+ " && reply.line.crlf, "+, a blank, CRLF")?;
        link.ask("*").and(PASS)
    })
}

fn cancel(kit: &mut Kit) -> Checked {
    let facts = kit.facts.clone();
    kit.before_login(|link| {
        begin(link, "AUTH PLAIN")?;
        link.refused(b"*")?;
        goes_on(link, &facts).and(PASS)
    })
}

fn two_steps(kit: &mut Kit) -> Checked {
    kit.leave();
    let user = kit.user();
    let mut link = kit.fresh()?;
    let Some(Proof::Password(password)) = kit.proof() else { return skip("no password") };
    let reply = plain_in_two_steps(&mut link, &user, password)?;
    kit.note_login(reply.is_ok());
    let done = link.expect(reply.is_ok(), "+OK").and(PASS);
    kit.part(link);
    done
}

fn initial(kit: &mut Kit) -> Checked {
    by(kit, Method::Plain)
}

/// Logs in by this method.
fn by(kit: &mut Kit, method: Method) -> Checked {
    kit.leave();
    let mut link = kit.fresh()?;
    let reply = kit.try_login_by(&mut link, method)?;
    let done = link.expect(reply.is_ok(), format!("+OK to {method}")).and(PASS);
    kit.part(link);
    done
}

fn mechanisms(kit: &mut Kit) -> Checked {
    if !matches!(kit.proof(), Some(Proof::Password(_))) {
        return skip("no password");
    }
    let binds = kit.fresh()?;
    let binding = binds.tls().is_some_and(|tls| tls.tls_exporter().is_some());
    kit.part(binds);
    let never = [Method::External, Method::OAuthBearer, Method::XOAuth2, Method::UserPass, Method::Apop];
    let fits = |method: &Method| {
        !never.contains(method)
            && (binding || !is_plus(*method))
            && method.strength() >= kit.minimum
            && (kit.facts.tls
                || method.strength() > Strength::SecretSent
                || kit.facts.method == Some(*method))
    };
    let methods: Vec<Method> = kit.facts.methods().into_iter().filter(fits).collect();
    if methods.is_empty() {
        return skip("none");
    }
    for &method in &methods {
        by(kit, method)?;
    }
    let names: Vec<&str> = methods.iter().map(|method| method.name()).collect();
    note(names.join(", "))
}

/// Sends what must be refused as the answer to the first challenge of PLAIN.
fn refuses(kit: &mut Kit, message: &[u8]) -> Checked {
    kit.before_login(|link| {
        begin(link, "AUTH PLAIN")?;
        link.send_more(&[message, b"\r\n"].concat());
        let reply = link.login_reply()?;
        link.expect(reply.is_err(), "-ERR")?;
        PASS
    })
}

fn bad_base64(kit: &mut Kit) -> Checked {
    for text in [&b"=AAA"[..], b"AA A=", b"QQ"] {
        refuses(kit, text)?;
    }
    PASS
}

fn equals(kit: &mut Kit) -> Checked {
    refuses(kit, b"=")?;
    kit.before_login(|link| {
        // The empty message is no message of PLAIN.
        link.send(b"AUTH PLAIN =\r\n");
        let reply = link.login_reply()?;
        link.expect(reply.is_err(), "-ERR, and no challenge")?;
        PASS
    })
}

fn nuls(kit: &mut Kit) -> Checked {
    for message in [format!("{NOBODY}\0{WRONG}"), format!("\0{NOBODY}\0{WRONG}\0x")] {
        let mut text = Vec::new();
        base64(message.as_bytes(), &mut text)?;
        refuses(kit, &text)?;
    }
    PASS
}

fn long_line(kit: &mut Kit) -> Checked {
    let facts = kit.facts.clone();
    let (user, password) = ("u".repeat(255), "p".repeat(255));
    let mut text = Vec::new();
    base64(format!("{user}\0{user}\0{password}").as_bytes(), &mut text)?;
    kit.before_login(|link| {
        begin(link, "AUTH PLAIN")?;
        link.send_more(&[text.as_slice(), b"\r\n"].concat());
        let reply = link.login_reply()?;
        link.expect(reply.is_err(), "-ERR")?;
        let done = goes_on(link, &facts);
        // A server may close after a failed login.
        if link.has_ended() { PASS } else { done.and(PASS) }
    })
}

fn failed_goes_on(kit: &mut Kit) -> Checked {
    kit.leave();
    let mut link = kit.fresh()?;
    let user = kit.user();
    link.login_wait = kit.login_wait();
    let wrong = super::authenticate::log_in(&mut link, Method::Plain, &user, &Kit::wrong_proof())?;
    kit.note_login(wrong.is_ok());
    link.expect(wrong.is_err(), "-ERR")?;
    let reply = kit.try_login_by(&mut link, Method::Plain);
    let done = match reply {
        _ if link.has_ended() => note("the connection ends"),
        Ok(reply) => link.expect(reply.is_ok(), "+OK to the right password").and(PASS),
        Err(problem) => Err(problem),
    };
    kit.part(link);
    done
}

fn server_first(kit: &mut Kit) -> Checked {
    kit.before_login(|link| {
        link.refused(b"AUTH CRAM-MD5 dGlt")?;
        PASS
    })
}

fn scram_decoy(kit: &mut Kit) -> Checked {
    let mut text = Vec::new();
    base64(format!("n,,n={NOBODY},r=fyko+d2lbbFgONRv9qkxdawL").as_bytes(), &mut text)?;
    let command = format!("AUTH SCRAM-SHA-256 {}", String::from_utf8_lossy(&text));
    let mut salts = Vec::new();
    for _ in 0..2 {
        kit.before_login(|link| {
            let reply = link.ask(&command)?;
            let Some(challenge) = challenge(&reply) else {
                return Err(link.broken("a challenge, as for a name that somebody has"));
            };
            let mut room = vec![0; challenge.len()];
            let message = Base64::new(&challenge)
                .ok()
                .and_then(|text| text.decode(&mut room).ok().map(|raw| raw.to_vec()));
            let message = message.ok_or_else(|| link.broken("a challenge in base64"))?;
            // Behind the nonce: salt and count.
            let at = message.windows(3).position(|three| three == b",s=").unwrap_or(0);
            salts.push(message.get(at..).unwrap_or_default().to_vec());
            if salts.len() == 2 {
                link.expect(salts.first() == salts.last(), "the salt and count of the first time")?;
            }
            link.ask("*").and(PASS)
        })?;
    }
    PASS
}
