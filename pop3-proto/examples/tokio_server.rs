//! A POP3 server over tokio and rustls: a task for each connection, by implicit TLS and by `STLS`.
//!
//! ```text
//! tokio_server TLS-ADDRESS STLS-ADDRESS CERTIFICATE-FILE KEY-FILE MAIL
//! ```
//!
//! What it serves stands in `shared/mail.rs`. Here is what a driver adds: the handshake, buffers of a fixed size, deadlines,
//! and the order of things at the end of a session. A task that waits holds 24 KiB and what rustls holds.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program talks to its user")]

#[path = "shared/mail.rs"]
mod mail;

use std::error::Error;
use std::future::Future;
use std::io::{self, ErrorKind, Read as _};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mail::{Mail, Maildrop};
use pop3_proto::maildrop::HeapStorage;
use pop3_proto::server::{Refusal, Request, Session, SessionConfig};
use pop3_proto::{Buffer, Deadlines, MessageNumber, Step, Timeout};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

type Failure = Box<dyn Error + Send + Sync>;

/// How long a client may take nothing of what is to be sent.
const WRITE: Duration = Duration::from_secs(60);
/// Connections at a time. One more waits in the queue of the listener.
const CONNECTIONS: usize = 1000;

/// A stream in clear text or under TLS: `STLS` makes the one of the other.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [implicit, plain, certificate, key, folder] = arguments.as_slice() else {
        return Err("usage: tokio_server TLS-ADDRESS STLS-ADDRESS CERTIFICATE-FILE KEY-FILE MAIL".into());
    };
    let chain = CertificateDer::pem_file_iter(certificate)?.collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_file(key)?;
    let mut tls = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key)?;
    tls.alpn_protocols = vec![b"pop3".to_vec()]; // so that no client of another protocol gets in
    let tls = TlsAcceptor::from(Arc::new(tls));
    let mail = Mail::load(Path::new(folder))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (implicit, plain) = (TcpListener::bind(implicit).await?, TcpListener::bind(plain).await?);
        println!("listening {} {}", implicit.local_addr()?, plain.local_addr()?);
        let room = Arc::new(Semaphore::new(CONNECTIONS));
        tokio::spawn(accept(implicit, true, tls.clone(), Arc::clone(&mail), Arc::clone(&room)));
        accept(plain, false, tls, mail, room).await
    })
}

async fn accept(
    listener: TcpListener,
    implicit: bool,
    tls: TlsAcceptor,
    mail: Arc<Mail>,
    room: Arc<Semaphore>,
) -> Result<(), Failure> {
    loop {
        let place = Arc::clone(&room).acquire_owned().await?;
        match listener.accept().await {
            Ok((stream, _)) => {
                let (tls, mail) = (tls.clone(), Arc::clone(&mail));
                tokio::spawn(async move {
                    if let Err(error) = serve(stream, implicit, &tls, &mail).await {
                        eprintln!("{error}");
                    }
                    drop(place);
                });
            }
            // Out of file descriptors, as a rule: others will be given back.
            Err(error) => {
                eprintln!("{error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

struct Connection {
    // Above the stream: the lock is free before the client can see an end.
    maildrop: Option<Maildrop>,
    session: Session<'static, HeapStorage>,
    output: Buffer<Vec<u8>>,
    started: Instant,
    deadlines: Deadlines,
    stream: Box<dyn Stream>,
}

async fn serve(
    stream: TcpStream,
    implicit: bool,
    tls: &TlsAcceptor,
    mail: &Arc<Mail>,
) -> Result<(), Failure> {
    let mut config = SessionConfig::DEFAULT;
    config.stls = true;
    config.limits.sasl_line = config.limits.line; // no mechanism is offered: all lines are short
    let (started, deadlines) = (Instant::now(), Deadlines::new(Duration::ZERO, WRITE));
    stream.set_nodelay(true)?;
    let session = Session::new(config, implicit, HeapStorage::new(100_000));
    let (mut input, output) = (Buffer::new(vec![0u8; 1024]), Buffer::new(vec![0u8; 16 * 1024]));
    let stream: Box<dyn Stream> = if implicit {
        // The handshake is a part of the time that a login may take.
        Box::new(within(config.limits.login, tls.accept(stream)).await?)
    } else {
        Box::new(stream)
    };
    let mut this = Connection { maildrop: None, session, output, started, deadlines, stream };
    this.session.greet(&mut this.output)?;
    loop {
        let received = this.session.receive(input.unread(), &mut this.output)?;
        let consumed = received.consumed;
        match received.step {
            Step::Event(Request::Login { password }) => {
                match mail.open(this.session.user(), password.expose()) {
                    Ok(maildrop) => {
                        for message in &*maildrop.messages {
                            this.session.add_message(message.octets, message.unique_id.as_bytes())?;
                        }
                        this.session.opened(&mut this.output)?;
                        this.maildrop = Some(maildrop);
                    }
                    Err(refusal) => this.session.refuse(refusal, &mut this.output)?,
                }
            }
            Step::Event(Request::Message { number, .. }) => this.send_message(number).await?,
            Step::Event(Request::StartTls) => {
                this.flush().await?;
                // Nothing may stand behind STLS: `receive` has seen to what was read, and the rest is the handshake's.
                let left = this.left(this.session.timeout())?;
                this.stream = Box::new(within(left, tls.accept(this.stream)).await?);
                this.session.tls_started()?;
            }
            Step::Event(Request::Commit) => {
                let marked = this.session.marked().map(|message| message.number);
                let all = this.maildrop.take().is_none_or(|maildrop| maildrop.remove(marked));
                this.session.committed(all, &mut this.output)?;
            }
            Step::Event(Request::Close(_)) => {
                this.flush().await?;
                this.maildrop = None;
                return Ok(within(WRITE, this.stream.shutdown()).await?); // close_notify, FIN
            }
            Step::Event(_) => this.session.refuse(Refusal::Credentials, &mut this.output)?,
            Step::Paused => this.flush().await?,
            Step::NeedInput => {
                this.flush().await?;
                input.consume(consumed);
                let left = this.left(this.session.timeout())?;
                match within(left, this.stream.read(input.room())).await? {
                    0 => {
                        this.session.end_of_input(); // nothing is removed
                        return Ok(());
                    }
                    octets => input.filled(octets),
                }
                this.deadlines.received(this.started.elapsed());
                continue;
            }
        }
        input.consume(consumed);
    }
}

impl Connection {
    async fn send_message(&mut self, number: MessageNumber) -> Result<(), Failure> {
        let Some(mut file) = self.maildrop.as_ref().and_then(|maildrop| maildrop.read(number).ok()) else {
            return Ok(self.session.refuse(Refusal::Gone, &mut self.output)?);
        };
        self.session.start_message(&mut self.output)?;
        let mut piece = Buffer::new(vec![0; 8 * 1024]);
        loop {
            // From a local disk: where reading can take long, it belongs into `spawn_blocking`.
            let octets = file.read(piece.room())?;
            piece.filled(octets);
            let mut done = octets == 0;
            while !piece.is_empty() && !done {
                let progress = self.session.body(piece.unread(), self.output.room())?;
                self.output.filled(progress.written);
                piece.consume(progress.read);
                done = progress.done; // TOP has what it wants
                self.flush().await?; // as fast as the client reads, and no faster
            }
            if done {
                // An error here, as one above, closes the connection: no final dot for half a message.
                return Ok(self.session.end_message(&mut self.output)?);
            }
        }
    }

    async fn flush(&mut self) -> io::Result<()> {
        while !self.output.is_empty() {
            self.deadlines.blocked(self.started.elapsed());
            let left = self.left(self.session.timeout())?;
            let written = within(left, self.stream.write(self.output.unread())).await?;
            self.output.consume(written);
            self.deadlines.sent(self.started.elapsed());
        }
        within(WRITE, self.stream.flush()).await // TLS has a buffer of its own
    }

    fn left(&self, timeout: Option<Timeout>) -> io::Result<Duration> {
        self.deadlines.left(timeout, self.started.elapsed()).ok_or_else(|| ErrorKind::InvalidInput.into())
    }
}

async fn within<T>(limit: Duration, wait: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    tokio::time::timeout(limit, wait).await.unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()))
}
