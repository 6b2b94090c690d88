//! The lines of the journal: a header that names the account, then one record per line.
//!
//! ```text
//! pop3-journal 1 pops://alice@mail.example.org:995
//! 8d8f0820 + 1700000000 QhdPYR:00WBw1Ph7x7
//! ```
//!
//! A record is a check (CRC-32 of what follows the blank behind it, eight hexadecimal digits), a mark, a time in seconds
//! since 1970, and the unique-id. Octets outside 0x21–0x7E, and `%`, are written as `%` and two hexadecimal digits,
//! so that an id is one word whatever the server sent. Behind the mark `~`, of an intent, two more words follow: the
//! name of the message file, and the Maildir.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use crate::crc::crc32;

/// The longest unique-id, in octets: more than a line of a scan listing may have.
pub(super) const MAX_ID: usize = 8192;

/// The longest path of a Maildir in an intent, in octets: no system opens a longer one.
pub(super) const MAX_PATH: usize = 4096;

/// The longest file name there is, in octets.
const MAX_NAME: usize = 255;

/// No line is longer, in octets with its LF: check, mark, time, id, name, Maildir and what stands between them.
pub(super) const MAX_LINE: usize =
    8 + 1 + 1 + 1 + 20 + 1 + 3 * MAX_ID + 1 + 3 * MAX_NAME + 1 + 3 * MAX_PATH + 1;

const MAGIC: &[u8] = b"pop3-journal ";

/// What a record says of its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// The message is here, durably, since the time of the record.
    Held,
    /// As before, and the server has not listed it since the time of the record.
    Absent,
    /// Nothing is known of it any more.
    Forgotten,
}

/// The mark of an intent.
const INTENT: u8 = b'~';

impl Mark {
    const fn octet(self) -> u8 {
        match self {
            Self::Held => b'+',
            Self::Absent => b'?',
            Self::Forgotten => b'-',
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Record {
    /// Tells how it stands with an id.
    Id { mark: Mark, time: u64, id: Box<[u8]> },
    /// The message is about to become this file.
    Intent { time: u64, id: Box<[u8]>, file: MessageFile },
}

/// The file that a message is to be, once it is in `new`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MessageFile {
    pub(super) maildir: PathBuf,
    pub(super) name: OsString,
}

impl Record {
    /// Appends the line to `out`, with its LF.
    pub(super) fn encode(mark: Mark, time: u64, id: &[u8], out: &mut Vec<u8>) {
        Self::encode_words(mark.octet(), time, &[id], out);
    }

    /// The same for an intent.
    pub(super) fn encode_intent(time: u64, id: &[u8], maildir: &Path, name: &OsStr, out: &mut Vec<u8>) {
        let words = [id, name.as_bytes(), maildir.as_os_str().as_bytes()];
        Self::encode_words(INTENT, time, &words, out);
    }

    fn encode_words(mark: u8, time: u64, words: &[&[u8]], out: &mut Vec<u8>) {
        let mut text = vec![mark];
        text.extend_from_slice(format!(" {time}").as_bytes());
        for word in words {
            text.push(b' ');
            escape(word, &mut text);
        }
        out.extend_from_slice(format!("{:08x} ", crc32(&text)).as_bytes());
        out.append(&mut text);
        out.push(b'\n');
    }

    /// Reads a line without its LF. `None` if it is not exactly what [`encode`](Self::encode) writes.
    pub(super) fn parse(line: &[u8]) -> Option<Self> {
        let (check, text) = line.split_at_checked(9)?;
        if check != format!("{:08x} ", crc32(text)).as_bytes() {
            return None;
        }
        let mut words = text.split(|&b| b == b' ');
        let mark = words.next()?;
        let time = pop3_proto::parse_number(words.next()?)?;
        let id = unescape(words.next()?)?.into_boxed_slice();
        let record = match mark {
            b"+" => Self::Id { mark: Mark::Held, time, id },
            b"?" => Self::Id { mark: Mark::Absent, time, id },
            b"-" => Self::Id { mark: Mark::Forgotten, time, id },
            [INTENT] => {
                let name = OsString::from_vec(unescape(words.next()?)?);
                let maildir = PathBuf::from(OsString::from_vec(unescape(words.next()?)?));
                Self::Intent { time, id, file: MessageFile { maildir, name } }
            }
            _ => return None,
        };
        words.next().is_none().then_some(record)
    }
}

/// The first line of the journal of `account`, with its LF.
pub(super) fn header(account: &str) -> Vec<u8> {
    let mut line = [MAGIC, b"1 "].concat();
    escape(account.as_bytes(), &mut line);
    line.push(b'\n');
    line
}

/// What the first line of a file tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Header {
    Ours,
    OtherAccount,
    UnknownVersion,
    NotAJournal,
}

/// Judges the first line of a file, given without its LF, by the header it should be.
pub(super) fn judge_header(line: &[u8], header: &[u8]) -> Header {
    if Some(line) == header.strip_suffix(b"\n") {
        return Header::Ours;
    }
    match line.strip_prefix(MAGIC) {
        Some(rest) if rest.starts_with(b"1 ") => Header::OtherAccount,
        Some(rest) if rest.first().is_some_and(u8::is_ascii_digit) => Header::UnknownVersion,
        _ => Header::NotAJournal,
    }
}

/// Appends `octets` as one word of printable ASCII.
fn escape(octets: &[u8], out: &mut Vec<u8>) {
    for &octet in octets {
        if octet.is_ascii_graphic() && octet != b'%' {
            out.push(octet);
        } else {
            out.extend_from_slice(format!("%{octet:02X}").as_bytes());
        }
    }
}

fn unescape(mut word: &[u8]) -> Option<Vec<u8>> {
    let digit = |octet: u8| char::from(octet).to_digit(16);
    let mut octets = Vec::with_capacity(word.len());
    while let [first, rest @ ..] = word {
        word = rest;
        match (first, rest) {
            (b'%', [high, low, rest @ ..]) => {
                octets.push(u8::try_from(digit(*high)? * 16 + digit(*low)?).ok()?);
                word = rest;
            }
            (b'%', _) => return None,
            (octet, _) if octet.is_ascii_graphic() => octets.push(*octet),
            _ => return None,
        }
    }
    Some(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(id: &[u8]) -> Vec<u8> {
        let mut line = Vec::new();
        Record::encode(Mark::Held, 1_700_000_000, id, &mut line);
        line
    }

    #[test]
    fn r16_ids_are_one_word_of_printable_ascii() {
        for (id, word) in [
            (&b"QhdPYR:00WBw1Ph7x7"[..], "QhdPYR:00WBw1Ph7x7"),
            (b"/", "/"),
            (b"..", ".."),
            (b"\\:~", "\\:~"),
            (b"%00", "%2500"),
            (b"\0", "%00"),
            (b"a b\r\nc", "a%20b%0D%0Ac"),
            (b"\x7f\x80\xff", "%7F%80%FF"),
            (b"", ""),
        ] {
            let line = line(id);
            let text = format!("+ 1700000000 {word}");
            assert_eq!(line, format!("{:08x} {text}\n", crc32(text.as_bytes())).as_bytes());
            let record = Record::Id { mark: Mark::Held, time: 1_700_000_000, id: id.into() };
            assert_eq!(Record::parse(&line[..line.len() - 1]), Some(record));
        }
    }

    #[test]
    fn r15_ids_of_every_octet_and_length_come_back() {
        let all: Vec<u8> = (0..=255).collect();
        for id in [&all[..], &[b'%'; 71], &[0; MAX_ID], &[b'a'; 70]] {
            let line = line(id);
            assert!(line.len() <= MAX_LINE);
            let record = Record::Id { mark: Mark::Held, time: 1_700_000_000, id: id.into() };
            assert_eq!(Record::parse(&line[..line.len() - 1]), Some(record));
        }
    }

    fn intent(id: &[u8], file: &MessageFile) -> Vec<u8> {
        let mut line = Vec::new();
        Record::encode_intent(1_700_000_000, id, &file.maildir, &file.name, &mut line);
        line
    }

    #[test]
    fn r16_an_intent_comes_back_whatever_its_paths_are() {
        let all: Vec<u8> = (0..=255).collect();
        for (maildir, name, words) in [
            (&b"/home/alice/Mail"[..], &b"1.M0P1Q2R3.host"[..], "1.M0P1Q2R3.host /home/alice/Mail"),
            (b"/a b\n%\xff", b"1 2", "1%202 /a%20b%0A%25%FF"),
            (b"", b"", " "),
        ] {
            let file = MessageFile {
                maildir: OsString::from_vec(maildir.into()).into(),
                name: OsString::from_vec(name.into()),
            };
            let line = intent(b"a b", &file);
            let text = format!("~ 1700000000 a%20b {words}");
            assert_eq!(line, format!("{:08x} {text}\n", crc32(text.as_bytes())).as_bytes());
            let id = b"a b"[..].into();
            let record = Record::Intent { time: 1_700_000_000, id, file };
            assert_eq!(Record::parse(&line[..line.len() - 1]), Some(record));
        }
        let file = MessageFile {
            maildir: OsString::from_vec(all.repeat(MAX_PATH / 256)).into(),
            name: OsString::from_vec(vec![b' '; MAX_NAME]),
        };
        let line = intent(&[0; MAX_ID], &file);
        assert!(line.len() <= MAX_LINE);
        let record = Record::Intent { time: 1_700_000_000, id: [0; MAX_ID].into(), file };
        assert_eq!(Record::parse(&line[..line.len() - 1]), Some(record));
    }

    #[test]
    fn pb_c20_a_changed_line_is_no_record() {
        let file = MessageFile { maildir: "/m".into(), name: "1.a".into() };
        for line in [line(b"a%b"), intent(b"a%b", &file)] {
            check_changes(&line[..line.len() - 1]);
        }
    }

    fn check_changes(line: &[u8]) {
        for cut in 0..line.len() {
            assert_eq!(Record::parse(&line[..cut]), None, "cut at {cut}");
        }
        for at in 0..line.len() {
            for bit in 0..8 {
                let mut line = line.to_vec();
                line[at] ^= 1 << bit;
                assert_eq!(Record::parse(&line), None, "bit {bit} of octet {at}");
            }
        }
    }

    #[test]
    fn pb_c20_a_line_with_a_good_check_must_be_well_formed_too() {
        for text in [
            "",
            "+",
            "+ 1",
            "* 1 a",
            "+  a",
            "+ -1 a",
            "+ 99999999999999999999 a",
            "+ 1 a b",
            "+ 1 %",
            "+ 1 %0",
            "+ 1 %0g",
            "+ 1 \u{e4}",
            "+ 1 a b c",
            "~ 1 a",
            "~ 1 a b",
            "~ 1 a b c d",
            "~ 1 a b %",
        ] {
            let line = format!("{:08x} {text}", crc32(text.as_bytes()));
            assert_eq!(Record::parse(line.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn pb_c20_the_header_names_version_and_account() {
        let ours = header("pops://a%b c@h:995");
        assert_eq!(ours, b"pop3-journal 1 pops://a%25b%20c@h:995\n");
        for (line, want) in [
            (&ours[..ours.len() - 1], Header::Ours),
            (b"pop3-journal 1 pops://a@h:995", Header::OtherAccount),
            (b"pop3-journal 2 pops://a%25b%20c@h:995", Header::UnknownVersion),
            (b"pop3-journal 10 x", Header::UnknownVersion),
            (b"pop3-journal ", Header::NotAJournal),
            (b"", Header::NotAJournal),
            (b"From MAILER-DAEMON", Header::NotAJournal),
        ] {
            assert_eq!(judge_header(line, &ours), want, "{}", line.escape_ascii());
        }
    }
}
