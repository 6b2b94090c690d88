//! What a session offers: its configuration, and the capabilities that follow from it.

use super::language::{I_DEFAULT, Language};
use crate::body::BodyRules;
use crate::buffer::{Full, Sink};
use crate::codec::{Capability, FIRST_LINE_OCTETS, MechanismName, Words, put_line};
use crate::limits::ServerLimits;
use crate::state::State;

/// How a [`Session`](super::Session) behaves. The default offers `USER` over TLS only.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct SessionConfig<'c> {
    /// Limits.
    pub limits: ServerLimits,
    /// How messages are delivered; the sizes that the driver adds to the index must follow the same rules.
    pub rules: BodyRules,
    /// What the greeting says behind `+OK`. Angle brackets in it become round ones, as clients would take `<…>` for an
    /// offer of `APOP` (R1939-7.9).
    pub greeting: &'c str,
    /// The timestamp of the greeting, by which `APOP` is offered: a message-id with its brackets, another for each
    /// session, as `apop::Timestamp` makes it (feature `md5`). It is used where TLS was there before the greeting, and
    /// nowhere else; what is no message-id is not used either (R1939-7.9, R1939-7.11).
    pub apop: Option<&'c [u8]>,
    /// Whether `USER` and `PASS` may log in.
    pub user_pass: bool,
    /// The SASL mechanisms, strongest first.
    pub mechanisms: &'c [MechanismOffer<'c>],
    /// Whether passwords may travel in clear text, where anyone on the path can read them (PB-Q69).
    pub allow_cleartext_login: bool,
    /// Whether `STLS` is offered while in clear text: only with a certificate at hand (R2595-4.9).
    pub stls: bool,
    /// The `IMPLEMENTATION` capability; what is no text, or does not fit on the line, is left out.
    pub implementation: Option<&'c str>,
    /// The `EXPIRE` capability in days; `Some(None)` is `NEVER`.
    pub expire: Option<Option<u32>>,
    /// The `LOGIN-DELAY` capability in seconds.
    pub login_delay: Option<u32>,
    /// Whether `UTF8` is offered. If it is, the driver must show messages whose headers are not ASCII in another way
    /// while the session is not [in UTF-8 mode](super::Session::is_utf8), or refuse them (R6856-2.3).
    pub utf8: Utf8Offer,
    /// `UTF8` is answered by `+OK` after the login too (Outlook sends it there, PB-Q52). Numbers and sizes have been told
    /// by then, so it changes nothing: messages are shown as at the login.
    pub lenient_utf8: bool,
    /// The languages of reply texts that `LANG` offers; none: it is not offered. `i-default` is always among them.
    pub languages: &'c [Language<'c>],
    /// The tag of the language that `LANG *` chooses: the operator's, the same for all users (R6856-3.3, R6856-7.1). One
    /// that is not offered is as `i-default`.
    pub default_language: &'c str,
    /// LF alone ends a command, and trailing blanks do not count: for typing by hand (PB-Q53).
    pub lenient_lf: bool,
}

impl SessionConfig<'_> {
    /// The default, as a constant.
    pub const DEFAULT: Self = SessionConfig {
        limits: ServerLimits::DEFAULT,
        rules: BodyRules::new(),
        greeting: "POP3 server ready",
        apop: None,
        user_pass: true,
        mechanisms: &[],
        allow_cleartext_login: false,
        stls: false,
        implementation: None,
        expire: None,
        login_delay: None,
        utf8: Utf8Offer::No,
        lenient_utf8: false,
        languages: &[],
        default_language: I_DEFAULT,
        lenient_lf: false,
    };
}

impl Default for SessionConfig<'_> {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// What of `text` can stand on one line of 512 octets (RFC 2449 section 5): a longer line would never fit into the output.
fn implementation(text: &str) -> &[u8] {
    let room = FIRST_LINE_OCTETS.saturating_sub(b"IMPLEMENTATION \r\n".len());
    let text = text.as_bytes();
    let end = text.iter().position(u8::is_ascii_control).unwrap_or(text.len()).min(room);
    text.get(..end).unwrap_or(&[])
}

/// Whether a session offers `UTF8`, and what for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Utf8Offer {
    /// Not at all. UTF-8 in names and passwords goes to the driver all the same, as deployed clients send it unasked
    /// (PB-C40).
    #[default]
    No,
    /// For messages. Names and passwords of `USER`, `PASS` and `APOP` must be ASCII.
    Messages,
    /// For messages, and for names and passwords, before `UTF8` too: `UTF8 USER` (R6856-2.2.1).
    MessagesAndLogin,
}

/// A SASL mechanism that a session offers.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct MechanismOffer<'c> {
    /// Its name.
    pub name: MechanismName<'c>,
    /// When it may be used.
    pub needs: Needs,
    /// Whether it is announced. One that is not is taken all the same if a client tries it.
    pub listed: bool,
}

/// When a mechanism may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Needs {
    /// Always.
    Nothing,
    /// It shows a password or token to the path: over TLS, or where clear-text logins are allowed.
    Privacy,
    /// Over TLS only, as for EXTERNAL and channel binding.
    Tls,
}

impl<'c> MechanismOffer<'c> {
    /// Offers `name`.
    pub const fn new(name: MechanismName<'c>, needs: Needs) -> Self {
        Self { name, needs, listed: true }
    }

    /// The same without being announced: for what this client cannot succeed with, but should be refused for the right
    /// reason, as EXTERNAL with a certificate that maps to nobody (R4422-A.2, R4422-A.3).
    #[must_use]
    pub const fn unlisted(self) -> Self {
        Self { listed: false, ..self }
    }
}

impl<'c> SessionConfig<'c> {
    /// Whether passwords may be given now.
    pub(super) const fn privacy(&self, tls: bool) -> bool {
        tls || self.allow_cleartext_login
    }

    /// The mechanisms that may be used now (R5034-3.1, R5034-4.17).
    pub(super) fn usable(&self, tls: bool) -> impl Iterator<Item = &MechanismOffer<'c>> {
        self.mechanisms.iter().filter(move |offer| match offer.needs {
            Needs::Nothing => true,
            Needs::Privacy => self.privacy(tls),
            Needs::Tls => tls,
        })
    }

    /// The timestamp of the greeting, if `APOP` is offered; `tls`: at the greeting.
    pub(super) fn timestamp(&self, tls: bool) -> Option<&'c [u8]> {
        self.apop.filter(|apop| tls && crate::msg_id::timestamp(apop) == Some(apop))
    }

    /// Whether `octets` may be a name or password of `USER`, `PASS` or `APOP`: ASCII, or UTF-8 unless the offer of
    /// `UTF8` leaves them out (R6856-2.2.1, R6856-2.2.2).
    pub(super) fn takes(&self, octets: &[u8]) -> bool {
        octets.is_ascii() || (self.utf8 != Utf8Offer::Messages && core::str::from_utf8(octets).is_ok())
    }

    /// Those of them that are announced.
    pub(super) fn listed(&self, tls: bool) -> impl Iterator<Item = &MechanismOffer<'c>> {
        self.usable(tls).filter(|offer| offer.listed)
    }

    /// Writes the line at `position` of the list of capabilities, if there is one at that position now.
    ///
    /// `Ok(false)`: the list is at its end.
    pub(super) fn capability_line(
        &self,
        position: usize,
        state: State,
        tls: bool,
        out: &mut (impl Sink + ?Sized),
    ) -> Result<bool, Full> {
        let offered = |offered: bool, capability| if offered { Some(capability) } else { None };
        let line = match position {
            0 => Some(Capability::Top),
            1 => Some(Capability::Uidl),
            2 => offered(self.user_pass && self.privacy(tls), Capability::User),
            3 => return self.sasl_line(tls, out).map(|()| true),
            4 => Some(Capability::RespCodes),
            5 => Some(Capability::AuthRespCode),
            6 => Some(Capability::Pipelining),
            7 => offered(self.stls && !tls && state != State::Transaction, Capability::Stls),
            8 => offered(
                self.utf8 != Utf8Offer::No,
                Capability::Utf8 { user: self.utf8 == Utf8Offer::MessagesAndLogin },
            ),
            9 => offered(!self.languages.is_empty(), Capability::Lang),
            10 => self.login_delay.map(|seconds| Capability::LoginDelay { seconds, per_user: false }),
            11 => self.expire.map(|days| Capability::Expire { days, per_user: false }),
            12 => self.implementation.map(|text| Capability::Implementation(implementation(text))),
            _ => return Ok(false),
        };
        line.map_or(Ok(()), |capability| capability.encode(out)).map(|()| true)
    }

    fn sasl_line(&self, tls: bool, out: &mut (impl Sink + ?Sized)) -> Result<(), Full> {
        // The names must stand in one run of octets. 24 mechanisms fit; the protocol's line limit ends the list.
        let mut names = [0u8; 500];
        let mut room = &mut names[..];
        for offer in self.listed(tls) {
            if put_line(&[offer.name.as_bytes(), b" "], &mut room).is_err() {
                break;
            }
        }
        let unused = room.len();
        let names = names.get(..names.len().saturating_sub(unused)).unwrap_or(&[]).trim_ascii_end();
        if names.is_empty() { Ok(()) } else { Capability::Sasl(Words::new(names)).encode(out) }
    }
}
