//! Surrogates, and the order of servers that the DNS names.

use pop3_proto::body::{HeaderCheck, Progress, Surrogate};
use pop3_proto::discovery::{
    Confidentiality, Precedence, Preferences, Protocol, SrvRecord, SrvService, TargetDomain, login_names,
    lowest_priority, mail_domain, order,
};

use crate::plan::{Plan, cuts, pieces};

fn surrogate_of<'a>(pieces: impl Iterator<Item = &'a [u8]>, room: usize) -> Vec<u8> {
    let mut surrogate = Surrogate::new(vec![0; 4096]);
    let (mut out, mut storage) = (Vec::new(), vec![0; room]);
    for mut piece in pieces {
        while !piece.is_empty() {
            let Progress { read, written, .. } = surrogate.encode(piece, &mut storage);
            assert!(read > 0 || written > 0, "no progress in {room} octets");
            out.extend(&storage[..written]);
            piece = &piece[read..];
        }
    }
    loop {
        let written = surrogate.finish(&mut storage);
        if written == 0 {
            return out;
        }
        out.extend(&storage[..written]);
    }
}

/// The end of the header: behind its empty line, or the end.
fn header(message: &[u8]) -> (&[u8], &[u8]) {
    let mut end = 0;
    for line in message.split_inclusive(|&octet| octet == b'\n') {
        end += line.len();
        if line == b"\n" || line == b"\r\n" {
            break;
        }
    }
    message.split_at(end)
}

/// The header of a surrogate is ASCII, a body without parts is untouched, a surrogate is its own, what is said to need none
/// has none, and neither cut nor room changes anything.
pub fn surrogate(input: &[u8]) {
    let mut plan = Plan::new(input);
    let room = plan.below(60) + 1;
    let (sizes, message) = cuts(plan.rest());
    let whole = surrogate_of(core::iter::once(message), 1 << 16);
    assert_eq!(surrogate_of(pieces(&sizes, message), room), whole, "{}", message.escape_ascii());
    assert_eq!(surrogate_of(pieces(&[], message), 1 << 16), whole, "{}", message.escape_ascii());
    let (head, body) = header(message);
    assert!(header(&whole).0.is_ascii(), "{}", whole.escape_ascii());
    let text = message.to_ascii_lowercase();
    let has = |word: &[u8]| text.windows(word.len()).any(|part| part == word);
    if !has(b"multipart/") && !has(b"message/") {
        assert!(whole.ends_with(body));
        assert!(whole[..whole.len() - body.len()].is_ascii());
    }
    assert_eq!(surrogate_of(core::iter::once(&whole[..]), 1 << 16), whole);
    let mut check = HeaderCheck::new();
    for piece in pieces(&sizes, message) {
        check.update(piece);
    }
    assert_eq!(check.needs_utf8(), whole != message, "{}", message.escape_ascii());
    assert!(check.needs_utf8() || head.is_ascii());
}

/// The order has each usable record once, the higher priority first, and none below the minimum.
pub fn srv_order(input: &[u8]) {
    domain(input);
    let mut plan = Plan::new(input);
    let flags = plan.next();
    let (only_implicit, by_priority) = (flags & 1 != 0, flags & 2 != 0);
    let precedence = if by_priority { Precedence::Priority } else { Precedence::ImplicitTls };
    let mut records = Vec::new();
    while !plan.is_empty() && records.len() < 40 {
        let flags = plan.next();
        let service = if flags & 1 == 0 { SrvService::Pop3s } else { SrvService::Pop3 };
        let target = if flags & 2 == 0 { "pop.example.net." } else { "." };
        let (priority, weight) = (u16::from(plan.next() % 4), u16::from(plan.next() % 8) * 9000);
        records.push(SrvRecord::new(service, priority, weight, u16::from(plan.next()), target));
    }
    let minimum = if only_implicit { Confidentiality::ImplicitTls } else { Confidentiality::Tls };
    let usable = |record: &SrvRecord<'_>| record.is_offered() && minimum.allows(record.service);
    let mut want: Vec<String> =
        records.iter().filter(|record| usable(record)).map(|record| format!("{record:?}")).collect();
    let mut seed = u64::from(plan.next());
    let found = order(
        &mut records,
        Preferences::default().with_minimum(minimum).with_precedence(precedence),
        |max| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 20) % max.saturating_add(1)
        },
    );
    let lowest = found.iter().map(|record| record.priority).min();
    for pair in found.windows(2) {
        if by_priority {
            assert!(
                (pair[0].priority, pair[0].service == SrvService::Pop3)
                    <= (pair[1].priority, pair[1].service == SrvService::Pop3)
            );
        } else if pair[0].service == pair[1].service {
            assert!(pair[0].priority <= pair[1].priority);
        } else {
            assert_eq!((pair[0].service, pair[1].service), (SrvService::Pop3s, SrvService::Pop3));
        }
    }
    let mut got: Vec<String> = found.iter().map(|record| format!("{record:?}")).collect();
    got.sort();
    want.sort();
    assert_eq!(got, want);
    assert_eq!(lowest_priority(&records, minimum), lowest);
    let other = Some(u16::from(plan.next())).filter(|other| other & 1 == 0);
    let chosen = match (lowest, other) {
        (Some(pop3), Some(imap)) if pop3 == imap => Some(Protocol::Either),
        (None, None) => None,
        _ if other.is_none_or(|imap| lowest.is_some_and(|pop3| pop3 < imap)) => Some(Protocol::Pop3),
        _ => Some(Protocol::Imap),
    };
    assert_eq!(Protocol::choose(lowest, other), chosen);
}

/// The domain of an address and what is asked for it: labels of letters, digits and hyphens, or nothing.
fn domain(input: &[u8]) {
    let Ok(address) = core::str::from_utf8(input) else { return };
    let parts = address.rfind('@').map(|at| (&address[..at], &address[at + 1..]));
    assert_eq!(mail_domain(address), parts.map(|parts| parts.1).filter(|domain| !domain.is_empty()));
    let names: Vec<&str> = login_names(address).collect();
    assert_eq!(names[0], address);
    assert_eq!(names.get(1).copied(), parts.map(|parts| parts.0).filter(|local| !local.is_empty()));
    let domain = mail_domain(address).unwrap_or(address);
    for service in [SrvService::Pop3s, SrvService::Pop3] {
        let mut name = Vec::new();
        match service.encode_name(domain, &mut name) {
            Ok(()) => {
                let bare = domain.strip_suffix('.').unwrap_or(domain);
                assert_eq!(name, format!("{service}._tcp.{bare}").as_bytes());
                assert!(name.len() <= 253 && bare.split('.').all(|label| (1..=63).contains(&label.len())));
                assert!(
                    bare.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"-_.".contains(&octet)),
                    "{bare:?}"
                );
                let mut short = vec![0; name.len() - 1];
                assert!(service.encode_name(domain, &mut &mut short[..]).is_err());
                assert!(short.iter().all(|&octet| octet == 0), "a part of a name");
                assert_eq!(TargetDomain::of(&format!("pop.{bare}"), domain), TargetDomain::Within);
                assert_eq!(TargetDomain::of(&format!("x{bare}"), domain), TargetDomain::Outside);
            }
            Err(error) => assert!(name.is_empty() && !error.to_string().is_empty()),
        }
        assert_eq!(service.default_port(), if service == SrvService::Pop3 { 110 } else { 995 });
    }
}
