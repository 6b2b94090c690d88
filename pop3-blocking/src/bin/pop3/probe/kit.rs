//! What the cases work with: connections before and after the login, what is known of the server, and the manners of a
//! guest.
//!
//! Connections are opened one after the other. The session is shared by the cases that do it no harm; before it ends
//! there is a `RSET`, so that a server which marks by itself what was fetched removes nothing.

use std::cell::{Cell, RefCell};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::rc::Rc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use pop3_blocking::Transport;
use pop3_blocking::client::{ClientOptions, Error, Method, Strength};
use pop3_blocking::pop3_proto::{Capability, CodeKind};
use pop3_blocking::tls::{ClientTls, ServerName};

use super::authenticate::{self, Proof};
use super::case::{Checked, Need, Problem};
use super::facts::Facts;
use super::link::{Link, Record, Reply};
use crate::account::Account;
use crate::args::{Common, MinStrength, Probe, TlsMode};
use crate::connect;
use crate::exit::{Failure, Kind, Stage};
use crate::password;

/// How long a server may think about a reply, and about a login, unless `--timeout` says otherwise.
const WAIT: Duration = Duration::from_secs(20);
const LOGIN_WAIT: Duration = Duration::from_secs(60);
/// How long a server may take to close where it should.
pub(super) const GRACE: Duration = Duration::from_secs(5);
/// A session in which more commands were refused is replaced: servers have a limit.
const REFUSALS: usize = 10;
/// How often a login is tried that is refused for the moment.
const PATIENCE: u32 = 20;

pub(super) struct Kit {
    account: Account,
    tls: Option<(ClientTls, ServerName)>,
    options: ClientOptions,
    wait: Duration,
    login_wait: Duration,
    proof: Option<Proof>,
    forced: Option<Method>,
    pub(super) minimum: Strength,
    destructive: bool,
    bad_logins: bool,
    slow: bool,
    session: Option<Link>,
    /// Whether a session has broken off: for a moment, the server may go on to hold its maildrop.
    broke_off: Cell<bool>,
    /// The answer to a wrong password, so that it need not be sent twice.
    pub(super) wrong: Option<Reply>,
    last_login: Option<Instant>,
    pub(super) facts: Rc<Facts>,
    pub(super) record: Rc<RefCell<Record>>,
    /// What it cost the server.
    pub(super) connections: u32,
    pub(super) logins: u32,
    pub(super) failed_logins: u32,
}

impl Kit {
    /// Reads files and asks for the password; connects to nothing.
    pub(super) fn new(args: &Probe) -> Result<Self, Failure> {
        let common = &args.common;
        if common.srv {
            return Err(Failure::usage("probe looks at one server: name it in the URL, without --srv"));
        }
        let account = Account::new(common)?;
        let tls = match account.tls {
            TlsMode::NoneInsecure => None,
            TlsMode::Implicit | TlsMode::Stls => Some((
                connect::client_tls(common)?,
                ServerName::parse(&account.host).map_err(|error| Failure::usage(error.to_string()))?,
            )),
        };
        let proof = proof(common, &account)?;
        let limit = common.timeout.map(|seconds| Duration::from_secs(seconds.into()));
        Ok(Self {
            forced: account.auth.method(),
            account,
            tls,
            options: connect::options(common),
            wait: limit.unwrap_or(WAIT),
            login_wait: limit.unwrap_or(LOGIN_WAIT),
            proof,
            minimum: match common.min_strength.unwrap_or_default() {
                MinStrength::Sent => Strength::SecretSent,
                MinStrength::Proven => Strength::SecretProven,
                MinStrength::Bound => Strength::ChannelBound,
            },
            destructive: args.destructive,
            bad_logins: !args.no_bad_logins,
            slow: args.slow,
            session: None,
            broke_off: Cell::new(false),
            wrong: None,
            last_login: None,
            facts: Rc::default(),
            record: Rc::default(),
            connections: 0,
            logins: 0,
            failed_logins: 0,
        })
    }

    /// Why a case cannot be tried, if it cannot.
    pub(super) fn lacks(&self, need: Need) -> Option<String> {
        let facts = &self.facts;
        let why = match need {
            Need::Stls if self.account.tls != TlsMode::Stls => "only over STLS: a pop:// URL",
            Need::Implicit if self.account.tls != TlsMode::Implicit => {
                "only over implicit TLS: a pops:// URL"
            }
            Need::Tls if self.tls.is_none() => "only over TLS",
            Need::Messages(1) if facts.messages() < 1 => "the maildrop is empty",
            Need::Messages(count) if facts.messages() < count => {
                return Some(format!("the maildrop holds less than {count} messages"));
            }
            Need::Destructive if !self.destructive => "only with --destructive",
            Need::BadLogins(_) if !self.bad_logins => "--no-bad-logins",
            Need::BadLogins(_) if self.user().is_empty() => "no user name",
            Need::Slow if !self.slow => "only with --slow",
            Need::Capa if facts.before.is_none() => "the server has no CAPA",
            Need::Capability(tag) if !facts.announces(tag) => return Some(format!("{tag} is not announced")),
            Need::Mechanism(name) if !facts.has_mechanism(name) => {
                return Some(format!("SASL {name} is not announced"));
            }
            Need::UserPass if !matches!(self.proof, Some(Proof::Password(_))) => "no password",
            Need::UserPass if !facts.methods().contains(&Method::UserPass) => "USER is not announced",
            Need::UserPass if self.minimum > Strength::SecretSent => "--min-strength forbids USER",
            _ => return None,
        };
        Some(why.to_owned())
    }

    /// Looks at the server for the first time. What it finds decides which cases can be tried.
    pub(super) fn scout(&mut self) -> Result<(), Failure> {
        let blocked = |problem: Problem, kind: Kind| match problem {
            Problem::Broken(evidence) => Failure::new(
                kind,
                format!("no {}: {} {}", evidence.expected, evidence.seen.escape_ascii(), evidence.event),
            ),
            Problem::Skip(why) | Problem::Unclear(why) => Failure::new(kind, why),
        };
        let mut link = Link::new(self.dial()?, self.wait, self.options.write, Rc::clone(&self.record));
        let mut facts = Facts::default();
        if self.account.tls == TlsMode::Implicit {
            self.secure(&mut link).map_err(by_transport)?;
        }
        link.greet().map_err(|problem| blocked(problem, Kind::Protocol))?;
        if !link.greeting.as_ref().is_some_and(Reply::is_ok) {
            return Err(blocked(link.broken("greeting with +OK"), Kind::Greeting));
        }
        if self.account.tls == TlsMode::Stls {
            facts.clear = capabilities(&mut link);
            let reply = link.ask("STLS").map_err(|problem| blocked(problem, Kind::Tls))?;
            if !reply.is_ok() {
                return Err(blocked(link.broken("+OK to STLS"), Kind::Tls));
            }
            self.secure(&mut link).map_err(by_transport)?;
        }
        facts.before = capabilities(&mut link);
        facts.see_second_greeting();
        facts.tls = link.tls().is_some();
        let binding = link.tls().is_some_and(|tls| tls.tls_exporter().is_some());
        facts.greeting = link.greeting.as_ref().map(|reply| reply.line.octets.clone()).unwrap_or_default();
        if let Some(proof) = &self.proof {
            let announced = facts.methods();
            let method =
                authenticate::choose(proof, self.forced, self.minimum, &announced, facts.tls, binding);
            facts.method = Some(method.ok_or_else(|| {
                Failure::new(
                    Kind::Login,
                    "no way to log in that is offered and allowed; --auth takes one by name",
                )
            })?);
        }
        self.facts = Rc::new(facts);
        self.part(link);
        if self.proof.is_some() {
            let mut link = self.log_in().map_err(|problem| blocked(problem, Kind::Login))?;
            let mut facts = Facts::clone(&self.facts);
            facts.after = capabilities(&mut link);
            facts.look(&mut link);
            self.facts = Rc::new(facts);
            self.session = Some(link);
        }
        Ok(())
    }

    /// The name to log in by; empty if there is none.
    pub(super) fn user(&self) -> String {
        self.account.user.clone().unwrap_or_default()
    }

    /// What proves who logs in.
    pub(super) const fn proof(&self) -> Option<&Proof> {
        self.proof.as_ref()
    }

    pub(super) const fn wait(&self) -> Duration {
        self.wait
    }

    /// Works on a connection on which nobody has logged in, under TLS if there is any.
    pub(super) fn before_login(&mut self, work: impl FnOnce(&mut Link) -> Checked) -> Checked {
        let mut link = self.fresh()?;
        let done = work(&mut link);
        self.part(link);
        done
    }

    /// Works on a connection before TLS.
    pub(super) fn in_clear(&mut self, work: impl FnOnce(&mut Link) -> Checked) -> Checked {
        let mut link = self.open()?;
        link.greet().map_err(unclear)?;
        let done = work(&mut link);
        self.part(link);
        done
    }

    /// Works in the session that is shared. It must be left as it was found.
    pub(super) fn in_session(&mut self, work: impl FnOnce(&mut Link, &Facts) -> Checked) -> Checked {
        let mut link = self.shared()?;
        let done = work(&mut link, &Rc::clone(&self.facts));
        if done.is_ok() || matches!(done, Err(Problem::Skip(_))) {
            self.session = Some(link);
        } else {
            self.part(link);
        }
        done
    }

    /// Works in a session of its own, which may be ended in any way.
    pub(super) fn in_own_session(&mut self, work: impl FnOnce(&mut Link, &Facts) -> Checked) -> Checked {
        let mut link = self.log_in()?;
        let done = work(&mut link, &Rc::clone(&self.facts));
        self.part(link);
        done
    }

    /// The shared session, in step.
    pub(super) fn shared(&mut self) -> Result<Link, Problem> {
        if let Some(mut link) = self.session.take() {
            let good = link.refusals <= REFUSALS
                && !link.has_unread()
                && link.ask("RSET").is_ok_and(|reply| reply.is_ok());
            if good {
                return Ok(link);
            }
            self.part(link);
        }
        self.log_in()
    }

    /// A new connection that is ready for a login.
    pub(super) fn fresh(&mut self) -> Result<Link, Problem> {
        let mut link = self.secured()?;
        if self.facts.greets_again {
            link.greet().map_err(unclear)?;
        }
        Ok(link)
    }

    /// A new connection after the greeting and, if there is any, the handshake.
    pub(super) fn secured(&mut self) -> Result<Link, Problem> {
        let mut link = self.open()?;
        if self.account.tls == TlsMode::Implicit {
            self.secure(&mut link).map_err(|error| Problem::Unclear(error.to_string()))?;
        }
        link.greet().map_err(unclear)?;
        if self.account.tls == TlsMode::Stls {
            let reply = link.ask("STLS").map_err(unclear)?;
            if !reply.is_ok() {
                return Err(Problem::Unclear("STLS was refused".into()));
            }
            self.secure(&mut link).map_err(|error| Problem::Unclear(error.to_string()))?;
        }
        Ok(link)
    }

    /// A TCP connection, before anything was said.
    pub(super) fn open(&mut self) -> Result<Link, Problem> {
        let transport = self.dial().map_err(|failure| Problem::Unclear(failure.message))?;
        Ok(Link::new(transport, self.wait, self.options.write, Rc::clone(&self.record)))
    }

    /// A connection that is logged in. The shared session ends before.
    pub(super) fn log_in(&mut self) -> Result<Link, Problem> {
        self.log_in_after(&[])
    }

    /// As [`log_in`](Self::log_in), with these commands before the login.
    pub(super) fn log_in_after(&mut self, commands: &[&str]) -> Result<Link, Problem> {
        self.part_from_shared();
        let mut tries = 0;
        loop {
            let mut link = self.fresh()?;
            for command in commands {
                link.ask(command)?;
            }
            self.be_patient();
            let reply = self.try_login(&mut link).map_err(unclear)?;
            if reply.is_ok() {
                return Ok(link);
            }
            let code = reply.status().and_then(|status| status.code()).and_then(|code| code.kind());
            let pause = match code {
                Some(CodeKind::LoginDelay) => self.facts.login_delay().unwrap_or(Duration::from_secs(30)),
                Some(CodeKind::InUse | CodeKind::SysTemp) => Duration::from_millis(500),
                _ => PATIENCE_OVER,
            };
            tries += 1;
            if pause == PATIENCE_OVER || tries >= PATIENCE {
                let words = reply.line.octets.escape_ascii().to_string();
                self.part(link);
                return Err(Problem::Unclear(format!("login refused: {words}")));
            }
            self.part(link);
            sleep(pause);
        }
    }

    /// Logs in once on `link`, whatever comes of it.
    pub(super) fn try_login(&mut self, link: &mut Link) -> Result<Reply, Problem> {
        match self.facts.method {
            Some(method) => self.try_login_by(link, method),
            None => Err(Problem::Skip("no login".into())),
        }
    }

    /// As [`try_login`](Self::try_login), by this method.
    pub(super) fn try_login_by(&mut self, link: &mut Link, method: Method) -> Result<Reply, Problem> {
        let Some(proof) = &self.proof else { return Err(Problem::Skip("no login".into())) };
        link.login_wait = self.login_wait;
        let reply = authenticate::log_in(link, method, &self.user(), proof)?;
        self.note_login(reply.is_ok());
        Ok(reply)
    }

    /// Tries a password that is wrong, by the first of USER and PLAIN that is there.
    pub(super) fn try_wrong(&mut self, link: &mut Link, user: &str) -> Result<Reply, Problem> {
        let methods = self.facts.methods();
        let method = [Method::UserPass, Method::Plain].into_iter().find(|method| methods.contains(method));
        let Some(method) = method else {
            return Err(Problem::Skip("neither USER nor SASL PLAIN is announced".into()));
        };
        link.login_wait = self.login_wait;
        let reply = authenticate::log_in(link, method, user, &Self::wrong_proof())?;
        self.note_login(reply.is_ok());
        Ok(reply)
    }

    /// A password that lets nobody in.
    pub(super) fn wrong_proof() -> Proof {
        Proof::Password(WRONG.to_owned().into())
    }

    /// How long the reply to a login may take.
    pub(super) const fn login_wait(&self) -> Duration {
        self.login_wait
    }

    /// Takes note of a login that was tried by hand.
    pub(super) fn note_login(&mut self, good: bool) {
        if good {
            self.logins = self.logins.saturating_add(1);
            self.last_login = Some(Instant::now());
        } else {
            self.failed_logins = self.failed_logins.saturating_add(1);
        }
    }

    /// Starts TLS on a connection, first thing or after the `+OK` to STLS.
    pub(super) fn secure(&self, link: &mut Link) -> Result<(), pop3_blocking::TransportError> {
        match &self.tls {
            Some((tls, name)) => link.start_tls(tls, name, self.options.handshake),
            None => Ok(()),
        }
    }

    /// Ends a connection; nothing that was marked is removed.
    pub(super) fn part(&self, mut link: Link) {
        let goodbye = !link.has_ended() && self.say_goodbye(&mut link);
        if link.is_logged_in && !goodbye {
            self.broke_off.set(true);
        }
        link.close(None);
    }

    /// Whether the server has answered `QUIT`.
    fn say_goodbye(&self, link: &mut Link) -> bool {
        let quick = self.wait.min(GRACE);
        if link.is_logged_in {
            link.send(b"RSET\r\n");
            // Without an answer nothing is known, and QUIT could remove what was marked.
            if !link.reply_within(quick).is_ok_and(|reply| reply.is_ok()) {
                return false;
            }
        }
        link.send(b"QUIT\r\n");
        let answered = link.reply_within(quick).is_ok();
        if answered {
            link.end(quick);
        }
        answered
    }

    /// Looks into the maildrop anew, where it has changed.
    pub(super) fn look_again(&mut self) -> Result<(), Problem> {
        let mut link = self.shared()?;
        let mut facts = Facts::clone(&self.facts);
        facts.look(&mut link);
        self.facts = Rc::new(facts);
        self.session = Some(link);
        Ok(())
    }

    /// Ends the shared session, so that another can log in. A case that logs in by hand must not be refused because of
    /// a session that an earlier case broke off.
    pub(super) fn leave(&mut self) {
        self.part_from_shared();
        if self.broke_off.take() {
            // It waits while the maildrop is in use; what else is wrong, the case itself will see.
            if let Ok(link) = self.log_in() {
                self.part(link);
            }
        }
    }

    fn part_from_shared(&mut self) {
        if let Some(link) = self.session.take() {
            self.part(link);
        }
    }

    /// Ends the run.
    pub(super) fn end(&mut self) {
        self.part_from_shared();
    }

    /// Keeps the time between two logins that the server asks for.
    fn be_patient(&self) {
        let (Some(delay), Some(last)) = (self.facts.login_delay(), self.last_login) else { return };
        if let Some(left) = delay.checked_sub(last.elapsed()) {
            log::info!("waiting {} s between two logins, as the server asks", left.as_secs());
            sleep(left);
        }
    }

    fn dial(&mut self) -> Result<Transport<TcpStream>, Failure> {
        let (host, port) = (self.account.host.as_str(), self.account.port);
        let to = format!("{host}:{port}");
        let addresses = (host, port).to_socket_addrs().map_err(|source| {
            Failure::by_client(Error::Resolve { to: to.clone(), source }, Stage::Connecting)
        })?;
        self.connections = self.connections.saturating_add(1);
        let mut last = std::io::Error::from(std::io::ErrorKind::NotFound);
        for address in addresses {
            match TcpStream::connect_timeout(&address, self.options.connect) {
                Ok(stream) => {
                    // What is sent in pieces must leave in pieces.
                    if let Err(error) = stream.set_nodelay(true) {
                        log::debug!("TCP_NODELAY: {error}");
                    }
                    return Ok(Transport::plain(stream));
                }
                Err(error) => last = error,
            }
        }
        Err(Failure::by_client(Error::Connect { to, source: last }, Stage::Connecting))
    }

    /// The name of the server, for SNI.
    pub(super) fn host(&self) -> &str {
        &self.account.host
    }

    /// Whether TLS comes first.
    pub(super) fn is_implicit(&self) -> bool {
        self.account.tls == TlsMode::Implicit
    }
}

/// A password that nobody has.
pub(super) const WRONG: &str = "probe-wrong-5f0c1d7e";
/// A user that nobody is.
pub(super) const NOBODY: &str = "probe-nobody-5f0c1d7e";

/// No pause: trying again is of no use.
const PATIENCE_OVER: Duration = Duration::ZERO;

fn proof(common: &Common, account: &Account) -> Result<Option<Proof>, Failure> {
    if account.auth.method() == Some(Method::External) {
        return Ok(Some(Proof::Certificate));
    }
    if !password::is_given(common) && account.user.is_none() {
        return Ok(None);
    }
    let secret = password::get(common, account.login_name()?)?;
    Ok(Some(if password::is_token(common) { Proof::Token(secret) } else { Proof::Password(secret) }))
}

/// What is announced; `None` if CAPA is refused.
pub(super) fn capabilities(link: &mut Link) -> Option<Vec<Vec<u8>>> {
    let list = link.list("CAPA").ok()?;
    list.reply.is_ok().then(|| list.lines.into_iter().map(|line| line.octets).collect())
}

/// A fault on the way to what was to be looked at.
pub(super) fn unclear(problem: Problem) -> Problem {
    match problem {
        Problem::Broken(evidence) => Problem::Unclear(format!(
            "on the way: sent {}, expected {}, saw {} {}",
            evidence.sent.escape_ascii(),
            evidence.expected,
            evidence.seen.escape_ascii(),
            evidence.event
        )),
        other => other,
    }
}

fn by_transport(error: pop3_blocking::TransportError) -> Failure {
    Failure::by_client(Error::Transport(error), Stage::Connecting)
}

/// Whether a line of CAPA is this capability.
pub(super) fn is_capability(line: &[u8], tag: &str) -> bool {
    Capability::parse(line).is_some_and(|capability| capability.tag().eq_ignore_ascii_case(tag.as_bytes()))
}
