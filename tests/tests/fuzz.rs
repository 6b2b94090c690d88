//! The targets of `fuzz/` on a stable compiler: over seeds, regressions and random octets; and the dictionary.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(clippy::print_stderr, reason = "what a panic cannot say itself")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use pop3_fuzz::{TARGETS, Target, seeds};
use pop3_proto::sasl::MECHANISMS;
use pop3_proto::{CodeKind, Verb};

/// Random inputs for each target.
const RANDOM: u64 = 2_000;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.map(|entry| entry.unwrap().path()) {
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
    found.sort();
}

fn transcripts() -> Vec<Vec<u8>> {
    let mut paths = Vec::new();
    files(&root().join("tests/transcripts"), &mut paths);
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "txt"));
    assert!(paths.len() > 50, "the transcripts are there");
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// Says what was being tried when a target panics.
struct Trying<'a>(&'a str, &'a [u8]);

impl Drop for Trying<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("target {} with {:?}", self.0, self.1.escape_ascii().to_string());
        }
    }
}

fn try_target(name: &str, target: Target, input: &[u8]) {
    let _trying = Trying(name, input);
    target(input);
}

#[test]
fn every_target_holds_over_its_seeds() {
    let texts = transcripts();
    for (name, target) in TARGETS {
        let seeds = seeds(name, &texts);
        assert!(!seeds.is_empty(), "{name} has no seed");
        for seed in seeds {
            try_target(name, target, &seed);
        }
    }
}

#[test]
fn every_target_holds_over_what_was_found_before() {
    for (name, target) in TARGETS {
        let mut paths = Vec::new();
        files(&root().join("fuzz/regressions").join(name), &mut paths);
        for path in paths {
            try_target(name, target, &fs::read(path).unwrap());
        }
    }
}

#[test]
fn every_target_holds_over_random_words_of_the_protocol() {
    let words: Vec<Vec<u8>> = words().into_iter().chain((0..=255).map(|octet| vec![octet])).collect();
    for (name, target) in TARGETS {
        for seed in 1..=RANDOM {
            let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let mut next = |limit: usize| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                usize::try_from(state >> 33).unwrap() % limit
            };
            let input: Vec<u8> = (0..next(24)).flat_map(|_| words[next(words.len())].clone()).collect();
            try_target(name, target, &input);
        }
    }
}

/// The words of the protocol, from the tables of the codec.
fn words() -> BTreeSet<Vec<u8>> {
    let mut words: BTreeSet<Vec<u8>> = BTreeSet::new();
    words.extend(Verb::ALL.map(|verb| verb.keyword().as_bytes().to_vec()));
    words.extend(MECHANISMS.iter().map(|mechanism| mechanism.name.as_bytes().to_vec()));
    let codes = [CodeKind::InUse, CodeKind::LoginDelay, CodeKind::SysTemp, CodeKind::SysPerm, CodeKind::Auth];
    words.extend(
        codes.iter().chain(&[CodeKind::Utf8]).map(|code| format!("[{}]", code.as_str()).into_bytes()),
    );
    for word in
        ["+OK", "-ERR", "+ ", "\r\n", "\r\n.\r\n", "\r\n..", " ", "=", "*", "RESP-CODES", "PIPELINING"]
    {
        words.insert(word.as_bytes().to_vec());
    }
    for word in ["PROXY UNKNOWN", "PROXY TCP4 ", "PROXY TCP6 ", " ::1", " 192.0.2.7", "\r\n\r\n\0\r\nQUIT\n!"]
    {
        words.insert(word.as_bytes().to_vec());
    }
    for word in
        ["alice", "wonderland", "pops://", ";AUTH=", "EXPIRE NEVER", "LOGIN-DELAY 60 USER", "4294967296"]
    {
        words.insert(word.as_bytes().to_vec());
    }
    words
}

#[test]
fn the_dictionary_has_the_words_of_the_codec() {
    let mut printed =
        "# Printed by `cargo test -p pop3-tests --test fuzz`; `UPDATE_DOCS=1` rewrites it.\n".to_owned();
    for word in words() {
        let octets: String = word.iter().map(|octet| format!("\\x{octet:02x}")).collect();
        printed.push_str(&format!("# {}\n\"{octets}\"\n", word.escape_ascii()));
    }
    let path = root().join("fuzz/pop3.dict");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &printed).unwrap();
    }
    assert!(fs::read_to_string(&path).unwrap_or_default() == printed, "run with UPDATE_DOCS=1");
}

#[test]
fn every_target_has_its_program() {
    let mut paths = Vec::new();
    files(&root().join("fuzz/fuzz_targets"), &mut paths);
    let programs: Vec<_> = paths.iter().map(|path| path.file_stem().unwrap().to_str().unwrap()).collect();
    assert_eq!(programs, TARGETS.map(|(name, _)| name));
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    assert!(readme.contains(&format!("| {}, nothing open |", TARGETS.len())));
    let manifest = fs::read_to_string(root().join("fuzz/Cargo.toml")).unwrap();
    for (name, _) in TARGETS {
        assert!(manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")), "{name}");
    }
}
