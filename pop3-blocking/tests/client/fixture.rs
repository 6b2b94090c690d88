//! A server that plays a script, in clear text over a socket pair or under TLS.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::thread::JoinHandle;
use std::time::Duration;

use pop3_blocking::Transport;
use pop3_blocking::client::{ClientOptions, Connection, Error, Session};
use pop3_blocking::pop3_proto::MessageNumber;

/// What the server does: wait for one line of the client, then send these octets. An empty expectation waits for nothing.
pub(crate) type Script = Vec<(&'static str, Vec<u8>)>;

/// Plays `script`, then closes; returns all lines that came in.
pub(crate) fn server(script: Script) -> (UnixStream, JoinHandle<Vec<String>>) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let player = std::thread::spawn(move || {
        theirs.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut reader = BufReader::new(theirs.try_clone().unwrap());
        let (mut writer, mut seen) = (theirs, Vec::new());
        for (expected, reply) in script {
            if !expected.is_empty() {
                let mut line = String::new();
                if reader.read_line(&mut line).unwrap_or(0) == 0 {
                    return seen;
                }
                assert_eq!(line, format!("{expected}\r\n"));
                seen.push(expected.to_owned());
            }
            if writer.write_all(&reply).is_err() {
                return seen;
            }
        }
        drop(writer.shutdown(Shutdown::Write));
        let mut rest = String::new();
        drop(reader.read_to_string(&mut rest));
        seen.extend(rest.lines().map(str::to_owned));
        seen
    });
    (ours, player)
}

pub(crate) fn script(lines: &[(&'static str, &str)]) -> Script {
    lines.iter().map(|(expected, reply)| (*expected, reply.as_bytes().to_vec())).collect()
}

pub(crate) fn connect(
    script: Script,
    options: ClientOptions,
) -> (Result<Connection<UnixStream>, Error>, JoinHandle<Vec<String>>) {
    let (stream, player) = server(script);
    let connection = Connection::over(Transport::plain(stream), options).map(|mut connection| {
        connection.allow_cleartext_login();
        connection
    });
    (connection, player)
}

pub(crate) const LOGIN: [(&str, &str); 4] = [
    ("", "+OK ready\r\n"),
    ("CAPA", "+OK\r\nUSER\r\nUIDL\r\nTOP\r\nPIPELINING\r\nRESP-CODES\r\n.\r\n"),
    ("USER alice", "+OK\r\n"),
    ("PASS wonderland", "+OK\r\n"),
];

pub(crate) fn logged_in(more: &[(&'static str, &str)]) -> (Session<UnixStream>, JoinHandle<Vec<String>>) {
    let mut lines = script(&LOGIN);
    lines.extend(script(more));
    let (connection, player) = connect(lines, ClientOptions::default());
    (connection.unwrap().login("alice", "wonderland").unwrap(), player)
}

pub(crate) fn n(number: u32) -> MessageNumber {
    MessageNumber::new(number).unwrap()
}
