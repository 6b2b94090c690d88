//! A throw-away certificate authority for tests.

use std::sync::atomic::{AtomicU32, Ordering};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, NameConstraints, RevokedCertParams, SerialNumber,
    date_time_ymd,
};

use super::{ClientTls, ClientTlsBuilder, ServerTls, ServerTlsBuilder};

/// The name that [`Ca::server_tls`] has a certificate for.
pub(crate) const HOST: &str = "pop.example.org";

/// An authority that lives as long as the test.
pub(crate) struct Ca {
    pub(crate) pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key, in PEM.
pub(crate) struct Issued {
    pub(crate) chain: String,
    pub(crate) key: String,
}

impl Ca {
    pub(crate) fn new() -> Self {
        let (params, key) = (authority(), KeyPair::generate().unwrap());
        let pem = params.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    /// An authority that this one vouches for, and its certificate in PEM.
    pub(crate) fn below(&self, constraints: Option<NameConstraints>) -> (Self, String) {
        let (mut params, key) = (authority(), KeyPair::generate().unwrap());
        params.name_constraints = constraints;
        let pem = params.signed_by(&key, &self.issuer).unwrap().pem();
        (Self { pem: pem.clone(), issuer: Issuer::new(params, key) }, pem)
    }

    /// A certificate for the names, which may be addresses, after `change`.
    pub(crate) fn issue(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Issued {
        let mut params = params(names);
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let chain = params.signed_by(&key, &self.issuer).unwrap().pem();
        Issued { chain, key: key.serialize_pem() }
    }

    /// A client certificate.
    pub(crate) fn client(&self, user: &str) -> Issued {
        self.issue(&[], |params| {
            params.distinguished_name.push(DnType::CommonName, user);
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        })
    }

    /// A list that revokes the serial numbers and is valid until `year`.
    pub(crate) fn revoke(&self, serials: &[u8], year: i32) -> String {
        let revoked = |serial: &u8| RevokedCertParams {
            serial_number: SerialNumber::from_slice(&[*serial]),
            revocation_time: date_time_ymd(2020, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2020, 1, 1),
            next_update: date_time_ymd(year, 1, 1),
            crl_number: SerialNumber::from_slice(&[1]),
            issuing_distribution_point: None,
            revoked_certs: serials.iter().map(revoked).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&self.issuer).unwrap().pem().unwrap()
    }

    /// A server with a good certificate for [`HOST`], not yet built.
    pub(crate) fn server_builder(&self) -> ServerTlsBuilder {
        let server = self.issue(&[HOST], |_| {});
        ServerTls::builder().certificate_pem(server.chain, server.key)
    }

    pub(crate) fn server_tls(&self) -> ServerTls {
        self.server_builder().build().unwrap()
    }

    /// A client that trusts this authority, not yet built.
    pub(crate) fn client_builder(&self) -> ClientTlsBuilder {
        ClientTls::builder().ca_pem(&self.pem)
    }

    pub(crate) fn client_tls(&self) -> ClientTls {
        self.client_builder().build().unwrap()
    }
}

/// Good parameters for an authority.
fn authority() -> CertificateParams {
    let mut params = CertificateParams::default();
    // Two authorities of one name would fail by signature instead of by name.
    static MADE: AtomicU32 = AtomicU32::new(0);
    let name = format!("throw-away authority {}", MADE.fetch_add(1, Ordering::Relaxed));
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

/// Good parameters for a server with the names.
pub(crate) fn params(names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.use_authority_key_identifier_extension = true;
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params
}

/// A certificate that nobody but itself vouches for.
pub(crate) fn self_signed(names: &[&str]) -> Issued {
    let key = KeyPair::generate().unwrap();
    Issued { chain: params(names).self_signed(&key).unwrap().pem(), key: key.serialize_pem() }
}
