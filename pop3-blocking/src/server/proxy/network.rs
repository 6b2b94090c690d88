//! Addresses that share a prefix: [`Network`].

use core::fmt;
use core::str::FromStr;
use std::error::Error as StdError;
use std::net::IpAddr;

/// An address, or all addresses with a prefix: `192.0.2.7`, `192.0.2.0/24`, `::1`, `2001:db8::/32`.
///
/// IPv4 addresses in their IPv6 form (`::ffff:192.0.2.7`) are those of IPv4. Bits behind the prefix do not matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// All addresses whose first `prefix` bits are those of `address`.
    ///
    /// # Errors
    ///
    /// [`ParseNetworkError`]: an address has no so many bits: 32 in IPv4, 128 in IPv6.
    pub fn new(address: IpAddr, prefix: u8) -> Result<Self, ParseNetworkError> {
        let whole = bits(address);
        let (prefix, canonical) = match address.to_canonical() {
            IpAddr::V4(v4) if address.is_ipv6() && prefix >= 96 => (prefix.saturating_sub(96), v4.into()),
            _ => (prefix, address),
        };
        if prefix > whole || prefix > bits(canonical) {
            return Err(ParseNetworkError);
        }
        Ok(Self { address: canonical, prefix })
    }

    /// Whether `address` is one of them.
    pub fn contains(&self, address: IpAddr) -> bool {
        fn same(one: &[u8], other: &[u8], prefix: u8) -> bool {
            let (whole, rest) = (usize::from(prefix / 8), prefix % 8);
            let mask = !(u8::MAX.checked_shr(rest.into()).unwrap_or(0));
            let part = |octets: &[u8]| octets.get(whole).map_or(0, |octet| octet & mask);
            one.get(..whole) == other.get(..whole) && part(one) == part(other)
        }
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(one), IpAddr::V4(other)) => same(&one.octets(), &other.octets(), self.prefix),
            (IpAddr::V6(one), IpAddr::V6(other)) => same(&one.octets(), &other.octets(), self.prefix),
            _ => false,
        }
    }
}

const fn bits(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

impl From<IpAddr> for Network {
    fn from(address: IpAddr) -> Self {
        let address = address.to_canonical();
        Self { address, prefix: bits(address) }
    }
}

impl FromStr for Network {
    type Err = ParseNetworkError;

    fn from_str(text: &str) -> Result<Self, ParseNetworkError> {
        let Some((address, prefix)) = text.split_once('/') else {
            return text.parse::<IpAddr>().map(Self::from).map_err(|_| ParseNetworkError);
        };
        if !prefix.bytes().all(|octet| octet.is_ascii_digit()) {
            return Err(ParseNetworkError);
        }
        let address = address.parse().map_err(|_| ParseNetworkError)?;
        Self::new(address, prefix.parse().map_err(|_| ParseNetworkError)?)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// The text is no address, or the length of the prefix is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ParseNetworkError;

impl fmt::Display for ParseNetworkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected an address, or an address and the length of a prefix as in 192.0.2.0/24")
    }
}

impl StdError for ParseNetworkError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn contains(network: &str, address: &str) -> bool {
        network.parse::<Network>().unwrap().contains(address.parse().unwrap())
    }

    #[test]
    fn a_prefix_ends_at_any_bit() {
        for (network, inside, outside) in [
            ("192.0.2.7", "192.0.2.7", "192.0.2.6"),
            ("192.0.2.0/24", "192.0.2.255", "192.0.3.0"),
            ("192.0.2.77/25", "192.0.2.0", "192.0.2.128"),
            ("192.0.2.160/27", "192.0.2.191", "192.0.2.192"),
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.1"),
            ("0.0.0.0/1", "127.0.0.1", "128.0.0.1"),
            ("::1", "::1", "::2"),
            ("2001:db8::/33", "2001:db8:7fff::", "2001:db8:8000::"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::"),
            ("0.0.0.0/0", "255.255.255.255", "::"),
            ("::/0", "2001:db8::", "0.0.0.0"),
            ("192.0.2.7", "::ffff:192.0.2.7", "::ffff:192.0.2.8"),
            ("::ffff:192.0.2.7", "192.0.2.7", "192.0.2.8"),
            ("::ffff:192.0.2.0/120", "192.0.2.200", "192.0.3.0"),
        ] {
            assert!(contains(network, inside), "{network} {inside}");
            assert!(!contains(network, outside), "{network} {outside}");
        }
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in [
            "",
            "/",
            "192.0.2.0/33",
            "::/129",
            "192.0.2.0/",
            "192.0.2/24",
            "a/8",
            "::1/+8",
            "::1/-1",
            "1.2.3.4/256",
            " ::1",
            "::ffff:1.2.3.4/129",
        ] {
            assert_eq!(text.parse::<Network>(), Err(ParseNetworkError), "{text}");
        }
        assert_eq!("192.0.2.0/24".parse::<Network>().unwrap().to_string(), "192.0.2.0/24");
    }
}
