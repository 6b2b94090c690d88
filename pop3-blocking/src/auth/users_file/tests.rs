//! Whole users files, and what questions about them cost.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::auth::work;

// crypt(3) of libxcrypt 4.4, for "correct horse battery"
const BCRYPT: &str = "$2b$04$abcdefghijklmnopqrstuuqREtd3VJD2QVZbuFskFSLk6eRIrQoOS";
const SHA256: &str = "$5$rounds=12345$saltstringsaltst$onlA1ZDnHehtxKus1E2cY8p0sE8joMsrIFn3IEaead3";
const RIGHT: &[u8] = b"correct horse battery";

fn table(text: &str) -> Table {
    Table::parse(text.as_bytes()).unwrap_or_else(|error| panic!("{error}"))
}

fn problem(text: &[u8]) -> (usize, LineProblem) {
    match Table::parse(text) {
        Err(UsersFileError::Line { line, problem }) => (line, problem),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("taken"),
    }
}

/// What a check of `password` for `user` says and costs.
fn spent(table: &Table, user: &str, password: &[u8]) -> (bool, u64) {
    work::take();
    let said = table.check(user, password, true).unwrap();
    (said, work::spent().0)
}

/// A file that goes when the value does.
struct Temporary(PathBuf);

impl Temporary {
    fn new(text: &str) -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("pop3-users-{}-{n}", std::process::id()));
        std::fs::write(&path, text).unwrap();
        Self(path)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.0));
    }
}

#[test]
fn comments_blank_lines_further_fields_and_crlf_are_taken() {
    let table = table(&format!(
        "# users\n\nmrose:{{BLF-CRYPT}}{BCRYPT}\r\n#x:y\nfred@example.org:{SHA256}:1000:1000::/home/fred:{{x}}\nkim:{{PLAIN}}#a b"
    ));
    assert_eq!(table.len(), 3);
    assert!(table.check("mrose", RIGHT, true).unwrap());
    assert!(table.check("fred@example.org", RIGHT, true).unwrap());
    assert!(table.check("kim", b"#a b", true).unwrap());
    assert!(!table.check("#x", b"y", true).unwrap());
    assert!(!table.check("Mrose", RIGHT, true).unwrap());
}

#[test]
fn a_wrong_line_is_named_by_number_and_kind_not_by_content() {
    assert_eq!(problem(b"#\na:{PLAIN}x\nsecret"), (3, LineProblem::NoPassword));
    assert_eq!(problem(b":{PLAIN}x"), (1, LineProblem::NoUser));
    assert_eq!(problem(b"a:"), (1, LineProblem::NoPassword));
    assert_eq!(problem(b"a:{PLAIN}"), (1, LineProblem::NoPassword));
    assert_eq!(problem(b"a:\xff"), (1, LineProblem::NotUtf8));
    assert_eq!(problem(b"a:{PLAIN}x\ty"), (1, LineProblem::ControlCharacter));
    assert_eq!(problem(b"a:{PLAIN}x\0"), (1, LineProblem::ControlCharacter));
    assert_eq!(problem(b"a:{PLAIN}x\rb:{PLAIN}y"), (1, LineProblem::ControlCharacter));
    assert_eq!(problem(b"a:{PLAIN}x\nb:{PLAIN}y\na:{PLAIN}z\n"), (3, LineProblem::DuplicateUser));
    assert_eq!(problem(b"a:hunter2"), (1, LineProblem::NoScheme));
    assert_eq!(problem(b"a:{NTLM}hunter2"), (1, LineProblem::UnknownScheme));
    assert_eq!(problem(b"a:$6$hunter2"), (1, LineProblem::MalformedHash));
    let Err(error) = Table::parse(b"a:{NTLM}hunter2") else { panic!("taken") };
    assert_eq!(error.to_string(), "users file, line 1: unknown password scheme");
    assert!(!format!("{error:?}").contains("hunter2"));
}

#[test]
fn pb_s48_unknown_user_costs_what_each_known_one_costs() {
    let one = table(&format!("a:{BCRYPT}\nb:{BCRYPT}"));
    let wrong = spent(&one, "a", b"wrong");
    assert!(!wrong.0 && wrong.1 > 100_000);
    for (user, password) in [("nobody", &b"wrong"[..]), ("nobody", RIGHT), ("nobody", b""), ("a", b"")] {
        assert_eq!(spent(&one, user, password), wrong, "{user}");
    }
    assert_eq!(spent(&one, "a", RIGHT), (true, wrong.1));

    // One check of each kind, whoever is asked about.
    let mixed =
        table(&format!("a:{{PLAIN}}x\nb:{SHA256}\nc:{BCRYPT}\nd:{BCRYPT}\ne:{SCRAM_256}\nf:{{EXTERNAL}}"));
    let unknown = spent(&mixed, "nobody", b"x");
    let each = ["a", "b", "c", "e"].map(|user| mixed.cost(user));
    assert_eq!(unknown, (false, each.iter().sum()));
    for user in ["a", "b", "c", "d", "e", "f"] {
        assert_eq!(spent(&mixed, user, b"y"), unknown, "{user}");
    }
    assert_eq!(spent(&mixed, "a", b"x"), (true, each[0]));
    assert!(!table("").check("nobody", b"x", true).unwrap());
}

#[test]
fn a_refusal_makes_eight_kinds_of_checks_at_most() {
    let rounds = |n: u32| SHA256.replace("=12345$", &format!("={}$", 1000 + n));
    let users: String = (0..20).map(|n| format!("u{n}:{}\n", rounds(n))).collect();
    let users = table(&users);
    let dearest: u64 = (12..20).map(|n| users.cost(&format!("u{n}"))).sum();
    assert_eq!(spent(&users, "nobody", b"x"), (false, dearest));
    assert_eq!(spent(&users, "u15", b"x"), (false, dearest));
    assert_eq!(spent(&users, "u0", b"x"), (false, dearest + users.cost("u0")));
}

#[test]
fn an_over_long_password_is_wrong_and_costs_no_more() {
    let users = table(&format!("a:{SHA256}\nb:{{PLAIN}}{}", "x".repeat(PASSWORD_MAX)));
    assert!(users.check("b", &[b'x'; PASSWORD_MAX], true).unwrap());
    assert!(!users.check("b", &[b'x'; PASSWORD_MAX + 1], true).unwrap());
    assert_eq!(spent(&users, "a", &[b'x'; 1 << 20]), spent(&users, "a", b"x"));
}

#[test]
fn reload_swaps_all_entries_or_none() {
    let file = Temporary::new("a:{PLAIN}one\nb:{PLAIN}two\n");
    let users = UsersFile::load(&file.0).unwrap();
    let cx = LoginContext::new(None, true, "USER");
    assert_eq!(users.password(&cx, "a", b"one").unwrap().name(), "a");

    std::fs::write(&file.0, "a:{PLAIN}three\nb:broken\n").unwrap();
    assert!(matches!(users.reload(), Err(UsersFileError::Line { line: 2, problem: LineProblem::NoScheme })));
    assert!(users.password(&cx, "a", b"one").is_ok());
    assert!(users.password(&cx, "b", b"two").is_ok());

    std::fs::write(&file.0, "a:{PLAIN}three\n").unwrap();
    users.reload().unwrap();
    assert!(users.password(&cx, "a", b"three").is_ok());
    for (user, password) in [("a", b"one"), ("b", b"two")] {
        assert!(matches!(users.password(&cx, user, password), Err(AuthError::Rejected)));
    }
    std::fs::remove_file(&file.0).unwrap();
    let error = users.reload().unwrap_err();
    assert!(matches!(&error, UsersFileError::Read { .. }), "{error}");
    let text = error.to_string();
    assert!(text.starts_with("users file /") && text.contains(": No such file"), "{text}");
    assert_eq!(users.len(), 1);
    assert!(!format!("{users:?}").contains("three"));
}

/// `doveadm pw` of Dovecot 2.3.19, for "correct horse battery".
const SCRAM_256: &str = "{SCRAM-SHA-256}4096,kWBXhWffNbgJG1tL+nxwBA==,woU0tyxYK1x43DXJbSlnbKLz/yK1CmDzLffj64i0LEo=,gDkSsbObuCJsCABzcB6xk5Yq8HUWtuPfd7DP76vkJPE=";
const SCRAM_1: &str =
    "{SCRAM-SHA-1}4096,qrWK7yInIdbAtKqFrRnMEw==,G6nqlIlohzQcedvjtQt9BAltchA=,QLhkEiWm/v9j0M/KuTVbFUmaWig=";

fn told(table: &Table, user: &str, hash: ScramHash) -> (Vec<u8>, u32) {
    let keys = table.scram_keys(user, hash, true, &Decoys::from_secret(*b"0123456789abcdef"));
    (keys.salt().to_vec(), keys.iterations())
}

#[test]
fn r5802_5_9_unknown_users_are_shown_what_most_users_have() {
    let ten_thousand = SCRAM_256.replace("}4096,", "}10000,");
    let users = table(&format!("a:{ten_thousand}\nb:{ten_thousand}\nc:{SCRAM_256}\nd:{SCRAM_1}\ne:{BCRYPT}"));
    assert_eq!(
        users.mechanisms().without(Mechanisms::PASSWORDS),
        Mechanisms::scram(ScramHash::Sha256) | Mechanisms::scram(ScramHash::Sha1)
    );
    let (salt, iterations) = told(&users, "nobody", ScramHash::Sha256);
    assert_eq!((salt.len(), iterations), (16, 10_000));
    assert_eq!(told(&users, "nobody", ScramHash::Sha256).0, salt, "stable");
    assert_eq!(told(&users, "c", ScramHash::Sha256).1, 4096);
    // Who has no keys for the hash is as unknown: d has others, e has none.
    for user in ["d", "e"] {
        assert_eq!(told(&users, user, ScramHash::Sha256).1, 10_000, "{user}");
    }
    assert_eq!(told(&users, "nobody", ScramHash::Sha1).1, 4096);
    assert_ne!(told(&users, "nobody2", ScramHash::Sha256).0, salt);
}

#[test]
fn pb_s48_keys_for_scram_cost_the_same_whoever_asks() {
    for (plain, iterations) in [("", 0), ("p:{PLAIN}x\n", 4096)] {
        let users = table(&format!("{plain}a:{SCRAM_256}\nb:{BCRYPT}\nc:{{EXTERNAL}}\nd:{{SECRET}}x"));
        let decoys = Decoys::random().unwrap();
        for user in ["p", "a", "b", "c", "d", "nobody"] {
            work::take();
            users.scram_keys(user, ScramHash::Sha256, true, &decoys);
            assert_eq!(work::spent().1, iterations, "{user}");
        }
    }
}

#[test]
fn keys_for_scram_serve_passwords_and_the_other_way_round() {
    let users = table(&format!("a:{SCRAM_256}\na:{SCRAM_1}\nb:{{PLAIN}}correct horse battery\nc:{BCRYPT}"));
    assert!(users.check("a", RIGHT, true).unwrap() && !users.check("a", b"wrong", true).unwrap());
    let decoys = Decoys::random().unwrap();
    for (user, hash, right) in [
        ("a", ScramHash::Sha256, true),
        ("a", ScramHash::Sha1, true),
        ("a", ScramHash::Sha512, false),
        ("b", ScramHash::Sha256, true),
        ("b", ScramHash::Sha512, true),
        ("c", ScramHash::Sha256, false),
        ("nobody", ScramHash::Sha256, false),
    ] {
        let keys = users.scram_keys(user, hash, true, &decoys);
        assert_eq!(keys.verify(hash, RIGHT), right, "{user} {hash:?}");
    }
    assert!(users.proves("a", true) && users.proves("b", true));
    assert!(!users.proves("c", true) && !users.proves("nobody", true));
    for (text, line) in [
        (format!("a:{SCRAM_256}\na:{SCRAM_256}"), 2),
        (format!("a:{SCRAM_256}\na:{BCRYPT}"), 2),
        (format!("a:{BCRYPT}\nb:{SCRAM_1}\na:{SCRAM_256}"), 3),
    ] {
        assert_eq!(problem(text.as_bytes()), (line, LineProblem::DuplicateUser));
    }
}

#[test]
fn r1939_13_1_rdm_2_1e_a_secret_or_a_certificate_is_no_password() {
    let users = table(&format!("a:{{SECRET}}tanstaaf\nb:{{EXTERNAL}}\nc:{BCRYPT}"));
    assert_eq!(users.secret("a", true).unwrap().expose(), b"tanstaaf");
    let refused = spent(&users, "nobody", b"tanstaaf");
    for user in ["a", "b"] {
        assert_eq!(spent(&users, user, b"tanstaaf"), refused, "{user}");
        assert_eq!(spent(&users, user, b""), refused, "{user}");
        let decoys = Decoys::random().unwrap();
        assert!(!users.scram_keys(user, ScramHash::Sha1, true, &decoys).verify(ScramHash::Sha1, b"tanstaaf"));
    }
    assert!(users.contains("b") && !users.proves("b", true));
    assert!(users.secret("b", true).is_none() && users.secret("c", true).is_none());
    assert_eq!(table("b:{EXTERNAL}").mechanisms(), Mechanisms::NONE);
    let secrets = Mechanisms::CRAM_MD5 | Mechanisms::APOP;
    assert_eq!(users.mechanisms(), Mechanisms::PASSWORDS | secrets);
}

#[test]
fn r8314_4_3_who_must_use_tls_is_nobody_without_it() {
    let users = table(&format!(
        "a:{BCRYPT}:1000:1000::/home/a::nologin require_tls\nb:{BCRYPT}:require_tls\nc:{{SECRET}}x::::::require_tls"
    ));
    assert!(users.check("a", RIGHT, true).unwrap() && users.check("b", RIGHT, false).unwrap());
    work::take();
    assert!(!users.check("nobody", RIGHT, false).unwrap());
    let refused = work::spent();
    for password in [RIGHT, b"wrong"] {
        assert!(!users.check("a", password, false).unwrap());
        assert_eq!(work::spent(), refused);
    }
    assert!(users.secret("c", true).is_some() && users.secret("c", false).is_none());
}

#[test]
fn r4616_2_3_names_and_plain_passwords_are_taken_as_they_are_prepared() {
    let users = table("\u{2168}:{PLAIN}\u{aa}b");
    assert!(users.check("IX", b"ab", true).unwrap());
    assert_eq!(problem("\u{2168}:{PLAIN}x\nIX:{PLAIN}x".as_bytes()), (2, LineProblem::DuplicateUser));
}

#[test]
fn r5802_5_3_a_made_entry_for_scram_is_a_line_of_the_file() {
    for hash in ScramHash::ALL {
        let field = UsersFile::scram_entry(hash, b"new password").unwrap();
        assert!(field.starts_with(&format!("{{{}}}100000,", scheme::scram_name(hash))), "{field}");
        assert_ne!(field, UsersFile::scram_entry(hash, b"new password").unwrap(), "a salt of its own");
        let users = table(&format!("a:{field}"));
        assert!(users.check("a", b"new password", true).unwrap());
        assert!(!users.check("a", b"old password", true).unwrap());
    }
    // Prepared before it is hashed (R4616-2.3).
    let field = UsersFile::scram_entry(ScramHash::Sha256, "\u{aa}I\u{ad}X".as_bytes()).unwrap();
    assert!(table(&format!("a:{field}")).check("a", b"aIX", true).unwrap());
    assert_eq!(UsersFile::scram_entry(ScramHash::Sha256, b"a\x07"), Err(HashError::Unprepared));
    assert_eq!(UsersFile::scram_entry(ScramHash::Sha256, "\u{ad}".as_bytes()), Err(HashError::Empty));
    assert_eq!(UsersFile::hash_password(b"a\x07"), Err(HashError::Unprepared));
}

#[test]
fn certificates_map_to_nobody() {
    let file = Temporary::new("a:{PLAIN}one\n");
    let users = UsersFile::load(&file.0).unwrap();
    let cx = LoginContext::new(None, true, "EXTERNAL");
    assert!(matches!(users.certificate(&cx, b"\x30\x00"), Err(AuthError::Rejected)));
}

#[test]
fn a_made_hash_is_a_line_of_the_file() {
    let field = UsersFile::hash_password(b"new password").unwrap();
    assert!(field.starts_with("{ARGON2ID}$argon2id$v=19$m=19456,t=2,p=1$"), "{field}");
    assert_ne!(field, UsersFile::hash_password(b"new password").unwrap());
    let table = table(&format!("a:{field}"));
    assert!(table.check("a", b"new password", true).unwrap());
    assert!(!table.check("a", b"old password", true).unwrap());
    assert_eq!(UsersFile::hash_password(b""), Err(HashError::Empty));
    assert_eq!(UsersFile::hash_password(&[b'x'; 1025]), Err(HashError::TooLong { limit: 1024 }));
    for forbidden in [b"a\rb", b"a\nb", b"a\0b"] {
        assert_eq!(UsersFile::hash_password(forbidden), Err(HashError::Forbidden));
    }
}

#[test]
fn everything_that_is_wrong_is_told_at_once_with_its_line() {
    let file =
        Temporary::new("b:{PLAIN}x\n# all right\nbroken\na:{NEW}y\n\na:{PLAIN}z\nb:{PLAIN}again\n:x\n");
    let Examined { users: names, problems: wrong } = UsersFile::examine(&file.0).unwrap();
    assert_eq!(names, ["a", "b"]);
    use LineProblem::{DuplicateUser, NoPassword, NoUser, UnknownScheme};
    assert_eq!(wrong, [(3, NoPassword), (4, UnknownScheme), (7, DuplicateUser), (8, NoUser)]);
    assert!(matches!(UsersFile::examine("/nonexistent/users"), Err(UsersFileError::Read { .. })));
}
