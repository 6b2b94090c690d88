//! The order of records: numbers worked out by hand from RFC 2782, and the shares that come of many draws.

use super::*;
use SrvService::{Pop3, Pop3s};
use alloc::vec::Vec;
use std::collections::BTreeMap;
use std::string::{String, ToString as _};

fn name(service: SrvService, domain: &str) -> Result<String, DomainError> {
    let mut out = Vec::new();
    service.encode_name(domain, &mut out).map(|()| String::from_utf8(out).unwrap())
}

/// The targets in order, with the numbers given for the draws, and the greatest number that each draw allowed.
fn ordered(records: &[SrvRecord<'_>], preferences: Preferences, numbers: &[u64]) -> (Vec<String>, Vec<u64>) {
    let mut records = records.to_vec();
    let (mut numbers, mut asked) = (numbers.iter(), Vec::new());
    let draw = |max| {
        asked.push(max);
        *numbers.next().expect("one number for each draw")
    };
    let found = order(&mut records, preferences, draw);
    let targets = found.iter().map(|record| record.target.into()).collect();
    assert_eq!(numbers.next(), None, "numbers that nobody asked for");
    (targets, asked)
}

#[test]
fn r6186_3_1_names_and_ports() {
    assert_eq!(name(Pop3s, "example.org").unwrap(), "_pop3s._tcp.example.org");
    assert_eq!(name(Pop3, "Example.ORG.").unwrap(), "_pop3._tcp.Example.ORG");
    assert_eq!((Pop3s.default_port(), Pop3.default_port()), (995, 110));
    assert_eq!((Pop3s.to_string().as_str(), Pop3.to_string().as_str()), ("_pop3s", "_pop3"));
    assert_eq!(
        (mail_domain("a@b@example.org"), mail_domain("a"), mail_domain("a@")),
        (Some("example.org"), None, None)
    );
}

#[test]
fn r6186_3_1_what_is_no_domain_is_not_asked_for() {
    for domain in [
        "",
        ".",
        "..",
        "a..b",
        "a.b..",
        "a b",
        "a@b",
        "192.0.2.1",
        "2001:db8::1",
        "[::1]",
        "-a",
        "a\0b",
        "a\r\nb",
    ] {
        assert_eq!(name(Pop3s, domain), Err(DomainError::Invalid), "{domain:?}");
    }
    assert_eq!(name(Pop3s, "müller.example"), Err(DomainError::NotAscii));
    let long = ["a".repeat(63), "b".repeat(63), "c".repeat(63), "d".repeat(49)].join(".");
    assert_eq!(long.len(), 241);
    assert_eq!(name(Pop3, &long).unwrap().len(), 252);
    assert_eq!(name(Pop3s, &long).unwrap().len(), DOMAIN_NAME_OCTETS);
    assert_eq!(name(Pop3s, &[&long, "e"].concat()), Err(DomainError::TooLong { octets: 254 }));
    assert_eq!(
        name(Pop3, &["a".repeat(64), long.clone()].join(".")),
        Err(DomainError::TooLong { octets: 306 })
    );
    // A domain as long as a name may be has no room for the service.
    assert_eq!(name(Pop3, &[&long, ".0123456789a"].concat()), Err(DomainError::TooLong { octets: 264 }));
    for (error, text) in [
        (DomainError::NotAscii, "domain is not ascii, give its a-labels (xn--)"),
        (DomainError::Invalid, "not a domain name"),
        (DomainError::TooLong { octets: 254 }, "domain name of 254 octets is longer than 253"),
        (DomainError::Full(Full { needed: 23 }), "output has no room for 23 octets"),
    ] {
        assert_eq!(error.to_string(), text);
    }
}

#[test]
fn r6186_3_1_a_name_is_written_whole_or_not_at_all() {
    let mut memory = [0u8; 23];
    let mut out = &mut memory[..22];
    let full = Pop3s.encode_name("example.org", &mut out);
    assert_eq!(full, Err(DomainError::Full(Full { needed: 23 })));
    assert_eq!(memory, [0; 23]);
    Pop3s.encode_name("example.org", &mut &mut memory[..]).unwrap();
    assert_eq!(&memory, b"_pop3s._tcp.example.org");
}

#[test]
fn r6186_3_2_a_root_target_is_no_offer() {
    let root = SrvRecord::new(Pop3s, 0, 0, 0, ".");
    let empty = SrvRecord::new(Pop3s, 0, 0, 0, "");
    assert_eq!(ordered(&[root, empty], Preferences::default(), &[]).0, [""; 0]);
    let other = SrvRecord::new(Pop3, 30, 0, 110, "pop.example.");
    assert_eq!(ordered(&[root, other, root], Preferences::default(), &[]).0, ["pop.example."]);
    assert!(!root.is_offered() && other.is_offered());
    assert_eq!(lowest_priority(&[root, other], Confidentiality::Tls), Some(30));
}

#[test]
fn r6186_3_3_lowest_priority_first() {
    let records = [3u16, 1, 65535, 0, 2].map(|priority| {
        let target = ["zero", "one", "two", "three"].get(usize::from(priority)).copied();
        SrvRecord::new(Pop3s, priority, 7, 995, target.unwrap_or("last"))
    });
    let (targets, asked) = ordered(&records, Preferences::default(), &[]);
    assert_eq!(targets, ["zero", "one", "two", "three", "last"]);
    assert!(asked.is_empty(), "one record of a priority needs no draw");
}

/// The box names and weights are those of the example in RFC 2782; running sums 1 and 4.
#[test]
fn r6186_3_3_first_running_sum_not_below_the_number() {
    let records = [
        SrvRecord::new(Pop3s, 1, 0, 995, "sysadmins-box"),
        SrvRecord::new(Pop3s, 0, 1, 995, "old-slow-box"),
        SrvRecord::new(Pop3s, 1, 0, 995, "server"),
        SrvRecord::new(Pop3s, 0, 3, 995, "new-fast-box"),
    ];
    for (number, first, second) in [
        (0, "old-slow-box", "new-fast-box"),
        (1, "old-slow-box", "new-fast-box"),
        (2, "new-fast-box", "old-slow-box"),
        (3, "new-fast-box", "old-slow-box"),
        (4, "new-fast-box", "old-slow-box"),
        (u64::MAX, "new-fast-box", "old-slow-box"),
    ] {
        let (targets, asked) = ordered(&records, Preferences::default(), &[number, 0]);
        assert_eq!(targets, [first, second, "sysadmins-box", "server"], "{number}");
        assert_eq!(asked, [4, 0], "from zero to the sum, inclusive");
    }
}

#[test]
fn r6186_3_3_zero_weights_stand_first_and_what_was_drawn_is_gone() {
    let records = [
        SrvRecord::new(Pop3s, 5, 10, 995, "ten"),
        SrvRecord::new(Pop3s, 5, 0, 995, "zero"),
        SrvRecord::new(Pop3s, 5, 20, 995, "twenty"),
        SrvRecord::new(Pop3s, 5, 0, 995, "other-zero"),
    ];
    // Arranged: zero, other-zero, ten, twenty; running sums 0, 0, 10, 30.
    for (numbers, expected, sums) in [
        ([0, 0, 0], ["zero", "other-zero", "ten", "twenty"], [30, 30, 30]),
        ([1, 0, 0], ["ten", "zero", "other-zero", "twenty"], [30, 20, 20]),
        ([10, 1, 0], ["ten", "twenty", "zero", "other-zero"], [30, 20, 0]),
        ([11, 10, 0], ["twenty", "ten", "zero", "other-zero"], [30, 10, 0]),
        ([30, 0, 1], ["twenty", "zero", "ten", "other-zero"], [30, 10, 10]),
    ] {
        let (targets, asked) = ordered(&records, Preferences::default(), &numbers);
        assert_eq!((targets, asked), (expected.map(String::from).to_vec(), sums.to_vec()), "{numbers:?}");
    }
}

#[test]
fn r6186_3_3_a_hundred_thousand_draws_keep_the_shares_within_two_percent() {
    let seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut state = seed;
    let mut random = move || {
        // xorshift64*
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        state.wrapping_mul(0x2545_f491_4f6c_dd1d)
    };
    let shares = [("a", 100u16), ("b", 300), ("c", 600)];
    let mut first = BTreeMap::new();
    let mut second_after_c = BTreeMap::new();
    for _ in 0..100_000 {
        let mut records = shares.map(|(target, weight)| SrvRecord::new(Pop3s, 0, weight, 995, target));
        let found = order(&mut records, Preferences::default(), |max| random() % (max + 1));
        *first.entry(found[0].target).or_insert(0u32) += 1;
        if found[0].target == "c" {
            *second_after_c.entry(found[1].target).or_insert(0u32) += 1;
        }
    }
    for (target, weight) in shares {
        let (drawn, due) = (f64::from(first[target]) / 100_000.0, f64::from(weight) / 1000.0);
        assert!((drawn - due).abs() < 0.02, "{target}: {drawn} instead of {due}, seed {seed:#x}");
    }
    let rest = f64::from(second_after_c["a"]) / f64::from(first["c"]);
    assert!((rest - 0.25).abs() < 0.02, "a of a and b: {rest}, seed {seed:#x}");
}

#[test]
fn r6186_3_3_the_greatest_weights_do_not_overflow() {
    let mut records = [SrvRecord::new(Pop3s, 65535, 65535, 995, "x"); 300];
    let mut most = 0;
    let found = order(&mut records, Preferences::default(), |max| {
        most = most.max(max);
        max
    });
    assert_eq!((found.len(), most), (300, 300 * 65535));
}

#[test]
fn r6186_3_4_the_protocol_of_the_lowest_priority() {
    let records = [SrvRecord::new(Pop3, 5, 0, 110, "a"), SrvRecord::new(Pop3s, 20, 65535, 995, "b")];
    assert_eq!(lowest_priority(&records, Confidentiality::Tls), Some(5));
    assert_eq!(lowest_priority(&records, Confidentiality::ImplicitTls), Some(20));
    assert_eq!(lowest_priority(&records[..1], Confidentiality::ImplicitTls), None);
    for (pop3, imap, chosen) in [
        (Some(5), Some(10), Some(Protocol::Pop3)),
        (Some(10), Some(5), Some(Protocol::Imap)),
        (Some(0), Some(0), Some(Protocol::Either)),
        (Some(65535), None, Some(Protocol::Pop3)),
        (None, Some(0), Some(Protocol::Imap)),
        (None, None, None),
    ] {
        assert_eq!(Protocol::choose(pop3, imap), chosen, "{pop3:?} {imap:?}");
    }
}

#[test]
fn r6186_4_1_the_whole_address_then_the_local_part() {
    let names = |address| login_names(address).collect::<Vec<_>>();
    assert_eq!(names("alice@example.org"), ["alice@example.org", "alice"]);
    assert_eq!(names("\"a@b\"@example.org"), ["\"a@b\"@example.org", "\"a@b\""]);
    assert_eq!(names("alice"), ["alice"]);
    assert_eq!(names("@example.org"), ["@example.org"]);
}

#[test]
fn r6186_6_2_where_a_target_lies() {
    for (host, domain, where_it_is) in [
        ("example.org", "example.org", TargetDomain::Within),
        ("pop.example.org.", "Example.ORG", TargetDomain::Within),
        ("a.b.EXAMPLE.org", "example.org.", TargetDomain::Within),
        ("badexample.org", "example.org", TargetDomain::Outside),
        ("example.org.evil.example", "example.org", TargetDomain::Outside),
        ("org", "example.org", TargetDomain::Outside),
        ("pop.example.net", "example.org", TargetDomain::Outside),
    ] {
        assert_eq!(
            SrvRecord::new(Pop3s, 0, 0, 995, host).target_domain(domain),
            where_it_is,
            "{host} {domain}"
        );
    }
}

#[test]
fn r8314_5_1_no_priority_lifts_a_service_over_the_minimum() {
    let records = [SrvRecord::new(Pop3, 0, 9, 110, "stls"), SrvRecord::new(Pop3s, 10, 1, 995, "tls")];
    let strict = Preferences::default().with_minimum(Confidentiality::ImplicitTls);
    for precedence in [Precedence::ImplicitTls, Precedence::Priority] {
        assert_eq!(ordered(&records, strict.with_precedence(precedence), &[]).0, ["tls"]);
        assert_eq!(ordered(&records[..1], strict.with_precedence(precedence), &[]).0, [""; 0]);
    }
}

#[test]
fn r8314_3_2_r9325_3_2_implicit_tls_goes_first_unless_the_caller_says_otherwise() {
    let records = [
        SrvRecord::new(Pop3, 0, 0, 110, "stls"),
        SrvRecord::new(Pop3, 10, 0, 110, "stls-10"),
        SrvRecord::new(Pop3s, 10, 0, 995, "tls-10"),
    ];
    assert_eq!(ordered(&records, Preferences::default(), &[]).0, ["tls-10", "stls", "stls-10"]);
    let priority = Preferences::default().with_precedence(Precedence::Priority);
    assert_eq!(ordered(&records, priority, &[]).0, ["stls", "tls-10", "stls-10"]);
}
