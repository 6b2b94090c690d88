//! Every SASL mechanism of ours against other implementations of it, in memory, message by message: our client against
//! their server and their client against ours, with credentials that are right and with such that are wrong.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

mod cases;
mod ours;
mod with_io_sasl;
mod with_rsasl;

use std::io::Write as _;

use cases::{CASES, Case, Verdict};
use pop3_tests::matrix::{Compared, Matrix};
use pop3_tests::peers::Mechanism;
use pop3_tests::table::{Cell, Table};

/// What a client does next.
enum ClientMove {
    /// It sends this.
    Send(Vec<u8>),
    /// It breaks off, since it does not believe the server.
    GiveUp(String),
}

/// A client, whoever wrote it.
trait Client {
    /// What goes into the `AUTH` command, if the client speaks first.
    fn start(&mut self) -> Option<Vec<u8>>;
    /// Answers a challenge; an empty one asks for the message that was held back at the start.
    fn answer(&mut self, challenge: &[u8]) -> ClientMove;
    /// Whether it agrees to the server's `+OK`.
    fn agrees(&mut self) -> bool;
    /// What the server said of its refusal.
    fn report(&self) -> Option<Vec<u8>>;
}

/// What a server does next.
enum ServerMove {
    /// It sends this.
    Challenge(Vec<u8>),
    /// It lets in whom it names.
    Accept(String),
    /// It refuses.
    Refuse,
}

/// A server, whoever wrote it, with the users of [`cases`].
trait Server {
    /// Takes the `AUTH` command.
    fn start(&mut self, initial: Option<&[u8]>) -> ServerMove;
    /// Takes the answer to its challenge.
    fn take(&mut self, message: &[u8]) -> ServerMove;
}

/// How an exchange ended, with the octets of its messages.
struct End {
    /// Whom the server let in, if the client agrees.
    who: Option<String>,
    report: Option<Vec<u8>>,
    octets: usize,
    /// The messages of the client, in their order.
    said: Vec<Vec<u8>>,
}

/// Joins the two as POP3 does: a challenge, an answer, and so on; `inline` says whether an initial response may be used.
fn run(client: &mut dyn Client, server: &mut dyn Server, inline: bool) -> End {
    let mut end = End { who: None, report: None, octets: 0, said: Vec::new() };
    let initial = if inline { client.start() } else { None };
    let mut next = server.start(initial.as_deref());
    end.said.extend(initial);
    while let ServerMove::Challenge(challenge) = next {
        end.octets += challenge.len();
        assert!(end.said.len() < 8, "an exchange without end");
        match client.answer(&challenge) {
            ClientMove::Send(message) => {
                next = server.take(&message);
                end.said.push(message);
            }
            ClientMove::GiveUp(_) => next = ServerMove::Refuse,
        }
    }
    if let ServerMove::Accept(who) = next {
        assert!(client.agrees(), "the server lets {who} in, the client does not believe it");
        end.who = Some(who);
    }
    end.octets += end.said.iter().map(Vec::len).sum::<usize>();
    end.report = client.report();
    end
}

/// The table of one oracle, and what it cannot judge.
struct Judge {
    peer: (&'static str, &'static str),
    matrix: Matrix,
    /// The mode, what of it, and why.
    lacking: Vec<(String, Vec<&'static str>, &'static str)>,
}

impl Judge {
    fn new(name: &'static str, version: &'static str) -> Self {
        Self { peer: (name, version), matrix: Matrix::new(), lacking: Vec::new() }
    }

    /// Runs the cases of `mechanism` that `pair` can set up, each with an initial response and without.
    fn check(
        &mut self,
        mechanism: &str,
        role: &str,
        pair: impl Fn(&Case, bool) -> Result<End, &'static str>,
    ) {
        let mode = format!("{mechanism}, {role}");
        let lacking = &mut self.lacking;
        self.matrix.check(self.peer, mode.clone(), || {
            let mut compared = Compared::default();
            for case in CASES.iter().filter(|case| case.of(mechanism)) {
                for inline in [true, false] {
                    match pair(case, inline) {
                        Ok(end) => compared.octets += end.agrees_with(mechanism, case),
                        Err(why) => {
                            compared.excused += 1;
                            match lacking.last_mut().filter(|last| (&last.0, last.2) == (&mode, why)) {
                                Some(last) => last.1.push(case.what),
                                None => lacking.push((mode.clone(), vec![case.what], why)),
                            }
                            break;
                        }
                    }
                    compared.messages += 1;
                }
            }
            assert!(compared.messages > 0, "no case was run");
            compared
        });
    }

    fn lacks(&mut self, mechanism: &str, role: &str, why: &'static str) {
        self.lacking.push((format!("{mechanism}, {role}"), Vec::new(), why));
    }

    /// Prints the table, with what is missing from it in the same form, and compares its summary with the document.
    fn finish(self, title: &str) {
        let (peer, version) = self.peer;
        if peer != "ours" {
            self.summary().finish(peer);
        }
        self.matrix.finish(title);
        for (mode, what, why) in self.lacking {
            let what = if what.is_empty() { "the mechanism".to_owned() } else { what.join("; ") };
            let blanks = format!("{:>8} {:>10} {:>7}", "-", "-", "-");
            let line = format!("{peer:<16} {version:<16} {mode:<28} {blanks}  not judged: {what} ({why})\n");
            drop(std::io::stderr().write_all(line.as_bytes()));
        }
    }
}

impl Judge {
    fn summary(&self) -> Table {
        let (peer, _) = self.peer;
        let mut table = Table::new(&["our client", "our server"]);
        for mechanism in Mechanism::ALL {
            for (role, column) in [("client", "our client"), ("server", "our server")] {
                let mode = format!("{}, {role}", mechanism.name());
                let cell = match self.matrix.rows().iter().find(|row| row.mode == mode) {
                    Some(row) => {
                        row.result.as_ref().map_or_else(|why| Cell::Fails(why.clone()), |_| Cell::Works)
                    }
                    None if matches!(mechanism, Mechanism::UserPass | Mechanism::Apop) => {
                        Cell::Ours(format!("{peer} is a library of SASL"))
                    }
                    None => {
                        let why = self.lacking.iter().find(|lacking| lacking.0 == mode);
                        let why = why.map_or("there are no cases for the mechanism", |lacking| lacking.2);
                        Cell::Ours(format!("{peer}: {why}"))
                    }
                };
                table.set(mechanism, column, cell);
            }
        }
        table
    }
}

impl End {
    /// Whether it is the end that `case` must have; returns the octets.
    fn agrees_with(&self, mechanism: &str, case: &Case) -> usize {
        let expected = match case.verdict {
            Verdict::In(who) => Some(who),
            Verdict::Out => None,
        };
        assert_eq!(self.who.as_deref(), expected, "{mechanism}, {}", case.what);
        if expected.is_none() && matches!(mechanism, "OAUTHBEARER" | "XOAUTH2") {
            assert_eq!(self.report.as_deref(), Some(cases::REPORT), "{mechanism}, {}", case.what);
        }
        self.octets
    }
}

#[test]
fn r4422_3_6_our_mechanisms_against_rsasl() {
    let mut judge = Judge::new("rsasl", with_rsasl::VERSION);
    for mechanism in cases::mechanisms() {
        if with_rsasl::lacks(mechanism) {
            judge.lacks(mechanism, "client", "it does not know the mechanism");
            judge.lacks(mechanism, "server", "it does not know the mechanism");
            continue;
        }
        judge.check(mechanism, "client", |case, inline| {
            let mut server = with_rsasl::server(mechanism, case)?;
            Ok(ours::with_client(mechanism, case, inline, |client| run(client, &mut server, inline)))
        });
        judge.check(mechanism, "server", |case, inline| {
            let mut client = with_rsasl::client(mechanism, case)?;
            Ok(run(&mut client, &mut ours::server(mechanism, case), inline))
        });
    }
    judge.finish("SASL mechanisms in the role named, against rsasl");
}

#[test]
fn r4422_3_6_our_mechanisms_against_io_sasl() {
    let mut judge = Judge::new("io-sasl", with_io_sasl::VERSION);
    for mechanism in cases::mechanisms() {
        // It has no server. But to the same challenges both clients must say the same, octet by octet.
        judge.check(mechanism, "client", |case, inline| {
            let mut theirs = with_io_sasl::client(mechanism, case)?;
            let theirs = run(&mut *theirs, &mut ours::server(mechanism, case), inline);
            let mut server = ours::server(mechanism, case);
            let ours = ours::with_client(mechanism, case, inline, |client| run(client, &mut server, inline));
            assert_eq!(ours.said, theirs.said, "{mechanism}, {}", case.what);
            Ok(ours)
        });
        judge.check(mechanism, "server", |case, inline| {
            let mut client = with_io_sasl::client(mechanism, case)?;
            Ok(run(&mut *client, &mut ours::server(mechanism, case), inline))
        });
    }
    judge.finish("SASL mechanisms in the role named, against the clients of io-sasl");
}

#[test]
fn r4422_3_6_our_mechanisms_against_each_other() {
    let mut judge = Judge::new("ours", env!("CARGO_PKG_VERSION"));
    for mechanism in cases::mechanisms() {
        judge.check(mechanism, "both", |case, inline| {
            let mut server = ours::server(mechanism, case);
            Ok(ours::with_client(mechanism, case, inline, |client| run(client, &mut server, inline)))
        });
    }
    judge.finish("SASL mechanisms, client and server");
}
