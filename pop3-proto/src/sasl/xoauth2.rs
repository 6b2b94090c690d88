//! XOAUTH2, as Google and Microsoft do it: OAUTHBEARER before it was standardised.
//!
//! `user=U^Aauth=Bearer T^A^A`. Who has the token can use it: only under TLS, with the server verified. Allocates
//! nothing, never panics, owns no secret; no token is too long.

use core::fmt;

use super::bearer::{self, Course, Fields};
use super::client::{ClientMechanism, ClientStep, Input};
use super::server::{Query, ServerInput, ServerMechanism, ServerStep};
use super::{Part, SaslError, identity};
use crate::{MechanismName, Sink};

/// What the server says of a token where the user database says no more.
const REFUSAL: &str = r#"{"status":"401","schemes":"bearer"}"#;

/// XOAUTH2 for a client. It borrows the credentials; wiping them is the owner's part.
///
/// It never uses an initial response: tokens seldom fit, and one of the two large servers closes the connection on a
/// long line (RP-XO.1).
pub struct XOAuth2<'a> {
    user: &'a str,
    token: &'a str,
    state: State,
}

#[derive(Clone, Copy, Debug)]
enum State {
    New,
    Sent,
    Refused,
}

impl<'a> XOAuth2<'a> {
    /// Will log in as `user` by `token`.
    ///
    /// # Errors
    ///
    /// [`SaslError::Credential`]: a part is empty, `user` holds a control character, or `token` something other than
    /// visible ASCII.
    pub fn new(user: &'a str, token: &'a str) -> Result<Self, SaslError> {
        bearer::check(Part::Authzid, user)?;
        bearer::check(Part::Token, token)?;
        Ok(Self { user, token, state: State::New })
    }
}

impl ClientMechanism for XOAuth2<'_> {
    fn name(&self) -> MechanismName<'static> {
        MechanismName::XOAUTH2
    }

    fn client_first(&self) -> bool {
        true
    }

    fn sends_password_in_clear(&self) -> bool {
        true
    }

    fn wants_two_steps(&self) -> bool {
        true
    }

    fn step(&mut self, input: Input<'_>, out: &mut dyn Sink) -> Result<ClientStep, SaslError> {
        match (input, self.state) {
            (Input::Start, State::New | State::Sent) => {
                let head = [&b"user="[..], self.user.as_bytes(), b"\x01"];
                bearer::write(out, head.into_iter(), self.token)?;
                self.state = State::Sent;
                Ok(ClientStep::Send)
            }
            // The server tells why in JSON, and an empty line takes note of it (RP-XO.2).
            (Input::Challenge(report), State::Sent) if !report.is_empty() => {
                self.state = State::Refused;
                Ok(ClientStep::Acknowledge)
            }
            (Input::Challenge(_), _) => Err(SaslError::UnexpectedChallenge),
            (Input::Done, State::Sent) => Ok(ClientStep::Finished),
            (Input::Done, State::New) => Err(SaslError::EarlySuccess),
            (Input::Done, State::Refused) => Err(SaslError::Rejected),
            (Input::Start, State::Refused) => Err(SaslError::OutOfOrder),
        }
    }
}

impl fmt::Debug for XOAuth2<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("XOAuth2([redacted])")
    }
}

/// XOAUTH2 for a server. It asks one [`Query::Token`], without host and port, in which `authzid` is the user.
///
/// If the answer is no, it sends the JSON text of [`Answer::TokenRejected`](super::server::Answer::TokenRejected), or a
/// short one of its own, takes whatever the client says to it, and then fails (RP-XO.3). Keys that it does not know are
/// passed over; `user` and `auth` come once each. There is no limit to the token but the caller's.
#[derive(Debug, Default)]
pub struct XOAuth2Server {
    course: Course,
}

impl XOAuth2Server {
    /// Waits for the client's message.
    pub const fn new() -> Self {
        Self { course: Course::New }
    }
}

impl ServerMechanism for XOAuth2Server {
    fn name(&self) -> MechanismName<'static> {
        MechanismName::XOAUTH2
    }

    fn sends_password_in_clear(&self) -> bool {
        true
    }

    fn has_refused(&self) -> bool {
        matches!(self.course, Course::Refused)
    }

    fn step<'a>(
        &'a mut self,
        input: ServerInput<'a>,
        out: &mut dyn Sink,
    ) -> Result<ServerStep<'a>, SaslError> {
        self.course.step(input, out, REFUSAL, parse)
    }
}

fn parse(message: &[u8]) -> Result<Option<Query<'_>>, SaslError> {
    let fields = Fields::parse(message, |octet| octet != 0)?;
    let user = fields.user.filter(|user| !user.is_empty()).ok_or(SaslError::Malformed)?;
    let authzid = Some(identity(user)?);
    Ok(fields.token()?.map(|token| Query::Token { authzid, token, host: None, port: None }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sasl::client;
    use crate::sasl::server::{self, Answer};
    use crate::{ArgError, Base64, InitialResponse};
    use std::format;
    use std::string::{String, ToString as _};
    use std::vec;
    use std::vec::Vec;

    const V8: &str = "dXNlcj1zb21ldXNlckBleGFtcGxlLmNvbQFhdXRoPUJlYXJlciB5YTI5LnZGOWRmdDRxbVRjMk52YjNSbGNrQmhkSFJoZG1semRHRXVZMjl0Q2cBAQ==";
    const TOKEN: &str = "ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg";
    // As Gmail sends it.
    const REPORT: &str =
        "eyJzdGF0dXMiOiI0MDAiLCJzY2hlbWVzIjoiQmVhcmVyIiwic2NvcGUiOiJodHRwczovL21haWwuZ29vZ2xlLmNvbS8ifQ==";

    fn ask(message: &[u8]) -> Result<Option<(String, String)>, SaslError> {
        match XOAuth2Server::new().step(ServerInput::Response(message), &mut Vec::new())? {
            ServerStep::Ask(Query::Token { authzid: Some(user), token, host: None, port: None }) => {
                let token = core::str::from_utf8(token.expose()).unwrap();
                Ok(Some((user.to_string(), token.to_string())))
            }
            ServerStep::Challenge => Ok(None),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn rp_xo_1_two_steps_and_the_vector() {
        let mut mechanism = XOAuth2::new("someuser@example.com", TOKEN).unwrap();
        assert!(mechanism.wants_two_steps());
        let mut client = client::Exchange::new(&mut mechanism);
        let mut scratch = [0; 256];
        // It would fit, and yet stays out of the AUTH command.
        assert!(client.start(&mut scratch).unwrap().initial.is_none());
        let reply = client.challenge(Base64::EMPTY, &mut scratch).unwrap();
        let client::Move::Respond(raw) = reply else { panic!("{reply:?}") };
        let mut encoded = Vec::new();
        Base64::encode_to(raw, &mut encoded).unwrap();
        assert_eq!(core::str::from_utf8(&encoded), Ok(V8));
        assert_eq!(ask(raw), Ok(Some(("someuser@example.com".into(), TOKEN.into()))));
        assert_eq!(client.success(), Ok(()));
    }

    #[test]
    fn rp_xo_2_and_pb_q23_a_report_and_an_immediate_refusal() {
        let mut mechanism = XOAuth2::new("someuser@example.com", TOKEN).unwrap();
        let mut client = client::Exchange::new(&mut mechanism);
        let mut scratch = [0; 256];
        assert!(client.start(&mut scratch).unwrap().initial.is_none());
        // Microsoft: -ERR at once. The exchange is dropped here, wherever it stands.
        assert!(matches!(client.challenge(Base64::EMPTY, &mut scratch), Ok(client::Move::Respond(_))));
        // Google: a report, of which an empty message takes note.
        match client.challenge(Base64::new(REPORT.as_bytes()).unwrap(), &mut scratch).unwrap() {
            client::Move::Acknowledge { report, response: b"" } => assert_eq!(
                core::str::from_utf8(report),
                Ok(r#"{"status":"400","schemes":"Bearer","scope":"https://mail.google.com/"}"#)
            ),
            other => panic!("{other:?}"),
        }
        assert_eq!(client.success(), Err(SaslError::Rejected));

        let mut mechanism = XOAuth2::new("u", "t").unwrap();
        assert_eq!(mechanism.step(Input::Done, &mut Vec::new()), Err(SaslError::EarlySuccess));
        assert_eq!(mechanism.step(Input::Start, &mut Vec::new()), Ok(ClientStep::Send));
        let empty = mechanism.step(Input::Challenge(b""), &mut Vec::new());
        assert_eq!(empty, Err(SaslError::UnexpectedChallenge));
    }

    #[test]
    fn rp_xo_3_and_pb_q65_a_refusal_takes_one_more_round_whatever_is_answered() {
        let report = br#"{"status":"400","schemes":"bearer","scope":"mail"}"#;
        let own = br#"{"status":"401","schemes":"bearer"}"#;
        for (answer, words) in [(Answer::TokenRejected(report), &report[..]), (Answer::Rejected, own)] {
            for dummy in [&b""[..], b"AQ==", b"Kg==", V8.as_bytes()] {
                let mut server =
                    server::Exchange::start(MechanismName::XOAUTH2, &server::Setup::default()).unwrap();
                assert!(server.sends_password_in_clear());
                let (mut room, mut out) = ([0; 256], Vec::new());
                let initial = InitialResponse::parse(V8.as_bytes()).unwrap();
                assert!(matches!(server.initial(Some(initial), &mut room, &mut out), Ok(ServerStep::Ask(_))));
                assert!(!server.has_refused());
                assert!(matches!(server.answer(answer, &mut out), Ok(ServerStep::Challenge)));
                assert!(server.has_refused());
                assert_eq!(out, words);
                let error = server
                    .response(Base64::new(dummy).unwrap(), &mut room, &mut out)
                    .map(|_| ())
                    .unwrap_err();
                assert_eq!(error, SaslError::Rejected);
                assert!(error.rejects_credentials());
            }
        }
        // On `*` or undecodable base64 the caller drops the exchange: it has answered nothing.
    }

    #[test]
    fn rp_xo_3_server_table() {
        let just = Ok(Some(("u".to_string(), "t".to_string())));
        for good in [
            &b"user=u\x01auth=Bearer t\x01\x01"[..],
            b"auth=Bearer t\x01user=u\x01\x01",
            b"user=u\x01auth=bEARER  t\x01\x01",
            b"user=u\x01host=h\x01port=x\x01auth=Bearer t\x01vendor=\xc3\xa4\x01\x01",
        ] {
            assert_eq!(ask(good), just, "{}", good.escape_ascii());
        }
        assert_eq!(ask("user=jürgen=,\x01auth=Bearer t\x01\x01".as_bytes()).unwrap().unwrap().0, "jürgen=,");
        assert_eq!(ask(b"user=u\x01auth=\x01\x01"), Ok(None));
        for malformed in [
            &b""[..],
            b"\x01",
            b"user=u\x01\x01",
            b"auth=Bearer t\x01\x01",
            b"user=\x01auth=Bearer t\x01\x01",
            b"user=u\x01auth=Bearer t\x01",
            b"user=u\x01auth=Bearer t",
            b"user=u\x01auth=Bearer t\x01\x01\x01",
            b"user=u\x01\x01auth=Bearer t\x01\x01",
            b"user=u\x01auth=Bearer\x01\x01",
            b"user=u\x01auth=Bearer \x01\x01",
            b"user=u\x01auth=Basic t\x01\x01",
            b"user=u\x01auth=Bearer t t\x01\x01",
            b"user=u\x01auth=Bearer t\xff\x01\x01",
            b"user=u\x01user=v\x01auth=Bearer t\x01\x01",
            b"user=u\x01auth=Bearer t\x01auth=Bearer v\x01\x01",
            b"user=u\0\x01auth=Bearer t\x01\x01",
            b"n,a=u,\x01auth=Bearer t\x01\x01",
        ] {
            assert_eq!(ask(malformed), Err(SaslError::Malformed), "{}", malformed.escape_ascii());
        }
        for nobody in [&b"user=u\x07\x01auth=Bearer t\x01\x01"[..], b"user=\xfc\x01auth=Bearer t\x01\x01"] {
            assert_eq!(ask(nobody), Err(SaslError::Identity), "{}", nobody.escape_ascii());
        }
    }

    #[test]
    fn rp_xo_3_every_message_of_a_small_alphabet_of_pieces() {
        const PIECES: [&[u8]; 8] = [b"user=", b"auth=", b"Bearer ", b"bearer ", b"x", b"\x01", b"=", b"\0"];
        // By splitting at once, which the code under test does not.
        fn naive(message: &[u8]) -> Option<(String, String)> {
            let text = core::str::from_utf8(message).ok()?;
            let fields: Vec<(&str, &str)> = text
                .strip_suffix("\x01\x01")?
                .split('\x01')
                .map(|field| field.split_once('='))
                .collect::<Option<_>>()?;
            let one = |key: &str| {
                let mut values = fields.iter().filter(|field| field.0 == key).map(|field| field.1);
                values.next().filter(|_| values.next().is_none())
            };
            let (user, auth) = (one("user")?, one("auth")?);
            let token = auth.strip_prefix("Bearer ").or_else(|| auth.strip_prefix("bearer "))?.trim_start();
            let letters =
                fields.iter().all(|(key, _)| !key.is_empty() && key.chars().all(char::is_alphabetic));
            let good = letters && !text.contains('\0') && !user.is_empty() && !token.is_empty();
            (good && !token.contains(' ')).then(|| (user.to_string(), token.to_string()))
        }
        let mut understood = 0;
        for length in 0..=8u32 {
            // The longest have the usual head, or there would be too many.
            let fixed: &[&[u8]] = if length > 5 { &[b"user=", b"x", b"\x01"] } else { &[] };
            let free = length - u32::try_from(fixed.len()).unwrap();
            for mut n in 0..PIECES.len().pow(free) {
                let mut message = fixed.concat();
                for _ in 0..free {
                    message.extend_from_slice(PIECES[n % PIECES.len()]);
                    n /= PIECES.len();
                }
                for tail in [&b""[..], b"\x01\x01"] {
                    let message = [&message[..], tail].concat();
                    let ours = ask(&message).ok().flatten();
                    assert_eq!(ours, naive(&message), "{}", message.escape_ascii());
                    understood += usize::from(ours.is_some());
                }
            }
        }
        assert!(understood > 100, "{understood}");
    }

    #[test]
    fn r4422_3_6_done_only_after_an_accepted_question() {
        let message = b"user=u\x01auth=Bearer t\x01\x01";
        let calls = [
            ServerInput::Start(None),
            ServerInput::Start(Some(message)),
            ServerInput::Response(message),
            ServerInput::Response(b"\x01"),
            ServerInput::Answer(Answer::Accepted),
            ServerInput::Answer(Answer::Rejected),
            ServerInput::Answer(Answer::TokenRejected(b"{}")),
        ];
        let mut done = 0;
        for n in 0..calls.len().pow(5) {
            let mut server = XOAuth2Server::new();
            let (mut asked, mut over) = (false, false);
            for k in 0..5 {
                let at = n / calls.len().pow(k) % calls.len();
                let step = server.step(calls[at], &mut Vec::new());
                let success = asked && at == 4 && !over;
                assert_eq!(matches!(step, Ok(ServerStep::Done)), success, "order {n}, call {k}");
                asked = matches!(step, Ok(ServerStep::Ask(_)));
                over |= step.is_err();
                assert!(!(over && asked));
                done += usize::from(success);
            }
        }
        assert!(done > 0);
    }

    #[test]
    fn pb_c39_a_token_of_64_kib_goes_through_uncut() {
        for length in [1, 1024, 4096, 8192, 65_536] {
            let token = "t".repeat(length);
            let (mut client, mut out) = (XOAuth2::new("u", &token).unwrap(), vec![0; length + 21]);
            let short = client.step(Input::Start, &mut out[1..].as_mut());
            assert_eq!(short, Err(SaslError::NoRoom { needed: length + 21 }));
            let mut room = out.as_mut_slice();
            assert_eq!(client.step(Input::Start, &mut room), Ok(ClientStep::Send));
            assert!(room.is_empty());
            assert_eq!(ask(&out), Ok(Some(("u".into(), token))));
        }
    }

    #[test]
    fn rp_xo_1_a_client_refuses_what_would_break_the_message() {
        let error = |part, problem| Some(SaslError::Credential { part, problem });
        let forbidden = |octet| ArgError::Forbidden { octet };
        assert_eq!(XOAuth2::new("", "t").err(), error(Part::Authzid, ArgError::Empty));
        assert_eq!(XOAuth2::new("u", "").err(), error(Part::Token, ArgError::Empty));
        assert_eq!(XOAuth2::new("u\x01", "t").err(), error(Part::Authzid, forbidden(1)));
        assert_eq!(XOAuth2::new("u", "t\x01").err(), error(Part::Token, forbidden(1)));
        assert_eq!(XOAuth2::new("u", "t\n").err(), error(Part::Token, forbidden(b'\n')));
        assert!(XOAuth2::new("jürgen müller", "t").is_ok());
    }

    #[test]
    fn pb_c32_no_debug_shows_the_token() {
        let client = XOAuth2::new("canary", "canary").unwrap();
        let mut server = XOAuth2Server::new();
        let mut shown = format!("{client:?}");
        let input = ServerInput::Response(b"user=canary\x01auth=Bearer canary\x01\x01");
        shown += &format!("{input:?} {:?}", server.step(input, &mut Vec::new()));
        shown += &format!("{server:?}");
        assert!(!shown.contains("canary") && !shown.contains("99, 97, 110"), "{shown}");
    }
}
