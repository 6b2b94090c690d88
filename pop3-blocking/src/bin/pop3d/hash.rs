//! `pop3d hash`: the second field of a line of the users file, from a password that stands on no command line.

use std::error::Error;
use std::io::{self, IsTerminal, Read, Write};

use pop3_blocking::auth::{Mechanisms, UsersFile};
use pop3_blocking::pop3_proto::sasl::server::ScramHash;
use zeroize::Zeroizing;

/// More is no password, in octets.
const LIMIT: u64 = 4096;

/// Asks for the password, or reads it, and writes the field.
pub(crate) fn run(scheme: &str) -> Result<(), Box<dyn Error>> {
    let password = password()?;
    let field = field(scheme, &password)?;
    let mut out = io::stdout().lock();
    writeln!(out, "{field}")?;
    out.flush()?;
    Ok(())
}

fn field(scheme: &str, password: &[u8]) -> Result<String, Box<dyn Error>> {
    let named = Mechanisms::named(scheme);
    let hash = ScramHash::ALL
        .into_iter()
        .find(|hash| named.is_some_and(|named| Mechanisms::scram(*hash).without(Mechanisms::PLUS) == named));
    Ok(match hash {
        Some(hash) => UsersFile::scram_entry(hash, password)?,
        None => UsersFile::hash_password(password)?,
    })
}

fn password() -> Result<Zeroizing<Vec<u8>>, Box<dyn Error>> {
    if io::stdin().is_terminal() {
        let first = Zeroizing::new(rpassword::prompt_password("Password: ")?);
        let again = Zeroizing::new(rpassword::prompt_password("Once more: ")?);
        if *first != *again {
            return Err("the two passwords differ".into());
        }
        return Ok(Zeroizing::new(first.as_bytes().to_vec()));
    }
    // All the room at once: a Vec that grows leaves copies behind.
    let mut octets = Zeroizing::new(Vec::with_capacity(LIMIT as usize + 1));
    io::stdin().lock().take(LIMIT).read_to_end(&mut octets)?;
    let line = octets.split(|&octet| octet == b'\n').next().unwrap_or_default();
    Ok(Zeroizing::new(line.strip_suffix(b"\r").unwrap_or(line).to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_scheme_makes_its_field() {
        for (scheme, start) in [
            ("ARGON2ID", "{ARGON2ID}$argon2id$"),
            ("scram-sha-1", "{SCRAM-SHA-1}100000,"),
            ("SCRAM-SHA-256", "{SCRAM-SHA-256}100000,"),
            ("SCRAM-SHA-512", "{SCRAM-SHA-512}100000,"),
        ] {
            let field = field(scheme, b"secret").unwrap();
            assert!(field.starts_with(start) && !field.contains("secret"), "{scheme}: {field}");
        }
        assert!(field("ARGON2ID", b"").is_err());
    }
}
