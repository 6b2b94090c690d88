//! Which messages a fetch wants: by their headers, their age, their number and their octets.

use core::str::FromStr;

use crate::args::Fetch;
use crate::date::{self, Since};
use crate::header::{Header, addresses};
use crate::plan::{Action, Plan};

/// Fields that hold addresses: a pattern is held against each of them too.
const ADDRESS_FIELDS: [&str; 13] = [
    "from",
    "to",
    "cc",
    "bcc",
    "sender",
    "reply-to",
    "delivered-to",
    "return-path",
    "resent-from",
    "resent-to",
    "resent-cc",
    "resent-sender",
    "x-original-to",
];

/// `FIELD: PATTERN`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern {
    /// In lower case.
    field: String,
    /// In lower case; `*` is any text, `?` any character.
    glob: Vec<char>,
}

impl FromStr for Pattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (field, glob) =
            text.split_once(':').ok_or("expected FIELD: PATTERN, as in 'Subject: *invoice*'")?;
        let (field, glob) = (field.trim().to_ascii_lowercase(), glob.trim());
        // RFC 5322 section 2.2.
        if field.is_empty() || !field.bytes().all(|octet| (b'!'..=b'~').contains(&octet)) {
            return Err(format!("{field:?} is no name of a header field"));
        }
        Ok(Self { field, glob: lower(glob) })
    }
}

impl Pattern {
    /// Whether one of the fields of that name is like it, as a whole or by one of its addresses.
    fn matches(&self, header: &Header) -> bool {
        let has_addresses = ADDRESS_FIELDS.contains(&self.field.as_str());
        let by_address = |value: &[u8]| {
            addresses(&String::from_utf8_lossy(value))
                .iter()
                .any(|address| is_like(&lower(address), &self.glob))
        };
        header.decoded(&self.field).any(|value| is_like(&lower(&value), &self.glob))
            || has_addresses && header.raw(&self.field).any(by_address)
    }
}

fn lower(text: &str) -> Vec<char> {
    text.chars().flat_map(char::to_lowercase).collect()
}

/// Whether the whole of `text` is like `glob`, in time that grows with the product of both.
fn is_like(text: &[char], glob: &[char]) -> bool {
    let (mut at, mut place) = (0usize, 0usize);
    // Behind the last `*`, and where in the text what follows it was last tried.
    let mut star: Option<(usize, usize)> = None;
    while let Some(&character) = text.get(at) {
        match (glob.get(place), star) {
            (Some('*'), _) => {
                place += 1;
                star = Some((place, at));
            }
            (Some(&wanted), _) if wanted == '?' || wanted == character => {
                place += 1;
                at += 1;
            }
            (_, Some((behind, tried))) => {
                star = Some((behind, tried + 1));
                (place, at) = (behind, tried + 1);
            }
            (_, None) => return false,
        }
    }
    glob.iter().skip(place).all(|&rest| rest == '*')
}

/// What a fetch wants.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    wanted: Vec<Pattern>,
    unwanted: Vec<Pattern>,
    since: Option<Since>,
    max: Option<u64>,
    max_octets: Option<u64>,
}

impl Filter {
    pub(crate) fn new(args: &Fetch) -> Self {
        Self {
            wanted: args.matching.clone(),
            unwanted: args.no_match.clone(),
            since: args.since,
            max: args.max,
            max_octets: args.max_octets,
        }
    }

    /// Whether it cannot tell without the header.
    pub(crate) fn needs_header(&self) -> bool {
        !self.wanted.is_empty() || !self.unwanted.is_empty() || self.since.is_some()
    }

    /// Whether a message with this header is wanted; `now` in seconds since 1970.
    ///
    /// It is as old as its topmost `Received` says, which the last server has written, or else its `Date`. One that has
    /// neither, or none that can be read, is wanted whatever its age.
    pub(crate) fn wants(&self, header: &Header, now: date::Seconds) -> bool {
        let received = header.raw("received").next().and_then(date::parse_received);
        let date = received.or_else(|| header.raw("date").next().and_then(date::parse));
        let is_old = |since: Since| date.is_some_and(|date| date < since.from(now));
        self.wanted.iter().all(|pattern| pattern.matches(header))
            && !self.unwanted.iter().any(|pattern| pattern.matches(header))
            && !self.since.is_some_and(is_old)
    }

    /// How many messages may be fetched in all.
    pub(crate) fn max(&self) -> usize {
        self.max.map_or(usize::MAX, |max| usize::try_from(max).unwrap_or(usize::MAX))
    }

    /// Leaves what is over `--max` and `--max-octets`, the lowest numbers going first.
    pub(crate) fn cut(&self, plan: &mut Plan) {
        let (mut messages, mut octets) = (0u64, 0u64);
        for message in &mut plan.messages {
            if !matches!(message.action, Action::Fetch { .. }) {
                continue;
            }
            let sum = octets.saturating_add(message.octets);
            if self.max.is_some_and(|max| messages >= max) || self.max_octets.is_some_and(|max| sum > max) {
                message.action = Action::Left("over-max");
            } else {
                (messages, octets) = (messages.saturating_add(1), sum);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::header::Gathered;

    fn header(text: &str) -> Header {
        let mut gathered = Gathered::new(10_000);
        gathered.write_all(text.replace('\n', "\r\n").as_bytes()).unwrap();
        gathered.header().unwrap()
    }

    #[test]
    fn stars_and_question_marks() {
        for (glob, text, want) in [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("**", "abc", true),
            ("a", "a", true),
            ("a", "ab", false),
            ("?", "", false),
            ("a?c", "abc", true),
            ("*b*", "abc", true),
            ("*c", "abcabc", true),
            ("*ab", "abab", true),
            ("a*a", "a", false),
            ("a*b*c", "a b x b y c", true),
            ("a*b*c", "a b x b y d", false),
            ("*aab", "aaaaaaab", true),
        ] {
            assert_eq!(is_like(&lower(text), &lower(glob)), want, "{glob} {text}");
        }
        // No more than the product, or this takes for ever.
        assert!(!is_like(&lower(&"a".repeat(50_000)), &lower(&("*a".repeat(20) + "b"))));
    }

    #[test]
    fn a_pattern_looks_at_the_whole_field_or_at_an_address() {
        let header = header(
            "From: =?utf-8?q?Gr=C3=BCn?= <Alice@Example.ORG>\nTo: \"a, b@x\" <bob@example.net>, carol@example.com\n\
             Subject: Re: an\n invoice\nX-Tag: one\nX-Tag: two\n\n",
        );
        for (pattern, want) in [
            ("From: *@example.org", true),
            ("from:alice@example.org", true),
            ("From: gr\u{dc}n *", true),
            ("From: alice", false),
            ("To: *@example.com", true),
            ("To: bob@*", true),
            ("To: b@x", false),
            ("Subject: *invoice*", true),
            ("Subject: Re: an invoice", true),
            ("Subject: invoice", false),
            ("X-Tag: two", true),
            ("X-Tag: ?wo", true),
            ("X-Other: *", false),
        ] {
            assert_eq!(pattern.parse::<Pattern>().unwrap().matches(&header), want, "{pattern}");
        }
        for text in ["", "Subject", ": x", "a b: x", "\u{fc}: x"] {
            assert!(text.parse::<Pattern>().is_err(), "{text}");
        }
    }

    #[test]
    fn all_that_is_said_must_hold() {
        let pattern = |text: &str| text.parse().unwrap();
        let filter = Filter {
            wanted: vec![pattern("From: *@a"), pattern("Subject: *x*")],
            unwanted: vec![pattern("Precedence: bulk")],
            ..Filter::default()
        };
        for (text, want) in [
            ("From: b@a\nSubject: axb\n\n", true),
            ("From: b@a\nSubject: ab\n\n", false),
            ("From: b@c\nSubject: axb\n\n", false),
            ("From: b@a\nSubject: axb\nPrecedence: bulk\n\n", false),
        ] {
            assert_eq!(filter.wants(&header(text), 0), want, "{text}");
        }
    }

    #[test]
    fn a_message_is_as_old_as_its_topmost_received_says() {
        let filter = |since| Filter { since: Some(since), ..Filter::default() };
        let (old, new) = ("Thu, 1 Jan 1970 00:01:00 +0000", "Thu, 1 Jan 1970 00:10:00 +0000");
        for (text, want) in [
            (format!("Date: {old}\n\n"), false),
            (format!("Date: {new}\n\n"), true),
            (format!("Received: x; {new}\nReceived: x; {old}\nDate: {old}\n\n"), true),
            (format!("Received: x; {old}\nReceived: x; {new}\nDate: {new}\n\n"), false),
            (format!("Received: x\nDate: {old}\n\n"), false),
            ("Date: whenever\n\n".to_owned(), true),
            ("\n".to_owned(), true),
        ] {
            assert_eq!(filter(Since::At(300)).wants(&header(&text), 0), want, "{text}");
            assert_eq!(filter(Since::Ago(700)).wants(&header(&text), 1000), want, "{text}");
        }
    }
}
