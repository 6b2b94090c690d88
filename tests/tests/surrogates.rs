//! Surrogates, read by another program: the parser of Python's `email` package finds the names, addresses and subjects
//! that went in.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::io::{Read, Write};
use std::process::{Command, Stdio};

use pop3_blocking::store::SurrogateReader;
use pop3_tests::peers::require;

/// Reads messages of a header each, with a line of a dot between; prints what their headers say, a line a message. Blanks are
/// left out, as some versions put one between two encoded words of a name.
const READ: &str = r#"
import sys, email, email.policy
for text in sys.stdin.buffer.read().split(b'.\n'):
    message = email.message_from_bytes(text, policy=email.policy.default)
    to = [a.display_name + '|' + a.addr_spec for a in message['To'].addresses]
    sys.stdout.buffer.write(','.join(to + [str(message['Subject'])]).replace(' ', '').encode() + b'\n')
"#;

const NAMES: [(&str, &str); 7] = [
    ("Jürgen", "Jürgen"),
    ("Å B", "ÅB"),
    ("\"Müller, J\"", "Müller,J"),
    ("平仮名 テスト", "平仮名テスト"),
    ("plain", "plain"),
    ("\"q \\\" ü\"", "q\"ü"),
    ("Ünïcödé Ünïcödé Ünïcödé Ünïcödé Ünïcödé", "ÜnïcödéÜnïcödéÜnïcödéÜnïcödéÜnïcödé"),
];
const ADDRESSES: [&str; 4] = ["a@b.example", "ü@b.example", "a@bücher.example", "x.y+z@sub.example"];
const WORDS: [&str; 6] = ["Grüße", "hello", "漢字", "a_b", "𝄞", "?="];

#[test]
fn r6858_2_1_r6858_2_2_another_program_reads_what_went_in() {
    let Some(python) = require("python3") else { return };
    let mut seed = 5_u32;
    let mut random = |bound: usize| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 8) as usize % bound
    };
    let (mut surrogates, mut want) = (Vec::new(), Vec::new());
    for round in 0..300 {
        let (mut to, mut told) = (Vec::new(), Vec::new());
        for _ in 0..=random(5) {
            let ((name, read), address) = (NAMES[random(NAMES.len())], ADDRESSES[random(ADDRESSES.len())]);
            to.push(format!("{name} <{address}>"));
            let invalid = "invalid@internationalized-address.invalid";
            told.push(format!("{read}|{}", if address.is_ascii() { address } else { invalid }));
        }
        let words: Vec<&str> = (0..=random(30)).map(|_| WORDS[random(WORDS.len())]).collect();
        told.push(words.concat());
        want.push(told.join(","));
        let message = format!("To: {}\nSubject: {}\n\n", to.join(", "), words.join(" "));
        if round > 0 {
            surrogates.extend_from_slice(b".\n");
        }
        SurrogateReader::new(message.as_bytes()).read_to_end(&mut surrogates).unwrap();
    }
    assert!(surrogates.is_ascii());
    let mut child =
        Command::new(python).args(["-c", READ]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    // It reads everything before it writes.
    child.stdin.take().unwrap().write_all(&surrogates).unwrap();
    let read = child.wait_with_output().unwrap();
    assert!(read.status.success());
    let read = String::from_utf8(read.stdout).unwrap();
    assert_eq!(read.lines().collect::<Vec<_>>(), want);
}
