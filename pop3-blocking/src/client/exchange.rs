//! One SASL exchange on a connection: the mechanism's messages, put on lines and taken from them.

use pop3_proto::sasl::client::{Exchange, Move};
use pop3_proto::sasl::{ClientMechanism, SaslError};
use pop3_proto::{Base64, ClientEvent, CodeKind, SendError};
use zeroize::Zeroizing;

use super::error::{Error, Refused, TokenRejected};
use super::link::Link;
use crate::transport::Stream;

/// A login that came to nothing.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) error: Error,
    /// Whether both sides agree on where they stand, so that the connection can be used for something else.
    pub(super) usable: bool,
}

impl<E: Into<Error>> From<E> for Attempt {
    fn from(error: E) -> Self {
        let error = error.into();
        Self { usable: error.is_harmless(), error }
    }
}

/// What the server's line asks for.
enum Turn {
    /// Send so many octets of the scratch memory, from this offset.
    Respond(usize, usize),
    /// As `Respond`, after this account of why the server refuses.
    Acknowledge(Vec<u8>, usize, usize),
    Cancel(Error),
    Accepted,
    Refused(Refused),
}

/// How an exchange is held.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Manner {
    /// Never send an initial response.
    pub(super) withhold: bool,
    /// It is about a token.
    pub(super) token: bool,
}

/// Runs `mechanism` from `AUTH` to the final reply.
///
/// Where the mechanism is not announced no initial response is sent (R5034-3.2).
pub(super) fn run<S: Stream>(
    link: &mut Link<S>,
    mechanism: &mut dyn ClientMechanism,
    manner: Manner,
) -> Result<(), Attempt> {
    link.client.check_privacy()?;
    link.ensure_capabilities()?;
    link.settle()?;
    let name = mechanism.name();
    let announced = link.capabilities.as_ref().is_some_and(|list| list.has_mechanism(name.as_str()));
    let limit = link.options.limits.sasl_line;
    // The server's message and ours, each of a line at its limit.
    let mut scratch = Zeroizing::new(vec![0u8; raw(limit).saturating_mul(2)]);
    let mut exchange = Exchange::new(mechanism);
    if manner.withhold || !announced {
        exchange = exchange.without_initial_response();
    }
    let first = exchange.start(&mut scratch).map_err(|error| too_long(error, limit))?;
    link.write(|client, out| client.authenticate(name, first.initial, out))?;
    let (mut cancelled, mut report) = (None, None);
    loop {
        link.flush()?;
        let turn = link.event(usize::MAX, |event| match event {
            ClientEvent::Challenge(challenge) => match exchange.challenge(challenge, &mut scratch) {
                // The message lies behind the decoded challenge.
                Ok(Move::Respond(raw)) => Turn::Respond(challenge.decoded_len(), raw.len()),
                Ok(Move::Acknowledge { report, response }) => {
                    Turn::Acknowledge(report.to_vec(), challenge.decoded_len(), response.len())
                }
                Ok(Move::Cancel(error)) => Turn::Cancel(error.into()),
                Err(full) => Turn::Cancel(too_long(full.into(), limit)),
            },
            ClientEvent::UndecodableChallenge(_) => Turn::Cancel(exchange.undecodable().into()),
            ClientEvent::Reply(reply) if reply.is_ok() => Turn::Accepted,
            ClientEvent::Reply(reply) => Turn::Refused(Refused::by_reply(&reply)),
            _ => Turn::Cancel(SaslError::OutOfOrder.into()),
        })?;
        let (start, octets) = match turn {
            Turn::Respond(start, octets) => (start, octets),
            Turn::Acknowledge(text, start, octets) => {
                report = Some(text);
                (start, octets)
            }
            Turn::Cancel(error) => {
                link.write(|client, out| client.cancel(out))?;
                cancelled = Some(error);
                continue;
            }
            Turn::Accepted => {
                // Only if the mechanism agrees: a server that could not sign has not authenticated us (R5802-5.7), and
                // one that takes what was cancelled stands elsewhere than we do.
                let error = match (cancelled, exchange.success()) {
                    (None, Ok(())) => return Ok(()),
                    (Some(error), _) => error,
                    (None, Err(error)) => error.into(),
                };
                return Err(Attempt { error, usable: false });
            }
            Turn::Refused(refused) => return Err(refusal(cancelled, report, refused, manner.token)),
        };
        let message = scratch.get(start..start.saturating_add(octets)).unwrap_or_default();
        match link.write(|client, out| client.respond(message, out)) {
            // The server waits for an answer, so that it must be told (PB-C39).
            Err(error @ Error::NotSent(SendError::TooLong { .. })) => {
                link.write(|client, out| client.cancel(out))?;
                cancelled = Some(error);
            }
            done => done?,
        }
    }
}

/// What a `-ERR` at the end of the exchange means.
fn refusal(cancelled: Option<Error>, report: Option<Vec<u8>>, refused: Refused, token: bool) -> Attempt {
    match cancelled {
        Some(Error::Sasl(SaslError::Refused(reason))) => Error::ProofRefused(reason, refused).into(),
        // Text in place of base64, a challenge too many: this mechanism cannot be used here. All else, as a signature
        // that is not right, is a server that is not who it should be.
        Some(error) => {
            let usable = error.is_harmless()
                || matches!(
                    error,
                    Error::Sasl(SaslError::UndecodableChallenge | SaslError::UnexpectedChallenge)
                );
            Attempt { error, usable }
        }
        None if report.is_some() || (token && is_about_credentials(&refused)) => {
            Error::TokenRejected(Box::new(TokenRejected { report, refused })).into()
        }
        None => Error::Refused(refused).into(),
    }
}

const fn is_about_credentials(refused: &Refused) -> bool {
    matches!(refused.code, None | Some(CodeKind::Auth))
}

/// Octets that a line can carry as base64.
const fn raw(line: usize) -> usize {
    (line / 4).saturating_mul(3)
}

/// Memory is as large as the limit of a line allows: what does not fit is too long to be sent.
fn too_long(error: SaslError, limit: usize) -> Error {
    match error {
        SaslError::NoRoom { needed } => {
            let octets = Base64::encoded_len(needed).saturating_add(2);
            Error::NotSent(SendError::TooLong { octets, limit })
        }
        error => error.into(),
    }
}
