//! What to do about a file that a program needs and cannot use.

use std::io::{self, ErrorKind};
use std::path::Path;

use pop3_blocking::rustls;
use pop3_blocking::tls::TlsConfigError;

/// What to do about a file that could not be read because of `error`.
pub(crate) fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => "put it there, or correct the path",
        ErrorKind::PermissionDenied => {
            "let the user that this program runs as read it and enter its directories"
        }
        ErrorKind::IsADirectory => "give the name of a file",
        ErrorKind::InvalidData => "it must be text in UTF-8",
        _ => "look at the file and at the disk that it lies on",
    }
}

/// The file, why it cannot be read, and what to do.
pub(crate) fn cannot_read(path: &Path, error: &io::Error) -> String {
    format!("cannot read {}: {error}; {}", path.display(), advice(error))
}

/// What is wrong with certificates and keys, and what to do.
pub(crate) fn tls_fault(error: &TlsConfigError) -> String {
    match error {
        TlsConfigError::Read { path, source } => cannot_read(path, source),
        TlsConfigError::Pem { wanted: "private key", .. } => {
            format!("{error}; it must be PEM without a passphrase, as openssl pkey makes it")
        }
        TlsConfigError::Pem { .. } => {
            format!("{error}; it must be PEM, and in a chain the certificate of the key must be the first")
        }
        TlsConfigError::Tls(rustls::Error::InconsistentKeys(_)) => {
            format!("{error}; give the key that the certificate was asked for with")
        }
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_cannot_be_read_is_named_with_the_reason_and_what_to_do() {
        let folder = std::env::temp_dir();
        for (path, parts) in [
            (folder.join("pop3-is-not-there"), ["pop3-is-not-there: No such file", "; put it there"]),
            (folder.clone(), [": Is a directory", "; give the name of a file"]),
        ] {
            let text = cannot_read(&path, &std::fs::read_to_string(&path).unwrap_err());
            assert!(text.starts_with("cannot read /"), "{text}");
            assert!(parts.iter().all(|part| text.contains(part)), "{text}");
        }
        for (kind, part) in [
            (ErrorKind::PermissionDenied, "runs as read it"),
            (ErrorKind::InvalidData, "UTF-8"),
            (ErrorKind::Other, "disk"),
        ] {
            assert!(advice(&io::Error::from(kind)).contains(part), "{kind:?}");
        }
    }
}
