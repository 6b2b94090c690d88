//! Packets of the DNS: the answer to a question for SRV records, against a reading from RFC 1035 alone.

use pop3_blocking::fuzzing::{Answer, dns_answer, dns_question};

use crate::plan::Plan;

const ID: u16 = 0x1234;
const NAME: &str = "_pop3s._tcp.example.org";

/// A name from `at` on, in lower case with dots, and what follows it.
fn name(packet: &[u8], mut at: usize) -> Option<(String, usize)> {
    let (mut labels, mut end) = (Vec::new(), None);
    for _ in 0..200 {
        let length = usize::from(*packet.get(at)?);
        match length {
            0 => return Some((labels.join("."), end.unwrap_or(at + 1))),
            1..=63 => {
                let label = packet.get(at + 1..at + 1 + length)?;
                labels.push(
                    label.iter().map(|&octet| char::from(octet.to_ascii_lowercase())).collect::<String>(),
                );
                at += 1 + length;
            }
            192.. => {
                end = end.or(Some(at + 2));
                at = (length & 63) << 8 | usize::from(*packet.get(at + 1)?);
            }
            _ => return None,
        }
    }
    None
}

fn number(packet: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes([*packet.get(at)?, *packet.get(at + 1)?]))
}

/// The highest bit is no part of the class, but a wish of multicast DNS (RFC 6762), and the crate drops it.
const fn is_internet(class: u16) -> bool {
    class & 0x7fff == 1
}

type Srv = (u16, u16, u16, String);

/// Owner and either an alias or a record, of all answers in class IN.
fn answers(packet: &[u8]) -> Option<Vec<(String, Result<Srv, String>)>> {
    let (_, mut at) = name(packet, 12)?;
    at += 4;
    let mut found = Vec::new();
    for _ in 0..number(packet, 6)? {
        let owner;
        (owner, at) = name(packet, at)?;
        let (kind, class, length) = (number(packet, at)?, number(packet, at + 2)?, number(packet, at + 8)?);
        let data = at + 10;
        at = data + usize::from(length);
        packet.get(..at)?;
        match (kind, is_internet(class)) {
            // Without data there is no record.
            _ if length == 0 => {}
            (5, true) => found.push((owner, Err(name(packet, data)?.0))),
            (33, true) => {
                let (priority, weight, port) =
                    (number(packet, data)?, number(packet, data + 2)?, number(packet, data + 4)?);
                found.push((owner, Ok((priority, weight, port, name(packet, data + 6)?.0))));
            }
            _ => {}
        }
    }
    Some(found)
}

/// The records of the name, or of what it is an alias for.
fn records(packet: &[u8]) -> Option<Vec<Srv>> {
    let all = answers(packet)?;
    let mut owner = NAME.to_owned();
    for _ in 0..9 {
        let ours = all.iter().filter(|(of, _)| *of == owner);
        let found: Vec<Srv> = ours.clone().filter_map(|(_, what)| what.clone().ok()).collect();
        let mut aliases = ours.filter_map(|(_, what)| what.clone().err());
        match aliases.next() {
            Some(alias) if found.is_empty() => owner = alias,
            _ => return Some(found),
        }
    }
    Some(Vec::new())
}

fn lower(records: Vec<Srv>) -> Vec<Srv> {
    records.into_iter().map(|(p, w, port, target)| (p, w, port, target.to_ascii_lowercase())).collect()
}

fn labels(text: &str) -> Vec<u8> {
    let mut octets: Vec<u8> = Vec::new();
    for label in text.split('.').filter(|label| !label.is_empty()) {
        octets.push(u8::try_from(label.len()).expect("a short label"));
        octets.extend(label.bytes());
    }
    octets.push(0);
    octets
}

/// An answer as the plan says, and what it must be read as: compressed names, aliases, and records of others.
fn made(plan: &mut Plan<'_>, question: &[u8]) -> (Vec<u8>, Vec<Srv>) {
    let mut packet = question.to_vec();
    packet[2] |= 0x80;
    let (mut count, mut owner, mut want) = (0u8, vec![0xc0, 12], Vec::new());
    let record = |packet: &mut Vec<u8>, owner: &[u8], kind: u8, data: &[u8]| {
        packet.extend(owner);
        packet.extend([0, kind, 0, 1, 0, 0, 0, 60, 0, u8::try_from(data.len()).expect("short")]);
        packet.extend(data);
    };
    for n in 0..plan.below(4) {
        let alias = labels(&format!("alias{n}.example.net"));
        record(&mut packet, &owner, 5, &alias);
        owner = alias;
        count += 1;
    }
    while !plan.is_empty() && count < 20 {
        let (choice, priority, weight) = (plan.next(), u16::from(plan.next()), u16::from(plan.next()));
        let target = format!("pop{}.example.org", choice >> 4);
        let mut data: Vec<u8> =
            [priority, weight, 995].iter().flat_map(|number| number.to_be_bytes()).collect();
        data.extend(labels(&target));
        match choice & 3 {
            0 => record(&mut packet, &labels("other.example.org"), 33, &data),
            1 => record(&mut packet, &owner, 1, &[127, 0, 0, 1]),
            _ => {
                record(&mut packet, &owner, 33, &data);
                want.push((priority, weight, 995, target));
            }
        }
        count += 1;
    }
    packet[6] = 0;
    packet[7] = count;
    (packet, want)
}

/// Any packet is read, if at all, as a naive reader does, and belongs to the question; one that was made by the rules is
/// read as what it was made of; a question asks what it was made for.
pub fn dns_packet(input: &[u8]) {
    let question = dns_question(ID, NAME).expect("a name");
    assert_eq!(name(&question, 12), Some((NAME.to_owned(), question.len() - 4)));
    assert_eq!(question[question.len() - 4..], [0, 33, 0, 1]);
    let mut plan = Plan::new(input);
    let packet = match plan.next() % 3 {
        0 => plan.rest().to_vec(),
        1 => {
            let mut packet = question;
            packet[2] |= 0x80;
            packet[7] = plan.next();
            packet.extend(plan.rest());
            packet
        }
        _ => {
            let (at, change) = (usize::from(plan.next()), plan.next());
            let (mut packet, want) = made(&mut plan, &question);
            if change == 0 {
                assert_eq!(dns_answer(&packet, ID, NAME, true), Answer::Records(want));
                assert_eq!(dns_answer(&packet, ID, NAME, false), Answer::Truncated);
                assert_eq!(dns_answer(&packet, ID + 1, NAME, true), Answer::NotOurs);
                assert_eq!(dns_answer(&packet, ID, "_pop3._tcp.example.org", true), Answer::NotOurs);
            }
            let length = packet.len();
            packet[at % length] ^= change;
            packet
        }
    };
    let ours = number(&packet, 0) == Some(ID)
        && packet.get(2).is_some_and(|flags| flags & 0xf8 == 0x80)
        && number(&packet, 4) == Some(1)
        && name(&packet, 12).is_some_and(|(asked, at)| {
            asked == NAME
                && number(&packet, at) == Some(33)
                && number(&packet, at + 2).is_some_and(is_internet)
        });
    let read = dns_answer(&packet, ID, NAME, true);
    match &read {
        Answer::NotOurs => {}
        _ => assert!(ours, "{read:?} from {}", packet.escape_ascii()),
    }
    match read {
        Answer::NotOurs => {}
        Answer::Truncated => assert!(packet[2] & 2 != 0),
        Answer::NoSuchName => assert_eq!(packet[3] & 15, 3),
        Answer::Failed(problem) => assert!(!problem.is_empty()),
        Answer::Records(found) => {
            assert_eq!(packet[3] & 15, 0);
            let plain = found.iter().all(|(.., target)| {
                target.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"-._".contains(&octet))
            });
            if plain {
                assert_eq!(records(&packet), Some(lower(found)), "{}", packet.escape_ascii());
            }
        }
    }
}
