//! A proxy that lets so many octets of the server pass, and then is gone.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::thread;

/// Joins one client with the server at `port`, and ends both connections behind `octets` octets of the server.
pub(crate) fn cut_after(port: u16, octets: u64) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let here = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        let (client, _) = listener.accept().unwrap();
        let server = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
        thread::spawn(move || std::io::copy(&mut from, &mut to));
        pass(server.try_clone().unwrap(), client.try_clone().unwrap(), octets);
        for stream in [client, server] {
            stream.shutdown(Shutdown::Both).ok(); // it may be gone already
        }
    });
    here
}

fn pass(from: TcpStream, mut to: TcpStream, octets: u64) {
    let (mut from, mut room) = (from.take(octets), [0; 8192]);
    while let Ok(count) = from.read(&mut room) {
        if count == 0 || to.write_all(&room[..count]).is_err() {
            return;
        }
    }
}
