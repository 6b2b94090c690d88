//! Python's `poplib`, driven by a script.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::client::files;
use super::gsasl::EXPORTER;
use super::process::run;
use super::{Account, After, Fetched, Mechanism, TempDir, Tls};

/// Fetches every message into a file named by its number, and checks on the way that the server's counts agree. What
/// `poplib` has no method for goes by its raw commands, SCRAM by Python's own HMAC and PBKDF2.
const SCRIPT: &str = r#"
import base64, hashlib, hmac, os, poplib, ssl, sys
port, tls, authority, user, password, after, folder, mechanism, certificate, key = sys.argv[1:]
context = ssl.create_default_context(cafile=authority)
context.keylog_filename = keys.name
plus = mechanism.endswith("-PLUS")
if plus and tls == "starttls":
    context.maximum_version = ssl.TLSVersion.TLSv1_2
if certificate:
    context.load_cert_chain(certificate, key)
if tls == "implicit":
    server = poplib.POP3_SSL("localhost", int(port), context=context, timeout=60)
else:
    server = poplib.POP3("localhost", int(port), timeout=60)
    if tls == "starttls":
        server.stls(context)

def send(text):
    "Sends a response and gives the challenge that follows, or None when the login has succeeded."
    line = server._shortcmd(base64.b64encode(text.encode()).decode())
    return None if line.startswith(b"+OK") else base64.b64decode(line[1:]).decode()

def start(text=None):
    "Sends AUTH, with an initial response if there is one, and gives the challenge as above."
    initial = "" if text is None else " " + (base64.b64encode(text.encode()).decode() or "=")
    line = server._shortcmd("AUTH " + mechanism + initial)
    return None if line.startswith(b"+OK") else base64.b64decode(line[1:]).decode()

def scram():
    hash = mechanism.removesuffix("-PLUS").removeprefix("SCRAM-").replace("-", "").lower()
    mac = lambda key, text: hmac.digest(key, text, hash)
    header, binding = b"n,,", b""
    if plus and server.sock.version() == "TLSv1.3":
        header = b"p=tls-exporter,,"
        binding = base64.b64decode(exported(server.sock))
    elif plus:
        header = b"p=tls-server-end-point,,"
        binding = hashlib.sha256(server.sock.getpeercert(True)).digest()
    nonce = base64.b64encode(os.urandom(18)).decode()
    bare = "n=" + user.replace("=", "=3D").replace(",", "=2C") + ",r=" + nonce
    first = start(header.decode() + bare)
    fields = dict(field.split("=", 1) for field in first.split(","))
    assert fields["r"].startswith(nonce) and len(fields["r"]) > len(nonce), first
    final = "c=" + base64.b64encode(header + binding).decode() + ",r=" + fields["r"]
    salted = hashlib.pbkdf2_hmac(hash, password.encode(), base64.b64decode(fields["s"]), int(fields["i"]))
    signed = ",".join([bare, first, final]).encode()
    client_key = mac(salted, b"Client Key")
    signature = mac(hashlib.new(hash, client_key).digest(), signed)
    proof = bytes(a ^ b for a, b in zip(client_key, signature))
    last = send(final + ",p=" + base64.b64encode(proof).decode())
    expected = mac(mac(salted, b"Server Key"), signed)
    assert last == "v=" + base64.b64encode(expected).decode(), last
    assert send("") is None

if mechanism in ("", "USER/PASS"):
    server.user(user)
    server.pass_(password)
elif mechanism == "APOP":
    server.apop(user, password)
elif mechanism == "PLAIN":
    assert start("\0" + user + "\0" + password) is None
elif mechanism == "LOGIN":
    assert start() is not None
    assert send(user) is not None
    assert send(password) is None
elif mechanism == "CRAM-MD5":
    challenge = start()
    assert send(user + " " + hmac.new(password.encode(), challenge.encode(), "md5").hexdigest()) is None
elif mechanism.startswith("SCRAM-"):
    scram()
elif mechanism == "EXTERNAL":
    assert start("") is None
elif mechanism in ("OAUTHBEARER", "XOAUTH2"):
    if mechanism == "XOAUTH2":
        reply = start("user=" + user + "\1auth=Bearer " + password + "\1\1")
    else:
        reply = start("n,a=" + user + ",\1host=localhost\1port=" + port + "\1auth=Bearer " + password + "\1\1")
    if reply is not None:
        print("failure:", reply, file=sys.stderr)
        send("\1" if mechanism == "OAUTHBEARER" else "")
        raise SystemExit("success after a failure")
elif mechanism == "ANONYMOUS":
    assert start("a trace") is None
else:
    raise SystemExit("no " + mechanism)
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
    command.arg("-c").arg(format!("{EXPORTER}{SCRIPT}"));
    command.args([&account.port.to_string(), tls]).arg(account.authority);
    command.args([account.user, account.password, after]).arg(&mail);
    command.arg(account.mechanism.map_or("", Mechanism::name));
    let (certificate, key) = account.identity.unwrap_or_else(|| (Path::new(""), Path::new("")));
    command.arg(certificate).arg(key);
    let ended = run(&mut command, limit, dir.path());
    Fetched { messages: files(&mail), ended }
}

/// Its raw commands reach everything. Over TLS 1.3 a channel is bound by `tls-exporter`; by STLS it speaks TLS 1.2 for
/// these mechanisms, and binds by `tls-server-end-point`.
pub(super) const fn limit(_: Mechanism) -> Option<&'static str> {
    None
}

/// Lines end in CRLF on both sides; none of the lines a server sends has another LF in it.
pub(super) fn delivers(sent: &[u8]) -> Vec<u8> {
    sent.to_vec()
}
