//! Files that are read again when they have changed.

use std::path::PathBuf;

use super::*;
use crate::tls::test_ca::Issued;

/// A folder with certificate files.
struct Files(PathBuf);

impl Files {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("pop3-reload-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// As a program does that replaces a file as a whole.
    fn put(&self, name: &str, text: &str) {
        std::fs::write(self.path("new"), text).unwrap();
        std::fs::rename(self.path("new"), self.path(name)).unwrap();
    }

    fn put_pair(&self, name: &str, issued: &Issued) {
        self.put(&format!("{name}.pem"), &issued.chain);
        self.put(&format!("{name}.key"), &issued.key);
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// The certificate that a client is shown who asks for `host`.
fn shown(ca: &Ca, host: &str, tls: &ServerTls) -> Vec<u8> {
    let client = ClientTls::builder().ca_pem(&ca.pem).build().unwrap();
    let (client, server) = meet(&client, host, tls);
    server.unwrap();
    client.unwrap().tls().unwrap().peer_certificates()[0].to_vec()
}

const OTHER: &str = "other.example.net";

#[test]
fn pb_s55_a_pair_that_was_replaced_is_seen_whole_or_not_at_all() {
    let (ca, files) = (Ca::new(), Files::new("pair"));
    let issue = |host: &str| ca.issue(&[host], |_| {});
    files.put_pair("a", &issue(HOST));
    files.put_pair("b", &issue(OTHER));
    let tls = ServerTls::builder()
        .certificate_files(files.path("a.pem"), files.path("a.key"))
        .certificate_files(files.path("b.pem"), files.path("b.key"))
        .build()
        .unwrap();
    let clone = tls.clone();
    assert!(!tls.reload_if_changed().unwrap());
    let (first, other) = (shown(&ca, HOST, &tls), shown(&ca, OTHER, &tls));

    // The chain is new, the key still the old one: told once, and nothing changes.
    let renewed = issue(HOST);
    files.put("a.pem", &renewed.chain);
    assert!(matches!(tls.reload_if_changed(), Err(TlsConfigError::Tls(_))));
    assert!(!tls.reload_if_changed().unwrap());
    assert_eq!(shown(&ca, HOST, &tls), first);
    // The rest has come.
    files.put("a.key", &renewed.key);
    assert!(tls.reload_if_changed().unwrap());
    assert!(!tls.reload_if_changed().unwrap());
    let second = shown(&ca, HOST, &clone);
    assert!(second != first && shown(&ca, OTHER, &clone) == other);

    // Any of the certificates, by its name.
    files.put_pair("b", &issue(OTHER));
    assert!(tls.reload_if_changed().unwrap());
    assert!(shown(&ca, OTHER, &tls) != other && shown(&ca, HOST, &tls) == second);
}

#[test]
fn pb_s55_a_file_that_is_away_or_half_there_keeps_the_old() {
    let (ca, files) = (Ca::new(), Files::new("away"));
    let issued = ca.issue(&[HOST], |_| {});
    files.put_pair("a", &issued);
    let tls =
        ServerTls::builder().certificate_files(files.path("a.pem"), files.path("a.key")).build().unwrap();
    let first = shown(&ca, HOST, &tls);
    std::fs::remove_file(files.path("a.key")).unwrap();
    assert!(matches!(tls.reload_if_changed(), Err(TlsConfigError::Read { .. })));
    assert!(!tls.reload_if_changed().unwrap());
    files.put("a.key", &issued.key[..issued.key.len() / 2]);
    assert!(matches!(tls.reload_if_changed(), Err(TlsConfigError::Pem { .. })));
    assert!(!tls.reload_if_changed().unwrap());
    assert_eq!(shown(&ca, HOST, &tls), first);
    files.put("a.key", &issued.key);
    assert!(tls.reload_if_changed().unwrap());
}

#[test]
fn pb_s55_written_in_place_linked_elsewhere_or_revoked_is_changed_too() {
    let (ca, files) = (Ca::new(), Files::new("place"));
    files.put_pair("a", &ca.issue(&[HOST], |_| {}));
    files.put_pair("b", &ca.issue(&[HOST], |_| {}));
    files.put("ca", &ca.pem);
    files.put("crl", &ca.revoke(&[], 2100));
    for (link, to) in [("live.pem", "a.pem"), ("live.key", "a.key")] {
        std::os::unix::fs::symlink(to, files.path(link)).unwrap();
    }
    let tls = ServerTls::builder()
        .certificate_files(files.path("live.pem"), files.path("live.key"))
        .client_ca_file(files.path("ca"))
        .client_crl_file(files.path("crl"))
        .client_certificates(ClientCertificates::Optional)
        .build()
        .unwrap();
    assert!(!tls.reload_if_changed().unwrap());
    std::fs::write(files.path("crl"), ca.revoke(&[1, 2, 3], 2100)).unwrap();
    assert!(tls.reload_if_changed().unwrap());
    for (link, to) in [("live.pem", "b.pem"), ("live.key", "b.key")] {
        std::fs::remove_file(files.path(link)).unwrap();
        std::os::unix::fs::symlink(to, files.path(link)).unwrap();
    }
    assert!(tls.reload_if_changed().unwrap());
    assert!(!tls.reload_if_changed().unwrap());
    // What was read by hand is not read once more.
    files.put("crl", &ca.revoke(&[1], 2100));
    tls.reload().unwrap();
    assert!(!tls.reload_if_changed().unwrap());
    let foreign = ServerTls::from_config(tls.config());
    assert!(matches!(foreign.reload_if_changed(), Err(TlsConfigError::ForeignConfig)));
}
