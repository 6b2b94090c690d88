//! Who the server must be: [`ServerName`], the reference identity of a client (RFC 7817, RFC 9525).
//!
//! The name comes from the user or from a signed source, never from an insecure look-up (R7817-3.1). Certificates are
//! compared by rustls: DNS-ID and IP address only, whole-label wildcards only, never the CN (R7817-3.2, R7817-3.4,
//! R7817-3.5).

use core::fmt;
use core::str::FromStr;
use std::error::Error as StdError;
use std::net::IpAddr;

use rustls::pki_types::{DnsName, ServerName as RustlsName};

/// A host name or an IP address that the server's certificate must be made out for.
///
/// A host name is also sent to the server (SNI), without a trailing dot; an address never is (R9325-3.7).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ServerName(RustlsName<'static>);

impl ServerName {
    /// Reads a host name or an IP address. One trailing dot is dropped, case does not matter (R9525-6.3).
    ///
    /// # Errors
    ///
    /// - [`ServerNameError::NotAscii`]: an internationalized name must be given with A-labels (`xn--…`).
    /// - [`ServerNameError::Invalid`]: empty, a label too long, a character that is not allowed, or all digits.
    pub fn parse(name: &str) -> Result<Self, ServerNameError> {
        if !name.is_ascii() {
            return Err(ServerNameError::NotAscii);
        }
        if let Ok(address) = name.parse::<IpAddr>() {
            return Ok(Self(RustlsName::IpAddress(address.into())));
        }
        let name = name.strip_suffix('.').unwrap_or(name);
        if name.ends_with('.') {
            return Err(ServerNameError::Invalid);
        }
        match DnsName::try_from(name.to_ascii_lowercase()) {
            Ok(name) => Ok(Self(RustlsName::DnsName(name))),
            Err(_) => Err(ServerNameError::Invalid),
        }
    }

    pub(super) fn to_rustls(&self) -> RustlsName<'static> {
        self.0.clone()
    }
}

impl FromStr for ServerName {
    type Err = ServerNameError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::parse(name)
    }
}

impl From<IpAddr> for ServerName {
    fn from(address: IpAddr) -> Self {
        Self(RustlsName::IpAddress(address.into()))
    }
}

impl fmt::Display for ServerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_str())
    }
}

impl fmt::Debug for ServerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServerName({})", self.0.to_str())
    }
}

/// Why a text is no [`ServerName`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServerNameError {
    /// There are characters beyond ASCII.
    NotAscii,
    /// It is neither a host name nor an IP address.
    Invalid,
}

impl fmt::Display for ServerNameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAscii => "server name is not ascii, give its a-labels (xn--)",
            Self::Invalid => "server name is neither a host name nor an ip address",
        })
    }
}

impl StdError for ServerNameError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r9525_6_3_case_and_one_trailing_dot_do_not_count() {
        for name in ["pop.example.org", "POP.Example.ORG", "pop.example.org."] {
            assert_eq!(ServerName::parse(name).unwrap().to_string(), "pop.example.org", "{name}");
        }
        assert_eq!(ServerName::parse("xn--mller-kva.example").unwrap().to_string(), "xn--mller-kva.example");
        assert_eq!(ServerName::parse("localhost").unwrap().to_string(), "localhost");
    }

    #[test]
    fn r9525_6_3_u_labels_are_refused_with_advice() {
        assert_eq!(ServerName::parse("MÜLLER.example"), Err(ServerNameError::NotAscii));
        assert!(ServerNameError::NotAscii.to_string().contains("xn--"));
    }

    #[test]
    fn r9525_6_2_addresses_are_addresses() {
        for (text, address) in [("192.0.2.1", "192.0.2.1"), ("::1", "::1"), ("2001:DB8::7", "2001:db8::7")] {
            let name = ServerName::parse(text).unwrap();
            assert_eq!(name, ServerName::from(address.parse::<IpAddr>().unwrap()), "{text}");
            assert!(matches!(name.to_rustls(), RustlsName::IpAddress(_)), "{text}");
        }
    }

    #[test]
    fn r9325_3_7_what_is_no_name_is_refused() {
        let long = "a".repeat(64);
        for name in [
            "",
            ".",
            "a..b",
            "a.b..",
            "pop.example.org:995",
            "[::1]",
            "a b",
            "-a.example",
            "*.example",
            "1.2.3",
            &long,
        ] {
            assert_eq!(ServerName::parse(name), Err(ServerNameError::Invalid), "{name:?}");
        }
    }
}
