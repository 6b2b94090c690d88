//! What the DNS says, and what is made of it.

use simple_dns::RCODE;

use super::dns::{cname, srv};
use super::*;
use SrvService::{Pop3, Pop3s};

#[test]
fn r6186_3_1_both_services_are_asked_for() {
    let dns = Dns::with(vec![(10, 5, 1995, "a.example.org")], vec![(0, 0, 1110, "B.example.org")]);
    let found = discover(&patient(&dns)).unwrap();
    assert_eq!(places(&found), [(Pop3s, "a.example.org", 1995), (Pop3, "B.example.org", 1110)]);
    assert!(found.iter().all(|it| it.domain() == "example.org"));
    assert_eq!(dns.asked(), 2);
}

#[test]
fn r6186_3_2_a_domain_that_offers_none() {
    let root: dns::Record = (0, 0, 0, ".");
    let found = discover(&patient(&Dns::with(vec![root], vec![root])));
    assert!(matches!(found, Err(DiscoveryError::NotFound(Absence::NotOffered))), "{found:?}");
    let mixed = discover(&patient(&Dns::with(vec![root], vec![(5, 0, 110, "pop.example.org")])));
    assert_eq!(places(&mixed.unwrap()), [(Pop3, "pop.example.org", 110)]);
}

#[test]
fn r6186_3_3_priorities_and_weights_are_used() {
    let records = vec![(20, 0, 3, "c.example."), (10, 0, 1, "a.example."), (15, 1, 2, "b.example.")];
    let found = discover(&patient(&Dns::with(records, vec![]))).unwrap();
    assert_eq!(found.iter().map(Candidate::port).collect::<Vec<_>>(), [1, 2, 3]);
}

#[test]
fn r8314_5_1_the_minimum_holds_whatever_the_priority() {
    let dns = Dns::with(vec![(10, 0, 995, "pop.example.org")], vec![(0, 0, 110, "pop.example.org")]);
    let strict = Preferences::default().with_minimum(Confidentiality::ImplicitTls);
    for preferences in [strict, strict.with_precedence(Precedence::Priority)] {
        let found = patient(&dns).discover("example.org", preferences).unwrap();
        assert_eq!(places(&found), [(Pop3s, "pop.example.org", 995)]);
    }
    let weak = Dns::with(vec![], vec![(0, 0, 110, "pop.example.org")]);
    let found = patient(&weak).discover("example.org", strict);
    assert!(matches!(found, Err(DiscoveryError::NotFound(Absence::BelowMinimum))), "{found:?}");
}

#[test]
fn r6186_3_1_absence_is_no_failure() {
    let nothing = Dns::with(vec![], vec![]);
    let found = discover(&patient(&nothing));
    assert!(matches!(found, Err(DiscoveryError::NotFound(Absence::NoRecords))), "{found:?}");
    let no_name = Dns::new(|asked| vec![Say::Message(asked.refusal(RCODE::NameError))]);
    let found = discover(&patient(&no_name));
    assert!(matches!(found, Err(DiscoveryError::NotFound(Absence::NoSuchName))), "{found:?}");
    for (code, number) in [(RCODE::ServerFailure, 2), (RCODE::Refused, 5), (RCODE::FormatError, 1)] {
        let dns = Dns::new(move |asked| vec![Say::Message(asked.refusal(code))]);
        let error = lookup_error(&patient(&dns));
        assert!(matches!(error, LookupError::ServerFailed(it) if it == number), "{error:?}");
    }
}

#[test]
fn r6186_3_1_what_is_no_domain_is_not_asked_for() {
    let dns = Dns::with(vec![], vec![]);
    for domain in ["", "192.0.2.1", "a..b", "müller.example"] {
        let found = patient(&dns).discover(domain, Preferences::default());
        assert!(matches!(found, Err(DiscoveryError::Domain(_))), "{domain}: {found:?}");
    }
    assert_eq!(dns.asked(), 0);
}

#[test]
fn rfc2782_targets_that_are_no_host_names_are_left_out() {
    let records = vec![
        (0, 0, 995, "192.0.2.1"),
        (0, 0, 995, "a b.example"),
        (0, 0, 995, "a\\.b.example"),
        (0, 0, 0, "port-zero.example"),
        (0, 0, 995, "good.example"),
    ];
    let found = discover(&patient(&Dns::with(records, vec![]))).unwrap();
    assert_eq!(places(&found), [(Pop3s, "good.example", 995)]);
    let found = discover(&patient(&Dns::with(vec![(0, 0, 995, "192.0.2.1")], vec![])));
    assert!(matches!(found, Err(DiscoveryError::NotFound(Absence::NoRecords))), "{found:?}");
}

#[test]
fn rfc1035_aliases_are_followed_within_the_answer_and_no_further() {
    let chain = |links: usize| {
        Dns::new(move |asked| {
            let mut packet = asked.packet();
            let names: Vec<String> = (0..links).map(|link| format!("{link}.example.net")).collect();
            let mut owner = asked.name.as_str();
            for name in &names {
                packet.answers.push(cname(owner, name));
                owner = name;
            }
            packet.answers.push(srv(owner, (0, 0, 995, "pop.example.net")));
            // Of a name that nobody asked for.
            packet.answers.push(srv("_pop3s._tcp.example.com", (0, 0, 995, "evil.example.com")));
            vec![Say::Message(packet.build_bytes_vec_compressed().unwrap())]
        })
    };
    for links in [0, 1, crate::discovery::ALIASES] {
        let dns = chain(links);
        let found = discover(&patient(&dns)).unwrap();
        assert_eq!(found[0].host(), "pop.example.net", "{links} aliases");
        assert!(found.iter().all(|it| it.host() != "evil.example.com"));
        assert_eq!(dns.asked(), 2, "no question for an alias");
    }
    let found = discover(&patient(&chain(crate::discovery::ALIASES + 1)));
    assert!(matches!(found, Err(DiscoveryError::NotFound(Absence::NoRecords))), "{found:?}");
    let circle = Dns::new(|asked| {
        let mut packet = asked.packet();
        packet.answers.push(cname(&asked.name, "a.example"));
        packet.answers.push(cname("a.example", &asked.name));
        vec![Say::Message(packet.build_bytes_vec().unwrap())]
    });
    assert!(matches!(discover(&patient(&circle)), Err(DiscoveryError::NotFound(Absence::NoRecords))));
}

#[test]
fn rfc1035_a_truncated_answer_is_asked_for_again_over_tcp() {
    let many: Vec<dns::Record> = (0..200u16).map(|priority| (priority, 0, 995, "pop.example.org")).collect();
    let dns = Dns::new(move |asked| {
        let whole = asked.reply(if asked.name.starts_with("_pop3s.") { &many } else { &[] });
        vec![Say::Message(if whole.len() > 512 && !asked.over_tcp { asked.truncated() } else { whole })]
    });
    assert_eq!(discover(&patient(&dns)).unwrap().len(), 200);
    assert_eq!(dns.asked(), 3);
}

#[test]
fn resolver_goes_to_the_next_server_and_tries_again() {
    let good = Dns::with(vec![(0, 0, 995, "pop.example.org")], vec![]);
    let bad = Dns::new(|asked| vec![Say::Message(asked.refusal(RCODE::ServerFailure))]);
    let silent = Dns::new(|_| vec![]);
    let nobody = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let servers = [nobody, bad.address, silent.address, good.address];
    let resolver = Resolver::new(servers).with_timeout(SHORT).with_attempts(1);
    assert_eq!(discover(&resolver).unwrap().len(), 1);
    assert_eq!((bad.asked(), silent.asked(), good.asked()), (2, 2, 2));

    let once = std::sync::atomic::AtomicBool::new(false);
    let moody = Dns::new(move |asked| {
        let code = if once.swap(true, std::sync::atomic::Ordering::SeqCst) {
            RCODE::NameError
        } else {
            RCODE::ServerFailure
        };
        vec![Say::Message(asked.refusal(code))]
    });
    let found = discover(&patient(&moody).with_attempts(2));
    assert!(matches!(found, Err(DiscoveryError::NotFound(Absence::NoSuchName))), "{found:?}");
    assert!(matches!(lookup_error(&Resolver::new([])), LookupError::NoServers));
}

#[test]
fn resolver_asks_with_numbers_and_ports_that_change() {
    let seen = std::sync::Arc::new(std::sync::Mutex::new(std::collections::BTreeSet::new()));
    let dns = {
        let seen = std::sync::Arc::clone(&seen);
        Dns::new(move |asked| {
            seen.lock().unwrap().insert([asked.message[0], asked.message[1]]);
            vec![Say::Message(asked.reply(&[]))]
        })
    };
    for _ in 0..20 {
        assert!(discover(&patient(&dns)).is_err());
    }
    // 40 of 65,536: that even three pairs are equal is less likely than one in a million.
    assert!(seen.lock().unwrap().len() > 36);
}
