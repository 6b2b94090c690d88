//! `pop3 probe` against servers with one fault each: the case that is about it finds it, and no other case does.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use pop3_blocking::tls::ServerTls;
use rcgen::ExtendedKeyUsagePurpose;

use crate::fake::{Act, Fake, mail};
use crate::home::Home;
use crate::proxy::{Do, Fault, Keeps, Proxy, Talk, Tls};
use crate::tls::Authority;

/// Something for each case.
const MESSAGES: [&str; 4] = [
    "From: a@example.test\nSubject: one\n\nHello there.\nSecond line.\nThird line.\nFourth line.\n",
    "From: b@example.test\nSubject: dots\n\n.hidden\n..two\nend\n",
    "From: c@example.test\nSubject: three words here\n\nbody\n",
    "From: d@example.test\nSubject: last\n\nto be removed\n",
];

fn say(text: &str) -> Do {
    Do::Say(format!("{text}\r\n").into_bytes())
}

fn pass(_: &Talk, _: &str) -> Do {
    Do::Pass
}

/// Changes text that a reply holds.
fn replaced(reply: &[u8], from: &str, to: &str) -> Vec<u8> {
    let reply: String = reply.iter().copied().map(char::from).collect();
    reply.replace(from, to).chars().map(|c| u8::try_from(c).unwrap()).collect()
}

/// `LIST` and the rest with other sizes.
fn resized(line: &str, reply: &[u8], more: u64) -> Vec<u8> {
    let (verb, _) = line.split_once(' ').unwrap_or((line, ""));
    let text = String::from_utf8(reply.to_vec()).unwrap();
    let grown = |line: &str, skip: usize, more: u64| {
        let mut words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        if let Some(size) = words.get(skip).and_then(|word| word.parse::<u64>().ok()) {
            words[skip] = (size + more).to_string();
        }
        words.join(" ")
    };
    let lines = text.split_terminator("\r\n").enumerate().map(|(at, line)| match verb {
        "STAT" => {
            grown(line, 2, more * line.split(' ').nth(1).and_then(|count| count.parse().ok()).unwrap_or(0))
        }
        "LIST" if at == 0 => grown(line, 2, if line.ends_with(')') { 0 } else { more }),
        _ => grown(line, 1, more),
    });
    lines.map(|line| line + "\r\n").collect::<String>().into_bytes()
}

fn faults() -> Vec<Fault> {
    vec![
        // The greeting.
        Fault::of("greeting-form").reply(|_, line, reply| match line {
            "CONNECT" => replaced(&reply, "+OK", "+ok"),
            _ => reply,
        }),
        Fault::of("greeting-length").reply(|_, line, reply| match line {
            "CONNECT" => format!("+OK {}\r\n", "ready ".repeat(90)).into_bytes(),
            _ => reply,
        }),
        Fault::of("greeting-stamp").reply(|_, line, reply| match line {
            "CONNECT" => b"+OK ready <always.the.same@example.test>\r\n".to_vec(),
            _ => reply,
        }),
        // Capabilities.
        Fault::of("capa-lines").reply(|_, line, reply| match line {
            "CAPA" => replaced(&reply, "\r\nUIDL\r\n", "\r\n\r\nUIDL\r\n"),
            _ => reply,
        }),
        Fault::of("capa-line-length").reply(|_, line, reply| match line {
            "CAPA" => replaced(&reply, "\r\nUIDL\r\n", &format!("\r\nUIDL\r\nX-{}\r\n", "y".repeat(510))),
            _ => reply,
        }),
        Fault::of("capa-once").warn().reply(|_, line, reply| match line {
            "CAPA" => replaced(&reply, "\r\nUIDL\r\n", "\r\nUIDL\r\nUIDL\r\n"),
            _ => reply,
        }),
        Fault::of("capa-known-tags").warn().reply(|_, line, reply| match line {
            "CAPA" => replaced(&reply, "\r\nUIDL\r\n", "\r\nUIDL\r\nPIPELINE\r\n"),
            _ => reply,
        }),
        Fault::of("capa-both-states").reply(|talk, line, reply| match line {
            "CAPA" if talk.logged_in => replaced(&reply, "\r\nUSER\r\n", "\r\n"),
            _ => reply,
        }),
        Fault::of("capa-expire").warn().reply(|_, line, reply| match line {
            "CAPA" => replaced(&reply, "\r\nUIDL\r\n", "\r\nUIDL\r\nEXPIRE soon\r\n"),
            _ => reply,
        }),
        Fault::of("capa-sasl").reply(|_, line, reply| match line {
            "CAPA" => replaced(&reply, " PLAIN", " PLAIN PLAIN"),
            _ => reply,
        }),
        // Commands.
        Fault::of("command-case").line(|_, line| if line == "sTaT" { say("-ERR what") } else { Do::Pass }),
        Fault::of("command-prefix")
            .line(|_, line| if line == "STATX" { Do::As(b"STAT".into()) } else { Do::Pass }),
        Fault::of("command-empty")
            .line(|talk, line| if line.is_empty() && talk.logged_in { say("+OK done") } else { Do::Pass }),
        Fault::of("command-odd").line(|_, line| if line == ":" { Do::Close(Vec::new()) } else { Do::Pass }),
        Fault::of("command-nul").line(|_, line| match line.split_once('\0') {
            Some((before, _)) if before == "NOOP" => Do::As(before.into()),
            _ => Do::Pass,
        }),
        Fault::of("command-cr").line(|_, line| match line.strip_prefix("NO\r") {
            Some(rest) => Do::As(format!("NO{rest}").into()),
            None => Do::Pass,
        }),
        Fault::of("command-missing-argument")
            .line(|_, line| if line == "TOP 1" { say("+OK 1 line") } else { Do::Pass }),
        Fault::of("command-extra-argument")
            .line(|_, line| if line == "STAT 1" { Do::As(b"STAT".into()) } else { Do::Pass }),
        Fault::of("command-removed")
            .warn()
            .line(|_, line| if line == "LAST" { say("+OK 0") } else { Do::Pass }),
        Fault::of("state-before-login")
            .line(|talk, line| if line == "STAT" && !talk.logged_in { say("+OK 0 0") } else { Do::Pass }),
        Fault::of("state-after-login").line(|talk, line| {
            if line == "USER probe" && talk.logged_in { say("+OK done") } else { Do::Pass }
        }),
        // Listings.
        Fault::of("stat-form").reply(|_, line, reply| match line {
            "STAT" if reply.starts_with(b"+OK") => b"+OK 4\r\n".to_vec(),
            _ => reply,
        }),
        Fault::of("stat-no-more").warn().reply(|_, line, reply| match line {
            "STAT" => replaced(&reply, "\r\n", " octets\r\n"),
            _ => reply,
        }),
        Fault::of("stat-agrees")
            .reply(|_, line, reply| if line == "STAT" { resized(line, &reply, 1) } else { reply }),
        Fault::of("list-form").reply(|_, line, reply| match line {
            "LIST" => replaced(&reply, "\r\n2 ", "\r\n2  "),
            _ => reply,
        }),
        Fault::of("list-one").reply(|_, line, reply| match line {
            "LIST 1" => replaced(&reply, "+OK 1 ", "+OK "),
            _ => reply,
        }),
        Fault::of("uidl-form").reply(|_, line, reply| match line.split(' ').next() {
            Some("UIDL") => replaced(&reply, "2 ", &format!("2 {}", "x".repeat(80))),
            _ => reply,
        }),
        Fault::of("uidl-unique").reply(|_, line, reply| match line {
            "UIDL" if reply.starts_with(b"+OK") => {
                let text = String::from_utf8(reply).unwrap();
                let lines: Vec<&str> = text.split("\r\n").collect();
                let first = lines.iter().find_map(|line| line.strip_prefix("1 ")).unwrap().to_owned();
                let second = lines.iter().find_map(|line| line.strip_prefix("2 ")).unwrap();
                text.replace(second, &first).into_bytes()
            }
            _ => reply,
        }),
        Fault::of("uidl-one").reply(|_, line, reply| match line {
            "UIDL 1" => replaced(&reply, "+OK 1 ", "+OK "),
            _ => reply,
        }),
        Fault::of("uidl-persistent").reply(|talk, line, reply| match line.split(' ').next() {
            Some("UIDL") => {
                let text = String::from_utf8(reply).unwrap();
                let more = format!("c{}\r\n", talk.connection);
                let lines = text.split_inclusive("\r\n").map(|line| {
                    let has_id = line.split(' ').count() == 2
                        || line.starts_with("+OK 1 ")
                        || line.starts_with("+OK 4 ");
                    if has_id { line.replace("\r\n", &more) } else { line.to_owned() }
                });
                lines.collect::<String>().into_bytes()
            }
            _ => reply,
        }),
        // Numbers.
        Fault::of("number-zero")
            .line(|_, line| if line == "LIST 0" { Do::As(b"LIST 1".into()) } else { Do::Pass }),
        Fault::of("number-absent").line(|_, line| if line == "LIST 5" { say("+OK 5 0") } else { Do::Pass }),
        Fault::of("number-huge")
            .line(|_, line| if line == "RETR 4294967297" { Do::As(b"RETR 1".into()) } else { Do::Pass }),
        Fault::of("number-signed")
            .line(|_, line| if line == "LIST +1" { Do::As(b"LIST 1".into()) } else { Do::Pass }),
        Fault::of("number-malformed")
            .line(|_, line| if line == "LIST 1x" { Do::As(b"LIST 1".into()) } else { Do::Pass }),
        // Messages.
        Fault::of("retr-octets").reply(|_, line, reply| match line.split(' ').next() {
            Some("LIST" | "STAT") => resized(line, &reply, 2),
            _ => reply,
        }),
        Fault::of("retr-stuffed").reply(|_, line, reply| match line.split(' ').next() {
            Some("RETR" | "TOP") => replaced(&reply, "\r\n..hidden", "\r\n.hidden"),
            _ => reply,
        }),
        Fault::of("retr-crlf").reply(|_, line, reply| match line.split(' ').next() {
            Some("RETR" | "TOP") => replaced(&reply, "three words", "three\nwords"),
            _ => reply,
        }),
        Fault::of("top-header").line(|_, line| {
            match line.strip_prefix("TOP ").and_then(|rest| rest.split_once(' ')) {
                Some((number, "0")) => Do::As(format!("TOP {number} 99999").into()),
                _ => Do::Pass,
            }
        }),
        Fault::of("top-lines").line(|_, line| {
            match line.strip_prefix("TOP ").and_then(|rest| rest.split_once(' ')) {
                Some((number, "2")) => Do::As(format!("TOP {number} 1").into()),
                _ => Do::Pass,
            }
        }),
        Fault::of("top-all").line(|_, line| {
            match line.strip_prefix("TOP ").and_then(|rest| rest.split_once(' ')) {
                Some((number, "99999999")) => Do::As(format!("TOP {number} 2").into()),
                _ => Do::Pass,
            }
        }),
        Fault::of("top-many").line(|_, line| {
            match line.strip_prefix("TOP ").and_then(|rest| rest.split_once(' ')) {
                Some((number, "4294967296")) => Do::As(format!("TOP {number} 0").into()),
                _ => Do::Pass,
            }
        }),
        // Pipelining and limits.
        Fault {
            // The next case logs in by hand, and must not be told [IN-USE].
            lingers: true,
            ..Fault::of("pipeline-thousand").reply(|talk, line, reply| match line {
                "NOOP" if talk.lines > 500 => b"-ERR too many\r\n".to_vec(),
                _ => reply,
            })
        },
        Fault::of("line-255").line(|_, line| {
            if line.len() > 250 && line.starts_with("USER") { Do::Close(Vec::new()) } else { Do::Pass }
        }),
        Fault::of("line-over-long").reply(|_, line, reply| match line.len() {
            512..5000 if line.starts_with("XYZZY") => [&reply[..], b"+OK 4 400\r\n"].concat(),
            _ => reply,
        }),
        Fault::of("line-10k")
            .warn()
            .line(|_, line| if line.len() > 9000 { Do::Close(Vec::new()) } else { Do::Pass }),
        Fault::of("limit-bad-commands")
            .warn()
            .line(|talk, line| if line == "XYZZY" && !talk.logged_in { say("-ERR what") } else { Do::Pass }),
        // Logging in.
        Fault::of("login-pass-first").line(|talk, line| {
            if line == "PASS probe" && talk.lines == 0 { say("+OK done") } else { Do::Pass }
        }),
        Fault::of("login-user-same").warn().reply(|_, line, reply| {
            match line.strip_prefix("USER probe-nobody") {
                Some(_) => b"+OK nobody\r\n".to_vec(),
                None => reply,
            }
        }),
        Fault::of("login-same-words").warn().reply(|talk, line, reply| match line.starts_with("PASS") {
            true if talk.user.starts_with("probe-nobody") => b"-ERR [AUTH] nobody\r\n".to_vec(),
            _ => reply,
        }),
        Fault::of("login-auth-code").warn().reply(|_, line, reply| match line.starts_with("PASS") {
            true => replaced(&reply, "[AUTH] ", ""),
            false => reply,
        }),
        // SASL.
        Fault::of("auth-unknown")
            .line(|_, line| if line == "AUTH XYZZY" { say("+OK done") } else { Do::Pass }),
        Fault::of("auth-case").line(|_, line| if line == "auth plain" { say("-ERR what") } else { Do::Pass }),
        Fault::of("auth-challenge").reply(|_, line, reply| match line {
            "AUTH PLAIN" => replaced(&reply, "+ \r\n", "+\r\n"),
            _ => reply,
        }),
        Fault::of("auth-cancel").line(|_, line| if line == "*" { say("+OK as you like") } else { Do::Pass }),
        // The beginning of "n,,n=probe-nobody" in base64.
        Fault::of("auth-scram-decoy").warn().line(|_, line| match line.contains(" biwsbj1wcm9iZS1ub2JvZ") {
            true => say("-ERR [AUTH] nobody"),
            false => Do::Pass,
        }),
        Fault::of("auth-equals")
            .line(|_, line| if line == "AUTH PLAIN =" { Do::As(b"AUTH PLAIN".into()) } else { Do::Pass }),
        Fault::of("auth-base64")
            .line(|_, line| if line == "AA A=" { Do::Say(b"+ \r\n".to_vec()) } else { Do::Pass }),
        // Languages.
        Fault::of("lang-choice").reply(|_, line, reply| match line.strip_prefix("LANG ") {
            Some("sv") => b"+OK done\r\n".to_vec(),
            _ => reply,
        }),
        Fault::of("lang-unknown")
            .line(|_, line| if line.starts_with("LANG x-") { say("+OK en English") } else { Do::Pass }),
        // The end.
        Fault::of("quit-before-login").reply(|talk, line, reply| match line {
            "QUIT" if !talk.logged_in => replaced(&reply, "+OK", "-ERR"),
            _ => reply,
        }),
        Fault::of("quit-after-login").reply(|talk, line, reply| match line {
            "QUIT" if talk.logged_in => replaced(&reply, "+OK", "-ERR"),
            _ => reply,
        }),
        Fault::of("quit-last").warn().reply(|talk, line, reply| match line {
            "QUIT" if !talk.logged_in => [&reply[..], b"-ERR\r\n"].concat(),
            _ => reply,
        }),
        Fault::of("foreign-line").warn().line(|talk, line| match line.starts_with("EHLO") {
            true if talk.lines == 0 => say("-ERR what"),
            _ => Do::Pass,
        }),
        // All replies.
        Fault::of("reply-indicator").reply(|_, line, reply| match line {
            "XYZZY" => replaced(&reply, "-ERR", "-err"),
            _ => reply,
        }),
        Fault::of("reply-crlf").reply(|_, line, reply| match line {
            "XYZZY" => replaced(&reply, "\r\n", "\n"),
            _ => reply,
        }),
        Fault::of("reply-length").reply(|_, line, reply| match line {
            "XYZZY" => replaced(&reply, "\r\n", &format!("{}\r\n", "x".repeat(600))),
            _ => reply,
        }),
        Fault::of("reply-ascii").warn().reply(|_, line, reply| match line {
            "XYZZY" => replaced(&reply, "\r\n", "\u{e9}\r\n"),
            _ => reply,
        }),
        Fault::of("reply-codes").reply(|_, line, reply| match line {
            "XYZZY" => b"-ERR [what is this\r\n".to_vec(),
            _ => reply,
        }),
        Fault::of("reply-known-codes").warn().reply(|_, line, reply| match line {
            "XYZZY" => b"-ERR [OOPS] what\r\n".to_vec(),
            _ => reply,
        }),
        Fault::of("reply-text").warn().reply(|_, line, reply| match line {
            "XYZZY" => b"-ERR\r\n".to_vec(),
            _ => reply,
        }),
        Fault::of("reply-no-echo").warn().reply(|_, line, reply| match line {
            "XYZZY" => b"-ERR unknown: XYZZY\r\n".to_vec(),
            _ => reply,
        }),
        // Deletions.
        Fault::of("dele-hides").destructive().reply(|_, line, reply| match line {
            "DELE 1" => b"+OK done\r\n".to_vec(),
            _ => reply,
        }),
        Fault::of("dele-nul").destructive().line(|_, line| match line.split_once('\0') {
            Some(("DELE 1", _)) => Do::As(b"DELE 1".into()),
            _ => Do::Pass,
        }),
        Fault::of("dele-no-number").destructive().line(|_, line| match line {
            "DELE 4294967297" => Do::As(b"DELE 1".into()),
            _ => Do::Pass,
        }),
        Fault { completes: true, ..Fault::of("dele-quit-cut").destructive() },
        Fault {
            quits: true,
            also: &[("dele-half-close", "fail"), ("dele-quit-cut", "fail")],
            ..Fault::of("dele-lost-connection").destructive()
        },
        // TLS.
        Fault::of("stls-argument")
            .stls()
            .line(|_, line| if line == "STLS now" { say("+OK begin") } else { Do::Pass }),
        Fault::of("stls-announced").stls().reply(|talk, line, reply| match line {
            "CAPA" if !talk.secure => replaced(&reply, "STLS\r\n", ""),
            _ => reply,
        }),
        Fault::of("stls-once").stls().reply(|talk, line, reply| match line {
            "CAPA" if talk.secure && !talk.logged_in => {
                replaced(&reply, "\r\nUIDL\r\n", "\r\nUIDL\r\nSTLS\r\n")
            }
            _ => reply,
        }),
        Fault::of("stls-cleartext-login").stls().warn().line(|talk, line| match line.starts_with("USER") {
            true if !talk.secure => say("+OK and now PASS"),
            _ => Do::Pass,
        }),
        Fault {
            also: &[("stls-cleartext-login", "warn")],
            ..Fault::of("stls-forgets-user").stls().warn().reply(|talk, line, reply| {
                match line.starts_with("USER") {
                    true if !talk.secure => b"+OK and now PASS\r\n".to_vec(),
                    _ => reply,
                }
            })
        },
        Fault { keeps: Keeps::WholeLines, ..Fault::of("stls-injection").stls() },
        Fault { keeps: Keeps::HalfLine, ..Fault::of("stls-injection-half").stls() },
        Fault::of("stls-cleartext-capa").stls().warn().reply(|talk, line, reply| match line {
            "CAPA" if !talk.secure => replaced(&reply, "STLS\r\n", "STLS\r\nSASL PLAIN\r\n"),
            _ => reply,
        }),
        Fault { greets_again: true, ..Fault::of("stls-no-greeting").stls() },
        Fault { tears: true, ..Fault::of("quit-close-notify").stls() },
        Fault { asks: true, ..Fault::of("tls-certificate-request").stls() },
    ]
}

/// The verdicts of a run that are no pass and no skip: case and verdict.
fn odd(out: &str) -> Vec<(String, String)> {
    let word = |line: &str, name: &str| {
        let (_, rest) = line.split_once(&format!("\"{name}\":\"")).unwrap_or_default();
        rest.split('"').next().unwrap_or_default().to_owned()
    };
    let lines = out.lines().filter(|line| line.starts_with("{\"case\""));
    let verdicts = lines.map(|line| (word(line, "case"), word(line, "verdict")));
    verdicts.filter(|(_, verdict)| !matches!(verdict.as_str(), "pass" | "skip")).collect()
}

/// Runs the probe against a server with this fault, and says what is wrong with what it found.
fn judge(fault: Fault, expected: &[(String, String)], tls: &Tls, ca: &str) -> Result<(), String> {
    let (home, proxy) = (Home::new(), Proxy::start(fault, &MESSAGES, tls.clone()));
    let (ca, password) = (home.write("ca", ca), home.text("password"));
    let url = format!("pop://alice@127.0.0.1:{}", proxy.address.port());
    let mut args = vec!["probe", &url, "--json", "--timeout", "5", "--password-file", &password];
    args.extend(if fault.stls { ["--ca", &ca] } else { ["--tls", "none-insecure"] });
    args.extend(fault.destructive.then_some("--destructive"));
    let done = home.run(&args);
    let (mut found, mut expected) = (odd(&done.out), expected.to_vec());
    found.sort();
    expected.sort();
    let failed = found.iter().any(|(_, verdict)| verdict == "fail");
    let code = Some(i32::from(failed));
    if found == expected && done.code == code && done.out.lines().count() > 140 {
        return Ok(());
    }
    Err(format!("{}: {found:?}, exit code {:?} {}", fault.case, done.code, done.err))
}

/// Runs all these, some at a time.
fn judge_all(faults: &[(Fault, Vec<(String, String)>)]) {
    let authority = Authority::new();
    let (chain, key) = authority.issue("127.0.0.1", ExtendedKeyUsagePurpose::ServerAuth);
    let tls =
        Tls(ServerTls::builder().certificate_pem(chain, key).build().unwrap(), authority.server("127.0.0.1"));
    let (next, problems) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while let Some((fault, expected)) = faults.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(problem) = judge(*fault, expected, &tls, &authority.pem) {
                        problems.lock().unwrap().push(problem);
                    }
                }
            });
        }
    });
    let problems = problems.into_inner().unwrap();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn a_good_server_fails_no_case() {
    let none = Vec::new;
    judge_all(&[
        (Fault::of("").destructive().line(pass), none()),
        (Fault::of("").destructive().stls(), none()),
    ]);
}

#[test]
fn each_fault_is_found_by_its_case_and_by_no_other() {
    let faults: Vec<_> = faults()
        .into_iter()
        .map(|fault| {
            let all = [&[(fault.case, fault.verdict)], fault.also].concat();
            (fault, all.into_iter().map(|(case, verdict)| (case.to_owned(), verdict.to_owned())).collect())
        })
        .collect();
    // The figure in the README.
    assert_eq!(faults.len(), 88);
    judge_all(&faults);
}

#[test]
fn the_list_of_cases_needs_no_server() {
    let home = Home::new();
    let out = home.run(&["probe", "pops://localhost", "--list"]).expect(0).out.clone();
    assert!(out.lines().count() > 140 && out.contains("[R1939-5.6 PB-S10]"), "{out}");
    let only = home.run(&["probe", "pops://localhost", "--list", "--only", "greeting", "top-all"]);
    assert_eq!(only.expect(0).out.lines().count(), 4);
    home.run(&["probe", "pops://localhost", "--only", "no-such-case"]).expect(64);
}

#[test]
fn r5034_4_17_no_password_without_tls_unless_asked_for() {
    let (home, fake) = (Home::new(), Fake::good(mail(1, 0)));
    let (url, password) = (fake.url("pop"), home.text("password"));
    home.run(&["probe", &url, "--password-file", &password]).expect(69);
    assert!(fake.said("PASS").is_empty() && fake.said("AUTH").is_empty() && fake.said("USER").is_empty());
}

#[test]
fn pb_c04_a_server_that_hangs_ends_the_run() {
    let home = Home::new();
    let fake = Fake::start(mail(1, 0), &["USER"], |moment| match moment.line {
        "STAT" | "NOOP" | "RSET" => Act::Hang,
        _ => Act::Usual,
    });
    let done = home.pop3("probe", &fake, &["--json", "--timeout", "1", "--only", "stat", "list"]);
    assert!(matches!(done.code, Some(1 | 75)), "{done:?}");
}

#[test]
fn pb_c43_what_the_server_says_is_escaped() {
    let home = Home::new();
    let fake = Fake::start(mail(1, 0), &["USER"], |moment| match moment.line {
        "XYZZY" => Act::Say(b"+OK \x1b[2J\xe2\x80\xae\r\n".to_vec()),
        _ => Act::Usual,
    });
    let done = home.pop3("probe", &fake, &["--only", "command-unknown"]);
    let out = &done.expect(1).out;
    assert!(out.contains(r"+OK \x1b[2J\xe2\x80\xae\r\n") && out.is_ascii(), "{out}");
    assert!(!out.contains(crate::fake::PASSWORD));
}
