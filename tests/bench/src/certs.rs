//! Throw-away certificates: an authority and a server of ECDSA P-256.

use std::fs;
use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

use crate::Fault;

/// Writes them beneath `root`, unless they are there.
pub(crate) fn make(root: &str) -> Result<(), Fault> {
    let dir = Path::new(root).join("tls");
    if dir.join("leaf.pem").exists() {
        return Ok(());
    }
    fs::create_dir_all(&dir)?;
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name.push(DnType::CommonName, "POP3 bench authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let key = KeyPair::generate()?;
    let authority = params.self_signed(&key)?.pem();
    let issuer = Issuer::new(params, key);

    let mut params = CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()])?;
    params.distinguished_name.push(DnType::CommonName, "localhost");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let key = KeyPair::generate()?;
    let leaf = params.signed_by(&key, &issuer)?.pem();
    fs::write(dir.join("ca.pem"), &authority)?;
    fs::write(dir.join("leaf.key"), key.serialize_pem())?;
    // Last: it says that all are there.
    fs::write(dir.join("leaf.pem"), format!("{leaf}{authority}"))?;
    Ok(())
}
