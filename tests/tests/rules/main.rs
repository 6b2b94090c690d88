//! The security rules R1 to R41: each has breaks, each break a test that finds it.
//!
//! That the tests do find them is shown by `.ci/rules`, which takes its time. Here the table is kept from rotting: the
//! text to be broken stands where it should, once, and the test exists.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

mod breaks;
mod table;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use pop3_tests::names::names_below;
use table::{FEATURES, RULES, Rule, SUITES, rules};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

#[test]
fn every_break_is_one_still_and_its_test_is_there() {
    let names = SUITES.map(|(suite, _, folder)| (suite, names_below(&root().join(folder))));
    let names = BTreeMap::from(names);
    let mut wrong = Vec::new();
    for it in rules(&root()).iter().flat_map(|rule| &rule.breaks) {
        let text = fs::read_to_string(root().join(&it.file)).unwrap_or_default();
        if let Err(times) = it.apply(&text) {
            wrong.push(format!("{}: the text stands {times} times in {}", it.id(), it.file));
        }
        if !names[it.suite.0].contains(&it.test) {
            wrong.push(format!("{}: no test {} in {}", it.id(), it.test, it.suite.2));
        }
    }
    assert!(wrong.is_empty(), "bring tests/rules up to date:\n{}", wrong.join("\n"));
}

#[test]
fn every_rule_has_a_break_and_one_for_each_role() {
    for rule in rules(&root()) {
        let least = if rule.role == "B" { 2 } else { 1 };
        assert!(rule.breaks.len() >= least, "R{}", rule.number);
    }
}

#[test]
fn the_table_of_rules_is_up_to_date() {
    let printed = printed(&rules(&root()));
    let path = root().join("tests/RULES.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &printed).unwrap();
    }
    let stored = fs::read_to_string(&path).unwrap_or_default();
    assert!(stored == printed, "tests/RULES.md is not up to date: run with UPDATE_DOCS=1");
}

#[test]
fn the_readme_tells_the_number_of_breaks() {
    let breaks: usize = rules(&root()).iter().map(|rule| rule.breaks.len()).sum();
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let row = format!("| {breaks} breaks of {RULES} rules, each found by a named test |");
    assert!(readme.contains(&row), "README.md should have: {row}");
}

fn printed(rules: &[Rule]) -> String {
    let breaks: usize = rules.iter().map(|rule| rule.breaks.len()).sum();
    let mut out = format!(
        "# The security rules\n\nWhat always holds, whatever a peer does. C binds the client, S the server, B both. Each \
        rule is proven by breaks: a change to the code that no longer keeps it, and the test that then fails. \
        `.ci/rules` makes each of them in a copy of the tree, {breaks} breaks of {RULES} rules; `.ci/rules R4 R13.2` makes \
        some. They are in [rules/](rules), a file each. Printed by `cargo test -p pop3-tests --test rules`; \
        `UPDATE_DOCS=1` rewrites it.\n\nA test is run by the command of its suite, with its name behind:\n\n\
        | suite | command |\n|---|---|\n"
    );
    for (suite, arguments, _) in SUITES {
        let arguments = arguments.replace("FEATURES", FEATURES);
        writeln!(out, "| {suite} | `cargo test {arguments}` |").unwrap();
    }
    let names: Vec<String> = ["pop3-proto/src", "pop3-blocking/src", "pop3-blocking/tests", "tests/tests"]
        .iter()
        .flat_map(|folder| names_below(&root().join(folder)))
        .collect();
    for Rule { number, role, sentence, breaks } in rules {
        write!(out, "\n## R{number} ({role})\n\n{sentence}\n\n").unwrap();
        out.push_str("| | when | in | this fails | suite |\n|---|---|---|---|---|\n");
        for it in breaks {
            let (id, what, file, test, suite) = (it.id(), &it.what, &it.file, &it.test, it.suite.0);
            writeln!(out, "| {id} | {} | `{file}` | `{test}` | {suite} |", what.replace('|', "\\|")).unwrap();
        }
        let mut more: Vec<&str> = names
            .iter()
            .filter(|name| cites(name, *number) && !breaks.iter().any(|it| it.test == **name))
            .map(String::as_str)
            .collect();
        more.sort_unstable();
        more.dedup();
        if !more.is_empty() {
            let more: Vec<String> = more.iter().map(|name| format!("`{name}`")).collect();
            write!(out, "\nAlso held by {}.\n", more.join(", ")).unwrap();
        }
    }
    out
}

/// The numbers of a version such as `0.23.18`.
fn version(text: &str) -> Vec<u64> {
    text.split('.').map(|number| number.parse().unwrap()).collect()
}

#[test]
fn r33_rustls_and_webpki_are_none_that_is_known_to_be_weak() {
    let read = |name: &str| fs::read_to_string(root().join(name)).unwrap();
    let quoted = |text: &str, before: &str| {
        let rest = text.split_once(before).unwrap_or_else(|| panic!("no {before}")).1;
        version(rest.split('"').next().unwrap())
    };
    // RUSTSEC-2024-0399, an endless loop; RUSTSEC-2026-0104, a panic that a peer can reach.
    for (name, least) in [("rustls", "0.23.18"), ("rustls-webpki", "0.103.13")] {
        let locked = quoted(&read("Cargo.lock"), &format!("name = \"{name}\"\nversion = \""));
        assert!(locked >= version(least), "{name} {locked:?}");
    }
    // Others have another lock file.
    let allowed = quoted(&read("Cargo.toml"), "\nrustls = { version = \"");
    assert!(allowed >= version("0.23.18"), "{allowed:?}");
}

#[test]
fn r33_advisories_fail_the_checks() {
    let read = |name: &str| fs::read_to_string(root().join(name)).unwrap();
    let checks = read(".ci/run");
    let checks = checks.lines().find_map(|line| line.strip_prefix("checks=(")).unwrap();
    assert!(checks.trim_end_matches(')').split(' ').any(|check| check == "deny"));
    assert!(read(".ci/deny").contains("cargo-deny\" --locked check advisories"));
    assert!(!read("deny.toml").contains("ignore ="), "an advisory that is passed over needs its reason here");
}

/// Whether the name of a test names the rule: `r8_x` does, `r8_1_x` and `r8446_6_1_x` do not.
fn cites(name: &str, rule: usize) -> bool {
    let key = format!("r{rule}");
    let words: Vec<&str> = name.split('_').collect();
    let is_number = |word: &&str| word.bytes().all(|octet| octet.is_ascii_digit());
    (0..words.len()).any(|at| words[at] == key && !words.get(at + 1).is_some_and(is_number))
}

#[test]
fn a_rule_is_cited_by_its_whole_name() {
    assert!(cites("r8_a_timestamp", 8) && cites("pb_c08_r8_a_timestamp", 8));
    assert!(
        !cites("r8_1_a_row", 8) && !cites("r8446_6_1_x", 8) && !cites("r1939_8_1_x", 8) && !cites("r80_x", 8)
    );
}
