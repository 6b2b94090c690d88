//! One question to the DNS, and what the octets that come back make of it.

use pop3_proto::discovery::SrvService;
use simple_dns::rdata::RData;
use simple_dns::{CLASS, Name, Packet, PacketFlag, QCLASS, QTYPE, Question, TYPE};

use super::{ALIASES, LookupError, RECORDS};

/// Octets of a DNS header.
const HEADER: usize = 12;

/// NXDOMAIN.
const NAME_ERROR: u8 = 3;

/// A record that names a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) service: SrvService,
    pub(super) priority: u16,
    pub(super) weight: u16,
    pub(super) port: u16,
    /// Empty for the root.
    pub(super) target: String,
}

/// What the DNS says about a name.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    NoSuchName,
    /// Perhaps none.
    Records(Vec<Found>),
}

/// What came back, if it was not an answer.
#[derive(Debug)]
pub(super) enum NoAnswer {
    /// It does not belong to the question. Wait on: somebody may be trying to be first.
    NotOurs,
    /// The answer is longer than UDP carries. Ask over TCP.
    Truncated,
    Failed(LookupError),
}

/// The question in the octets of a message.
pub(super) fn question(id: u16, name: &str) -> Result<Vec<u8>, LookupError> {
    let mut packet = Packet::new_query(id);
    packet.set_flags(PacketFlag::RECURSION_DESIRED);
    let name = Name::new(name).map_err(|_| LookupError::Malformed)?;
    packet.questions.push(Question::new(name, QTYPE::TYPE(TYPE::SRV), QCLASS::CLASS(CLASS::IN), false));
    packet.build_bytes_vec().map_err(|_| LookupError::Malformed)
}

/// Reads a message that should answer [`question`] of the same `id` and `name`. `complete` is false if there was more of
/// it than was received.
pub(super) fn answer(
    message: &[u8],
    id: u16,
    service: SrvService,
    name: &str,
    complete: bool,
) -> Result<Answer, NoAnswer> {
    const MALFORMED: NoAnswer = NoAnswer::Failed(LookupError::Malformed);
    let Some(&[id_high, id_low, flags, code, 0, 1, answers_high, answers_low, ..]) =
        message.first_chunk::<HEADER>()
    else {
        return Err(NoAnswer::NotOurs);
    };
    let (response, opcode, truncated) = (flags & 0x80 != 0, flags & 0x78, flags & 0x02 != 0);
    if u16::from_be_bytes([id_high, id_low]) != id || !response || opcode != 0 {
        return Err(NoAnswer::NotOurs);
    }
    // The counts are the sender's word and memory is set aside by them, so first the question alone is read. What stands
    // behind the answers is of no use.
    let mut shortened = message.to_vec();
    clear(&mut shortened, 6);
    let name = Name::new(name).map_err(|_| MALFORMED)?;
    let asked = Packet::parse(&shortened).map_err(|_| NoAnswer::NotOurs)?;
    let [asked] = asked.questions.as_slice() else { return Err(NoAnswer::NotOurs) };
    if asked.qname != name
        || asked.qtype != QTYPE::TYPE(TYPE::SRV)
        || asked.qclass != QCLASS::CLASS(CLASS::IN)
    {
        return Err(NoAnswer::NotOurs);
    }
    if truncated || !complete {
        return Err(NoAnswer::Truncated);
    }
    match code & 0x0f {
        0 => {}
        NAME_ERROR => return Ok(Answer::NoSuchName),
        code => return Err(NoAnswer::Failed(LookupError::ServerFailed(code))),
    }
    let answers = u16::from_be_bytes([answers_high, answers_low]);
    if usize::from(answers) > RECORDS {
        return Err(NoAnswer::Failed(LookupError::TooManyRecords(answers)));
    }
    let mut shortened = message.to_vec();
    clear(&mut shortened, 8);
    let packet = Packet::parse(&shortened).map_err(|_| MALFORMED)?;
    Ok(Answer::Records(records(&packet, name, service)))
}

/// Sets the counts of the header from `start` on to zero.
fn clear(message: &mut [u8], start: usize) {
    if let Some(counts) = message.get_mut(start..HEADER) {
        counts.fill(0);
    }
}

/// The records of `name`, or of what it is an alias for within this answer.
fn records(packet: &Packet<'_>, name: Name<'_>, service: SrvService) -> Vec<Found> {
    let mut owner = &name;
    for _ in 0..=ALIASES {
        let ours = packet.answers.iter().filter(|record| record.class == CLASS::IN && record.name == *owner);
        let found: Vec<_> = ours
            .clone()
            .filter_map(|record| match &record.rdata {
                RData::SRV(srv) => Some(Found {
                    service,
                    priority: srv.priority,
                    weight: srv.weight,
                    port: srv.port,
                    target: srv.target.to_string(),
                }),
                _ => None,
            })
            .collect();
        let mut aliases = ours.filter_map(|record| match &record.rdata {
            RData::CNAME(alias) => Some(&alias.0),
            _ => None,
        });
        match aliases.next() {
            Some(alias) if found.is_empty() => owner = alias,
            _ => return found,
        }
    }
    Vec::new()
}
