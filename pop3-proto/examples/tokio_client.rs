//! A POP3 client over tokio and rustls: fetches all messages of a maildrop into files, by implicit TLS or `STLS`.
//!
//! ```text
//! tokio_client tls|stls HOST PORT CA-FILE USER FOLDER < password
//! ```
//!
//! What it says and where mail goes stands in `shared/fetch.rs`. Here is what a driver adds: buffers, the handshake and
//! deadlines. The only places that wait are `flush`, `read` and the handshakes, each with a time that comes from the core.

#[path = "shared/fetch.rs"]
mod fetch;

use std::future::Future;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use fetch::{Failure, Fetch};
use pop3_proto::state::State;
use pop3_proto::{Buffer, Client, ClientLimits, ClientTolerances, Deadlines, Step, Timeout};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// How long the connection may take nothing of what is to be sent.
const WRITE: Duration = Duration::from_secs(60);

/// A stream in clear text or under TLS: `STLS` makes the one of the other.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

struct Connection {
    stream: Box<dyn Stream>,
    input: Buffer<Vec<u8>>,
    output: Buffer<Vec<u8>>,
    started: Instant,
    deadlines: Deadlines,
}

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let [mode @ ("tls" | "stls"), host, port, authority, user, folder] = arguments.as_slice() else {
        return Err("usage: tokio_client tls|stls HOST PORT CA-FILE USER FOLDER".into());
    };
    let stls = *mode == "stls";
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(authority)? {
        roots.add(certificate?)?;
    }
    let mut tls = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    tls.alpn_protocols = vec![b"pop3".to_vec()]; // so that no server of another protocol answers
    let tls = TlsConnector::from(Arc::new(tls));
    let name = ServerName::try_from((*host).to_owned())?;
    let fetch = Fetch::new(user, folder, stls)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(run(host, port.parse()?, &tls, name, stls, fetch))
}

async fn run(
    host: &str,
    port: u16,
    tls: &TlsConnector,
    name: ServerName<'static>,
    stls: bool,
    mut fetch: Fetch,
) -> Result<(), Failure> {
    let limits = ClientLimits::DEFAULT;
    let started = Instant::now();
    let stream = within(limits.handshake, TcpStream::connect((host, port))).await?;
    stream.set_nodelay(true)?;
    let (mut client, stream): (Client, Box<dyn Stream>) = if stls {
        (Client::in_clear(limits, ClientTolerances::default()), Box::new(stream))
    } else {
        let stream = within(limits.handshake, tls.connect(name.clone(), stream)).await?;
        (Client::over_tls(limits, ClientTolerances::default()), Box::new(stream))
    };
    // The longest line must fit into the input; no mechanism of SASL is used.
    let (input, output) = (Buffer::new(vec![0; limits.line]), Buffer::new(vec![0; 512]));
    let deadlines = Deadlines::new(started.elapsed(), WRITE);
    let mut connection = Connection { stream, input, output, started, deadlines };

    while !client.state().is_over() {
        let received = client.receive(connection.input.unread())?;
        let consumed = received.consumed;
        match received.step {
            Step::Event(event) => {
                // The event borrows the input: act on it first, then drop it.
                if let Some(command) = fetch.on(event)? {
                    client.send(&command, &mut connection.output)?;
                }
                connection.input.consume(consumed);
            }
            Step::NeedInput => {
                connection.input.consume(consumed);
                connection.flush(client.timeout()).await?;
                if !connection.read(client.timeout()).await? {
                    client.end_of_input()?;
                }
            }
            // The only pause of a client: STLS was answered. Nothing was read behind it, or `receive` had failed.
            Step::Paused if client.state() == State::Tls => {
                let limit = client.timeout().map_or(limits.handshake, |timeout| timeout.limit);
                connection.stream =
                    Box::new(within(limit, tls.connect(name.clone(), connection.stream)).await?);
                client.tls_started()?;
                client.send(&fetch.log_in()?, &mut connection.output)?;
            }
            Step::Paused => return Err("the core waits for nothing".into()),
        }
    }
    // QUIT was answered: what follows cannot harm any more, and is not waited for.
    within(Duration::from_secs(2), connection.stream.shutdown()).await.or(Ok(()))
}

impl Connection {
    async fn flush(&mut self, timeout: Option<Timeout>) -> io::Result<()> {
        while !self.output.is_empty() {
            self.deadlines.blocked(self.started.elapsed());
            let left = self.left(timeout)?;
            let written = within(left, self.stream.write(self.output.unread())).await?;
            self.output.consume(written);
            self.deadlines.sent(self.started.elapsed());
        }
        // TLS has a buffer of its own.
        within(WRITE, self.stream.flush()).await
    }

    /// `false`: there is no more. An end without close_notify is an error already, by rustls.
    async fn read(&mut self, timeout: Option<Timeout>) -> io::Result<bool> {
        let left = self.left(timeout)?;
        let octets = within(left, self.stream.read(self.input.room())).await?;
        self.input.filled(octets);
        self.deadlines.received(self.started.elapsed());
        Ok(octets > 0)
    }

    fn left(&self, timeout: Option<Timeout>) -> io::Result<Duration> {
        self.deadlines.left(timeout, self.started.elapsed()).ok_or_else(|| ErrorKind::InvalidInput.into())
    }
}

async fn within<T>(limit: Duration, wait: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    tokio::time::timeout(limit, wait).await.unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()))
}
