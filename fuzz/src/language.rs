//! Languages of replies: which one a range means, and that no text breaks its line.

use pop3_proto::maildrop::HeapStorage;
use pop3_proto::server::{Language, Phrase, Request, Session, SessionConfig};
use pop3_proto::{Buffer, Command, LanguageListing, StatusLine, Step, Verb};

use crate::plan::Plan;

fn is_range(text: &str) -> bool {
    text.split('-').enumerate().all(|(at, subtag)| {
        (1..=8).contains(&subtag.len())
            && subtag.bytes().all(|octet| octet.is_ascii_alphabetic() || (at > 0 && octet.is_ascii_digit()))
    })
}

/// RFC 4647 sections 3.3.1 and 3.4, over tags in lower case.
fn naive<'t>(tags: &[&'t str], range: &str) -> Option<&'t str> {
    let range = range.to_ascii_lowercase();
    let same = |wanted: &str| tags.iter().copied().find(|tag| tag.to_ascii_lowercase() == wanted);
    let within = tags.iter().copied().find(|tag| tag.to_ascii_lowercase().starts_with(&format!("{range}-")));
    same(&range).or(within).or_else(|| {
        let mut subtags: Vec<&str> = range.split('-').collect();
        while subtags.len() > 1 {
            subtags.pop();
            if subtags.len() > 1 && subtags.last().is_some_and(|last| last.len() == 1) {
                subtags.pop();
            }
            if let Some(tag) = same(&subtags.join("-")) {
                return Some(tag);
            }
        }
        None
    })
}

/// `LANG` chooses the language that the RFC says, lists those that can be chosen, and every reply is one line of UTF-8 whose
/// text is that of the language; before a choice, ASCII.
pub fn language(input: &[u8]) {
    let mut plan = Plan::new(input);
    let text = |plan: &mut Plan<'_>| String::from_utf8_lossy(plan.piece()).into_owned();
    let own: Vec<[String; 3]> =
        (0..plan.below(4)).map(|_| [text(&mut plan), text(&mut plan), text(&mut plan)]).collect();
    let phrases: Vec<[(Phrase, &str); 2]> = own
        .iter()
        .map(|[.., words]| [(Phrase::LanguageChosen, &words[..]), (Phrase::Bye, &words[..])])
        .collect();
    let mut languages: Vec<Language<'_>> =
        own.iter().zip(&phrases).map(|([tag, name, _], texts)| Language::new(tag, name, texts)).collect();
    if plan.next() & 1 == 0 {
        languages.extend(Language::BUILT_IN);
    }
    let mut config = SessionConfig::DEFAULT;
    config.languages = &languages;
    config.default_language = if plan.next() & 1 == 0 { "sv" } else { "x" };
    let mut session = Session::new(config, true, HeapStorage::new(1));
    let say = |session: &mut Session<'_, HeapStorage>, line: &[u8]| -> Vec<u8> {
        let (mut out, mut said, mut rest) = (Buffer::new([0u8; 600]), Vec::new(), line);
        loop {
            let received = session.receive(rest, &mut out).expect("a command");
            rest = &rest[received.consumed..];
            said.extend(out.unread());
            out.clear();
            match received.step {
                Step::NeedInput | Step::Event(Request::Close(_)) => return said,
                Step::Paused => {}
                Step::Event(other) => panic!("{other:?}"),
            }
        }
    };
    let mut greeting = Vec::new();
    session.greet(&mut greeting).expect("a greeting");
    let offered: Vec<&str> =
        languages.iter().map(Language::tag).filter(|tag| tag.len() <= 64 && is_range(tag)).collect();

    let listed = say(&mut session, b"LANG\r\n");
    if languages.is_empty() {
        assert!(listed.starts_with(b"-ERR "));
        return;
    }
    let lines: Vec<&[u8]> = listed.split(|&octet| octet == b'\n').collect();
    let tags: Vec<String> = lines[1..lines.len() - 2]
        .iter()
        .map(|line| LanguageListing::parse(line.strip_suffix(b"\r").expect("CRLF")).expect("a listing"))
        .map(|listing| String::from_utf8_lossy(listing.tag).into_owned())
        .collect();
    assert!(listed.starts_with(b"+OK") && listed.ends_with(b"\r\n.\r\n"));
    assert!(lines.iter().all(|line| line.len() < 512));
    let mut want = offered.clone();
    if naive(&offered, "i-default").is_none() {
        want.push("i-default");
    }
    assert_eq!(tags, want);

    let range = String::from_utf8_lossy(plan.rest()).into_owned();
    let chosen = match range.as_str() {
        "*" => naive(&want, config.default_language).or(Some("i-default")),
        range if is_range(range) => naive(&want, range),
        _ => None,
    };
    let mut has_chosen = false;
    if !range.is_empty() && !range.contains(|c: char| c == ' ' || c.is_control()) && range.len() <= 100 {
        let reply = say(&mut session, format!("LANG {range}\r\n").as_bytes());
        assert!(reply.ends_with(b"\r\n") && reply.len() <= 512, "{}", reply.escape_ascii());
        let line = StatusLine::parse(&reply[..reply.len() - 2]).expect("a status line");
        assert!(!reply[..reply.len() - 2].iter().any(|octet| matches!(octet, b'\r' | b'\n' | 0)));
        assert!(core::str::from_utf8(&reply).is_ok(), "{}", reply.escape_ascii());
        assert_eq!(line.is_ok(), chosen.is_some(), "{range:?} of {want:?}");
        match chosen {
            Some(tag) => {
                assert!(reply.starts_with(format!("+OK {tag} ").as_bytes()), "{}", reply.escape_ascii());
                assert_eq!(session.language(), tag);
                has_chosen = true;
            }
            None => assert_eq!(session.language(), "i-default"),
        }
    }
    let reply = say(&mut session, b"QUIT\r\n");
    assert!(reply.starts_with(b"+OK") && reply.len() <= 512 && core::str::from_utf8(&reply).is_ok());
    // Who has chosen a language, be it this one, reads UTF-8.
    assert!(has_chosen || (session.language() == "i-default" && reply.is_ascii()));
    assert_eq!(Command::parse(b"QUIT").map(|command| command.verb()), Ok(Verb::Quit));
}
