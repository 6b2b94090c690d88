//! The server that served a Maildir before, and the unique-ids that it gave (RFC 1939 section 7).
//!
//! Clients know by a unique-id which messages they have. So that a move to this server makes them fetch nothing twice, the
//! list that the previous server left in the Maildir is read once: when there is no list of this crate yet, or it cannot
//! be read. From then on the ids stand in the list of this crate. The files of the previous server are never changed.
//!
//! # Formats
//!
//! `dovecot-uidlist`: a first line `3 V<validity> N<next number> G<id of the list>`, then for each message
//! `<number> <fields> :<name>`. A field is a letter and a text: `P` is an id that holds whatever the format, `G` the id of
//! the message in the whole store. Up to version 1.0 the first line is `1 <validity> <next number>`, and a message
//! `<number> <name>`.
//!
//! `courierpop3dsizelist`: `/3 <next number> <validity>` (or `/2`), then `<name> <octets> <number>:<validity>` and
//! perhaps `:<0 or 1>`. Numbers of 0 stand for messages whose id is their name, from the time before there was a list.

use core::fmt::Write as _;
use std::fs::File;
use std::io::{BufRead, BufReader};

use rustix::fs::{Mode, OFlags, openat};
use rustix::io::Errno;

use super::MaildirError;
use super::calls::{Call, Reading, call};
use super::lines::Lines;
use super::name::base_of;
use super::uidl_format::{Facts, UidlFormat};

/// Which server served a Maildir before: the unique-ids that it gave go on to hold. See
/// [`MaildirStore::previous_server`](super::MaildirStore::previous_server).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum PreviousServer {
    /// The one that has left its list in the Maildir: Dovecot with ids of its default format, or else Courier.
    #[default]
    Any,
    /// None: all messages get new ids.
    None,
    /// Dovecot, with ids of this format: its setting `pop3_uidl_format`.
    Dovecot(UidlFormat),
    /// Courier.
    Courier,
}

const DOVECOT: &str = "dovecot-uidlist";
const COURIER: &str = "courierpop3dsizelist";

/// What became of a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// The name of its file.
    pub(super) name: &'static str,
    /// Whether the first line says what the rest is.
    pub(super) usable: bool,
    /// Lines that are none of a message.
    pub(super) odd: u64,
}

/// Takes the base of a message's name, and its unique-id.
pub(super) type Take<'a> = dyn FnMut(&[u8], &[u8]) + 'a;

/// Reads what the previous server left. `None`: nothing.
pub(super) fn read(
    root: &File,
    server: &PreviousServer,
    take: &mut Take<'_>,
) -> Result<Option<Seen>, MaildirError> {
    let by_default = UidlFormat::default();
    let (format, courier) = match server {
        PreviousServer::Any => (Some(&by_default), true),
        PreviousServer::None => (None, false),
        PreviousServer::Dovecot(format) => (Some(format), false),
        PreviousServer::Courier => (None, true),
    };
    if let Some(format) = format {
        if let Some(source) = open(root, DOVECOT)? {
            return read_dovecot(source, format, take).map(Some);
        }
    }
    match courier.then(|| open(root, COURIER)).transpose()?.flatten() {
        Some(source) => read_courier(source, take).map(Some),
        None => Ok(None),
    }
}

fn open(root: &File, name: &'static str) -> Result<Option<BufReader<Reading>>, MaildirError> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = match call(Call::OpenList, || openat(root, name, flags, Mode::empty())) {
        Ok(fd) => File::from(fd),
        Err(Errno::NOENT) => return Ok(None),
        Err(errno) => return Err(MaildirError::io("opening the list of the previous server")(errno)),
    };
    let facts = call(Call::Look, || file.metadata()).map_err(MaildirError::std(READING))?;
    if !facts.is_file() {
        return Err(MaildirError::NotRegular { name });
    }
    Ok(Some(BufReader::with_capacity(1 << 16, Reading::new(file, Call::ReadList))))
}

const READING: &str = "reading the list of the previous server";

/// No line that is used is longer, in octets: a name of 255, an id of 70, and numbers.
const LINE_MAX: usize = 1024;

/// Reads a list line by line: the first by `first`, which says how to read the others.
fn read_lines<R: BufRead, H>(
    source: R,
    name: &'static str,
    first: impl FnOnce(&str) -> Option<H>,
    mut message: impl FnMut(&H, &[u8]) -> Option<()>,
) -> Result<Seen, MaildirError> {
    let mut lines = Lines::new(source, LINE_MAX);
    let mut seen = Seen { name, ..Seen::default() };
    let fault = MaildirError::std(READING);
    let first_line = lines.next().map_err(&fault)?;
    let head = first_line.and_then(|line| core::str::from_utf8(line).ok()).and_then(first);
    let Some(head) = head else { return Ok(seen) };
    seen.usable = true;
    while let Some(line) = lines.next().map_err(&fault)? {
        // A line that was cut says nothing: its name is at its end, or may be.
        if line.len() >= LINE_MAX || message(&head, line).is_none() {
            seen.odd += 1;
        }
    }
    Ok(seen)
}

/// What the first line of Dovecot's list says.
struct Dovecot {
    validity: u32,
    fields: bool,
}

pub(super) fn read_dovecot<R: BufRead>(
    source: R,
    format: &UidlFormat,
    take: &mut Take<'_>,
) -> Result<Seen, MaildirError> {
    let mut made = String::new();
    let first = |line: &str| {
        let mut words = line.split_ascii_whitespace();
        match words.next()? {
            "1" => Some(Dovecot { validity: words.next()?.parse().ok()?, fields: false }),
            "3" => {
                let validity = words.find_map(|word| word.strip_prefix('V'))?.parse().ok()?;
                Some(Dovecot { validity, fields: true })
            }
            _ => None,
        }
    };
    read_lines(source, DOVECOT, first, |head, line| {
        let text = core::str::from_utf8(line).ok()?;
        let (number, rest) = text.split_once(' ')?;
        let uid: u32 = number.parse().ok().filter(|uid| *uid > 0)?;
        // Before the name there may be no field at all.
        let (fields, name) = match rest.strip_prefix(':') {
            _ if !head.fields => ("", rest),
            Some(name) => ("", name),
            None => rest.split_once(" :")?,
        };
        let field = |letter| fields.split(' ').find_map(|field| field.strip_prefix(letter));
        let base = base_of(name.as_bytes()).ok()?;
        let file = core::str::from_utf8(base).ok()?;
        match field('P') {
            Some(kept) => take(base, kept.as_bytes()),
            None => {
                let facts = Facts { uid, validity: head.validity, file, guid: field('G').unwrap_or(file) };
                made.clear();
                format.write(&facts, &mut made).ok()?;
                take(base, made.as_bytes());
            }
        }
        Some(())
    })
}

pub(super) fn read_courier<R: BufRead>(source: R, take: &mut Take<'_>) -> Result<Seen, MaildirError> {
    let mut made = String::new();
    let first = |line: &str| {
        let mut words = line.strip_prefix('/')?.split_ascii_whitespace();
        // The numbers of each message hold, not those of the first line.
        matches!(words.next()?, "2" | "3").then_some(())
    };
    read_lines(source, COURIER, first, |(), line| {
        let text = core::str::from_utf8(line).ok()?;
        let (rest, id) = text.rsplit_once(' ')?;
        let (name, _octets) = rest.rsplit_once(' ')?;
        let base = base_of(name.as_bytes()).ok()?;
        let mut numbers = id.split(':').map(|number| number.parse::<u64>().ok());
        let (number, validity) = (numbers.next()??, numbers.next()??);
        made.clear();
        match (number, validity) {
            (0, _) => escape(base, &mut made),
            (_, 0) => write!(made, "UID{number}"),
            _ => write!(made, "UID{number}-{validity}"),
        }
        .ok()?;
        take(base, made.as_bytes());
        Some(())
    })
}

/// A name as Courier tells it: what may not stand in an id, and the octets `'`, `"` and `+`, in hexadecimal.
fn escape(base: &[u8], out: &mut String) -> core::fmt::Result {
    base.iter().try_for_each(|&octet| match octet {
        b'\'' | b'"' | b'+' => write!(out, "+{octet:02X}"),
        b'!'..=b'~' => out.write_char(octet.into()),
        _ => write!(out, "+{octet:02X}"),
    })
}

#[cfg(test)]
mod tests;
