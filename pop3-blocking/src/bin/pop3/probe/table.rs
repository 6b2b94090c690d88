//! All cases, in the order in which they are tried.

use super::case::Case;
use super::{
    capabilities, closing, commands, deletion, greeting, language, limits, listing, login, numbers,
    pipelining, replies, retrieval, sasl, stls, tls,
};

pub(super) fn all() -> impl Iterator<Item = &'static Case> {
    [
        greeting::CASES,
        capabilities::CASES,
        stls::CASES,
        tls::CASES,
        commands::CASES,
        listing::CASES,
        numbers::CASES,
        retrieval::CASES,
        pipelining::CASES,
        limits::CASES,
        login::CASES,
        sasl::CASES,
        language::CASES,
        closing::CASES,
        deletion::CASES,
        // Last: it looks at what was heard in all the others.
        replies::CASES,
    ]
    .into_iter()
    .flatten()
}
