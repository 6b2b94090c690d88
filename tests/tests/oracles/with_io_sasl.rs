//! The clients of io-sasl behind our trait. It has no servers.

use io_sasl::coroutine::{SaslArg, SaslCoroutine, SaslCoroutineState, SaslYield};
use io_sasl::login::{SaslLogin, SaslLoginCreds};
use io_sasl::rfc2195::cram_md5::{SaslCramMd5, SaslCramMd5Creds};
use io_sasl::rfc4422::external::{SaslExternal, SaslExternalCreds};
use io_sasl::rfc4505::anonymous::{SaslAnonymous, SaslAnonymousCreds};
use io_sasl::rfc4616::plain::{SaslPlain, SaslPlainCreds};
use io_sasl::rfc5801::{SaslGs2ChannelBinding, SaslGs2ChannelBindingKind as Kind};
use io_sasl::rfc5802::SaslScramCreds;
use io_sasl::rfc5802::scram_sha_1::SaslScramSha1;
use io_sasl::rfc7628::oauthbearer::{SaslOauthbearer, SaslOauthbearerCreds};
use io_sasl::rfc7677::scram_sha_256::SaslScramSha256;
use io_sasl::scram_sha_512::SaslScramSha512;
use io_sasl::xoauth2::{SaslXoauth2, SaslXoauth2Creds};

use crate::cases::{self, Bound, Case};
use crate::{Client, ClientMove};

pub(crate) const VERSION: &str = "0.1.0";

struct Theirs<C> {
    mechanism: C,
    server_first: bool,
    started: bool,
    report: Option<Vec<u8>>,
}

/// Its client for `case`, or why it has none.
pub(crate) fn client(mechanism: &str, case: &Case) -> Result<Box<dyn Client>, &'static str> {
    let authzid = case.authzid.map(str::to_owned);
    let username = if case.authcid.is_empty() { case.authzid.unwrap_or_default() } else { case.authcid };
    let (username, secret) = (username.to_owned(), case.secret);
    Ok(match mechanism {
        "ANONYMOUS" => {
            let message = Some(secret.to_owned()).filter(|trace| !trace.is_empty());
            theirs(SaslAnonymous::new(SaslAnonymousCreds { message }), false)
        }
        "CRAM-MD5" => theirs(SaslCramMd5::new(SaslCramMd5Creds { username, secret: secret.into() }), true),
        "EXTERNAL" => theirs(SaslExternal::new(SaslExternalCreds { authzid }), false),
        "LOGIN" => theirs(SaslLogin::new(SaslLoginCreds { username, password: secret.into() }), true),
        "OAUTHBEARER" if username.contains([',', '=']) => return Err("it escapes nothing in the name"),
        "OAUTHBEARER" => {
            let host = "h.example".to_owned();
            let creds = SaslOauthbearerCreds { username, host, port: 995, token: secret.into() };
            theirs(SaslOauthbearer::new(creds), false)
        }
        "PLAIN" => {
            let creds = SaslPlainCreds { authzid, authcid: username, passwd: secret.into() };
            theirs(SaslPlain::new(creds), false)
        }
        "XOAUTH2" => theirs(SaslXoauth2::new(SaslXoauth2Creds { username, token: secret.into() }), false),
        scram => {
            if case.authzid.is_some() {
                return Err("it names nobody to act as");
            }
            let bound = |kind, data: &[u8]| SaslGs2ChannelBinding::Bound { kind, data: data.to_vec() };
            let channel_binding = match case.bound {
                Bound::Usual if scram.ends_with("-PLUS") => bound(Kind::TlsExporter, &cases::EXPORTERS[0]),
                Bound::Usual => SaslGs2ChannelBinding::Unsupported,
                Bound::EndPoint => bound(Kind::TlsServerEndPoint, cases::END_POINTS[0]),
                Bound::OtherConnection => bound(Kind::TlsExporter, &cases::EXPORTERS[1]),
                Bound::OtherEndPoint => bound(Kind::TlsServerEndPoint, cases::END_POINTS[1]),
                Bound::NotOffered | Bound::Hidden => SaslGs2ChannelBinding::Unused,
            };
            let nonce = cases::NONCE.as_bytes().to_vec();
            let creds = SaslScramCreds { username, password: secret.into(), nonce, channel_binding };
            match scram.trim_end_matches("-PLUS") {
                "SCRAM-SHA-1" => theirs(SaslScramSha1::new(creds), false),
                "SCRAM-SHA-256" => theirs(SaslScramSha256::new(creds), false),
                "SCRAM-SHA-512" => theirs(SaslScramSha512::new(creds), false),
                other => panic!("no client for {other}"),
            }
        }
    })
}

fn theirs<C: SaslCoroutine + 'static>(mechanism: C, server_first: bool) -> Box<dyn Client>
where
    C::Error: std::fmt::Display,
{
    Box::new(Theirs { mechanism, server_first, started: false, report: None })
}

impl<C: SaslCoroutine> Theirs<C>
where
    C::Error: std::fmt::Display,
{
    /// `None` if it waits for the server.
    fn resume(&mut self, argument: SaslArg<'_>) -> Option<ClientMove> {
        self.started = true;
        match self.mechanism.resume(argument) {
            SaslCoroutineState::Yielded(SaslYield::WantsWrite(message)) => Some(ClientMove::Send(message)),
            SaslCoroutineState::Yielded(SaslYield::WantsRead) => None,
            SaslCoroutineState::Complete(Ok(())) => Some(ClientMove::GiveUp("it is through".to_owned())),
            SaslCoroutineState::Complete(Err(error)) => Some(ClientMove::GiveUp(error.to_string())),
        }
    }
}

impl<C: SaslCoroutine> Client for Theirs<C>
where
    C::Error: std::fmt::Display,
{
    fn start(&mut self) -> Option<Vec<u8>> {
        // Its LOGIN speaks first by its own account; whether that may be is for the protocol to know.
        if self.server_first {
            return None;
        }
        match self.resume(SaslArg::None) {
            Some(ClientMove::Send(message)) => Some(message),
            _ => None,
        }
    }

    fn answer(&mut self, challenge: &[u8]) -> ClientMove {
        if !self.started
            && let Some(first) = self.resume(SaslArg::None)
        {
            return first;
        }
        if challenge.starts_with(b"{") {
            self.report = Some(challenge.to_vec());
        }
        let next = self.resume(SaslArg::Input(challenge));
        next.unwrap_or_else(|| ClientMove::GiveUp("it waits for more".to_owned()))
    }

    fn agrees(&mut self) -> bool {
        matches!(self.mechanism.resume(SaslArg::Done), SaslCoroutineState::Complete(Ok(())))
    }

    fn report(&self) -> Option<Vec<u8>> {
        self.report.clone()
    }
}
