//! SASLprep against another implementation, and the timestamp of APOP against a reading from the RFCs.

use md5::{Digest as _, Md5};
use pop3_proto::apop::{Timestamp, digest, matches, timestamp};
use pop3_proto::maildrop::HeapStorage;
use pop3_proto::sasl::prep::{PrepError, Use, prepare};
use pop3_proto::server::{Refusal, Request, Session, SessionConfig};
use pop3_proto::{Arg, Buffer, Client, ClientEvent, ClientLimits, ClientTolerances, Command, Step};

use crate::plan::Plan;

/// A stored string is that of the crate `stringprep` where both know its characters; a prepared text stays as it is and
/// holds nothing that names may not; a query differs from a stored string in what is unassigned alone.
pub fn saslprep(input: &[u8]) {
    let Ok(text) = core::str::from_utf8(input) else { return };
    let (stored, query) = (prepare(text, Use::Stored), prepare(text, Use::Query));
    for (prepared, purpose) in [(&stored, Use::Stored), (&query, Use::Query)] {
        let Ok(prepared) = prepared else { continue };
        assert_eq!(prepare(prepared, purpose).as_ref(), Ok(prepared), "{}", text.escape_unicode());
        assert!(!prepared.chars().any(char::is_control));
        assert!(!prepared.is_empty() || text.is_empty());
    }
    let unassigned = text.chars().any(stringprep::tables::unassigned_code_point);
    match &stored {
        Err(PrepError::Unassigned) => assert!(unassigned),
        _ if unassigned => assert!(stored.is_err()),
        _ => assert_eq!(stored, query),
    }
    if !unassigned {
        let theirs = stringprep::saslprep(text);
        match &stored {
            Ok(ours) => assert_eq!(theirs.as_ref().ok(), Some(ours), "{}", text.escape_unicode()),
            Err(PrepError::Empty) => assert_eq!(theirs.as_deref().ok(), Some("")),
            Err(_) => assert!(theirs.is_err(), "{}", text.escape_unicode()),
        }
    }
    if text.bytes().all(|octet| (0x20..0x7f).contains(&octet)) {
        assert_eq!(stored.as_deref(), Ok(text));
    }
    if let Err(error) = stored {
        assert!(!error.to_string().is_empty());
    }
}

/// A message-id of RFC 5322 in its plain form.
fn is_msg_id(text: &[u8]) -> bool {
    let Some(inner) = text.strip_prefix(b"<").and_then(|rest| rest.strip_suffix(b">")) else { return false };
    let parts: Vec<&[u8]> = inner.splitn(2, |&octet| octet == b'@').collect();
    let atom = |octet: &u8| octet.is_ascii_graphic() && !b"()<>[]:;@\\,.\"".contains(octet);
    let dot_atom = |part: &[u8]| {
        part.split(|&octet| octet == b'.').all(|word| !word.is_empty() && word.iter().all(atom))
    };
    let literal = |part: &[u8]| {
        part.len() > 2
            && part[0] == b'['
            && part[part.len() - 1] == b']'
            && part[1..part.len() - 1]
                .iter()
                .all(|octet| octet.is_ascii_graphic() && !b"[]\\<>@".contains(octet))
    };
    let [left, right] = parts[..] else { return false };
    dot_atom(left) && (dot_atom(right) || literal(right))
}

/// The timestamp in a greeting is the first message-id in angle brackets, the digest MD5 over it and the secret; a server
/// that makes one greets with it, and its client answers with a digest that the server takes.
pub fn apop(input: &[u8]) {
    let naive = input.iter().enumerate().filter(|(_, octet)| **octet == b'<').find_map(|(start, _)| {
        let end = start + input[start..].iter().position(|&octet| octet == b'>')?;
        Some(&input[start..=end]).filter(|text| is_msg_id(text))
    });
    assert_eq!(timestamp(input), naive, "{}", input.escape_ascii());

    let mut plan = Plan::new(input);
    let (secret, random, counter) = (plan.piece(), plan.take(18), u64::from(plan.next()));
    let mut fresh = [0; 18];
    fresh[..random.len()].copy_from_slice(random);
    let host = core::str::from_utf8(plan.rest()).unwrap_or_default();
    let stamp = Timestamp::new(host, counter, fresh);
    let host_fits = is_msg_id(format!("<a@{host}>").as_bytes())
        && host.len() <= 255
        && host.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"-.".contains(&octet));
    assert_eq!(stamp.is_ok(), host_fits, "{host:?}");
    let stamp = stamp.unwrap_or_else(|error| {
        assert!(!error.to_string().is_empty());
        Timestamp::on_localhost(counter, fresh)
    });
    assert_eq!(timestamp(stamp.as_bytes()), Some(stamp.as_bytes()));
    let sum: String =
        Md5::digest([stamp.as_bytes(), secret].concat()).iter().map(|octet| format!("{octet:02x}")).collect();
    assert_eq!(digest(stamp.as_bytes(), secret), sum.as_bytes());
    assert!(matches(stamp.as_bytes(), secret, sum.as_bytes()));
    assert!(!matches(stamp.as_bytes(), secret, &sum.as_bytes()[1..]));
    assert_eq!(matches(stamp.as_bytes(), secret, input), input == sum.as_bytes());

    let mut config = SessionConfig::DEFAULT;
    config.apop = Some(stamp.as_bytes());
    log_in(config, true, secret, stamp.as_bytes());
    log_in(config, false, secret, stamp.as_bytes());
}

fn log_in(config: SessionConfig<'_>, tls: bool, secret: &[u8], stamp: &[u8]) {
    let mut session = Session::new(config, tls, HeapStorage::new(1));
    let mut greeting = Vec::new();
    session.greet(&mut greeting).expect("a greeting");
    let (limits, tolerances) = (ClientLimits::DEFAULT, ClientTolerances::default());
    let mut client =
        if tls { Client::<4>::over_tls(limits, tolerances) } else { Client::in_clear(limits, tolerances) };
    client.allow_cleartext_login();
    let received = client.receive(&greeting).expect("a greeting");
    let Step::Event(ClientEvent::Greeting(line)) = received.step else { panic!("{received:?}") };
    // In clear text it would be of use to whoever listens.
    assert_eq!(timestamp(line.text), Some(stamp).filter(|_| tls));
    let sum = digest(stamp, secret);
    let command = Command::Apop {
        name: Arg::new(b"alice").expect("a name"),
        digest: Arg::new(&sum).expect("a digest"),
    };
    let mut said = Vec::new();
    if !tls {
        assert!(client.send(&command, &mut said).is_err());
        return;
    }
    client.send(&command, &mut said).expect("in its place");
    let mut out = Buffer::new([0; 600]);
    match session.receive(&said, &mut out).expect("our client keeps the protocol").step {
        Step::Event(Request::Apop { name, digest }) => {
            assert_eq!(name.as_bytes(), b"alice");
            assert!(matches(stamp, secret, digest.as_bytes()));
        }
        other => panic!("{other:?}"),
    }
    session.refuse(Refusal::Credentials, &mut out).expect("a reply is owed");
    assert!(out.unread().starts_with(b"-ERR [AUTH] "));
}
