//! What a client asks of a server's certificate beyond what rustls does: that it be one of several names, or a service
//! (R7817-3.3); that it hold a pinned key (R8314-5.3).

use core::fmt;
use std::error::Error as StdError;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, DnsName, ServerName as RustlsName, UnixTime};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, SignatureScheme,
};
use sha2::{Digest, Sha256};

use super::ServerName;
use super::der::{self, Parts, Reader};

/// Judges a server that may go by more than one name. Made for one connection.
#[derive(Debug)]
pub(super) struct ManyNames {
    judge: Arc<dyn ServerCertVerifier>,
    /// Whether `judge` compares the name when all else is found good, so that no other fault hides behind a wrong name.
    /// The verifier of rustls does.
    names_last: bool,
    server: ServerName,
}

impl ManyNames {
    pub(super) const fn new(
        judge: Arc<dyn ServerCertVerifier>,
        names_last: bool,
        server: ServerName,
    ) -> Self {
        Self { judge, names_last, server }
    }

    fn is_service(&self, certificate: &[u8], authorities: &[CertificateDer<'_>]) -> bool {
        // Constraints on names do not reach SRV-IDs here (RFC 4985 section 4): who is constrained may not vouch for any.
        let constrained = |authority: &CertificateDer<'_>| {
            Parts::of(authority).is_none_or(|it| it.extension(NAME_CONSTRAINTS).is_some())
        };
        let Some(names) = Parts::of(certificate).and_then(|parts| parts.alternative_names()) else {
            return false;
        };
        !authorities.iter().any(constrained)
            && self.server.services().any(|service| {
                names.clone().filter_map(srv_id).any(|id| id.eq_ignore_ascii_case(service.as_bytes()))
            })
    }
}

impl ServerCertVerifier for ManyNames {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &RustlsName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let judge = |name: &RustlsName<'_>| {
            self.judge.verify_server_cert(certificate, intermediates, name, ocsp, now)
        };
        let wrong_name = match judge(name) {
            Err(error) if is_about_name(&error) => error,
            verdict => return verdict,
        };
        for other in self.server.other_names() {
            match judge(other) {
                Err(error) if is_about_name(&error) => {}
                verdict => return verdict,
            }
        }
        if !self.is_service(certificate, intermediates) {
            return Err(wrong_name);
        }
        if self.names_last {
            return Ok(ServerCertVerified::assertion());
        }
        // All but the name has to be judged still; under a name that the certificate has, that is what is left.
        match Parts::of(certificate).and_then(|parts| parts.alternative_names()?.find_map(own_name)) {
            Some(own) => judge(&RustlsName::DnsName(own)),
            None => Err(wrong_name),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.judge.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.judge.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.judge.supported_verify_schemes()
    }

    fn root_hint_subjects(&self) -> Option<&[DistinguishedName]> {
        self.judge.root_hint_subjects()
    }
}

const fn is_about_name(error: &Error) -> bool {
    matches!(
        error,
        Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }
        )
    )
}

/// The SRV-ID in a name, if it is one: `[0] { id-on-dnsSRV, [0] { IA5String } }` (RFC 4985 section 2).
fn srv_id<'a>(name: der::Element<'a>) -> Option<&'a [u8]> {
    let mut other_name = Reader((name.tag == der::constructed(0)).then_some(name.content)?);
    if other_name.next(der::OBJECT_IDENTIFIER)?.content != DNS_SRV {
        return None;
    }
    let mut value = Reader(other_name.next(der::constructed(0))?.content);
    let id = value.next(der::IA5_STRING)?.content;
    (value.0.is_empty() && other_name.0.is_empty()).then_some(id)
}

/// A host name that the certificate is good for.
fn own_name(name: der::Element<'_>) -> Option<DnsName<'static>> {
    let name = core::str::from_utf8(name.dns_name()?).ok()?;
    let name = name.strip_prefix("*.").map_or_else(|| name.to_owned(), |rest| format!("any.{rest}"));
    DnsName::try_from(name).ok()
}

/// 1.3.6.1.5.5.7.8.7
const DNS_SRV: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x08, 0x07];
/// 2.5.29.30
const NAME_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x1e];

/// Wants one of these public keys, and whatever the other judge wants.
#[derive(Debug)]
pub(super) struct Pinned {
    keys: Vec<[u8; 32]>,
    /// `None`: the key is all.
    judge: Option<Arc<dyn ServerCertVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl Pinned {
    pub(super) const fn new(
        keys: Vec<[u8; 32]>,
        judge: Option<Arc<dyn ServerCertVerifier>>,
        provider: Arc<CryptoProvider>,
    ) -> Self {
        Self { keys, judge, provider }
    }
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &RustlsName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let key = Parts::of(certificate).map(|parts| <[u8; 32]>::from(Sha256::digest(parts.public_key)));
        if !key.is_some_and(|key| self.keys.contains(&key)) {
            return Err(Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(
                KeyNotPinned,
            )))));
        }
        match &self.judge {
            Some(judge) => judge.verify_server_cert(certificate, intermediates, name, ocsp, now),
            None => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        match &self.judge {
            Some(judge) => judge.verify_tls12_signature(message, certificate, signed),
            None => {
                let algorithms = &self.provider.signature_verification_algorithms;
                verify_tls12_signature(message, certificate, signed, algorithms)
            }
        }
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        match &self.judge {
            Some(judge) => judge.verify_tls13_signature(message, certificate, signed),
            None => {
                let algorithms = &self.provider.signature_verification_algorithms;
                verify_tls13_signature(message, certificate, signed, algorithms)
            }
        }
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        match &self.judge {
            Some(judge) => judge.supported_verify_schemes(),
            None => self.provider.signature_verification_algorithms.supported_schemes(),
        }
    }

    fn root_hint_subjects(&self) -> Option<&[DistinguishedName]> {
        self.judge.as_ref().and_then(|judge| judge.root_hint_subjects())
    }
}

/// The text of a refusal.
#[derive(Debug)]
struct KeyNotPinned;

impl fmt::Display for KeyNotPinned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("public key of the server is not a pinned one")
    }
}

impl StdError for KeyNotPinned {}
