//! Logins to the program `pop3d` that need more than a password: entries of `pop3d hash`, and a program that knows tokens.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![cfg(unix)]

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output, Stdio};

use pop3_blocking::client::{ClientOptions, Connection, Error};
use pop3_blocking::pop3_proto::CodeKind;
use pop3_blocking::pop3_proto::sasl::{OAuthBearer, XOAuth2};
use pop3_blocking::tls::ClientTls;
use pop3_tests::peers::{Certs, TempDir, User, require};
use pop3_tests::pop3d::Pop3d;
use pop3_tests::programs::program;

fn hash(options: &[&str], input: &str) -> Output {
    let mut child = Command::new(program("pop3d"))
        .arg("hash")
        .args(options)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn r5802_2_1_dovecot_finds_the_password_in_what_pop3d_makes_of_it() {
    for scheme in ["ARGON2ID", "SCRAM-SHA-1", "SCRAM-SHA-256"] {
        let made = hash(&["--scheme", scheme], "tanstaaf\nnot this\n");
        let field = String::from_utf8(made.stdout).unwrap();
        assert!(made.status.success() && field.starts_with(&format!("{{{scheme}}}")), "{field}");
        let Some(doveadm) = require("doveadm") else { return };
        for (password, right) in [("tanstaaf", true), ("tanstaafl", false)] {
            let mut verify = Command::new(&doveadm);
            verify.args(["pw", "-t", field.trim_end(), "-p", password]);
            assert_eq!(verify.output().unwrap().status.success(), right, "{scheme} {password}");
        }
    }
}

#[test]
fn r4616_2_3_a_password_that_no_login_can_carry_is_not_hashed() {
    for input in ["", "\n", "a\u{7}b\n"] {
        let made = hash(&[], input);
        assert_eq!((made.status.code(), made.stdout.len()), (Some(64), 0), "{input:?}");
        let said = String::from_utf8(made.stderr).unwrap();
        assert!(said.starts_with("pop3d: password "), "{said}");
    }
}

#[test]
fn r7628_3_3_a_program_says_whose_a_token_is() {
    let dir = TempDir::new("token-check");
    let script =
        dir.file("check", "#!/bin/sh\nread -r token\n[ \"$token\" = good ] && echo alice@example.net\n");
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o700)).unwrap();
    let certs = Certs::new();
    let users =
        [User { name: "alice@example.net", password: "secret", messages: vec![b"A: b\n\nc\n".to_vec()] }];
    let server = Pop3d::start(&certs, &users, &["--token-check", script.to_str().unwrap()]);
    let tls = ClientTls::builder().ca_file(certs.authority_file()).build().unwrap();
    let connect =
        || Connection::connect_tls("localhost", server.implicit, &tls, ClientOptions::default()).unwrap();
    let mut bad = OAuthBearer::new("alice@example.net", Some("localhost"), None, "bad").unwrap();
    let refused = connect().authenticate(&mut bad).unwrap_err();
    let Error::TokenRejected(rejected) = &refused.error else { panic!("{:?}", refused.error) };
    assert_eq!(rejected.report.as_deref(), Some(&b"{\"status\":\"invalid_token\"}"[..]));
    assert_eq!(rejected.refused.code, Some(CodeKind::Auth));
    let mut good = XOAuth2::new("alice@example.net", "good").unwrap();
    let mut session = connect().authenticate(&mut good).unwrap();
    assert_eq!(session.stat().unwrap().messages, 1);
}

#[test]
fn a_checkpassword_program_says_who_may_log_in() {
    const CHECK: &str = "#!/bin/sh
option=$1; shift
case $option,$(tr '\\0' , <&3) in
    '-s,alice,secret,,') USER=bob; export USER; exec \"$@\" ;;
    '-s,carol,'*) exit 111 ;;
    '-s,dave,'*) exit 0 ;;
esac
exit 1
";
    let certs = Certs::new();
    let dir = TempDir::new("checkpassword");
    let check = dir.file("check", CHECK);
    std::fs::set_permissions(&check, std::fs::Permissions::from_mode(0o700)).unwrap();
    let mail = |name, messages| User { name, password: "in no use", messages };
    let message = b"A: b\n\nc\n".to_vec();
    let users = [mail("alice", vec![message.clone()]), mail("bob", vec![message.clone(), message])];
    let start = |more: &str| {
        let text = format!(
            "maildir = \"mail/{{user}}/Maildir\"\nlisten-tls = \"127.0.0.1:0\"\ncert = '{}'\nkey = '{}'\n\
             checkpassword = ['{}', \"-s\"]\n{more}\n",
            certs.server_file().display(),
            certs.server_key_file().display(),
            check.display(),
        );
        Pop3d::start_with_file(&users, &text)
    };
    let tls = ClientTls::builder().ca_file(certs.authority_file()).build().unwrap();
    let messages = |server: &Pop3d, user, password| {
        let options = ClientOptions::default();
        let connection = Connection::connect_tls("localhost", server.implicit, &tls, options).unwrap();
        match connection.login(user, password) {
            Ok(mut session) => Ok(session.stat().unwrap().messages),
            Err(failed) => match failed.error {
                Error::Refused(refused) => Err(refused.code),
                other => panic!("{other:?}"),
            },
        }
    };
    let server = start("");
    assert_eq!(messages(&server, "alice", "secret"), Ok(1));
    assert_eq!(messages(&server, "alice", "secre"), Err(Some(CodeKind::Auth)));
    assert_eq!(messages(&server, "bob", "secret"), Err(Some(CodeKind::Auth)));
    assert_eq!(messages(&server, "carol", "secret"), Err(Some(CodeKind::SysTemp)));
    assert_eq!(messages(&server, "dave", "secret"), Err(Some(CodeKind::SysPerm)));
    assert!(!server.log().contains("secret"), "{}", server.log());
    // The one whom the program names.
    let server = start("checkpassword-user = true");
    assert_eq!(messages(&server, "alice", "secret"), Ok(2));
}
