//! The names in a client certificate that may stand for a user: [`CertificateNames`], and the choice among them,
//! [`CertificateMap`].
//!
//! TLS has verified the certificate before anybody asks here; this module only reads it. RFC 4422 appendix A leaves the
//! mapping to the site. A certificate without a name of the chosen kinds names nobody (R4422-A.2, PB-S26).

use core::fmt;
use core::str::FromStr;
use std::error::Error as StdError;

use x509_cert::Certificate;
use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::der::{Decode, Tag, Tagged};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

/// The names in a certificate, as they stand there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CertificateNames {
    /// E-mail addresses (SAN rfc822Name).
    pub addresses: Vec<String>,
    /// Host names (SAN dNSName).
    pub dns_names: Vec<String>,
    /// Common names (subject CN).
    pub common_names: Vec<String>,
    /// E-mail addresses in the subject (emailAddress of PKCS #9), as old authorities put them there.
    pub subject_addresses: Vec<String>,
}

impl CertificateNames {
    /// Reads the names of an end-entity certificate in DER. `None`: it cannot be read, or its subject alternative name
    /// cannot; treat it as a certificate of nobody.
    pub fn of(certificate: &[u8]) -> Option<Self> {
        let certificate = Certificate::from_der(certificate).ok()?;
        let mut names = Self::default();
        for attribute in certificate.tbs_certificate().subject().iter() {
            match attribute.oid {
                COMMON_NAME => names.common_names.extend(text(attribute)),
                EMAIL_ADDRESS => names.subject_addresses.extend(text(attribute)),
                _ => {}
            }
        }
        let alternatives = certificate.tbs_certificate().get_extension::<SubjectAltName>().ok()?;
        for name in alternatives.into_iter().flat_map(|(_, alternatives)| alternatives.0) {
            match name {
                GeneralName::Rfc822Name(address) => names.addresses.push(address.to_string()),
                GeneralName::DnsName(name) => names.dns_names.push(name.to_string()),
                _ => {}
            }
        }
        Some(names)
    }
}

/// The text of an attribute, if it is of a kind that can be read as it stands.
fn text(attribute: &AttributeTypeAndValue) -> Option<String> {
    match attribute.value.tag() {
        Tag::Utf8String | Tag::PrintableString | Tag::Ia5String => {
            String::from_utf8(attribute.value.value().to_vec()).ok()
        }
        _ => None,
    }
}

const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
const EMAIL_ADDRESS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.1");

/// A kind of name in a certificate. Written as `rfc822name`, `dnsname`, `cn`, `email`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CertificateField {
    /// An e-mail address in the subject alternative name.
    Rfc822Name,
    /// A host name in the subject alternative name.
    DnsName,
    /// The common name of the subject.
    CommonName,
    /// An e-mail address in the subject.
    EmailAddress,
}

impl FromStr for CertificateField {
    type Err = UnknownField;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name {
            "rfc822name" => Ok(Self::Rfc822Name),
            "dnsname" => Ok(Self::DnsName),
            "cn" => Ok(Self::CommonName),
            "email" => Ok(Self::EmailAddress),
            _ => Err(UnknownField),
        }
    }
}

/// A word that is no [`CertificateField`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnknownField;

impl fmt::Display for UnknownField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no name of a certificate, which are rfc822name, dnsname, cn, email")
    }
}

impl StdError for UnknownField {}

/// Which names in a certificate stand for a user, and in which order. Chosen by whoever runs the server and agrees with the
/// authority on what it certifies: a common name is only as good as the authority's care for it.
///
/// ```
/// use pop3_blocking::tls::{CertificateField, CertificateMap};
///
/// # let (certificate, is_user) = ([0; 0], |_: &str| false);
/// let map = CertificateMap::new([CertificateField::Rfc822Name, CertificateField::CommonName]);
/// // No user of these names: the login fails, whatever else the client says.
/// let user = map.candidates(&certificate).into_iter().find(|name| is_user(name));
/// # assert_eq!(user, None);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateMap {
    fields: Vec<CertificateField>,
}

impl CertificateMap {
    /// These kinds of names, in this order.
    pub fn new(fields: impl IntoIterator<Item = CertificateField>) -> Self {
        Self { fields: fields.into_iter().collect() }
    }

    /// The names in a certificate in DER that may stand for a user, the first to be tried first.
    ///
    /// Host names, and the part of an address behind its last `@`, are in lower case, as they do not differ by case. Names
    /// that are empty or hold control characters are left out; a certificate that cannot be read has none.
    pub fn candidates(&self, certificate: &[u8]) -> Vec<String> {
        let Some(names) = CertificateNames::of(certificate) else { return Vec::new() };
        let mut all = Vec::new();
        for field in &self.fields {
            let (found, normal): (_, fn(&str) -> String) = match field {
                CertificateField::Rfc822Name => (&names.addresses, normal_address),
                CertificateField::DnsName => (&names.dns_names, str::to_ascii_lowercase),
                CertificateField::CommonName => (&names.common_names, str::to_owned),
                CertificateField::EmailAddress => (&names.subject_addresses, normal_address),
            };
            let usable = |name: &&String| !name.is_empty() && !name.chars().any(char::is_control);
            all.extend(found.iter().filter(usable).map(|name| normal(name)));
        }
        all
    }
}

/// Addresses and host names of the subject alternative name.
impl Default for CertificateMap {
    fn default() -> Self {
        Self::new([CertificateField::Rfc822Name, CertificateField::DnsName])
    }
}

fn normal_address(address: &str) -> String {
    match address.rsplit_once('@') {
        Some((local, domain)) => format!("{local}@{}", domain.to_ascii_lowercase()),
        None => address.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, CustomExtension, DistinguishedName, DnType, DnValue, KeyPair, SanType};

    fn signed(params: &CertificateParams) -> Vec<u8> {
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    fn certificate(names: Vec<SanType>) -> Vec<u8> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.subject_alt_names = names;
        signed(&params)
    }

    /// A certificate with a name of each kind.
    fn full() -> Vec<u8> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "Alice");
        let email = DnType::CustomDnType(vec![1, 2, 840, 113_549, 1, 9, 1]);
        params.distinguished_name.push(email, DnValue::Ia5String("Old@Example.NET".try_into().unwrap()));
        params.subject_alt_names = vec![
            SanType::DnsName("PC.example.net".try_into().unwrap()),
            SanType::Rfc822Name("Alice@Example.NET".try_into().unwrap()),
            SanType::IpAddress([127, 0, 0, 1].into()),
        ];
        signed(&params)
    }

    #[test]
    fn r4422_a_3_addresses_come_before_host_names() {
        assert_eq!(CertificateMap::default().candidates(&full()), ["Alice@example.net", "pc.example.net"]);
    }

    #[test]
    fn r4422_a_3_order_and_kinds_are_the_operators() {
        use CertificateField::{CommonName, DnsName, EmailAddress, Rfc822Name};
        for (fields, expected) in [
            (&[CommonName][..], &["Alice"][..]),
            (&[EmailAddress, CommonName], &["Old@example.net", "Alice"]),
            (&[DnsName, Rfc822Name], &["pc.example.net", "Alice@example.net"]),
            (&[], &[]),
        ] {
            assert_eq!(CertificateMap::new(fields.iter().copied()).candidates(&full()), expected);
        }
        for (word, field) in
            [("rfc822name", Rfc822Name), ("dnsname", DnsName), ("cn", CommonName), ("email", EmailAddress)]
        {
            assert_eq!(word.parse(), Ok(field));
        }
        assert_eq!("CN".parse::<CertificateField>(), Err(UnknownField));
    }

    #[test]
    fn pb_s26_a_certificate_without_a_name_names_nobody() {
        let all = CertificateMap::new([
            CertificateField::Rfc822Name,
            CertificateField::DnsName,
            CertificateField::CommonName,
            CertificateField::EmailAddress,
        ]);
        assert_eq!(CertificateNames::of(&certificate(Vec::new())), Some(CertificateNames::default()));
        assert!(all.candidates(&certificate(Vec::new())).is_empty());
        assert_eq!(CertificateNames::of(b""), None);
        let whole = certificate(vec![SanType::Rfc822Name("a@b".try_into().unwrap())]);
        for end in 0..whole.len() {
            assert_eq!(CertificateNames::of(&whole[..end]), None, "cut at {end}");
            assert!(all.candidates(&whole[..end]).is_empty(), "cut at {end}");
        }
        // A common name is no address, and is not asked for by default.
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "alice@example.net");
        assert!(CertificateMap::default().candidates(&signed(&params)).is_empty());
    }

    #[test]
    fn pb_s26_name_with_nul_names_nobody() {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "alice\0.example.com");
        // SEQUENCE { [1] "a\0b", [1] "", [1] "c" }
        let names = b"\x30\x0a\x81\x03a\0b\x81\x00\x81\x01c";
        params.custom_extensions.push(CustomExtension::from_oid_content(&[2, 5, 29, 17], names.to_vec()));
        let map = CertificateMap::new([CertificateField::Rfc822Name, CertificateField::CommonName]);
        assert_eq!(map.candidates(&signed(&params)), ["c"]);
    }
}
