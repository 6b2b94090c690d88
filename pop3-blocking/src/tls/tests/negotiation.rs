//! Versions, ALPN, resumption, channel binding, and configurations that cannot be built.

use rustls::{AlertDescription, ClientConfig, Error};

use super::*;

/// A client that offers exactly these protocols.
fn offering(ca: &Ca, protocols: &[&[u8]]) -> ClientTls {
    let mut config = ClientConfig::clone(ca.client_tls().config());
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    ClientTls::from_config(Arc::new(config))
}

#[test]
fn r7301_3_2_pb_q67_alpn_table() {
    let ca = Ca::new();
    for server in [ca.server_tls(), ca.server_builder().only_tls12().build().unwrap()] {
        // The default client offers `pop3`, 70 6F 70 33 (RP-ALPN.1).
        assert_eq!(ca.client_tls().config().alpn_protocols, [[0x70, 0x6f, 0x70, 0x33]]);
        let (client, accepted) = meet_well(&ca.client_tls(), &server);
        assert_eq!(client.tls().unwrap().alpn(), Some(&b"pop3"[..]));
        assert_eq!(accepted.tls().unwrap().alpn(), Some(&b"pop3"[..]));
        // PB-Q67: no ALPN is fine.
        let (client, accepted) = meet_well(&offering(&ca, &[]), &server);
        assert_eq!((client.tls().unwrap().alpn(), accepted.tls().unwrap().alpn()), (None, None));
        let (client, _accepted) = meet_well(&offering(&ca, &[b"imap", b"pop3"]), &server);
        assert_eq!(client.tls().unwrap().alpn(), Some(&b"pop3"[..]));
        for wrong in [&[&b"imap"[..]][..], &[b"http/1.1", b"h2"], &[b"POP3"], &[b"pop"]] {
            let (client, accepted) = meet(&offering(&ca, wrong), HOST, &server);
            assert!(
                matches!(
                    client,
                    Err(TransportError::Tls(Error::AlertReceived(AlertDescription::NoApplicationProtocol)))
                ),
                "{client:?}"
            );
            assert!(
                matches!(accepted, Err(TransportError::Tls(Error::NoApplicationProtocol))),
                "{accepted:?}"
            );
        }
    }
}

#[test]
fn r7301_3_2_strict_server_refuses_a_client_without_alpn() {
    let ca = Ca::new();
    let server = ca.server_tls().require_alpn();
    meet_well(&ca.client_tls(), &server);
    let (client, accepted) = meet(&offering(&ca, &[]), HOST, &server);
    assert!(matches!(accepted, Err(TransportError::NoAlpn)), "{accepted:?}");
    assert!(matches!(client, Err(TransportError::ClosedInHandshake)), "{client:?}");
}

#[test]
fn r9325_3_8_client_takes_no_answer_unless_strict() {
    let ca = Ca::new();
    let mut config = rustls::ServerConfig::clone(&ca.server_tls().config());
    config.alpn_protocols.clear();
    let server = ServerTls::from_config(Arc::new(config));
    let (client, _accepted) = meet_well(&ca.client_tls(), &server);
    assert_eq!(client.tls().unwrap().alpn(), None);
    let (client, _accepted) = meet(&ca.client_tls().require_alpn(), HOST, &server);
    assert!(matches!(client, Err(TransportError::NoAlpn)), "{client:?}");
}

#[test]
fn r9325_3_1_best_version_wins_and_a_minimum_holds() {
    let ca = Ca::new();
    let (only_new, only_old) =
        (ca.client_builder().minimum_version(TlsVersion::Tls13), ca.client_builder().only_tls12());
    let (only_new, only_old) = (only_new.build().unwrap(), only_old.build().unwrap());
    let new_server = ca.server_builder().minimum_version(TlsVersion::Tls13).build().unwrap();
    let old_server = ca.server_builder().only_tls12().build().unwrap();
    for (client, server, expected) in [
        (&ca.client_tls(), &ca.server_tls(), Some(TlsVersion::Tls13)),
        (&ca.client_tls(), &old_server, Some(TlsVersion::Tls12)),
        (&only_old, &ca.server_tls(), Some(TlsVersion::Tls12)),
        (&only_new, &ca.server_tls(), Some(TlsVersion::Tls13)),
        (&only_new, &old_server, None),
        (&only_old, &new_server, None),
    ] {
        let (client, accepted) = meet(client, HOST, server);
        let version = |side: &Outcome| side.as_ref().ok().map(|side| side.tls().unwrap().version());
        assert_eq!(version(&client), expected, "{client:?}");
        assert_eq!(version(&accepted), expected, "{accepted:?}");
    }
}

#[test]
fn r8314_4_1_version_suite_and_name_are_there_for_the_log() {
    let ca = Ca::new();
    let (client, accepted) = meet_well(&ca.client_tls(), &ca.server_tls());
    let (ours, theirs) = (client.tls().unwrap(), accepted.tls().unwrap());
    assert_eq!(ours.version().to_string(), "TLS 1.3");
    assert!(ours.cipher_suite().starts_with("TLS13_AES_"), "{}", ours.cipher_suite());
    assert_eq!(ours.cipher_suite(), theirs.cipher_suite());
    assert_eq!(ours.key_exchange(), theirs.key_exchange());
    assert!(ours.key_exchange().unwrap().starts_with("X25519"), "{:?}", ours.key_exchange());
    assert_eq!(ours.server_name().as_deref(), Some(HOST));
    assert_eq!(theirs.server_name().as_deref(), Some(HOST));
    assert_eq!(ours.peer_certificates().len(), 1);
    assert!(theirs.peer_certificates().is_empty());
}

/// R9325-4.2: forward secrecy and authenticated encryption only.
#[test]
fn r9325_4_2_suites_are_ecdhe_with_aead() {
    for suite in &provider().unwrap().cipher_suites {
        let name = suite.suite().as_str().unwrap();
        let good = name.starts_with("TLS13_") || name.starts_with("TLS_ECDHE_");
        assert!(good && (name.contains("_GCM_") || name.contains("_CHACHA20_POLY1305_")), "{name}");
    }
}

#[test]
fn r9266_4_1_exporter_agrees_on_tls13_and_is_not_offered_on_tls12() {
    let ca = Ca::new();
    let (client, accepted) = meet_well(&ca.client_tls(), &ca.server_tls());
    let value = client.tls().unwrap().tls_exporter().unwrap();
    assert_eq!(accepted.tls().unwrap().tls_exporter(), Some(value));
    assert_ne!(value, [0; 32]);
    let by_hand: [u8; 32] = client
        .tls()
        .unwrap()
        .export_keying_material([0; 32], b"EXPORTER-Channel-Binding", Some(b""))
        .unwrap();
    assert_eq!(value, by_hand);
    let (other, _accepted) = meet_well(&ca.client_tls(), &ca.server_tls());
    assert_ne!(other.tls().unwrap().tls_exporter(), Some(value), "bound to the connection");
    let (old, accepted) = meet_well(&ca.client_builder().only_tls12().build().unwrap(), &ca.server_tls());
    assert_eq!(old.tls().unwrap().tls_exporter(), None);
    assert_eq!(accepted.tls().unwrap().tls_exporter(), None);
}

#[test]
fn r9325_3_4_sessions_are_resumed_by_ticket() {
    let ca = Ca::new();
    for client in [ca.client_tls(), ca.client_builder().only_tls12().build().unwrap()] {
        let server = ca.server_tls();
        let resumed = |_| {
            let (client, accepted) = meet_well(&client, &server);
            assert_eq!(client.tls().unwrap().is_resumed(), accepted.tls().unwrap().is_resumed());
            assert_eq!(client.tls().unwrap().peer_certificates().len(), 1, "known from the first session");
            accepted.tls().unwrap().is_resumed()
        };
        assert_eq!([0; 3].map(resumed), [false, true, true]);
        // The keys live in this configuration only.
        let other = ServerTls::clone(&ca.server_tls());
        assert!(!meet_well(&client, &other).1.tls().unwrap().is_resumed());
    }
}

/// A certificate is shown and judged anew on each connection.
#[test]
fn rdm_2_1j_no_resumption_where_certificates_can_log_in() {
    let ca = Ca::new();
    let issued = ca.client("mrose");
    for old in [true, false] {
        let builder = || if old { ca.client_builder().only_tls12() } else { ca.client_builder() };
        let with = builder().client_certificate_pem(&issued.chain, &issued.key).build().unwrap();
        let without = builder().build().unwrap();
        let optional =
            ca.server_builder().client_ca_pem(&ca.pem).client_certificates(ClientCertificates::Optional);
        for (client, server, shown) in [
            (&with, ca.server_tls(), 0),
            (&without, optional.clone().build().unwrap(), 0),
            (&with, optional.build().unwrap(), 1),
        ] {
            for _ in 0..3 {
                let (_client, accepted) = meet_well(client, &server);
                assert!(!accepted.tls().unwrap().is_resumed());
                assert_eq!(accepted.tls().unwrap().peer_certificates().len(), shown);
            }
        }
    }
}

/// A program that wants both keeps the certificate in its tickets: whoever resumes is who began, or nobody.
#[test]
fn rdm_2_1j_resumed_session_of_a_programs_own_configuration_knows_its_certificate() {
    let ca = Ca::new();
    let issued = ca.client("mrose");
    for old in [true, false] {
        let asking =
            ca.server_builder().client_ca_pem(&ca.pem).client_certificates(ClientCertificates::Optional);
        let mut config = rustls::ServerConfig::clone(&asking.build().unwrap().config());
        config.ticketer = provider::ticketer().unwrap().unwrap();
        config.send_tls13_tickets = 1;
        let server = ServerTls::from_config(Arc::new(config));
        let builder = || if old { ca.client_builder().only_tls12() } else { ca.client_builder() };
        let with = builder().client_certificate_pem(&issued.chain, &issued.key).build().unwrap();
        // A client of rustls's own, since this library's resumes nothing when it has a certificate.
        let mut config = ClientConfig::clone(with.config());
        config.resumption = rustls::client::Resumption::default();
        for (config, shown) in [(Arc::new(config), 1), (Arc::clone(builder().build().unwrap().config()), 0)] {
            for round in 0..3 {
                let (ours, theirs) = UnixStream::pair().unwrap();
                let accepted = thread::scope(|scope| {
                    let accepted = scope.spawn(|| {
                        let mut accepted = Transport::plain(theirs).accept_tls(&server, long()).unwrap();
                        accepted.write_all(b"+", LONG, long()).unwrap();
                        accepted
                    });
                    let name = ServerName::parse(HOST).unwrap().to_rustls();
                    let client = rustls::ClientConnection::new(Arc::clone(&config), name).unwrap();
                    rustls::StreamOwned::new(client, ours).read_exact(&mut [0]).unwrap();
                    accepted.join().unwrap()
                });
                let info = accepted.tls().unwrap();
                assert_eq!(info.is_resumed(), round > 0);
                assert_eq!(info.peer_certificates().len(), shown, "{info:?}");
            }
        }
    }
}

#[test]
fn r9325_3_10_early_data_is_off_and_nothing_is_kept_per_session() {
    let ca = Ca::new();
    let (client, server) = (ca.client_tls(), ca.server_tls());
    assert!(!client.config().enable_early_data);
    assert_eq!(server.config().max_early_data_size, 0);
    assert!(!server.config().send_half_rtt_data);
    assert!(!server.config().session_storage.can_cache());
}

#[test]
fn configurations_that_cannot_be_meant_are_typed_errors() {
    let ca = Ca::new();
    let issued = ca.issue(&[HOST], |_| {});
    let server = || ServerTls::builder().certificate_pem(&issued.chain, &issued.key);
    assert!(matches!(ClientTls::builder().build(), Err(TlsConfigError::NoRoots)));
    assert!(matches!(
        ClientTls::builder().crl_pem(ca.revoke(&[], 4000)).build(),
        Err(TlsConfigError::NoRoots)
    ));
    assert!(matches!(ClientTls::builder().ca_pem("").build(), Err(TlsConfigError::Pem { .. })));
    assert!(matches!(ClientTls::builder().ca_file("/nonexistent").build(), Err(TlsConfigError::Read { .. })));
    assert!(matches!(ServerTls::builder().build(), Err(TlsConfigError::NoCertificate)));
    assert!(matches!(
        server().client_certificates(ClientCertificates::Required).build(),
        Err(TlsConfigError::NoRoots)
    ));
    assert!(matches!(server().client_ca_pem(&ca.pem).build(), Err(TlsConfigError::ClientCaUnused)));
    let other = ca.issue(&[HOST], |_| {});
    assert!(matches!(
        ServerTls::builder().certificate_pem(&issued.chain, &other.key).build(),
        Err(TlsConfigError::Tls(Error::InconsistentKeys(_)))
    ));
    assert!(matches!(
        ca.client_builder().client_certificate_pem(&issued.chain, &other.key).build(),
        Err(TlsConfigError::Tls(Error::InconsistentKeys(_)))
    ));
    assert!(matches!(
        ca.client_builder().crl_pem("-----BEGIN X509 CRL-----\nMAA=\n-----END X509 CRL-----\n").build(),
        Err(TlsConfigError::Verifier(_))
    ));
}

#[test]
fn law_3_builders_show_no_key() {
    let ca = Ca::new();
    let issued = ca.issue(&[HOST], |_| {});
    let line = issued.key.lines().nth(1).unwrap();
    let shown = format!(
        "{:?}{:?}",
        ServerTls::builder().certificate_pem(&issued.chain, &issued.key),
        ca.client_builder().client_certificate_pem(&issued.chain, &issued.key)
    );
    assert!(!shown.contains(line) && !shown.contains(&format!("{:?}", line.as_bytes())));
}

#[test]
fn files_are_read_as_text_is() {
    let ca = Ca::new();
    let issued = ca.issue(&[HOST], |_| {});
    let folder = std::env::temp_dir().join(format!("pop3-tls-files-{}", std::process::id()));
    std::fs::create_dir(&folder).unwrap();
    let (one, roots) = (folder.join("both.pem"), folder.join("ca.pem"));
    std::fs::write(&one, format!("{}{}", issued.key, issued.chain)).unwrap();
    std::fs::write(&roots, &ca.pem).unwrap();
    let server = ServerTls::builder().certificate_files(&one, &one).build().unwrap();
    let client = ClientTls::builder().ca_file(&roots).build().unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    meet_well(&client, &server);
}

#[cfg(feature = "webpki-roots")]
#[test]
fn r8314_5_2_public_roots_do_not_know_a_private_authority() {
    let ca = Ca::new();
    let public = ClientTls::builder().webpki_roots();
    let error = meet(&public.clone().build().unwrap(), HOST, &ca.server_tls()).0.unwrap_err();
    assert!(error.is_certificate_error(), "{error:?}");
    meet_well(&public.ca_pem(&ca.pem).build().unwrap(), &ca.server_tls());
}

#[cfg(feature = "platform-verifier")]
#[test]
fn r8314_5_2_platform_roots_take_further_authorities_but_no_lists() {
    let ca = Ca::new();
    let platform = || ClientTls::builder().platform_roots().ca_pem(&ca.pem);
    meet_well(&platform().build().unwrap(), &ca.server_tls());
    assert!(matches!(platform().crl_pem(ca.revoke(&[], 4000)).build(), Err(TlsConfigError::CrlsNotTaken)));
    #[cfg(feature = "webpki-roots")]
    assert!(matches!(platform().webpki_roots().build(), Err(TlsConfigError::ConflictingRoots)));
}
