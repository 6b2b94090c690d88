//! Who the server must be: [`ServerName`], the reference identity of a client (RFC 7817, RFC 9525).
//!
//! The name comes from the user or from a signed source, never from an insecure look-up (R7817-3.1). Names and addresses
//! are compared by rustls: DNS-ID and IP address only, whole-label wildcards only, never the CN (R7817-3.2, R7817-3.4,
//! R7817-3.5). SRV-IDs are compared in `verifier.rs` (R7817-3.3).

use core::fmt;
use core::str::FromStr;
use std::error::Error as StdError;
use std::net::IpAddr;

use pop3_proto::discovery::SrvService;
use rustls::pki_types::{DnsName, ServerName as RustlsName};

/// Who the server may be: a host name or an IP address that its certificate must be made out for, and what else will do.
///
/// The host name is also sent to the server (SNI), without a trailing dot; an address never is (R9325-3.7).
///
/// One name is enough for a host that the user has given. A host found by SRV records without DNSSEC is no reference, since
/// whoever forged the records chose it (R7817-3.1): the name is then the mail domain, which the user has given, and
/// [`or_service`](Self::or_service) adds the SRV-ID that stands for a service of that domain.
///
/// ```
/// use pop3_blocking::tls::{ServerName, SrvService};
///
/// # fn main() -> Result<(), pop3_blocking::tls::ServerNameError> {
/// let given = ServerName::parse("pop.example.org")?;
/// let found = ServerName::parse("example.org")?.or_service(SrvService::Pop3s, "example.org")?;
/// # let _ = (given, found);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ServerName {
    name: RustlsName<'static>,
    other_names: Vec<RustlsName<'static>>,
    services: Vec<(SrvService, DnsName<'static>)>,
}

impl ServerName {
    /// Reads a host name or an IP address. One trailing dot is dropped, case does not matter (R9525-6.3).
    ///
    /// # Errors
    ///
    /// - [`ServerNameError::NotAscii`]: an internationalized name must be given with A-labels (`xn--…`).
    /// - [`ServerNameError::Invalid`]: empty, a label too long, a character that is not allowed, or all digits.
    pub fn parse(name: &str) -> Result<Self, ServerNameError> {
        Ok(Self::new(parse(name)?))
    }

    /// Accepts a certificate for this host name or address too, as the mail domain beside the name of the host.
    ///
    /// # Errors
    ///
    /// As [`parse`](Self::parse).
    pub fn or_name(mut self, name: &str) -> Result<Self, ServerNameError> {
        self.other_names.push(parse(name)?);
        Ok(self)
    }

    /// Accepts a certificate for this service of a domain too: its SRV-ID, such as `_pop3s.example.org` (R7817-3.3). For
    /// servers found by SRV records (RFC 6186).
    ///
    /// # Errors
    ///
    /// As [`parse`](Self::parse); an address has no services and is invalid.
    pub fn or_service(mut self, service: SrvService, domain: &str) -> Result<Self, ServerNameError> {
        match parse(domain)? {
            RustlsName::DnsName(domain) => self.services.push((service, domain)),
            _ => return Err(ServerNameError::Invalid),
        }
        Ok(self)
    }

    const fn new(name: RustlsName<'static>) -> Self {
        Self { name, other_names: Vec::new(), services: Vec::new() }
    }

    /// The one that is sent.
    pub(super) fn to_rustls(&self) -> RustlsName<'static> {
        self.name.clone()
    }

    /// Whether there is only one reference.
    pub(super) fn is_single(&self) -> bool {
        self.other_names.is_empty() && self.services.is_empty()
    }

    pub(super) fn other_names(&self) -> &[RustlsName<'static>] {
        &self.other_names
    }

    /// The SRV-IDs.
    pub(super) fn services(&self) -> impl Iterator<Item = String> {
        self.services.iter().map(|(service, domain)| format!("{service}.{}", domain.as_ref()))
    }
}

fn parse(name: &str) -> Result<RustlsName<'static>, ServerNameError> {
    if !name.is_ascii() {
        return Err(ServerNameError::NotAscii);
    }
    if let Ok(address) = name.parse::<IpAddr>() {
        return Ok(RustlsName::IpAddress(address.into()));
    }
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.ends_with('.') {
        return Err(ServerNameError::Invalid);
    }
    match DnsName::try_from(name.to_ascii_lowercase()) {
        Ok(name) => Ok(RustlsName::DnsName(name)),
        Err(_) => Err(ServerNameError::Invalid),
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
        Self::new(RustlsName::IpAddress(address.into()))
    }
}

/// The one that is sent.
impl fmt::Display for ServerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name.to_str())
    }
}

impl fmt::Debug for ServerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServerName({}", self.name.to_str())?;
        for name in &self.other_names {
            write!(f, " or {}", name.to_str())?;
        }
        for service in self.services() {
            write!(f, " or {service}")?;
        }
        f.write_str(")")
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
    fn r7817_3_3_what_else_will_do_is_read_as_the_name_is() {
        let name = ServerName::parse("pop.example.net").unwrap().or_name("Example.org.").unwrap();
        let name = name.or_service(SrvService::Pop3s, "EXAMPLE.org").unwrap();
        assert_eq!(format!("{name:?}"), "ServerName(pop.example.net or example.org or _pop3s.example.org)");
        assert_eq!(name.to_string(), "pop.example.net");
        assert!(!name.is_single());
        for domain in ["192.0.2.1", "", "a..b"] {
            let name = ServerName::parse("a").unwrap().or_service(SrvService::Pop3, domain);
            assert_eq!(name, Err(ServerNameError::Invalid), "{domain}");
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
