//! Waits that have limits beside those of the core: the whole of a reply, the connection, the handshake.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use pop3_blocking::client::{ClientOptions, Connection, Error, Session};
use pop3_blocking::{Transport, TransportError};

use crate::fixture::{n, tls};

/// If the client waits for longer than this it waits for ever, and the server gives up.
const LONG: Duration = Duration::from_secs(20);

/// A session with a server that sends `begin` at the first command behind the login, and then `piece` again and again.
fn dripping(
    begin: &'static str,
    piece: &'static str,
) -> (Session<UnixStream>, std::thread::JoinHandle<bool>) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let player = std::thread::spawn(move || {
        let mut lines = BufReader::new(theirs.try_clone().unwrap()).lines();
        for reply in ["+OK\r\n", "-ERR\r\n", "+OK\r\n", "+OK\r\n"] {
            (&theirs).write_all(reply.as_bytes()).unwrap();
            lines.next().unwrap().unwrap();
        }
        (&theirs).write_all(begin.as_bytes()).unwrap();
        let began = std::time::Instant::now();
        // Each piece ends the wait for octets.
        while began.elapsed() < LONG {
            std::thread::sleep(Duration::from_millis(5));
            if (&theirs).write_all(piece.as_bytes()).is_err() {
                return true;
            }
        }
        false
    });
    let mut options = ClientOptions::default();
    options.reply_total = Some(Duration::from_millis(200));
    let mut connection = Connection::over(Transport::plain(ours), options).unwrap();
    connection.allow_cleartext_login();
    (connection.login("alice", "wonderland").map_err(|failed| failed.error).unwrap(), player)
}

#[test]
fn r7_a_reply_that_drips_ends_whatever_it_is_made_of() {
    type Ask = fn(&mut Session<UnixStream>) -> Result<(), Error>;
    let body: Ask = |session| session.retrieve(n(1))?.copy_to(&mut std::io::sink()).map(drop);
    let asks: [(&str, &str, Ask); 5] = [
        ("", "+", |session| session.noop()),
        ("+OK\r\n", "a", body),
        ("+OK\r\n", "a line\r\n", body),
        ("+OK\r\n", "1 9\r\n", |session| session.list().map(drop)),
        ("+OK\r\n", "UIDL\r\n", |session| session.capabilities().map(drop)),
    ];
    for (begin, piece, ask) in asks {
        let (mut session, player) = dripping(begin, piece);
        let outcome = ask(&mut session);
        assert!(matches!(outcome, Err(Error::TimedOut { .. })), "{piece:?}: {outcome:?}");
        drop(session);
        assert!(player.join().unwrap(), "{piece:?}");
    }
}

/// A socket whose queue is full: Linux answers no further attempt to connect to it, as a host that is off would not.
#[cfg(target_os = "linux")]
#[test]
fn r7_an_attempt_to_connect_has_a_limit_of_its_own() {
    use std::net::{Ipv4Addr, SocketAddr, TcpStream};

    use socket2::{Domain, Socket, Type};

    let full = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    full.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    full.listen(0).unwrap();
    let address = full.local_addr().unwrap().as_socket().unwrap();
    let mut waiting = Vec::new();
    let patience = Duration::from_millis(200);
    while let Ok(stream) = TcpStream::connect_timeout(&address, patience) {
        waiting.push(stream);
        assert!(waiting.len() < 100, "the queue never fills");
    }
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut options = ClientOptions::default();
        options.connect = patience;
        tell.send(Connection::connect_cleartext("127.0.0.1", address.port(), options).map(drop))
    });
    let outcome = told.recv_timeout(LONG).expect("without its limit the system waits for two minutes");
    assert!(
        matches!(&outcome, Err(Error::Connect { source, .. }) if source.kind() == ErrorKind::TimedOut),
        "{outcome:?}"
    );
}

#[test]
fn r7_a_handshake_has_a_limit_of_its_own() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let player = std::thread::spawn(move || {
        let (mut peer, _) = listener.accept().unwrap();
        peer.set_read_timeout(Some(LONG)).unwrap();
        // Takes the hello, says nothing, and goes when the client does.
        drop(peer.read_to_end(&mut Vec::new()));
    });
    let mut options = ClientOptions::default();
    options.handshake = Duration::from_millis(100);
    let outcome = Connection::connect_tls("127.0.0.1", port, &tls().client, options);
    assert!(matches!(outcome, Err(Error::Transport(TransportError::TimedOut))), "{outcome:?}");
    player.join().unwrap();
}
