//! The clients and servers of rsasl behind our traits.

use std::sync::{Arc, Mutex};

use rsasl::callback::{Context, Request, SessionCallback, SessionData};
use rsasl::mechanisms::anonymous::AnonymousToken;
use rsasl::mechanisms::oauthbearer::properties::{OAuthBearerError, OAuthBearerErrored, OAuthBearerValidate};
use rsasl::mechanisms::scram::{self, properties::ScramStoredPassword};
use rsasl::mechanisms::xoauth2::properties::{XOAuth2Error, XOAuth2Validate};
use rsasl::prelude::{
    ChannelBindingCallback, Mechanism, Mechname, MessageSent, Registry, SASLClient, SASLConfig, SASLServer,
    Session, SessionError, State, Validation,
};
use rsasl::property::{AuthId, AuthzId, OAuthBearerKV, OAuthBearerToken, OverrideCBType, Password};
use rsasl::validate::{NoValidation, Validate, ValidationError};

use crate::cases::{self, Bound, Case};
use crate::ours::Keys;
use crate::{Client, ClientMove, Server, ServerMove};

pub(crate) const VERSION: &str = "2.3.1";

/// Whether it does not know `mechanism`.
pub(crate) fn lacks(mechanism: &str) -> bool {
    mechanism == "CRAM-MD5"
}

/// The channel bindings of the connection there would be: ours, or another.
struct Bindings(usize);

impl ChannelBindingCallback for Bindings {
    fn get_cb_data(&self, name: &str) -> Option<&[u8]> {
        match name {
            "tls-exporter" => Some(&cases::EXPORTERS[self.0]),
            "tls-server-end-point" => Some(cases::END_POINTS[self.0]),
            _ => None,
        }
    }
}

/// Its default list has none of these.
static BINDING: &[Mechanism] = &[
    scram::SCRAM_SHA512_PLUS,
    scram::SCRAM_SHA512,
    scram::SCRAM_SHA256_PLUS,
    scram::SCRAM_SHA256,
    scram::SCRAM_SHA1_PLUS,
    scram::SCRAM_SHA1,
];

fn config(callback: impl SessionCallback + 'static, binding: bool) -> Arc<SASLConfig> {
    let registry = if binding { Registry::with_mechanisms(BINDING) } else { Registry::default() };
    SASLConfig::builder().with_registry(registry).with_callback(callback).unwrap()
}

/// Its client for `case`, or why it has none.
pub(crate) fn client(mechanism: &str, case: &Case) -> Result<impl Client, &'static str> {
    let user = case.authzid.unwrap_or_default();
    if mechanism == "OAUTHBEARER" && user.contains([',', '=']) {
        return Err("it escapes nothing in the name");
    }
    let report = Arc::new(Mutex::new(None));
    let binds = mechanism.ends_with("-PLUS") || matches!(case.bound, Bound::NotOffered | Bound::Hidden);
    let credentials = Credentials {
        authzid: case.authzid.map(str::to_owned),
        // XOAUTH2 calls it so.
        authcid: if case.authcid.is_empty() { user } else { case.authcid }.to_owned(),
        secret: case.secret.to_owned(),
        report: Arc::clone(&report),
        binds,
        end_point: matches!(case.bound, Bound::EndPoint | Bound::OtherEndPoint),
    };
    let name = Mechname::parse(mechanism.as_bytes()).unwrap();
    let other = matches!(case.bound, Bound::OtherConnection | Bound::OtherEndPoint);
    let session = SASLClient::with_cb(config(credentials, binds), Bindings(usize::from(other)))
        .start_suggested(&[name])
        .unwrap();
    Ok(TheirClient { session, started: false, finished: false, report })
}

/// What its client is asked for.
struct Credentials {
    authzid: Option<String>,
    authcid: String,
    secret: String,
    report: Arc<Mutex<Option<Vec<u8>>>>,
    /// Whether it can bind to the connection.
    binds: bool,
    end_point: bool,
}

impl SessionCallback for Credentials {
    fn enable_channel_binding(&self) -> bool {
        self.binds
    }

    fn callback(
        &self,
        _session: &SessionData,
        _context: &Context<'_>,
        request: &mut Request<'_>,
    ) -> Result<(), SessionError> {
        if let Some(error) = request.get_action::<XOAuth2Error>() {
            *self.report.lock().unwrap() = Some(error.as_bytes().to_vec());
        }
        if let Some(error) = request.get_action::<OAuthBearerErrored>() {
            assert_eq!((error.scope, error.openid_config), (None, None));
            *self.report.lock().unwrap() = Some(format!("{{\"status\":\"{}\"}}", error.status).into_bytes());
        }
        if let Some(authzid) = &self.authzid {
            request.satisfy::<AuthzId>(authzid)?;
        }
        request
            .satisfy::<AuthId>(&self.authcid)?
            .satisfy::<Password>(self.secret.as_bytes())?
            .satisfy::<OAuthBearerToken>(&self.secret)?
            .satisfy::<OAuthBearerKV>(&[("host", "h.example"), ("port", "995")])?;
        if self.end_point {
            request.satisfy::<OverrideCBType>("tls-server-end-point")?;
        }
        if !self.secret.is_empty() {
            request.satisfy::<AnonymousToken>(&self.secret)?;
        }
        Ok(())
    }
}

struct TheirClient {
    session: Session<NoValidation, Bindings>,
    started: bool,
    finished: bool,
    report: Arc<Mutex<Option<Vec<u8>>>>,
}

impl TheirClient {
    fn step(&mut self, input: Option<&[u8]>) -> ClientMove {
        self.started = true;
        let mut out = Vec::new();
        match self.session.step(input, &mut out) {
            Ok(state) => {
                self.finished = state.is_finished();
                ClientMove::Send(out)
            }
            Err(error) => ClientMove::GiveUp(error.to_string()),
        }
    }
}

impl Client for TheirClient {
    fn start(&mut self) -> Option<Vec<u8>> {
        if !self.session.are_we_first() {
            return None;
        }
        match self.step(None) {
            ClientMove::Send(message) => Some(message),
            ClientMove::GiveUp(why) => panic!("{why}"),
        }
    }

    fn answer(&mut self, challenge: &[u8]) -> ClientMove {
        if !self.started && self.session.are_we_first() {
            assert!(challenge.is_empty());
            return self.step(None);
        }
        self.step(Some(challenge))
    }

    fn agrees(&mut self) -> bool {
        // Some of its mechanisms want to be told of the success, others are through by then.
        if !self.finished && matches!(self.step(None), ClientMove::GiveUp(_)) {
            return false;
        }
        self.finished && self.report().is_none()
    }

    fn report(&self) -> Option<Vec<u8>> {
        self.report.lock().unwrap().clone()
    }
}

/// Its server for `mechanism`, or why it cannot judge `case`.
pub(crate) fn server(mechanism: &str, case: &Case) -> Result<impl Server, &'static str> {
    if mechanism == "OAUTHBEARER" && case.authzid.unwrap_or_default().contains([',', '=']) {
        return Err("it takes the name as it stands, escapes and all");
    }
    if mechanism.starts_with("SCRAM") && case.authcid.contains([',', '=']) {
        return Err("it takes the name as it stands, escapes and all");
    }
    let binding = mechanism.ends_with("-PLUS") || case.bound == Bound::Hidden;
    let name = Mechname::parse(mechanism.as_bytes()).unwrap();
    let session =
        SASLServer::<Who, _>::with_cb(config(Users, binding), Bindings(0)).start_suggested(name).unwrap();
    Ok(TheirServer { session, over: false })
}

/// Whom its server lets in.
struct Who;

impl Validation for Who {
    type Value = Option<String>;
}

/// The users behind its server.
struct Users;

/// Its OAUTHBEARER takes what follows `auth=` for the token, the scheme included.
fn token<'a>(context: &Context<'a>) -> &'a str {
    let text = context.get_ref::<OAuthBearerToken>().unwrap();
    text.strip_prefix("Bearer ").unwrap_or(text)
}

impl SessionCallback for Users {
    fn callback(
        &self,
        session: &SessionData,
        context: &Context<'_>,
        request: &mut Request<'_>,
    ) -> Result<(), SessionError> {
        let mechanism = session.mechanism().mechanism.as_str();
        if request.is::<ScramStoredPassword<'_>>()
            && let Some(keys) = Keys::of(mechanism, context.get_ref::<AuthId>().unwrap())
        {
            request.satisfy::<ScramStoredPassword<'_>>(&ScramStoredPassword::new(
                Keys::ITERATIONS,
                Keys::SALT,
                &keys.stored,
                &keys.server,
            ))?;
        }
        if request.is::<OAuthBearerValidate>() {
            let known = cases::bearer(token(context), context.get_ref::<AuthzId>()).is_some();
            let answer = if known { Ok(()) } else { Err(OAuthBearerError::new("invalid_token", None, None)) };
            request.satisfy::<OAuthBearerValidate>(&answer)?;
        }
        if request.is::<XOAuth2Validate>() {
            let known = cases::bearer(token(context), context.get_ref::<AuthId>()).is_some();
            let answer = if known { Ok(()) } else { Err(std::str::from_utf8(cases::REPORT).unwrap()) };
            request.satisfy::<XOAuth2Validate>(&answer)?;
        }
        Ok(())
    }

    fn validate(
        &self,
        session: &SessionData,
        context: &Context<'_>,
        validate: &mut Validate<'_>,
    ) -> Result<(), ValidationError> {
        let authzid = context.get_ref::<AuthzId>().filter(|authzid| !authzid.is_empty());
        let authcid = context.get_ref::<AuthId>();
        let who = match session.mechanism().mechanism.as_str() {
            "ANONYMOUS" => {
                let trace = context.get_ref::<AnonymousToken>().unwrap_or_default();
                cases::welcome(trace).then(|| "anonymous".to_owned())
            }
            "EXTERNAL" => cases::permitted("user", authzid),
            "OAUTHBEARER" => cases::bearer(token(context), authzid),
            "XOAUTH2" => cases::bearer(token(context), authcid),
            // The mechanism itself has looked at the proof.
            scram if scram.starts_with("SCRAM") => cases::permitted(authcid.unwrap(), authzid),
            _ => {
                let own = cases::password(authcid.unwrap()).map(str::as_bytes);
                let right = own.is_some() && own == context.get_ref::<Password>();
                cases::permitted(authcid.unwrap(), authzid).filter(|_| right)
            }
        };
        validate.finalize::<Who>(who);
        Ok(())
    }
}

struct TheirServer {
    session: Session<Who, Bindings>,
    over: bool,
}

impl TheirServer {
    fn step(&mut self, input: Option<&[u8]>) -> ServerMove {
        let mut out = Vec::new();
        match self.session.step(input, &mut out) {
            Ok(State::Running) => ServerMove::Challenge(out),
            // It may go along with the final reply in other protocols; in POP3 it is one more challenge.
            Ok(State::Finished(MessageSent::Yes)) => {
                self.over = true;
                ServerMove::Challenge(out)
            }
            Ok(State::Finished(MessageSent::No)) => self.end(),
            Err(_) => ServerMove::Refuse,
        }
    }

    fn end(&mut self) -> ServerMove {
        match self.session.validation() {
            Some(Some(who)) => ServerMove::Accept(who),
            _ => ServerMove::Refuse,
        }
    }
}

impl Server for TheirServer {
    fn start(&mut self, initial: Option<&[u8]>) -> ServerMove {
        match initial {
            None if !self.session.are_we_first() => ServerMove::Challenge(Vec::new()),
            initial => self.step(initial),
        }
    }

    fn take(&mut self, message: &[u8]) -> ServerMove {
        if self.over {
            assert!(message.is_empty(), "nothing is left to be said");
            return self.end();
        }
        self.step(Some(message))
    }
}
