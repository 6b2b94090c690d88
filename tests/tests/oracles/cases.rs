//! Who tries to log in how, and what must come of it; and the users whom all servers here know.

use pop3_proto::sasl::MECHANISMS;

/// The outcome that a case must have.
#[derive(Clone, Copy)]
pub(crate) enum Verdict {
    /// Both sides agree that the client is in, as this one.
    In(&'static str),
    /// Nobody is in.
    Out,
}

/// One try to log in.
pub(crate) struct Case {
    /// The mechanisms it is for: those whose names begin so.
    family: &'static str,
    /// What is tried.
    pub(crate) what: &'static str,
    pub(crate) authzid: Option<&'static str>,
    pub(crate) authcid: &'static str,
    /// The password or token.
    pub(crate) secret: &'static str,
    pub(crate) bound: Bound,
    pub(crate) verdict: Verdict,
}

/// How the client binds itself to the connection, in the mechanisms that can.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bound {
    /// As the mechanism has it: by `tls-exporter` if it is a `-PLUS` one, and else not at all.
    Usual,
    /// By the server's certificate.
    EndPoint,
    /// To a connection that is not the server's.
    OtherConnection,
    /// To a certificate that is not the server's.
    OtherEndPoint,
    /// Not, since the server does not offer it.
    NotOffered,
    /// Not, since somebody took the offer away.
    Hidden,
}

/// The `tls-exporter` value of the server's connection, and that of another.
pub(crate) const EXPORTERS: [[u8; 32]; 2] = [[7; 32], [8; 32]];
/// The `tls-server-end-point` value of the server's certificate, and that of another.
pub(crate) const END_POINTS: [&[u8]; 2] = [&[9; 32], &[10; 32]];

impl Case {
    /// Whether it is one for `mechanism`.
    pub(crate) fn of(&self, mechanism: &str) -> bool {
        let plus = mechanism.ends_with("-PLUS");
        mechanism.starts_with(self.family)
            && match self.bound {
                Bound::Usual => true,
                Bound::EndPoint | Bound::OtherConnection | Bound::OtherEndPoint => plus,
                Bound::NotOffered | Bound::Hidden => !plus,
            }
    }
}

/// The nonce of those clients that take one.
pub(crate) const NONCE: &str = "fyko+d2lbbFgONRv9qkxdawL";

/// What a server says of a token it refuses; all of them the same, so that it can be compared.
pub(crate) const REPORT: &[u8] = br#"{"status":"invalid_token"}"#;

const fn case(
    family: &'static str,
    what: &'static str,
    authzid: Option<&'static str>,
    authcid: &'static str,
    secret: &'static str,
    verdict: Verdict,
) -> Case {
    Case { family, what, authzid, authcid, secret, bound: Bound::Usual, verdict }
}

/// The right credentials, bound so.
const fn scram(what: &'static str, bound: Bound, verdict: Verdict) -> Case {
    Case { bound, ..case("SCRAM", what, None, "user", "pencil", verdict) }
}

use Verdict::{In, Out};

pub(crate) const CASES: &[Case] = &[
    case("PLAIN", "right", None, "user", "pencil", In("user")),
    case("PLAIN", "wrong password", None, "user", "pencil ", Out),
    case("PLAIN", "nobody", None, "nobody", "pencil", Out),
    case("PLAIN", "as oneself", Some("user"), "user", "pencil", In("user")),
    case("PLAIN", "as somebody else", Some("other"), "user", "pencil", In("other")),
    case("PLAIN", "as somebody else, not permitted", Some("root"), "user", "pencil", Out),
    case("PLAIN", "beyond ASCII", None, "jürgen", "grün €", In("jürgen")),
    case("LOGIN", "right", None, "user", "pencil", In("user")),
    case("LOGIN", "wrong password", None, "user", "Pencil", Out),
    case("LOGIN", "nobody", None, "nobody", "pencil", Out),
    case("LOGIN", "beyond ASCII", None, "jürgen", "grün €", In("jürgen")),
    case("CRAM-MD5", "right", None, "user", "pencil", In("user")),
    case("CRAM-MD5", "wrong password", None, "user", "Pencil", Out),
    case("CRAM-MD5", "nobody", None, "nobody", "pencil", Out),
    case("CRAM-MD5", "name with a space", None, "some user", "pencil", In("some user")),
    case("CRAM-MD5", "beyond ASCII", None, "jürgen", "grün €", In("jürgen")),
    case("SCRAM", "right", None, "user", "pencil", In("user")),
    case("SCRAM", "wrong password", None, "user", "Pencil", Out),
    case("SCRAM", "nobody", None, "nobody", "pencil", Out),
    case("SCRAM", "as somebody else", Some("other"), "user", "pencil", In("other")),
    case("SCRAM", "as somebody else, not permitted", Some("root"), "user", "pencil", Out),
    case("SCRAM", "name of two octets that are escaped", None, "us=e,r", "pencil", In("us=e,r")),
    case("SCRAM", "beyond ASCII", None, "jürgen", "grün €", In("jürgen")),
    scram("bound to the certificate", Bound::EndPoint, In("user")),
    scram("bound to another connection", Bound::OtherConnection, Out),
    scram("bound to another certificate", Bound::OtherEndPoint, Out),
    scram("binding not offered", Bound::NotOffered, In("user")),
    scram("the offer of binding taken away", Bound::Hidden, Out),
    case("EXTERNAL", "whoever it is", None, "", "", In("user")),
    case("EXTERNAL", "as oneself", Some("user"), "", "", In("user")),
    case("EXTERNAL", "as somebody else", Some("other"), "", "", In("other")),
    case("EXTERNAL", "as somebody else, not permitted", Some("root"), "", "", Out),
    case("ANONYMOUS", "a word", None, "", "sirhc", In("anonymous")),
    case("ANONYMOUS", "an address", None, "", "sirhc@example.org", In("anonymous")),
    case("ANONYMOUS", "nothing", None, "", "", In("anonymous")),
    case("ANONYMOUS", "not welcome", None, "", "stranger", Out),
    case("OAUTHBEARER", "right", Some("user"), "", TOKEN, In("user")),
    case("OAUTHBEARER", "name of two octets that are escaped", Some("us=e,r"), "", TOKEN, In("us=e,r")),
    case("OAUTHBEARER", "wrong token", Some("user"), "", "ya29.other", Out),
    case("OAUTHBEARER", "token of somebody else", Some("root"), "", TOKEN, Out),
    case("OAUTHBEARER", "beyond ASCII", Some("jürgen"), "", TOKEN, In("jürgen")),
    case("XOAUTH2", "right", Some("user"), "", TOKEN, In("user")),
    case("XOAUTH2", "wrong token", Some("user"), "", "ya29.other", Out),
    case("XOAUTH2", "token of somebody else", Some("root"), "", TOKEN, Out),
    case("XOAUTH2", "beyond ASCII", Some("jürgen"), "", TOKEN, In("jürgen")),
];

const TOKEN: &str = "ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg==";

/// Every mechanism of ours for which there are cases.
pub(crate) fn mechanisms() -> impl Iterator<Item = &'static str> {
    let judged = |name: &&str| CASES.iter().any(|case| case.of(name));
    MECHANISMS.iter().map(|mechanism| mechanism.name.as_str()).filter(judged)
}

/// The password of a user.
pub(crate) fn password(authcid: &str) -> Option<&'static str> {
    match authcid {
        "user" | "some user" | "us=e,r" => Some("pencil"),
        "jürgen" => Some("grün €"),
        _ => None,
    }
}

/// Whom `authcid` logs in as; nobody where that is not permitted.
pub(crate) fn permitted(authcid: &str, authzid: Option<&str>) -> Option<String> {
    match authzid {
        None => Some(authcid.to_owned()),
        Some(authzid) if authzid == authcid || (authcid, authzid) == ("user", "other") => {
            Some(authzid.to_owned())
        }
        Some(_) => None,
    }
}

/// Whom the bearer of `token` logs in as.
pub(crate) fn bearer(token: &str, authzid: Option<&str>) -> Option<String> {
    let owned = matches!(authzid, Some("user" | "us=e,r" | "jürgen"));
    (token == TOKEN && owned).then(|| authzid.unwrap_or_default().to_owned())
}

/// Whether somebody who says this of itself is welcome.
pub(crate) fn welcome(trace: &str) -> bool {
    trace != "stranger"
}
