//! A client that says what it is told to.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};

use socket2::{Domain, Socket, Type};

use crate::postgres::{LIMIT, PASSWORD};

/// One connection.
#[derive(Debug)]
pub(crate) struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    /// Connects and waits for the greeting.
    pub(crate) fn connect(address: SocketAddr) -> io::Result<Self> {
        Self::connect_from(Ipv4Addr::LOCALHOST, address)
    }

    /// Connects from another address of loopback.
    pub(crate) fn connect_from(source: Ipv4Addr, address: SocketAddr) -> io::Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        // Else the port is chosen for this source alone, and there are not enough of them.
        socket.set_reuse_address(true)?;
        if source != Ipv4Addr::LOCALHOST {
            socket.bind(&SocketAddr::new(IpAddr::V4(source), 0).into())?;
        }
        socket.connect(&address.into())?;
        socket.set_tcp_nodelay(true)?;
        let stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(LIMIT))?;
        let mut client = Self { stream: BufReader::with_capacity(64 * 1024, stream) };
        let greeting = client.line()?;
        if greeting.starts_with("+OK") { Ok(client) } else { Err(io::Error::other(greeting)) }
    }

    /// Sends a command and gives the first line of the reply.
    pub(crate) fn ask(&mut self, command: &str) -> io::Result<String> {
        self.stream.get_mut().write_all(format!("{command}\r\n").as_bytes())?;
        self.line()
    }

    /// Logs in with [`PASSWORD`], and gives the reply to it.
    pub(crate) fn login(&mut self, user: &str) -> io::Result<String> {
        self.ask(&format!("USER {user}"))?;
        self.ask(&format!("PASS {PASSWORD}"))
    }

    /// Sends a command that must succeed.
    pub(crate) fn must(&mut self, command: &str) -> String {
        let reply = self.ask(command).unwrap();
        assert!(reply.starts_with("+OK"), "{command}: {reply}");
        reply
    }

    /// The rest of a reply, without the byte-stuffing.
    pub(crate) fn body(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let start = body.len();
            if self.stream.read_until(b'\n', &mut body)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            match &body[start..] {
                b".\r\n" => {
                    body.truncate(start);
                    return Ok(body);
                }
                [b'.', ..] => drop(body.remove(start)),
                _ => {}
            }
        }
    }

    /// Reads past the rest of a reply and gives its octets on the wire.
    pub(crate) fn skip_body(&mut self) -> io::Result<u64> {
        // What of the end line was seen last: the status line before ended in CRLF.
        let (mut octets, mut seen) = (0, 2);
        loop {
            let piece = self.stream.fill_buf()?;
            if piece.is_empty() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let mut taken = 0;
            for octet in piece {
                taken += 1;
                seen = match (octet, seen) {
                    (b'\n', 4) => 5,
                    (b'\r', 3) => 4,
                    (b'.', 2) => 3,
                    (b'\n', 1) => 2,
                    (b'\r', _) => 1,
                    _ => 0,
                };
                if seen == 5 {
                    break;
                }
            }
            self.stream.consume(taken);
            octets += taken as u64;
            if seen == 5 {
                return Ok(octets);
            }
        }
    }

    /// Waits until the other side ends the connection, and gives what it still said.
    pub(crate) fn last_words(&mut self) -> Vec<u8> {
        let mut said = Vec::new();
        // A reset is an end as well: whoever was killed ends like that.
        drop(self.stream.read_to_end(&mut said));
        said
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end().to_owned())
    }
}

/// A logged-in session, or the reply that refused it.
pub(crate) fn session(address: SocketAddr, user: &str) -> Result<Client, String> {
    let mut client = Client::connect(address).map_err(|error| error.to_string())?;
    match client.login(user) {
        Ok(reply) if reply.starts_with("+OK") => Ok(client),
        Ok(reply) => Err(reply),
        Err(error) => Err(error.to_string()),
    }
}
