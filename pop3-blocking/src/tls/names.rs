//! The names in a client certificate that may stand for a user.
//!
//! TLS has verified the certificate before anybody asks here; this module only reads it. Names come from the subject
//! alternative name: rfc822Name first, then dNSName. RFC 4422 appendix A leaves the mapping to the site; a certificate
//! without such a name names nobody (R4422-A.2, PB-S26).

use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

/// The names in a certificate, in the order in which they may stand for a user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CertificateNames {
    /// E-mail addresses (SAN rfc822Name).
    pub addresses: Vec<String>,
    /// Host names (SAN dNSName).
    pub dns_names: Vec<String>,
}

impl CertificateNames {
    /// Reads the names of an end-entity certificate in DER. `None`: it cannot be read, or its subject alternative name
    /// cannot; treat it as a certificate of nobody.
    pub fn of(certificate: &[u8]) -> Option<Self> {
        let certificate = Certificate::from_der(certificate).ok()?;
        let mut names = Self::default();
        let Some((_, alternatives)) = certificate.tbs_certificate().get_extension::<SubjectAltName>().ok()?
        else {
            return Some(names);
        };
        for name in alternatives.0 {
            match name {
                GeneralName::Rfc822Name(address) => names.addresses.push(address.to_string()),
                GeneralName::DnsName(name) => names.dns_names.push(name.to_string()),
                _ => {}
            }
        }
        Some(names)
    }

    /// Each name, e-mail addresses first.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.addresses.iter().chain(&self.dns_names).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair, SanType};

    fn certificate(names: Vec<SanType>) -> Vec<u8> {
        let mut params = CertificateParams::default();
        params.subject_alt_names = names;
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    #[test]
    fn r4422_a_3_addresses_come_before_host_names() {
        let der = certificate(vec![
            SanType::DnsName("pc.example.net".try_into().unwrap()),
            SanType::Rfc822Name("alice@example.net".try_into().unwrap()),
            SanType::IpAddress([127, 0, 0, 1].into()),
        ]);
        let names = CertificateNames::of(&der).unwrap();
        assert_eq!(names.iter().collect::<Vec<_>>(), ["alice@example.net", "pc.example.net"]);
    }

    #[test]
    fn pb_s26_a_certificate_without_a_name_names_nobody() {
        assert_eq!(CertificateNames::of(&certificate(Vec::new())), Some(CertificateNames::default()));
        assert_eq!(CertificateNames::of(b""), None);
        let whole = certificate(vec![SanType::Rfc822Name("a@b".try_into().unwrap())]);
        for end in 0..whole.len() {
            assert_eq!(CertificateNames::of(&whole[..end]), None, "cut at {end}");
        }
    }
}
