//! TLS: from the first octet and by STLS, certificates of both sides.

use std::sync::atomic::{AtomicU32, Ordering};

use pop3_blocking::tls::{ClientCertificates, ServerTls};
use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};

use crate::fake::{Act, Fake, Mode, close, mail, say};
use crate::home::{Done, Home};

pub(crate) struct Authority {
    pub(crate) pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        // Two authorities of one name would fail by signature instead of by name.
        static MADE: AtomicU32 = AtomicU32::new(0);
        let name = format!("throw-away authority {}", MADE.fetch_add(1, Ordering::Relaxed));
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    /// A chain and a key.
    pub(crate) fn issue(&self, name: &str, usage: ExtendedKeyUsagePurpose) -> (String, String) {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.extended_key_usages = vec![usage];
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }

    pub(crate) fn server(&self, name: &str) -> ServerTls {
        let (chain, key) = self.issue(name, ExtendedKeyUsagePurpose::ServerAuth);
        let builder = ServerTls::builder().certificate_pem(chain, key);
        builder.client_certificates(ClientCertificates::Optional).client_ca_pem(&self.pem).build().unwrap()
    }
}

fn serve(mode: Mode) -> Fake {
    let capabilities: &[&str] = if matches!(mode, Mode::Stls(_)) {
        &["STLS", "UIDL", "SASL PLAIN"]
    } else {
        &["UIDL", "SASL PLAIN EXTERNAL"]
    };
    Fake::start_with(mode, mail(2, 100), capabilities, |_| Act::Usual)
}

fn stat(home: &Home, fake: &Fake, scheme: &str, more: &[&str]) -> Done {
    let url = fake.url(scheme);
    let usual = ["stat", &url, "--json", "--timeout", "10", "--password-file", "password"];
    home.run(&[&usual[..], more].concat())
}

#[test]
fn r8314_3_1_both_ways_to_tls() {
    let (home, ours) = (Home::new(), Authority::new());
    let ca = home.write("ca", &ours.pem);
    let implicit = serve(Mode::Implicit(ours.server("127.0.0.1")));
    stat(&home, &implicit, "pops", &["--ca", &ca]).expect(0);
    stat(&home, &implicit, "pop", &["--ca", &ca, "--tls", "implicit"]).expect(0);
    let stls = serve(Mode::Stls(ours.server("127.0.0.1")));
    stat(&home, &stls, "pop", &["--ca", &ca]).expect(0);
    stat(&home, &stls, "pops", &["--ca", &ca, "--tls", "stls"]).expect(0);
    assert_eq!(stls.said("STLS").len(), 2);
}

#[test]
fn r8314_5_2_a_certificate_that_is_not_trusted_is_77() {
    let (home, ours, other) = (Home::new(), Authority::new(), Authority::new());
    let (ca, foreign) = (home.write("ca", &ours.pem), home.write("foreign", &other.pem));
    for (scheme, mode) in
        [("pops", Mode::Implicit as fn(ServerTls) -> Mode), ("pop", Mode::Stls as fn(ServerTls) -> Mode)]
    {
        let fake = serve(mode(ours.server("127.0.0.1")));
        stat(&home, &fake, scheme, &["--ca", &foreign]).expect_error(77, "certificate");
        let elsewhere = serve(mode(ours.server("pop.example.org")));
        stat(&home, &elsewhere, scheme, &["--ca", &ca]).expect_error(77, "certificate");
        for fake in [fake, elsewhere] {
            assert_eq!(fake.said("AUTH").len() + fake.said("PASS").len(), 0);
        }
    }
}

#[test]
fn r2595_4_8_without_tls_nothing_is_sent_and_the_code_is_69() {
    let (home, ours) = (Home::new(), Authority::new());
    let ca = home.write("ca", &ours.pem);
    let plain = Fake::good(vec![]);
    stat(&home, &plain, "pop", &["--ca", &ca]).expect_error(69, "tls");
    stat(&home, &plain, "pops", &["--ca", &ca]).expect_error(69, "tls");
    let without_capa = Fake::start(vec![], &[], |moment| match moment.line {
        "CAPA" => say("-ERR what\r\n"),
        _ => Act::Usual,
    });
    stat(&home, &without_capa, "pop", &["--ca", &ca]).expect_error(69, "tls");
    for fake in [plain, without_capa] {
        let secret = fake.said("").into_iter().find(|line| line.contains("alice") || line.contains("PASS"));
        assert_eq!(secret, None);
    }
}

#[test]
fn r4422_a_1_external_shows_a_certificate_and_needs_no_password() {
    let (home, ours) = (Home::new(), Authority::new());
    let ca = home.write("ca", &ours.pem);
    let (chain, key) = ours.issue("alice.example", ExtendedKeyUsagePurpose::ClientAuth);
    let (chain, key) = (home.write("chain", &chain), home.write("key", &key));
    let fake = serve(Mode::Implicit(ours.server("127.0.0.1")));
    let certificate = ["--ca", &ca, "--client-cert", &chain, "--client-key", &key];
    let mail = home.text("Mail");
    let to = format!("maildir:{mail}");
    let run =
        |url: &str, more: &[&str]| home.run(&[&["fetch", url, "--to", &to], &certificate[..], more].concat());
    let url = format!("pops://127.0.0.1:{}", fake.address.port());
    run(&url, &["--auth", "EXTERNAL"]).expect(0);
    assert_eq!(fake.said("AUTH"), ["AUTH EXTERNAL ="]);
    fake.forget_commands();
    run(&fake.url("pops").replace("alice@", "alice;AUTH=EXTERNAL@"), &[]).expect(0);
    assert_eq!(fake.said("AUTH"), ["AUTH EXTERNAL YWxpY2U="]);
    // A certificate that the server does not want is our problem, not the network's.
    let strange = Authority::new();
    let (chain, key) = strange.issue("alice.example", ExtendedKeyUsagePurpose::ClientAuth);
    let (chain, key) = (home.write("chain", &chain), home.write("key", &key));
    let done = home.run(&[
        "stat",
        &url,
        "--json",
        "--auth",
        "external",
        "--ca",
        &ca,
        "--client-cert",
        &chain,
        "--client-key",
        &key,
    ]);
    done.expect_error(77, "certificate");
}

#[test]
fn files_that_are_no_certificates_are_78() {
    let (home, fake) = (Home::new(), Fake::start(vec![], &[], |_| close("")));
    let empty = home.write("empty", "");
    stat(&home, &fake, "pops", &["--ca", &empty]).expect_error(78, "configuration");
    stat(&home, &fake, "pops", &["--ca", "missing"]).expect_error(78, "configuration");
    let certificate = ["--client-cert", &empty, "--client-key", &empty];
    stat(&home, &fake, "pops", &certificate).expect_error(78, "configuration");
}

#[test]
fn a_fetch_over_tls_is_cut_by_fin_alone() {
    // FIN without close_notify in a message is a cut as well (RP-CLOSE.2).
    let (home, ours) = (Home::new(), Authority::new());
    let ca = home.write("ca", &ours.pem);
    let tls = Mode::Implicit(ours.server("127.0.0.1"));
    let fake = Fake::start_with(tls, mail(2, 100), &["UIDL"], |moment| match moment.line {
        "RETR 2" => close("+OK\r\nSubject: mess"),
        _ => Act::Usual,
    });
    let url = fake.url("pops");
    let args = ["fetch", &url, "--json", "--delete", "--to", "maildir:Mail", "--ca", &ca];
    let done = home.run(&[&args[..], &["--password-file", "password"]].concat());
    done.expect_error(76, "truncated");
    assert_eq!((home.mail().len(), fake.left().len()), (1, 2));
}
