//! Logging in by name and password, what a failure tells, and the lock on the maildrop.

use pop3_blocking::pop3_proto::CodeKind;

use super::authenticate::{Proof, pass};
use super::case::{Case, Checked, Level, Need, PASS, Problem, note, skip};
use super::kit::{GRACE, Kit, NOBODY, capabilities};
use super::link::Reply;

pub(super) const CASES: &[Case] = &[
    Case {
        id: "login-good",
        rows: "R1939-4.3 R5034-4.1",
        title: "the right password, token or certificate lets in",
        level: Level::Must,
        needs: &[],
        check: good,
    },
    Case {
        id: "login-pass-first",
        rows: "R1939-7.6",
        title: "PASS without USER is refused",
        level: Level::Must,
        needs: &[Need::UserPass],
        check: pass_first,
    },
    Case {
        id: "login-pass-late",
        rows: "R1939-7.6",
        title: "PASS is refused if another command came behind USER",
        level: Level::Must,
        needs: &[Need::UserPass],
        check: pass_late,
    },
    Case {
        id: "login-user-same",
        rows: "R1939-7.5 R4422-3.6 R3206-5.2 PB-S48",
        title: "USER is answered alike for a known name and for one that nobody has",
        level: Level::Should,
        needs: &[Need::UserPass],
        check: user_same,
    },
    Case {
        id: "login-wrong",
        rows: "R4422-3.6 R1939-4.5",
        title: "a wrong password is refused",
        level: Level::Must,
        needs: &[Need::BadLogins(1)],
        check: wrong,
    },
    Case {
        id: "login-same-words",
        rows: "R4422-3.6 R1939-7.5 PB-S48",
        title: "a wrong password and an unknown name are refused in the same words",
        level: Level::Should,
        needs: &[Need::BadLogins(1)],
        check: same_words,
    },
    Case {
        id: "login-auth-code",
        rows: "R3206-5.1",
        title: "with AUTH-RESP-CODE, a wrong password is refused with [AUTH]",
        level: Level::Should,
        needs: &[Need::Capability("AUTH-RESP-CODE"), Need::BadLogins(1)],
        check: auth_code,
    },
    Case {
        id: "login-second",
        rows: "R1939-4.3 PB-S35 PB-S36",
        title: "a second session is let in, or refused with [IN-USE], and again after QUIT",
        level: Level::Should,
        needs: &[],
        check: second,
    },
    Case {
        id: "login-in-use-secret",
        rows: "R2449-8.2",
        title: "a wrong password is not told that the maildrop is in use",
        level: Level::Must,
        needs: &[Need::BadLogins(1)],
        check: in_use_secret,
    },
    Case {
        id: "login-after-quit",
        rows: "R1939-6.6 R1939-6.1 PB-S36",
        title: "once the connection has ended behind QUIT, the next login finds no lock",
        level: Level::Should,
        needs: &[],
        check: after_quit,
    },
    Case {
        id: "login-after-loss",
        rows: "R1939-6.3 PB-S36",
        title: "a connection that is lost leaves no lock behind for more than 10 seconds",
        level: Level::Must,
        needs: &[],
        check: after_loss,
    },
];

fn good(kit: &mut Kit) -> Checked {
    let method = kit.facts.method;
    kit.in_own_session(|_, _| note(method.map(|method| format!("by {method}")).unwrap_or_default()))
}

fn pass_first(kit: &mut Kit) -> Checked {
    kit.before_login(|link| {
        let reply = link.ask("PASS probe")?;
        link.expect(reply.is_err(), "-ERR")?;
        PASS
    })
}

fn pass_late(kit: &mut Kit) -> Checked {
    kit.leave();
    let user = kit.user();
    let has_capa = kit.facts.before.is_some();
    let mut link = kit.fresh()?;
    let reply = link.ask(&format!("USER {user}"))?;
    if !reply.is_ok() {
        kit.part(link);
        return skip("USER is refused");
    }
    if has_capa {
        capabilities(&mut link);
    } else {
        link.ask("NOOP")?;
    }
    let Some(Proof::Password(password)) = kit.proof() else { return skip("no password") };
    let reply = pass(&mut link, password)?;
    let done = link.expect(reply.is_err(), "-ERR: USER must be sent again").and(PASS);
    kit.part(link);
    done
}

fn user_same(kit: &mut Kit) -> Checked {
    let user = kit.user();
    let known = ask_user(kit, &user)?;
    let unknown = ask_user(kit, NOBODY)?;
    kit.before_login(|link| {
        // Only for what was sent and seen.
        let reply = link.ask(&format!("USER {NOBODY}"))?;
        let code = reply.status().and_then(|status| status.code()).and_then(|code| code.kind());
        link.expect(code != Some(CodeKind::Auth), "no [AUTH] on USER")?;
        link.expect(known == unknown, format!("{}, as for a known name", known.escape_ascii()))?;
        PASS
    })
}

/// The answer to USER, without the name in it.
fn ask_user(kit: &mut Kit, name: &str) -> Result<Vec<u8>, Problem> {
    let mut answer = Vec::new();
    kit.before_login(|link| {
        let reply = link.ask(&format!("USER {name}"))?;
        answer = String::from_utf8_lossy(&reply.line.octets).replace(name, "NAME").into_bytes();
        PASS
    })?;
    Ok(answer)
}

/// The answer to a wrong password for the right name. It is sent once in a run.
fn answer_to_wrong(kit: &mut Kit) -> Result<Reply, Problem> {
    if let Some(reply) = &kit.wrong {
        return Ok(reply.clone());
    }
    kit.leave();
    let user = kit.user();
    let mut link = kit.fresh()?;
    let reply = kit.try_wrong(&mut link, &user)?;
    let checked = link.expect(reply.is_err(), "-ERR");
    kit.part(link);
    checked?;
    kit.wrong = Some(reply.clone());
    Ok(reply)
}

fn wrong(kit: &mut Kit) -> Checked {
    answer_to_wrong(kit)?;
    PASS
}

fn same_words(kit: &mut Kit) -> Checked {
    let known = answer_to_wrong(kit)?;
    let mut link = kit.fresh()?;
    let unknown = kit.try_wrong(&mut link, NOBODY)?;
    let words = known.line.octets.escape_ascii();
    let done = link.expect(known.line.octets == unknown.line.octets, format!("{words}, as for a known name"));
    kit.part(link);
    done.and(PASS)
}

fn code(reply: &Reply) -> Option<CodeKind> {
    reply.status().and_then(|status| status.code()).and_then(|code| code.kind())
}

fn auth_code(kit: &mut Kit) -> Checked {
    let reply = answer_to_wrong(kit)?;
    if code(&reply) == Some(CodeKind::Auth) {
        return PASS;
    }
    Err(Problem::Broken(Box::new(super::case::Evidence {
        sent: b"a wrong password".to_vec(),
        expected: "[AUTH]".into(),
        seen: reply.line.octets,
        event: String::new(),
    })))
}

fn second(kit: &mut Kit) -> Checked {
    if kit.facts.login_delay().is_some() {
        return skip("the server wants time between logins");
    }
    let holder = kit.log_in()?;
    let done = (|| {
        let mut link = kit.fresh()?;
        let reply = kit.try_login(&mut link)?;
        if reply.is_ok() {
            kit.part(link);
            return note("let in: no lock");
        }
        kit.failed_logins -= 1;
        let coded = code(&reply) == Some(CodeKind::InUse) || !kit.facts.announces("RESP-CODES");
        let done = link.expect(coded, "[IN-USE]");
        if !link.has_ended() {
            link.ask("QUIT")?;
        }
        link.close(None);
        done?;
        let mut link = kit.fresh()?;
        let third = kit.try_login(&mut link)?;
        let done =
            link.expect(third.is_err(), "-ERR still: QUIT of a session that was refused frees no lock");
        kit.failed_logins = kit.failed_logins.saturating_sub(u32::from(third.is_err()));
        kit.part(link);
        done?;
        note("refused while the first lasts")
    })();
    kit.part(holder);
    done
}

fn in_use_secret(kit: &mut Kit) -> Checked {
    let holder = kit.log_in()?;
    let user = kit.user();
    let done = (|| {
        let mut link = kit.fresh()?;
        let reply = kit.try_wrong(&mut link, &user)?;
        let good = reply.is_err() && code(&reply) != Some(CodeKind::InUse);
        let done = link.expect(good, "-ERR without [IN-USE]");
        kit.part(link);
        done
    })();
    kit.part(holder);
    done.and(PASS)
}

fn after_quit(kit: &mut Kit) -> Checked {
    if kit.facts.login_delay().is_some() {
        return skip("the server wants time between logins");
    }
    for _ in 0..3 {
        let mut link = kit.log_in()?;
        link.ask("QUIT")?;
        if link.end(GRACE).is_none() {
            return skip("the connection stays open behind QUIT");
        }
        let mut link = kit.fresh()?;
        let reply = kit.try_login(&mut link)?;
        let done = link.expect(reply.is_ok(), "+OK");
        kit.part(link);
        done?;
    }
    PASS
}

fn after_loss(kit: &mut Kit) -> Checked {
    kit.log_in()?.vanish();
    kit.in_own_session(|_, _| PASS).map_err(|problem| match problem {
        Problem::Unclear(why) => Problem::Broken(Box::new(super::case::Evidence {
            sent: b"a login, after one that was lost".to_vec(),
            expected: "+OK within 10 seconds".into(),
            seen: Vec::new(),
            event: why,
        })),
        other => other,
    })
}
