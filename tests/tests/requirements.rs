//! Which requirement is held by which test: read from the names of all tests, printed into `REQUIREMENTS.md`, checked.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use pop3_tests::names::names_below;

/// A line of `requirements.txt` or `peer_bugs.txt`.
struct Row {
    id: String,
    /// Role and level; none for the bugs of peers.
    kind: String,
    needs_test: bool,
    covered: bool,
    about: String,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn rows(file: &str) -> Vec<Row> {
    let text = fs::read_to_string(root().join("tests").join(file)).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines
        .map(|line| {
            let cells: Vec<&str> = line.split(" | ").collect();
            let (kind, needs_test, rest) = match cells.as_slice() {
                [_, role, level, rest @ ..] if rest.len() == 2 => {
                    (format!("{role}, {level}"), matches!(*level, "MUST" | "SHOULD"), rest)
                }
                [_, rest @ ..] if rest.len() == 2 => (String::new(), true, rest),
                _ => panic!("{file}: {line}"),
            };
            assert!(matches!(rest[0], "covered" | "later"), "{line}");
            Row {
                id: cells[0].to_owned(),
                kind,
                needs_test,
                covered: rest[0] == "covered",
                about: rest[1].to_owned(),
            }
        })
        .collect()
}

/// The names of all tests.
fn names() -> Vec<String> {
    let folders = [
        "pop3-proto/src",
        "pop3-proto/tests",
        "pop3-blocking/src",
        "pop3-blocking/tests",
        "tests/tests",
        "tests/scale-out",
    ];
    let mut names: Vec<String> =
        folders.iter().flat_map(|folder| names_below(&root().join(folder))).collect();
    names.sort();
    names.dedup();
    names
}

/// Whether `name` holds `id`, and not only the beginning of a longer one: `r1939_5_1` does not stand in `r1939_5_10_x`.
fn holds(name: &str, id: &str) -> bool {
    let key = id.to_ascii_lowercase().replace(['-', '.'], "_");
    name.match_indices(&key).any(|(at, _)| {
        let begins = at == 0 || name.as_bytes()[at - 1] == b'_';
        let rest = &name[at + key.len()..];
        let digit = |text: &str| text.starts_with(|c: char| c.is_ascii_digit());
        begins && !digit(rest) && !rest.strip_prefix('_').is_some_and(digit)
    })
}

fn table(title: &str, rows: &[Row], names: &[String], missing: &mut Vec<String>) -> String {
    let held: BTreeMap<&str, Vec<&str>> = rows
        .iter()
        .map(|row| {
            let tests = names.iter().filter(|name| holds(name, &row.id)).map(String::as_str);
            (row.id.as_str(), tests.collect())
        })
        .collect();
    let mut out = format!("\n## {title}\n\n| id | | what | tests |\n|---|---|---|---|\n");
    for row in rows {
        let tests = &held[row.id.as_str()];
        if row.covered && row.needs_test && tests.is_empty() {
            missing.push(row.id.clone());
        }
        let cell = match (tests.is_empty(), row.covered) {
            (false, _) => tests.iter().map(|test| format!("`{test}`")).collect::<Vec<_>>().join("<br>"),
            (true, true) => "–".to_owned(),
            (true, false) => "not built yet".to_owned(),
        };
        out.push_str(&format!(
            "| {} | {} | {} | {cell} |\n",
            row.id,
            row.kind,
            row.about.replace('|', "\\|")
        ));
    }
    out
}

#[test]
fn every_must_and_should_has_a_test_and_the_table_is_up_to_date() {
    let (names, mut missing) = (names(), Vec::new());
    let mut printed =
        "# Requirements and their tests\n\nPrinted by `cargo test -p pop3-tests --test requirements`; \
        `UPDATE_DOCS=1` rewrites it. C client, S server, B both.\n"
            .to_owned();
    printed += &table("Requirements", &rows("requirements.txt"), &names, &mut missing);
    printed += &table("Bugs of other programs", &rows("peer_bugs.txt"), &names, &mut missing);
    assert!(missing.is_empty(), "no test for: {missing:?}");

    let path = root().join("tests/REQUIREMENTS.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &printed).unwrap();
    }
    let stored = fs::read_to_string(&path).unwrap_or_default();
    assert!(stored == printed, "tests/REQUIREMENTS.md is not up to date: run with UPDATE_DOCS=1");
}

#[test]
fn an_id_is_matched_whole() {
    assert!(holds("r1939_5_1_marked_messages_do_not_count", "R1939-5.1"));
    assert!(!holds("r1939_5_10_renumbering", "R1939-5.1"));
    assert!(holds("r1939_5_10_renumbering", "R1939-5.10"));
    assert!(!holds("r2449_6_6_1_order", "R2449-6.6"));
    assert!(holds("r1939_4_1_r1939_7_9_greeting", "R1939-7.9"));
    assert!(holds("rp_close_2_cut", "RP-CLOSE.2"));
    assert!(!holds("xr1939_5_1_y", "R1939-5.1"));
}

#[test]
fn the_readme_tells_the_rust_version_of_the_manifest() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let version =
        manifest.lines().find_map(|line| line.strip_prefix("rust-version = ")).unwrap().trim_matches('"');
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    assert!(readme.contains(&format!("Rust ({version} or later)")));
}
