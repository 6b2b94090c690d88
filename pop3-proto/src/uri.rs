//! POP URLs: `pop://` of RFC 2384, and `pops://` for TLS from the first octet.
//!
//! ```text
//! pop-url   = ( "pop://" / "pops://" ) [ user [ ";AUTH=" auth ] "@" ] host [ ":" port ]
//! user      = 1*( ALPHA / DIGIT / "$" / "-" / "_" / "." / "+" / "!" / "*" / "'" / "(" / ")" / "," / "&" / "=" / "~" / "%" 2HEXDIG )
//! auth      = "*" / "+APOP" / sasl-mech
//! host      = name / IPv4address / "[" IPv6address "]"
//! ```
//!
//! `pops` is a scheme of our own, for none is registered (RP-URL.1). There is no path, not even a lone `/`, no query
//! and no fragment: RFC 2384 gives them no meaning, and a part that is silently dropped is one its author relied on.
//! Bracketed IPv6 addresses come from RFC 3986, which RFC 2384 is older than.
//!
//! A URL may come from an enemy (R2384-4.3): it is read strictly, and connecting or sending credentials because of
//! one is up to the user. Allocates nothing, never panics.

use core::fmt;
use core::net::IpAddr;

use crate::{Full, MechanismName};

mod host;

pub use host::UrlHost;
pub(crate) use host::is_name;

/// A POP URL, read or to be written.
///
/// `Display` writes it in its normal form: what need not be encoded is not, what needs to be is, and a port that the
/// scheme implies is left out. Two URLs are equal if their normal forms are, apart from the case of the host name.
///
/// # Source
///
/// RFC 2384 sections 3 and 4; rows R2384-3.1, R2384-4.1, R2384-4.2, RP-URL.1.
#[derive(Clone, Copy, Debug)]
pub struct PopUrl<'a> {
    tls: UrlTls,
    user: Option<User<'a>>,
    auth: UrlAuth<'a>,
    host: UrlHost<'a>,
    port: Option<u16>,
}

/// Well-formed UTF-8 without control characters once decoded, and not empty.
#[derive(Clone, Copy, Debug)]
enum User<'a> {
    /// As it stands in a URL.
    Encoded(&'a str),
    /// As it is.
    Raw(&'a str),
}

impl<'a> PopUrl<'a> {
    /// The URL of `host` alone: no user, any way to authenticate, the port of the scheme.
    ///
    /// # Errors
    ///
    /// [`PopUrlError::Host`]: `host` is neither a DNS name nor an address, with or without brackets.
    pub fn new(tls: UrlTls, host: &'a str) -> Result<Self, PopUrlError> {
        let host = match host.parse() {
            Ok(address) => UrlHost::Ip(IpAddr::V6(address)),
            Err(_) => host::parse(host)?,
        };
        Ok(Self { tls, user: None, auth: UrlAuth::Any, host, port: None })
    }

    /// The same with the user `name`, as it is and not encoded, and the way to authenticate.
    ///
    /// # Errors
    ///
    /// - [`PopUrlError::EmptyUser`]: there is no name.
    /// - [`PopUrlError::UserControl`]: it holds a control character.
    pub fn with_user(mut self, name: &'a str, auth: UrlAuth<'a>) -> Result<Self, PopUrlError> {
        if name.is_empty() {
            return Err(PopUrlError::EmptyUser);
        }
        if name.chars().any(char::is_control) {
            return Err(PopUrlError::UserControl);
        }
        self.user = Some(User::Raw(name));
        self.auth = auth;
        Ok(self)
    }

    /// The same with `port`; 0 is none and stands for the port of the scheme.
    pub const fn with_port(mut self, port: u16) -> Self {
        self.port = if port == 0 { None } else { Some(port) };
        self
    }

    /// Reads `text`, all of it. Scheme, `AUTH` and `+APOP` are read in any case.
    ///
    /// # Errors
    ///
    /// One variant of [`PopUrlError`] for each part. None of them holds anything of the text.
    pub fn parse(text: &'a str) -> Result<Self, PopUrlError> {
        let (scheme, rest) = text.split_once("://").ok_or(PopUrlError::Scheme)?;
        let tls = if scheme.eq_ignore_ascii_case("pop") {
            UrlTls::Unstated
        } else if scheme.eq_ignore_ascii_case("pops") {
            UrlTls::Implicit
        } else {
            return Err(PopUrlError::Scheme);
        };
        if rest.contains(['/', '?', '#']) {
            return Err(PopUrlError::Path);
        }
        // A second "@" is in no user name, so it does not matter which one is taken.
        let (user, auth, host_port) = match rest.rsplit_once('@') {
            Some((user_auth, host_port)) => {
                let (user, auth) = parse_user_auth(user_auth)?;
                (Some(user), auth, host_port)
            }
            None => (None, UrlAuth::Any, rest),
        };
        let (host, port) = parse_host_port(host_port)?;
        Ok(Self { tls, user, auth, host, port })
    }

    /// When TLS begins.
    pub const fn tls(&self) -> UrlTls {
        self.tls
    }

    /// The user name in octets of UTF-8, decoded as it is read. `None`: the URL names no user; ask.
    pub fn user(&self) -> Option<PercentDecoded<'a>> {
        self.user.map(|user| match user {
            User::Encoded(text) => PercentDecoded { text: text.as_bytes(), encoded: true },
            User::Raw(text) => PercentDecoded { text: text.as_bytes(), encoded: false },
        })
    }

    /// Writes the user name, decoded, to the front of `out`, and returns that part. `None` if the URL names no user.
    ///
    /// # Errors
    ///
    /// [`Full`]: `out` is too short; the length of the URL is always enough.
    pub fn decode_user<'o>(&self, out: &'o mut [u8]) -> Result<Option<&'o str>, Full> {
        let Some(user) = self.user() else { return Ok(None) };
        let needed = user.clone().count();
        let part = out.get_mut(..needed).ok_or(Full { needed })?;
        for (slot, octet) in part.iter_mut().zip(user) {
            *slot = octet;
        }
        // It was checked when the URL was made.
        core::str::from_utf8(part).map(Some).map_err(|_| Full { needed })
    }

    /// How to authenticate. Another way than the named one needs the user's permission (R2384-4.1).
    pub const fn auth(&self) -> UrlAuth<'a> {
        self.auth
    }

    /// Where to connect, and whose name the server must prove.
    pub const fn host(&self) -> UrlHost<'a> {
        self.host
    }

    /// The port: that of the URL, else 110 for `pop` and 995 for `pops`.
    pub fn port(&self) -> u16 {
        self.port.unwrap_or_else(|| self.tls.default_port())
    }
}

impl PartialEq<PopUrl<'_>> for PopUrl<'_> {
    fn eq(&self, other: &PopUrl<'_>) -> bool {
        self.tls == other.tls
            && self.auth == other.auth
            && self.host == other.host
            && self.port() == other.port()
            && match (self.user(), other.user()) {
                (Some(user), Some(other)) => user.eq(other),
                (None, None) => true,
                _ => false,
            }
    }
}

impl Eq for PopUrl<'_> {}

impl fmt::Display for PopUrl<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.tls {
            UrlTls::Unstated => "pop://",
            UrlTls::Implicit => "pops://",
        })?;
        if let Some(user) = self.user() {
            for octet in user {
                // What RFC 3986 calls unreserved, and "+" because "user+tag" is common and safe here. RFC 2384 allows
                // a few more as they are; some of them mean something to shells and to finders of links.
                if octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.' | b'_' | b'~' | b'+') {
                    write!(f, "{}", char::from(octet))?;
                } else {
                    write!(f, "%{octet:02X}")?;
                }
            }
            match self.auth {
                UrlAuth::Any => {}
                UrlAuth::Apop => f.write_str(";AUTH=+APOP")?,
                UrlAuth::Mechanism(name) => write!(f, ";AUTH={}", name.as_str())?,
            }
            f.write_str("@")?;
        }
        write!(f, "{}", self.host)?;
        match self.port() {
            port if port == self.tls.default_port() => Ok(()),
            port => write!(f, ":{port}"),
        }
    }
}

/// When TLS begins, as far as the scheme tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "a client must decide for each; there is no third scheme")]
pub enum UrlTls {
    /// `pop`: the connection begins in the clear. Whether STLS must follow is the caller's policy, which should
    /// demand it: the URL says nothing about it.
    Unstated,
    /// `pops`: with the first octet.
    Implicit,
}

impl UrlTls {
    /// 110 or 995.
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Unstated => 110,
            Self::Implicit => 995,
        }
    }
}

/// How the URL wants the user to authenticate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UrlAuth<'a> {
    /// `*`, or nothing stated: any way that suits, but none that shows a password without TLS (R2384-4.3).
    Any,
    /// `+APOP`.
    Apop,
    /// This SASL mechanism.
    Mechanism(MechanismName<'a>),
}

/// The octets of a user name, decoded one by one. Together they are UTF-8.
#[derive(Clone, Debug)]
pub struct PercentDecoded<'a> {
    text: &'a [u8],
    encoded: bool,
}

impl Iterator for PercentDecoded<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        let (octet, rest) = match self.text {
            [b'%', high, low, rest @ ..] if self.encoded => (hex(*high)? << 4 | hex(*low)?, rest),
            [octet, rest @ ..] => (*octet, rest),
            [] => return None,
        };
        self.text = rest;
        Some(octet)
    }
}

/// Why a text is no POP URL. It holds nothing of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PopUrlError {
    /// It begins neither with `pop://` nor with `pops://`.
    Scheme,
    /// It holds a password. URLs end up in histories and logs; give the password another way.
    Password,
    /// There is `@` without a user name before it.
    EmptyUser,
    /// The user name holds an octet that must be percent-encoded, or a `%` without two hexadecimal digits.
    UserEncoding,
    /// The user name is not UTF-8.
    UserNotUtf8,
    /// The user name holds a control character.
    UserControl,
    /// What follows the user name is not `;AUTH=` with `*`, `+APOP` or the name of a SASL mechanism.
    Auth,
    /// The host is neither a DNS name nor an address.
    Host,
    /// The port is not a number from 1 to 65535.
    Port,
    /// There is a path, a query or a fragment; a lone `/` at the end is one too.
    Path,
}

impl fmt::Display for PopUrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scheme => "url begins neither with pop:// nor with pops://",
            Self::Password => "passwords do not belong in urls",
            Self::EmptyUser => "user name in url is empty",
            Self::UserEncoding => "user name in url is not percent-encoded as it must be",
            Self::UserNotUtf8 => "user name in url is not UTF-8",
            Self::UserControl => "user name in url holds a control character",
            Self::Auth => {
                "url has something other than ;AUTH= with *, +APOP or a mechanism after the user name"
            }
            Self::Host => "host in url is neither a DNS name nor an address",
            Self::Port => "port in url is not a number from 1 to 65535",
            Self::Path => "pop urls have no path, not even a slash at the end",
        })
    }
}

impl core::error::Error for PopUrlError {}

fn parse_user_auth(text: &str) -> Result<(User<'_>, UrlAuth<'_>), PopUrlError> {
    if text.contains(':') {
        return Err(PopUrlError::Password);
    }
    let (user, auth) = match text.split_once(';') {
        Some((user, parameter)) => (user, parse_auth(parameter)?),
        None => (text, UrlAuth::Any),
    };
    if user.is_empty() {
        return Err(PopUrlError::EmptyUser);
    }
    let mut rest = user.as_bytes();
    while let Some((&octet, tail)) = rest.split_first() {
        rest = match (octet, tail) {
            (b'%', [high, low, tail @ ..]) if hex(*high).is_some() && hex(*low).is_some() => tail,
            _ if octet.is_ascii_alphanumeric() || b"$-_.+!*'(),&=~".contains(&octet) => tail,
            _ => return Err(PopUrlError::UserEncoding),
        };
    }
    check_characters(PercentDecoded { text: user.as_bytes(), encoded: true })?;
    Ok((User::Encoded(user), auth))
}

/// `AUTH=` and a value. The grammar allows percent-encoding in the value, but neither mechanism names nor `APOP` have
/// an octet that needs it, so nobody writes it and none is read.
fn parse_auth(parameter: &str) -> Result<UrlAuth<'_>, PopUrlError> {
    let (key, value) = parameter.split_once('=').ok_or(PopUrlError::Auth)?;
    if !key.eq_ignore_ascii_case("AUTH") {
        return Err(PopUrlError::Auth);
    }
    if value == "*" {
        Ok(UrlAuth::Any)
    } else if value.eq_ignore_ascii_case("+APOP") {
        Ok(UrlAuth::Apop)
    } else {
        MechanismName::parse(value.as_bytes()).map(UrlAuth::Mechanism).map_err(|_| PopUrlError::Auth)
    }
}

/// Whether the octets are UTF-8 without control characters, told without a buffer for all of them.
fn check_characters(mut octets: impl Iterator<Item = u8>) -> Result<(), PopUrlError> {
    while let Some(first) = octets.next() {
        let length = match first {
            0..=0x7f => 1,
            0xc2..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf4 => 4,
            _ => return Err(PopUrlError::UserNotUtf8),
        };
        let mut character = [first, 0, 0, 0];
        for slot in character.iter_mut().take(length).skip(1) {
            *slot = octets.next().ok_or(PopUrlError::UserNotUtf8)?;
        }
        let text = character.get(..length).unwrap_or_default();
        match core::str::from_utf8(text) {
            Ok(text) if text.chars().any(char::is_control) => return Err(PopUrlError::UserControl),
            Ok(_) => {}
            Err(_) => return Err(PopUrlError::UserNotUtf8),
        }
    }
    Ok(())
}

fn parse_host_port(text: &str) -> Result<(UrlHost<'_>, Option<u16>), PopUrlError> {
    // The colons of an IPv6 address stand in brackets.
    let after_address = if text.starts_with('[') { text.find(']').unwrap_or(text.len()) } else { 0 };
    let (address, rest) = text.split_at_checked(after_address).ok_or(PopUrlError::Host)?;
    let Some(colon) = rest.find(':') else { return Ok((host::parse(text)?, None)) };
    let (host, port) = text.split_at_checked(address.len().saturating_add(colon)).ok_or(PopUrlError::Host)?;
    let host = host::parse(host)?;
    Ok((host, Some(parse_port(port.strip_prefix(':').unwrap_or_default())?)))
}

fn parse_port(digits: &str) -> Result<u16, PopUrlError> {
    if digits.len() > 5 {
        return Err(PopUrlError::Port);
    }
    match crate::parse_number(digits.as_bytes()).map(u16::try_from) {
        Some(Ok(port)) if port != 0 => Ok(port),
        _ => Err(PopUrlError::Port),
    }
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;
    use std::string::{String, ToString};
    use std::vec::Vec;

    fn user_of(url: &str) -> Option<String> {
        let mut storage = [0u8; 4096];
        PopUrl::parse(url).unwrap().decode_user(&mut storage).unwrap().map(String::from)
    }

    #[test]
    fn r2384_3_1_parts() {
        let mechanism =
            |name: &'static str| UrlAuth::Mechanism(MechanismName::parse(name.as_bytes()).unwrap());
        // The first three are the examples of RFC 2384 section 6.
        for (text, user, auth, host, port) in [
            ("pop://rg@mailsrv.qualcomm.com", Some("rg"), UrlAuth::Any, "mailsrv.qualcomm.com", 110),
            ("pop://rg;AUTH=+APOP@mail.eudora.com:8110", Some("rg"), UrlAuth::Apop, "mail.eudora.com", 8110),
            ("pop://baz;AUTH=SCRAM-MD5@foo.bar", Some("baz"), mechanism("SCRAM-MD5"), "foo.bar", 110),
            ("pop://host", None, UrlAuth::Any, "host", 110),
            ("POP://host:110", None, UrlAuth::Any, "host", 110),
            ("pop://a;auth=*@host:1", Some("a"), UrlAuth::Any, "host", 1),
            ("pop://a;aUtH=+apop@host:65535", Some("a"), UrlAuth::Apop, "host", 65535),
            ("pop://a;AUTH=plain@host", Some("a"), mechanism("PLAIN"), "host", 110),
            ("pop://a%40b@host", Some("a@b"), UrlAuth::Any, "host", 110),
            ("pop://a%3ab%3B%20%2f@host", Some("a:b; /"), UrlAuth::Any, "host", 110),
            ("pop://J%C3%BCrgen@host", Some("Jürgen"), UrlAuth::Any, "host", 110),
            ("pop://$-_.+!*'(),&=~@host", Some("$-_.+!*'(),&=~"), UrlAuth::Any, "host", 110),
            ("pop://%2525@host", Some("%25"), UrlAuth::Any, "host", 110),
            (
                "pop://a+b@mail_1.xn--bcher-kva.example",
                Some("a+b"),
                UrlAuth::Any,
                "mail_1.xn--bcher-kva.example",
                110,
            ),
            ("pop://3com.example", None, UrlAuth::Any, "3com.example", 110),
            ("pop://127.0.0.1:9", None, UrlAuth::Any, "127.0.0.1", 9),
            ("pop://[::1]", None, UrlAuth::Any, "[::1]", 110),
            ("pop://a@[2001:DB8::25]:110", Some("a"), UrlAuth::Any, "[2001:db8::25]", 110),
            ("pop://[::ffff:192.0.2.1]:2", None, UrlAuth::Any, "[::ffff:192.0.2.1]", 2),
        ] {
            let url = PopUrl::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(user_of(text).as_deref(), user, "{text}");
            assert_eq!(
                (url.auth(), url.host().to_string().as_str(), url.port()),
                (auth, host, port),
                "{text}"
            );
            assert_eq!(url.tls(), UrlTls::Unstated);
        }
    }

    #[test]
    fn rp_url_1_pops_is_tls_from_the_first_octet_on_port_995() {
        let url = PopUrl::parse("PopS://alice@pop.example.net").unwrap();
        assert_eq!((url.tls(), url.port()), (UrlTls::Implicit, 995));
        assert_eq!(PopUrl::parse("pops://h:110").unwrap().port(), 110);
        assert_eq!(PopUrl::parse("pop://h:995").unwrap().tls(), UrlTls::Unstated);
        assert_ne!(PopUrl::parse("pops://h:110"), PopUrl::parse("pop://h:110"));
    }

    #[test]
    fn r2384_3_1_what_is_no_pop_url() {
        use PopUrlError::*;
        for (text, error) in [
            ("", Scheme),
            ("pop", Scheme),
            ("host", Scheme),
            ("//host", Scheme),
            ("pop:host", Scheme),
            ("pop:/host", Scheme),
            (" pop://host", Scheme),
            ("http://host", Scheme),
            ("pop3://host", Scheme),
            ("popss://host", Scheme),
            ("pop://user:pass@host", Password),
            ("pop://user:@host", Password),
            ("pop://:pass@host", Password),
            ("pop://user;AUTH=PLAIN:pass@host", Password),
            ("pop://host/", Path),
            ("pop://host:110/", Path),
            ("pop://user@host/1", Path),
            ("pop://host?x", Path),
            ("pop://host#x", Path),
            ("pop://a/b@host", Path),
            ("pop://@host", EmptyUser),
            ("pop://;AUTH=PLAIN@host", EmptyUser),
            ("pop://a b@host", UserEncoding),
            ("pop://a@b@host", UserEncoding),
            ("pop://a%@host", UserEncoding),
            ("pop://a%4@host", UserEncoding),
            ("pop://a%4g@host", UserEncoding),
            ("pop://a%+1@host", UserEncoding),
            ("pop://J\u{fc}rgen@host", UserEncoding),
            ("pop://a\"@host", UserEncoding),
            ("pop://a\r\n@host", UserEncoding),
            ("pop://%FC@host", UserNotUtf8),
            ("pop://%C3@host", UserNotUtf8),
            ("pop://%C3a@host", UserNotUtf8),
            ("pop://%BC@host", UserNotUtf8),
            ("pop://%C0%AF@host", UserNotUtf8),
            ("pop://%E0%80%AF@host", UserNotUtf8),
            ("pop://%ED%A0%80@host", UserNotUtf8),
            ("pop://%F4%90%80%80@host", UserNotUtf8),
            ("pop://%F0%9F%98@host", UserNotUtf8),
            ("pop://a%00@host", UserControl),
            ("pop://a%0d%0aDELE%201@host", UserControl),
            ("pop://a%7F@host", UserControl),
            ("pop://a%C2%85@host", UserControl),
            ("pop://a;@host", Auth),
            ("pop://a;AUTH@host", Auth),
            ("pop://a;AUTH=@host", Auth),
            ("pop://a;AUTHX=PLAIN@host", Auth),
            ("pop://a;AUTH=+KPOP@host", Auth),
            ("pop://a;AUTH=+@host", Auth),
            ("pop://a;AUTH=**@host", Auth),
            ("pop://a;AUTH=PLAIN;AUTH=*@host", Auth),
            ("pop://a;AUTH=%50LAIN@host", Auth),
            ("pop://a;AUTH=ABCDEFGHIJKLMNOPQRSTU@host", Auth),
            ("pop://", Host),
            ("pop://a@", Host),
            ("pop://:110", Host),
            ("pop://h%6Fst", Host),
            ("pop://::1", Host),
            ("pop://[::1", Host),
            ("pop://[::1]x", Host),
            ("pop://x[::1]", Host),
            ("pop://[::1]]", Host),
            ("pop://host:", Port),
            ("pop://host:0", Port),
            ("pop://host:65536", Port),
            ("pop://host:+1", Port),
            ("pop://host:1:2", Port),
            ("pop://host:000110", Port),
            ("pop://[::1]:", Port),
        ] {
            assert_eq!(PopUrl::parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn r2384_4_2_every_octet_in_a_user_name() {
        for octet in 0..=255u8 {
            let encoded = format!("pop://a%{octet:02X}b@host");
            let lower = format!("pop://a%{octet:02x}b@host");
            let want = if octet >= 0x80 {
                Err(PopUrlError::UserNotUtf8)
            } else if octet < 0x20 || octet == 0x7f {
                Err(PopUrlError::UserControl)
            } else {
                Ok(())
            };
            assert_eq!(PopUrl::parse(&encoded).map(|_| ()), want);
            assert_eq!(PopUrl::parse(&encoded), PopUrl::parse(&lower));
            if want.is_ok() {
                assert_eq!(user_of(&encoded).unwrap(), format!("a{}b", char::from(octet)));
            }
        }
    }

    #[test]
    fn r2384_4_2_every_character_goes_round() {
        let mut round_trips = 0;
        for code in (0..=0x10_ffff).filter(|code| *code < 0x3000 || code % 97 == 0 || *code == 0x10_ffff) {
            let Some(character) = char::from_u32(code) else { continue };
            let name = format!("{character}x{character}");
            let url = PopUrl::new(UrlTls::Implicit, "host").unwrap();
            match url.with_user(&name, UrlAuth::Mechanism(MechanismName::PLAIN)) {
                Ok(url) => {
                    let text = url.to_string();
                    assert!(text.bytes().all(|b| b.is_ascii_graphic()), "{text}");
                    let again = PopUrl::parse(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
                    assert_eq!(again, url);
                    assert_eq!(again.to_string(), text);
                    assert_eq!(user_of(&text).unwrap(), name);
                    round_trips += 1;
                }
                Err(error) => {
                    assert_eq!(error, PopUrlError::UserControl);
                    assert!(character.is_control());
                }
            }
        }
        assert!(round_trips > 20_000);
    }

    #[test]
    fn r2384_4_2_the_normal_form() {
        for (text, normal) in [
            ("POP://a%41%2B%2a;AUTH=*@Host:110", "pop://aA+%2A@Host"),
            ("pop://a%c3%bc;auth=+apop@host:8110", "pop://a%C3%BC;AUTH=+APOP@host:8110"),
            ("pops://x;AUTH=Plain@[0:0::1]:995", "pops://x;AUTH=Plain@[::1]"),
            ("pops://192.0.2.1:110", "pops://192.0.2.1:110"),
        ] {
            let url = PopUrl::parse(text).unwrap();
            assert_eq!(url.to_string(), normal);
            assert_eq!(PopUrl::parse(normal).unwrap(), url);
        }
    }

    #[test]
    fn r2384_4_2_built_urls_are_checked() {
        let url = PopUrl::new(UrlTls::Unstated, "::1").unwrap().with_port(995);
        assert_eq!(url.to_string(), "pop://[::1]:995");
        assert_eq!(url.with_port(0).to_string(), "pop://[::1]");
        assert_eq!(PopUrl::new(UrlTls::Unstated, "[::1]").unwrap().port(), 110);
        assert_eq!(PopUrl::new(UrlTls::Unstated, "a@b"), Err(PopUrlError::Host));
        assert_eq!(PopUrl::new(UrlTls::Unstated, "host:1"), Err(PopUrlError::Host));
        assert_eq!(url.with_user("", UrlAuth::Any), Err(PopUrlError::EmptyUser));
        assert_eq!(url.with_user("a\0", UrlAuth::Any), Err(PopUrlError::UserControl));
    }

    #[test]
    fn a_short_buffer_is_told_how_much_is_needed() {
        let url = PopUrl::parse("pop://J%C3%BCr@host").unwrap();
        assert_eq!(url.decode_user(&mut [0; 3]), Err(Full { needed: 4 }));
        assert_eq!(url.decode_user(&mut [0; 4]), Ok(Some("J\u{fc}r")));
        assert_eq!(url.user().unwrap().collect::<Vec<u8>>(), "J\u{fc}r".as_bytes());
        assert_eq!(PopUrl::parse("pop://host").unwrap().decode_user(&mut []), Ok(None));
    }

    #[test]
    fn pb_c32_errors_hold_nothing_of_the_url() {
        for text in ["pop://alice:canary@host", "pop://alice:can/ary@host", "canary", "pop://host:canary"] {
            let error = PopUrl::parse(text).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("canary"));
        }
        assert_eq!(PopUrlError::Password.to_string(), "passwords do not belong in urls");
    }
}
