//! The users file: any text, and what the entries that stand in it say to a password.

use std::collections::HashMap;

use pop3_blocking::auth::{Authenticator, LoginContext, UsersFile, UsersFileError};
use pop3_blocking::fuzzing::users_file as parse;
use pop3_proto::Base64;
use pop3_proto::sasl::prep::{Use, prepare};
use pop3_proto::sasl::server::ScramHash;

/// Hashes that other programs made of [`PASSWORD`], cheap to check. An input has them by their place, as `@0`.
const HASHES: [&str; 6] = [
    "{CRYPT}$2y$04$abcdefghijklmnopqrstuuqREtd3VJD2QVZbuFskFSLk6eRIrQoOS",
    "$2b$04$abcdefghijklmnopqrstuuqREtd3VJD2QVZbuFskFSLk6eRIrQoOS",
    "$5$rounds=1000$saltstring$HtDZT8yvklgh8iHEUqaCvT10vnIkaC0O7gM/AACxuaC",
    "{argon2id}$argon2id$v=19$m=256,t=3,p=2$c2FsdHNhbHQ$XsgZusUNOHkLuLAMdSVzDw",
    "{SCRAM-SHA-256}4096,q683yfpISK54moOoooynSg==,3eODW+siDyjSsrxdFKJlxQzh+vuCV5nskznkWRRed/g=,fbeot3LosG77pfKd3z5CcQ5uXgVgfVoIRqSt8S0iI+4=",
    "{SCRAM-SHA-1}4096,npkKjIzBHsrWsh5/V2T/XA==,9cB6VjrnEH2ZAJHlVpNBg9odalc=,9pug4s2UTQymwhA3+PVDyl9AviY=",
];
const PASSWORD: &str = "correct horse battery";

/// What a user's line says, by a naive reading.
#[derive(Clone, Debug, PartialEq)]
enum Said {
    Password(Vec<u8>),
    Secret(Vec<u8>),
    Nothing,
    /// Of these a check may take long.
    Other,
}

struct User {
    said: Said,
    require_tls: bool,
    scram: Vec<(ScramHash, u32, Vec<u8>)>,
}

fn prepared(text: &str) -> String {
    prepare(text, Use::Stored).map_or_else(|_| text.to_owned(), |text| text.into_owned())
}

fn said(field: &str) -> Said {
    if HASHES.contains(&field) {
        return Said::Password(PASSWORD.into());
    }
    let Some((scheme, value)) = field.strip_prefix('{').and_then(|rest| rest.split_once('}')) else {
        return Said::Other;
    };
    match scheme.to_ascii_uppercase().as_str() {
        "PLAIN" | "PLAINTEXT" | "CLEARTEXT" => Said::Password(prepared(value).into_bytes()),
        "SECRET" => Said::Secret(prepared(value).into_bytes()),
        "EXTERNAL" => Said::Nothing,
        _ => Said::Other,
    }
}

fn scram(field: &str) -> Option<(ScramHash, u32, Vec<u8>)> {
    let (scheme, value) = field.strip_prefix('{')?.split_once('}')?;
    let hash = match scheme.to_ascii_uppercase().as_str() {
        "SCRAM-SHA-1" => ScramHash::Sha1,
        "SCRAM-SHA-256" => ScramHash::Sha256,
        "SCRAM-SHA-512" => ScramHash::Sha512,
        _ => return None,
    };
    let mut fields = value.split(',');
    let iterations = fields.next()?.parse().ok()?;
    let salt = Base64::new(fields.next()?.as_bytes()).ok()?;
    let mut octets = vec![0; salt.decoded_len()];
    Some((hash, iterations, salt.decode(&mut octets).ok()?.to_vec()))
}

/// Replaces `@0` to `@5` by hashes, which nothing would guess.
fn with_hashes(input: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    let mut rest = input;
    while let Some((&octet, tail)) = rest.split_first() {
        let hash = tail.first().and_then(|digit| HASHES.get(usize::from(digit.wrapping_sub(b'0'))));
        if let (b'@', Some(hash)) = (octet, hash) {
            text.extend(hash.as_bytes());
            rest = &tail[1..];
        } else {
            text.push(octet);
            rest = tail;
        }
    }
    text
}

/// A text that is not taken has its fault in the line that is named, and none before it. In one that is taken every user
/// has the password, the secret, the keys and the need of TLS that a naive reading finds, and nothing else.
pub fn users_file(input: &[u8]) {
    let text = with_hashes(input);
    let lines: Vec<&[u8]> = text.split(|&octet| octet == b'\n').collect();
    let file = match parse(&text) {
        Ok(file) => file,
        Err(UsersFileError::Line { line, problem }) => {
            assert!((1..=lines.len()).contains(&line));
            assert!(parse(&lines[..line - 1].join(&b'\n')).is_ok(), "a fault before line {line}");
            let again = parse(&lines[..line].join(&b'\n'));
            let same = |at: &UsersFileError| matches!(at, UsersFileError::Line { line: l, problem: p } if (*l, *p) == (line, problem));
            assert!(again.as_ref().is_err_and(same), "{:?} for line {line}, {problem}", again.err());
            let told = again.err().map(|error| error.to_string()).unwrap_or_default();
            assert!(told.contains(&format!("line {line}:")));
            return;
        }
        Err(other) => panic!("{other}"),
    };
    let mut users: HashMap<String, User> = HashMap::new();
    for line in lines {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() || line[0] == b'#' {
            continue;
        }
        let line = core::str::from_utf8(line).expect("a line that was taken is UTF-8");
        let fields: Vec<&str> = line.split(':').collect();
        let require_tls =
            fields.iter().skip(7).any(|field| field.split(' ').any(|word| word == "require_tls"));
        let user = users.entry(prepared(fields[0])).or_insert(User {
            said: said(fields[1]),
            require_tls,
            scram: Vec::new(),
        });
        user.require_tls |= require_tls;
        user.scram.extend(scram(fields[1]));
    }
    assert_eq!(file.len(), users.len());
    for (name, user) in &users {
        assert!(file.contains(name));
        assert_eq!(file.is_certificate_only(name), user.said == Said::Nothing && user.scram.is_empty());
        check_keys(&file, name, user);
    }
    // A refusal takes as long as the most expensive entry.
    if users.values().all(|user| user.said != Said::Other) {
        users.iter().take(3).for_each(|(name, user)| check_password(&file, name, user));
        assert!(
            file.password(&context(true), "nobody in particular", PASSWORD.as_bytes()).is_err()
                || users.contains_key("nobody in particular")
        );
    }
}

fn context(tls: bool) -> LoginContext<'static> {
    LoginContext::new(None, tls, "USER")
}

fn check_password(file: &UsersFile, name: &str, user: &User) {
    let takes = |tls, password: &[u8]| file.password(&context(tls), name, password).is_ok();
    let right = match &user.said {
        Said::Password(password) if !password.is_empty() && password.len() <= 1024 => password.clone(),
        Said::Password(_) | Said::Secret(_) | Said::Nothing | Said::Other => {
            let tried = if let Said::Secret(secret) = &user.said { secret } else { PASSWORD.as_bytes() };
            assert!(!takes(true, tried) && !takes(true, b""), "a password for a user who has none");
            return;
        }
    };
    assert!(takes(true, &right), "the right password");
    assert_eq!(takes(false, &right), !user.require_tls);
    assert!(!takes(true, &[&right[..], b"x"].concat()) || right.len() >= 72);
    assert!(!takes(true, &right[1..]) && !takes(true, b""));
}

fn check_keys(file: &UsersFile, name: &str, user: &User) {
    let secret = |tls| file.secret(&context(tls), name).ok().map(|secret| secret.expose().to_vec());
    let want = if let Said::Secret(secret) = &user.said { Some(secret.clone()) } else { None };
    assert_eq!(secret(true), want);
    assert_eq!(secret(false), want.filter(|_| !user.require_tls));
    for (hash, iterations, salt) in &user.scram {
        let keys = file.scram_keys(&context(true), name, *hash).expect("keys or decoys");
        assert_eq!((keys.iterations(), keys.salt()), (*iterations, &salt[..]));
        if user.require_tls {
            let decoys = file.scram_keys(&context(false), name, *hash).expect("keys or decoys");
            assert_ne!(decoys.stored_key(), keys.stored_key());
        }
    }
}
