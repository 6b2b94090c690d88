//! Which way to log in: what the caller allows, what the server offers, what comes of both.

use core::fmt;
use core::ops::RangeInclusive;

use pop3_proto::sasl::scram::{MAX_ITERATIONS, MIN_ITERATIONS};

use super::credentials::{Credentials, Proof};
use super::method::{Method, Strength};

/// Which ways to log in are acceptable. The default is the safe choice in every point.
///
/// Of what the server offers and this allows, the strongest is taken, in the order of [`Method::ALL`]. If the server
/// refuses it nothing weaker is tried (PB-C09): whoever can make a server refuse, or seem to, could choose otherwise.
/// An attacker who stands inside TLS can still shorten the list of offers; [`minimum`](Self::minimum) and
/// [`only`](Self::only) stand against that.
#[derive(Clone, Debug)]
#[must_use]
pub struct AuthPolicy {
    minimum: Strength,
    allowed: u32,
    forced: Option<Method>,
    pub(super) withholds_initial_response: bool,
    pub(super) falls_back: bool,
    pub(super) iterations: RangeInclusive<u32>,
    pub(super) binding: ChannelBinding,
}

/// Which value binds SCRAM with `-PLUS` to the TLS connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChannelBinding {
    /// `tls-exporter` (RFC 9266), the value of the connection itself. Good for one attempt (R9266-4.1).
    Exporter,
    /// `tls-server-end-point` (RFC 5929), a hash of the server's certificate: for servers that know no other.
    ServerEndPoint,
    /// None: `-PLUS` is not used.
    Off,
}

impl AuthPolicy {
    /// All methods but LOGIN, CRAM-MD5 and APOP; SCRAM with 4,096 to 1,000,000 iterations.
    pub const fn new() -> Self {
        let mut allowed = 0;
        let mut rest = Method::ALL;
        while let Some((method, tail)) = rest.split_first() {
            allowed |= if is_legacy(*method) { 0 } else { method.bit() };
            rest = tail;
        }
        Self {
            minimum: Strength::SecretSent,
            allowed,
            forced: None,
            withholds_initial_response: false,
            falls_back: false,
            iterations: MIN_ITERATIONS..=MAX_ITERATIONS,
            binding: ChannelBinding::Exporter,
        }
    }

    /// Uses nothing weaker, whatever else is allowed. [`Strength::ChannelBound`] requires SCRAM with `-PLUS` or EXTERNAL.
    pub const fn minimum(mut self, minimum: Strength) -> Self {
        self.minimum = minimum;
        self
    }

    /// Uses `methods` and no others, in the fixed order. To name a legacy method here is to allow it.
    pub fn only(mut self, methods: impl IntoIterator<Item = Method>) -> Self {
        self.allowed = methods.into_iter().fold(0, |allowed, method| allowed | method.bit());
        self
    }

    /// Allows LOGIN, a PLAIN of former times.
    pub const fn allow_login(mut self) -> Self {
        self.allowed |= Method::Login.bit();
        self
    }

    /// Allows CRAM-MD5 under TLS: what it sends can be tried out at leisure, and the server keeps the password itself.
    #[cfg(feature = "legacy-md5")]
    pub const fn allow_cram_md5(mut self) -> Self {
        self.allowed |= Method::CramMd5.bit();
        self
    }

    /// Allows `APOP` under TLS, where the greeting came under TLS and holds a timestamp (R1939-7.11). A false server gets
    /// at passwords by it (CVE-2007-1558).
    #[cfg(feature = "legacy-md5")]
    pub const fn allow_apop(mut self) -> Self {
        self.allowed |= Method::Apop.bit();
        self
    }

    /// Whether `USER` and `PASS` are used where no better way is offered. Default: yes.
    pub const fn allow_user_pass(mut self, allow: bool) -> Self {
        if allow {
            self.allowed |= Method::UserPass.bit();
        } else {
            self.allowed &= !Method::UserPass.bit();
        }
        self
    }

    /// Uses `method` and no other, whether the server announces it or not, for servers that do not say what they can
    /// (PB-Q22). What is not announced gets no initial response (R5034-3.2). [`minimum`](Self::minimum) still holds.
    pub const fn force_mechanism(mut self, method: Method) -> Self {
        self.forced = Some(method);
        self.allowed = method.bit();
        self
    }

    /// Never sends an initial response, for servers that refuse it at any length (PB-Q21).
    pub const fn never_initial_response(mut self) -> Self {
        self.withholds_initial_response = true;
        self
    }

    /// After a refusal, tries the next method that is offered and allowed. The refusal of a maildrop in use, or one that
    /// passes by itself, is none of the method. In clear text nothing that shows the password follows.
    ///
    /// For accounts of which only some methods work; whoever can make the strong ones fail decides which one is used.
    pub const fn fall_back_after_refusal(mut self) -> Self {
        self.falls_back = true;
        self
    }

    /// Refuses SCRAM with fewer iterations, which make the password easy to find, or more, which cost time (R5802-5.4).
    pub fn scram_iterations(mut self, iterations: RangeInclusive<u32>) -> Self {
        self.iterations = iterations;
        self
    }

    /// Which value binds SCRAM to the TLS connection. Default: [`ChannelBinding::Exporter`].
    pub const fn channel_binding(mut self, binding: ChannelBinding) -> Self {
        self.binding = binding;
        self
    }

    const fn allows(&self, method: Method) -> bool {
        self.allowed & method.bit() != 0
    }
}

impl Default for AuthPolicy {
    fn default() -> Self {
        Self::new()
    }
}

const fn is_legacy(method: Method) -> bool {
    match method {
        Method::Login => true,
        #[cfg(feature = "legacy-md5")]
        Method::CramMd5 | Method::Apop => true,
        _ => false,
    }
}

/// A way to log in that a server offers, and what is to be said of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Offered {
    /// The mechanism as announced, `USER` or `APOP`. `Display` escapes it.
    pub name: Vec<u8>,
    /// Which one it is, if it is known here.
    pub method: Option<Method>,
    /// Whether it can be used.
    pub verdict: Verdict,
}

/// Whether a method can be used on this connection, by these credentials, under this policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// It can.
    Usable,
    /// It is not known here.
    Unknown,
    /// The credentials are of another kind.
    NoCredential,
    /// The policy does not allow it.
    NotAllowed,
    /// It is below the policy's minimum.
    TooWeak,
    /// It needs TLS.
    NeedsTls,
    /// The server did not ask for a client certificate, or there is none to show.
    NoCertificate,
    /// The connection has nothing to bind to, or the policy does not want it.
    NoBinding,
    /// The exporter value of this connection was used by an earlier attempt: connect anew (R9266-4.1).
    BindingSpent,
    /// Name or password is not ASCII and the server does not take that in this way (R6856-2.2.1).
    NotAscii,
    /// It cannot tell the authorization identity.
    NoAuthzid,
}

impl Verdict {
    const fn text(self) -> &'static str {
        match self {
            Self::Usable => "usable",
            Self::Unknown => "not known here",
            Self::NoCredential => "needs other credentials",
            Self::NotAllowed => "not allowed",
            Self::TooWeak => "too weak",
            Self::NeedsTls => "needs TLS",
            Self::NoCertificate => "no client certificate was shown",
            Self::NoBinding => "no channel binding",
            Self::BindingSpent => "channel binding used up: connect anew",
            Self::NotAscii => "name and password must be ASCII",
            Self::NoAuthzid => "cannot tell the authorization identity",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl fmt::Display for Offered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name.escape_ascii(), self.verdict)
    }
}

/// What is known of the server and the connection.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "facts that do not depend on each other")]
pub(super) struct Facts {
    pub(super) tls: bool,
    /// There is TLS, or the caller does without.
    pub(super) private: bool,
    pub(super) certificate_shown: bool,
    /// There is a value to bind to, of the kind that the policy wants.
    pub(super) binding: bool,
    pub(super) binding_spent: bool,
    pub(super) utf8_user: bool,
}

/// Judges what is offered: the known methods first, the strongest of them first.
pub(super) fn judge<'n>(
    names: impl IntoIterator<Item = &'n [u8]>,
    credentials: &Credentials,
    facts: Facts,
) -> Vec<Offered> {
    let mut offers: Vec<Offered> = Vec::new();
    let forced = credentials.policy.forced.map(|method| method.name().as_bytes());
    for name in names.into_iter().chain(forced) {
        // Announced twice, it is still one.
        if offers.iter().any(|offer| offer.name.eq_ignore_ascii_case(name)) {
            continue;
        }
        let method = core::str::from_utf8(name).ok().and_then(Method::named);
        let verdict = method.map_or(Verdict::Unknown, |method| verdict(method, credentials, facts));
        offers.push(Offered { name: name.to_vec(), method, verdict });
    }
    let place = |offer: &Offered| Method::ALL.iter().position(|&method| Some(method) == offer.method);
    offers.sort_by_key(|offer| place(offer).unwrap_or(usize::MAX));
    offers
}

/// The methods to try, in their order: one, unless the policy wants to fall back. None if there is nothing, or if the
/// strongest that was possible at the start of the connection is not any more.
pub(super) fn choose(offers: &[Offered], policy: &AuthPolicy, tls: bool) -> Vec<Method> {
    let counts = |offer: &&Offered| {
        offer.verdict == Verdict::Usable || (offer.verdict == Verdict::BindingSpent && !policy.falls_back)
    };
    let mut open = offers.iter().filter(counts);
    let Some(first) = open.next().filter(|offer| offer.verdict == Verdict::Usable) else {
        return Vec::new();
    };
    let rest = open.filter(|offer| offer.verdict == Verdict::Usable && policy.falls_back);
    let rest =
        rest.filter_map(|offer| offer.method).filter(|method| tls || !method.sends_password_in_clear());
    first.method.into_iter().chain(rest).collect()
}

fn verdict(method: Method, credentials: &Credentials, facts: Facts) -> Verdict {
    let policy = &credentials.policy;
    let is_external = method == Method::External;
    let is_token = matches!(method, Method::OAuthBearer | Method::XOAuth2);
    let fits = match credentials.proof {
        Proof::Certificate => is_external,
        Proof::Password { certificate, .. } => !is_token && (!is_external || certificate),
        Proof::Token { .. } => is_token,
    };
    if !fits {
        return Verdict::NoCredential;
    }
    if !policy.allows(method) {
        return Verdict::NotAllowed;
    }
    if method.strength() < policy.minimum {
        return Verdict::TooWeak;
    }
    if !facts.private || (method.needs_tls() && !facts.tls) {
        return Verdict::NeedsTls;
    }
    if is_external && !facts.certificate_shown {
        return Verdict::NoCertificate;
    }
    if credentials.authzid.is_some() && !method.has_authzid() {
        return Verdict::NoAuthzid;
    }
    if method.is_plus() {
        if facts.binding_spent && policy.binding == ChannelBinding::Exporter {
            return Verdict::BindingSpent;
        }
        if !facts.binding {
            return Verdict::NoBinding;
        }
    }
    if let (Proof::Password { user, password, .. }, true) = (&credentials.proof, method.mechanism().is_none())
    {
        let is_ascii = user.is_ascii() && password.is_ascii();
        if !facts.utf8_user && !is_ascii {
            return Verdict::NotAscii;
        }
    }
    Verdict::Usable
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLEAR: Facts = Facts {
        tls: false,
        private: true,
        certificate_shown: false,
        binding: false,
        binding_spent: false,
        utf8_user: false,
    };
    const TLS: Facts = Facts { tls: true, certificate_shown: true, binding: true, ..CLEAR };

    fn chosen(offered: &str, credentials: &Credentials, facts: Facts) -> Vec<Method> {
        let names = offered.split(' ').filter(|name| !name.is_empty()).map(str::as_bytes);
        choose(&judge(names, credentials, facts), &credentials.policy, facts.tls)
    }

    fn password() -> Credentials {
        Credentials::password("alice", "wonderland")
    }

    const EVERYTHING: &str = "USER APOP ANONYMOUS CRAM-MD5 LOGIN plain XOAUTH2 OAUTHBEARER SCRAM-SHA-1 SCRAM-SHA-256 \
         SCRAM-SHA-512 SCRAM-SHA-1-PLUS scram-sha-256-plus SCRAM-SHA-512-PLUS EXTERNAL GSSAPI";

    /// Takes away the first choice until nothing is left.
    fn order(mut offered: Vec<&str>, credentials: &Credentials, facts: Facts) -> Vec<&'static str> {
        let mut order = Vec::new();
        while let [method] = chosen(&offered.join(" "), credentials, facts)[..] {
            order.push(method.name());
            offered.retain(|name| !name.eq_ignore_ascii_case(method.name()));
        }
        order
    }

    #[test]
    fn r4422_6_1_the_order_is_fixed_and_the_strongest_is_chosen() {
        let offered: Vec<&str> = EVERYTHING.split(' ').filter(|name| !name.is_empty()).collect();
        let scrams = [
            "SCRAM-SHA-512-PLUS",
            "SCRAM-SHA-256-PLUS",
            "SCRAM-SHA-1-PLUS",
            "SCRAM-SHA-512",
            "SCRAM-SHA-256",
            "SCRAM-SHA-1",
        ];
        assert_eq!(order(offered.clone(), &password(), TLS), [&scrams[..], &["PLAIN", "USER"]].concat());
        assert_eq!(
            order(offered.clone(), &password().or_certificate(), TLS),
            [&["EXTERNAL"][..], &scrams, &["PLAIN", "USER"]].concat()
        );
        assert_eq!(order(offered.clone(), &Credentials::token("a", "t"), TLS), ["OAUTHBEARER", "XOAUTH2"]);
        assert_eq!(order(offered.clone(), &Credentials::certificate(), TLS), ["EXTERNAL"]);
        let all = AuthPolicy::new().allow_login();
        #[cfg(feature = "legacy-md5")]
        let (all, last) =
            (all.allow_cram_md5().allow_apop(), &["PLAIN", "LOGIN", "CRAM-MD5", "USER", "APOP"][..]);
        #[cfg(not(feature = "legacy-md5"))]
        let last = &["PLAIN", "LOGIN", "USER"][..];
        assert_eq!(order(offered, &password().policy(all), TLS), [&scrams[..], last].concat());
    }

    #[test]
    fn r4422_6_1_pb_c09_below_the_minimum_nothing_is_chosen() {
        for (minimum, offered, want) in [
            (Strength::SecretProven, "PLAIN USER", None),
            (Strength::SecretProven, "PLAIN USER SCRAM-SHA-1", Some(Method::ScramSha1)),
            (Strength::ChannelBound, "PLAIN USER SCRAM-SHA-512", None),
            (Strength::ChannelBound, "PLAIN SCRAM-SHA-1-PLUS", Some(Method::ScramSha1Plus)),
            (Strength::SecretSent, "USER", Some(Method::UserPass)),
        ] {
            let credentials = password().policy(AuthPolicy::new().minimum(minimum));
            assert_eq!(chosen(offered, &credentials, TLS).first().copied(), want, "{minimum:?} {offered}");
        }
        let forced = AuthPolicy::new().force_mechanism(Method::Plain).minimum(Strength::SecretProven);
        assert_eq!(chosen("PLAIN", &password().policy(forced), TLS), []);
    }

    #[test]
    fn pb_c09_one_method_is_tried_unless_the_policy_says_otherwise() {
        assert_eq!(chosen("USER PLAIN SCRAM-SHA-256", &password(), TLS), [Method::ScramSha256]);
        let policy = AuthPolicy::new().fall_back_after_refusal();
        let all = [Method::ScramSha256, Method::Plain, Method::UserPass];
        assert_eq!(chosen("USER PLAIN SCRAM-SHA-256", &password().policy(policy.clone()), TLS), all);
        // Never down to the bare password where everybody can read it.
        let clear = CLEAR;
        let methods =
            chosen("USER PLAIN SCRAM-SHA-1 SCRAM-SHA-256", &password().policy(policy.clone()), clear);
        assert_eq!(methods, [Method::ScramSha256, Method::ScramSha1]);
        let proven = policy.minimum(Strength::SecretProven);
        assert_eq!(
            chosen("USER PLAIN SCRAM-SHA-256", &password().policy(proven), TLS),
            [Method::ScramSha256]
        );
    }

    #[test]
    fn pb_c41_rdm_2_1d_a_certificate_alone_means_external_or_nothing() {
        for offered in ["USER", "PLAIN USER APOP CRAM-MD5 LOGIN SCRAM-SHA-256-PLUS OAUTHBEARER ANONYMOUS", ""]
        {
            for policy in [AuthPolicy::new(), AuthPolicy::new().fall_back_after_refusal().only(all_methods())]
            {
                let credentials = Credentials::certificate_as("alice").policy(policy);
                assert_eq!(chosen(offered, &credentials, TLS), [], "{offered}");
                let both = format!("{offered} EXTERNAL");
                assert_eq!(chosen(&both, &credentials, TLS), [Method::External], "{offered}");
                let not_asked = Facts { certificate_shown: false, ..TLS };
                assert_eq!(chosen(&both, &credentials, not_asked), [], "{offered}");
                assert_eq!(chosen(&both, &credentials, CLEAR), [], "{offered}");
            }
        }
    }

    fn all_methods() -> impl Iterator<Item = Method> {
        Method::ALL.iter().copied()
    }

    #[test]
    fn r7628_3_1_without_tls_there_is_no_token_no_certificate_and_no_legacy_digest() {
        let clear = Facts { certificate_shown: true, binding: true, ..CLEAR };
        let all = AuthPolicy::new().only(all_methods());
        let by = |credentials: Credentials| chosen(EVERYTHING, &credentials.policy(all.clone()), clear);
        assert_eq!(by(Credentials::token("a", "t")), []);
        assert_eq!(by(Credentials::certificate()), []);
        let legacy = "CRAM-MD5 APOP SCRAM-SHA-1-PLUS";
        assert_eq!(chosen(legacy, &password().policy(all.clone()), clear), []);
    }

    #[test]
    fn r9266_4_1_a_spent_binding_asks_for_a_new_connection() {
        let spent = Facts { binding_spent: true, ..TLS };
        let offered = "SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN";
        assert_eq!(chosen(offered, &password(), spent), []);
        let end_point = AuthPolicy::new().channel_binding(ChannelBinding::ServerEndPoint);
        assert_eq!(chosen(offered, &password().policy(end_point), spent), [Method::ScramSha256Plus]);
        let fall_back = AuthPolicy::new().fall_back_after_refusal();
        let rest = [Method::ScramSha256, Method::Plain];
        assert_eq!(chosen(offered, &password().policy(fall_back), spent), rest);
        assert_eq!(chosen("SCRAM-SHA-256 PLAIN", &password(), spent), [Method::ScramSha256]);
    }

    #[test]
    fn pb_c40_r6856_2_2_1_user_and_pass_are_ascii_unless_announced_otherwise() {
        for (user, word) in [("j\u{fc}rgen", "x"), ("x", "bl\u{e5}b\u{e4}r")] {
            let credentials = Credentials::password(user, word);
            assert_eq!(chosen("USER", &credentials, TLS), []);
            assert_eq!(chosen("USER", &credentials, Facts { utf8_user: true, ..TLS }), [Method::UserPass]);
            assert_eq!(chosen("USER PLAIN", &credentials, TLS), [Method::Plain]);
        }
    }

    #[test]
    fn pb_q22_a_forced_mechanism_needs_no_announcement() {
        let token = Credentials::token("a", "t");
        assert_eq!(chosen("PLAIN", &token, TLS), []);
        let forced = AuthPolicy::new().force_mechanism(Method::XOAuth2);
        assert_eq!(chosen("OAUTHBEARER", &token.policy(forced), TLS), [Method::XOAuth2]);
    }

    #[test]
    fn an_authorization_identity_is_never_left_out_silently() {
        let credentials = password().authzid("bob").policy(AuthPolicy::new().only(all_methods()));
        assert_eq!(chosen("USER APOP CRAM-MD5 LOGIN", &credentials, TLS), []);
        assert_eq!(chosen("USER LOGIN PLAIN", &credentials, TLS), [Method::Plain]);
    }

    #[test]
    fn what_was_offered_can_be_told() {
        let offers = judge([&b"X\x1b"[..], b"PLAIN"], &Credentials::certificate(), TLS);
        let text: Vec<String> = offers.iter().map(ToString::to_string).collect();
        assert_eq!(text, ["PLAIN (needs other credentials)", "X\\x1b (not known here)"]);
    }
}
