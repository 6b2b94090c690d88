//! GNU SASL's library, driven by Python over OpenSSL: the one peer that binds SCRAM to a channel by `tls-exporter`
//! (RFC 9266), in both roles. What the connection exports is derived from the secret in OpenSSL's key log.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::process::{Finished, run};
use super::{Account, Certs, Mechanism, TempDir, Tls, require, skip};

/// The library, as far as both roles use it.
const LIBRARY: &str = r#"
import ctypes, poplib, socket, ssl, sys

gsasl = ctypes.CDLL("libgsasl.so.18")
gsasl.gsasl_strerror.restype = ctypes.c_char_p
AUTHID, AUTHZID, PASSWORD, ANONYMOUS_TOKEN, CB_TLS_EXPORTER = 1, 2, 3, 4, 25
CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int)
kept = []

def session(role, mechanism, properties):
    context, made = ctypes.c_void_p(), ctypes.c_void_p()
    assert gsasl.gsasl_init(ctypes.byref(context)) == 0
    start = getattr(gsasl, "gsasl_" + role + "_start")
    code = start(context, mechanism.encode(), ctypes.byref(made))
    assert code == 0, code
    # Some mechanisms look a property up, some call for it.
    def give(context, session, name):
        if name not in properties:
            return 51
        return gsasl.gsasl_property_set(ctypes.c_void_p(session), name, properties[name].encode())
    kept.append(CALLBACK(give))
    gsasl.gsasl_callback_set(context, kept[-1])
    return made

def step(made, received):
    "Gives whether there is more to come, and the next token in base64."
    out = ctypes.c_char_p()
    code = gsasl.gsasl_step64(made, received, ctypes.byref(out))
    if code not in (0, 1):
        raise SystemExit("gsasl: " + gsasl.gsasl_strerror(code).decode())
    return code == 1, (out.value or b"").decode()
"#;

/// What a connection of TLS 1.3 exports: `exported` tells it where `keys.name` is the connection's key log.
pub(super) const EXPORTER: &str = r#"
import base64, hashlib, hmac, tempfile

keys = tempfile.NamedTemporaryFile()

def exported(connection):
    "The value by which tls-exporter (RFC 9266) binds, in base64, by RFC 8446 section 7.5."
    hash = "sha384" if connection.cipher()[0].endswith("384") else "sha256"
    secret = [line.split()[2] for line in open(keys.name) if line.startswith("EXPORTER_SECRET ")]
    assert len(secret) == 1, secret
    empty = hashlib.new(hash).digest()
    def expand(secret, label, length):
        label = b"tls13 " + label
        info = length.to_bytes(2, "big") + bytes([len(label)]) + label + bytes([len(empty)]) + empty
        return hmac.digest(secret, info + b"\1", hash)[:length]
    derived = expand(bytes.fromhex(secret[0]), b"EXPORTER-Channel-Binding", len(empty))
    return base64.b64encode(expand(derived, b"exporter", 32)).decode()
"#;

/// A client that logs in, asks STAT and leaves.
const CLIENT: &str = r#"
port, tls, authority, user, password, mechanism, certificate, key, version = sys.argv[1:]
context = ssl.create_default_context(cafile=authority)
context.keylog_filename = keys.name
context.maximum_version = context.minimum_version = ssl.TLSVersion[version]
if certificate:
    context.load_cert_chain(certificate, key)
if tls == "implicit":
    server = poplib.POP3_SSL("localhost", int(port), context=context, timeout=60)
else:
    server = poplib.POP3("localhost", int(port), timeout=60)
    server.stls(context)
print("offered:", *server.capa().get("SASL", []), flush=True)
properties = {AUTHID: user, PASSWORD: password, ANONYMOUS_TOKEN: "a trace"}
if mechanism == "EXTERNAL":
    properties = {}
# The library refuses the weaker form of a mechanism to whoever gives it these keys.
if mechanism.endswith("-PLUS"):
    properties[CB_TLS_EXPORTER] = exported(server.sock)
made = session("client", mechanism, properties)
if mechanism in ("LOGIN", "CRAM-MD5"):
    more = True
    line = server._shortcmd("AUTH " + mechanism)
else:
    more, token = step(made, None)
    line = server._shortcmd("AUTH " + mechanism + " " + (token or "="))
while not line.startswith(b"+OK"):
    more, token = step(made, line[1:].strip())
    line = server._shortcmd(token)
assert not more, "a success before the mechanism is at its end"
print("stat:", *server.stat(), flush=True)
server.quit()
"#;

/// A server for one connection with an empty maildrop.
const SERVER: &str = r#"
certificate, key, mechanism, announced, password = sys.argv[1:]
# A server that can bind says so; X-BINDS stands for a -PLUS that got lost on the way.
binds = "-PLUS" in announced or "X-BINDS" in announced
context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
context.keylog_filename = keys.name
context.minimum_version = ssl.TLSVersion.TLSv1_3
context.load_cert_chain(certificate, key)
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
connection = context.wrap_socket(listener.accept()[0], server_side=True)
connection.settimeout(60)
lines = connection.makefile("rb")
def send(text):
    connection.sendall(text.replace("\n", "\r\n").encode() + b"\r\n")
def receive():
    line = lines.readline()
    if not line:
        raise SystemExit("the connection ended")
    return line.removesuffix(b"\r\n")
send("+OK ready")
while True:
    verb, *arguments = receive().decode().split(" ")
    if verb == "CAPA":
        send("+OK\nUSER\nUIDL\nSASL " + announced + "\n.")
    elif verb == "AUTH":
        print("asked:", arguments[0], flush=True)
        if arguments[0] != mechanism:
            send("-ERR not this one")
            continue
        properties = {PASSWORD: password}
        if binds:
            properties[CB_TLS_EXPORTER] = exported(connection)
        made = session("server", mechanism, properties)
        received = arguments[1].encode() if len(arguments) > 1 else b""
        try:
            more, token = step(made, received)
            while more:
                send("+ " + token)
                more, token = step(made, receive())
            if token:
                send("+ " + token)
                assert receive() == b""
        except SystemExit as refused:
            print("refused:", refused, flush=True)
            send("-ERR [AUTH] " + str(refused))
            continue
        print("accepted", flush=True)
        send("+OK")
    elif verb == "STAT":
        send("+OK 0 0")
    elif verb == "QUIT":
        send("+OK")
        break
    else:
        print("sent:", verb, flush=True)
        send("-ERR not this one")
"#;

/// Why it cannot log in in this way over TLS 1.3, if it cannot.
#[must_use]
pub const fn limit(mechanism: Mechanism) -> Option<&'static str> {
    match mechanism {
        Mechanism::UserPass | Mechanism::Apop => Some("is a library of SASL"),
        Mechanism::ScramSha512 | Mechanism::ScramSha512Plus => Some("has no SCRAM-SHA-512"),
        Mechanism::OAuthBearer | Mechanism::XOAuth2 => Some("has no mechanism with tokens"),
        _ => None,
    }
}

/// Whether it can be had; where it cannot, that was said.
#[must_use]
pub fn is_installed() -> bool {
    python().is_some()
}

/// Where Python is, if that and the library are there.
fn python() -> Option<PathBuf> {
    let python = require("python3")?;
    let loads = Command::new(&python)
        .args(["-c", "import ctypes; ctypes.CDLL('libgsasl.so.18')"])
        .stderr(Stdio::null())
        .status();
    if !loads.is_ok_and(|status| status.success()) {
        skip("libgsasl18 not installed");
        return None;
    }
    Some(python)
}

/// Logs in over TLS of `version`, which is `TLSv1_2` or `TLSv1_3`; `None` where it is not installed, which was then said.
///
/// Standard output has a line `offered: ` with the mechanisms of CAPA and, after a login, `stat: ` with the two numbers of STAT.
///
/// # Panics
///
/// For an account without TLS or without mechanism.
#[must_use]
pub fn log_in(account: &Account<'_>, version: &str, limit: Duration) -> Option<Finished> {
    let python = python()?;
    let dir = TempDir::new("gsasl");
    let tls = match account.tls {
        Tls::Implicit => "implicit",
        Tls::StartTls => "starttls",
        Tls::Off => panic!("no TLS"),
    };
    let mut command = Command::new(python);
    command.arg("-c").arg(format!("{LIBRARY}{EXPORTER}{CLIENT}"));
    command.args([&account.port.to_string(), tls]).arg(account.authority);
    command.args([account.user, account.password, account.mechanism.unwrap().name()]);
    let (certificate, key) = account.identity.unwrap_or_else(|| (Path::new(""), Path::new("")));
    command.arg(certificate).arg(key).arg(version);
    Some(run(&mut command, limit, dir.path()))
}

/// A server for one connection over TLS 1.3; dropped, it is killed.
#[derive(Debug)]
#[must_use]
pub struct GsaslServer {
    child: Child,
    out: BufReader<std::process::ChildStdout>,
    /// Its port, for TLS from the first octet.
    pub port: u16,
}

impl GsaslServer {
    /// Why it cannot be asked for this mechanism, if it cannot.
    #[must_use]
    pub const fn limit(mechanism: Mechanism) -> Option<&'static str> {
        match mechanism {
            // It leaves it to its caller what is to be verified.
            Mechanism::External | Mechanism::Anonymous => {
                Some("is a library of SASL, and verifies nothing here")
            }
            _ => limit(mechanism),
        }
    }

    /// Starts it: the one user, whatever the name, has this password, `mechanism` is what it takes and `announced` what
    /// CAPA says, with the word X-BINDS for a server that can bind to the channel and does not say so; `None` where it is not installed, which was then said.
    ///
    /// # Panics
    ///
    /// When it is installed but does not start.
    #[must_use]
    pub fn start(certs: &Certs, mechanism: Mechanism, announced: &str, password: &str) -> Option<Self> {
        let python = python()?;
        let mut child = Command::new(python)
            .arg("-c")
            .arg(format!("{LIBRARY}{EXPORTER}{SERVER}"))
            .arg(certs.server_file())
            .arg(certs.server_key_file())
            .args([mechanism.name(), announced, password])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        let port = line.trim().parse().unwrap_or_else(|_| panic!("the server does not start: {line}"));
        Some(Self { child, out, port })
    }

    /// What it says of the login once the connection has ended: `asked: `, the mechanism, and `accepted` or `refused: `.
    #[must_use]
    pub fn verdict(mut self) -> String {
        let mut said = String::new();
        // What it said before it was killed counts, too.
        drop(std::io::Read::read_to_string(&mut self.out, &mut said));
        said
    }
}

impl Drop for GsaslServer {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
