//! Python's `poplib`, driven by a script.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::client::files;
use super::process::run;
use super::{Account, After, Fetched, TempDir, Tls};

/// Fetches every message into a file named by its number, and checks on the way that the server's counts agree.
const SCRIPT: &str = r#"
import poplib, ssl, sys
port, tls, authority, user, password, after, folder = sys.argv[1:]
context = ssl.create_default_context(cafile=authority)
if tls == "implicit":
    server = poplib.POP3_SSL("localhost", int(port), context=context, timeout=60)
else:
    server = poplib.POP3("localhost", int(port), timeout=60)
    if tls == "starttls":
        server.stls(context)
server.user(user)
server.pass_(password)
count, octets = server.stat()
listing = [line.split() for line in server.list()[1]]
assert [int(number) for number, size in listing] == list(range(1, count + 1)), listing
assert sum(int(size) for number, size in listing) == octets, (listing, octets)
ids = [line.split(b" ", 1)[1] for line in server.uidl()[1]]
assert len(ids) == count == len(set(ids)), ids
for number in range(1, count + 1):
    lines = server.retr(number)[1]
    with open(f"{folder}/{number}", "wb") as file:
        file.write(b"".join(line + b"\r\n" for line in lines))
    if after == "delete":
        server.dele(number)
server.quit()
"#;

/// Runs the script.
pub(super) fn fetch(
    program: &Path,
    account: &Account<'_>,
    after: After,
    limit: Duration,
    dir: &TempDir,
) -> Fetched {
    let mail = dir.subdir("mail");
    let tls = match account.tls {
        Tls::Off => "off",
        Tls::Implicit => "implicit",
        Tls::StartTls => "starttls",
    };
    let after = if after == After::Delete { "delete" } else { "keep" };
    let mut command = Command::new(program);
    command.args(["-c", SCRIPT, &account.port.to_string(), tls]).arg(account.authority);
    command.args([account.user, account.password, after]).arg(&mail);
    let ended = run(&mut command, limit, dir.path());
    Fetched { messages: files(&mail), ended }
}

/// Lines end in CRLF on both sides; none of the lines a server sends has another LF in it.
pub(super) fn delivers(sent: &[u8]) -> Vec<u8> {
    sent.to_vec()
}
