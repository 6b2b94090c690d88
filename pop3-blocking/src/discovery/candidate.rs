//! A server that may be the one of a domain: [`Candidate`].

use std::net::TcpStream;

use pop3_proto::discovery::{SrvService, TargetDomain};

use crate::client::{ClientOptions, Connection, Error, tcp};
use crate::tls::{ClientTls, ServerName, ServerNameError};
use crate::transport::Deadline;

/// A server to try: where it is, how TLS starts there, and for which mail domain.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Candidate {
    domain: String,
    host: String,
    port: u16,
    service: SrvService,
}

/// What the certificate of a found server must be made out for.
///
/// The DNS is not signed, so the name of the host is what anybody may have made of it. RFC 7817 takes only names that the
/// user gave: the mail domain. RFC 6186 lets a host pass that lies in the mail domain, or that the user agreed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reference {
    /// The mail domain (DNS-ID) or its service (SRV-ID), and nothing else. The mail domain is also what is sent (SNI).
    Domain,
    /// These, or the host that the DNS named, which is then what is sent (SNI). For a host in the mail domain, and for one
    /// that the user has agreed to.
    DomainOrHost,
}

impl Candidate {
    /// A server that is known: kept from an earlier time, or told by the user.
    ///
    /// # Errors
    ///
    /// [`ServerNameError`]: `domain` or `host` is no name.
    pub fn new(domain: &str, host: &str, port: u16, service: SrvService) -> Result<Self, ServerNameError> {
        let candidate = Self { domain: without_dot(domain), host: without_dot(host), port, service };
        candidate.names(Reference::DomainOrHost)?;
        Ok(candidate)
    }

    /// The hosts that many domains call their servers by, for a domain that publishes none: `pop`, `pop3` and `mail` below
    /// the domain and the domain itself, all with implicit TLS.
    ///
    /// A guess, to be made only if the program or its user says so. The names do not come from the DNS, so certificates for
    /// these hosts will do.
    ///
    /// # Errors
    ///
    /// [`ServerNameError`]: `domain` is no name.
    pub fn customary(domain: &str) -> Result<Vec<Self>, ServerNameError> {
        let (service, below) = (SrvService::Pop3s, without_dot(domain));
        let hosts = [format!("pop.{below}"), format!("pop3.{below}"), format!("mail.{below}"), below];
        hosts.iter().map(|host| Self::new(domain, host, service.default_port(), service)).collect()
    }

    /// Connects to this server alone, TLS included, and reads the greeting.
    ///
    /// # Errors
    ///
    /// As [`Connection::connect_tls`] and, for [`SrvService::Pop3`], [`Connection::connect_stls`].
    pub fn connect(
        &self,
        reference: Reference,
        tls: &ClientTls,
        options: &ClientOptions,
    ) -> Result<Connection<TcpStream>, Error> {
        let name = self.names(reference)?;
        let transport = tcp(&self.host, self.port, options)?;
        match self.service {
            SrvService::Pop3s => {
                let transport = transport.connect_tls(tls, &name, Deadline::after(options.handshake))?;
                Connection::over(transport, options.clone())
            }
            SrvService::Pop3 => Connection::over(transport, options.clone())?.stls(tls, &name),
        }
        .map(|connection| connection.towards(&self.host, self.port))
    }

    /// Whom the certificate may be made out for.
    ///
    /// # Errors
    ///
    /// None for a candidate of this library; the type is that of the names' parser.
    ///
    /// # Source
    ///
    /// RFC 6186 section 6, RFC 7817 section 3; rows R6186-6.2, R7817-3.1, R7817-3.3.
    pub fn names(&self, reference: Reference) -> Result<ServerName, ServerNameError> {
        let name = match reference {
            Reference::Domain => ServerName::parse(&self.domain)?,
            Reference::DomainOrHost => ServerName::parse(&self.host)?.or_name(&self.domain)?,
        };
        name.or_service(self.service, &self.domain)
    }

    /// What RFC 6186 section 6 has for this server where nobody asks the user: a host in the mail domain may show its own
    /// name, any other must be certified for the mail domain.
    pub fn usual_reference(&self) -> Reference {
        match self.target_domain() {
            TargetDomain::Within => Reference::DomainOrHost,
            TargetDomain::Outside => Reference::Domain,
        }
    }

    /// Whether the host lies in the mail domain.
    pub fn target_domain(&self) -> TargetDomain {
        TargetDomain::of(&self.host, &self.domain)
    }

    /// The mail domain.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// The host name, without a dot at its end.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The TCP port.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// How TLS starts: with the first octet ([`SrvService::Pop3s`]) or by `STLS` ([`SrvService::Pop3`]).
    pub const fn service(&self) -> SrvService {
        self.service
    }
}

fn without_dot(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_owned()
}
