//! The program `pop3` at Dovecot, and at GNU SASL: each way to log in that its options name.

use std::path::PathBuf;
use std::process::{Command, Output};

use pop3_tests::peers::gsasl::GsaslServer;
use pop3_tests::peers::{Certs, Dovecot, Mechanism, TempDir, TokenEndpoint, User, require};
use pop3_tests::programs::program;

use super::{PASSWORD, identity};

const MECHANISMS: [Mechanism; 9] = [
    Mechanism::Plain,
    Mechanism::Login,
    Mechanism::CramMd5,
    Mechanism::ScramSha1,
    Mechanism::ScramSha256,
    Mechanism::External,
    Mechanism::OAuthBearer,
    Mechanism::XOAuth2,
    Mechanism::Apop,
];

/// A Dovecot with all of them, its user's certificate, and that of a stranger.
struct Place {
    server: Dovecot,
    certs: Certs,
    dir: TempDir,
    own: (PathBuf, PathBuf),
    strange: (PathBuf, PathBuf),
    _tokens: TokenEndpoint,
}

impl Place {
    fn new() -> Option<Self> {
        require("dovecot")?;
        let certs = Certs::new();
        let messages = vec![b"Subject: one\n\nHello.\n".to_vec()];
        let users = [User { name: "alice", password: PASSWORD, messages }];
        let tokens = TokenEndpoint::start(&[("token-of-alice", "alice")]);
        let server = Dovecot::start_with(&certs, &users, &MECHANISMS, &tokens)?;
        let dir = TempDir::new("pop3");
        dir.file("password", format!("{PASSWORD}\n"));
        dir.file("wrong", "wrong\n");
        let (own, strange) = (identity(&dir, &certs, "alice"), identity(&dir, &certs, "mallory"));
        Some(Self { server, certs, dir, own, strange, _tokens: tokens })
    }

    /// Runs `pop3 stat` with these options.
    fn stat(&self, options: &[&str]) -> Output {
        Command::new(program("pop3"))
            .arg("stat")
            .arg(format!("pops://alice@localhost:{}", self.server.implicit))
            .arg("--ca")
            .arg(self.certs.authority_file())
            .args(options)
            .current_dir(self.dir.path())
            .output()
            .unwrap()
    }

    /// Runs it, and checks that Dovecot saw this mechanism.
    #[track_caller]
    fn logs_in(&self, options: &[&str], mechanism: &str) {
        let line = format!("Login: user=<alice>, method={mechanism}, ");
        let before = self.server.log().matches(&line).count();
        let output = self.stat(options);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{options:?}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(said.contains('1'), "{options:?}: {said}");
        self.server.wait_for_log(&line, before + 1);
    }

    /// Runs it, and checks that it did not log in; gives what it said.
    #[track_caller]
    fn is_refused(&self, options: &[&str]) -> String {
        let output = self.stat(options);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        // EX_NOPERM
        assert_eq!(output.status.code(), Some(77), "{options:?}: {said}");
        said
    }
}

#[test]
fn r5034_4_9_the_program_logs_in_at_dovecot_by_each_mechanism_that_it_is_told() {
    let Some(place) = Place::new() else { return };
    // Of all that is announced, the strongest.
    place.logs_in(&["--password-file", "password"], "SCRAM-SHA-256");
    for mechanism in ["plain", "login", "cram-md5", "scram-sha-1", "scram-sha-256", "apop"] {
        let option = ["--auth", mechanism, "--password-file"];
        place.logs_in(&[&option[..], &["password"]].concat(), &mechanism.to_ascii_uppercase());
        place.is_refused(&[&option[..], &["wrong"]].concat());
    }
}

#[test]
fn rdm_2_1d_the_program_logs_in_at_dovecot_by_certificate_or_not_at_all() {
    let Some(place) = Place::new() else { return };
    let path = |path: &PathBuf| path.to_str().unwrap().to_owned();
    let options = |identity: &(PathBuf, PathBuf)| {
        ["--client-cert".to_owned(), path(&identity.0), "--client-key".to_owned(), path(&identity.1)]
    };
    let own = options(&place.own);
    let mut own: Vec<&str> = own.iter().map(String::as_str).collect();
    own.push("--require-certificate-login");
    place.logs_in(&own, "EXTERNAL");
    // The certificate of somebody else, who may not act as alice.
    let strange = options(&place.strange);
    let mut strange: Vec<&str> = strange.iter().map(String::as_str).collect();
    strange.push("--require-certificate-login");
    place.is_refused(&strange);
    // No password, though Dovecot announces what takes one.
    place.server.wait_for_log("auth failed, 1 attempts", 1);
    let log = place.server.log();
    assert!(!log.contains("method=PLAIN") && !log.contains("method=SCRAM"), "{log}");
}

#[test]
fn r5802_6_2_the_program_binds_to_the_channel_of_gsasl() {
    let certs = Certs::new();
    let dir = TempDir::new("pop3");
    for (password, code, verdict) in [(PASSWORD, 0, "accepted"), ("wrong", 77, "refused: ")] {
        dir.file("password", password);
        let announced = "PLAIN SCRAM-SHA-256 SCRAM-SHA-256-PLUS";
        let Some(server) = GsaslServer::start(&certs, Mechanism::ScramSha256Plus, announced, PASSWORD) else {
            return;
        };
        let output = Command::new(program("pop3"))
            .args(["stat", &format!("pops://alice@localhost:{}", server.port), "--min-strength", "bound"])
            .args(["--password-file", "password", "--ca"])
            .arg(certs.authority_file())
            .current_dir(dir.path())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(code), "{}", String::from_utf8_lossy(&output.stderr));
        let said = server.verdict();
        assert!(said.starts_with(&format!("asked: SCRAM-SHA-256-PLUS\n{verdict}")), "{said}");
    }
}

#[test]
fn r7628_3_3_the_program_logs_in_at_dovecot_by_token_and_tells_why_one_is_refused() {
    let Some(place) = Place::new() else { return };
    place.logs_in(&["--token-command", "echo token-of-alice"], "OAUTHBEARER");
    place.logs_in(&["--auth", "xoauth2", "--token-command", "echo token-of-alice"], "XOAUTH2");
    let said = place.is_refused(&["--token-command", "echo expired"]);
    assert!(said.contains("invalid_token"), "{said}");
    assert!(!said.contains("expired"), "{said}");
    let said = place.is_refused(&["--auth", "xoauth2", "--token-command", "echo expired"]);
    assert!(said.contains("401"), "{said}");
}
