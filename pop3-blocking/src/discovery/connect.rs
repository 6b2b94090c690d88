//! From candidates to a connection, and from an address to a login.

use std::net::TcpStream;

use pop3_proto::CodeKind;
use pop3_proto::discovery::{Preferences, login_names};

use super::{Candidate, DiscoveryError, Reference, Resolver, Unreachable};
use crate::TransportError;
use crate::client::{ClientOptions, Connection, Error, LoginFailed, Session};
use crate::tls::ClientTls;
use crate::transport::Stream;

/// Connects to the first of the servers that can be reached, TLS included, and tells which one it is. Keep that one.
///
/// `reference` decides about each server before anything is sent to it: what its certificate must be made out for, or
/// `None` to pass it over. This is where a user is asked about a host outside the mail domain (R6186-6.2);
/// [`Candidate::usual_reference`] is the answer without asking.
///
/// The next server is tried if there is no way to one, it does not answer in time, it does not speak TLS, or it does not
/// offer `STLS`. Any other failure ends the search: above all a certificate that is refused, as somebody may be in the way.
///
/// # Errors
///
/// [`Unreachable`], with what became of each.
pub fn connect_first<'c>(
    candidates: &'c [Candidate],
    tls: &ClientTls,
    options: &ClientOptions,
    mut reference: impl FnMut(&Candidate) -> Option<Reference>,
) -> Result<(Connection<TcpStream>, &'c Candidate), Unreachable> {
    let mut failures = Vec::new();
    for candidate in candidates {
        let Some(reference) = reference(candidate) else { continue };
        match candidate.connect(reference, tls, options) {
            Ok(connection) => return Ok((connection, candidate)),
            Err(error) => {
                let goes_on = leads_on(&error);
                log::debug!("{}:{} {}: {error}", candidate.host(), candidate.port(), candidate.service());
                failures.push((candidate.clone(), error));
                if !goes_on {
                    break;
                }
            }
        }
    }
    Err(Unreachable { failures })
}

/// Whether another server may be tried after this.
const fn leads_on(error: &Error) -> bool {
    match error {
        Error::Resolve { .. } | Error::Connect { .. } | Error::NoTls(_) | Error::TimedOut { .. } => true,
        Error::Transport(error) => matches!(
            error,
            TransportError::Io(_)
                | TransportError::TimedOut
                | TransportError::ClosedInHandshake
                | TransportError::NotTls
        ),
        _ => false,
    }
}

fn is_about_credentials(error: &Error) -> bool {
    error.refused().is_some_and(|refused| matches!(refused.code, None | Some(CodeKind::Auth)))
}

impl Connection<TcpStream> {
    /// Finds the server of a mail domain and connects to it, with what RFC 6186 has for its certificate
    /// ([`Candidate::usual_reference`]).
    ///
    /// Call it when an account is set up, not for each connection: keep the candidate that comes back, and use its
    /// [`connect`](Candidate::connect) from then on (R6186-4.2, R8314-5.1). A domain that publishes nothing gives
    /// [`DiscoveryError::NotFound`]; no host is guessed.
    ///
    /// # Errors
    ///
    /// As [`Resolver::discover`] and [`connect_first`].
    pub fn discover(
        domain: &str,
        resolver: &Resolver,
        preferences: Preferences,
        tls: &ClientTls,
        options: &ClientOptions,
    ) -> Result<(Self, Candidate), DiscoveryError> {
        let candidates = resolver.discover(domain, preferences)?;
        let usual = |candidate: &Candidate| Some(candidate.usual_reference());
        let (connection, candidate) = connect_first(&candidates, tls, options, usual)?;
        Ok((connection, candidate.clone()))
    }
}

impl<S: Stream> Connection<S> {
    /// Logs in with a mail address as the name and, if the server refuses that, with what stands before its `@`. Tells
    /// which name it was.
    ///
    /// The second name is tried on the same connection, and only if the refusal was about the credentials. If both are
    /// refused, or the server closed after the first, ask the user for the name (R6186-4.1).
    ///
    /// Where logins are bound to the connection, by SCRAM with `-PLUS`, it has room for one (R9266-4.1): then the refusal
    /// of the first name comes back, and the second one wants a connection of its own.
    ///
    /// # Errors
    ///
    /// As [`login`](Self::login), for the name tried last.
    pub fn login_by_address<'a>(
        self,
        address: &'a str,
        password: &str,
    ) -> Result<(Session<S>, &'a str), LoginFailed<S>> {
        let mut names = login_names(address).peekable();
        let (mut connection, mut first) = (self, None);
        loop {
            // There is always a first name, and a further one whenever the loop comes around.
            let name = names.next().unwrap_or(address);
            match connection.login(name, password) {
                Ok(session) => return Ok((session, name)),
                Err(LoginFailed {
                    error: error @ (Error::Refused(_) | Error::ProofRefused(..)),
                    connection: Some(same),
                }) if names.peek().is_some() && is_about_credentials(&error) => {
                    (connection, first) = (same, Some(error));
                }
                Err(LoginFailed { error: Error::NoMethod(offers), connection }) => {
                    let error = first.unwrap_or(Error::NoMethod(offers));
                    return Err(LoginFailed { error, connection });
                }
                Err(failed) => return Err(failed),
            }
        }
    }
}
