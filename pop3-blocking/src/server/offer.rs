//! Which mechanisms a connection offers: [`Offers`].

use std::cell::OnceCell;

#[cfg(feature = "legacy-md5")]
use pop3_proto::apop::Timestamp;
use pop3_proto::sasl::Mechanism;
use pop3_proto::server::{MechanismOffer, Needs};

use super::Policy;
use crate::auth::Mechanisms;
use crate::tls;

/// The lists of one connection. Each is made when it is needed and stays, for the session borrows it.
#[derive(Debug)]
pub(super) struct Offers {
    set: Mechanisms,
    clear: Vec<MechanismOffer<'static>>,
    tls: OnceCell<Vec<MechanismOffer<'static>>>,
    spent: OnceCell<Vec<MechanismOffer<'static>>>,
    #[cfg(feature = "legacy-md5")]
    timestamp: Option<Timestamp>,
}

/// What is known of a client's certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Certificate {
    /// None was shown: EXTERNAL is not there.
    None,
    /// It maps to nobody: EXTERNAL is not announced, and refused as wrong credentials are (R4422-A.2).
    Unmapped,
    /// It maps to a user.
    Mapped,
}

impl Offers {
    /// What a connection under `policy` may offer if the authenticator can serve `served`.
    pub(super) fn new(policy: &Policy, served: Mechanisms) -> Self {
        let mut set = policy.mechanisms & served;
        if policy.tls.is_none() && tls::provider().is_err() {
            set = set.without(RANDOM);
        }
        Self {
            set,
            clear: list(set.without(Mechanisms::EXTERNAL | Mechanisms::PLUS), Certificate::None),
            tls: OnceCell::new(),
            spent: OnceCell::new(),
            // Before the greeting there is TLS or there will be no APOP (R23).
            #[cfg(feature = "legacy-md5")]
            timestamp: Some(policy)
                .filter(|policy| policy.implicit && set.contains(Mechanisms::APOP))
                .and_then(super::apop::timestamp),
        }
    }

    /// What the greeting offers `APOP` by.
    #[cfg(feature = "legacy-md5")]
    pub(super) fn timestamp(&self) -> Option<&[u8]> {
        self.timestamp.as_ref().map(Timestamp::as_bytes)
    }

    /// Whether all of `mechanisms` may be used somewhere on this connection.
    pub(super) const fn contains(&self, mechanisms: Mechanisms) -> bool {
        self.set.contains(mechanisms)
    }

    /// In clear text.
    pub(super) fn in_clear_text(&self) -> &[MechanismOffer<'static>] {
        &self.clear
    }

    /// After the handshake. `plus`: there is a channel binding to use.
    pub(super) fn under_tls(&self, certificate: Certificate, plus: bool) -> &[MechanismOffer<'static>] {
        self.tls.get_or_init(|| self.list(certificate, plus))
    }

    /// After an exchange has used `tls-exporter`. `plus`: there is another channel binding (R9266-4.1).
    pub(super) fn after_exporter(&self, certificate: Certificate, plus: bool) -> &[MechanismOffer<'static>] {
        self.spent.get_or_init(|| self.list(certificate, plus))
    }

    fn list(&self, certificate: Certificate, plus: bool) -> Vec<MechanismOffer<'static>> {
        let out = if plus { Mechanisms::NONE } else { Mechanisms::PLUS };
        list(self.set.without(out), certificate)
    }
}

/// Those that need random octets.
const RANDOM: Mechanisms = Mechanisms::SCRAM.with(Mechanisms::CRAM_MD5).with(Mechanisms::APOP);

fn list(set: Mechanisms, certificate: Certificate) -> Vec<MechanismOffer<'static>> {
    set.sasl()
        // Features decide which there are.
        .filter(|(_, name)| Mechanism::named(*name).is_some())
        .filter_map(|(mechanism, name)| {
            let needs = if NEED_TLS.contains(mechanism) { Needs::Tls } else { Needs::Privacy };
            let offer = MechanismOffer::new(name, needs);
            match certificate {
                _ if mechanism != Mechanisms::EXTERNAL => Some(offer),
                Certificate::None => None,
                Certificate::Unmapped => Some(offer.unlisted()),
                Certificate::Mapped => Some(offer),
            }
        })
        .collect()
}

/// Those that TLS is a part of, and those that must never do without it (R7628-3.1).
const NEED_TLS: Mechanisms = Mechanisms::EXTERNAL.with(Mechanisms::PLUS).with(Mechanisms::TOKENS);

#[cfg(test)]
mod tests {
    use super::*;

    fn names(offers: &[MechanismOffer<'static>]) -> Vec<&'static str> {
        offers.iter().filter(|offer| offer.listed).map(|offer| offer.name.as_str()).collect()
    }

    #[test]
    fn r4422_a_3_external_is_announced_where_it_can_succeed() {
        let served = Mechanisms::PASSWORDS | Mechanisms::EXTERNAL;
        let policy = Policy::cleartext();
        assert_eq!(names(Offers::new(&policy, served).in_clear_text()), ["PLAIN"]);
        for (certificate, listed, taken) in [
            (Certificate::None, &["PLAIN"][..], 1),
            (Certificate::Unmapped, &["PLAIN"], 2),
            (Certificate::Mapped, &["EXTERNAL", "PLAIN"], 2),
        ] {
            let offers = Offers::new(&policy, served);
            let list = offers.under_tls(certificate, false);
            assert_eq!((names(list), list.len()), (listed.to_vec(), taken), "{certificate:?}");
        }
        let without = Offers::new(&policy, Mechanisms::PASSWORDS);
        assert_eq!(without.under_tls(Certificate::Mapped, false).len(), 1);
    }

    #[test]
    fn rdm_2_1e_certificate_only_leaves_external_alone() {
        let offers =
            Offers::new(&Policy::cleartext().certificate_only(), Mechanisms::DEFAULT | Mechanisms::LEGACY);
        assert_eq!(names(offers.under_tls(Certificate::Mapped, true)), ["EXTERNAL"]);
        assert!(offers.in_clear_text().is_empty() && !offers.contains(Mechanisms::USER));
    }
}
