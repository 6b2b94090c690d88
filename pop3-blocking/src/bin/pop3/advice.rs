//! What to do about a failure, in a sentence for people.

use pop3_blocking::pop3_proto::CodeKind;

use crate::exit::{Failure, Kind};

impl Failure {
    /// What to do next; `None` where the message itself says it.
    pub(crate) fn advice(&self) -> Option<&'static str> {
        // What the server says of itself goes before what the failure looks like from here.
        if let Some(code) = self.response_code() {
            return by_code(code, self.kind);
        }
        Some(match self.kind {
            Kind::Host => "look at the name and the port of the server and of the proxy, and at the network",
            Kind::Tls => {
                "no password was sent; a server with TLS from the first octet is pops:// (port 995), one with STLS is \
                 pop:// (port 110)"
            }
            Kind::Greeting => "the server takes no sessions from here; try again later, or ask its operator",
            Kind::Refused => {
                "'pop3 capa' shows what the server can do; its operator knows what its words mean"
            }
            Kind::Login => LOGIN,
            Kind::Certificate => {
                "if this is the right server, --ca FILE trusts its authority and --pin HEX its key; if in doubt ask its \
                 operator, as somebody may be in between"
            }
            Kind::Timeout => "try again; --timeout S waits longer",
            Kind::Connection => "try again: the next run goes on from here",
            Kind::Truncated => "try again: what came in part was not kept, and is still on the server",
            Kind::TooLarge => {
                "if it is to be taken all the same, --limit NAME=N allows more; --help has the names"
            }
            Kind::Protocol => {
                "'pop3 probe' shows what is wrong with the server; POP3_LOG=debug shows this session"
            }
            Kind::Busy => "wait until the other run has ended",
            Kind::Output if self.is_temporary() => {
                "try again later: what was not taken is still on the server"
            }
            Kind::Output => "what is not safely here is still on the server; mend the target, and run again",
            Kind::Usage | Kind::Interrupted | Kind::Configuration | Kind::Nonconformance => return None,
        })
    }
}

const LOGIN: &str = "look at user name and password; some providers want POP3 to be allowed in the settings, a password \
                     made for this program, or a token (--token-command)";

const fn by_code(code: CodeKind, kind: Kind) -> Option<&'static str> {
    Some(match code {
        CodeKind::InUse => {
            "another session has the maildrop open; try again when it has ended, which takes minutes at most"
        }
        CodeKind::LoginDelay => {
            "the server wants more time from one login to the next; 'pop3 capa' shows how much, and --watch keeps to it"
        }
        CodeKind::Auth => LOGIN,
        CodeKind::SysTemp => "the server has trouble that should pass; try again later",
        CodeKind::SysPerm => "only the operator of the server can mend this; tell them the server's words",
        CodeKind::Utf8 => "the message or the name needs UTF-8: --utf8=auto lets the server use it",
        _ if matches!(kind, Kind::Login) => LOGIN,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything that `word` tells apart.
    const KINDS: [Kind; 17] = [
        Kind::Usage,
        Kind::Host,
        Kind::Tls,
        Kind::Greeting,
        Kind::Refused,
        Kind::Output,
        Kind::Timeout,
        Kind::Connection,
        Kind::Busy,
        Kind::Interrupted,
        Kind::Protocol,
        Kind::Truncated,
        Kind::TooLarge,
        Kind::Login,
        Kind::Certificate,
        Kind::Configuration,
        Kind::Nonconformance,
    ];

    #[test]
    fn each_kind_says_what_to_do_or_its_message_does() {
        for kind in KINDS {
            let advice = Failure::new(kind, "x").advice();
            let want = match kind {
                Kind::Host => Some("port"),
                Kind::Tls => Some("pops://"),
                Kind::Greeting => Some("operator"),
                Kind::Refused => Some("pop3 capa"),
                Kind::Output => Some("still on the server"),
                Kind::Timeout => Some("--timeout"),
                Kind::Connection => Some("goes on from here"),
                Kind::Busy => Some("other run"),
                Kind::Protocol => Some("pop3 probe"),
                Kind::Truncated => Some("not kept"),
                Kind::TooLarge => Some("--limit"),
                Kind::Login => Some("password"),
                Kind::Certificate => Some("--ca"),
                Kind::Usage | Kind::Interrupted | Kind::Configuration | Kind::Nonconformance => None,
            };
            assert_eq!(advice.is_some(), want.is_some(), "{kind:?}");
            assert!(advice.unwrap_or_default().contains(want.unwrap_or_default()), "{kind:?}: {advice:?}");
        }
        let later = Failure::new(Kind::Output, "x").try_again().advice();
        assert!(later.is_some_and(|advice| advice.starts_with("try again later")));
    }

    #[test]
    fn r3206_4_what_the_response_code_says_goes_first() {
        for (code, want) in [
            (CodeKind::InUse, "another session"),
            (CodeKind::LoginDelay, "more time"),
            (CodeKind::Auth, "user name and password"),
            (CodeKind::SysTemp, "should pass"),
            (CodeKind::SysPerm, "only the operator"),
            (CodeKind::Utf8, "--utf8"),
        ] {
            for kind in [Kind::Login, Kind::Greeting, Kind::Refused] {
                assert!(by_code(code, kind).is_some_and(|advice| advice.contains(want)), "{code:?} {kind:?}");
            }
        }
    }
}
