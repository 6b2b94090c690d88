//! The socket of a connection, which others than its session may shut down: [`Socket`].

use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use crate::Stream;

/// A TCP stream that closes when its session ends, and not when those who may shut it down have gone.
#[derive(Clone, Debug)]
pub(super) struct Socket(Arc<TcpStream>);

impl Socket {
    pub(super) fn new(stream: TcpStream) -> Self {
        // Replies are collected before they are written. If the option is refused they only take longer.
        drop(stream.set_nodelay(true));
        Self(Arc::new(stream))
    }

    /// What a register keeps, weakly.
    pub(super) const fn handle(&self) -> &Arc<TcpStream> {
        &self.0
    }

    /// Writes `octets` and ends the stream towards the client, with no regard to success.
    pub(super) fn send_last(&self, octets: &[u8]) {
        if (&*self.0).write_all(octets).is_ok() {
            drop(self.0.shutdown(Shutdown::Write));
        }
    }
}

impl Read for Socket {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        (&*self.0).read(room)
    }
}

impl Write for Socket {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        (&*self.0).write(octets)
    }

    fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        (&*self.0).write_vectored(parts)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream for Socket {
    fn set_read_timeout(&mut self, limit: Option<Duration>) -> io::Result<()> {
        self.0.set_read_timeout(limit)
    }

    fn set_write_timeout(&mut self, limit: Option<Duration>) -> io::Result<()> {
        self.0.set_write_timeout(limit)
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.0.shutdown(Shutdown::Write)
    }

    fn peer_addr(&self) -> Option<SocketAddr> {
        self.0.peer_addr().ok()
    }
}
