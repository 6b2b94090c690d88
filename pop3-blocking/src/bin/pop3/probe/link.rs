//! One connection to the server under test: octets out, lines in, each wait with an end, each size with a bound.
//!
//! It tolerates more than a client may, so that one fault of a server does not hide the next: lines may end with LF alone,
//! status indicators may come in any form. What it tolerated is kept, and the cases about it look there.

use std::cell::RefCell;
use std::net::TcpStream;
use std::rc::Rc;
use std::time::Duration;

use pop3_blocking::pop3_proto::body::{BodyDecoder, BodyStep};
use pop3_blocking::pop3_proto::{Status, StatusLine};
use pop3_blocking::tls::{ClientTls, ServerName, TlsInfo};
use pop3_blocking::{Deadline, Input, Transport, TransportError};

use super::case::{Evidence, Problem};

/// Octets of evidence that are kept of each direction.
const KEPT: usize = 400;
/// Octets of the longest line that is not a message's.
const LINE: usize = 64 * 1024;
/// Lines of the longest list.
const LINES: usize = 100_000;
/// Octets of the longest message that is fetched whole.
pub(super) const BODY: usize = 4 * 1024 * 1024;
/// Octets that may come before the end of a connection.
const TAIL: usize = 64 * 1024;

/// How the server's side ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// FIN, or `close_notify` under TLS.
    Orderly,
    /// FIN under TLS without `close_notify`.
    Truncated,
    /// A reset, a TLS alert and the like.
    Broken(String),
}

impl End {
    fn text(&self) -> String {
        match self {
            Self::Orderly => "the server closed the connection".to_owned(),
            Self::Truncated => "the server closed the connection without close_notify".to_owned(),
            Self::Broken(error) => format!("the connection was lost: {error}"),
        }
    }
}

/// One line, without its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) octets: Vec<u8>,
    /// Whether it ended with CRLF, and not LF alone.
    pub(super) crlf: bool,
}

/// The first line of a reply.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    pub(super) line: Line,
}

impl Reply {
    /// Whether it is a success in any form; the cases about the form look at the line.
    pub(super) fn is_ok(&self) -> bool {
        match StatusLine::parse(&self.line.octets) {
            Some(status) => status.status == Status::Ok,
            None => starts(&self.line.octets, b"+OK"),
        }
    }

    pub(super) fn is_err(&self) -> bool {
        match StatusLine::parse(&self.line.octets) {
            Some(status) => status.status == Status::Err,
            None => starts(&self.line.octets, b"-ERR"),
        }
    }

    /// The text behind the status indicator.
    pub(super) fn text(&self) -> &[u8] {
        match StatusLine::parse(&self.line.octets) {
            Some(status) => status.text,
            None => self.line.octets.get(4..).unwrap_or_default(),
        }
    }

    pub(super) fn status(&self) -> Option<StatusLine<'_>> {
        StatusLine::parse(&self.line.octets)
    }
}

fn starts(line: &[u8], indicator: &[u8]) -> bool {
    line.get(..indicator.len()).is_some_and(|head| head.eq_ignore_ascii_case(indicator))
}

/// A list: its first line, and the others without the final dot, dots unstuffed.
#[derive(Clone, Debug)]
pub(super) struct List {
    pub(super) reply: Reply,
    pub(super) lines: Vec<Line>,
}

/// A message or a part of it.
#[derive(Clone, Debug)]
pub(super) struct Body {
    pub(super) reply: Reply,
    /// As on the wire, with the final line.
    pub(super) wire: Vec<u8>,
    /// Without byte-stuffing and final line.
    pub(super) octets: Vec<u8>,
}

/// A line that began a reply, and what it came to.
#[derive(Clone, Debug)]
pub(super) struct Heard {
    pub(super) sent: Vec<u8>,
    pub(super) line: Line,
    /// Whether `LANG` was used before: the text may be of any language then.
    pub(super) language: bool,
}

/// What was heard in the whole run: the cases about all replies look at it.
#[derive(Debug, Default)]
pub(super) struct Record {
    pub(super) heard: Vec<Heard>,
    /// The first line that did not end with CRLF.
    pub(super) bare_lf: Option<Heard>,
}

/// Entries of the record.
const HEARD: usize = 5000;
/// Octets of an entry that are kept of each direction.
const SHORT: usize = 600;

/// What a wait brought.
enum Came {
    Octets,
    Ended,
    Silence,
}

pub(super) struct Link {
    transport: Option<Transport<TcpStream>>,
    unread: Vec<u8>,
    ended: Option<End>,
    wait: Duration,
    /// How long the reply to a login may take: servers let those wait who fail.
    pub(super) login_wait: Duration,
    write: Duration,
    sent: Vec<u8>,
    seen: Vec<u8>,
    silent: bool,
    /// The greeting.
    pub(super) greeting: Option<Reply>,
    record: Rc<RefCell<Record>>,
    /// Whether `LANG` was used.
    pub(super) language: bool,
    /// Whether a login succeeded.
    pub(super) is_logged_in: bool,
    /// Commands that were answered with `-ERR`: servers have a limit on these.
    pub(super) refusals: usize,
}

impl Link {
    pub(super) fn new(
        transport: Transport<TcpStream>,
        wait: Duration,
        write: Duration,
        record: Rc<RefCell<Record>>,
    ) -> Self {
        Self {
            transport: Some(transport),
            unread: Vec::new(),
            ended: None,
            wait,
            login_wait: wait,
            write,
            sent: Vec::new(),
            seen: Vec::new(),
            silent: false,
            greeting: None,
            record,
            language: false,
            is_logged_in: false,
            refusals: 0,
        }
    }

    /// Sends octets as they are. A failure shows at the next read.
    pub(super) fn send(&mut self, octets: &[u8]) {
        self.forget();
        self.send_more(octets);
    }

    /// As [`send`](Self::send), with what was sent before still part of the evidence.
    pub(super) fn send_more(&mut self, octets: &[u8]) {
        keep(&mut self.sent, octets);
        self.write(octets);
    }

    /// Sends what nobody may see; `shown` stands in its place.
    pub(super) fn send_secret(&mut self, octets: &[u8], shown: &str) {
        self.forget();
        keep(&mut self.sent, shown.as_bytes());
        self.write(octets);
    }

    fn forget(&mut self) {
        self.sent.clear();
        self.seen.clear();
        self.silent = false;
    }

    fn write(&mut self, octets: &[u8]) {
        let deadline = Deadline::after(self.write.saturating_mul(2));
        let Some(transport) = &mut self.transport else { return };
        // The server may have answered and closed: that is to be read first.
        if let Err(error) = transport.write_all(octets, self.write, deadline) {
            log::debug!("write: {error}");
        }
    }

    /// Sends one octet at a time, each in a segment of its own as far as the system lets us.
    pub(super) fn send_singly(&mut self, octets: &[u8]) {
        self.forget();
        for octet in octets {
            self.send_more(&[*octet]);
        }
    }

    /// Sends a command and takes the first line of the reply.
    pub(super) fn ask(&mut self, command: &str) -> Result<Reply, Problem> {
        self.send(&[command.as_bytes(), b"\r\n"].concat());
        self.reply()
    }

    /// The greeting. It has cases of its own, and is no part of the record.
    pub(super) fn greet(&mut self) -> Result<(), Problem> {
        let line = self.line(Deadline::after(self.wait), "a greeting")?;
        self.greeting = Some(Reply { line });
        Ok(())
    }

    /// The first line of the next reply.
    pub(super) fn reply(&mut self) -> Result<Reply, Problem> {
        self.reply_within(self.wait)
    }

    /// The first line of the reply to a command that may log in.
    pub(super) fn login_reply(&mut self) -> Result<Reply, Problem> {
        let reply = self.reply_within(self.login_wait.max(self.wait))?;
        self.is_logged_in |= reply.is_ok();
        Ok(reply)
    }

    pub(super) fn reply_within(&mut self, wait: Duration) -> Result<Reply, Problem> {
        let line = self.line(Deadline::after(wait), "a reply")?;
        let mut record = self.record.borrow_mut();
        if record.heard.len() < HEARD {
            record.heard.push(self.heard(&line));
        }
        drop(record);
        let reply = Reply { line };
        if reply.is_err() {
            self.refusals = self.refusals.saturating_add(1);
        }
        Ok(reply)
    }

    /// Sends a command whose success is a list.
    pub(super) fn list(&mut self, command: &str) -> Result<List, Problem> {
        self.send(&[command.as_bytes(), b"\r\n"].concat());
        self.list_reply()
    }

    /// Takes a list, or a refusal.
    pub(super) fn list_reply(&mut self) -> Result<List, Problem> {
        let reply = self.reply()?;
        let lines = if reply.is_ok() { self.lines()? } else { Vec::new() };
        Ok(List { reply, lines })
    }

    /// The lines of a list up to the final dot.
    pub(super) fn lines(&mut self) -> Result<Vec<Line>, Problem> {
        let deadline = Deadline::after(self.wait);
        let mut lines = Vec::new();
        loop {
            let mut line = self.line(deadline, "a list that ends with a dot alone on a line")?;
            if line.octets == b"." {
                return Ok(lines);
            }
            if line.octets.starts_with(b".") {
                line.octets.remove(0);
            }
            if lines.len() >= LINES {
                return Err(self.broken(format!("a list of at most {LINES} lines")));
            }
            lines.push(line);
        }
    }

    /// Sends a command whose success is a message.
    pub(super) fn body(&mut self, command: &str) -> Result<Body, Problem> {
        self.send(&[command.as_bytes(), b"\r\n"].concat());
        self.body_reply()
    }

    /// Takes a message, or a refusal.
    pub(super) fn body_reply(&mut self) -> Result<Body, Problem> {
        let reply = self.reply()?;
        let (mut wire, mut octets) = (Vec::new(), Vec::new());
        if !reply.is_ok() {
            return Ok(Body { reply, wire, octets });
        }
        let deadline = Deadline::after(self.wait);
        let mut decoder = BodyDecoder::new();
        loop {
            while !self.unread.is_empty() {
                let (taken, step) = decoder.decode(&self.unread);
                let (ended, needs) = (step == BodyStep::End, step == BodyStep::NeedInput);
                if let BodyStep::Chunk(chunk) = step {
                    octets.extend_from_slice(chunk);
                }
                wire.extend(self.unread.drain(..taken));
                if ended {
                    return Ok(Body { reply, wire, octets });
                }
                if needs {
                    break;
                }
            }
            if wire.len() > BODY {
                return Err(self.broken(format!("a message of at most {BODY} octets")));
            }
            match self.receive(deadline) {
                Came::Octets => {}
                Came::Ended | Came::Silence => {
                    return Err(self.broken("a message that ends with a dot alone on a line"));
                }
            }
        }
    }

    /// One line, which may also end with LF alone.
    fn line(&mut self, deadline: Deadline, expected: &str) -> Result<Line, Problem> {
        let mut scanned = 0;
        loop {
            let fresh = self.unread.get(scanned..).unwrap_or_default();
            if let Some(at) = fresh.iter().position(|&octet| octet == b'\n') {
                let mut octets: Vec<u8> = self.unread.drain(..=scanned + at).collect();
                octets.pop();
                let crlf = octets.last() == Some(&b'\r');
                if crlf {
                    octets.pop();
                }
                let line = Line { octets, crlf };
                if !crlf {
                    self.record.borrow_mut().bare_lf.get_or_insert_with(|| self.heard(&line));
                }
                return Ok(line);
            }
            scanned = self.unread.len();
            if scanned > LINE {
                return Err(self.broken(format!("{expected}, in lines of at most {LINE} octets")));
            }
            match self.receive(deadline) {
                Came::Octets => {}
                Came::Ended | Came::Silence => return Err(self.broken(expected)),
            }
        }
    }

    fn heard(&self, line: &Line) -> Heard {
        let octets = line.octets.get(..line.octets.len().min(SHORT)).unwrap_or_default().to_vec();
        let line = Line { octets, crlf: line.crlf };
        Heard { sent: self.sent.clone(), line, language: self.language }
    }

    fn receive(&mut self, deadline: Deadline) -> Came {
        if self.ended.is_some() {
            return Came::Ended;
        }
        let Some(transport) = &mut self.transport else { return Came::Ended };
        let mut room = [0; 4096];
        let end = match transport.read(&mut room, deadline) {
            Ok(Input::Octets(octets)) => {
                let fresh = room.get(..octets).unwrap_or_default();
                keep(&mut self.seen, fresh);
                self.unread.extend_from_slice(fresh);
                return Came::Octets;
            }
            Err(TransportError::TimedOut) => {
                self.silent = true;
                return Came::Silence;
            }
            Ok(Input::Closed) => End::Orderly,
            Err(TransportError::Truncated) => End::Truncated,
            Err(error) => End::Broken(error.to_string()),
        };
        self.ended = Some(end);
        Came::Ended
    }

    /// Some octets, whatever they are; `None` at the end or after the deadline.
    pub(super) fn octets(&mut self, deadline: Deadline) -> Option<Vec<u8>> {
        if self.unread.is_empty() && !matches!(self.receive(deadline), Came::Octets) {
            return None;
        }
        Some(std::mem::take(&mut self.unread))
    }

    /// Reads to the end of the connection. `None`: it stays open. The octets before the end are part of the evidence.
    pub(super) fn end(&mut self, wait: Duration) -> Option<End> {
        let deadline = Deadline::after(wait);
        let mut octets = 0;
        loop {
            octets += self.unread.len();
            self.unread.clear();
            if let Some(end) = &self.ended {
                return Some(end.clone());
            }
            if octets > TAIL || matches!(self.receive(deadline), Came::Silence) {
                return None;
            }
        }
    }

    /// Takes all replies up to the end of the connection, and says how it ended.
    pub(super) fn rest(&mut self, wait: Duration) -> (Vec<Line>, Option<End>) {
        let deadline = Deadline::after(wait);
        let mut lines = Vec::new();
        while lines.len() < LINES {
            match self.line(deadline, "") {
                Ok(line) => lines.push(line),
                Err(_) => break,
            }
        }
        (lines, self.ended.clone())
    }

    /// Whether the server ended the connection, as far as it is known.
    pub(super) const fn has_ended(&self) -> bool {
        self.ended.is_some()
    }

    /// Whether octets are here that nobody asked for.
    pub(super) fn has_unread(&self) -> bool {
        !self.unread.is_empty()
    }

    /// Goes away without a word: under TLS without `close_notify`.
    pub(super) fn vanish(&mut self) {
        self.transport = None;
        self.ended = Some(End::Orderly);
    }

    /// Ends our side without `QUIT`, and leaves the server's open.
    pub(super) fn close(&mut self, drain: Option<Duration>) {
        self.ended.get_or_insert(End::Orderly);
        if let Some(transport) = self.transport.take() {
            if let Err(error) = transport.close(drain) {
                log::debug!("close: {error}");
            }
        }
    }

    /// Starts TLS, right after the `+OK` to STLS.
    pub(super) fn start_tls(
        &mut self,
        tls: &ClientTls,
        name: &ServerName,
        wait: Duration,
    ) -> Result<(), TransportError> {
        let Some(transport) = self.transport.take() else { return Err(TransportError::ClosedInHandshake) };
        self.transport = Some(transport.connect_tls(tls, name, Deadline::after(wait))?);
        Ok(())
    }

    pub(super) fn tls(&self) -> Option<TlsInfo<'_>> {
        self.transport.as_ref().and_then(Transport::tls)
    }

    /// The evidence: what was sent since the last [`send`](Self::send), and what came.
    pub(super) fn broken(&self, expected: impl Into<String>) -> Problem {
        let event = match &self.ended {
            Some(end) => end.text(),
            None if self.silent => "no more in time".to_owned(),
            None => String::new(),
        };
        let (sent, seen) = (self.sent.clone(), self.seen.clone());
        Problem::Broken(Box::new(Evidence { sent, expected: expected.into(), seen, event }))
    }

    /// As [`broken`](Self::broken) unless `holds`.
    pub(super) fn expect(&self, holds: bool, expected: impl Into<String>) -> Result<(), Problem> {
        if holds { Ok(()) } else { Err(self.broken(expected)) }
    }

    /// Sends a command that must be refused, and sees that the next one is answered.
    pub(super) fn refused(&mut self, command: &[u8]) -> Result<Reply, Problem> {
        self.send(&[command, b"\r\n"].concat());
        let reply = self.reply()?;
        self.expect(reply.is_err(), "-ERR")?;
        Ok(reply)
    }
}

fn keep(kept: &mut Vec<u8>, octets: &[u8]) {
    let room = KEPT.saturating_sub(kept.len());
    kept.extend_from_slice(octets.get(..octets.len().min(room)).unwrap_or_default());
}
