//! How a run fails: the kind, the exit code, and what is said about it.

use std::process::ExitCode;

use pop3_blocking::TransportError;
use pop3_blocking::client::{Error, ProxyError, Refused};
use pop3_blocking::delivery::{DeliveryError, JournalError};
use pop3_blocking::pop3_proto::sasl::SaslError;
use pop3_blocking::pop3_proto::{self, CodeKind, Verb};
use pop3_blocking::tls::TlsConfigError;

use crate::files;

/// The words that scripts see; `help.rs` explains them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Usage,
    Host,
    Tls,
    Greeting,
    Refused,
    Output,
    Timeout,
    Connection,
    Busy,
    Interrupted,
    Protocol,
    Truncated,
    TooLarge,
    Login,
    Certificate,
    Configuration,
    /// `probe`: a case failed.
    Nonconformance,
}

impl Kind {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Usage => "usage",
            Self::Host => "host",
            Self::Tls => "tls",
            Self::Greeting => "greeting",
            Self::Refused => "refused",
            Self::Output => "output",
            Self::Timeout => "timeout",
            Self::Connection => "connection",
            Self::Busy => "busy",
            Self::Interrupted => "interrupted",
            Self::Protocol => "protocol",
            Self::Truncated => "truncated",
            Self::TooLarge => "too-large",
            Self::Login => "login",
            Self::Certificate => "certificate",
            Self::Configuration => "configuration",
            Self::Nonconformance => "nonconformance",
        }
    }

    /// The code of `sysexits.h` unless something speaks for another.
    const fn code(self) -> u8 {
        match self {
            Self::Usage => 64,
            Self::Host => 68,
            Self::Tls | Self::Greeting | Self::Refused => 69,
            Self::Output => 74,
            Self::Timeout | Self::Connection | Self::Busy | Self::Interrupted => TRY_AGAIN,
            Self::Protocol | Self::Truncated | Self::TooLarge => 76,
            Self::Login | Self::Certificate => 77,
            Self::Configuration => 78,
            Self::Nonconformance => 1,
        }
    }
}

const CANNOT_CREATE: u8 = 73;
const TRY_AGAIN: u8 = 75;

pub(crate) fn usage_code() -> ExitCode {
    Kind::Usage.code().into()
}

pub(crate) fn output_code() -> ExitCode {
    Kind::Output.code().into()
}

/// How far a connection had come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Connecting,
    LoggingIn,
    LoggedIn,
}

/// Why a run failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) kind: Kind,
    code: u8,
    /// For people; safe for a terminal.
    pub(crate) message: String,
    /// The server's own words.
    pub(crate) refused: Option<Refused>,
    /// It was said already.
    pub(crate) told: bool,
}

impl Failure {
    pub(crate) fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, code: kind.code(), message: message.into(), refused: None, told: false }
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Kind::Usage, message)
    }

    pub(crate) fn configuration(message: impl Into<String>) -> Self {
        Self::new(Kind::Configuration, message)
    }

    /// Standard output does not take more.
    pub(crate) fn stdout(error: &std::io::Error) -> Self {
        Self::new(Kind::Output, format!("standard output: {error}"))
    }

    /// A command that the server refused; its words and code.
    pub(crate) fn by_refusal(kind: Kind, refused: Refused) -> Self {
        let code = if refused.is_temporary() { TRY_AGAIN } else { kind.code() };
        Self { kind, code, message: refused.to_string(), refused: Some(refused), told: false }
    }

    pub(crate) fn by_client(error: Error, stage: Stage) -> Self {
        let message = error.to_string();
        let kind = match error {
            Error::Refused(refused) if stage == Stage::LoggingIn => {
                return Self::by_refusal(Kind::Login, refused);
            }
            Error::Refused(refused) => return Self::by_refusal(Kind::Refused, refused),
            Error::Closing(refused) => {
                let kind = if stage == Stage::Connecting { Kind::Greeting } else { Kind::Connection };
                return Self::by_refusal(kind, refused);
            }
            Error::NoTls(refused) => {
                return Self { refused, ..Self::new(Kind::Tls, message) };
            }
            Error::Protocol(error) => protocol(error),
            Error::TimedOut { .. } => Kind::Timeout,
            Error::TokenRejected(rejected) => {
                let message = format!("{message}; get a new token");
                return Self { message, ..Self::by_refusal(Kind::Login, rejected.refused) };
            }
            Error::ProofRefused(_, refused) => {
                return Self { message, ..Self::by_refusal(Kind::Login, refused) };
            }
            Error::NoMethod(_) => {
                return Self::new(
                    Kind::Login,
                    format!("{message}; --auth takes one by name, --help tells which"),
                );
            }
            Error::ClientCertificateRefused(_) => Kind::Certificate,
            Error::NotSent(_) | Error::Argument(_) | Error::Unprepared(..) | Error::NoRandom => {
                Kind::Configuration
            }
            Error::Sasl(SaslError::Credential { .. }) => Kind::Configuration,
            Error::BadReply(_) | Error::Sasl(_) => Kind::Protocol,
            Error::Transport(error) => transport(&error, stage),
            Error::ServerName(_) => Kind::Usage,
            Error::Proxy(ProxyError::TimedOut) => Kind::Timeout,
            Error::Proxy(ProxyError::Closed | ProxyError::Io(_)) => Kind::Connection,
            Error::Resolve { .. } | Error::Proxy(_) => Kind::Host,
            Error::Connect { source, .. } if source.kind() == std::io::ErrorKind::TimedOut => Kind::Timeout,
            Error::Connect { .. } => Kind::Host,
            Error::Caller(_) => Kind::Output,
            _ => Kind::Protocol,
        };
        Self::new(kind, message)
    }

    /// What stands against the target when it is opened.
    pub(crate) fn by_target(error: &DeliveryError) -> Self {
        Self { code: cannot_create(error_is_busy(error)), ..Self::by_delivery(error) }
    }

    /// What went wrong with one message.
    pub(crate) fn by_delivery(error: &DeliveryError) -> Self {
        let kind = if error_is_busy(error) { Kind::Busy } else { Kind::Output };
        let failure = Self::new(kind, error.to_string());
        match error {
            DeliveryError::Command { fault, .. } if fault.is_temporary() => failure.try_again(),
            _ => failure,
        }
    }

    /// What stands against the journal when it is opened.
    pub(crate) fn by_state(error: &JournalError) -> Self {
        let failure = Self::by_journal(error);
        if failure.kind == Kind::Output { Self { code: CANNOT_CREATE, ..failure } } else { failure }
    }

    /// What went wrong with the journal during the run.
    pub(crate) fn by_journal(error: &JournalError) -> Self {
        let kind = match error {
            JournalError::Busy { .. } => Kind::Busy,
            JournalError::Full(_) | JournalError::Io(_) | JournalError::Unusable => Kind::Output,
            _ => Kind::Configuration,
        };
        Self::new(kind, error.to_string())
    }

    pub(crate) fn by_tls_config(error: &TlsConfigError) -> Self {
        Self::configuration(files::tls_fault(error))
    }

    /// The answer to `QUIT` was no `+OK`: whatever the reason, the next run clears it up.
    #[must_use]
    pub(crate) fn try_again(self) -> Self {
        Self { code: TRY_AGAIN, ..self }
    }

    pub(crate) const fn code(&self) -> u8 {
        self.code
    }

    /// Whether no other try can end otherwise before somebody does something.
    pub(crate) const fn is_for_good(&self) -> bool {
        let kind = matches!(
            self.kind,
            Kind::Usage | Kind::Configuration | Kind::Login | Kind::Certificate | Kind::Tls
        );
        kind && !self.is_temporary()
    }

    /// Whether it may go away by itself.
    pub(crate) const fn is_temporary(&self) -> bool {
        self.code == TRY_AGAIN
    }

    /// The same, in other words.
    #[must_use]
    pub(crate) fn saying(self, message: String) -> Self {
        Self { message, ..self }
    }

    /// The same, which was said already.
    #[must_use]
    pub(crate) fn told(self) -> Self {
        Self { told: true, ..self }
    }

    /// The failure of a run over several accounts, each of which has said why. Its code is the one that all share, or
    /// else the first that does not mean to try again.
    pub(crate) fn of_many<'f>(failures: impl Iterator<Item = &'f Self>) -> Option<Self> {
        let mut whole: Option<&Self> = None;
        for failure in failures {
            if whole.is_none_or(|whole| whole.code == TRY_AGAIN && failure.code != TRY_AGAIN) {
                whole = Some(failure);
            }
        }
        whole.map(|failure| Self { told: true, ..failure.clone() })
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        self.code.into()
    }

    pub(crate) fn command(&self) -> Option<Verb> {
        self.refused.as_ref().and_then(|refused| refused.verb)
    }

    pub(crate) fn response_code(&self) -> Option<CodeKind> {
        self.refused.as_ref().and_then(|refused| refused.code)
    }
}

const fn error_is_busy(error: &DeliveryError) -> bool {
    matches!(error, DeliveryError::Busy { .. })
}

const fn cannot_create(busy: bool) -> u8 {
    if busy { TRY_AGAIN } else { CANNOT_CREATE }
}

/// A reply of one line that never came is a lost connection; a reply of many that stops is a truncated one.
const fn protocol(error: pop3_proto::Error) -> Kind {
    match error {
        pop3_proto::Error::Truncated {
            verb: Some(Verb::Retr | Verb::Top | Verb::List | Verb::Uidl | Verb::Capa),
        } => Kind::Truncated,
        pop3_proto::Error::Truncated { .. } | pop3_proto::Error::ConnectionLost => Kind::Connection,
        pop3_proto::Error::TimedOut => Kind::Timeout,
        pop3_proto::Error::MessageTooLarge { .. }
        | pop3_proto::Error::TooManyLines { .. }
        | pop3_proto::Error::ListTooLarge { .. }
        | pop3_proto::Error::LineTooLong { .. } => Kind::TooLarge,
        _ => Kind::Protocol,
    }
}

fn transport(error: &TransportError, stage: Stage) -> Kind {
    match error {
        _ if error.is_certificate_error() => Kind::Certificate,
        TransportError::TimedOut => Kind::Timeout,
        TransportError::Io(_) => Kind::Connection,
        TransportError::Truncated => Kind::Truncated,
        _ if stage == Stage::Connecting => Kind::Tls,
        _ => Kind::Protocol,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pop3_blocking::rustls;
    use std::io;

    fn client(error: Error) -> (Kind, u8) {
        let failure = Failure::by_client(error, Stage::LoggedIn);
        (failure.kind, failure.code)
    }

    #[test]
    fn a_message_that_stops_is_told_from_a_reply_that_never_came() {
        let truncated = |verb| client(Error::Protocol(pop3_proto::Error::Truncated { verb }));
        for verb in [Verb::Retr, Verb::Top, Verb::List, Verb::Uidl, Verb::Capa] {
            assert_eq!(truncated(Some(verb)), (Kind::Truncated, 76), "{verb}");
        }
        for verb in [Some(Verb::Pass), Some(Verb::Dele), Some(Verb::Quit), Some(Verb::Stat), None] {
            assert_eq!(truncated(verb), (Kind::Connection, 75), "{verb:?}");
        }
        assert_eq!(client(Error::Protocol(pop3_proto::Error::ConnectionLost)), (Kind::Connection, 75));
        let reset = io::Error::from(io::ErrorKind::ConnectionReset);
        assert_eq!(client(Error::Transport(TransportError::Io(reset))), (Kind::Connection, 75));
    }

    #[test]
    fn r2595_4_8_tls_that_fails_is_told_from_a_certificate_that_is_not_trusted() {
        let tls = |error| {
            Failure::by_client(Error::Transport(TransportError::Tls(error)), Stage::Connecting).kind.code()
        };
        assert_eq!(tls(rustls_error(rustls::CertificateError::UnknownIssuer)), 77);
        assert_eq!(tls(rustls::Error::HandshakeNotComplete), 69);
        assert_eq!(Failure::by_client(Error::NoTls(None), Stage::Connecting).code, 69);
    }

    fn rustls_error(error: rustls::CertificateError) -> rustls::Error {
        error.into()
    }

    #[test]
    fn many_failures_have_one_code() {
        for (kinds, want) in [
            (&[][..], None),
            (&[Kind::Timeout], Some(75)),
            (&[Kind::Timeout, Kind::Busy], Some(75)),
            (&[Kind::Timeout, Kind::Login, Kind::Host, Kind::Busy], Some(77)),
            (&[Kind::Host, Kind::Login], Some(68)),
        ] {
            let failures: Vec<Failure> = kinds.iter().map(|&kind| Failure::new(kind, "x")).collect();
            let whole = Failure::of_many(failures.iter());
            assert!(whole.iter().all(|whole| whole.told));
            assert_eq!(whole.map(|whole| whole.code), want, "{kinds:?}");
        }
    }

    #[test]
    fn a_slow_host_is_told_from_one_that_is_not_there() {
        let connect = |kind: io::ErrorKind| client(Error::Connect { to: "h:1".into(), source: kind.into() });
        assert_eq!(connect(io::ErrorKind::TimedOut), (Kind::Timeout, 75));
        assert_eq!(connect(io::ErrorKind::ConnectionRefused), (Kind::Host, 68));
    }
}
