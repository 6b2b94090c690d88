//! What a server announced, kept.

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

    /// Whether `mechanism` is among the SASL mechanisms, in any case.
    pub fn has_mechanism(&self, mechanism: &str) -> bool {
        self.mechanisms().any(|name| name.eq_ignore_ascii_case(mechanism.as_bytes()))
    }
}
