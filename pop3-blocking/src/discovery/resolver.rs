//! Asking the DNS: [`Resolver`].

use core::time::Duration;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};

use pop3_proto::discovery::{Preferences, SrvRecord, SrvService, order};

use super::packet::{Answer, Found, NoAnswer, answer, question};
use super::{ATTEMPTS, Absence, Candidate, DiscoveryError, LookupError, TIMEOUT, TOTAL, system};
use crate::random;
use crate::transport::Deadline;

/// Octets that a server may send over UDP to who announces nothing else (RFC 1035 section 2.3.4).
const UDP_OCTETS: usize = 512;

/// Asks the DNS for the servers of mail domains. It keeps nothing: each call asks anew.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Resolver {
    servers: Vec<SocketAddr>,
    timeout: Duration,
    attempts: u32,
    total: Duration,
}

impl Resolver {
    /// Asks the servers that `/etc/resolv.conf` names, with its `timeout` and `attempts`; the one on this host if it names
    /// none.
    ///
    /// # Errors
    ///
    /// [`DiscoveryError::Configuration`]: the file is there and cannot be read.
    pub fn system() -> Result<Self, DiscoveryError> {
        match std::fs::File::open("/etc/resolv.conf") {
            Ok(file) => system::read(file).map_err(DiscoveryError::Configuration),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Ok(Self::new([SocketAddr::from((Ipv4Addr::LOCALHOST, system::PORT))]))
            }
            Err(error) => Err(DiscoveryError::Configuration(error)),
        }
    }

    /// Asks these servers, in this order. They must do the search themselves (recursion).
    pub fn new(servers: impl IntoIterator<Item = SocketAddr>) -> Self {
        Self { servers: servers.into_iter().collect(), timeout: TIMEOUT, attempts: ATTEMPTS, total: TOTAL }
    }

    /// How long one question waits for its answer. Default 5 s.
    pub const fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How often each server is asked. Default 2.
    pub const fn with_attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts;
        self
    }

    /// How long a call of [`discover`](Self::discover) may take in all. Default 30 s.
    pub const fn with_total(mut self, total: Duration) -> Self {
        self.total = total;
        self
    }

    /// Asks for the SRV records of both services of `domain` and arranges what they name: the servers to try, in order.
    ///
    /// There is at least one. Records that name no host are left out. If either question gets no answer there is no result,
    /// so that nobody can choose for us by losing one.
    ///
    /// # Errors
    ///
    /// - [`DiscoveryError::Domain`], [`DiscoveryError::NoRandom`]: nothing was asked.
    /// - [`DiscoveryError::NotFound`]: the DNS has no server of this domain to name.
    /// - [`DiscoveryError::Lookup`]: the DNS did not answer.
    ///
    /// # Source
    ///
    /// RFC 6186, RFC 2782, RFC 8314 section 5.1; rows R6186-3.1 to R6186-3.3, R8314-5.1.
    pub fn discover(&self, domain: &str, preferences: Preferences) -> Result<Vec<Candidate>, DiscoveryError> {
        let (deadline, mut found, mut names) = (Deadline::after(self.total), Vec::new(), false);
        for service in [SrvService::Pop3s, SrvService::Pop3] {
            let mut name = Vec::new();
            service.encode_name(domain, &mut name)?;
            // The name is ASCII: the encoder has checked the domain.
            match self.ask(service, &String::from_utf8_lossy(&name), deadline)? {
                Answer::NoSuchName => {}
                Answer::Records(records) => {
                    names = true;
                    found.extend(records);
                }
            }
        }
        if !names {
            return Err(DiscoveryError::NotFound(Absence::NoSuchName));
        }
        arrange(domain, &found, preferences)
    }

    fn ask(&self, service: SrvService, name: &str, deadline: Deadline) -> Result<Answer, DiscoveryError> {
        let mut last = LookupError::NoServers;
        for _ in 0..self.attempts {
            for server in &self.servers {
                if deadline.has_passed() {
                    return Err(LookupError::TimedOut.into());
                }
                let mut id = [0; 2];
                random::fill(&mut id).map_err(|_| DiscoveryError::NoRandom)?;
                let exchange = Exchange {
                    server: *server,
                    id: u16::from_be_bytes(id),
                    service,
                    name,
                    deadline: deadline.earlier(Deadline::after(self.timeout)),
                };
                match exchange.run() {
                    Ok(answer) => return Ok(answer),
                    Err(error) => {
                        log::debug!("dns server {server}: {error}");
                        last = error;
                    }
                }
            }
        }
        Err(last.into())
    }
}

/// The candidates that the records name, in order.
fn arrange(
    domain: &str,
    found: &[Found],
    preferences: Preferences,
) -> Result<Vec<Candidate>, DiscoveryError> {
    let mut records: Vec<_> = found
        .iter()
        .map(|it| SrvRecord::new(it.service, it.priority, it.weight, it.port, &it.target))
        .filter(|record| !record.is_offered() || candidate(domain, record).is_some())
        .collect();
    if records.len() < found.len() {
        log::debug!("dns: {} records name no host", found.len().saturating_sub(records.len()));
    }
    let (mut no_random, any, offered) =
        (false, !records.is_empty(), records.iter().any(SrvRecord::is_offered));
    let ordered = order(&mut records, preferences, |max| {
        let mut number = [0; 8];
        no_random |= random::fill(&mut number).is_err();
        up_to(max, u64::from_ne_bytes(number))
    });
    let candidates: Vec<_> = ordered.iter().filter_map(|record| candidate(domain, record)).collect();
    if no_random {
        Err(DiscoveryError::NoRandom)
    } else if !candidates.is_empty() {
        Ok(candidates)
    } else {
        Err(DiscoveryError::NotFound(match (any, offered) {
            (false, _) => Absence::NoRecords,
            (true, false) => Absence::NotOffered,
            (true, true) => Absence::BelowMinimum,
        }))
    }
}

/// `None` if the record names no host: an address in the place of a name, characters that no host name has, port 0.
fn candidate(domain: &str, record: &SrvRecord<'_>) -> Option<Candidate> {
    let address = record.target.parse::<std::net::IpAddr>().is_ok();
    let candidate = Candidate::new(domain, record.target, record.port, record.service).ok()?;
    if address || record.port == 0 { None } else { Some(candidate) }
}

/// A number in `0..=max` from one that is uniform among all.
fn up_to(max: u64, random: u64) -> u64 {
    // Sums of weights have at most 24 bits, so what the remainder makes likelier is so by less than 2⁻⁴⁰.
    match max.checked_add(1) {
        Some(numbers) => random % numbers,
        None => random,
    }
}

/// One question to one server.
struct Exchange<'a> {
    server: SocketAddr,
    id: u16,
    service: SrvService,
    name: &'a str,
    deadline: Deadline,
}

impl Exchange<'_> {
    fn run(&self) -> Result<Answer, LookupError> {
        let question = question(self.id, self.name)?;
        match self.over_udp(&question) {
            Ok(answer) => Ok(answer),
            Err(NoAnswer::Failed(error)) => Err(error),
            Err(NoAnswer::Truncated | NoAnswer::NotOurs) => self.over_tcp(&question),
        }
    }

    fn over_udp(&self, question: &[u8]) -> Result<Answer, NoAnswer> {
        let any: SocketAddr = match self.server {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        // A socket of its own, so that the system chooses a port that nobody can guess, and connected, so that it drops
        // what comes from elsewhere.
        let socket = UdpSocket::bind(any)?;
        socket.connect(self.server)?;
        socket.send(question)?;
        let mut message = [0; UDP_OCTETS + 1];
        loop {
            socket.set_read_timeout(Some(self.left()?))?;
            let received = match socket.recv(&mut message) {
                Ok(octets) => message.get(..octets).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.into()),
            };
            match self.answer(received, received.len() <= UDP_OCTETS) {
                Err(NoAnswer::NotOurs) => {
                    log::debug!("dns server {}: an answer to something else", self.server)
                }
                other => return other,
            }
        }
    }

    fn over_tcp(&self, question: &[u8]) -> Result<Answer, LookupError> {
        let mut stream = TcpStream::connect_timeout(&self.server, self.left()?)?;
        stream.set_write_timeout(Some(self.left()?))?;
        let length = u16::try_from(question.len()).map_err(|_| LookupError::Malformed)?;
        stream.write_all(&[&length.to_be_bytes(), question].concat())?;
        let mut length = [0; 2];
        self.read(&mut stream, &mut length)?;
        let mut message = vec![0; u16::from_be_bytes(length).into()];
        self.read(&mut stream, &mut message)?;
        match self.answer(&message, true) {
            Ok(answer) => Ok(answer),
            Err(NoAnswer::Failed(error)) => Err(error),
            Err(NoAnswer::Truncated | NoAnswer::NotOurs) => Err(LookupError::Malformed),
        }
    }

    fn answer(&self, message: &[u8], complete: bool) -> Result<Answer, NoAnswer> {
        answer(message, self.id, self.service, self.name, complete)
    }

    /// Fills `octets`, by the deadline and no later, however slowly they come.
    fn read(&self, stream: &mut TcpStream, octets: &mut [u8]) -> Result<(), LookupError> {
        let mut rest = octets;
        while !rest.is_empty() {
            stream.set_read_timeout(Some(self.left()?))?;
            match stream.read(rest) {
                Ok(0) => return Err(LookupError::Malformed),
                Ok(read) => rest = rest.get_mut(read..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// The time left, never zero: a socket takes that for no limit.
    fn left(&self) -> Result<Duration, LookupError> {
        match self.deadline.remaining() {
            Some(Duration::ZERO) => Err(LookupError::TimedOut),
            Some(left) => Ok(left.max(Duration::from_millis(1))),
            None => Ok(Duration::from_secs(24 * 60 * 60)),
        }
    }
}

impl From<io::Error> for NoAnswer {
    fn from(error: io::Error) -> Self {
        Self::Failed(error.into())
    }
}

impl From<LookupError> for NoAnswer {
    fn from(error: LookupError) -> Self {
        Self::Failed(error)
    }
}
