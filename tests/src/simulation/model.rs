//! What must be: a few lines that know nothing of the library.
//!
//! [`Facts`] tells what a session's server has heard and done, [`Oracle`] what its client has said and must hear.

use core::fmt;
use std::collections::VecDeque;
use std::rc::Rc;

use pop3_proto::{Command, MessageNumber};

use super::store::{Fate, Letter};
use super::{Cx, LINE};

/// Something that must never happen has happened.
#[derive(Debug)]
pub(super) struct Violation(String);

impl Violation {
    pub(super) const fn new(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where the commit of a session stands.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Commit {
    No,
    /// `QUIT` was heard: these messages may go.
    Asked(Vec<u32>),
    /// What was answered.
    Answered(bool),
}

/// What is known of one session from its server's side.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) drop: usize,
    /// The messages when the maildrop was opened: number 1 is the first.
    pub(super) mail: Vec<(u32, Rc<Letter>)>,
    /// What the session has taken in since the login.
    pub(super) heard: Vec<u8>,
    /// Whether each login with the right password opened the maildrop; what a client has heard of is taken away.
    pub(super) logins: VecDeque<bool>,
    /// Whether each message that was asked for and is there could be opened.
    pub(super) openings: VecDeque<bool>,
    pub(super) commit: Commit,
    /// The messages that a `QUIT` was heard for.
    pub(super) marked: Vec<u32>,
    pub(super) wrong_passwords: u32,
    /// A fault has happened that the session need not survive.
    pub(super) excused: bool,
    /// Whether `STLS`, and logins in clear text, are taken.
    pub(super) stls: bool,
    pub(super) cleartext: bool,
    /// Who must hold every message that this session removes.
    pub(super) keeper: Option<usize>,
}

impl Facts {
    /// Which messages are marked by what was heard, if it is all lines and the last one, and no other, is a `QUIT`.
    fn marks(&self) -> Option<Vec<u32>> {
        let mut marked = vec![false; self.mail.len()];
        let mut rest = self.heard.as_slice();
        while let Some(end) = rest.windows(2).position(|octets| octets == b"\r\n") {
            let line = rest[..end].to_ascii_uppercase();
            rest = &rest[end + 2..];
            if end + 2 > LINE {
                continue;
            }
            if line == b"QUIT" {
                let ids = self.mail.iter().zip(marked).filter(|(_, marked)| *marked);
                return rest.is_empty().then(|| ids.map(|((id, _), _)| *id).collect());
            }
            if line == b"RSET" {
                marked.fill(false);
            }
            if let Some(number) = line.strip_prefix(b"DELE ") {
                let number: Option<usize> =
                    core::str::from_utf8(number).ok().and_then(|text| text.parse().ok());
                if let Some(mark) = number.and_then(|number| marked.get_mut(number.wrapping_sub(1))) {
                    *mark = true;
                }
            }
        }
        None
    }
}

impl Cx {
    /// The session wants these messages removed.
    pub(super) fn commit_asked(
        &mut self,
        session: usize,
        numbers: impl Iterator<Item = MessageNumber>,
    ) -> Result<Vec<u32>, Violation> {
        let facts = &mut self.sessions[session];
        let ids: Option<Vec<u32>> =
            numbers.map(|number| facts.mail.get(number.index()).map(|(id, _)| *id)).collect();
        let heard = facts.marks();
        let Some(ids) = ids.filter(|ids| heard.as_ref() == Some(ids)) else {
            let heard_text = facts.heard.escape_ascii().to_string();
            return Err(Violation::new(format!(
                "a commit of other messages than {heard:?}, after {heard_text:?}"
            )));
        };
        facts.commit = Commit::Asked(ids.clone());
        facts.marked.clone_from(&ids);
        Ok(ids)
    }
}

/// Something that a client has said.
#[derive(Clone, Copy, Debug)]
pub(super) enum Said {
    Command(Command<'static>),
    /// The last word of a login: `PASS`, or an `AUTH` exchange. `None`: cancelled.
    Login {
        right: Option<bool>,
        by_auth: bool,
    },
    /// A line that is no command, or not for a client of this state.
    Bad,
}

/// What a reply is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard {
    Refused,
    Accepted,
    Totals(u32, u64),
    Sizes(Vec<(u32, u64)>),
    Ids(Vec<(u32, Vec<u8>)>),
    Mail(Vec<u8>),
}

/// What a client has said and must hear.
#[derive(Debug, Default)]
pub(super) struct Oracle {
    pub(super) said: VecDeque<Said>,
    pub(super) tls: bool,
    pub(super) logged_in: bool,
    named: bool,
    marked: Vec<bool>,
    /// The reply to `QUIT`, once it was heard.
    pub(super) quit: Option<bool>,
    pub(super) greeted: bool,
    /// `QUIT` was answered: nothing else is.
    over: bool,
}

pub(super) fn unique_id(id: u32) -> String {
    format!("id{id:04}")
}

impl Oracle {
    pub(super) fn new(tls: bool) -> Self {
        Self { tls, ..Self::default() }
    }

    /// Compares a reply with what it must be.
    pub(super) fn hear(&mut self, session: usize, heard: &Heard, cx: &mut Cx) -> Result<(), Violation> {
        let Some(said) = self.said.pop_front() else {
            return Err(Violation::new(format!("a reply to nothing: {heard:?}")));
        };
        if self.over {
            return Err(Violation::new(format!("a reply behind that to QUIT: {heard:?}")));
        }
        let expected = self.expect(said, session, cx)?;
        if *heard != expected {
            return Err(Violation::new(format!(
                "{said:?} is answered by {heard:?}, and not by {expected:?}"
            )));
        }
        Ok(())
    }

    fn expect(&mut self, said: Said, session: usize, cx: &mut Cx) -> Result<Heard, Violation> {
        let named = core::mem::replace(&mut self.named, false);
        let facts = &mut cx.sessions[session];
        let private = self.tls || facts.cleartext;
        let accepted = |yes: bool| if yes { Heard::Accepted } else { Heard::Refused };
        self.over = matches!(said, Said::Command(Command::Quit));
        let command = match said {
            Said::Bad => return Ok(Heard::Refused),
            Said::Login { right, by_auth } => {
                let checked = !self.logged_in && if by_auth { private } else { named };
                if !checked || right != Some(true) {
                    return Ok(Heard::Refused);
                }
                let Some(opened) = facts.logins.pop_front() else {
                    return Err(Violation::new("a login is answered that never was".to_owned()));
                };
                self.logged_in = opened;
                self.marked = vec![false; facts.mail.len()];
                return Ok(accepted(opened));
            }
            Said::Command(command) => command,
        };
        match command {
            Command::Capa => return Ok(Heard::Accepted),
            Command::Quit if !self.logged_in => return Ok(Heard::Accepted),
            Command::Stls => return Ok(accepted(!self.logged_in && !self.tls && facts.stls)),
            Command::User(_) => {
                self.named = !self.logged_in && private;
                return Ok(accepted(self.named));
            }
            _ if !self.logged_in => return Ok(Heard::Refused),
            _ => {}
        }
        let alive = |number: MessageNumber| {
            let at = number.index();
            facts.mail.get(at).filter(|_| !self.marked[at]).map(|(id, letter)| (at, *id, Rc::clone(letter)))
        };
        let live = || facts.mail.iter().zip(&self.marked).zip(1u32..).filter(|((_, marked), _)| !**marked);
        Ok(match command {
            Command::Stat => {
                let octets = live().map(|(((_, letter), _), _)| letter.sent.len() as u64).sum();
                Heard::Totals(u32::try_from(live().count()).expect("few messages"), octets)
            }
            Command::List(None) => Heard::Sizes(
                live().map(|(((_, letter), _), number)| (number, letter.sent.len() as u64)).collect(),
            ),
            Command::Uidl(None) => Heard::Ids(
                live().map(|(((id, _), _), number)| (number, unique_id(*id).into_bytes())).collect(),
            ),
            Command::List(Some(number)) => alive(number).map_or(Heard::Refused, |(_, _, letter)| {
                Heard::Sizes(vec![(number.get(), letter.sent.len() as u64)])
            }),
            Command::Uidl(Some(number)) => alive(number).map_or(Heard::Refused, |(_, id, _)| {
                Heard::Ids(vec![(number.get(), unique_id(id).into_bytes())])
            }),
            Command::Retr(number) | Command::Top { number, .. } => match alive(number) {
                Some((_, _, letter)) if facts.openings.pop_front() == Some(true) => {
                    Heard::Mail(match command {
                        Command::Top { lines, .. } => letter.top(lines),
                        _ => letter.sent.clone(),
                    })
                }
                _ => Heard::Refused,
            },
            Command::Dele(number) => match alive(number) {
                Some((at, _, _)) => {
                    self.marked[at] = true;
                    Heard::Accepted
                }
                None => Heard::Refused,
            },
            Command::Rset => {
                self.marked.fill(false);
                Heard::Accepted
            }
            Command::Noop => Heard::Accepted,
            Command::Quit => {
                let Commit::Answered(all_removed) = facts.commit else {
                    return Err(Violation::new("QUIT is answered before the commit".to_owned()));
                };
                self.quit = Some(all_removed);
                if all_removed {
                    self.check_removed(session, cx)?;
                }
                accepted(all_removed)
            }
            _ => Heard::Refused,
        })
    }

    /// The client has its `+OK` to `QUIT`: what it has marked is gone for good, and that is all that was asked for.
    fn check_removed(&self, session: usize, cx: &Cx) -> Result<(), Violation> {
        let facts = &cx.sessions[session];
        let marked = facts.mail.iter().zip(&self.marked).filter(|(_, marked)| **marked);
        let ids: Vec<u32> = marked.map(|((id, _), _)| *id).collect();
        if ids != facts.marked {
            return Err(Violation::new(format!(
                "the client has marked {ids:?}, removed is {:?}",
                facts.marked
            )));
        }
        match ids.iter().find(|id| cx.drops[facts.drop].fate(**id) != Some(Fate::Gone)) {
            Some(id) => Err(Violation::new(format!("message {id} is there after the +OK to QUIT"))),
            None => Ok(()),
        }
    }

    /// Whether everything that was said is answered.
    pub(super) fn is_settled(&self) -> bool {
        self.over || self.said.is_empty()
    }

    /// Both sides have started TLS: nothing that was said before is answered any more.
    pub(super) fn tls_started(&mut self) {
        self.tls = true;
        self.named = false;
        self.said.clear();
    }
}
