//! The list of unique-ids of a Maildir: the file `pop3-uidlist` (RFC 1939 section 7; R38).
//!
//! # Ids
//!
//! An id is 16 lower-case hexadecimal digits: 8 of the list's validity, 8 of the message's own number. Numbers rise
//! and are never given twice under one validity, since the next one is stored too. The validity is a random number
//! drawn when a list is begun: where there was none, where the first line cannot be read, or after 2³² messages. Messages
//! that had an id of a previous server when the list was begun keep it.
//!
//! # Format
//!
//! Lines of text that end in LF. Each begins with the CRC-32 of what follows the space behind it:
//!
//! ```text
//! 7d2c1a90 pop3-uidlist 1 <validity> <next number> <rules>
//! 03b1f6e2 <number> <octets> <file size> <modification time in ns> <base of the file name>
//! 5e0c99d1 end <number of lines>
//! ```
//!
//! `octets` is the size of the message on the wire under the body rules that `rules` stands for, or `-` if it has to
//! be counted again. Where the server offers `UTF8` the format is 2, with one field more behind the octets: those of the
//! surrogate, `=` if the header is ASCII and there is none, or `-` if nobody has looked. Where messages have an id of a
//! previous server it is 3, with that field, and behind it another: that id, or `-`. All formats are read; the earliest that
//! will do is written. Later versions keep the first line's beginning, so that this one knows to leave them alone.
//!
//! # Damage
//!
//! A line whose sum is wrong is passed over: its message gets a new id, never another's. A file that breaks off has
//! no last line, which is reported. The file is replaced as a whole (write, fsync, rename, fsync of the directory),
//! so a crash leaves the old or the new one. A writer that dies before the last step leaves a note in the lock file, and
//! the next session writes the list again before it tells an id: what it saw might be gone after a power failure.

use core::fmt;
use std::fs::File;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, BufRead, BufReader, BufWriter, Write};

use pop3_proto::body::BodyRules;
use rustix::fs::{Mode, OFlags, openat};
use rustix::io::Errno;

use super::MaildirError;
use super::calls::{Call, Reading, Writing, call};
use super::lines::Lines;
use super::lock::Lock;
use super::new_file::{NEW_NAME, move_to, replace};
use super::unique_ids::UniqueIds;
use crate::crc::crc32;

/// The name of the list.
pub(super) const NAME: &str = "pop3-uidlist";
/// The beginning of the first line, behind the sum.
const MAGIC: &str = "pop3-uidlist";
/// No line that this crate writes is longer, in octets.
const LINE_MAX: usize = 512;

/// What holds for a whole list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) validity: u32,
    /// The number of the next message: greater than all in use, at least 1.
    pub(super) next: u32,
    /// The body rules with which octets were counted, as [`rules_tag`] gives them.
    pub(super) rules: u32,
    pub(super) format: Format,
}

/// What the lines tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Format {
    Sizes,
    /// And of surrogates.
    Surrogates,
    /// And unique-ids of another server.
    UniqueIds,
}

impl Format {
    const fn name(self) -> &'static str {
        match self {
            Self::Sizes => "1",
            Self::Surrogates => "2",
            Self::UniqueIds => "3",
        }
    }

    fn named(name: &str) -> Option<Self> {
        [Self::Sizes, Self::Surrogates, Self::UniqueIds].into_iter().find(|format| format.name() == name)
    }
}

/// What is known of the surrogate of a message (RFC 6858).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Surrogate {
    Unknown,
    /// The header is ASCII.
    None,
    /// Its octets on the wire.
    Octets(u64),
}

impl Header {
    /// The beginning of a list whose ids are unlike those of any other.
    pub(super) fn fresh(rules: u32) -> Self {
        let random = RandomState::new().build_hasher().finish().to_be_bytes();
        let validity =
            random.iter().fold(0_u32, |validity, &octet| validity.rotate_left(8) ^ u32::from(octet));
        Self { validity, next: 1, rules, format: Format::Sizes }
    }

    /// The unique-id of message `uid`.
    pub(super) fn unique_id(&self, uid: u32) -> [u8; 16] {
        let mut id = [0; 16];
        let value = (u64::from(self.validity) << 32) | u64::from(uid);
        for (digit, shift) in id.iter_mut().zip((0..16).rev()) {
            // Four bits: below 16.
            *digit = b"0123456789abcdef".get((value >> (4 * shift)) as usize & 15).copied().unwrap_or(b'0');
        }
        id
    }
}

/// A number that differs between rules under which octets may differ.
pub(super) fn rules_tag(rules: BodyRules) -> u32 {
    // The text form follows new rules by itself. If it changes for another reason, sizes are counted once more.
    crc32(format!("{rules:?}").as_bytes())
}

/// One message in the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line<'a> {
    pub(super) uid: u32,
    /// `None`: to be counted.
    pub(super) octets: Option<u64>,
    pub(super) surrogate: Surrogate,
    /// The id that a previous server gave.
    pub(super) unique_id: Option<&'a [u8]>,
    /// The size of the file, in octets.
    pub(super) size: u64,
    /// When the file was last changed, in nanoseconds since 1970.
    pub(super) mtime: i64,
    pub(super) base: &'a [u8],
}

/// What stands where the list should be.
#[allow(clippy::large_enum_variant, reason = "there is one, for a moment")]
pub(super) enum Opened {
    Missing,
    /// The first line is damaged: nothing of the list can be used.
    Unreadable,
    Ready(Header, Reader<BufReader<Reading>>),
}

/// Opens the list.
pub(super) fn open(root: &File) -> Result<Opened, MaildirError> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = match call(Call::OpenList, || openat(root, NAME, flags, Mode::empty())) {
        Ok(fd) => File::from(fd),
        Err(Errno::NOENT) => return Ok(Opened::Missing),
        Err(errno) => return Err(MaildirError::io("opening the list of unique-ids")(errno)),
    };
    let facts = call(Call::Look, || file.metadata()).map_err(MaildirError::std(READING))?;
    if !facts.is_file() {
        return Err(MaildirError::NotRegular { name: NAME });
    }
    let mut reader = Reader::new(BufReader::with_capacity(1 << 16, Reading::new(file, Call::ReadList)));
    Ok(match reader.header()? {
        Some(header) => Opened::Ready(header, reader),
        None => Opened::Unreadable,
    })
}

const READING: &str = "reading the list of unique-ids";

/// Reads a list line by line, in memory that does not grow with it.
pub(super) struct Reader<R> {
    source: Lines<R>,
    format: Format,
    /// Lines read behind the first.
    lines: u64,
    damaged: u64,
    ended: Option<u64>,
}

impl<R: BufRead> Reader<R> {
    pub(super) fn new(source: R) -> Self {
        let source = Lines::new(source, LINE_MAX);
        Self { source, format: Format::Sizes, lines: 0, damaged: 0, ended: None }
    }

    /// Reads the first line. `None`: it is damaged.
    pub(super) fn header(&mut self) -> Result<Option<Header>, MaildirError> {
        let line = self.source.next().map_err(MaildirError::std(READING))?;
        let Some(text) = line.and_then(checked).and_then(|text| core::str::from_utf8(text).ok()) else {
            return Ok(None);
        };
        let mut fields = text.split(' ');
        if fields.next() != Some(MAGIC) {
            return Ok(None);
        }
        let format = fields.next().and_then(Format::named).ok_or(MaildirError::ListVersion)?;
        let mut number = || fields.next().and_then(|digits| hex(digits.as_bytes()));
        let (Some(validity), Some(next), Some(rules)) = (number(), number(), number()) else {
            return Ok(None);
        };
        if fields.next().is_some() {
            return Ok(None);
        }
        self.format = format;
        Ok((next > 0).then_some(Header { validity, next, rules, format }))
    }

    /// Reads to the end, and has `take` called with each good line.
    pub(super) fn for_each(&mut self, mut take: impl FnMut(&Line<'_>)) -> Result<(), MaildirError> {
        while let Some(line) = self.source.next().map_err(MaildirError::std(READING))? {
            if self.ended.is_some() {
                (self.lines, self.damaged) = (self.lines + 1, self.damaged + 1); // behind the last line
            } else if let Some(count) = checked(line).and_then(|text| text.strip_prefix(b"end ")) {
                self.ended = pop3_proto::parse_number(count);
            } else {
                self.lines += 1;
                match parse(line, self.format) {
                    Some(line) => take(&line),
                    None => self.damaged += 1,
                }
            }
        }
        Ok(())
    }

    /// How many lines were passed over, and whether lines are missing at the end. Final behind [`for_each`](Self::for_each).
    pub(super) fn damage(&self) -> (u64, bool) {
        (self.damaged, self.ended != Some(self.lines))
    }
}

/// What follows the sum, if the sum is right.
fn checked(line: &[u8]) -> Option<&[u8]> {
    let sum = hex(line.get(..8)?)?;
    let text = line.get(8..)?.strip_prefix(b" ")?;
    (crc32(text) == sum).then_some(text)
}

/// A message's line.
fn parse(line: &[u8], format: Format) -> Option<Line<'_>> {
    let (surrogates, unique_ids) = (format >= Format::Surrogates, format >= Format::UniqueIds);
    let count = 5 + usize::from(surrogates) + usize::from(unique_ids);
    let mut fields = checked(line)?.splitn(count, |&octet| octet == b' ');
    let uid = hex(fields.next()?).filter(|&uid| uid > 0)?;
    let octets = match fields.next()? {
        b"-" => None,
        digits => Some(pop3_proto::parse_number(digits)?),
    };
    let surrogate = match surrogates.then(|| fields.next()) {
        None | Some(Some(b"-")) => Surrogate::Unknown,
        Some(Some(b"=")) => Surrogate::None,
        Some(digits) => Surrogate::Octets(pop3_proto::parse_number(digits?)?),
    };
    let unique_id = match unique_ids.then(|| fields.next()) {
        None | Some(Some(b"-")) => None,
        Some(id) => Some(id.filter(|id| UniqueIds::is_good(id))?),
    };
    let size = pop3_proto::parse_number(fields.next()?)?;
    let mtime = core::str::from_utf8(fields.next()?).ok()?.parse().ok()?;
    let base = fields.next().filter(|base| super::name::base_of(base) == Ok(*base))?;
    Some(Line { uid, octets, surrogate, unique_id, size, mtime, base })
}

/// Replaces the list by `header` and the lines that `lines` puts.
///
/// Afterwards the list is durable. If it fails, the old list is in force, or the new one that may not be durable: then
/// the lock says that it is unsure.
pub(super) fn write(
    root: &File,
    lock: &Lock,
    header: Header,
    lines: impl FnOnce(&mut Writer) -> io::Result<()>,
) -> io::Result<()> {
    replace(root, |file| fill_and_rename(root, lock, file, header, lines))
}

fn fill_and_rename(
    root: &File,
    lock: &Lock,
    file: Writing,
    header: Header,
    lines: impl FnOnce(&mut Writer) -> io::Result<()>,
) -> io::Result<()> {
    let mut writer = Writer::begin(BufWriter::with_capacity(1 << 16, file), header)?;
    lines(&mut writer)?;
    let out = writer.end()?;
    let Writing(file) = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    call(Call::Sync(NEW_NAME), || file.sync_all())?;
    lock.note_unsure(true)?;
    move_to(root, NAME)?;
    call(Call::SyncDir(None), || root.sync_all())?;
    // If that fails, the list is written once more than it need be.
    if let Err(error) = lock.note_unsure(false) {
        log::debug!("noting that the list of unique-ids is safe: {error}");
    }
    Ok(())
}

/// Takes the lines of a list that is being written.
pub(super) struct Writer<W = BufWriter<Writing>> {
    out: W,
    text: Vec<u8>,
    format: Format,
    lines: u64,
}

impl<W: Write> Writer<W> {
    /// Writes the first line.
    pub(super) fn begin(out: W, header: Header) -> io::Result<Self> {
        let Header { validity, next, rules, format } = header;
        let mut writer = Self { out, text: Vec::new(), format, lines: 0 };
        let version = format.name();
        writer.put(format_args!("{MAGIC} {version} {validity:08x} {next:08x} {rules:08x}"), b"")?;
        Ok(writer)
    }

    /// Writes the last line.
    pub(super) fn end(mut self) -> io::Result<W> {
        let count = self.lines;
        self.put(format_args!("end {count}"), b"")?;
        Ok(self.out)
    }

    /// Puts one message.
    pub(super) fn line(&mut self, line: &Line<'_>) -> io::Result<()> {
        let Line { uid, octets, surrogate, unique_id, size, mtime, base } = line;
        self.lines += 1;
        let octets = octets.map_or_else(|| "-".to_owned(), |octets| octets.to_string());
        let surrogate = match surrogate {
            _ if self.format < Format::Surrogates => "",
            Surrogate::Unknown => " -",
            Surrogate::None => " =",
            Surrogate::Octets(octets) => &format!(" {octets}"),
        };
        let unique_id = match unique_id {
            _ if self.format < Format::UniqueIds => "",
            // A good id is ASCII.
            Some(id) => &format!(" {}", core::str::from_utf8(id).unwrap_or("-")),
            None => " -",
        };
        self.put(format_args!("{uid:08x} {octets}{surrogate}{unique_id} {size} {mtime} "), base)
    }

    fn put(&mut self, text: fmt::Arguments<'_>, base: &[u8]) -> io::Result<()> {
        self.text.clear();
        self.text.write_fmt(text)?;
        self.text.extend_from_slice(base);
        write!(self.out, "{:08x} ", crc32(&self.text))?;
        self.text.push(b'\n');
        self.out.write_all(&self.text)
    }
}

/// Exactly eight lower-case hexadecimal digits.
fn hex(digits: &[u8]) -> Option<u32> {
    if digits.len() != 8 {
        return None;
    }
    digits.iter().try_fold(0_u32, |value, &digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some((value << 4) | u32::from(digit))
    })
}

#[cfg(test)]
mod tests;
