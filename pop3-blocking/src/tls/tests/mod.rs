//! Configurations met over sockets: who is believed, what is negotiated.

use std::io::Read as _;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use super::test_ca::{Ca, HOST, self_signed};
use super::*;
use crate::{Deadline, Input, Transport, TransportError};

mod binding;
mod certificates;
mod identity;
mod names;
mod negotiation;
mod reload;

/// Long enough that only a bug reaches it.
const LONG: Duration = Duration::from_secs(30);

fn long() -> Deadline {
    Deadline::after(LONG)
}

type Outcome = Result<Transport<UnixStream>, TransportError>;

/// A client that wants `host` meets a server that greets: both outcomes, the client's after it read the greeting, where
/// late refusals show.
fn meet(client_tls: &ClientTls, host: &str, server_tls: &ServerTls) -> (Outcome, Outcome) {
    let (client, server) = UnixStream::pair().unwrap();
    thread::scope(|scope| {
        let server = scope.spawn(move || {
            let mut server = Transport::plain(server).accept_tls(server_tls, long())?;
            server.write_all(b"+OK ready\r\n", LONG, long())?;
            Ok(server)
        });
        let name = ServerName::parse(host).unwrap();
        let client =
            Transport::plain(client).connect_tls(client_tls, &name, long()).and_then(|mut client| {
                let mut room = [0; 64];
                match client.read(&mut room, long())? {
                    Input::Octets(octets) => assert_eq!(&room[..octets], b"+OK ready\r\n"),
                    // The server thought better of it behind the handshake.
                    Input::Closed => return Err(TransportError::ClosedInHandshake),
                }
                Ok(client)
            });
        (client, server.join().unwrap())
    })
}

/// Both must succeed.
fn meet_well(
    client_tls: &ClientTls,
    server_tls: &ServerTls,
) -> (Transport<UnixStream>, Transport<UnixStream>) {
    let (client, server) = meet(client_tls, HOST, server_tls);
    (client.unwrap(), server.unwrap())
}
