//! What the clients choose by themselves of all that `pop3d` offers, and what it offers over TLS 1.2.

use std::path::Path;
use std::process::Command;

use pop3_tests::peers::process::run;
use pop3_tests::peers::{Account, Certs, Mechanism, TempDir, Tls, User, gsasl, require};
use pop3_tests::pop3d::Pop3d;

use super::{LIMIT, PASSWORD, identity};

fn start(certs: &Certs, options: &[&str]) -> Pop3d {
    let user = |name| User { name, password: PASSWORD, messages: Vec::new() };
    Pop3d::start(certs, &["curl", "mpop", "gsasl"].map(user), options)
}

#[test]
fn r4422_6_1_curl_and_mpop_choose_of_what_is_offered() {
    let certs = Certs::new();
    let authority = certs.authority_file();
    let server = start(&certs, &[]);
    let dir = TempDir::new("habits");
    if let Some(curl) = require("curl") {
        let mut command = Command::new(curl);
        command.args(["-q", "--silent", "--show-error", "--noproxy", "*", "--cacert"]).arg(&authority);
        command.args([
            "--user",
            &format!("curl:{PASSWORD}"),
            &format!("pop3s://localhost:{}/", server.implicit),
        ]);
        let ended = run(&mut command, LIMIT, dir.path());
        assert_eq!(ended.code, Some(0), "{} {}", ended.output(), server.log());
        // It was built without SCRAM.
        server.wait_for_log("mechanism=PLAIN user=\"curl\"", 1);
    }
    if let Some(mpop) = require("mpop") {
        for part in ["cur", "new", "tmp"] {
            dir.subdir(format!("mail/{part}"));
        }
        let config = format!(
            "account default\nhost localhost\nport {}\nuser mpop\npassword {PASSWORD}\nauth on\ntls on\ntls_starttls off\n\
             tls_trust_file {}\nuidls_file {}\ndelivery maildir {}\n",
            server.implicit,
            authority.display(),
            dir.join("uidls").display(),
            dir.join("mail").display(),
        );
        let config = dir.file("config", config);
        let ended = run(Command::new(mpop).arg("--quiet").arg("-C").arg(config), LIMIT, dir.path());
        assert_eq!(ended.code, Some(0), "{} {}", ended.output(), server.log());
        // Under TLS it holds one way for as good as the other.
        server.wait_for_log("mechanism=PLAIN user=\"mpop\"", 1);
    }
}

/// What GNU SASL is offered, and whether it got in.
fn offered(server: &Pop3d, authority: &Path, mechanism: Mechanism, version: &str) -> Option<(String, bool)> {
    let account = Account {
        port: server.implicit,
        tls: Tls::Implicit,
        authority,
        user: "gsasl",
        password: PASSWORD,
        mechanism: Some(mechanism),
        identity: None,
    };
    let ended = gsasl::log_in(&account, version, LIMIT)?;
    let said = ended.output();
    let offered =
        said.lines().find_map(|line| line.strip_prefix("offered: ")).unwrap_or_else(|| panic!("{said}"));
    Some((offered.to_owned(), said.contains("\nstat: ")))
}

#[test]
fn r9266_3_1_channel_binding_is_offered_over_tls_1_3_alone_unless_by_certificate() {
    let certs = Certs::new();
    let authority = certs.authority_file();
    let server = start(&certs, &[]);
    let scram = Mechanism::ScramSha256;
    let Some((over_1_3, entered)) = offered(&server, &authority, scram, "TLSv1_3") else { return };
    assert!(over_1_3.contains("SCRAM-SHA-256-PLUS") && entered, "{over_1_3}");
    let (over_1_2, entered) = offered(&server, &authority, scram, "TLSv1_2").unwrap();
    assert!(over_1_2.contains("SCRAM-SHA-256") && !over_1_2.contains("-PLUS") && entered, "{over_1_2}");
    let server = start(&certs, &["--bind-to-certificate"]);
    let (over_1_2, _) = offered(&server, &authority, scram, "TLSv1_2").unwrap();
    assert!(over_1_2.contains("SCRAM-SHA-256-PLUS"), "{over_1_2}");
}

#[test]
fn r4422_a_2_curl_logs_in_by_certificate_over_tls_1_2() {
    let Some(curl) = require("curl") else { return };
    let certs = Certs::new();
    let authority = certs.authority_file();
    let dir = TempDir::new("curl");
    let (known, unknown) = (identity(&dir, &certs, "curl"), identity(&dir, &certs, "mallory"));
    for mode in ["optional", "required"] {
        let server = start(
            &certs,
            &["--client-ca", authority.to_str().unwrap(), "--client-cert-map", "cn", "--client-cert", mode],
        );
        for (shown, expected) in [(Some(&known), true), (Some(&unknown), false), (None, false)] {
            let mut command = Command::new(&curl);
            command.args([
                "-q",
                "--silent",
                "--show-error",
                "--noproxy",
                "*",
                "--tls-max",
                "1.2",
                "--cacert",
            ]);
            command.arg(&authority).args(["--login-options", "AUTH=EXTERNAL", "--user", "curl:"]);
            if let Some((certificate, key)) = shown {
                command.arg("--cert").arg(certificate).arg("--key").arg(key);
            }
            command.arg(format!("pop3s://localhost:{}/", server.implicit));
            let ended = run(&mut command, LIMIT, dir.path());
            assert_eq!(ended.code == Some(0), expected, "{mode}: {} {}", ended.output(), server.log());
        }
        server.wait_for_log("tls=\"TLS 1.2\"", 2);
        server.wait_for_log("mechanism=EXTERNAL user=\"curl\"", 1);
    }
}
