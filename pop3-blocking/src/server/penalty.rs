//! What a program may add to the price of a failed login: [`FailedLogin`].

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::Duration;

/// A login that has failed, as [`ServerBuilder::on_failed_login`](super::ServerBuilder::on_failed_login) is told of it.
///
/// There is no name in it: people type passwords where names belong.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct FailedLogin<'a> {
    /// Who it was, where that is known.
    pub peer: Option<SocketAddr>,
    /// What to count by: the address of IPv4, or the /64 network of IPv6 with zeros behind it, as a site has one at least.
    pub network: Option<IpAddr>,
    /// The SASL mechanism, `USER` or `APOP`.
    pub mechanism: &'a str,
    /// Failed logins of this connection, this one included.
    pub failures: u32,
}

/// What [`ServerBuilder::on_failed_login`](super::ServerBuilder::on_failed_login) takes.
pub(super) type Penalty = Box<dyn Fn(&FailedLogin<'_>) -> Duration + Send + Sync>;

impl<'a> FailedLogin<'a> {
    pub(super) fn new(peer: Option<SocketAddr>, mechanism: &'a str, failures: u32) -> Self {
        Self { peer, network: peer.map(|peer| network(peer.ip())), mechanism, failures }
    }
}

fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r27_ipv6_counts_by_its_network() {
        for (peer, counted) in [
            ("192.0.2.7:1", "192.0.2.7"),
            ("[::ffff:192.0.2.7]:1", "192.0.2.7"),
            ("[2001:db8:1:2:3:4:5:6]:1", "2001:db8:1:2::"),
        ] {
            let failed = FailedLogin::new(Some(peer.parse().unwrap()), "PLAIN", 1);
            assert_eq!(failed.network, Some(counted.parse().unwrap()), "{peer}");
        }
    }
}
