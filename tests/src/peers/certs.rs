//! Throw-away certificates: one authority, one server, any number of clients. Made anew for each test, never stored.

use std::path::PathBuf;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SanType, SerialNumber,
    date_time_ymd,
};

use super::TempDir;

/// A certificate with its key, as PEM.
#[derive(Debug)]
#[expect(clippy::exhaustive_structs, reason = "a record of files for tests")]
pub struct Identity {
    /// The certificate, without its issuer's.
    pub certificate: String,
    /// The private key, PKCS #8.
    pub key: String,
}

/// An authority and the certificate of the server `localhost`, `127.0.0.1` and `::1`, in files and in memory.
#[derive(Debug)]
#[must_use]
pub struct Certs {
    issuer: Issuer<'static, KeyPair>,
    dir: TempDir,
    /// The authority's certificate, PEM.
    pub authority: String,
    /// The server's.
    pub server: Identity,
}

impl Certs {
    /// Makes authority and server certificate, ECDSA P-256.
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, "POP3 test authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().unwrap();
        let authority = params.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(params, key);
        let server = sign(
            &issuer,
            "localhost",
            &["localhost", "127.0.0.1", "::1"],
            ExtendedKeyUsagePurpose::ServerAuth,
        );
        let dir = TempDir::new("certs");
        let certs = Self { issuer, dir, authority, server };
        certs.dir.file("ca.pem", &certs.authority);
        certs.dir.file("server.pem", format!("{}{}", certs.server.certificate, certs.authority));
        certs.dir.file("server.key", &certs.server.key);
        for public in ["ca.pem", "server.pem"] {
            super::temp::let_read(&certs.dir.join(public));
        }
        certs
    }

    /// The file with the authority's certificate, which clients are told to trust. Anybody may read it.
    #[must_use]
    pub fn authority_file(&self) -> PathBuf {
        self.dir.join("ca.pem")
    }

    /// The file with the server's certificate and its issuer's.
    #[must_use]
    pub fn server_file(&self) -> PathBuf {
        self.dir.join("server.pem")
    }

    /// The file with the server's key. Only its owner may read it.
    #[must_use]
    pub fn server_key_file(&self) -> PathBuf {
        self.dir.join("server.key")
    }

    /// A certificate by which `user` can log in: the name is the subject's common name.
    #[must_use]
    pub fn client(&self, user: &str) -> Identity {
        sign(&self.issuer, user, &[], ExtendedKeyUsagePurpose::ClientAuth)
    }

    /// A certificate by which the user with this e-mail address can log in: the subject has no name.
    #[must_use]
    pub fn client_with_email(&self, address: &str) -> Identity {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.subject_alt_names.push(SanType::Rfc822Name(address.try_into().unwrap()));
        sign_params(&self.issuer, params, ExtendedKeyUsagePurpose::ClientAuth)
    }

    /// As [`client_with_email`](Self::client_with_email), with a serial number that can be revoked.
    #[must_use]
    pub fn client_numbered(&self, address: &str, serial: u8) -> Identity {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.subject_alt_names.push(SanType::Rfc822Name(address.try_into().unwrap()));
        params.serial_number = Some(SerialNumber::from_slice(&[serial]));
        sign_params(&self.issuer, params, ExtendedKeyUsagePurpose::ClientAuth)
    }

    /// The authority's revocation list, PEM, with these serial numbers.
    #[must_use]
    pub fn revocation_list(&self, serials: &[u8]) -> String {
        let revoked = serials.iter().map(|serial| RevokedCertParams {
            serial_number: SerialNumber::from_slice(&[*serial]),
            revocation_time: date_time_ymd(2020, 1, 1),
            reason_code: None,
            invalidity_date: None,
        });
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2020, 1, 1),
            next_update: date_time_ymd(4000, 1, 1),
            crl_number: SerialNumber::from_slice(&[1]),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&self.issuer).unwrap().pem().unwrap()
    }

    /// A certificate of this authority for servers of other names, for tests of name checks.
    #[must_use]
    pub fn server_named(&self, names: &[&str]) -> Identity {
        sign(&self.issuer, names[0], names, ExtendedKeyUsagePurpose::ServerAuth)
    }
}

impl Default for Certs {
    fn default() -> Self {
        Self::new()
    }
}

fn sign(
    issuer: &Issuer<'_, KeyPair>,
    name: &str,
    names: &[&str],
    usage: ExtendedKeyUsagePurpose,
) -> Identity {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    sign_params(issuer, params, usage)
}

fn sign_params(
    issuer: &Issuer<'_, KeyPair>,
    mut params: CertificateParams,
    usage: ExtendedKeyUsagePurpose,
) -> Identity {
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![usage];
    params.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, issuer).unwrap().pem();
    Identity { certificate, key: key.serialize_pem() }
}
