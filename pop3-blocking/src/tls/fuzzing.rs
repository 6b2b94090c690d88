//! Parts of certificates, for [`crate::fuzzing`].

use super::der;

/// What this crate finds in a certificate by itself.
#[derive(Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "for one caller, which looks at them")]
pub struct Parts {
    /// The SubjectPublicKeyInfo.
    pub public_key: Vec<u8>,
    /// Each dNSName of the subject alternative name; `None` if there is no such extension.
    pub dns_names: Option<Vec<Vec<u8>>>,
}

/// The parts of a certificate in DER.
pub fn certificate_parts(certificate: &[u8]) -> Option<Parts> {
    let parts = der::Parts::of(certificate)?;
    let names = parts.alternative_names();
    Some(Parts {
        public_key: parts.public_key.to_vec(),
        dns_names: names.map(|names| names.filter_map(|name| name.dns_name()).map(<[u8]>::to_vec).collect()),
    })
}
