//! UTF8 and LANG (RFC 6856) of `pop3d`, as Python's `poplib` uses them and its `email` reads the result.

use std::process::Command;

use pop3_tests::peers::process::run;
use pop3_tests::peers::{Certs, TempDir, User, require};
use pop3_tests::pop3d::Pop3d;

use super::{LIMIT, PASSWORD};

const MESSAGE: &str = "From: Jørgen <jørgen@exämple.net>\nTo: alice@example.net\nSubject: Grüße\nMessage-ID: <1@example.net>\n\nHallö.\n";

/// Runs `script` in Python behind what connects and reads the message, and fails the test with all it says unless it
/// succeeds.
#[track_caller]
fn python(server: &Pop3d, certs: &Certs, script: &str) {
    const BEGIN: &str = r#"
import email, email.policy, poplib, ssl, sys
port, authority = sys.argv[1:]
context = ssl.create_default_context(cafile=authority)
def connect():
    return poplib.POP3_SSL("localhost", int(port), context=context, timeout=60)
def log_in(server, user="alice"):
    server.user(user)
    server.pass_("s3cret word")
def message(server):
    lines = server.retr(1)[1]
    octets = b"".join(line + b"\r\n" for line in lines)
    assert server.list()[1] == [b"1 %d" % len(octets)], server.list()
    return octets, email.message_from_string(octets.decode(), policy=email.policy.default)
def refused(what, *arguments):
    try:
        what(*arguments)
    except poplib.error_proto as error:
        return error.args[0]
    raise SystemExit("accepted")
"#;
    let Some(python) = require("python3") else { return };
    let dir = TempDir::new("utf8");
    let mut command = Command::new(python);
    command.arg("-c").arg(format!("{BEGIN}{script}")).arg(server.implicit.to_string());
    let ended = run(command.arg(certs.authority_file()), LIMIT, dir.path());
    assert_eq!(ended.code, Some(0), "{} {}", ended.output(), server.log());
}

fn server(certs: &Certs, options: &[&str]) -> Pop3d {
    assert_eq!(PASSWORD, "s3cret word");
    let user = |name| User { name, password: PASSWORD, messages: vec![MESSAGE.into()] };
    Pop3d::start(certs, &[user("alice"), user("jürgen")], options)
}

#[test]
fn r6856_2_1_poplib_by_utf8_gets_what_is_stored() {
    let certs = Certs::new();
    for option in ["surrogate", "refuse"] {
        python(
            &server(&certs, &["--utf8", option]),
            &certs,
            r#"
server = connect()
assert server.capa()["UTF8"] == ["USER"], server.capa()
server.utf8()
log_in(server, "jürgen")
octets, read = message(server)
assert "Subject: Grüße\r\n".encode() in octets, octets
assert "<jørgen@exämple.net>".encode() in octets, octets
assert read["Subject"] == "Grüße" and read["From"].addresses[0].addr_spec == "jørgen@exämple.net", octets
server.quit()
"#,
        );
    }
}

#[test]
fn r6858_2_1_poplib_without_utf8_gets_a_surrogate_that_email_reads() {
    let certs = Certs::new();
    python(
        &server(&certs, &["--utf8", "surrogate"]),
        &certs,
        r#"
server = connect()
log_in(server)
octets, read = message(server)
head, body = octets.split(b"\r\n\r\n", 1)
assert head.isascii(), head
assert read["Subject"] == "Grüße", octets
assert read["From"].addresses[0].display_name == "Jørgen", octets
assert read["From"].addresses[0].domain == "internationalized-address.invalid", octets
assert read["Message-ID"] == "<1@example.net>", octets
assert body == "Hallö.\r\n".encode(), body
assert server.utf8 and refused(server.utf8).startswith(b"-ERR")
server.quit()
"#,
    );
}

#[test]
fn r6856_5_1_poplib_without_utf8_is_refused_the_message_and_told_so() {
    let certs = Certs::new();
    python(
        &server(&certs, &["--utf8", "refuse"]),
        &certs,
        r#"
server = connect()
log_in(server)
assert refused(server.retr, 1).startswith(b"-ERR [UTF8] "), refused(server.retr, 1)
assert refused(server.top, 1, 0).startswith(b"-ERR [UTF8] ")
assert server.stat()[0] == 1 and len(server.uidl()[1]) == 1
server.quit()
# A name that is not ASCII needs no UTF8 before it, as the argument USER of the capability says.
server = connect()
log_in(server, "jürgen")
server.quit()
"#,
    );
}

#[test]
fn r6856_3_1_poplib_chooses_a_language() {
    let certs = Certs::new();
    python(
        &server(&certs, &["--utf8", "surrogate", "--language", "de"]),
        &certs,
        r#"
server = connect()
server.utf8()
assert "LANG" in server.capa()
listed = [line.split(b" ")[0] for line in server._longcmd("LANG")[1]]
assert {b"en", b"de", b"sv"} <= set(listed), listed
english = refused(server._shortcmd, "XYZZY")
for language in "de", "sv":
    reply = server._shortcmd("LANG " + language)
    assert reply.startswith(b"+OK " + language.encode() + b" "), reply
    assert refused(server._shortcmd, "XYZZY") != english, language
log_in(server)
server.quit()
server = connect()
server.utf8()
# A range that only a part of a tag matches, and the server's own choice.
assert server._shortcmd("LANG sv-FI").startswith(b"+OK sv "), "range"
assert server._shortcmd("LANG *").startswith(b"+OK de "), "default"
assert server._shortcmd("LANG en").startswith(b"+OK en "), "English"
assert refused(server._shortcmd, "XYZZY") == english
assert refused(server._shortcmd, "LANG tlh").startswith(b"-ERR"), "unknown"
assert refused(server._shortcmd, "XYZZY") == english, "a refusal changes nothing"
log_in(server)
assert server._shortcmd("LANG de").startswith(b"+OK de "), "after the login"
server.quit()
"#,
    );
}
