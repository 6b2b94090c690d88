//! What a server says of a login that failed.

use core::fmt;

/// Why a server refuses, as it says itself by `e=` (RFC 5802 section 7). Anybody can have written it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Refusal {
    /// `invalid-encoding`: our message is not UTF-8, or its base64 is none.
    InvalidEncoding,
    /// `extensions-not-supported`.
    ExtensionsNotSupported,
    /// `invalid-proof`: the password is wrong.
    InvalidProof,
    /// `channel-bindings-dont-match`: the server is at the other end of another TLS connection than ours. There may be
    /// somebody in between.
    ChannelBindingsDontMatch,
    /// `server-does-support-channel-binding`: it announced a `-PLUS` mechanism that we did not see. There may be somebody in
    /// between.
    ServerDoesSupportChannelBinding,
    /// `channel-binding-not-supported`.
    ChannelBindingNotSupported,
    /// `unsupported-channel-binding-type`.
    UnsupportedChannelBindingType,
    /// `unknown-user`.
    UnknownUser,
    /// `invalid-username-encoding`.
    InvalidUsernameEncoding,
    /// `no-resources`: try again later.
    NoResources,
    /// `other-error`, and all that no RFC knows.
    Other,
}

impl Refusal {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::InvalidEncoding,
        Self::ExtensionsNotSupported,
        Self::InvalidProof,
        Self::ChannelBindingsDontMatch,
        Self::ServerDoesSupportChannelBinding,
        Self::ChannelBindingNotSupported,
        Self::UnsupportedChannelBindingType,
        Self::UnknownUser,
        Self::InvalidUsernameEncoding,
        Self::NoResources,
        Self::Other,
    ];

    /// The word that stands for it in the message.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidEncoding => "invalid-encoding",
            Self::ExtensionsNotSupported => "extensions-not-supported",
            Self::InvalidProof => "invalid-proof",
            Self::ChannelBindingsDontMatch => "channel-bindings-dont-match",
            Self::ServerDoesSupportChannelBinding => "server-does-support-channel-binding",
            Self::ChannelBindingNotSupported => "channel-binding-not-supported",
            Self::UnsupportedChannelBindingType => "unsupported-channel-binding-type",
            Self::UnknownUser => "unknown-user",
            Self::InvalidUsernameEncoding => "invalid-username-encoding",
            Self::NoResources => "no-resources",
            Self::Other => "other-error",
        }
    }

    /// What `word` stands for (R5802-5.8).
    pub(super) fn named(word: &str) -> Self {
        Self::ALL.into_iter().find(|refusal| refusal.as_str() == word).unwrap_or(Self::Other)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString as _;

    #[test]
    fn r5802_5_8_the_words_of_the_specification() {
        // RFC 5802 section 7, server-error-value.
        for (word, refusal) in [
            ("invalid-encoding", Refusal::InvalidEncoding),
            ("extensions-not-supported", Refusal::ExtensionsNotSupported),
            ("invalid-proof", Refusal::InvalidProof),
            ("channel-bindings-dont-match", Refusal::ChannelBindingsDontMatch),
            ("server-does-support-channel-binding", Refusal::ServerDoesSupportChannelBinding),
            ("channel-binding-not-supported", Refusal::ChannelBindingNotSupported),
            ("unsupported-channel-binding-type", Refusal::UnsupportedChannelBindingType),
            ("unknown-user", Refusal::UnknownUser),
            ("invalid-username-encoding", Refusal::InvalidUsernameEncoding),
            ("no-resources", Refusal::NoResources),
            ("other-error", Refusal::Other),
        ] {
            assert_eq!(Refusal::named(word), refusal);
            assert_eq!(refusal.to_string(), word);
        }
        for unknown in ["", "invalid-proof ", "Invalid-Proof", "x-other"] {
            assert_eq!(Refusal::named(unknown), Refusal::Other, "{unknown}");
        }
    }
}
