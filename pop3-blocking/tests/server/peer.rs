//! A client made of a socket and a script.

use std::io::{self, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use pop3_blocking::tls::{ClientTls, ServerName, TlsInfo};
use pop3_blocking::{Deadline, Input, Stream, Transport, TransportError};

use crate::fixture::HOST;

/// Long enough that only a bug reaches it.
pub(crate) const LONG: Duration = Duration::from_secs(30);

/// One end of a connection, which says and reads what the test wants.
pub(crate) struct Peer<S = TcpStream> {
    transport: Transport<S>,
    unread: Vec<u8>,
}

/// How a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// By FIN in clear text, by `close_notify` under TLS.
    Orderly,
    /// By FIN under TLS.
    Truncated,
    /// By a TLS alert.
    Alert,
    /// By a reset.
    Reset,
}

pub(crate) fn long() -> Deadline {
    Deadline::after(LONG)
}

impl Peer {
    /// In clear text; the greeting is not read yet.
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        Self::over(stream)
    }

    /// With TLS from the first octet; the greeting is not read yet.
    pub(crate) fn connect_tls(address: SocketAddr, tls: &ClientTls) -> Self {
        Self::connect(address).start_tls(tls)
    }

    /// In clear text, with the greeting read.
    pub(crate) fn greeted(address: SocketAddr) -> Self {
        let mut peer = Self::connect(address);
        assert_eq!(peer.line(), "+OK POP3 server ready");
        peer
    }

    /// In clear text, logged in.
    pub(crate) fn logged_in(address: SocketAddr, user: &str) -> Self {
        let mut peer = Self::greeted(address);
        peer.log_in(user);
        peer
    }

    /// As if the cable had been cut for this side: the connection is reset.
    pub(crate) fn reset(self) {
        socket2::SockRef::from(self.transport.get_ref()).set_linger(Some(Duration::ZERO)).unwrap();
    }

    /// The port of this side.
    pub(crate) fn port(&self) -> u16 {
        self.transport.get_ref().local_addr().unwrap().port()
    }

    /// Sends FIN without `close_notify`. A server that did not read all before it closed is gone by then.
    pub(crate) fn end(&self) {
        match self.transport.get_ref().shutdown(Shutdown::Write) {
            Err(error) if error.kind() == io::ErrorKind::NotConnected => {}
            done => done.unwrap(),
        }
    }

    /// Sends octets around TLS.
    pub(crate) fn send_raw(&self, octets: &[u8]) {
        self.transport.get_ref().write_all(octets).unwrap();
    }
}

impl<S: Stream> Peer<S> {
    pub(crate) fn over(stream: S) -> Self {
        Self { transport: Transport::plain(stream), unread: Vec::new() }
    }

    pub(crate) fn start_tls(self, tls: &ClientTls) -> Self {
        assert!(self.unread.is_empty(), "octets behind the reply to STLS");
        let transport = self.transport.connect_tls(tls, &ServerName::parse(HOST).unwrap(), long()).unwrap();
        Self { transport, unread: Vec::new() }
    }

    /// What the handshake came to.
    pub(crate) fn tls(&self) -> TlsInfo<'_> {
        self.transport.tls().unwrap()
    }

    pub(crate) fn log_in(&mut self, user: &str) {
        assert_eq!(self.ask(&format!("USER {user}")), "+OK send PASS");
        let reply = self.ask("PASS secret");
        assert!(reply.starts_with("+OK maildrop has "), "{reply}");
    }

    pub(crate) fn send(&mut self, octets: impl AsRef<[u8]>) {
        self.transport.write_all(octets.as_ref(), LONG, Deadline::NEVER).unwrap();
    }

    /// Sends octets to a server that may have closed, and tells whether they left.
    pub(crate) fn try_send(&mut self, octets: impl AsRef<[u8]>) -> bool {
        self.transport.write_all(octets.as_ref(), LONG, Deadline::NEVER).is_ok()
    }

    /// The next line, without its CRLF.
    pub(crate) fn line(&mut self) -> String {
        loop {
            if let Some(end) = self.unread.windows(2).position(|two| two == b"\r\n") {
                let line = String::from_utf8(self.unread[..end].to_vec()).unwrap();
                self.unread.drain(..end + 2);
                return line;
            }
            if let Err(ending) = self.more() {
                panic!("{ending:?} after {:?}", String::from_utf8_lossy(&self.unread));
            }
        }
    }

    /// Sends a command and reads a reply of one line.
    pub(crate) fn ask(&mut self, command: &str) -> String {
        self.send(format!("{command}\r\n"));
        self.line()
    }

    /// Sends a command and reads a reply of many lines: the first, and the others.
    pub(crate) fn ask_list(&mut self, command: &str) -> (String, Vec<String>) {
        let first = self.ask(command);
        assert!(first.starts_with("+OK"), "{command}: {first}");
        let lines = std::iter::from_fn(|| Some(self.line()).filter(|line| line != ".")).collect();
        (first, lines)
    }

    /// Everything to the end of the stream.
    pub(crate) fn rest(&mut self) -> (String, Ending) {
        let (octets, ending) = self.rest_octets();
        (String::from_utf8(octets).unwrap(), ending)
    }

    pub(crate) fn rest_octets(&mut self) -> (Vec<u8>, Ending) {
        loop {
            if let Err(ending) = self.more() {
                return (std::mem::take(&mut self.unread), ending);
            }
        }
    }

    /// The next octets, at most so many.
    pub(crate) fn some(&mut self, most: usize) -> usize {
        let mut room = vec![0; most];
        match self.transport.read(&mut room, long()).unwrap() {
            Input::Octets(octets) => octets,
            Input::Closed => panic!("closed"),
        }
    }

    /// Ends the connection as clients do: `close_notify` under TLS, then FIN.
    pub(crate) fn close(self) {
        self.transport.close(None).unwrap();
    }

    fn more(&mut self) -> Result<(), Ending> {
        let mut room = vec![0; 64 * 1024];
        match self.transport.read(&mut room, long()) {
            Ok(Input::Octets(octets)) => self.unread.extend(&room[..octets]),
            Ok(Input::Closed) => return Err(Ending::Orderly),
            Err(TransportError::Truncated) => return Err(Ending::Truncated),
            Err(TransportError::Tls(_)) => return Err(Ending::Alert),
            Err(TransportError::Io(_)) => return Err(Ending::Reset),
            Err(error) => panic!("{error}"),
        }
        Ok(())
    }
}
