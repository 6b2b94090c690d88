//! Languages of reply texts: [`Language`], and which of them a language range means (RFC 6856 section 3, RFC 4647).

use super::Phrase;
use super::translations::{GERMAN, SWEDISH};

/// The tag of the language that is in use until `LANG` has chosen another (RFC 2277 section 4.5).
pub(super) const I_DEFAULT: &str = "i-default";

/// The longest tag, in octets; RFC 5646 section 4.4.1 recommends room for 35.
pub(super) const TAG_OCTETS: usize = 64;

/// A language in which a session can talk, for [`SessionConfig::languages`](super::SessionConfig::languages).
///
/// ```
/// use pop3_proto::server::{Language, Phrase, SessionConfig};
///
/// const DANISH: Language<'_> = Language::new("da", "Dansk", &[(Phrase::Bye, "farvel")]);
/// let languages = [Language::ENGLISH, DANISH];
/// let mut config = SessionConfig::DEFAULT;
/// config.languages = &languages;
/// assert_eq!(DANISH.text(Phrase::NoSuchMessage), "no such message");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Language<'c> {
    tag: &'c str,
    name: &'c str,
    texts: &'c [(Phrase, &'c str)],
}

impl<'c> Language<'c> {
    /// English.
    pub const ENGLISH: Self = Self { tag: "en", name: "English", texts: &[] };
    /// Swedish.
    pub const SWEDISH: Self = Self { tag: "sv", name: "Svenska", texts: SWEDISH };
    /// German.
    pub const GERMAN: Self = Self { tag: "de", name: "Deutsch", texts: GERMAN };
    /// All languages of this crate.
    pub const BUILT_IN: &'static [Language<'static>] =
        &[Language::ENGLISH, Language::SWEDISH, Language::GERMAN];

    /// A language of the program's own. `tag`: its tag of RFC 5646, at most 64 octets; one that is none is never offered.
    /// `name`: what it is called in itself, or empty. `texts`, in UTF-8: a phrase that is missing is said in English.
    ///
    /// With the tag `i-default` these are the texts until a client has chosen a language, and what of them is not ASCII
    /// is replaced by `?`.
    ///
    /// What a text would make longer than a line is left out, what cannot stand in a line is replaced by `?`, and a
    /// leading `[` by `(`.
    #[must_use]
    pub const fn new(tag: &'c str, name: &'c str, texts: &'c [(Phrase, &'c str)]) -> Self {
        Self { tag, name, texts }
    }

    /// Its tag.
    #[must_use]
    pub const fn tag(&self) -> &'c str {
        self.tag
    }

    /// What it is called in itself; empty if it is not told.
    #[must_use]
    pub const fn name(&self) -> &'c str {
        self.name
    }

    /// `phrase` in this language, in English if it has none.
    #[must_use]
    pub fn text(&self, phrase: Phrase) -> &'c str {
        let own = self.texts.iter().find(|(of, _)| *of == phrase);
        own.map_or_else(|| phrase.english(), |(_, text)| text)
    }

    /// Whether it can be offered.
    pub(super) fn is_offered(&self) -> bool {
        self.tag.len() <= TAG_OCTETS && is_range(self.tag)
    }

    /// What is left of the name in a line of a list.
    pub(super) fn listed_name(&self) -> &'c str {
        let end = self.name.find(char::is_control).unwrap_or(self.name.len());
        let end = (0..=end.min(256)).rev().find(|&at| self.name.is_char_boundary(at));
        end.and_then(|end| self.name.get(..end)).unwrap_or("")
    }
}

/// The language that `range` means: the one with that tag, or the first of which it is the beginning, as `de` is of
/// `de-AT`; otherwise the one with the longest tag that is the beginning of the range (RFC 4647 sections 3.3.1 and 3.4).
/// Case does not count (R6856-3.5).
pub(super) fn find<'l, 'c>(languages: &'l [Language<'c>], range: &str) -> Option<&'l Language<'c>> {
    if !is_range(range) {
        return None;
    }
    let offered = || languages.iter().filter(|language| language.is_offered());
    let exact = |range: &str| offered().find(|language| language.tag.eq_ignore_ascii_case(range));
    let within = || {
        offered().find(|language| {
            let head = language.tag.get(..range.len()).is_some_and(|head| head.eq_ignore_ascii_case(range));
            head && language.tag.as_bytes().get(range.len()) == Some(&b'-')
        })
    };
    exact(range).or_else(within).or_else(|| {
        let mut rest = range;
        while let Some((shorter, _)) = rest.rsplit_once('-') {
            // A subtag of one letter says what follows it, and means nothing at the end.
            rest = match shorter.rsplit_once('-') {
                Some((head, tail)) if tail.len() == 1 => head,
                _ => shorter,
            };
            if let Some(found) = exact(rest) {
                return Some(found);
            }
        }
        None
    })
}

/// Whether `text` is a basic language range, other than `*`; a tag is one too (RFC 4647 section 2.1).
fn is_range(text: &str) -> bool {
    let mut subtags = text.split('-');
    let fits = |subtag: &str| (1..=8).contains(&subtag.len());
    let first =
        subtags.next().is_some_and(|first| fits(first) && first.bytes().all(|b| b.is_ascii_alphabetic()));
    first && subtags.all(|subtag| fits(subtag) && subtag.bytes().all(|b| b.is_ascii_alphanumeric()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn r6856_3_1_the_built_in_tables_are_complete() {
        for language in Language::BUILT_IN {
            for (at, &phrase) in Phrase::ALL.iter().enumerate() {
                if language.tag != "en" {
                    assert_eq!(
                        language.texts.get(at).map(|t| t.0),
                        Some(phrase),
                        "{}: {phrase:?}",
                        language.tag
                    );
                }
                let text = language.text(phrase);
                // It must fit into a line beside the longest code and a number, begin with no bracket and be one line.
                assert!(!text.is_empty() && text.len() <= 200, "{text}");
                assert!(!text.starts_with('[') && !text.contains(char::is_control), "{text}");
                for hole in ["{messages}", "{octets}"] {
                    let matches = text.matches(hole).count();
                    assert_eq!(matches, phrase.english().matches(hole).count(), "{}: {text}", language.tag);
                }
                if language.tag == "en" {
                    assert!(text.is_ascii());
                }
            }
            assert!(language.is_offered() && !language.listed_name().is_empty());
            assert_eq!(language.texts.len(), if language.tag == "en" { 0 } else { Phrase::ALL.len() });
        }
    }

    #[test]
    fn r6856_3_5_r6856_3_3_which_language_a_range_means() {
        // By hand from RFC 4647 sections 3.3.1 and 3.4.
        for (tags, range, want) in [
            (&["en", "de-AT", "de"][..], "de", Some("de")),
            (&["en", "de-AT"], "de", Some("de-AT")),
            (&["en", "de-AT"], "DE", Some("de-AT")),
            (&["en", "DE"], "de-at", Some("DE")),
            (&["en", "de"], "de-AT", Some("de")),
            (&["en", "de-CH"], "de-AT", None),
            (&["en", "zh-Hant"], "zh-Hant-CN-x-private1-private2", Some("zh-Hant")),
            (&["en", "zh"], "zh-x-y", Some("zh")),
            (&["en", "zh-Hant", "zh-Hant-CN"], "zh-Hant-CN-x-private1-private2", Some("zh-Hant-CN")),
            (&["en", "zh-x"], "zh-x-y", None),
            (&["en", "den"], "de", None),
            (&["en", "de"], "d", None),
            (&["i-default", "en"], "I-DEFAULT", Some("i-default")),
            (&["en"], "uga", None),
            (&["en"], "", None),
            (&["en"], "en-", None),
            (&["en"], "-en", None),
            (&["en"], "en_GB", None),
            (&["en"], "toolonglong", None),
            (&["en"], "*-GB", None),
            (&["e n", "x\r\n", "[en]", ""], "e n", None),
        ] {
            let languages: Vec<Language<'_>> = tags.iter().map(|tag| Language::new(tag, "", &[])).collect();
            assert_eq!(find(&languages, range).map(Language::tag), want, "{range} in {tags:?}");
        }
    }

    #[test]
    fn r6856_3_4_a_language_tells_its_tag_and_its_name() {
        let told = Language::BUILT_IN.iter().map(|language| (language.tag(), language.name()));
        assert!(told.eq([("en", "English"), ("sv", "Svenska"), ("de", "Deutsch")]));
    }

    #[test]
    fn r6856_3_4_what_is_no_tag_or_too_long_a_tag_is_never_offered() {
        let longest = ["abcdefgh"; 7].join("-"); // 62 octets
        for (tag, offered) in [
            (longest.clone() + "-", false),
            (longest.clone() + "-a", true),
            (longest + "-ab", false),
            ("en".into(), true),
            ("e n".into(), false),
            ("".into(), false),
        ] {
            assert_eq!(Language::new(&tag, "", &[]).is_offered(), offered, "{tag}");
        }
    }

    #[test]
    fn r2449_5_1_a_name_cannot_break_its_line() {
        let long = "å".repeat(400);
        for (name, listed) in [("Svenska", 7), ("a\r\nb", 1), ("", 0), (long.as_str(), 256)] {
            assert_eq!(Language::new("sv", name, &[]).listed_name().len(), listed, "{name}");
        }
    }
}
