//! The endpoint of an authorization server that judges tokens (RFC 7662), for servers that ask one.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// An endpoint on a loopback port that knows some tokens; dropped, it ends.
#[derive(Debug)]
#[must_use]
pub struct TokenEndpoint {
    port: u16,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl TokenEndpoint {
    /// Starts it with tokens and their users; every other token is told to be inactive.
    pub fn start(tokens: &[(&str, &str)]) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let ends = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&ends);
        let tokens: Vec<(String, String)> =
            tokens.iter().map(|(token, user)| ((*token).to_owned(), (*user).to_owned())).collect();
        let thread = thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                if ended.load(Ordering::Acquire) {
                    return;
                }
                // A server that hangs up early is that server's affair.
                drop(answer(&stream, &tokens));
            }
        });
        Self { port, ends, thread: Some(thread) }
    }

    /// Where it is.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/introspect", self.port)
    }
}

impl Drop for TokenEndpoint {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Release);
        // Wakes the thread from its wait.
        drop(TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)));
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

/// Reads one request, a form with the field `token`, and answers it.
fn answer(mut stream: &TcpStream, tokens: &[(String, String)]) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let line = line.trim_end().to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
        if line.is_empty() {
            break;
        }
    }
    let mut form = String::new();
    reader.by_ref().take(length).read_to_string(&mut form)?;
    let asked = form.split('&').find_map(|field| field.strip_prefix("token=")).unwrap_or_default();
    let body = tokens.iter().find(|(token, _)| token == asked).map_or_else(
        || "{\"active\":false}".to_owned(),
        |(_, user)| format!("{{\"active\":true,\"username\":\"{user}\"}}"),
    );
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}
