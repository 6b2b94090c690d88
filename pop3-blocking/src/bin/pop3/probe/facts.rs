//! What is known of the server after the first look.

use std::collections::BTreeMap;
use std::time::Duration;

use pop3_blocking::client::Method;
use pop3_blocking::pop3_proto::{Capability, DropListing, MessageNumber, ScanListing, UniqueIdListing};

use super::kit::is_capability;
use super::link::Link;

#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    pub(super) greeting: Vec<u8>,
    pub(super) tls: bool,
    /// The lines of CAPA before TLS, where STLS is used; `None`: refused.
    pub(super) clear: Option<Vec<Vec<u8>>>,
    /// The lines of CAPA before the login.
    pub(super) before: Option<Vec<Vec<u8>>>,
    /// Whether a greeting comes under TLS too, after STLS, where none should.
    pub(super) greets_again: bool,
    /// The lines of CAPA after the login.
    pub(super) after: Option<Vec<Vec<u8>>>,
    /// How to log in.
    pub(super) method: Option<Method>,
    pub(super) stat: Option<DropListing>,
    /// Octets of each message, as far as LIST can be read.
    pub(super) sizes: BTreeMap<u32, u64>,
    pub(super) unique_ids: BTreeMap<u32, Vec<u8>>,
}

impl Facts {
    /// Looks into the maildrop. What goes wrong here is found again by the cases about it.
    pub(super) fn look(&mut self, link: &mut Link) {
        if let Ok(reply) = link.ask("STAT") {
            self.stat = reply.status().and_then(|status| DropListing::parse(status.text));
        }
        if let Ok(list) = link.list("LIST") {
            let sizes = list.lines.iter().filter_map(|line| ScanListing::parse(&line.octets));
            self.sizes = sizes.map(|listing| (listing.number.get(), listing.octets)).collect();
        }
        if let Ok(list) = link.list("UIDL") {
            let ids = list.lines.iter().filter_map(|line| UniqueIdListing::parse(&line.octets));
            self.unique_ids =
                ids.map(|listing| (listing.number.get(), listing.unique_id.as_bytes().to_vec())).collect();
        }
    }

    /// Tells a second greeting from a capability: it was taken for the first line of the reply to CAPA.
    pub(super) fn see_second_greeting(&mut self) {
        let Some(lines) = &mut self.before else { return };
        if lines.first().is_some_and(|line| line.starts_with(b"+OK")) {
            lines.remove(0);
            self.greets_again = true;
        }
    }

    /// How many messages there are.
    pub(super) fn messages(&self) -> usize {
        match &self.stat {
            Some(stat) if stat.messages > 0 => usize::try_from(stat.messages).unwrap_or(usize::MAX),
            _ => self.sizes.len(),
        }
    }

    /// The number of the last message.
    pub(super) fn last(&self) -> u32 {
        u32::try_from(self.messages()).unwrap_or(u32::MAX)
    }

    /// The numbers of some messages that are worth fetching: not too many, not too large.
    pub(super) fn samples(&self) -> Vec<MessageNumber> {
        let small = self.sizes.iter().filter(|&(_, &octets)| octets <= SAMPLE_OCTETS);
        small.filter_map(|(&number, _)| MessageNumber::new(number)).take(SAMPLES).collect()
    }

    /// Whether a capability is announced before or after the login.
    pub(super) fn announces(&self, tag: &str) -> bool {
        let lists = [&self.before, &self.after];
        lists.into_iter().flatten().flatten().any(|line| is_capability(line, tag))
    }

    /// The mechanisms that are announced before the login.
    pub(super) fn mechanisms(&self) -> Vec<Vec<u8>> {
        mechanisms(self.before.as_deref().unwrap_or_default())
    }

    pub(super) fn has_mechanism(&self, name: &str) -> bool {
        self.mechanisms().iter().any(|other| other.eq_ignore_ascii_case(name.as_bytes()))
    }

    /// The ways to log in that are announced. A server that announces none at all is taken to know `USER`.
    pub(super) fn methods(&self) -> Vec<Method> {
        let names = self.mechanisms();
        let mut methods: Vec<Method> = names
            .iter()
            .filter_map(|name| Method::named(std::str::from_utf8(name).ok()?))
            .filter(|method| method.mechanism().is_some())
            .collect();
        let user = self.before.iter().flatten().any(|line| is_capability(line, "USER"));
        if user || methods.is_empty() {
            methods.push(Method::UserPass);
        }
        methods
    }

    /// How long to wait between two logins.
    pub(super) fn login_delay(&self) -> Option<Duration> {
        let lists = [&self.after, &self.before];
        lists.into_iter().flatten().flatten().find_map(|line| match Capability::parse(line) {
            Some(Capability::LoginDelay { seconds, .. }) => Some(Duration::from_secs(seconds.into())),
            _ => None,
        })
    }
}

/// How many messages are fetched, and how large each may be.
const SAMPLES: usize = 12;
const SAMPLE_OCTETS: u64 = 512 * 1024;

/// The mechanisms in the lines of CAPA.
pub(super) fn mechanisms(lines: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let lists = lines.iter().filter_map(|line| match Capability::parse(line) {
        Some(Capability::Sasl(words)) => Some(words),
        _ => None,
    });
    lists.flat_map(|words| words.iter().map(<[u8]>::to_vec).collect::<Vec<_>>()).collect()
}
