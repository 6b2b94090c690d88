//! Certificates and keys: each pair by itself, then all together.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pop3_blocking::rustls;
use pop3_blocking::rustls::pki_types::CertificateDer;
use pop3_blocking::rustls::pki_types::pem::PemObject;
use pop3_blocking::tls::{CertificateField, CertificateMap, ServerTls, TlsConfigError};
use x509_cert::Certificate;
use x509_cert::der::Decode;

use super::{Report, files};
use crate::args::listen::ListenSettings;
use crate::args::tls::{ClientCert, TlsSettings};
use crate::files::tls_fault;

/// Who has less time than this to renew a certificate is warned.
const SOON: Duration = Duration::from_secs(14 * 24 * 3600);

pub(super) fn check(tls: &TlsSettings, listeners: &[ListenSettings], report: &mut Report) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut sound = true;
    for (chain, key) in &tls.certificates {
        files::secret(key, report);
        match ServerTls::builder().certificate_files(chain, key).build() {
            Ok(_) => {}
            Err(error) => {
                sound = false;
                explain(&error, chain, key, report);
            }
        }
        dates(chain, now, report);
    }
    let mut asked = Vec::new();
    for when in listeners.iter().map(|listener| listener.client_cert).chain([ClientCert::Off]) {
        // What is wrong with a pair has been told.
        if !sound || tls.certificates.is_empty() || asked.contains(&when) {
            continue;
        }
        asked.push(when);
        if let Err(error) = tls.builder(when).build() {
            report.wrong(tls_fault(&error));
        }
    }
}

/// What is wrong with a pair, and what to do.
fn explain(error: &TlsConfigError, chain: &Path, key: &Path, report: &mut Report) {
    match error {
        TlsConfigError::Tls(rustls::Error::InconsistentKeys(_)) => report.wrong(format_args!(
            "the key in {} is not that of the certificate in {}: give the key that the certificate was asked for \
             with, and the server's own certificate first in the chain",
            key.display(),
            chain.display()
        )),
        TlsConfigError::Read { .. } | TlsConfigError::Pem { .. } => report.wrong(tls_fault(error)),
        _ => report.wrong(format_args!("{} with {}: {error}", chain.display(), key.display())),
    }
}

/// Looks at the validity of each certificate in a chain, and at the names of the first.
fn dates(chain: &Path, now: Duration, report: &mut Report) {
    let Ok(pem) = std::fs::read(chain) else { return };
    let shown = chain.display();
    for (at, der) in CertificateDer::pem_slice_iter(&pem).flatten().enumerate() {
        let Ok(certificate) = Certificate::from_der(&der) else {
            // Those of others need not be understood to be sent.
            continue;
        };
        let validity = certificate.tbs_certificate().validity();
        let (from, until) = (validity.not_before, validity.not_after);
        let which = if at == 0 { "certificate" } else { "certificate of an authority in the chain" };
        if until.to_unix_duration() < now {
            report.wrong(format_args!("{shown}: the {which} expired at {until}: renew it"));
        } else if from.to_unix_duration() > now {
            report.wrong(format_args!(
                "{shown}: the {which} is not valid before {from}: look at the clock, or wait"
            ));
        } else if until.to_unix_duration() < now + SOON {
            report.warn(format_args!("{shown}: the {which} expires at {until}: renew it"));
        }
        if at == 0 {
            let names = CertificateMap::new([CertificateField::DnsName]).candidates(&der);
            if names.is_empty() {
                report.warn(format_args!(
                    "{shown}: the certificate is made out for no DNS name, so that clients will refuse it: have it \
                     made out with a subject alternative name"
                ));
            } else {
                report.fine(format_args!("{shown}: for {}, until {until}", names.join(", ")));
            }
        }
    }
}
