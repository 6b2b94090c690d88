//! What `/etc/resolv.conf` says (resolv.conf(5)): servers, time and attempts, as far as they concern a stub resolver.

use core::time::Duration;
use std::io::{self, Read};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::{ATTEMPTS, Resolver, TIMEOUT};

/// The port of the DNS.
pub(super) const PORT: u16 = 53;

/// Servers beyond these are not asked, as in the C library.
const SERVERS: usize = 3;

/// Greater numbers of seconds and attempts count as these, as in the C library.
const MOST_SECONDS: u32 = 30;
const MOST_ATTEMPTS: u32 = 5;

/// Octets of a file; no sane one comes near.
const FILE_OCTETS: u64 = 65_536;

/// Reads a file. What is not understood is passed over, as every reader of the format does.
pub(super) fn read(file: impl Read) -> io::Result<Resolver> {
    let mut text = Vec::new();
    if file.take(FILE_OCTETS + 1).read_to_end(&mut text)? as u64 > FILE_OCTETS {
        let message = format!("longer than {FILE_OCTETS} octets");
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    Ok(parse(&String::from_utf8_lossy(&text)))
}

fn parse(text: &str) -> Resolver {
    let (mut servers, mut timeout, mut attempts) = (Vec::new(), TIMEOUT, ATTEMPTS);
    for line in text.lines() {
        let mut words = line.split_ascii_whitespace();
        match words.next() {
            Some("nameserver") if servers.len() < SERVERS => {
                let address = words.next().and_then(|word| word.parse::<IpAddr>().ok());
                servers.extend(address.map(|address| SocketAddr::from((address, PORT))));
            }
            Some("options") => {
                for option in words {
                    if let Some(seconds) = number(option, "timeout:") {
                        timeout = Duration::from_secs(seconds.clamp(1, MOST_SECONDS).into());
                    } else if let Some(number) = number(option, "attempts:") {
                        attempts = number.clamp(1, MOST_ATTEMPTS);
                    }
                }
            }
            _ => {}
        }
    }
    if servers.is_empty() {
        servers.push(SocketAddr::from((Ipv4Addr::LOCALHOST, PORT)));
    }
    Resolver::new(servers).with_timeout(timeout).with_attempts(attempts)
}

fn number(option: &str, name: &str) -> Option<u32> {
    option.strip_prefix(name)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(servers: &[&str]) -> Resolver {
        Resolver::new(servers.iter().map(|server| server.parse().unwrap()))
    }

    #[test]
    fn resolv_conf_names_servers_time_and_attempts() {
        let text = "# nameserver 192.0.2.9\n; x\nsearch example.org\nnameserver 192.0.2.1\r\n nameserver\t2001:db8::1 # y\n\
                    nameserver fe80::1%eth0\nnameserver\nnameserver 192.0.2.2\nnameserver 192.0.2.3\n\
                    options rotate timeout:3 attempts:4 ndots:5\n";
        let expected = addresses(&["192.0.2.1:53", "[2001:db8::1]:53", "192.0.2.2:53"]);
        let expected = expected.with_timeout(Duration::from_secs(3)).with_attempts(4);
        assert_eq!(parse(text), expected);
    }

    #[test]
    fn resolv_conf_without_sense_leaves_the_defaults() {
        for text in ["", "nameserver x", "options timeout:x attempts:-1 timeout", "\0\0"] {
            assert_eq!(parse(text), addresses(&["127.0.0.1:53"]), "{text:?}");
        }
        let most = addresses(&["127.0.0.1:53"]).with_timeout(Duration::from_secs(30)).with_attempts(5);
        assert_eq!(parse("options timeout:4294967295 attempts:100"), most);
        let least = addresses(&["127.0.0.1:53"]).with_timeout(Duration::from_secs(1)).with_attempts(1);
        assert_eq!(parse("options timeout:0 attempts:0"), least);
    }

    #[test]
    fn resolv_conf_without_end_is_refused() {
        assert_eq!(read(io::repeat(b'#')).unwrap_err().kind(), io::ErrorKind::InvalidData);
        assert_eq!(read(&b"nameserver 192.0.2.1"[..]).unwrap(), addresses(&["192.0.2.1:53"]));
    }
}
