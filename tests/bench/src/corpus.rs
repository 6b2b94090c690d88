//! Mail to measure with: the same octets on every machine, from fixed seeds.
//!
//! | user | each message |
//! |---|---|
//! | `small`, `mail` | about 4 KiB |
//! | `large` | 5 MiB, an attachment in base64 |
//! | `dots` | 64 KiB, a third of the lines begin with a dot, some have thousands of octets |
//! | `giant` | 1 GiB |
//! | `huge`, `ten`, `one` | about 250 octets: 200,000, 10,000 and 1,000 of them |
//! | `bare` | as `huge`, in files whose names tell no sizes |
//! | `u0`, `u1` … | about 2 KiB, ten each: the count is of users |
//!
//! `NAME=COUNT*COPIES` makes `NAME0`, `NAME1` … of the same files, because a maildrop has one session at a time.
//!
//! Files have LF, and names with the sizes that Dovecot would put there, so that it need not look. The manifest has a
//! line for each message: octets on the wire, byte-stuffed, without the final dot, and their checksum.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};

use crate::Fault;
use crate::check::Check;

/// Makes what is wanted and not there yet.
pub(crate) fn make(root: &str, wanted: &[&str]) -> Result<(), Fault> {
    let root = Path::new(root);
    fs::create_dir_all(root.join("manifest"))?;
    for one in wanted {
        let (name, count) = one.split_once('=').ok_or("NAME=COUNT is wanted")?;
        if let Some((count, copies)) = count.split_once('*') {
            let original = format!("{name}0");
            let made = maildrop(root, &original, name, count.parse()?)?;
            for copy in 1..copies.parse::<usize>()? {
                copied(root, &original, &format!("{name}{copy}"), made)?;
            }
        } else if name == "u" {
            for user in 0..count.parse::<usize>()? {
                let user = format!("u{user}");
                maildrop(root, &user, &user, 10)?;
            }
        } else {
            maildrop(root, name, name, count.parse()?)?;
        }
    }
    Ok(())
}

/// An empty Maildir in the place of what was there.
fn fresh(root: &Path, user: &str) -> Result<PathBuf, Fault> {
    let maildir = root.join("mail").join(user).join("Maildir");
    if maildir.exists() {
        fs::remove_dir_all(&maildir)?;
    }
    for part in ["cur", "new", "tmp"] {
        fs::create_dir_all(maildir.join(part))?;
    }
    Ok(maildir)
}

/// Links the files of one maildrop into another.
fn copied(root: &Path, from: &str, to: &str, anew: bool) -> Result<(), Fault> {
    let manifest = |user: &str| root.join("manifest").join(user);
    if !anew && manifest(to).exists() {
        return Ok(());
    }
    let maildir = fresh(root, to)?;
    for entry in fs::read_dir(root.join("mail").join(from).join("Maildir/cur"))? {
        let entry = entry?;
        fs::hard_link(entry.path(), maildir.join("cur").join(entry.file_name()))?;
    }
    give_to_nobody(&maildir)?;
    fs::copy(manifest(from), manifest(to))?;
    Ok(())
}

/// Tells whether it had to be made.
fn maildrop(root: &Path, user: &str, name: &str, count: usize) -> Result<bool, Fault> {
    let manifest = root.join("manifest").join(user);
    // Written last, so that it says that all is there; with another count it is made anew.
    if fs::read_to_string(&manifest).is_ok_and(|text| text.lines().count() == count) {
        return Ok(false);
    }
    let maildir = fresh(root, user)?;
    let mut random = Random::new(name);
    let lines: Vec<Vec<u8>> = (0..2000).map(|_| random.line(20, 76)).collect();
    let mut told = String::new();
    for number in 0..count {
        let temporary = maildir.join("tmp/new");
        let mut out = Message::new(BufWriter::with_capacity(1 << 16, File::create(&temporary)?));
        content(name, number, &mut random, &lines, &mut out)?;
        let Message { mut file, lf, crlf, check, .. } = out;
        file.flush()?;
        let (sum, octets) = check.finish();
        let time = 1_700_000_000 + number;
        let sizes = if name == "bare" { String::new() } else { format!(",S={lf},W={crlf}") };
        fs::rename(&temporary, maildir.join(format!("cur/{time}.M{number:06}P1.bench{sizes}:2,S")))?;
        writeln!(told, "{octets} {sum}")?;
    }
    give_to_nobody(&maildir)?;
    fs::write(manifest, told)?;
    Ok(true)
}

fn content(
    name: &str,
    number: usize,
    random: &mut Random,
    lines: &[Vec<u8>],
    out: &mut Message,
) -> Result<(), Fault> {
    if matches!(name, "huge" | "bare" | "ten" | "one") {
        let header =
            format!("Message-ID: <{number}.{name}@bench.example>\nFrom: a@bench.example\nSubject: {number}");
        header.lines().try_for_each(|line| out.line(line.as_bytes()))?;
        out.line(b"")?;
        return random.pick(lines).chunks(76).cycle().take(2).try_for_each(|line| out.line(line));
    }
    let header = format!(
        "Return-Path: <bench@bench.example>\nReceived: from a.bench.example (a.bench.example [192.0.2.1])\n\
         \tby b.bench.example with ESMTPS id {:016x}\nDate: Mon, 23 Nov 2026 12:00:00 +0000\n\
         From: Bench <bench@bench.example>\nTo: {name}@bench.example\nMessage-ID: <{number}.{name}@bench.example>\n\
         Subject: message {number}\nMIME-Version: 1.0\nContent-Type: text/plain; charset=us-ascii\n",
        random.next(),
    );
    header.split('\n').try_for_each(|line| out.line(line.as_bytes()))?;
    let spread = random.below(1200);
    let octets: u64 = match name {
        "large" => 5 << 20,
        "giant" => 1 << 30,
        "dots" => 64 << 10,
        "small" | "mail" => 4096 - 600 + spread,
        _ => 2048,
    };
    while out.crlf < octets {
        match name {
            "large" | "giant" => out.line(&random.base64_line())?,
            "dots" => match random.below(200) {
                0 => out.line(&random.line(3000, 12000))?,
                1..60 => out.line(&[b".", random.pick(lines)].concat())?,
                60..68 => out.line(b".")?,
                68..74 => out.line(&[b"..", random.pick(lines)].concat())?,
                74..78 => out.line(b"")?,
                _ => out.line(random.pick(lines))?,
            },
            _ => out.line(random.pick(lines))?,
        }
    }
    Ok(())
}

/// A message in the making: the file, and what goes over the wire.
struct Message {
    file: BufWriter<File>,
    lf: u64,
    crlf: u64,
    check: Check,
    wire: Vec<u8>,
}

impl Message {
    fn new(file: BufWriter<File>) -> Self {
        Self { file, lf: 0, crlf: 0, check: Check::new(), wire: Vec::new() }
    }

    fn line(&mut self, line: &[u8]) -> Result<(), Fault> {
        self.file.write_all(line)?;
        self.file.write_all(b"\n")?;
        self.lf += line.len() as u64 + 1;
        self.crlf += line.len() as u64 + 2;
        self.wire.clear();
        if line.starts_with(b".") {
            self.wire.push(b'.');
        }
        self.wire.extend_from_slice(line);
        self.wire.extend_from_slice(b"\r\n");
        self.check.update(&self.wire);
        Ok(())
    }
}

/// Dovecot reads no mail as root.
fn give_to_nobody(maildir: &Path) -> Result<(), Fault> {
    const NOBODY: u32 = 65534;
    // Only root may, and only for root is it needed.
    if chown(maildir, Some(NOBODY), Some(NOBODY)).is_err() {
        return Ok(());
    }
    for part in ["cur", "new", "tmp"] {
        let dir = maildir.join(part);
        chown(&dir, Some(NOBODY), Some(NOBODY))?;
        for entry in fs::read_dir(dir)? {
            chown(entry?.path(), Some(NOBODY), Some(NOBODY))?;
        }
    }
    // Dovecot makes its home there.
    chown(maildir.parent().unwrap_or(maildir), Some(NOBODY), Some(NOBODY))?;
    Ok(())
}

/// Random numbers that are the same everywhere (splitmix64).
struct Random(u64);

impl Random {
    fn new(name: &str) -> Self {
        Self(name.bytes().fold(0, |seed, octet| seed * 257 + u64::from(octet)))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn pick<'a>(&mut self, lines: &'a [Vec<u8>]) -> &'a [u8] {
        lines.get(self.below(lines.len() as u64) as usize).map_or(b"", Vec::as_slice)
    }

    /// Words, `least` to `most` octets.
    fn line(&mut self, least: u64, most: u64) -> Vec<u8> {
        let length = (least + self.below(most - least)) as usize;
        let mut line = Vec::with_capacity(length);
        while line.len() < length {
            for _ in 0..=2 + self.below(8) {
                line.push(b'a' + self.below(26) as u8);
            }
            line.push(b' ');
        }
        line.truncate(length - 1);
        line.push(b'.');
        line
    }

    fn base64_line(&mut self) -> [u8; 76] {
        const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut line = [0; 76];
        for ten in line.chunks_mut(10) {
            let mut bits = self.next();
            for digit in ten {
                *digit = DIGITS[(bits % 64) as usize];
                bits >>= 6;
            }
        }
        line
    }
}
