//! SASLprep against two other implementations: all code points, and pairs of those in which the rules differ.
//!
//! The crate `stringprep` knows stored strings only, and takes normalisation and writing directions from the Unicode of
//! today. Python has the whole of RFC 3454 and the data of Unicode 3.2, so it judges queries too.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::thread;

use pop3_proto::sasl::prep::{PrepError, Use, prepare};

/// Every character of its own, then pairs of all kinds that the rules tell apart.
fn texts() -> Vec<String> {
    let mut texts: Vec<String> = (char::MIN..=char::MAX).map(String::from).collect();
    // ASCII, mapped, spaces, decomposing, combining, prohibited, right to left of both kinds, neutral, digits of three
    // scripts, Hangul that composes, unassigned in 3.2 (which decompose, combine or have a direction now).
    let kinds = "a1 -\u{7}\u{ad}\u{a0}\u{200b}\u{aa}\u{2168}\u{e4}\u{308}\u{323}\u{340}\u{fffd}\u{e000}\u{5d0}\u{5b0}\
                 \u{627}\u{651}\u{661}\u{6f1}\u{fdfa}\u{fb1d}\u{2003}\u{3000}\u{ff21}\u{212b}\u{1100}\u{1161}\u{11a8}\
                 \u{ac00}\u{221}\u{1e9e}\u{a69c}\u{1dc4}\u{8a0}\u{1f600}\u{1f100}\u{fdd0}\u{e0001}\u{10a00}\u{2f800}";
    for first in kinds.chars() {
        for second in kinds.chars() {
            texts.push([first, second].iter().collect());
            texts.push(['\u{5d0}', first, second, '\u{5d0}'].iter().collect());
        }
    }
    texts
}

#[test]
fn r4616_2_3_stored_strings_like_the_crate_stringprep() {
    let mut differences = Vec::new();
    for text in texts() {
        let ours = prepare(&text, Use::Stored);
        if text.chars().any(stringprep::tables::unassigned_code_point) {
            // The crate normalises such characters first, so that those with a decomposition pass.
            assert!(ours.is_err(), "{}", text.escape_unicode());
            continue;
        }
        let same = match (&ours, &stringprep::saslprep(&text)) {
            (Ok(ours), Ok(theirs)) => ours == theirs,
            (Err(PrepError::Empty), Ok(theirs)) => theirs.is_empty(),
            (Err(_), Err(_)) => true,
            _ => false,
        };
        if !same {
            differences.push(text.escape_unicode().to_string());
        }
        // A query differs from a stored string in what is unassigned only.
        assert_eq!(prepare(&text, Use::Query), ours, "{}", text.escape_unicode());
    }
    assert_eq!(differences, [""; 0]);
}

/// Reads texts as code points in hexadecimal, a line each; answers by the outcome for a query and for a stored string.
const PYTHON: &str = r#"
import stringprep as t, sys
from unicodedata import ucd_3_2_0
PROHIBITED = [t.in_table_c12, t.in_table_c21_c22, t.in_table_c3, t.in_table_c4, t.in_table_c5, t.in_table_c6,
              t.in_table_c7, t.in_table_c8, t.in_table_c9]
def prepare(text):
    text = "".join(" " if t.in_table_c12(c) else c for c in text if t.in_table_c12(c) or not t.in_table_b1(c))
    text = ucd_3_2_0.normalize("NFKC", text)
    if not text:
        return "empty", "empty"
    if any(table(c) for c in text for table in PROHIBITED):
        return "error", "error"
    if any(map(t.in_table_d1, text)):
        if any(map(t.in_table_d2, text)) or not t.in_table_d1(text[0]) or not t.in_table_d1(text[-1]):
            return "error", "error"
    done = " ".join("%x" % ord(c) for c in text)
    return done, "error" if any(map(t.in_table_a1, text)) else done
for line in sys.stdin:
    print(*prepare("".join(chr(int(c, 16)) for c in line.split())), sep=",")
"#;

/// What Python is not asked about.
fn is_left_out(c: char) -> bool {
    match u32::from(c) {
        // Within these, code points differ by their number alone: ideographs, nothing at all, private use.
        0x2_0010..=0x2_f7f0 | 0x3_0010..=0xd_ffef | 0xe_1000..=0xf_ffef | 0x10_0010..=0x10_ffef => true,
        // Errors in the data of Unicode 3.2, put right by its Corrigendum 4. Who types one of these today means the other.
        0x2_f868 | 0x2_f874 | 0x2_f91f | 0x2_f95f | 0x2_f9bf => true,
        // Unassigned in 3.2. Python still sorts it among combining characters, by the data of today.
        0x1dc4 => true,
        _ => false,
    }
}

#[test]
fn r4616_2_3_queries_and_stored_strings_like_python() {
    let Some(python) = pop3_tests::peers::require("python3") else { return };
    let texts: Vec<String> = texts().into_iter().filter(|text| !text.chars().any(is_left_out)).collect();
    let hex = |text: &str| text.chars().map(|c| format!("{:x}", u32::from(c))).collect::<Vec<_>>().join(" ");
    let mut child = Command::new(python)
        .args(["-c", PYTHON])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input: String = texts.iter().map(|text| hex(text) + "\n").collect();
    let writer = thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success());
    let output = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.lines().count(), texts.len());

    let mut differences = Vec::new();
    for (text, line) in texts.iter().zip(output.lines()) {
        let ours = |purpose| match prepare(text, purpose) {
            Ok(prepared) => hex(&prepared),
            Err(PrepError::Empty) => "empty".to_owned(),
            Err(_) => "error".to_owned(),
        };
        if format!("{},{}", ours(Use::Query), ours(Use::Stored)) != line {
            differences.push(text.escape_unicode().to_string());
        }
    }
    assert_eq!(differences, [""; 0]);
}
