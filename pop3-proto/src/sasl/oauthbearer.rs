//! OAUTHBEARER (RFC 7628): a bearer token of OAuth 2.0 instead of a password.
//!
//! `n,a=user,^Ahost=h^Aport=p^Aauth=Bearer token^A^A`. Who has the token can use it: only under TLS, with the server
//! verified (R7628-3.1). Allocates nothing, never panics, owns no secret; no token is too long.

use core::fmt;

use super::bearer::{self, Course, Fields};
use super::client::{ClientMechanism, ClientStep, Input};
use super::name::Name;
use super::server::{Query, ServerInput, ServerMechanism, ServerStep};
use super::{Part, SaslError};
use crate::{ArgError, MechanismName, Sink};

/// What the server says of a token where the user database says no more (RFC 7628 section 3.2.2).
const REFUSAL: &str = r#"{"status":"invalid_token"}"#;

/// OAUTHBEARER for a client. It borrows the credentials; wiping them is the owner's part.
pub struct OAuthBearer<'a> {
    user: &'a str,
    host: Option<&'a str>,
    /// In decimal digits.
    port: Option<([u8; 5], usize)>,
    token: &'a str,
    state: State,
}

#[derive(Clone, Copy, Debug)]
enum State {
    New,
    Sent,
    Refused,
}

impl<'a> OAuthBearer<'a> {
    /// Will log in as `user` by `token`; `host` and `port` say which server is meant, as the caller knows it. Servers may
    /// refuse a wrong one (R7628-3.2).
    ///
    /// # Errors
    ///
    /// [`SaslError::Credential`]: a part is empty, `user` holds a control character, `host` or `token` something other
    /// than visible ASCII, or `port` is 0.
    pub fn new(
        user: &'a str,
        host: Option<&'a str>,
        port: Option<u16>,
        token: &'a str,
    ) -> Result<Self, SaslError> {
        bearer::check(Part::Authzid, user)?;
        bearer::check(Part::Token, token)?;
        if let Some(host) = host {
            bearer::check(Part::Host, host)?;
        }
        if port == Some(0) {
            let problem = ArgError::Forbidden { octet: b'0' };
            return Err(SaslError::Credential { part: Part::Port, problem });
        }
        Ok(Self { user, host, port: port.map(decimal), token, state: State::New })
    }
}

impl ClientMechanism for OAuthBearer<'_> {
    fn name(&self) -> MechanismName<'static> {
        MechanismName::OAUTHBEARER
    }

    fn client_first(&self) -> bool {
        true
    }

    fn sends_password_in_clear(&self) -> bool {
        true
    }

    fn step(&mut self, input: Input<'_>, out: &mut dyn Sink) -> Result<ClientStep, SaslError> {
        match (input, self.state) {
            (Input::Start, State::New | State::Sent) => {
                let port = self.port.as_ref().and_then(|(digits, length)| digits.get(..*length));
                let head = [&b"n,a="[..]].into_iter().chain(escaped(self.user)).chain([&b",\x01"[..]]);
                let head = head.chain(field(b"host=", self.host.map(str::as_bytes)));
                bearer::write(out, head.chain(field(b"port=", port)), self.token)?;
                self.state = State::Sent;
                Ok(ClientStep::Send)
            }
            (Input::Challenge(report), State::Sent) if !report.is_empty() => {
                out.reserve(1)?;
                out.put(b"\x01");
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

impl fmt::Debug for OAuthBearer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OAuthBearer([redacted])")
    }
}

/// `key`, `value` and what ends them, or nothing.
fn field<'p>(key: &'p [u8], value: Option<&'p [u8]>) -> impl Iterator<Item = &'p [u8]> + Clone {
    value.into_iter().flat_map(move |value| [key, value, b"\x01"])
}

/// `user` as saslname (RFC 5801 section 4): `,` and `=` by their numbers.
fn escaped(user: &str) -> impl Iterator<Item = &[u8]> + Clone {
    user.as_bytes().split_inclusive(|octet| matches!(octet, b',' | b'=')).flat_map(|piece| {
        match piece.split_last() {
            Some((b',', before)) => [before, b"=2C"],
            Some((b'=', before)) => [before, b"=3D"],
            _ => [piece, b""],
        }
    })
}

fn decimal(number: u16) -> ([u8; 5], usize) {
    let mut digits = [0; 5];
    let mut length = 0usize;
    for divisor in [10_000, 1000, 100, 10, 1] {
        let [.., digit] = (number.checked_div(divisor).unwrap_or_default() % 10).to_be_bytes();
        if digit != 0 || length > 0 {
            if let Some(place) = digits.get_mut(length) {
                *place = b'0'.saturating_add(digit);
            }
            length = length.saturating_add(1);
        }
    }
    (digits, length)
}

/// OAUTHBEARER for a server. It asks one [`Query::Token`], in which `authzid` is absent if the client named nobody.
///
/// If the answer is no, it sends the JSON text of [`Answer::TokenRejected`](super::server::Answer::TokenRejected), or one
/// with the `status` alone, takes whatever the client says to it, and then fails (R7628-3.3). The same happens, with
/// nothing asked, to a client that sends no token in order to be told where to get one.
///
/// Keys that it does not know are passed over; one of those it knows may come once. A name of more than
/// [`MAX_NAME`](super::MAX_NAME) octets is nobody's, and so is one with control characters. There is no limit to the
/// token but the caller's.
#[derive(Debug, Default)]
pub struct OAuthBearerServer {
    name: Name,
    course: Course,
}

impl OAuthBearerServer {
    /// Waits for the client's message.
    pub const fn new() -> Self {
        Self { name: Name::new(), course: Course::New }
    }
}

impl ServerMechanism for OAuthBearerServer {
    fn name(&self) -> MechanismName<'static> {
        MechanismName::OAUTHBEARER
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
        let name = &mut self.name;
        self.course.step(input, out, REFUSAL, |message| parse(message, name))
    }
}

/// `gs2-header kvsep *kvpair kvsep` (RFC 7628 section 3.1).
fn parse<'a>(message: &'a [u8], name: &'a mut Name) -> Result<Option<Query<'a>>, SaslError> {
    // No channel binding, or one that the client takes us not to offer, which is so.
    let rest = message.strip_prefix(b"n,").or_else(|| message.strip_prefix(b"y,"));
    let rest = rest.ok_or(SaslError::Malformed)?;
    let end = memchr::memchr(b',', rest).ok_or(SaslError::Malformed)?;
    let (authzid, rest) = rest.split_at_checked(end).ok_or(SaslError::Malformed)?;
    let fields = rest.strip_prefix(b",\x01").ok_or(SaslError::Malformed)?;
    let fields = Fields::parse(fields, |octet| matches!(octet, b' '..=b'~' | b'\t' | b'\r' | b'\n'))?;
    let authzid = match authzid {
        [] => None,
        authzid => {
            unescape(authzid.strip_prefix(b"a=").ok_or(SaslError::Malformed)?, name)?;
            Some(name.as_str())
        }
    };
    let host = match fields.host.unwrap_or_default() {
        [] => None,
        host if host.iter().all(u8::is_ascii_graphic) => core::str::from_utf8(host).ok(),
        _ => return Err(SaslError::Malformed),
    };
    let port = match fields.port.unwrap_or_default() {
        [] => None,
        digits => Some(number(digits).ok_or(SaslError::Malformed)?),
    };
    Ok(fields.token()?.map(|token| Query::Token { authzid, token, host, port }))
}

fn unescape(text: &[u8], name: &mut Name) -> Result<(), SaslError> {
    if text.is_empty() {
        return Err(SaslError::Malformed);
    }
    let mut pieces = text.split(|&octet| octet == b'=');
    let first = pieces.next().unwrap_or_default();
    let wrong = |piece: &[u8]| !piece.starts_with(b"2C") && !piece.starts_with(b"3D");
    if pieces.clone().any(wrong) {
        return Err(SaslError::Malformed);
    }
    let rest = pieces.flat_map(|piece| {
        let octet: &[u8] = if piece.starts_with(b"2C") { b"," } else { b"=" };
        [octet, piece.get(2..).unwrap_or_default()]
    });
    name.set([first].into_iter().chain(rest))
}

/// A port: digits, neither 0 nor led by one.
fn number(digits: &[u8]) -> Option<u16> {
    if digits.first() == Some(&b'0') || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    core::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sasl::server::{self, Answer};
    use crate::sasl::{MAX_NAME, client};
    use crate::{Base64, InitialResponse};
    use std::format;
    use std::string::{String, ToString as _};
    use std::vec;
    use std::vec::Vec;

    const V7: &str = "bixhPXVzZXJAZXhhbXBsZS5jb20sAWhvc3Q9c2VydmVyLmV4YW1wbGUuY29tAXBvcnQ9OTk1AWF1dGg9QmVhcmVyIHZGOWRmdDRxbVRjMk52YjNSbGNrQmhiSFJoZG1semRHRXVZMjl0Q2c9PQEB";
    const TOKEN: &str = "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==";

    type Asked = (Option<String>, String, Option<String>, Option<u16>);

    /// What the server wants to know; `None` if it sends its refusal at once.
    fn ask(message: &[u8]) -> Result<Option<Asked>, SaslError> {
        let mut server = OAuthBearerServer::new();
        match server.step(ServerInput::Response(message), &mut Vec::new())? {
            ServerStep::Ask(Query::Token { authzid, token, host, port }) => {
                let token = core::str::from_utf8(token.expose()).unwrap().to_string();
                Ok(Some((authzid.map(str::to_string), token, host.map(str::to_string), port)))
            }
            ServerStep::Challenge => Ok(None),
            other => panic!("{other:?}"),
        }
    }

    fn said(user: &str, host: Option<&str>, port: Option<u16>, token: &str) -> Vec<u8> {
        let mut out = Vec::new();
        let mut client = OAuthBearer::new(user, host, port, token).unwrap();
        assert_eq!(client.step(Input::Start, &mut out), Ok(ClientStep::Send));
        out
    }

    #[test]
    fn r7628_3_1_the_vector() {
        let message = said("user@example.com", Some("server.example.com"), Some(995), TOKEN);
        let mut encoded = Vec::new();
        Base64::encode_to(&message, &mut encoded).unwrap();
        assert_eq!(core::str::from_utf8(&encoded), Ok(V7));
        let asked = ask(&message).unwrap().unwrap();
        assert_eq!(
            asked,
            (Some("user@example.com".into()), TOKEN.into(), Some("server.example.com".into()), Some(995))
        );
    }

    #[test]
    fn r7628_3_1_what_a_client_says() {
        assert_eq!(said("u", None, None, "t"), b"n,a=u,\x01auth=Bearer t\x01\x01");
        assert_eq!(said("u", Some("h"), None, "t"), b"n,a=u,\x01host=h\x01auth=Bearer t\x01\x01");
        for (port, digits) in [
            (1, "1"),
            (9, "9"),
            (10, "10"),
            (110, "110"),
            (995, "995"),
            (1000, "1000"),
            (20_305, "20305"),
            (65_535, "65535"),
        ] {
            let message = format!("n,a=u,\x01port={digits}\x01auth=Bearer t\x01\x01");
            assert_eq!(said("u", None, Some(port), "t"), message.as_bytes());
        }
        for (user, escaped) in [
            ("a,b", "a=2Cb"),
            ("a=b", "a=3Db"),
            (",", "=2C"),
            ("=,=", "=3D=2C=3D"),
            ("==ab,,", "=3D=3Dab=2C=2C"),
            ("=2C", "=3D2C"),
            ("jürgen müller", "jürgen müller"),
        ] {
            let message = said(user, None, None, "t");
            assert_eq!(message, format!("n,a={escaped},\x01auth=Bearer t\x01\x01").as_bytes());
            assert_eq!(ask(&message).unwrap().unwrap().0.as_deref(), Some(user));
        }
    }

    #[test]
    fn r7628_3_1_a_client_refuses_what_would_break_the_message() {
        let error = |part, problem| Some(SaslError::Credential { part, problem });
        let forbidden = |octet| ArgError::Forbidden { octet };
        for (user, host, port, token, why) in [
            ("", None, None, "t", error(Part::Authzid, ArgError::Empty)),
            ("u\x01", None, None, "t", error(Part::Authzid, forbidden(1))),
            ("u\0", None, None, "t", error(Part::Authzid, forbidden(0))),
            ("u\n", None, None, "t", error(Part::Authzid, forbidden(b'\n'))),
            ("u", None, None, "", error(Part::Token, ArgError::Empty)),
            ("u", None, None, "t\x01", error(Part::Token, forbidden(1))),
            ("u", None, None, "t t", error(Part::Token, forbidden(b' '))),
            ("u", None, None, "t\r\n", error(Part::Token, forbidden(b'\r'))),
            ("u", None, None, "tü", error(Part::Token, forbidden(0xc3))),
            ("u", Some(""), None, "t", error(Part::Host, ArgError::Empty)),
            ("u", Some("h\x01port=1"), None, "t", error(Part::Host, forbidden(1))),
            ("u", Some("h "), None, "t", error(Part::Host, forbidden(b' '))),
            ("u", None, Some(0), "t", error(Part::Port, forbidden(b'0'))),
            ("u v", Some("::1"), Some(1), "-._~+/=", None),
        ] {
            assert_eq!(OAuthBearer::new(user, host, port, token).err(), why);
        }
    }

    #[test]
    fn r7628_3_1_server_table() {
        let just = |authzid: Option<&str>| Ok(Some((authzid.map(str::to_string), "t".into(), None, None)));
        for (message, expected) in [
            ("n,a=u,\x01auth=Bearer t\x01\x01", just(Some("u"))),
            ("n,,\x01auth=Bearer t\x01\x01", just(None)), // whoever the token belongs to
            ("y,a=u,\x01auth=Bearer t\x01\x01", just(Some("u"))),
            ("n,a=u,\x01auth=bearer t\x01\x01", just(Some("u"))),
            ("n,a=u,\x01auth=BEARER   t\x01\x01", just(Some("u"))),
            ("n,a=ü=2C=3Du,\x01auth=Bearer t\x01\x01", just(Some("ü,=u"))),
            // Unknown keys, of any visible content, before and behind; keys are told apart by capitals.
            ("n,,\x01x=\x01auth=Bearer t\x01mthd=POST\x01qs=a=b\r\n\t\x01\x01", just(None)),
            ("n,,\x01AUTH=x\x01auth=Bearer t\x01Host=y\x01user=z\x01\x01", just(None)),
            ("n,,\x01host=\x01port=\x01auth=Bearer t\x01\x01", just(None)),
            ("n,,\x01auth=\x01\x01", Ok(None)), // wants to be told where tokens are
        ] {
            assert_eq!(ask(message.as_bytes()), expected, "{message:?}");
        }
        let hosts = ask(b"n,,\x01port=995\x01host=h\x01auth=Bearer t\x01\x01").unwrap().unwrap();
        assert_eq!((hosts.2.as_deref(), hosts.3), (Some("h"), Some(995)));
        for malformed in [
            &b""[..],
            b"\x01",
            b"\x01\x01",
            b"n,,",
            b"n,,\x01",
            b"n,,\x01\x01",
            b"n,,auth=Bearer t\x01\x01",
            b"n,\x01auth=Bearer t\x01\x01",
            b"n,u,\x01auth=Bearer t\x01\x01",
            b"n,a=,\x01auth=Bearer t\x01\x01",
            b"n,a=u\x01auth=Bearer t\x01\x01",
            b"n,a=u,x\x01auth=Bearer t\x01\x01",
            b"N,,\x01auth=Bearer t\x01\x01",
            b"p=tls-exporter,,\x01auth=Bearer t\x01\x01",
            b"F,n,,\x01auth=Bearer t\x01\x01",
            // The escapes of a name.
            b"n,a=u=,\x01auth=Bearer t\x01\x01",
            b"n,a=u=2,\x01auth=Bearer t\x01\x01",
            b"n,a=u=2c,\x01auth=Bearer t\x01\x01",
            b"n,a=u=00,\x01auth=Bearer t\x01\x01",
            // The end, and the fields.
            b"n,,\x01auth=Bearer t",
            b"n,,\x01auth=Bearer t\x01",
            b"n,,\x01auth=Bearer t\x01\x01\x01",
            b"n,,\x01auth=Bearer t\x01\x01x=y\x01\x01",
            b"n,,\x01\x01auth=Bearer t\x01\x01",
            b"n,,\x01x\x01auth=Bearer t\x01\x01",
            b"n,,\x01=y\x01auth=Bearer t\x01\x01",
            b"n,,\x01x1=y\x01auth=Bearer t\x01\x01",
            b"n,,\x01x=\xc3\xa4\x01auth=Bearer t\x01\x01",
            b"n,,\x01x=\0\x01auth=Bearer t\x01\x01",
            b"n,,\x01auth=Bearer t\x01auth=Bearer t\x01\x01",
            b"n,,\x01auth=\x01auth=Bearer t\x01\x01",
            b"n,,\x01host=h\x01host=h\x01auth=Bearer t\x01\x01",
            b"n,,\x01port=1\x01port=2\x01auth=Bearer t\x01\x01",
            b"n,,\x01host=h h\x01auth=Bearer t\x01\x01",
            b"n,,\x01host=h\r\n\x01auth=Bearer t\x01\x01",
            b"n,,\x01port=0\x01auth=Bearer t\x01\x01",
            b"n,,\x01port=0995\x01auth=Bearer t\x01\x01",
            b"n,,\x01port=65536\x01auth=Bearer t\x01\x01",
            b"n,,\x01port=+995\x01auth=Bearer t\x01\x01",
            b"n,,\x01port=pop3s\x01auth=Bearer t\x01\x01",
            // The token.
            b"n,,\x01auth=t\x01\x01",
            b"n,,\x01auth=Bearer\x01\x01",
            b"n,,\x01auth=Bearer \x01\x01",
            b"n,,\x01auth=Bearer  \x01\x01",
            b"n,,\x01auth=Basic t\x01\x01",
            b"n,,\x01auth=Bearert\x01\x01",
            b"n,,\x01auth=Bearer\tt\x01\x01",
            b"n,,\x01auth= Bearer t\x01\x01",
            b"n,,\x01auth=Bearer t \x01\x01",
            b"n,,\x01auth=Bearer t t\x01\x01",
            b"n,,\x01auth=Bearer t\r\n\x01\x01",
        ] {
            assert_eq!(ask(malformed), Err(SaslError::Malformed), "{}", malformed.escape_ascii());
        }
        for nobody in [
            &b"n,a=u\xfc,\x01auth=Bearer t\x01\x01"[..],
            b"n,a=u\x07,\x01auth=Bearer t\x01\x01", // R5034-4.15
            b"n,a=u\0,\x01auth=Bearer t\x01\x01",
            b"n,a=u\r\nv,\x01auth=Bearer t\x01\x01",
            b"n,a=\xc3=2C\xa4,\x01auth=Bearer t\x01\x01",
        ] {
            assert_eq!(ask(nobody), Err(SaslError::Identity), "{}", nobody.escape_ascii());
        }
    }

    #[test]
    fn r7628_3_1_no_octet_may_be_left_out_put_in_or_changed_to_another_meaning() {
        // Of each change the server says what the message then means, or that it means nothing; never something else.
        let good = b"n,a=u,\x01host=h\x01port=1\x01auth=Bearer t\x01\x01";
        let of = |asked: Asked| {
            let (authzid, token, host, port) = asked;
            let mut field = String::new();
            host.iter().for_each(|host| field += &format!("\x01host={host}"));
            port.iter().for_each(|port| field += &format!("\x01port={port}"));
            let name = authzid.map(|name| format!("a={}", name.replace('=', "=3D").replace(',', "=2C")));
            format!("n,{},{field}\x01auth=Bearer {token}\x01\x01", name.unwrap_or_default())
        };
        assert_eq!(ask(good).unwrap().map(of).unwrap().as_bytes(), good);
        let mut understood = 0;
        let mut check = |message: Vec<u8>| {
            let Ok(Some(asked)) = ask(&message) else { return };
            // What differs is the flag, the capitals of the scheme, blanks behind it, or a field nobody knows.
            let unknown = |asked: &Asked| asked.2.is_none() || asked.3.is_none();
            let skipped = unknown(&asked);
            let text = String::from_utf8(message).unwrap();
            let (head, scheme) = text.split_once("\x01auth=").unwrap();
            let token = scheme.get(7..).unwrap().trim_start();
            assert!(scheme[..7].eq_ignore_ascii_case("Bearer "), "{text:?}");
            let head = head.strip_prefix(['n', 'y']).unwrap();
            if !skipped {
                assert_eq!(of(asked), format!("n{head}\x01auth=Bearer {token}"));
            }
            understood += 1;
        };
        for at in 0..=good.len() {
            for octet in 0..=255 {
                let (before, behind) = good.split_at(at);
                check([before, &[octet], behind].concat());
                if let Some((_, behind)) = behind.split_first() {
                    check([before, &[octet], behind].concat());
                }
            }
            if at < good.len() {
                check([&good[..at], &good[at + 1..]].concat());
            }
        }
        assert!(understood > 1000, "{understood}");
    }

    #[test]
    fn r7628_3_2_host_and_port_are_the_servers_to_judge() {
        let message = said("u", Some("imap.example.org"), Some(993), "t");
        let mut server = OAuthBearerServer::new();
        let report = br#"{"status":"invalid_request"}"#;
        let answer = match server.step(ServerInput::Response(&message), &mut Vec::new()) {
            Ok(ServerStep::Ask(Query::Token { host: Some("imap.example.org"), port: Some(993), .. })) => {
                Answer::TokenRejected(report)
            }
            other => panic!("{other:?}"),
        };
        let mut out = Vec::new();
        assert!(matches!(server.step(ServerInput::Answer(answer), &mut out), Ok(ServerStep::Challenge)));
        assert_eq!(out, report);
        let end = server.step(ServerInput::Response(b"\x01"), &mut out);
        assert!(matches!(end, Err(SaslError::Rejected)));
    }

    #[test]
    fn r7628_3_3_and_pb_q65_a_refusal_takes_one_more_round_whatever_is_answered() {
        let report =
            br#"{"status":"invalid_token","scope":"mail","openid-configuration":"https://example.org/c"}"#;
        for (answer, words) in [
            (Answer::TokenRejected(report), &report[..]),
            (Answer::Rejected, br#"{"status":"invalid_token"}"#),
        ] {
            for dummy in [&b""[..], b"AQ==", b"Kg==", b"bixhPXUsAWF1dGg9QmVhcmVyIHQBAQ=="] {
                let setup = server::Setup::default();
                let mut server = server::Exchange::start(MechanismName::OAUTHBEARER, &setup).unwrap();
                let (mut room, mut out) = ([0; 256], Vec::new());
                let initial = InitialResponse::parse(V7.as_bytes()).unwrap();
                assert!(matches!(server.initial(Some(initial), &mut room, &mut out), Ok(ServerStep::Ask(_))));
                // Too little room changes nothing.
                let mut small = [0; 8];
                let error = server.answer(answer, &mut small.as_mut_slice()).map(|_| ()).unwrap_err();
                assert_eq!(error, SaslError::NoRoom { needed: words.len() });
                assert!(!server.has_refused());
                assert!(matches!(server.answer(answer, &mut out), Ok(ServerStep::Challenge)));
                assert!(server.has_refused());
                assert_eq!(out, words);
                let error = server
                    .response(Base64::new(dummy).unwrap(), &mut room, &mut out)
                    .map(|_| ())
                    .unwrap_err();
                assert_eq!(error, SaslError::Rejected);
                assert!(error.rejects_credentials() && out == words);
                assert!(server.answer(Answer::Accepted, &mut out).is_err());
            }
        }
    }

    #[test]
    fn r7628_3_3_a_client_takes_note_by_one_octet_and_shows_the_report() {
        let report = br#"{"status":"invalid_token"}"#;
        let mut encoded = Vec::new();
        Base64::encode_to(report, &mut encoded).unwrap();
        let mut mechanism = OAuthBearer::new("u", None, None, "t").unwrap();
        let mut client = client::Exchange::new(&mut mechanism);
        let mut scratch = [0; 256];
        assert!(client.start(&mut scratch).unwrap().initial.is_some());
        match client.challenge(Base64::new(&encoded).unwrap(), &mut scratch).unwrap() {
            client::Move::Acknowledge { report: shown, response } => {
                assert_eq!((shown, response), (&report[..], &b"\x01"[..]));
            }
            other => panic!("{other:?}"),
        }
        // No +OK turns this into a success, and no further challenge is answered.
        assert_eq!(client.success(), Err(SaslError::Rejected));
        let more = client.challenge(Base64::new(&encoded).unwrap(), &mut scratch).unwrap();
        assert!(matches!(more, client::Move::Cancel(SaslError::Rejected)));

        // An immediate -ERR needs nothing of the mechanism; an empty challenge is no report.
        let mut mechanism = OAuthBearer::new("u", None, None, "t").unwrap();
        assert_eq!(mechanism.step(Input::Done, &mut Vec::new()), Err(SaslError::EarlySuccess));
        assert_eq!(mechanism.step(Input::Start, &mut Vec::new()), Ok(ClientStep::Send));
        let empty = mechanism.step(Input::Challenge(b""), &mut Vec::new());
        assert_eq!(empty, Err(SaslError::UnexpectedChallenge));
        assert_eq!(mechanism.step(Input::Done, &mut Vec::new()), Ok(ClientStep::Finished));
        assert!(mechanism.client_first() && mechanism.sends_password_in_clear());
    }

    #[test]
    fn r5034_4_12_and_pb_c39_a_token_of_64_kib_goes_through_uncut() {
        for length in [1, 150, 255, 4096, 8192, 65_536] {
            let token = "t".repeat(length);
            let mut mechanism = OAuthBearer::new("user", Some("h"), Some(995), &token).unwrap();
            let mut client = client::Exchange::new(&mut mechanism);
            let mut server =
                server::Exchange::start(MechanismName::OAUTHBEARER, &server::Setup::default()).unwrap();
            let (mut scratch, mut room, mut out) = (vec![0; 70_000], vec![0; 70_000], Vec::new());
            let mut line = Vec::new();
            let first = client.start(&mut scratch).unwrap();
            assert_eq!(first.initial.is_some(), length < 150);
            let step = if let Some(raw) = first.initial {
                InitialResponse::encode_to(raw, &mut line).unwrap();
                server.initial(Some(InitialResponse::parse(&line).unwrap()), &mut room, &mut out)
            } else {
                assert!(matches!(server.initial(None, &mut [], &mut out), Ok(ServerStep::Challenge)));
                let reply = client.challenge(Base64::EMPTY, &mut scratch).unwrap();
                let client::Move::Respond(raw) = reply else { panic!("{reply:?}") };
                Base64::encode_to(raw, &mut line).unwrap();
                server.response(Base64::new(&line).unwrap(), &mut room, &mut out)
            };
            match step {
                Ok(ServerStep::Ask(Query::Token { token: asked, .. })) => {
                    assert_eq!(asked.expose(), token.as_bytes());
                }
                other => panic!("{other:?}"),
            }
            assert!(matches!(server.answer(Answer::Accepted, &mut out), Ok(ServerStep::Done)));
            assert_eq!(client.success(), Ok(()));
        }
        let long = "u".repeat(MAX_NAME + 1);
        assert_eq!(ask(&said(&long[1..], None, None, "t")).unwrap().unwrap().0.as_deref(), Some(&long[1..]));
        assert_eq!(ask(&said(&long, None, None, "t")), Err(SaslError::Identity));
    }

    #[test]
    fn pb_c32_no_debug_shows_the_token() {
        let client = OAuthBearer::new("canary", Some("canary"), None, "canary").unwrap();
        let message = said("canary", Some("canary"), None, "canary");
        let mut server = OAuthBearerServer::new();
        let mut shown = format!("{client:?}");
        let input = ServerInput::Response(&message);
        shown += &format!("{input:?} {:?}", server.step(input, &mut Vec::new()));
        shown += &format!("{server:?}");
        assert!(!shown.contains("canary") && !shown.contains("99, 97, 110"), "{shown}");
    }
}
