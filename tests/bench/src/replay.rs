//! A server that answers from memory, so that the client that is measured is what takes the time. It locks nothing, checks
//! no password and forgets what is deleted.

use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::{fs, io, thread};

use memchr::memchr;
use rustls::{ServerConfig, ServerConnection};

use crate::{Fault, tls};

/// Replies are gathered up to so many octets before they are written.
const GATHERED: usize = 128 * 1024;

struct Server {
    root: PathBuf,
    tls: Arc<ServerConfig>,
    maildrops: Mutex<HashMap<String, Arc<Maildrop>>>,
}

/// Everything that can be asked for, ready to be sent.
struct Maildrop {
    messages: Vec<Vec<u8>>,
    octets: Vec<u64>,
    stat: Vec<u8>,
    list: Vec<u8>,
    uidl: Vec<u8>,
}

/// Serves until standard input ends.
pub(crate) fn serve(root: &str) -> Result<(), Fault> {
    let root = Path::new(root);
    let server = Arc::new(Server {
        root: root.join("mail"),
        tls: tls::server(root)?,
        maildrops: Mutex::new(HashMap::new()),
    });
    let mut told = "listening".to_owned();
    for (name, implicit) in [("tls", true), ("plain", false)] {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        told += &format!(" {name}={}", listener.local_addr()?);
        let server = Arc::clone(&server);
        thread::spawn(move || {
            for tcp in listener.incoming().flatten() {
                let server = Arc::clone(&server);
                // A client that breaks off is no fault of the server.
                thread::spawn(move || drop(session(&server, tcp, implicit)));
            }
        });
    }
    println!("{told}");
    io::copy(&mut io::stdin().lock(), &mut io::sink())?;
    Ok(())
}

impl Maildrop {
    fn load(maildir: &Path) -> Result<Self, Fault> {
        let mut names = Vec::new();
        for entry in fs::read_dir(maildir.join("cur"))? {
            names.push(entry?.file_name().into_string().map_err(|_| "a name that is no text")?);
        }
        names.sort();
        let mut all = Self {
            messages: Vec::new(),
            octets: Vec::new(),
            stat: Vec::new(),
            list: b"+OK\r\n".to_vec(),
            uidl: b"+OK\r\n".to_vec(),
        };
        for (index, name) in names.iter().enumerate() {
            let stored = fs::read(maildir.join("cur").join(name))?;
            let octets = stored.len() + memchr::memchr_iter(b'\n', &stored).count();
            let mut reply = format!("+OK {octets} octets\r\n").into_bytes();
            reply.reserve(octets + octets / 64 + 8);
            for line in stored.split_inclusive(|octet| *octet == b'\n') {
                if line.starts_with(b".") {
                    reply.push(b'.');
                }
                reply.extend_from_slice(line.strip_suffix(b"\n").unwrap_or(line));
                reply.extend_from_slice(b"\r\n");
            }
            reply.extend_from_slice(b".\r\n");
            let unique = name.split(',').next().unwrap_or_default();
            write!(all.list, "{} {octets}\r\n", index + 1)?;
            write!(all.uidl, "{} {unique}\r\n", index + 1)?;
            all.octets.push(octets as u64);
            all.messages.push(reply);
        }
        all.list.extend_from_slice(b".\r\n");
        all.uidl.extend_from_slice(b".\r\n");
        write!(all.stat, "+OK {} {}\r\n", all.messages.len(), all.octets.iter().sum::<u64>())?;
        Ok(all)
    }
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<ServerConnection>, TcpStream),
}

impl Stream {
    fn read(&mut self, into: &mut [u8]) -> Result<usize, Fault> {
        match self {
            Self::Plain(tcp) => Ok(tcp.read(into)?),
            Self::Tls(tls, tcp) => loop {
                match tls.reader().read(into) {
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    other => return Ok(other?),
                }
                if tls.read_tls(tcp)? == 0 {
                    return Ok(0);
                }
                tls.process_new_packets()?;
                while tls.wants_write() {
                    tls.write_tls(tcp)?;
                }
            },
        }
    }

    fn write(&mut self, octets: &[u8]) -> Result<(), Fault> {
        match self {
            Self::Plain(tcp) => tcp.write_all(octets)?,
            Self::Tls(tls, tcp) => {
                for piece in octets.chunks(GATHERED / 2) {
                    tls.writer().write_all(piece)?;
                    while tls.wants_write() {
                        tls.write_tls(tcp)?;
                    }
                }
            }
        }
        Ok(())
    }
}

fn session(server: &Server, tcp: TcpStream, implicit: bool) -> Result<(), Fault> {
    tcp.set_nodelay(true)?;
    let accept = || ServerConnection::new(Arc::clone(&server.tls)).map(Box::new);
    let mut stream = if implicit { Stream::Tls(accept()?, tcp) } else { Stream::Plain(tcp) };
    stream.write(b"+OK replay\r\n")?;
    let (mut input, mut end) = (vec![0; 16 * 1024], 0);
    let mut out = Vec::new();
    let mut user = String::new();
    let mut open: Option<Arc<Maildrop>> = None;
    loop {
        let mut start = 0;
        while let Some(length) = memchr(b'\n', &input[start..end]) {
            let line = String::from_utf8_lossy(&input[start..start + length]).trim_end().to_owned();
            start += length + 1;
            let mut words = line.split(' ');
            let verb = words.next().unwrap_or_default().to_ascii_uppercase();
            let argument = words.next();
            match (verb.as_str(), &open) {
                ("CAPA", _) => {
                    out.extend_from_slice(b"+OK\r\nUSER\r\nUIDL\r\nTOP\r\nPIPELINING\r\n");
                    out.extend_from_slice(if matches!(stream, Stream::Plain(_)) {
                        b"STLS\r\n.\r\n"
                    } else {
                        b".\r\n"
                    });
                }
                ("STLS", None) => {
                    stream.write(b"+OK\r\n")?;
                    stream = match stream {
                        Stream::Plain(tcp) => Stream::Tls(accept()?, tcp),
                        Stream::Tls(..) => return Ok(()),
                    };
                    start = end;
                }
                ("USER", None) => {
                    argument.unwrap_or_default().clone_into(&mut user);
                    out.extend_from_slice(b"+OK\r\n");
                }
                ("PASS", None) => {
                    open = server.maildrop(&user);
                    out.extend_from_slice(if open.is_some() { b"+OK\r\n" } else { b"-ERR nobody\r\n" });
                }
                ("QUIT", _) => {
                    out.extend_from_slice(b"+OK\r\n");
                    stream.write(&out)?;
                    if let Stream::Tls(tls, tcp) = &mut stream {
                        tls.send_close_notify();
                        tls.write_tls(tcp)?;
                    }
                    return Ok(());
                }
                (verb, Some(maildrop)) => {
                    answer(verb, argument, words.next(), maildrop, &mut stream, &mut out)?
                }
                _ => out.extend_from_slice(b"-ERR no\r\n"),
            }
        }
        input.copy_within(start..end, 0);
        end -= start;
        if !out.is_empty() {
            stream.write(&out)?;
            out.clear();
        }
        if end == input.len() {
            return Err("a line that does not fit".into());
        }
        match stream.read(&mut input[end..])? {
            0 => return Ok(()),
            octets => end += octets,
        }
    }
}

impl Server {
    fn maildrop(&self, user: &str) -> Option<Arc<Maildrop>> {
        let mut maildrops = self.maildrops.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = maildrops.get(user) {
            return Some(Arc::clone(known));
        }
        let loaded = Arc::new(Maildrop::load(&self.root.join(user).join("Maildir")).ok()?);
        maildrops.insert(user.to_owned(), Arc::clone(&loaded));
        Some(loaded)
    }
}

/// Replies to a command behind the login.
fn answer(
    verb: &str,
    argument: Option<&str>,
    second: Option<&str>,
    maildrop: &Maildrop,
    stream: &mut Stream,
    out: &mut Vec<u8>,
) -> Result<(), Fault> {
    let index = argument.and_then(|argument| argument.parse::<usize>().ok()?.checked_sub(1));
    let message = index.and_then(|index| maildrop.messages.get(index));
    match (verb, message) {
        ("STAT", _) => out.extend_from_slice(&maildrop.stat),
        ("LIST", None) if argument.is_none() => put(&maildrop.list, stream, out)?,
        ("UIDL", None) if argument.is_none() => put(&maildrop.uidl, stream, out)?,
        ("RETR", Some(message)) => put(message, stream, out)?,
        // The whole message, as fetchmail asks for it; nobody else asks.
        ("TOP", Some(message)) if second.is_some_and(|lines| lines.len() > 6) => put(message, stream, out)?,
        ("LIST", Some(_)) => {
            let octets = index.and_then(|index| maildrop.octets.get(index)).copied().unwrap_or(0);
            write!(out, "+OK {} {octets}\r\n", argument.unwrap_or_default())?;
        }
        ("DELE", Some(_)) => out.extend_from_slice(b"+OK\r\n"),
        ("NOOP" | "RSET", _) => out.extend_from_slice(b"+OK\r\n"),
        _ => out.extend_from_slice(b"-ERR no\r\n"),
    }
    Ok(())
}

/// Gathers small replies into one write, and writes large ones as they are.
fn put(reply: &[u8], stream: &mut Stream, out: &mut Vec<u8>) -> Result<(), Fault> {
    if out.len() + reply.len() <= GATHERED {
        out.extend_from_slice(reply);
        return Ok(());
    }
    if !out.is_empty() {
        stream.write(out)?;
        out.clear();
    }
    if reply.len() < GATHERED / 4 {
        out.extend_from_slice(reply);
        return Ok(());
    }
    stream.write(reply)
}
