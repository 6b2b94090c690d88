//! What a server announced, kept.

use std::time::Duration;

use pop3_proto::{Capabilities, Capability, Sink, Words};

/// The capabilities of a server, in the order in which it announced them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CapabilityList {
    /// The lines, each ended by CRLF.
    text: Vec<u8>,
    summary: Capabilities,
}

impl CapabilityList {
    pub(super) fn push(&mut self, capability: &Capability<'_>) {
        self.summary.known = true;
        self.summary.add(capability);
        // A Vec always has the room; the client's limits have bounded lines and their number.
        if capability.encode(&mut self.text).is_err() {
            self.text.put(b"");
        }
    }

    /// Each capability.
    pub fn iter(&self) -> impl Iterator<Item = Capability<'_>> {
        self.text.split(|&b| b == b'\n').filter_map(Capability::parse)
    }

    /// Those that decide what may be sent.
    pub const fn summary(&self) -> &Capabilities {
        &self.summary
    }

    /// The SASL mechanisms, as announced.
    pub fn mechanisms(&self) -> impl Iterator<Item = &[u8]> {
        self.iter()
            .filter_map(
                |capability| if let Capability::Sasl(words) = capability { Some(words) } else { None },
            )
            .flat_map(|words: Words<'_>| words.iter())
    }

    /// How long to wait from one login to the next: whoever comes sooner is refused with `[LOGIN-DELAY]` (R2449-6.5.2).
    ///
    /// Before the login it is the longest delay of any user; the list after the login has the user's own. `None`: the
    /// server announces none.
    pub fn login_delay(&self) -> Option<Duration> {
        self.iter().find_map(|capability| match capability {
            Capability::LoginDelay { seconds, .. } => Some(Duration::from_secs(seconds.into())),
            _ => None,
        })
    }

    /// Whether `mechanism` is among the SASL mechanisms, in any case.
    pub fn has_mechanism(&self, mechanism: &str) -> bool {
        self.mechanisms().any(|name| name.eq_ignore_ascii_case(mechanism.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r2449_6_5_2_the_interval_between_logins_is_told() {
        let list = |lines: &[&str]| {
            let mut list = CapabilityList::default();
            lines
                .iter()
                .filter_map(|line| Capability::parse(line.as_bytes()))
                .for_each(|line| list.push(&line));
            list.login_delay()
        };
        assert_eq!(list(&["TOP", "LOGIN-DELAY 900 USER", "UIDL"]), Some(Duration::from_secs(900)));
        assert_eq!(list(&["login-delay 0"]), Some(Duration::ZERO));
        assert_eq!(list(&["TOP", "LOGIN-DELAY soon"]), None);
    }
}
