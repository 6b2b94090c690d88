//! Answers of somebody who means harm: nothing hangs, panics, is believed or grows.

use simple_dns::RCODE;

use super::dns::srv;
use super::*;

/// What an attacker wants to be believed.
fn evil(asked: &Asked) -> Vec<u8> {
    asked.reply(&[(0, 0, 995, "evil.example.com")])
}

fn good(asked: &Asked) -> Vec<u8> {
    asked.reply(&[(0, 0, 995, "pop.example.org")])
}

/// `harm` comes first and the good answer after it, and the good answer wins.
fn is_ignored(harm: impl Fn(&Asked) -> Say + Send + Sync + 'static) {
    let dns = Dns::new(move |asked| vec![harm(asked), Say::Message(good(asked))]);
    let found = discover(&patient(&dns)).unwrap();
    assert_eq!(found.iter().map(Candidate::host).collect::<Vec<_>>(), ["pop.example.org"; 2]);
    assert_eq!(dns.asked(), 2);
}

/// Only `harm` comes, and the wait ends all the same.
fn is_no_answer(harm: impl Fn(&Asked) -> Say + Send + Sync + 'static) {
    let dns = Dns::new(move |asked| vec![harm(asked)]);
    let (start, error) = (Instant::now(), lookup_error(&hasty(&dns)));
    assert!(matches!(error, LookupError::TimedOut), "{error:?}");
    assert!(start.elapsed() < LONG);
}

fn ignored(harm: fn(&Asked) -> Vec<u8>) {
    is_ignored(move |asked| Say::Message(harm(asked)));
    is_no_answer(move |asked| Say::Message(harm(asked)));
}

#[test]
fn another_transaction_number_is_ignored() {
    ignored(|asked| {
        let mut message = evil(asked);
        message[1] ^= 1;
        message
    });
}

#[test]
fn another_question_is_ignored() {
    ignored(|asked| {
        let mut packet = asked.packet();
        packet.questions[0].qname = simple_dns::Name::new("_pop3s._tcp.example.com").unwrap();
        packet.answers.push(srv(&asked.name, (0, 0, 995, "evil.example.com")));
        packet.build_bytes_vec().unwrap()
    });
    // The type, the class, a second one, none.
    ignored(|asked| {
        let mut packet = asked.packet();
        packet.questions[0].qtype = simple_dns::TYPE::A.into();
        packet.build_bytes_vec().unwrap()
    });
    ignored(|asked| {
        let mut packet = asked.packet();
        packet.questions[0].qclass = simple_dns::CLASS::CH.into();
        packet.build_bytes_vec().unwrap()
    });
    ignored(|asked| {
        let mut packet = asked.packet();
        packet.questions.push(packet.questions[0].clone());
        packet.build_bytes_vec().unwrap()
    });
    ignored(|asked| {
        let mut packet = asked.packet();
        packet.questions.clear();
        packet.answers.push(srv(&asked.name, (0, 0, 995, "evil.example.com")));
        packet.build_bytes_vec().unwrap()
    });
}

#[test]
fn the_question_sent_back_is_no_answer() {
    ignored(|asked| asked.message.clone());
}

#[test]
fn an_answer_from_another_address_is_ignored() {
    is_ignored(|asked| Say::FromElsewhere(evil(asked)));
    is_no_answer(|asked| Say::FromElsewhere(evil(asked)));
}

#[test]
fn garbage_is_ignored() {
    ignored(|_| Vec::new());
    ignored(|asked| asked.message[..11].to_vec());
    ignored(|_| vec![0xff; 512]);
    ignored(|_| b"+OK POP3 server ready\r\n".to_vec());
    // The right number and nothing behind it.
    ignored(|asked| [&asked.message[..2], &[0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0, 0xc0, 0x0c]].concat());
}

#[test]
fn the_case_of_the_question_does_not_count() {
    let dns = Dns::new(|asked| {
        let mut message = good(asked);
        for octet in &mut message[12..12 + asked.name.len()] {
            *octet = octet.to_ascii_uppercase();
        }
        vec![Say::Message(message)]
    });
    assert_eq!(discover(&patient(&dns)).unwrap().len(), 2);
}

#[test]
fn an_answer_cut_anywhere_is_no_answer() {
    let whole = {
        let dns = Dns::new(|asked| vec![Say::Message(good(asked))]);
        discover(&patient(&dns)).unwrap();
        let mut packet = simple_dns::Packet::new_reply(7);
        packet.questions.push(question());
        packet.answers.push(srv("_pop3s._tcp.example.org", (0, 0, 995, "pop.example.org")));
        packet.build_bytes_vec().unwrap()
    };
    let read = |message: &[u8]| {
        super::super::packet::answer(message, 7, SrvService::Pop3s, "_pop3s._tcp.example.org", true)
    };
    assert!(read(&whole).is_ok());
    for end in 0..whole.len() {
        assert!(read(&whole[..end]).is_err(), "cut at {end}");
    }
    // And with each octet changed: whatever is made of it, nothing panics.
    for at in 0..whole.len() {
        for value in 0..=255 {
            let mut changed = whole.clone();
            changed[at] = value;
            drop(read(&changed));
        }
    }
}

fn question() -> simple_dns::Question<'static> {
    let name = simple_dns::Name::new("_pop3s._tcp.example.org").unwrap();
    simple_dns::Question::new(name, simple_dns::TYPE::SRV.into(), simple_dns::CLASS::IN.into(), false)
}

#[test]
fn counts_that_lie_set_no_memory_aside() {
    let dns = Dns::new(|asked| {
        let mut message = good(asked);
        message[6..12].fill(0xff);
        vec![Say::Message(message)]
    });
    let error = lookup_error(&patient(&dns));
    assert!(matches!(error, LookupError::TooManyRecords(65535)), "{error:?}");
    let lie = Dns::new(|asked| {
        let mut message = good(asked);
        message[7] = 2;
        message[8..12].fill(0xff);
        vec![Say::Message(message)]
    });
    let error = lookup_error(&patient(&lie));
    assert!(matches!(error, LookupError::Malformed), "{error:?}");
}

#[test]
fn names_that_lead_in_circles_are_refused() {
    let dns = Dns::new(|asked| {
        let mut message = asked.message.clone();
        message[2..4].copy_from_slice(&[0x81, 0x80]);
        message[7] = 1;
        let here = u16::try_from(message.len()).unwrap() | 0xc000;
        message.extend(here.to_be_bytes());
        message.extend([0, 33, 0, 1, 0, 0, 0, 60, 0, 8, 0, 0, 0, 0, 3, 0xe3]);
        message.extend(here.to_be_bytes());
        vec![Say::Message(message)]
    });
    assert!(matches!(lookup_error(&patient(&dns)), LookupError::Malformed));
}

#[test]
fn an_answer_of_64_kib_is_read_up_to_the_limit_of_records() {
    let giant = |records: usize| {
        Dns::new(move |asked| {
            if !asked.over_tcp {
                return vec![Say::Message(asked.truncated())];
            }
            vec![Say::Message(asked.reply(&vec![(0, 1, 995, "pop.example.org"); records]))]
        })
    };
    assert_eq!(discover(&patient(&giant(RECORDS))).unwrap().len(), 2 * RECORDS);
    let error = lookup_error(&patient(&giant(RECORDS + 1)));
    assert!(matches!(error, LookupError::TooManyRecords(257)), "{error:?}");
    let error = lookup_error(&patient(&giant(1000)));
    assert!(matches!(error, LookupError::TooManyRecords(1000)), "{error:?}");
}

#[test]
fn a_datagram_longer_than_asked_for_is_asked_for_again_over_tcp() {
    let dns = Dns::new(|asked| {
        let records = if asked.over_tcp { 1 } else { 100 };
        vec![Say::Message(asked.reply(&vec![(0, 1, 995, "pop.example.org"); records]))]
    });
    assert_eq!(discover(&patient(&dns)).unwrap().len(), 2);
    assert_eq!(dns.asked(), 4);
}

/// What a server does on TCP after it said over UDP that the answer is long.
fn over_tcp(says: fn(&Asked) -> Vec<Say>) -> (LookupError, Duration) {
    let dns = Dns::new(
        move |asked| if asked.over_tcp { says(asked) } else { vec![Say::Message(asked.truncated())] },
    );
    let start = Instant::now();
    (lookup_error(&hasty(&dns)), start.elapsed())
}

#[test]
fn tcp_answers_that_never_end_do() {
    for says in [
        (|_| vec![]) as fn(&Asked) -> Vec<Say>,
        |_| vec![Say::Raw(vec![0])],
        |_| vec![Say::Raw(vec![0xff, 0xff, 1, 2, 3])],
        |_| vec![Say::Drip(0xff)],
    ] {
        let (error, elapsed) = over_tcp(says);
        assert!(matches!(error, LookupError::TimedOut), "{error:?}");
        assert!(elapsed < LONG);
    }
}

#[test]
fn tcp_answers_to_something_else_are_refused() {
    for says in [
        (|asked| {
            let mut message = evil(asked);
            message[0] ^= 0x80;
            vec![Say::Message(message)]
        }) as fn(&Asked) -> Vec<Say>,
        |_| vec![Say::Raw(vec![0, 0])],
        |_| vec![Say::Message(vec![0xff; 65535])],
        |asked| vec![Say::Message(asked.truncated())],
    ] {
        let (error, _) = over_tcp(says);
        assert!(matches!(error, LookupError::Malformed), "{error:?}");
    }
}

#[test]
fn a_lost_answer_does_not_choose_the_weaker_service() {
    let dns =
        Dns::new(
            |asked| {
                if asked.name.starts_with("_pop3s.") { vec![] } else { vec![Say::Message(good(asked))] }
            },
        );
    assert!(matches!(lookup_error(&hasty(&dns)), LookupError::TimedOut));
    let dns = Dns::new(|asked| {
        let code = if asked.name.starts_with("_pop3s.") { RCODE::ServerFailure } else { RCODE::NoError };
        vec![Say::Message(if code == RCODE::NoError { good(asked) } else { asked.refusal(code) })]
    });
    assert!(matches!(lookup_error(&patient(&dns)), LookupError::ServerFailed(2)));
}

#[test]
fn the_whole_search_ends_with_its_time() {
    let dns = Dns::new(|_| vec![]);
    let resolver =
        Resolver::new([dns.address; 100]).with_attempts(1000).with_timeout(SHORT / 3).with_total(SHORT);
    let start = Instant::now();
    assert!(matches!(lookup_error(&resolver), LookupError::TimedOut));
    assert!(start.elapsed() < LONG);
    assert!(dns.asked() < 100);
}
