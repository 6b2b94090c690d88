//! Commands sent ahead of their replies.

use zeroize::Zeroizing;

use super::authenticate::Proof;
use super::case::{Case, Checked, Level, Need, PASS, Problem, skip};
use super::facts::Facts;
use super::kit::Kit;
use super::link::Link;

pub(super) const CASES: &[Case] = &[
    Case {
        id: "pipeline-order",
        rows: "R2449-6.6.1 PB-S45",
        title: "commands in one segment get the replies that they get one at a time",
        level: Level::Must,
        needs: &[Need::Capability("PIPELINING")],
        check: in_one_segment,
    },
    Case {
        id: "pipeline-octets",
        rows: "R2449-6.6.1 R1939-3.9 PB-S16",
        title: "and so they do when they come octet by octet",
        level: Level::Must,
        needs: &[Need::Capability("PIPELINING")],
        check: octet_by_octet,
    },
    Case {
        id: "pipeline-thousand",
        rows: "R2449-6.6.1",
        title: "a thousand commands in one write get a thousand replies",
        level: Level::Must,
        needs: &[Need::Capability("PIPELINING")],
        check: thousand,
    },
    Case {
        id: "pipeline-login",
        rows: "R2449-6.6.1 PB-S45",
        title: "USER, PASS and STAT in one segment log in and count",
        level: Level::Must,
        needs: &[Need::Capability("PIPELINING"), Need::UserPass],
        check: login,
    },
];

/// The shape of a reply.
#[derive(Clone, Copy)]
enum Shape {
    Line,
    List,
    Body,
}

fn batch(facts: &Facts) -> Vec<(&'static str, Shape)> {
    let mut batch = vec![("NOOP", Shape::Line), ("STAT", Shape::Line), ("LIST", Shape::List)];
    if facts.messages() > 0 {
        batch.push(("RETR 1", Shape::Body));
        batch.push(("LIST 1", Shape::Line));
    }
    // A refusal does not cancel the rest (R2449-6.6.5).
    batch.extend([("XYZZY", Shape::Line), ("LIST 0", Shape::Line), ("NOOP", Shape::Line)]);
    if facts.announces("UIDL") {
        batch.push(("UIDL", Shape::List));
    }
    if facts.announces("TOP") && facts.messages() > 0 {
        batch.push(("TOP 1 1", Shape::Body));
    }
    batch.push(("STAT", Shape::Line));
    batch
}

/// A whole reply, as octets to compare.
fn take(link: &mut Link, shape: Shape) -> Result<Vec<u8>, Problem> {
    Ok(match shape {
        Shape::Line => link.reply()?.line.octets,
        Shape::List => {
            let list = link.list_reply()?;
            let lines: Vec<&[u8]> = list.lines.iter().map(|line| line.octets.as_slice()).collect();
            lines.join(&b'\n')
        }
        Shape::Body => link.body_reply()?.octets,
    })
}

fn compare(kit: &mut Kit, send: impl FnOnce(&mut Link, &[u8])) -> Checked {
    kit.in_session(|link, facts| {
        let batch = batch(facts);
        let mut singly = Vec::new();
        for (command, shape) in &batch {
            link.send(format!("{command}\r\n").as_bytes());
            singly.push(take(link, *shape)?);
        }
        let all: String = batch.iter().map(|(command, _)| format!("{command}\r\n")).collect();
        send(link, all.as_bytes());
        for ((command, shape), before) in batch.iter().zip(&singly) {
            let reply = take(link, *shape)?;
            link.expect(reply == *before, format!("the reply to {command} as before"))?;
        }
        PASS
    })
}

fn in_one_segment(kit: &mut Kit) -> Checked {
    compare(kit, Link::send)
}

fn octet_by_octet(kit: &mut Kit) -> Checked {
    compare(kit, Link::send_singly)
}

fn thousand(kit: &mut Kit) -> Checked {
    kit.in_session(|link, _| {
        // 6,000 octets, and the replies to them: buffers on the way hold them.
        link.send(b"NOOP\r\n".repeat(999).as_slice());
        link.send_more(b"STAT\r\n");
        for place in 1..=1000 {
            let reply = link.reply()?;
            link.expect(reply.is_ok(), format!("+OK to command {place}"))?;
        }
        link.expect(!link.has_unread(), "no more replies")?;
        PASS
    })
}

fn login(kit: &mut Kit) -> Checked {
    kit.leave();
    let user = kit.user();
    let mut link = kit.fresh()?;
    let Some(Proof::Password(password)) = kit.proof() else { return skip("no password") };
    let line = Zeroizing::new(format!("USER {user}\r\nPASS {}\r\nSTAT\r\n", password.as_str()));
    link.send_secret(line.as_bytes(), &format!("USER {user}\r\nPASS ...\r\nSTAT\r\n"));
    let done = (|| {
        let first = link.reply()?;
        let second = link.login_reply()?;
        let third = link.reply()?;
        link.expect(first.is_ok() && second.is_ok() && third.is_ok(), "+OK three times")?;
        link.expect(third.text().first().is_some_and(u8::is_ascii_digit), "the reply to STAT")?;
        PASS
    })();
    kit.note_login(done.is_ok());
    kit.part(link);
    done
}
