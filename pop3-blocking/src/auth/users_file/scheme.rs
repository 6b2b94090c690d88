//! One stored password: its scheme, what a check costs, and the check.
//!
//! | scheme | form | made by |
//! |---|---|---|
//! | `ARGON2ID`, `ARGON2I` | `$argon2id$v=19$m=65536,t=3,p=1$salt$hash` | `doveadm pw`, `pop3d hash`, argon2 tools |
//! | `SHA512-CRYPT`, `SHA256-CRYPT` | `$6$[rounds=N$]salt$hash`, `$5$…` | crypt(3), `openssl passwd`, `mkpasswd` |
//! | `BLF-CRYPT` | `$2y$`, `$2b$` or `$2a$`, then `cost$salt+hash` | crypt(3), `htpasswd -B` |
//! | `CRYPT` | one of the forms above, told by its prefix | |
//! | `SCRAM-SHA-512`, `SCRAM-SHA-256`, `SCRAM-SHA-1` | `iterations,salt,stored key,server key`, in base64 | `doveadm pw`, `pop3d hash` |
//! | `PLAIN`, `PLAINTEXT`, `CLEARTEXT` | the password itself, without `:` | by hand |
//! | `SECRET` | a secret for CRAM-MD5 and APOP, without `:` | by hand |
//! | `EXTERNAL` | nothing: the user has a certificate | by hand |
//!
//! A hash is taken apart when the file is loaded, so a check cannot meet a malformed one.

use core::fmt;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, Version};
use pop3_proto::Base64;
use pop3_proto::sasl::scram::MAX_SALT;
use pop3_proto::sasl::server::ScramHash;
use sha_crypt::{PasswordHashRef, PasswordVerifier, ShaCrypt};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

use super::LineProblem;
use crate::auth::memory::{prepared_password, same_octets};
use crate::auth::{Mechanisms, ScramKeys, SharedSecret};

/// The most memory that one check may take: 1 GiB. A hash that wants more is refused when it is loaded.
const ARGON2_MAX_KIB: u32 = 1 << 20;
/// The most passes over that memory.
const ARGON2_MAX_PASSES: u32 = 100;
/// The most rounds of SHA-crypt: a few seconds.
const SHA_CRYPT_MAX_ROUNDS: u32 = 10_000_000;
/// The highest cost of bcrypt: about a minute.
const BCRYPT_MAX_COST: u32 = 20;

/// The iterations that a server must use at least (R5802-5.3), and at most: a few seconds.
const SCRAM_ITERATIONS: core::ops::RangeInclusive<u32> = 4096..=10_000_000;

/// The version of Argon2 hashes that carry none: 1.0, from before the field was there.
const ARGON2_NO_VERSION: u32 = 0x10;

/// A stored password, ready for checks.
pub(super) enum Stored {
    Argon2 {
        algorithm: Algorithm,
        version: Version,
        params: Params,
        salt: Vec<u8>,
        output: Vec<u8>,
    },
    ShaCrypt {
        hash: Zeroizing<String>,
        rounds: u32,
    },
    Bcrypt {
        hash: Zeroizing<String>,
        cost: u32,
    },
    Scram {
        hash: ScramHash,
        keys: ScramKeys,
    },
    Plain(Zeroizing<Vec<u8>>),
    /// For CRAM-MD5 and APOP alone.
    Secret(SharedSecret),
    /// There is no password.
    External,
}

impl Stored {
    /// Reads `{SCHEME}hash`, or a hash alone if its prefix tells the scheme.
    pub(super) fn parse(field: &str) -> Result<Self, LineProblem> {
        if field.is_empty() {
            return Err(LineProblem::NoPassword);
        }
        let Some(rest) = field.strip_prefix('{') else {
            return if field.starts_with('$') { Self::by_prefix(field) } else { Err(LineProblem::NoScheme) };
        };
        let (scheme, value) = rest.split_once('}').ok_or(LineProblem::NoScheme)?;
        let is = |name: &str| scheme.eq_ignore_ascii_case(name);
        if is("EXTERNAL") {
            return if value.is_empty() { Ok(Self::External) } else { Err(LineProblem::MalformedHash) };
        }
        if value.is_empty() {
            return Err(LineProblem::NoPassword);
        }
        if let Some(hash) = ScramHash::ALL.into_iter().find(|hash| is(scram_name(*hash))) {
            return Self::scram(hash, value);
        }
        if is("ARGON2ID") {
            Self::argon2(value, Algorithm::Argon2id)
        } else if is("ARGON2I") {
            Self::argon2(value, Algorithm::Argon2i)
        } else if is("SHA512-CRYPT") {
            Self::sha_crypt(value, &SHA512)
        } else if is("SHA256-CRYPT") {
            Self::sha_crypt(value, &SHA256)
        } else if is("BLF-CRYPT") {
            Self::bcrypt(value)
        } else if is("CRYPT") {
            Self::by_prefix(value)
        } else if is("PLAIN") || is("PLAINTEXT") || is("CLEARTEXT") {
            Ok(Self::Plain(prepared_password(value.as_bytes())))
        } else if is("SECRET") {
            Ok(Self::Secret(SharedSecret::new(prepared_password(value.as_bytes()).as_slice())))
        } else {
            Err(LineProblem::UnknownScheme)
        }
    }

    fn by_prefix(hash: &str) -> Result<Self, LineProblem> {
        if hash.starts_with("$argon2id$") {
            Self::argon2(hash, Algorithm::Argon2id)
        } else if hash.starts_with("$argon2i$") {
            Self::argon2(hash, Algorithm::Argon2i)
        } else if hash.starts_with(SHA512.prefix) {
            Self::sha_crypt(hash, &SHA512)
        } else if hash.starts_with(SHA256.prefix) {
            Self::sha_crypt(hash, &SHA256)
        } else if hash.starts_with("$2") {
            Self::bcrypt(hash)
        } else {
            Err(LineProblem::UnknownScheme)
        }
    }

    fn argon2(hash: &str, algorithm: Algorithm) -> Result<Self, LineProblem> {
        let parsed = PasswordHash::new(hash).map_err(|_| LineProblem::MalformedHash)?;
        if Algorithm::try_from(parsed.algorithm.as_str()) != Ok(algorithm) {
            return Err(LineProblem::MalformedHash);
        }
        let version = Version::try_from(parsed.version.unwrap_or(ARGON2_NO_VERSION));
        let version = version.map_err(|_| LineProblem::MalformedHash)?;
        let params = Params::try_from(&parsed).map_err(|_| LineProblem::MalformedHash)?;
        if params.m_cost() > ARGON2_MAX_KIB || params.t_cost() > ARGON2_MAX_PASSES {
            return Err(LineProblem::TooExpensive);
        }
        let salt = parsed.salt.ok_or(LineProblem::MalformedHash)?;
        let output = parsed.hash.ok_or(LineProblem::MalformedHash)?;
        Ok(Self::Argon2 {
            algorithm,
            version,
            params,
            salt: AsRef::<[u8]>::as_ref(&salt).to_vec(),
            output: output.as_bytes().to_vec(),
        })
    }

    fn sha_crypt(hash: &str, form: &ShaForm) -> Result<Self, LineProblem> {
        let fields = hash.strip_prefix(form.prefix).ok_or(LineProblem::MalformedHash)?;
        let (rounds, fields) = match fields.strip_prefix("rounds=") {
            None => (sha_crypt::Params::RECOMMENDED_ROUNDS, fields),
            Some(rest) => {
                let (digits, fields) = rest.split_once('$').ok_or(LineProblem::MalformedHash)?;
                let rounds = pop3_proto::parse_number(digits.as_bytes()).and_then(|n| u32::try_from(n).ok());
                (rounds.ok_or(LineProblem::MalformedHash)?, fields)
            }
        };
        if rounds > SHA_CRYPT_MAX_ROUNDS {
            return Err(LineProblem::TooExpensive);
        }
        let (salt, digest) = fields.split_once('$').ok_or(LineProblem::MalformedHash)?;
        let well_formed = sha_crypt::Params::new(rounds).is_ok()
            && !salt.is_empty()
            && digest.len() == form.digest_len
            && digest.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b'/')
            && digest.ends_with(form.last)
            && PasswordHashRef::new(hash).is_ok();
        if !well_formed {
            return Err(LineProblem::MalformedHash);
        }
        Ok(Self::ShaCrypt { hash: Zeroizing::new(hash.to_owned()), rounds })
    }

    fn bcrypt(hash: &str) -> Result<Self, LineProblem> {
        // $2x$ marks hashes of a broken implementation: nobody should rely on them.
        if !["$2y$", "$2b$", "$2a$"].iter().any(|prefix| hash.starts_with(prefix)) {
            return Err(LineProblem::MalformedHash);
        }
        let parts: bcrypt::HashParts = hash.parse().map_err(|_| LineProblem::MalformedHash)?;
        match parts.get_cost() {
            cost @ 4..=BCRYPT_MAX_COST => Ok(Self::Bcrypt { hash: Zeroizing::new(hash.to_owned()), cost }),
            5..=31 => Err(LineProblem::TooExpensive),
            _ => Err(LineProblem::MalformedHash),
        }
    }

    fn scram(hash: ScramHash, value: &str) -> Result<Self, LineProblem> {
        let mut fields = value.split(',');
        let mut field = || fields.next().ok_or(LineProblem::MalformedHash);
        let iterations = pop3_proto::parse_number(field()?.as_bytes()).and_then(|n| u32::try_from(n).ok());
        let iterations = iterations.ok_or(LineProblem::MalformedHash)?;
        let mut octets = || decode(field()?).ok_or(LineProblem::MalformedHash);
        let (salt, stored_key, server_key) = (octets()?, octets()?, octets()?);
        let lengths = [stored_key.len(), server_key.len()];
        if fields.next().is_some() || !(1..=MAX_SALT).contains(&salt.len()) || lengths != [hash.octets(); 2] {
            return Err(LineProblem::MalformedHash);
        }
        if iterations < *SCRAM_ITERATIONS.start() {
            return Err(LineProblem::TooCheap);
        }
        if iterations > *SCRAM_ITERATIONS.end() {
            return Err(LineProblem::TooExpensive);
        }
        Ok(Self::Scram { hash, keys: ScramKeys::new(salt, iterations, stored_key, server_key) })
    }

    /// What a user with this entry can log in by.
    pub(super) fn mechanisms(&self) -> Mechanisms {
        match self {
            Self::Argon2 { .. } | Self::ShaCrypt { .. } | Self::Bcrypt { .. } => Mechanisms::PASSWORDS,
            Self::Scram { hash, .. } => Mechanisms::PASSWORDS | Mechanisms::scram(*hash),
            Self::Plain(_) => Mechanisms::PASSWORDS | Mechanisms::SCRAM,
            Self::Secret(_) => Mechanisms::CRAM_MD5 | Mechanisms::APOP,
            Self::External => Mechanisms::NONE,
        }
    }

    /// Whether a check of `other` is the same work.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::Argon2 { algorithm, version, params, output, .. },
                Self::Argon2 {
                    algorithm: algorithm2,
                    version: version2,
                    params: params2,
                    output: output2,
                    ..
                },
            ) => (algorithm, version, params, output.len()) == (algorithm2, version2, params2, output2.len()),
            (Self::ShaCrypt { hash, rounds }, Self::ShaCrypt { hash: hash2, rounds: rounds2 }) => {
                rounds == rounds2 && hash.starts_with(SHA512.prefix) == hash2.starts_with(SHA512.prefix)
            }
            (Self::Bcrypt { cost, .. }, Self::Bcrypt { cost: cost2, .. }) => cost == cost2,
            (Self::Scram { hash, keys }, Self::Scram { hash: hash2, keys: keys2 }) => {
                hash == hash2 && keys.iterations() == keys2.iterations()
            }
            (Self::Plain(_), Self::Plain(_)) => true,
            (Self::Secret(_) | Self::External, Self::Secret(_) | Self::External) => true,
            _ => false,
        }
    }

    /// About how many nanoseconds a check takes. Only the order matters: it chooses what an unknown user costs.
    pub(super) fn cost(&self) -> u64 {
        match self {
            Self::Argon2 { params, .. } => 1_000 * u64::from(params.m_cost()) * u64::from(params.t_cost()),
            Self::ShaCrypt { rounds, .. } => 600 * u64::from(*rounds),
            Self::Bcrypt { cost, .. } => 50_000 << cost,
            Self::Scram { hash: ScramHash::Sha512, keys } => 800 * u64::from(keys.iterations()),
            Self::Scram { keys, .. } => 500 * u64::from(keys.iterations()),
            Self::Plain(_) => 1,
            Self::Secret(_) | Self::External => 0,
        }
    }

    /// Whether `password` is the one stored. Octets behind the 72nd do not count for bcrypt, as everywhere.
    pub(super) fn verify(&self, password: &[u8]) -> Result<bool, CheckFault> {
        #[cfg(test)]
        if self.cost() > 0 {
            crate::auth::work::note(crate::auth::work::Work::Check(self.cost()));
        }
        match self {
            Self::Argon2 { algorithm, version, params, salt, output } => {
                let mut computed = Zeroizing::new(vec![0; output.len()]);
                Argon2::new(*algorithm, *version, params.clone())
                    .hash_password_into(password, salt, &mut computed)
                    .map_err(|_| CheckFault)?;
                Ok(computed.ct_eq(output).into())
            }
            Self::ShaCrypt { hash, .. } => match ShaCrypt::SHA512.verify_password(password, hash.as_str()) {
                Ok(()) => Ok(true),
                Err(sha_crypt::password_hash::Error::PasswordInvalid) => Ok(false),
                Err(_) => Err(CheckFault),
            },
            Self::Bcrypt { hash, .. } => bcrypt::verify(password, hash).map_err(|_| CheckFault),
            Self::Scram { hash, keys } => Ok(keys.verify(*hash, password)),
            Self::Plain(stored) => Ok(same_octets(stored, password).into()),
            Self::Secret(_) | Self::External => Ok(false),
        }
    }
}

impl Drop for Stored {
    fn drop(&mut self) {
        if let Self::Argon2 { output, .. } = self {
            output.zeroize();
        }
    }
}

/// The scheme of keys for SCRAM with `hash`, which is also the name of the mechanism.
pub(super) const fn scram_name(hash: ScramHash) -> &'static str {
    match hash {
        ScramHash::Sha1 => "SCRAM-SHA-1",
        ScramHash::Sha256 => "SCRAM-SHA-256",
        _ => "SCRAM-SHA-512",
    }
}

fn decode(text: &str) -> Option<Vec<u8>> {
    let text = Base64::new(text.as_bytes()).ok()?;
    let mut octets = vec![0; text.decoded_len()];
    let length = text.decode(&mut octets).ok()?.len();
    octets.truncate(length);
    Some(octets)
}

/// The shape of one kind of SHA-crypt.
struct ShaForm {
    prefix: &'static str,
    digest_len: usize,
    /// Digits that may stand last: the bits beyond the digest are zero.
    last: &'static [char],
}

const SHA512: ShaForm = ShaForm { prefix: "$6$", digest_len: 86, last: &['.', '/', '0', '1'] };
const SHA256: ShaForm = ShaForm {
    prefix: "$5$",
    digest_len: 43,
    last: &['.', '/', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D'],
};

/// A check could not be made, though the hash was found well-formed.
#[derive(Clone, Copy, Debug)]
pub(super) struct CheckFault;

impl fmt::Display for CheckFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a stored password hash cannot be checked")
    }
}

impl std::error::Error for CheckFault {}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    const PASSWORD: &str = "correct horse battery";

    /// Hashes of [`PASSWORD`] that other programs made.
    const FOREIGN: &[(&str, &str)] = &[
        (
            "doveadm pw 2.3.19",
            "{ARGON2I}$argon2i$v=19$m=32768,t=4,p=1$BZwXKb1e9n325GFGHVz3JQ$sYC/f2SYCJNTLk8rN2pAUi/Nv986+LeqRjaJ2uU/tTA",
        ),
        (
            "doveadm pw 2.3.19",
            "{ARGON2ID}$argon2id$v=19$m=65536,t=3,p=1$5v2yQh0xWqkrWd6a1dO+Mg$4F+A+Fj5sV2KuBAzE7qvdo5M76GsXo2P8NW1F22ytzk",
        ),
        (
            "doveadm pw 2.3.19",
            "{SHA512-CRYPT}$6$bE55fQSgToF/be3p$VwZ7TCSJ24WWh/rgA0UjA7dpEHr8XnL8qMwWourEAUxRG4YNeGGNK9BYMY8vg2zHcdaFKDbf1vk1G8P6Zfz9v.",
        ),
        (
            "doveadm pw 2.3.19",
            "{SHA256-CRYPT}$5$v.pkya7wBCAE2IiN$Vcx6Wn6Q.YphTR0B5/Q62B3Ivmdp/vBCfDd1aceeSL5",
        ),
        ("doveadm pw 2.3.19", "{BLF-CRYPT}$2y$05$6iLbaF1w74bVSGGRXHUYYOUOO6DEIMuNrIlnOKiLcO0zoE2qAyUWa"),
        ("doveadm pw 2.3.19", "{PLAIN}correct horse battery"),
        (
            "argon2-cffi 25.1.0",
            "$argon2id$v=19$m=1024,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$JxBBsCIczbj0w06ojA6U8tpSY1ZOv8uKRtXhMg2EIFc",
        ),
        (
            "argon2-cffi 25.1.0",
            "{crypt}$argon2i$v=19$m=1024,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$51nsRuiJjI4AyHMlgBJ6rMUc5Ic533h7GOwX/fFwZ+g",
        ),
        ("argon2-cffi 25.1.0", "{argon2id}$argon2id$v=19$m=256,t=3,p=2$c2FsdHNhbHQ$XsgZusUNOHkLuLAMdSVzDw"),
        (
            "crypt(3) of libxcrypt 4.4",
            "$6$rounds=1000$saltstring$oAIkW2wT6q/.Re1iIA5Ip/ywtE0UC11Fdshqsdpza0IMGE6vtW66SJ4oVItZIfIoOXWd1IB9K/GDohAst972J1",
        ),
        (
            "crypt(3) of libxcrypt 4.4",
            "{CRYPT}$5$rounds=1000$saltstring$HtDZT8yvklgh8iHEUqaCvT10vnIkaC0O7gM/AACxuaC",
        ),
        (
            "crypt(3) of libxcrypt 4.4",
            "{CRYPT}$5$rounds=12345$saltstringsaltst$onlA1ZDnHehtxKus1E2cY8p0sE8joMsrIFn3IEaead3",
        ),
        ("crypt(3) of libxcrypt 4.4", "$2b$04$abcdefghijklmnopqrstuuqREtd3VJD2QVZbuFskFSLk6eRIrQoOS"),
        ("crypt(3) of libxcrypt 4.4", "{CRYPT}$2y$04$abcdefghijklmnopqrstuuqREtd3VJD2QVZbuFskFSLk6eRIrQoOS"),
        (
            "crypt(3) of libxcrypt 4.4",
            "{blf-crypt}$2a$04$abcdefghijklmnopqrstuuqREtd3VJD2QVZbuFskFSLk6eRIrQoOS",
        ),
        (
            "openssl passwd 3.0",
            "{SHA512-CRYPT}$6$opensslsalt$s6wuqEuNIe8G.rcK6OhOfQurE6PeqOxAUumx8kdlCWSMVsCKY96vFwQXzOGzXLGqMO8pE3c8/ezejnTUvwGaj.",
        ),
        ("openssl passwd 3.0", "{SHA256-CRYPT}$5$opensslsalt$/4BoGilvuS5MFI9mDK9fgwrhC5TgAbsl8cfjtDtyzqC"),
        (
            "doveadm pw 2.3.19",
            "{SCRAM-SHA-256}4096,q683yfpISK54moOoooynSg==,3eODW+siDyjSsrxdFKJlxQzh+vuCV5nskznkWRRed/g=,fbeot3LosG77pfKd3z5CcQ5uXgVgfVoIRqSt8S0iI+4=",
        ),
        (
            "doveadm pw 2.3.19",
            "{SCRAM-SHA-1}4096,npkKjIzBHsrWsh5/V2T/XA==,9cB6VjrnEH2ZAJHlVpNBg9odalc=,9pug4s2UTQymwhA3+PVDyl9AviY=",
        ),
        ("by hand", "{PLAINTEXT}correct horse battery"),
        ("by hand", "{Cleartext}correct horse battery"),
    ];

    #[test]
    fn hashes_of_other_programs_are_understood() {
        for (program, field) in FOREIGN {
            let stored =
                Stored::parse(field).unwrap_or_else(|problem| panic!("{program} {field}: {problem}"));
            assert!(stored.verify(PASSWORD.as_bytes()).unwrap(), "{program} {field}");
        }
    }

    #[test]
    fn a_wrong_password_is_wrong_in_every_scheme() {
        for (program, field) in FOREIGN {
            let stored = Stored::parse(field).unwrap();
            for wrong in [&b"correct horse batterz"[..], b"correct horse battery ", b""] {
                assert!(!stored.verify(wrong).unwrap(), "{program} {field} {wrong:?}");
            }
        }
    }

    #[test]
    fn passwords_are_octets_not_text() {
        // argon2-cffi 25.1.0 and crypt(3), of the UTF-8 octets of "pässwörd"
        for field in [
            "$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHRzYWx0c2FsdA$xfC6LX/4Ehf+j6bL7lR7xvgRRhviMzd0mZp3enw6yBM",
            "$6$rounds=1000$saltstring$TxvR4exOwgNNsvUoz6VBfjSppxDSfLNQwnw4hvxYdm2OKVyXkmBZ8Uuzrk6C4Q1SHhc8qaHIMpSuzcT0u4Q951",
        ] {
            let stored = Stored::parse(field).unwrap();
            assert!(stored.verify("pässwörd".as_bytes()).unwrap());
            assert!(!stored.verify(b"p\xe4ssw\xf6rd").unwrap());
        }
    }

    #[test]
    fn damaged_and_unwelcome_hashes_are_refused_by_kind() {
        let sha512 = FOREIGN[2].1;
        let sha256 = FOREIGN[3].1;
        let cases = [
            ("", LineProblem::NoPassword),
            ("{PLAIN}", LineProblem::NoPassword),
            ("{ARGON2ID}", LineProblem::NoPassword),
            ("secret", LineProblem::NoScheme),
            ("{PLAIN", LineProblem::NoScheme),
            ("abhfCpXqd4GrI", LineProblem::NoScheme), // DES
            ("{MD5}xyz", LineProblem::UnknownScheme),
            ("{EXTERNAL}x", LineProblem::MalformedHash),
            ("{SCRAM-SHA-256}", LineProblem::NoPassword),
            ("{SCRAM-SHA-1}4096,QUJD,U5HxRgMLW6bA8iI9XiQky5G73vs=", LineProblem::MalformedHash),
            ("{SCRAM-SHA-1}4096,QUJD,U5HxRgMLW6bA8iI9XiQky5G73vs=,QUJD", LineProblem::MalformedHash),
            (
                "{SCRAM-SHA-1}4096,,U5HxRgMLW6bA8iI9XiQky5G73vs=,al1oHDghXia1uzZN4UvhI1xnjdg=",
                LineProblem::MalformedHash,
            ),
            (
                "{SCRAM-SHA-1}4096,QUJ,U5HxRgMLW6bA8iI9XiQky5G73vs=,al1oHDghXia1uzZN4UvhI1xnjdg=",
                LineProblem::MalformedHash,
            ),
            (
                "{SCRAM-SHA-1}x,QUJD,U5HxRgMLW6bA8iI9XiQky5G73vs=,al1oHDghXia1uzZN4UvhI1xnjdg=",
                LineProblem::MalformedHash,
            ),
            (
                "{SCRAM-SHA-1}4095,QUJD,U5HxRgMLW6bA8iI9XiQky5G73vs=,al1oHDghXia1uzZN4UvhI1xnjdg=",
                LineProblem::TooCheap,
            ),
            (
                "{SCRAM-SHA-1}10000001,QUJD,U5HxRgMLW6bA8iI9XiQky5G73vs=,al1oHDghXia1uzZN4UvhI1xnjdg=",
                LineProblem::TooExpensive,
            ),
            (
                "{SCRAM-SHA-256}4096,QUJD,U5HxRgMLW6bA8iI9XiQky5G73vs=,al1oHDghXia1uzZN4UvhI1xnjdg=",
                LineProblem::MalformedHash,
            ),
            ("{PLAIN.HEX}616263", LineProblem::UnknownScheme),
            ("{}abc", LineProblem::UnknownScheme),
            ("$1$saltsalt$UevX3RQ4rPNbqFqf8dVFn.", LineProblem::UnknownScheme),
            (
                "$argon2d$v=19$m=1024,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$fjD9hLXg9L6LYGnTPGF00YZELJBTrXhWdcL9yN2eP2A",
                LineProblem::UnknownScheme,
            ),
            (
                "{ARGON2I}$argon2id$v=19$m=1024,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$JxBBsCIczbj0w06ojA6U8tpSY1ZOv8uKRtXhMg2EIFc",
                LineProblem::MalformedHash,
            ),
            ("$argon2id$v=19$m=1024,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA", LineProblem::MalformedHash),
            (
                "$argon2id$v=19$m=1,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$JxBBsCIczbj0w06ojA6U8tpSY1ZOv8uKRtXhMg2EIFc",
                LineProblem::MalformedHash,
            ),
            (
                "$argon2id$v=19$m=4194304,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$JxBBsCIczbj0w06ojA6U8tpSY1ZOv8uKRtXhMg2EIFc",
                LineProblem::TooExpensive,
            ),
            (
                "$argon2id$v=19$m=1024,t=101,p=1$c2FsdHNhbHRzYWx0c2FsdA$JxBBsCIczbj0w06ojA6U8tpSY1ZOv8uKRtXhMg2EIFc",
                LineProblem::TooExpensive,
            ),
            (
                "{SHA512-CRYPT}$5$rounds=1000$saltstring$HtDZT8yvklgh8iHEUqaCvT10vnIkaC0O7gM/AACxuaC",
                LineProblem::MalformedHash,
            ),
            (
                "$5$rounds=999$saltstring$HtDZT8yvklgh8iHEUqaCvT10vnIkaC0O7gM/AACxuaC",
                LineProblem::MalformedHash,
            ),
            (
                "$5$rounds=+1000$saltstring$HtDZT8yvklgh8iHEUqaCvT10vnIkaC0O7gM/AACxuaC",
                LineProblem::MalformedHash,
            ),
            (
                "$5$rounds=99999999$saltstring$HtDZT8yvklgh8iHEUqaCvT10vnIkaC0O7gM/AACxuaC",
                LineProblem::TooExpensive,
            ),
            ("$5$$HtDZT8yvklgh8iHEUqaCvT10vnIkaC0O7gM/AACxuaC", LineProblem::MalformedHash),
            ("$5$a$HtDZT8yvklgh8iHEUqaCvT10vnIkaC0O7gM/AACxuaE", LineProblem::MalformedHash),
            ("$5$a$HtDZT8yvklgh8iHEUqaCvT10vnIkaC0O7gM/AACxua!", LineProblem::MalformedHash),
            ("$6$", LineProblem::MalformedHash),
            (sha512.get(..sha512.len() - 1).unwrap(), LineProblem::MalformedHash),
            (sha256.get(..sha256.len() - 1).unwrap(), LineProblem::MalformedHash),
            ("$2x$04$abcdefghijklmnopqrstuuqREtd3VJD2QVZbuFskFSLk6eRIrQoOS", LineProblem::MalformedHash),
            ("$2y$04$abcdefghijklmnopqrstuuqREtd3VJD2QVZbuFskFSLk6eRIrQo", LineProblem::MalformedHash),
            ("$2y$03$abcdefghijklmnopqrstuuqREtd3VJD2QVZbuFskFSLk6eRIrQoOS", LineProblem::MalformedHash),
            ("$2y$31$abcdefghijklmnopqrstuuqREtd3VJD2QVZbuFskFSLk6eRIrQoOS", LineProblem::TooExpensive),
            ("$2y$é4$abcdefghijklmnopqrstuuqREtd3VJD2QVZbuFskFSLk6eRIrQoOS", LineProblem::MalformedHash),
        ];
        for (field, expected) in cases {
            assert_eq!(Stored::parse(field).err(), Some(expected), "{field}");
        }
    }

    #[test]
    fn every_prefix_of_a_hash_parses_to_an_error_or_a_check() {
        for (_, field) in FOREIGN.iter().filter(|(_, field)| !field.to_ascii_uppercase().contains("TEXT}")) {
            for end in 0..field.len() {
                let Ok(stored) = Stored::parse(field.get(..end).unwrap()) else { continue };
                // A PLAIN password, or an Argon2 output cut at the end: still well-formed, never equal.
                assert!(stored.cost() > 100_000_000 || !stored.verify(PASSWORD.as_bytes()).unwrap());
            }
        }
    }
}
