//! Connections: two pipes each, with delays, cuts anywhere, bounded buffers, half-close and reset.
//!
//! In one pipe nothing is reordered and nothing is lost but by a fault of the plan, as in TCP; different connections know
//! nothing of each other.

use std::collections::VecDeque;

use super::attacker::Attacker;
use super::model::Violation;
use super::trace::Who;
use super::{Cx, Tally, Time};

/// What of a password stands in the base64 of a message that holds it, by where it begins.
const SHOWN: [&str; 4] =
    [super::PASSWORD, "bG9va2luZy1nbGFzcy03", "xvb2tpbmctZ2xhc3MtN", "sb29raW5nLWdsYXNzLT"];

/// One of the two ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Client,
    Server,
}

impl Side {
    pub(super) const fn peer(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

/// What goes wrong with a connection, once so many octets were written by one side.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cut {
    pub(super) writer: Side,
    pub(super) after: u64,
    pub(super) kind: CutKind,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum CutKind {
    /// Both sides see a reset.
    Reset,
    /// Both sides see the end of the stream.
    Fin,
    /// Nothing arrives any more, and nobody is told.
    Silence,
    /// What follows arrives so much later.
    Stall(Time),
}

/// What a connection is like.
#[derive(Debug)]
pub(super) struct LinkPlan {
    pub(super) latency: Time,
    /// Octets that one pipe holds, in flight and arrived.
    pub(super) capacity: usize,
    pub(super) cut: Option<Cut>,
    pub(super) attacker: Option<Attacker>,
    /// Whether what passes in clear text is kept, to be searched for credentials.
    pub(super) overheard: bool,
}

#[derive(Debug)]
enum Segment {
    Octets(Vec<u8>),
    Fin,
    Reset,
}

/// What a read found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrived {
    Octets(usize),
    Nothing,
    /// The other side will send no more. Told at every further read.
    Fin,
    Reset,
}

#[derive(Debug)]
struct Pipe {
    in_flight: VecDeque<(Time, Segment)>,
    last_due: Time,
    arrived: Vec<u8>,
    /// What of `arrived` was read.
    read: usize,
    end: Option<Arrived>,
    held: usize,
    written: u64,
    shut: bool,
    lost: bool,
    /// Something was read since the writer was last told.
    freed: bool,
}

impl Pipe {
    const fn new() -> Self {
        Self {
            in_flight: VecDeque::new(),
            last_due: 0,
            arrived: Vec::new(),
            read: 0,
            end: None,
            held: 0,
            written: 0,
            shut: false,
            lost: false,
            freed: false,
        }
    }

    fn push(&mut self, due: Time, segment: Segment) {
        self.last_due = self.last_due.max(due);
        self.in_flight.push_back((self.last_due, segment));
    }
}

#[derive(Debug)]
pub(super) struct Link {
    pub(super) session: usize,
    pub(super) plan: LinkPlan,
    /// A fault of the plan has happened.
    pub(super) faulty: bool,
    /// What passed in clear text, by writer.
    pub(super) overheard: [Vec<u8>; 2],
    /// By writer.
    pipes: [Pipe; 2],
    gone: [bool; 2],
}

impl Link {
    pub(super) const fn new(session: usize, plan: LinkPlan) -> Self {
        Self {
            session,
            plan,
            faulty: false,
            overheard: [const { Vec::new() }; 2],
            pipes: [Pipe::new(), Pipe::new()],
            gone: [false; 2],
        }
    }

    /// How many octets a write would take now.
    pub(super) const fn room(&self, writer: Side) -> usize {
        self.plan.capacity.saturating_sub(self.pipes[writer as usize].held)
    }

    /// Takes as many octets as there is room for, and tells how many.
    pub(super) fn write(&mut self, writer: Side, octets: &[u8], clear: bool, cx: &mut Cx) -> usize {
        let pipe = &mut self.pipes[writer as usize];
        assert!(!pipe.shut, "nobody writes behind its own end");
        let taken = octets.len().min(self.plan.capacity.saturating_sub(pipe.held));
        if taken < octets.len() {
            cx.counts.add(Tally::Full);
        }
        let mut octets = &octets[..taken];
        let tampered;
        if clear && taken > 0 {
            if let Some(attacker) = &mut self.plan.attacker
                && let Some(instead) = attacker.tamper(writer, octets, &mut cx.counts)
            {
                cx.trace.octets(cx.now, Who::Network(self.session), "attacker writes", &instead);
                self.faulty = true;
                tampered = instead;
                octets = &tampered;
            }
            if self.plan.overheard {
                self.overheard[writer as usize].extend_from_slice(octets);
            }
        }
        self.send(writer, octets, cx);
        taken
    }

    /// Writes a few octets more than there may be room for: what TLS has to say for itself.
    pub(super) fn write_beyond(&mut self, writer: Side, octets: &[u8], cx: &mut Cx) {
        if !self.pipes[writer as usize].shut {
            self.send(writer, octets, cx);
        }
    }

    fn send(&mut self, writer: Side, octets: &[u8], cx: &mut Cx) {
        let mut rest = octets;
        while !rest.is_empty() {
            let pipe = &mut self.pipes[writer as usize];
            // Small pieces and whole writes are both common.
            let mut some = match cx.random.below(4) {
                0 => 1 + cx.random.below(6),
                1 => 1 + cx.random.below(60),
                _ => rest.len(),
            };
            some = some.min(rest.len());
            let mut delay = 0;
            if let Some(cut) = self.plan.cut.filter(|cut| cut.writer == writer && !pipe.lost) {
                let before = usize::try_from(cut.after - pipe.written).expect("octets of a session");
                if before == 0 {
                    match cut.kind {
                        CutKind::Stall(time) => delay = time,
                        kind => {
                            self.cut(kind, cx);
                            continue;
                        }
                    }
                    self.plan.cut = None;
                    self.faulty = true;
                    cx.counts.add(Tally::Stall);
                    cx.trace.note(cx.now, Who::Network(self.session), "holds up what follows, ms", delay);
                } else {
                    some = some.min(before);
                }
            }
            let pipe = &mut self.pipes[writer as usize];
            let (head, tail) = rest.split_at(some);
            if !tail.is_empty() {
                cx.counts.add(Tally::Cuts);
            }
            pipe.written += some as u64;
            pipe.held += some;
            if !pipe.lost {
                let due = cx.now + cx.random.between(0, self.plan.latency) + delay;
                pipe.push(due, Segment::Octets(head.to_vec()));
            }
            rest = tail;
        }
    }

    fn cut(&mut self, kind: CutKind, cx: &mut Cx) {
        self.faulty = true;
        let (tally, what) = match kind {
            CutKind::Reset => (Tally::CutReset, "resets the connection"),
            CutKind::Fin => (Tally::CutFin, "ends the connection"),
            CutKind::Silence | CutKind::Stall(_) => (Tally::CutSilence, "falls silent"),
        };
        cx.counts.add(tally);
        cx.trace.note(cx.now, Who::Network(self.session), what, 0);
        for pipe in &mut self.pipes {
            let due = cx.now + cx.random.between(0, self.plan.latency);
            match kind {
                CutKind::Reset => pipe.push(due, Segment::Reset),
                CutKind::Fin => pipe.push(due, Segment::Fin),
                CutKind::Silence | CutKind::Stall(_) => {}
            }
            pipe.lost = true;
        }
    }

    /// Reads at most what `room` has place for, and often less.
    pub(super) fn read(&mut self, reader: Side, room: &mut [u8], cx: &mut Cx) -> Arrived {
        let pipe = &mut self.pipes[reader.peer() as usize];
        let unread = &pipe.arrived[pipe.read..];
        if unread.is_empty() {
            return pipe.end.unwrap_or(Arrived::Nothing);
        }
        let most = unread.len().min(room.len());
        let some = if cx.random.once_in(4) { 1 + cx.random.below(most) } else { most };
        room[..some].copy_from_slice(&unread[..some]);
        pipe.read += some;
        pipe.held = pipe.held.saturating_sub(some);
        pipe.freed = true;
        if pipe.read == pipe.arrived.len() {
            pipe.arrived.clear();
            pipe.read = 0;
        }
        Arrived::Octets(some)
    }

    /// Tells the other side that no more will be written.
    pub(super) fn shut(&mut self, writer: Side, cx: &mut Cx) {
        let latency = self.plan.latency;
        let pipe = &mut self.pipes[writer as usize];
        if !core::mem::replace(&mut pipe.shut, true) && !pipe.lost {
            let due = cx.now + cx.random.between(0, latency);
            pipe.push(due, Segment::Fin);
        }
    }

    /// Gives the connection up. Octets that were not read make a reset of it, as in TCP.
    pub(super) fn close(&mut self, side: Side, cx: &mut Cx) {
        self.gone[side as usize] = true;
        let incoming = &mut self.pipes[side.peer() as usize];
        let unread = incoming.arrived.len() > incoming.read;
        incoming.held = 0;
        incoming.freed = true;
        incoming.arrived.clear();
        incoming.read = 0;
        if unread {
            cx.counts.add(Tally::ResetByClose);
            self.reset(side, cx);
        } else {
            self.shut(side, cx);
        }
    }

    /// Gives the connection up by a reset.
    pub(super) fn reset(&mut self, side: Side, cx: &mut Cx) {
        self.gone[side as usize] = true;
        let latency = self.plan.latency;
        let pipe = &mut self.pipes[side as usize];
        pipe.shut = true;
        if !pipe.lost {
            let due = cx.now + cx.random.between(0, latency);
            pipe.push(due, Segment::Reset);
        }
    }

    /// Gives the connection up without a word, as a machine does that loses its power.
    pub(super) const fn vanish(&mut self, side: Side) {
        self.gone[side as usize] = true;
        self.pipes[side as usize].shut = true;
        self.pipes[side as usize].lost = true;
        // Nobody answers for what still comes in.
        self.pipes[side.peer() as usize].lost = true;
    }

    /// When the next thing arrives, and from whom.
    pub(super) fn next_due(&self) -> Option<(Time, Side)> {
        let due = |side: Side| self.pipes[side as usize].in_flight.front().map(|(due, _)| (*due, side));
        match (due(Side::Client), due(Side::Server)) {
            (Some(client), Some(server)) => Some(if client.0 <= server.0 { client } else { server }),
            (client, server) => client.or(server),
        }
    }

    /// Lets the next thing from `writer` arrive.
    pub(super) fn deliver(&mut self, writer: Side, cx: &mut Cx) {
        let reader = writer.peer();
        let latency = self.plan.latency;
        let pipe = &mut self.pipes[writer as usize];
        let Some((_, segment)) = pipe.in_flight.pop_front() else { return };
        if self.gone[reader as usize] {
            if let Segment::Octets(octets) = segment {
                pipe.held = pipe.held.saturating_sub(octets.len());
                pipe.freed = true;
                // Nobody is there to take them.
                let back = &mut self.pipes[reader as usize];
                if !back.lost && !matches!(back.in_flight.back(), Some((_, Segment::Reset))) {
                    let due = cx.now + cx.random.between(0, latency);
                    back.push(due, Segment::Reset);
                }
            }
            return;
        }
        match segment {
            Segment::Octets(octets) if pipe.end.is_none() => pipe.arrived.extend_from_slice(&octets),
            Segment::Octets(octets) => pipe.held = pipe.held.saturating_sub(octets.len()),
            Segment::Fin => {
                pipe.end.get_or_insert(Arrived::Fin);
            }
            Segment::Reset => {
                // What was not read yet is lost as often as not.
                if cx.random.once_in(2) {
                    pipe.arrived.clear();
                    pipe.read = 0;
                }
                pipe.end = Some(Arrived::Reset);
                pipe.held = pipe.arrived.len() - pipe.read;
                // Whoever waits for room learns of it too.
                self.pipes[reader as usize].freed = true;
            }
        }
    }

    /// Whether the other side has read something since the last question.
    pub(super) const fn freed(&mut self, writer: Side) -> bool {
        core::mem::replace(&mut self.pipes[writer as usize].freed, false)
    }

    /// The most that one pipe holds now.
    pub(super) fn held(&self) -> usize {
        self.pipes[0].held.max(self.pipes[1].held)
    }

    /// Whether `writer` itself has ended its half, or all of the connection.
    pub(super) const fn is_shut(&self, writer: Side) -> bool {
        self.pipes[writer as usize].shut
    }

    /// Whether a reset has come from the other side, which makes writing useless.
    pub(super) fn is_reset(&self, side: Side) -> bool {
        self.pipes[side.peer() as usize].end == Some(Arrived::Reset)
    }

    /// Whether the password has not passed in clear text.
    pub(super) fn check_overheard(&self) -> Result<(), Violation> {
        for text in &self.overheard {
            let holds = |what: &str| text.windows(what.len()).any(|window| window == what.as_bytes());
            if SHOWN.iter().any(|what| holds(what)) {
                return Err(Violation::new("a password has passed in clear text".to_owned()));
            }
        }
        Ok(())
    }
}
