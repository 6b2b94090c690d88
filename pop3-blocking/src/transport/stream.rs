//! What carries the octets: [`Stream`], for sockets and for anything else that reads and writes.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// A blocking, two-way stream of octets with timeouts.
///
/// Implemented for [`TcpStream`], [`UnixStream`] and boxed streams; [`Untimed`] lends it to any other [`Read`] +
/// [`Write`]. The stream must be in blocking mode. A read or write that ran into a timeout returns
/// [`WouldBlock`](io::ErrorKind::WouldBlock) or [`TimedOut`](io::ErrorKind::TimedOut) and has moved no octet.
///
/// A TCP stream should have `TCP_NODELAY` set by whoever made it: replies are collected before they are written, so
/// waiting for more only costs time.
pub trait Stream: Read + Write + Send {
    /// Bounds each following read; `None` waits without end. Never called with zero.
    ///
    /// # Errors
    ///
    /// Whatever the system reports.
    fn set_read_timeout(&mut self, limit: Option<Duration>) -> io::Result<()>;

    /// Bounds each following write; `None` waits without end. Never called with zero.
    ///
    /// # Errors
    ///
    /// Whatever the system reports.
    fn set_write_timeout(&mut self, limit: Option<Duration>) -> io::Result<()>;

    /// Tells the peer that no more octets follow, and leaves reading open.
    ///
    /// # Errors
    ///
    /// Whatever the system reports.
    fn shutdown_write(&mut self) -> io::Result<()>;

    /// The address of the peer, if the stream has one.
    fn peer_addr(&self) -> Option<SocketAddr> {
        None
    }
}

impl Stream for TcpStream {
    fn set_read_timeout(&mut self, limit: Option<Duration>) -> io::Result<()> {
        Self::set_read_timeout(self, limit)
    }

    fn set_write_timeout(&mut self, limit: Option<Duration>) -> io::Result<()> {
        Self::set_write_timeout(self, limit)
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }

    fn peer_addr(&self) -> Option<SocketAddr> {
        Self::peer_addr(self).ok()
    }
}

#[cfg(unix)]
impl Stream for UnixStream {
    fn set_read_timeout(&mut self, limit: Option<Duration>) -> io::Result<()> {
        Self::set_read_timeout(self, limit)
    }

    fn set_write_timeout(&mut self, limit: Option<Duration>) -> io::Result<()> {
        Self::set_write_timeout(self, limit)
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}

impl<S: Stream + ?Sized> Stream for Box<S> {
    fn set_read_timeout(&mut self, limit: Option<Duration>) -> io::Result<()> {
        (**self).set_read_timeout(limit)
    }

    fn set_write_timeout(&mut self, limit: Option<Duration>) -> io::Result<()> {
        (**self).set_write_timeout(limit)
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        (**self).shutdown_write()
    }

    fn peer_addr(&self) -> Option<SocketAddr> {
        (**self).peer_addr()
    }
}

/// Any [`Read`] + [`Write`] as a [`Stream`] without timeouts: an SSH tunnel, a child process, a test pipe.
///
/// Deadlines are then looked at only between reads and writes: a call that hangs inside the wrapped stream hangs.
/// [`shutdown_write`](Stream::shutdown_write) only flushes; the peer sees the end when the stream is dropped.
#[derive(Debug)]
pub struct Untimed<S>(S);

impl<S> Untimed<S> {
    /// Wraps `stream`.
    pub const fn new(stream: S) -> Self {
        Self(stream)
    }

    /// The stream inside.
    pub const fn get_ref(&self) -> &S {
        &self.0
    }

    /// Gives the stream back.
    pub fn into_inner(self) -> S {
        self.0
    }
}

impl<S: Read> Read for Untimed<S> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        self.0.read(room)
    }
}

impl<S: Write> Write for Untimed<S> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.write(octets)
    }

    fn write_vectored(&mut self, parts: &[io::IoSlice<'_>]) -> io::Result<usize> {
        self.0.write_vectored(parts)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl<S: Read + Write + Send> Stream for Untimed<S> {
    fn set_read_timeout(&mut self, _limit: Option<Duration>) -> io::Result<()> {
        Ok(())
    }

    fn set_write_timeout(&mut self, _limit: Option<Duration>) -> io::Result<()> {
        Ok(())
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
