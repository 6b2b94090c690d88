//! Ways to log in: certificates alone, tokens, what is asked for by name, languages and pins.

use std::sync::atomic::{AtomicUsize, Ordering};

use pop3_blocking::client::{ClientOptions, Connection};
use pop3_blocking::tls::ClientTls;
use rcgen::ExtendedKeyUsagePurpose;

use crate::fake::{Act, Fake, Mode, Moment, mail, say};
use crate::home::{Done, Home};
use crate::tls::Authority;

/// A server under TLS, and who trusts it.
struct Place {
    home: Home,
    ours: Authority,
    ca: String,
    fake: Fake,
}

impl Place {
    fn new(capabilities: &[&str], rule: impl Fn(Moment<'_>) -> Act + Send + Sync + 'static) -> Self {
        let (home, ours) = (Home::new(), Authority::new());
        let ca = home.write("ca", &ours.pem);
        let mode = Mode::Implicit(ours.server("127.0.0.1"));
        let fake = Fake::start_with(mode, mail(1, 50), capabilities, rule);
        Self { home, ours, ca, fake }
    }

    fn stat(&self, user: &str, more: &[&str]) -> Done {
        let url = self.fake.url("pops").replace("alice@", user);
        let usual = ["stat", &url, "--json", "--timeout", "10", "--ca", &self.ca];
        self.home.run(&[&usual[..], more].concat())
    }

    /// The options that show a certificate.
    fn certificate(&self) -> [String; 4] {
        let (chain, key) = self.ours.issue("alice.example", ExtendedKeyUsagePurpose::ClientAuth);
        let [chain, key] = [self.home.write("chain", &chain), self.home.write("key", &key)];
        ["--client-cert".to_owned(), chain, "--client-key".to_owned(), key]
    }
}

const PASSWORD: [&str; 2] = ["--password-file", "password"];

#[test]
fn rdm_2_1d_pb_c41_a_required_certificate_login_never_falls_back() {
    for capabilities in [&["USER", "SASL PLAIN EXTERNAL LOGIN"][..], &["USER", "SASL PLAIN"], &["USER"]] {
        let place = Place::new(capabilities, |moment| match moment.line {
            line if line.starts_with("AUTH EXTERNAL") => say("-ERR [AUTH] certificate not mapped\r\n"),
            _ => Act::Usual,
        });
        let certificate = place.certificate();
        let options: Vec<&str> = certificate.iter().map(String::as_str).collect();
        let done = place.stat("", &[&options[..], &["--require-certificate-login"]].concat());
        done.expect_error(77, "login");
        let offered = capabilities.iter().any(|line| line.contains("EXTERNAL"));
        let want: &[&str] = if offered { &["CAPA", "AUTH EXTERNAL =", "QUIT"] } else { &["CAPA", "QUIT"] };
        assert_eq!(place.fake.said(""), want);
    }
}

#[test]
fn rdm_2_1c_a_certificate_goes_before_the_password_and_is_final() {
    let refuses = AtomicUsize::new(0);
    let place = Place::new(&["USER", "SASL PLAIN EXTERNAL"], move |moment| match moment.line {
        "AUTH EXTERNAL =" if refuses.fetch_add(1, Ordering::Relaxed) == 0 => say("-ERR [AUTH] no\r\n"),
        _ => Act::Usual,
    });
    let certificate = place.certificate();
    let options: Vec<&str> = certificate.iter().map(String::as_str).chain(PASSWORD).collect();
    place.stat("alice@", &options).expect_error(77, "login");
    assert_eq!(place.fake.said(""), ["CAPA", "AUTH EXTERNAL =", "QUIT"]);
    place.fake.forget_commands();
    place.stat("alice@", &options).expect(0);
    assert_eq!(place.fake.said("AUTH"), ["AUTH EXTERNAL ="]);
}

#[test]
fn rp_xo_1_rp_xo_2_tokens_of_a_command_and_the_server_s_account_of_a_refusal() {
    let rule = |report: &'static str| {
        move |moment: Moment<'_>| match moment.line {
            "AUTH XOAUTH2" => say("+ \r\n"),
            "STAT" => say("+OK 0 0\r\n"),
            line if line.starts_with("dXNlcj1hbGljZQFhdXRoPUJlYXJlciBzZXNhbWUBAQ==") => say(report),
            "" => say("-ERR [AUTH] no\r\n"),
            _ => Act::Usual,
        }
    };
    let place = Place::new(&["SASL PLAIN XOAUTH2"], rule("+OK\r\n"));
    place.stat("alice@", &["--token-command", "echo sesame"]).expect(0);
    place.home.write("token", "sesame\n");
    place.stat("alice;AUTH=XOAUTH2@", &["--token-file", "token"]).expect(0);
    assert_eq!(place.fake.said("AUTH"), ["AUTH XOAUTH2", "AUTH XOAUTH2"]);

    // {"status":"401"}
    let place = Place::new(&["SASL PLAIN XOAUTH2"], rule("+ eyJzdGF0dXMiOiI0MDEifQ==\r\n"));
    place.stat("alice@", &["--token-command", "echo sesame"]).expect_error(77, "login");
    let url = place.fake.url("pops");
    let done = place.home.run(&["stat", &url, "--ca", &place.ca, "--token-command", "echo sesame"]);
    assert!(done.err.contains("401") && done.err.contains("get a new token"), "{}", done.err);
    // It was named, and is not there: PLAIN would be, with a password.
    let place = Place::new(&["SASL PLAIN"], rule("+OK\r\n"));
    place.stat("alice@", &["--token-command", "echo sesame"]).expect_error(77, "login");
    assert_eq!(place.fake.said(""), ["CAPA", "QUIT"]);
}

#[test]
fn r2384_4_1_the_way_in_the_url_and_no_other() {
    let place = Place::new(&["USER", "SASL PLAIN LOGIN"], |_| Act::Usual);
    for (user, more) in [
        ("alice;AUTH=SCRAM-SHA-256@", &[][..]),
        ("alice;AUTH=+APOP@", &[]),
        ("alice;AUTH=CRAM-MD5@", &[]),
        ("alice@", &["--min-strength", "proven"]),
        ("alice;AUTH=PLAIN@", &["--min-strength", "bound"]),
    ] {
        place.stat(user, &[&PASSWORD, more].concat()).expect_error(77, "login");
        assert_eq!(place.fake.said(""), ["CAPA", "QUIT"], "{user}");
        place.fake.forget_commands();
    }
    place.stat("alice;AUTH=PLAIN@", &PASSWORD).expect(0);
    // By permission on the command line.
    let done = place.stat("alice;AUTH=SCRAM-SHA-256@", &[&PASSWORD[..], &["--auth", "auto"]].concat());
    done.expect(0);
}

#[test]
fn r5034_3_2_what_is_forced_and_not_announced_gets_no_initial_response() {
    let place = Place::new(&["USER"], |moment| match moment.line {
        "AUTH PLAIN" => say("+ \r\n"),
        "AGFsaWNlAHdvbmRlciBsYW5k" => say("+OK\r\n"),
        "STAT" => say("+OK 0 0\r\n"),
        _ => Act::Usual,
    });
    place.stat("alice@", &[&PASSWORD[..], &["--auth", "plain"]].concat()).expect(0);
    assert_eq!(place.fake.said("AUTH"), ["AUTH PLAIN"]);
}

#[test]
fn r6856_2_8_utf8_and_language_go_before_the_login() {
    let rule = |moment: Moment<'_>| match moment.line {
        "UTF8" => say("+OK\r\n"),
        "LANG de" => say("+OK de bitte\r\n"),
        "LANG xx" => say("-ERR no\r\n"),
        _ => Act::Usual,
    };
    let place = Place::new(&["UTF8", "LANG", "USER"], rule);
    place.stat("alice@", &[&PASSWORD[..], &["--lang", "de"]].concat()).expect(0);
    assert_eq!(place.fake.said("")[..4], ["CAPA", "LANG de", "UTF8", "USER alice"]);
    place.fake.forget_commands();
    place.stat("alice@", &[&PASSWORD[..], &["--utf8=never"]].concat()).expect(0);
    assert!(place.fake.said("UTF8").is_empty());
    place.stat("alice@", &[&PASSWORD[..], &["--lang", "xx"]].concat()).expect_error(69, "refused");
    let without = Place::new(&["USER"], |moment| match moment.line {
        "UTF8" => say("-ERR what\r\n"),
        _ => Act::Usual,
    });
    without.stat("alice@", &PASSWORD).expect(0);
    assert!(without.fake.said("UTF8").is_empty());
    without.stat("alice@", &[&PASSWORD[..], &["--utf8"]].concat()).expect_error(69, "refused");
    assert_eq!(without.fake.said("PASS").len(), 1);
}

#[test]
fn r8314_5_3_a_pinned_key_and_no_other() {
    let place = Place::new(&["USER"], |_| Act::Usual);
    let url = place.fake.url("pops");
    let stat = |pin: &str| home_run(&place, &["stat", &url, "--json", "--timeout", "10", "--pin", pin]);
    stat(&"ab".repeat(32)).expect_error(77, "certificate");
    assert!(place.fake.said("").is_empty());
    let tls = ClientTls::builder().ca_pem(&place.ours.pem).build().unwrap();
    let (port, options) = (place.fake.address.port(), ClientOptions::default());
    let connection = Connection::connect_tls("127.0.0.1", port, &tls, options).unwrap();
    let key = connection.tls().unwrap().peer_spki_sha256().unwrap();
    drop(connection);
    // The authority is not named: the key is all that counts.
    stat(&key.iter().map(|octet| format!("{octet:02x}")).collect::<String>()).expect(0);
}

#[test]
fn pb_c32_a_token_is_in_no_log() {
    let place = Place::new(&["SASL XOAUTH2 OAUTHBEARER"], |moment| match moment.line {
        "AUTH XOAUTH2" => say("+ \r\n"),
        line if line.starts_with("AUTH OAUTHBEARER") => say("+OK\r\n"),
        line if line.starts_with("dXNlcj1") => say("-ERR [AUTH] no\r\n"),
        "STAT" => say("+OK 0 0\r\n"),
        _ => Act::Usual,
    });
    let url = place.fake.url("pops");
    place.home.write("token", "sesame-opens\n");
    for (mechanism, code) in [("OAUTHBEARER", 0), ("XOAUTH2", 77)] {
        let args = ["stat", &url, "--ca", &place.ca, "--token-file", "token", "--auth", mechanism];
        let done = Done::of(place.home.command(&args).env("POP3_LOG", "trace"));
        done.expect(code);
        assert!(done.err.contains("DEBUG pop3"), "nothing was logged: {}", done.err);
        // "sesame-opens" as it is, and in base64 at each offset.
        for form in ["sesame-opens", "c2VzYW1lLW9wZW5z", "Nlc2FtZS1vcGVuc", "zZXNhbWUtb3BlbnM"] {
            assert!(!done.err.contains(form), "{}", done.err);
        }
    }
}

fn home_run(place: &Place, args: &[&str]) -> Done {
    place.home.run(&[args, &PASSWORD].concat())
}
