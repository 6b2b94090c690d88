//! The handshakes of `pop3d` and of the client, told message by message by OpenSSL.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::thread;
use std::time::Duration;

use pop3_blocking::tls::{ClientTls, ServerName, ServerTls};
use pop3_blocking::{Deadline, Input, Transport, TransportError};
use pop3_tests::peers::openssl::{Transcript, s_client};
use pop3_tests::peers::process::{Service, free_port};
use pop3_tests::peers::{Certs, TempDir, User, require};
use pop3_tests::pop3d::Pop3d;

fn alice() -> [User<'static>; 1] {
    [User { name: "alice", password: "secret", messages: Vec::new() }]
}

/// Both ways into TLS.
fn ports(server: &Pop3d) -> [(u16, bool); 2] {
    [(server.implicit, false), (server.plain, true)]
}

const VERSIONS: [&str; 2] = ["-tls1_2", "-tls1_3"];

const REQUEST: &str = "Handshake CertificateRequest";

#[test]
fn r8314_4_2_rdm_2_1a_rdm_2_1h_certificate_is_asked_for_exactly_as_configured() {
    let certs = Certs::new();
    let authority = certs.authority_file();
    let authority = authority.to_str().unwrap();
    let dir = TempDir::new("client");
    let identity = certs.client_with_email("alice");
    let (cert, key) = (dir.file("cert", identity.certificate), dir.file("key", identity.key));
    let with = ["-cert", cert.to_str().unwrap(), "-key", key.to_str().unwrap()];
    for (options, asks, insists) in [
        (&[][..], false, false),
        (&["--client-ca", authority], true, false),
        (&["--client-ca", authority, "--client-cert", "optional"], true, false),
        (&["--client-ca", authority, "--client-cert", "required"], true, true),
    ] {
        let server = Pop3d::start(&certs, &alice(), options);
        for (port, stls) in ports(&server) {
            for version in VERSIONS {
                for identity in [&[][..], &with] {
                    let case = format!("{options:?} {version} stls={stls} {identity:?}");
                    let Some(seen) = s_client(port, stls, &[&[version], identity].concat()) else { return };
                    assert_eq!(seen.has_received(REQUEST), asks, "{case}: {}", seen.output);
                    let shown = seen.sent().iter().any(|it| it == "Handshake CertificateVerify");
                    assert_eq!(shown, asks && !identity.is_empty(), "{case}: {}", seen.output);
                    let refused = insists && identity.is_empty();
                    assert_eq!(seen.has_conversed(), !refused, "{case}: {}", seen.output);
                    let alert = seen.has_received("Alert fatal certificate_required");
                    assert_eq!(alert, refused, "{case}: {}", seen.output);
                }
            }
        }
    }
}

#[test]
fn r8996_4_1_tls_below_1_2_is_refused() {
    let certs = Certs::new();
    let server = Pop3d::start(&certs, &alice(), &[]);
    for (port, stls) in ports(&server) {
        for version in ["-tls1", "-tls1_1"] {
            let options = [version, "-cipher", "ALL:@SECLEVEL=0"];
            let Some(seen) = s_client(port, stls, &options) else { return };
            assert_eq!(seen.received(), ["Alert fatal protocol_version"], "{version}: {}", seen.output);
            assert!(!seen.has_conversed());
        }
    }
}

#[test]
fn rp_alpn_1_r7301_3_2_alpn_is_pop3_or_nothing() {
    let certs = Certs::new();
    let server = Pop3d::start(&certs, &alice(), &[]);
    for (port, stls) in ports(&server) {
        for version in VERSIONS {
            let seen = |options: &[&str]| s_client(port, stls, &[&[version], options].concat());
            for offer in ["pop3", "http/1.1,pop3"] {
                let Some(good) = seen(&["-alpn", offer]) else { return };
                assert!(
                    good.output.contains("\nALPN protocol: pop3\n") && good.has_conversed(),
                    "{}",
                    good.output
                );
            }
            let wrong = seen(&["-alpn", "http/1.1,imap"]).unwrap();
            // Not every version of OpenSSL has a name for it.
            assert!(wrong.output.contains("SSL alert number 120"), "{}", wrong.output);
            assert!(!wrong.has_received("Handshake Certificate"), "{}", wrong.output);
            assert!(!wrong.has_conversed(), "{}", wrong.output);
            let none = seen(&[]).unwrap();
            assert!(
                none.output.contains("\nNo ALPN negotiated\n") && none.has_conversed(),
                "{}",
                none.output
            );
        }
    }
}

#[test]
fn r9325_3_7_pb_s55_name_chooses_the_certificate() {
    let certs = Certs::new();
    let dir = TempDir::new("names");
    let other = certs.server_named(&["pop.example.net", "*.example.org"]);
    let (cert, key) = (dir.file("cert", other.certificate), dir.file("key", other.key));
    let options =
        ["--cert", cert.to_str().unwrap(), "--key", key.to_str().unwrap(), "--refuse-unknown-names"];
    let server = Pop3d::start(&certs, &alice(), &options);
    let authority = certs.authority_file();
    let judged = ["-CAfile", authority.to_str().unwrap(), "-verify_return_error"];
    for (port, stls) in ports(&server) {
        for version in VERSIONS {
            for (name, known) in [
                ("localhost", true),
                ("pop.example.net", true),
                ("pop.example.org", true),
                ("example.org", false),
            ] {
                let asked = [version, "-servername", name, "-verify_hostname", name];
                let Some(seen) = s_client(port, stls, &[&asked[..], &judged].concat()) else { return };
                assert_eq!(seen.has_conversed(), known, "{name}: {}", seen.output);
                assert_eq!(
                    seen.has_received("Alert fatal unrecognized_name"),
                    !known,
                    "{name}: {}",
                    seen.output
                );
            }
            // Nobody's name: the first.
            let nameless = [version, "-noservername", "-verify_hostname", "localhost"];
            assert!(s_client(port, stls, &[&nameless[..], &judged].concat()).unwrap().has_conversed());
        }
    }
}

#[test]
fn r8446_6_1_rp_close_1_close_notify_follows_the_last_reply() {
    let certs = Certs::new();
    let server = Pop3d::start(&certs, &alice(), &[]);
    for (port, stls) in ports(&server) {
        for version in VERSIONS {
            let Some(seen) = s_client(port, stls, &[version]) else { return };
            assert!(seen.has_conversed(), "{}", seen.output);
            assert_eq!(seen.received().last().unwrap(), "Alert warning close_notify", "{}", seen.output);
            let (_, behind) = seen.output.split_once("+OK bye").unwrap();
            assert!(behind.contains("close_notify"), "{}", seen.output);
            assert_eq!(seen.code(), Some(0));
        }
    }
}

/// RFC 9325 section 3.5 asks for these of TLS 1.2.
#[test]
fn r9325_3_5_tls12_has_secure_renegotiation_and_the_extended_master_secret_and_no_compression() {
    let certs = Certs::new();
    let server = Pop3d::start(&certs, &alice(), &[]);
    for (port, stls) in ports(&server) {
        let Some(seen) = s_client(port, stls, &["-tls1_2", "-comp"]) else { return };
        for line in
            ["Secure Renegotiation IS supported", "    Extended master secret: yes", "Compression: NONE"]
        {
            assert!(seen.output.lines().any(|it| it == line), "{line}: {}", seen.output);
        }
    }
}

#[test]
fn rdm_1_r8314_3_1_tls_is_there_before_the_first_word() {
    let certs = Certs::new();
    let server = Pop3d::start(&certs, &alice(), &[]);
    let Some(seen) = s_client(server.implicit, false, &["-tls1_3"]) else { return };
    let (handshake, dialogue) = seen.output.split_once("+OK POP3 server ready").unwrap();
    assert!(handshake.contains("Finished"), "{}", seen.output);
    assert!(dialogue.contains("+OK"), "{}", seen.output);
}

fn long() -> Deadline {
    Deadline::after(Duration::from_secs(30))
}

/// Keying material of TLS 1.3 without a context is that of an empty context, so OpenSSL can be asked for the binding.
#[test]
fn r9266_3_1_exporter_is_what_openssl_derives() {
    let certs = Certs::new();
    let tls =
        ServerTls::builder().certificate_pem(&certs.server.certificate, &certs.server.key).build().unwrap();
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let exporter = thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut transport = Transport::plain(stream).accept_tls(&tls, long()).unwrap();
        assert!(matches!(transport.read(&mut [0; 99], long()).unwrap(), Input::Octets(6)), "QUIT");
        let value = transport.tls().unwrap().tls_exporter().unwrap();
        transport.close(None).unwrap();
        value
    });
    let options = ["-tls1_3", "-keymatexport", "EXPORTER-Channel-Binding", "-keymatexportlen", "32"];
    let Some(Transcript { output, .. }) = s_client(port, false, &options) else { return };
    let expected: String = exporter.join().unwrap().iter().map(|octet| format!("{octet:02X}")).collect();
    assert!(output.contains(&format!("Keying material: {expected}")), "{expected}: {output}");
}

/// A server of OpenSSL with the certificate of `certs` and these options.
fn s_server(certs: &Certs, dir: &TempDir, options: &[&str]) -> Option<(Service, u16)> {
    let program = require("openssl")?;
    let port = free_port();
    let mut command = Command::new(program);
    command.args(["s_server", "-quiet", "-accept", &format!("127.0.0.1:{port}")]);
    command.arg("-cert").arg(certs.server_file()).arg("-key").arg(certs.server_key_file());
    let mut service = Service::start(command.args(options), &dir.join("s_server.log"));
    drop(service.wait_for_port(port, Duration::from_secs(30)).unwrap());
    Some((service, port))
}

fn connect(port: u16, tls: &ClientTls) -> Result<Transport<TcpStream>, TransportError> {
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    Transport::plain(stream).connect_tls(tls, &ServerName::parse("localhost").unwrap(), long())
}

/// OpenSSL sends another alert in each version; both mean the same.
#[test]
fn rdm_2_1g_refusal_by_openssl_is_told_as_such() {
    let certs = Certs::new();
    let (authority, dir) = (certs.authority_file(), TempDir::new("refusal"));
    let stranger = Certs::new().client("alice");
    for version in VERSIONS {
        let options =
            ["-Verify", "1", "-verify_return_error", "-CAfile", authority.to_str().unwrap(), version];
        let Some((_server, port)) = s_server(&certs, &dir, &options) else { return };
        let client = || ClientTls::builder().ca_file(&authority);
        let wrong = client().client_certificate_pem(&stranger.certificate, &stranger.key);
        for tls in [client(), wrong] {
            let refused = connect(port, &tls.build().unwrap())
                .and_then(|mut transport| transport.read(&mut [0; 9], long()))
                .unwrap_err();
            assert!(matches!(refused, TransportError::ClientCertificateRefused(_)), "{version}: {refused:?}");
        }
    }
}

#[test]
fn r5929_4_1_r8314_5_3_hashes_are_those_of_openssl() {
    let certs = Certs::new();
    let dir = TempDir::new("hashes");
    let Some((_server, port)) = s_server(&certs, &dir, &[]) else { return };
    let file = certs.server_file();
    let shell = |script: &str| {
        let output = Command::new("/bin/sh").args(["-c", script]).arg(&file).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_ascii_lowercase()
    };
    let fingerprint = shell("openssl x509 -in \"$0\" -noout -fingerprint -sha256 | sed 's/.*=//; s/://g'");
    let public_key = shell(
        "openssl x509 -in \"$0\" -pubkey -noout | openssl pkey -pubin -outform DER | openssl dgst -sha256 -r | cut -c1-64",
    );
    let tls = ClientTls::builder().ca_file(certs.authority_file()).build().unwrap();
    let transport = connect(port, &tls).unwrap();
    let info = transport.tls().unwrap();
    let hex = |octets: &[u8]| octets.iter().map(|octet| format!("{octet:02x}")).collect::<String>();
    assert_eq!(hex(&info.tls_server_end_point().unwrap()), fingerprint);
    assert_eq!(hex(&info.peer_spki_sha256().unwrap()), public_key);
}
