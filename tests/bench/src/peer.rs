//! A connection of the load generator. It believes what the server says, and takes it as fast as it can.

use std::io::{BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use memchr::{memchr, memmem};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, HandshakeKind};

use crate::Fault;
use crate::check::Check;
use crate::options::{Options, Security};

/// What is read from a socket at once.
const SOCKET: usize = 256 * 1024;
/// A server that says nothing for so long has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// A socket, with TLS or without.
enum Stream {
    Plain(TcpStream),
    // Under TLS the records come out of a buffer: rustls itself asks for 4 KiB at a time.
    Tls(Box<ClientConnection>, BufReader<TcpStream>),
}

impl Stream {
    fn read(&mut self, into: &mut [u8]) -> Result<usize, Fault> {
        let (tls, tcp) = match self {
            Self::Plain(tcp) => return Ok(tcp.read(into)?),
            Self::Tls(tls, tcp) => (tls, tcp),
        };
        loop {
            match tls.reader().read(into) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                other => return Ok(other?),
            }
            if tls.read_tls(tcp)? == 0 {
                return Ok(0);
            }
            tls.process_new_packets()?;
            if tls.wants_write() {
                tls.write_tls(tcp.get_mut())?;
            }
        }
    }

    fn write(&mut self, octets: &[u8]) -> Result<(), Fault> {
        match self {
            Self::Plain(tcp) => tcp.write_all(octets)?,
            Self::Tls(tls, tcp) => {
                tls.writer().write_all(octets)?;
                while tls.wants_write() {
                    tls.write_tls(tcp.get_mut())?;
                }
            }
        }
        Ok(())
    }
}

/// A client's end of a session.
pub(crate) struct Peer {
    stream: Stream,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

impl Peer {
    /// Connects, starts TLS where it is wanted, and reads the greeting. `room` is what it reads at once, in octets.
    pub(crate) fn connect(
        options: &Options,
        tls: Option<&Arc<ClientConfig>>,
        room: usize,
    ) -> Result<Self, Fault> {
        let tcp = TcpStream::connect_timeout(&options.addr, PATIENCE)?;
        tcp.set_nodelay(true)?;
        tcp.set_read_timeout(Some(PATIENCE))?;
        tcp.set_write_timeout(Some(PATIENCE))?;
        let mut stream = Stream::Plain(tcp);
        if options.security == Security::Tls {
            stream = upgraded(stream, tls, room)?;
        }
        let mut peer = Self { stream, buffer: vec![0; room], start: 0, end: 0 };
        peer.expect_ok("greeting")?;
        if options.security == Security::Stls {
            peer.command("STLS")?;
            peer.stream = upgraded(peer.stream, tls, room)?;
        }
        Ok(peer)
    }

    pub(crate) fn login(&mut self, user: &str) -> Result<(), Fault> {
        self.command(&format!("USER {user}"))?;
        self.command("PASS secret")
    }

    /// Sends a command and reads the status of its reply.
    pub(crate) fn command(&mut self, command: &str) -> Result<(), Fault> {
        self.send(format!("{command}\r\n").as_bytes())?;
        self.expect_ok(command)
    }

    pub(crate) fn send(&mut self, octets: &[u8]) -> Result<(), Fault> {
        self.stream.write(octets)
    }

    pub(crate) fn expect_ok(&mut self, what: &str) -> Result<(), Fault> {
        let line = loop {
            if let Some(length) = memchr(b'\n', self.held()) {
                break length + 1;
            }
            self.fill()?;
        };
        let status = &self.held()[..line];
        if !status.starts_with(b"+OK") {
            return Err(format!("{what}: {}", String::from_utf8_lossy(status).trim_end()).into());
        }
        self.start += line;
        Ok(())
    }

    /// Reads a reply of several lines, behind its status, to its end: its checksum and octets, without the last dot.
    pub(crate) fn body(&mut self) -> Result<(u64, u64), Fault> {
        const END: &[u8] = b"\r\n.\r\n";
        let finder = memmem::Finder::new(END);
        let mut check = Check::new();
        while self.held().len() < 3 {
            self.fill()?;
        }
        if self.held().starts_with(b".\r\n") {
            self.start += 3;
            return Ok(check.finish());
        }
        loop {
            let held = self.held();
            let end = finder.find(held);
            // What may be the beginning of the end stays.
            let take = end.map_or_else(|| held.len().saturating_sub(END.len() - 1), |at| at + 2);
            check.update(&held[..take]);
            self.start += take;
            if end.is_some() {
                self.start += 3;
                return Ok(check.finish());
            }
            self.fill()?;
        }
    }

    /// Waits until the server has closed.
    pub(crate) fn closed(&mut self) {
        // How it ends makes no difference to what was measured.
        while self.stream.read(&mut self.buffer).is_ok_and(|octets| octets > 0) {}
    }

    pub(crate) fn resumed(&self) -> bool {
        match &self.stream {
            Stream::Plain(_) => false,
            Stream::Tls(tls, _) => tls.handshake_kind() == Some(HandshakeKind::Resumed),
        }
    }

    fn held(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    fn fill(&mut self) -> Result<(), Fault> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        } else if self.end == self.buffer.len() {
            if self.start == 0 {
                return Err("a line that does not fit".into());
            }
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        match self.stream.read(&mut self.buffer[self.end..])? {
            0 => Err("the server closed".into()),
            octets => {
                self.end += octets;
                Ok(())
            }
        }
    }
}

fn upgraded(stream: Stream, config: Option<&Arc<ClientConfig>>, room: usize) -> Result<Stream, Fault> {
    let (Stream::Plain(tcp), Some(config)) = (stream, config) else { return Err("TLS twice".into()) };
    let mut tls = ClientConnection::new(Arc::clone(config), ServerName::try_from("localhost")?)?;
    let mut tcp = BufReader::with_capacity(room.min(SOCKET), tcp);
    while tls.is_handshaking() {
        while tls.wants_write() {
            tls.write_tls(tcp.get_mut())?;
        }
        if tls.is_handshaking() {
            if tls.read_tls(&mut tcp)? == 0 {
                return Err("the server closed in the handshake".into());
            }
            tls.process_new_packets()?;
        }
    }
    while tls.wants_write() {
        tls.write_tls(tcp.get_mut())?;
    }
    Ok(Stream::Tls(Box::new(tls), tcp))
}
