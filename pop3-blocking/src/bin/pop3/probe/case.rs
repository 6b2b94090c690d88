//! One row of the table of cases, and what a case can come to.

use super::kit::Kit;

/// One behaviour that can be seen from outside.
#[derive(Debug)]
pub(super) struct Case {
    /// Stable: scripts and `--only` know it by this name.
    pub(super) id: &'static str,
    /// The rows of the requirements (`R…`) and of the bugs of other programs (`PB-…`) that it looks at, separated by
    /// blanks.
    pub(super) rows: &'static str,
    /// What a good server does.
    pub(super) title: &'static str,
    pub(super) level: Level,
    /// What must be there before it is tried.
    pub(super) needs: &'static [Need],
    pub(super) check: fn(&mut Kit) -> Checked,
}

/// What it means not to do so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    /// A fault: a MUST of an RFC.
    Must,
    /// A warning: a SHOULD, or what has gone wrong between real programs.
    Should,
    /// Nothing: servers may differ, and this one does it so.
    Note,
}

impl Level {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Must => "must",
            Self::Should => "should",
            Self::Note => "note",
        }
    }
}

/// What must be there, or the case is skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// A connection that begins in the clear and goes on with STLS.
    Stls,
    /// TLS from the first octet.
    Implicit,
    /// TLS of either kind.
    Tls,
    /// So many messages in the maildrop.
    Messages(usize),
    /// `--destructive`: it removes mail, or may if the server is broken.
    Destructive,
    /// It fails to log in so many times.
    BadLogins(u32),
    /// `--slow`: it takes ten minutes.
    Slow,
    /// The server has `CAPA`.
    Capa,
    /// It announces this capability.
    Capability(&'static str),
    /// It announces this SASL mechanism.
    Mechanism(&'static str),
    /// There is a password, and the server announces `USER`, or no capabilities at all.
    UserPass,
}

impl Need {
    /// For `--list`.
    pub(super) fn text(self) -> String {
        match self {
            Self::Stls => "STLS".to_owned(),
            Self::Implicit => "implicit TLS".to_owned(),
            Self::Tls => "TLS".to_owned(),
            Self::Messages(1) => "a message".to_owned(),
            Self::Messages(count) => format!("{count} messages"),
            Self::Destructive => "--destructive".to_owned(),
            Self::BadLogins(1) => "a bad login".to_owned(),
            Self::BadLogins(count) => format!("{count} bad logins"),
            Self::Slow => "--slow".to_owned(),
            Self::Capa => "CAPA".to_owned(),
            Self::Capability(tag) => tag.to_owned(),
            Self::Mechanism(name) => format!("AUTH {name}"),
            Self::UserPass => "USER".to_owned(),
        }
    }
}

/// `Ok` is a pass, with what is worth telling of it.
pub(super) type Checked = Result<Option<String>, Problem>;

/// Why a case is no pass.
#[derive(Debug)]
pub(super) enum Problem {
    /// The server does something else.
    Broken(Box<Evidence>),
    /// It cannot be seen here.
    Skip(String),
    /// The way to what was to be looked at is blocked: no connection, no login.
    Unclear(String),
}

/// What was said and what came back; octets as they went over the wire, secrets left out, cut to a bound.
#[derive(Clone, Debug, Default)]
pub(super) struct Evidence {
    pub(super) sent: Vec<u8>,
    pub(super) expected: String,
    pub(super) seen: Vec<u8>,
    /// What happened besides octets: the end of the connection, silence.
    pub(super) event: String,
}

/// What a case came to.
#[derive(Clone, Debug)]
pub(super) enum Verdict {
    Pass(Option<String>),
    Fail(Box<Evidence>),
    Warn(Box<Evidence>),
    Skip(String),
    /// It could not be judged.
    Error(String),
}

impl Verdict {
    pub(super) fn of(checked: Checked, level: Level) -> Self {
        match (checked, level) {
            (Ok(note), _) => Self::Pass(note),
            (Err(Problem::Broken(evidence)), Level::Must) => Self::Fail(evidence),
            (Err(Problem::Broken(evidence)), Level::Should | Level::Note) => Self::Warn(evidence),
            (Err(Problem::Skip(why)), _) => Self::Skip(why),
            (Err(Problem::Unclear(why)), _) => Self::Error(why),
        }
    }

    pub(super) const fn word(&self) -> &'static str {
        match self {
            Self::Pass(_) => "pass",
            Self::Fail(_) => "fail",
            Self::Warn(_) => "warn",
            Self::Skip(_) => "skip",
            Self::Error(_) => "error",
        }
    }
}

/// A pass with nothing to tell.
pub(super) const PASS: Checked = Ok(None);

/// A pass with something to tell.
pub(super) fn note(text: impl Into<String>) -> Checked {
    Ok(Some(text.into()))
}

pub(super) fn skip<T>(why: impl Into<String>) -> Result<T, Problem> {
    Err(Problem::Skip(why.into()))
}
