//! Encoded words in header fields (RFC 2047).

/// `value` with its encoded words decoded. What is in a character set that is not known here, or no encoded word, stays
/// as it stands; octets that are no UTF-8 become characters of the same number.
pub(crate) fn decode(value: &[u8]) -> String {
    let (mut out, mut rest) = (String::new(), value);
    // Octets of encoded words in a row, of one character set: a character may be cut between two words.
    let mut run: Option<Decoded> = None;
    while let Some(at) = find(rest) {
        let (before, from) = rest.split_at(at);
        let Some((word, after)) = word(from) else {
            // No encoded word begins here: the mark itself is text.
            flush(&mut run, &mut out);
            let (text, more) = rest.split_at(at.saturating_add(2).min(rest.len()));
            push_text(text, &mut out);
            rest = more;
            continue;
        };
        // Blanks between two encoded words are no part of the text (section 6.2).
        let in_a_row = run.is_some() && before.iter().all(u8::is_ascii_whitespace);
        if !in_a_row {
            flush(&mut run, &mut out);
            push_text(before, &mut out);
        }
        match &mut run {
            Some((charset, octets)) if *charset == word.0 => octets.extend(word.1),
            _ => {
                flush(&mut run, &mut out);
                run = Some(word);
            }
        }
        rest = after;
    }
    flush(&mut run, &mut out);
    push_text(rest, &mut out);
    out
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Charset {
    /// US-ASCII too.
    Utf8,
    Latin1,
}

/// The octets of encoded words, and their character set.
type Decoded = (Charset, Vec<u8>);

fn find(text: &[u8]) -> Option<usize> {
    text.windows(2).position(|two| two == b"=?")
}

fn flush(run: &mut Option<Decoded>, out: &mut String) {
    match run.take() {
        Some((Charset::Utf8, octets)) => out.push_str(&String::from_utf8_lossy(&octets)),
        Some((Charset::Latin1, octets)) => out.extend(octets.into_iter().map(char::from)),
        None => {}
    }
}

fn push_text(text: &[u8], out: &mut String) {
    match std::str::from_utf8(text) {
        Ok(text) => out.push_str(text),
        Err(_) => out.extend(text.iter().copied().map(char::from)),
    }
}

/// The encoded word that `text` begins with, and what follows it.
fn word(text: &[u8]) -> Option<(Decoded, &[u8])> {
    let mut parts = text.strip_prefix(b"=?")?.splitn(3, |&octet| octet == b'?');
    let (charset, encoding, rest) = (parts.next()?, parts.next()?, parts.next()?);
    let end = rest.windows(2).position(|two| two == b"?=")?;
    let (encoded, after) = rest.split_at(end);
    if encoded.iter().any(u8::is_ascii_whitespace) {
        return None;
    }
    // A language may follow the character set (RFC 2231 section 5).
    let charset = charset.split(|&octet| octet == b'*').next().unwrap_or_default();
    let charset = match charset.to_ascii_lowercase().as_slice() {
        b"utf-8" | b"utf8" | b"us-ascii" => Charset::Utf8,
        b"iso-8859-1" | b"latin1" => Charset::Latin1,
        _ => return None,
    };
    let octets = match encoding {
        b"q" | b"Q" => quoted(encoded)?,
        b"b" | b"B" => base64(encoded)?,
        _ => return None,
    };
    Some(((charset, octets), after.get(2..).unwrap_or_default()))
}

fn quoted(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |octet: u8| char::from(octet).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (mut out, mut octets) = (Vec::with_capacity(text.len()), text.iter().copied());
    while let Some(octet) = octets.next() {
        out.push(match octet {
            b'_' => b' ',
            b'=' => (digit(octets.next()?)? << 4) | digit(octets.next()?)?,
            octet => octet,
        });
    }
    Some(out)
}

fn base64(text: &[u8]) -> Option<Vec<u8>> {
    let text = text.strip_suffix(b"==").or_else(|| text.strip_suffix(b"=")).unwrap_or(text);
    let (mut out, mut held, mut bits) = (Vec::with_capacity(text.len()), 0u32, 0u32);
    for &octet in text {
        let value = match octet {
            b'A'..=b'Z' => octet - b'A',
            b'a'..=b'z' => octet - b'a' + 26,
            b'0'..=b'9' => octet - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        held = (held << 6) | u32::from(value);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            out.push(u8::try_from((held >> bits) & 0xff).unwrap_or_default());
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r2047_8_the_examples_of_the_standard() {
        for (text, want) in [
            ("(=?ISO-8859-1?Q?a?=)", "(a)"),
            ("(=?ISO-8859-1?Q?a?= b)", "(a b)"),
            ("(=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=)", "(ab)"),
            ("(=?ISO-8859-1?Q?a?=  =?ISO-8859-1?Q?b?=)", "(ab)"),
            ("(=?ISO-8859-1?Q?a?=  \t =?ISO-8859-1?Q?b?=)", "(ab)"),
            ("(=?ISO-8859-1?Q?a_b?=)", "(a b)"),
            ("(=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=)", "(a =?ISO-8859-2?Q?_b?=)"),
            ("=?US-ASCII?Q?Keith_Moore?= <moore@cs.utk.edu>", "Keith Moore <moore@cs.utk.edu>"),
            (
                "=?ISO-8859-1?Q?Keld_J=F8rn_Simonsen?= <keld@dkuug.dk>",
                "Keld J\u{f8}rn Simonsen <keld@dkuug.dk>",
            ),
            ("=?ISO-8859-1?B?SWYgeW91IGNhbiByZWFkIHRoaXMgeW8=?=", "If you can read this yo"),
        ] {
            assert_eq!(decode(text.as_bytes()), want, "{text}");
        }
    }

    #[test]
    fn r2047_5_what_is_no_encoded_word_stays() {
        for text in [
            "",
            "plain",
            "=?",
            "=?=?=?",
            "=?utf-8?q?a",
            "=?utf-8?x?a?=",
            "=?utf-8?q?=4?=",
            "=?utf-8?q?=zz?=",
            "=?utf-8?b?a!?=",
            "=?utf-8?q?a b?=",
            "=?koi8-r?b?98XSz8Q=?=",
            "a =?",
            "=?utf-8?",
        ] {
            assert_eq!(decode(text.as_bytes()), text);
        }
        assert_eq!(decode(b"=?=?utf-8?q?a?="), "=?a");
        assert_eq!(decode(b"gr\xfcn"), "gr\u{fc}n");
        assert_eq!(decode("gr\u{fc}n".as_bytes()), "gr\u{fc}n");
    }

    #[test]
    fn a_character_may_be_cut_between_two_words() {
        assert_eq!(decode(b"=?UTF-8?Q?gr=C3?= =?utf-8*de?B?vG4=?= x"), "gr\u{fc}n x");
    }
}
