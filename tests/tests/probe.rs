//! `pop3 probe` against our server, Dovecot, GNU Mailutils and popa3d: the table of cases and servers in `PROBE.md`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use std::{fs, thread};

use pop3_tests::peers::process::run;
use pop3_tests::peers::{Certs, Dovecot, Mailutils, Popa3d, TempDir, User};
use pop3_tests::pop3d::Pop3d;
use pop3_tests::programs::program;

const PASSWORD: &str = "s3cret word";

/// A run takes some seconds; a machine with much to do may take long.
const LIMIT: Duration = Duration::from_secs(600);

/// Something for each case: lines with dots, 8-bit octets, no line end at the end, a header and nothing else.
fn messages() -> Vec<Vec<u8>> {
    [
        "From: a@example.test\nTo: alice@example.test\nSubject: one\n\nHello.\nSecond line.\nThird line.\n",
        "From: b@example.test\nSubject: dots\n\n.\n..two\n.hidden\nend\n",
        "From: c@example.test\nSubject: no line end\n\nlast line",
        "From: J\u{f8}rgen <j@example.test>\nSubject: Gr\u{fc}\u{df}e\n\n8-bit: \u{e4}\n",
        ".dot: first octet\nSubject: header only\n\n",
        "From: d@example.test\nSubject: to be removed\n\nremoved at the end\n",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec()
}

fn alice() -> [User<'static>; 1] {
    [User { name: "alice", password: PASSWORD, messages: messages() }]
}

/// What a run told of a case.
#[derive(Clone, Debug, Default)]
struct Told {
    level: String,
    rows: String,
    title: String,
    verdict: String,
    note: String,
    expected: String,
    text: String,
}

/// A member of a line of JSON that `pop3` has written: a string, or a list of strings joined by blanks. No more of JSON is
/// needed.
fn member(line: &str, name: &str) -> String {
    let Some(at) = line.find(&format!("\"{name}\":")) else { return String::new() };
    let value = &line[at + name.len() + 3..];
    let (open, end) = if value.starts_with('[') { (1, ']') } else { (0, '\0') };
    let mut out = Vec::new();
    let mut rest = &value[open..];
    while let Some(text) = rest.strip_prefix('"') {
        let mut escaped = false;
        let stop = text
            .find(|c: char| {
                let stop = c == '"' && !escaped;
                escaped = c == '\\' && !escaped;
                stop
            })
            .unwrap();
        out.push(text[..stop].replace("\\\"", "\"").replace("\\\\", "\\"));
        rest = text[stop + 1..].strip_prefix(',').filter(|_| end == ']').unwrap_or("");
    }
    out.join(" ")
}

/// Runs the probe, and gives what it told of each case, in order, with its exit code.
fn probe(url: &str, options: &[&str]) -> (Vec<(String, Told)>, Option<i32>) {
    let dir = TempDir::new("probe");
    let password = dir.file("password", PASSWORD);
    let mut command = Command::new(program("pop3"));
    command.args(["probe", url, "--json", "--destructive", "--password-file"]).arg(&password).args(options);
    let done = run(&mut command, LIMIT, dir.path());
    let out = done.output();
    let told = out
        .lines()
        .filter(|line| line.starts_with("{\"case\""))
        .map(|line| {
            let told = Told {
                level: member(line, "level"),
                rows: member(line, "rows"),
                title: member(line, "title"),
                verdict: member(line, "verdict"),
                note: member(line, "note"),
                expected: member(line, "expected"),
                text: line.to_owned(),
            };
            (member(line, "case"), told)
        })
        .collect();
    (told, done.code)
}

/// What is run against a server, and what it told.
struct Column {
    name: &'static str,
    cases: Vec<(String, Told)>,
    code: Option<i32>,
}

impl Column {
    fn run(name: &'static str, url: &str, options: &[&str]) -> Self {
        let (cases, code) = probe(url, options);
        Self { name, cases, code }
    }

    fn with(&self, verdicts: &[&str]) -> Vec<String> {
        let those = self.cases.iter().filter(|(_, told)| verdicts.contains(&told.verdict.as_str()));
        those.map(|(case, told)| format!("{}: {case}: {}", self.name, told.text)).collect()
    }
}

/// No login in the clear, and all mechanisms that a password is good for.
const DOVECOT: &str = "disable_plaintext_auth = yes
ssl = required
auth_mechanisms = plain login cram-md5 scram-sha-1 scram-sha-256
";

/// Which columns there can be.
const COLUMNS: [&str; 6] =
    ["pop3d, TLS", "pop3d, STLS", "Dovecot, TLS", "Dovecot, STLS", "Mailutils, STLS", "popa3d, clear"];

fn columns(certs: &Certs) -> Vec<Column> {
    let ca = certs.authority_file();
    let ca = ca.to_str().unwrap();
    let tls = |port: u16| format!("pops://alice@localhost:{port}");
    let stls = |port: u16| format!("pop://alice@localhost:{port}");
    thread::scope(|scope| {
        let ours = scope.spawn(|| {
            [(COLUMNS[0], true), (COLUMNS[1], false)].map(|(name, implicit)| {
                let (cert, key) = (certs.server_file(), certs.server_key_file());
                let listen = ["--listen-tls", "127.0.0.1:0", "--listen", "127.0.0.1:0"];
                let files = ["--cert", cert.to_str().unwrap(), "--key", key.to_str().unwrap()];
                let utf8 = ["--utf8", "surrogate"];
                let server = Pop3d::start_with(&alice(), &[&listen[..], &files, &utf8].concat());
                let url = if implicit { tls(server.implicit) } else { stls(server.plain) };
                Column::run(name, &url, &["--ca", ca])
            })
        });
        let dovecot = scope.spawn(|| {
            let both = [(COLUMNS[2], true), (COLUMNS[3], false)].map(|(name, implicit)| {
                let server = Dovecot::start(certs, &alice(), DOVECOT)?;
                let url = if implicit { tls(server.implicit) } else { stls(server.plain) };
                Some(Column::run(name, &url, &["--ca", ca]))
            });
            both.into_iter().flatten().collect::<Vec<_>>()
        });
        let mailutils = scope.spawn(|| {
            let server = Mailutils::start(certs, &alice())?;
            Some(Column::run(COLUMNS[4], &stls(server.plain()), &["--ca", ca, "--timeout", "10"]))
        });
        let popa3d = scope.spawn(|| {
            let server = Popa3d::start(&alice())?;
            let url = stls(server.port());
            Some(Column::run(COLUMNS[5], &url, &["--tls", "none-insecure", "--timeout", "10"]))
        });
        let mut columns: Vec<Column> = ours.join().unwrap().into_iter().collect();
        columns.extend(dovecot.join().unwrap());
        columns.extend(mailutils.join().unwrap());
        columns.extend(popa3d.join().unwrap());
        columns
    })
}

/// The table, and below it why a case is no pass.
fn table(columns: &[Column]) -> String {
    let mut out = String::from("| case | level |");
    for column in columns {
        write!(out, " {} |", column.name).unwrap();
    }
    out.push_str(" what a good server does | rows |\n|---|---|");
    out.push_str(&"---|".repeat(columns.len() + 2));
    out.push('\n');
    let by_case: Vec<BTreeMap<&str, &Told>> = columns
        .iter()
        .map(|column| column.cases.iter().map(|(case, told)| (case.as_str(), told)).collect())
        .collect();
    for (case, told) in &columns[0].cases {
        write!(out, "| `{case}` | {} |", told.level).unwrap();
        for cases in &by_case {
            let verdict = cases.get(case.as_str()).map_or("?", |told| told.verdict.as_str());
            let shown = if verdict == "fail" || verdict == "warn" {
                format!("**{verdict}**")
            } else {
                verdict.to_owned()
            };
            write!(out, " {shown} |").unwrap();
        }
        writeln!(out, " {} | {} |", told.title.replace('|', "\\|"), told.rows.replace(' ', ", ")).unwrap();
    }
    out.push_str("\n| server | pass | fail | warn | skip | error |\n|---|---|---|---|---|---|\n");
    for column in columns {
        write!(out, "| {} |", column.name).unwrap();
        for verdict in ["pass", "fail", "warn", "skip", "error"] {
            write!(out, " {} |", column.with(&[verdict]).len()).unwrap();
        }
        out.push('\n');
    }
    out.push_str("\nWhat was expected and not seen:\n\n");
    for column in columns {
        for (case, told) in
            column.cases.iter().filter(|(_, told)| ["fail", "warn"].contains(&told.verdict.as_str()))
        {
            writeln!(out, "- {}, `{case}`, {}: {}", column.name, told.verdict, told.expected).unwrap();
        }
    }
    out.push_str("\nWhat was skipped:\n\n");
    for column in columns {
        let mut reasons: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for (case, told) in column.cases.iter().filter(|(_, told)| told.verdict == "skip") {
            reasons.entry(told.note.as_str()).or_default().push(format!("`{case}`"));
        }
        for (reason, cases) in reasons {
            writeln!(out, "- {}, {reason}: {}", column.name, cases.join(", ")).unwrap();
        }
    }
    out
}

#[test]
fn the_probe_finds_nothing_against_our_server_and_tells_what_others_do() {
    let certs = Certs::new();
    let columns = columns(&certs);
    let table = table(&columns);
    // The print macros are captured; nobody is left to hear of an error here.
    drop(writeln!(std::io::stderr(), "\n{table}"));
    for column in &columns {
        assert!(column.cases.len() > 40, "{}: {} cases", column.name, column.cases.len());
        let errors = column.with(&["error"]);
        assert!(errors.is_empty(), "{}", errors.join("\n"));
    }
    for column in &columns[..2] {
        let bad = column.with(&["fail", "warn"]);
        assert!(bad.is_empty() && column.code == Some(0), "{}", bad.join("\n"));
    }
    if columns.len() < COLUMNS.len() {
        return; // a peer is missing, which was said
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("PROBE.md");
    let text = format!("{HEAD}\n{table}");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &text).unwrap();
    }
    let stored = fs::read_to_string(&path).unwrap_or_default();
    assert!(stored == text, "tests/PROBE.md is not up to date: run with UPDATE_DOCS=1");
}

/// A failed case must break a MUST of a row that it names; what no row demands is a warning at most.
#[test]
fn each_case_names_rows_and_fails_only_what_one_of_them_demands() {
    let dir = TempDir::new("probe-list");
    let mut command = Command::new(program("pop3"));
    let done = run(command.args(["probe", "pops://localhost", "--list", "--json"]), LIMIT, dir.path());
    let read = |name: &str| fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap();
    let (requirements, bugs) = (read("requirements.txt"), read("peer_bugs.txt"));
    let find = |text: &str, row: &str| {
        text.lines().find(|line| line.starts_with(&format!("{row} | "))).map(str::to_owned)
    };
    let out = done.output();
    for line in out.lines() {
        let (case, rows) = (member(line, "case"), member(line, "rows"));
        let mut demanded = false;
        for row in rows.split(' ') {
            let found = find(&requirements, row).or_else(|| find(&bugs, row));
            demanded |= found.unwrap_or_else(|| panic!("{case}: no row {row}")).contains(" | MUST | ");
        }
        assert!(demanded || member(line, "level") != "must", "{case}: no row demands it");
    }
    assert!(out.lines().count() > 140, "{out}");
}

const HEAD: &str = "# `pop3 probe` against servers

Printed by `cargo test -p pop3-tests --test probe`; `UPDATE_DOCS=1` rewrites it. The servers are those of Debian 12
(Dovecot 2.3.19, GNU Mailutils 3.15, popa3d 1.0.3) and our `pop3d`, each with one test maildrop of six messages. `fail`: a
MUST is broken; `warn`: a SHOULD, or what has caused trouble between real programs. `pop3 probe --help` tells more.
";
