//! The account: what the URL and the options say of it together.

use pop3_blocking::client::Method;
use pop3_blocking::pop3_proto::{PopUrl, PopUrlError, UrlAuth, UrlHost, UrlTls};

use crate::args::{Common, TlsMode};
use crate::exit::Failure;
use crate::password;

/// Whose maildrop, where, and how to get in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    /// A name or an address, without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) tls: TlsMode,
    pub(crate) user: Option<String>,
    pub(crate) auth: Auth,
    /// The same over the years: the URL in its normal form, without the mechanism.
    pub(crate) name: String,
}

/// How to log in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Auth {
    /// The best that is offered.
    Any,
    /// This way, if it is offered (R2384-4.1).
    Offered(Method),
    /// This way, whatever is offered.
    Forced(Method),
}

impl Auth {
    pub(crate) const fn method(self) -> Option<Method> {
        match self {
            Self::Any => None,
            Self::Offered(method) | Self::Forced(method) => Some(method),
        }
    }
}

impl Account {
    pub(crate) fn new(common: &Common) -> Result<Self, Failure> {
        // The text may hold a password by mistake, so that no message shows it.
        let url = PopUrl::parse(common.url()).map_err(|error| Failure::usage(error.to_string()))?;
        let user = url.user().map(Iterator::collect::<Vec<u8>>);
        let user =
            user.map(String::from_utf8).transpose().map_err(|error| Failure::usage(error.to_string()))?;
        let user = common.user.clone().or(user);
        let host = match url.host() {
            UrlHost::Name(name) => name.to_ascii_lowercase(),
            UrlHost::Ip(address) => address.to_string(),
        };
        let tls = tls(&url, common)?;
        let auth = match (&common.auth, url.auth()) {
            (Some(name), _) if name.eq_ignore_ascii_case("auto") => Auth::Any,
            (Some(name), _) => Auth::Forced(method(name)?),
            (None, UrlAuth::Any) => Auth::Any,
            (None, UrlAuth::Mechanism(name)) => Auth::Offered(method(name.as_str())?),
            (None, _) => Auth::Offered(Method::Apop),
        };
        let auth = fitting(auth, common)?;
        if common.srv && (tls == TlsMode::NoneInsecure || has_port(common.url())) {
            return Err(Failure::usage("--srv finds port and TLS by itself: give neither"));
        }
        if common.srv && common.proxy.is_some() {
            return Err(Failure::usage(
                "--srv asks DNS, which a proxy is to keep from happening: name the server",
            ));
        }
        let port = if has_port(common.url()) { url.port() } else { default_port(tls) };
        let name = name(&url, &host, user.as_deref())?;
        Ok(Self { host, port, tls, user, auth, name })
    }

    /// The user, without whom there is no login by password.
    pub(crate) fn login_name(&self) -> Result<&str, Failure> {
        self.user
            .as_deref()
            .ok_or_else(|| Failure::usage("nobody to log in as: pops://USER@HOST, --user or --netrc"))
    }
}

fn tls(url: &PopUrl<'_>, common: &Common) -> Result<TlsMode, Failure> {
    let tls = match (url.tls(), common.tls) {
        (UrlTls::Implicit, Some(TlsMode::NoneInsecure)) => {
            return Err(Failure::usage("pops:// asks for TLS and --tls none-insecure forbids it"));
        }
        (_, Some(tls)) => tls,
        (UrlTls::Implicit, None) => TlsMode::Implicit,
        (UrlTls::Unstated, None) => TlsMode::Stls,
    };
    let trust = common.ca.is_some() || common.client_cert.is_some() || !common.pin.is_empty();
    if tls == TlsMode::NoneInsecure && trust {
        return Err(Failure::usage("--ca, --pin and --client-cert have no meaning with --tls none-insecure"));
    }
    Ok(tls)
}

fn method(name: &str) -> Result<Method, Failure> {
    Method::named(name).ok_or_else(|| {
        let known: Vec<&str> = Method::ALL.iter().map(|method| method.name()).collect();
        Failure::usage(format!("unknown mechanism; known are {}", known.join(", ")))
    })
}

/// Holds the way against what there is to log in by.
fn fitting(auth: Auth, common: &Common) -> Result<Auth, Failure> {
    let (token, certificate) = (password::is_token(common), common.client_cert.is_some());
    let auth = match auth {
        Auth::Any if common.require_certificate_login => Auth::Offered(Method::External),
        auth => auth,
    };
    let problem = match auth.method() {
        Some(Method::External) if !certificate => "EXTERNAL needs --client-cert and --client-key",
        Some(Method::External) => return Ok(auth),
        _ if common.require_certificate_login => {
            "--require-certificate-login is EXTERNAL and no other mechanism"
        }
        Some(Method::OAuthBearer | Method::XOAuth2) if !token => {
            "a login by token needs --token-command or --token-file"
        }
        Some(Method::OAuthBearer | Method::XOAuth2) | None => return Ok(auth),
        Some(_) if token => "this mechanism takes a password, not a token",
        Some(_) => return Ok(auth),
    };
    Err(Failure::usage(problem))
}

const fn default_port(tls: TlsMode) -> u16 {
    match tls {
        TlsMode::Implicit => UrlTls::Implicit.default_port(),
        TlsMode::Stls | TlsMode::NoneInsecure => UrlTls::Unstated.default_port(),
    }
}

/// Whether the URL, which has been read already, states a port.
fn has_port(url: &str) -> bool {
    let host_port = url.rsplit(['@', '/']).next().unwrap_or_default();
    host_port.rsplit(']').next().is_some_and(|rest| rest.contains(':'))
}

fn name(url: &PopUrl<'_>, host: &str, user: Option<&str>) -> Result<String, Failure> {
    let fault = |error: PopUrlError| Failure::usage(error.to_string());
    let mut name = PopUrl::new(url.tls(), host).map_err(fault)?.with_port(url.port());
    if let Some(user) = user {
        name = name.with_user(user, UrlAuth::Any).map_err(fault)?;
    }
    Ok(name.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Cli;
    use crate::exit::Kind;
    use clap::Parser;

    fn account(line: &str) -> Result<Account, Failure> {
        let cli = Cli::try_parse_from(["pop3", "stat"].into_iter().chain(line.split(' '))).unwrap();
        Account::new(cli.command.common())
    }

    #[test]
    fn r2384_3_1_url_and_options_make_an_account() {
        for (line, host, port, tls, name) in [
            ("pops://a@h", "h", 995, TlsMode::Implicit, "pops://a@h"),
            ("pop://a@h", "h", 110, TlsMode::Stls, "pop://a@h"),
            ("pop://a@H:995", "h", 995, TlsMode::Stls, "pop://a@h:995"),
            ("pops://a@h:995", "h", 995, TlsMode::Implicit, "pops://a@h"),
            ("POPS://a@[::1]:2995", "::1", 2995, TlsMode::Implicit, "pops://a@[::1]:2995"),
            ("pops://a@[::1]", "::1", 995, TlsMode::Implicit, "pops://a@[::1]"),
            ("pop://a@h --tls implicit", "h", 995, TlsMode::Implicit, "pop://a@h"),
            ("pops://a@h --tls stls", "h", 110, TlsMode::Stls, "pops://a@h"),
            ("pops://a@h:995 --tls stls", "h", 995, TlsMode::Stls, "pops://a@h"),
            ("pop://a@h --tls none-insecure", "h", 110, TlsMode::NoneInsecure, "pop://a@h"),
            ("pops://a%40b;AUTH=PLAIN@h", "h", 995, TlsMode::Implicit, "pops://a%40b@h"),
            ("pops://h", "h", 995, TlsMode::Implicit, "pops://h"),
        ] {
            let account = account(line).unwrap();
            assert_eq!((account.host.as_str(), account.port, account.tls), (host, port, tls), "{line}");
            assert_eq!(account.name, name, "{line}");
        }
    }

    #[test]
    fn r2384_4_1_the_mechanism_of_the_option_goes_first() {
        let certificate = "--client-cert c --client-key k";
        for (line, auth) in [
            ("pops://a@h".to_owned(), Auth::Any),
            ("pops://a;AUTH=*@h".to_owned(), Auth::Any),
            ("pops://a;auth=plain@h".to_owned(), Auth::Offered(Method::Plain)),
            ("pops://a;AUTH=scram-sha-256@h".to_owned(), Auth::Offered(Method::ScramSha256)),
            ("pops://a;AUTH=+APOP@h".to_owned(), Auth::Offered(Method::Apop)),
            ("pops://a;AUTH=PLAIN@h --auth user".to_owned(), Auth::Forced(Method::UserPass)),
            ("pops://a;AUTH=PLAIN@h --auth auto".to_owned(), Auth::Any),
            ("pops://a;AUTH=+APOP@h --auth plain".to_owned(), Auth::Forced(Method::Plain)),
            ("pops://a@h --auth xoauth2 --token-file t".to_owned(), Auth::Forced(Method::XOAuth2)),
            (format!("pops://a@h --auth External {certificate}"), Auth::Forced(Method::External)),
            (
                format!("pops://a@h --require-certificate-login {certificate}"),
                Auth::Offered(Method::External),
            ),
        ] {
            assert_eq!(account(&line).unwrap().auth, auth, "{line}");
        }
    }

    #[test]
    fn r2384_4_3_what_is_refused() {
        for line in [
            "pops://a:canary@h",
            "pops://a@h/",
            "imap://a@h",
            "pops://a;AUTH=X@h",
            "pops://a@h --auth GSSAPI",
            "pops://a@h --auth XOAUTH2",
            "pops://a@h --auth PLAIN --token-file t",
            "pops://a;AUTH=PLAIN@h --require-certificate-login --client-cert c --client-key k",
            "pops://a@h:995 --srv",
            "pop://a@h --tls none-insecure --srv",
            "pops://a@h --auth EXTERNAL",
            "pops://a@h --tls none-insecure",
            "pop://a@h --tls none-insecure --ca f",
            "pop://a@h --tls none-insecure --client-cert c --client-key k",
        ] {
            let failure = account(line).unwrap_err();
            assert_eq!(failure.kind, Kind::Usage, "{line}");
            assert!(!failure.message.contains("canary"), "{}", failure.message);
        }
    }
}
