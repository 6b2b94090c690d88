//! JSON (RFC 8259), written by hand: objects of a few members, in ASCII.
//!
//! Octets of the server need not be text of any kind. Each becomes the character of the same number (U+0000 to U+00FF),
//! which loses nothing and can be undone.

use core::fmt::Write;

/// An object that is being written.
#[derive(Debug)]
pub(crate) struct Object(String);

impl Object {
    pub(crate) fn new() -> Self {
        Self("{".into())
    }

    pub(crate) fn string(self, name: &str, value: &str) -> Self {
        self.member(name, |out| quote(value.chars(), out))
    }

    pub(crate) fn octets(self, name: &str, value: &[u8]) -> Self {
        self.member(name, |out| quote(characters(value), out))
    }

    /// An array of strings.
    pub(crate) fn list<'a>(self, name: &str, values: impl Iterator<Item = &'a [u8]>) -> Self {
        self.member(name, |out| {
            out.push('[');
            for (at, value) in values.enumerate() {
                if at > 0 {
                    out.push(',');
                }
                quote(characters(value), out);
            }
            out.push(']');
        })
    }

    pub(crate) fn number(self, name: &str, value: impl Into<u64>) -> Self {
        let value = value.into();
        self.member(name, |out| out.push_str(&value.to_string()))
    }

    pub(crate) fn boolean(self, name: &str, value: bool) -> Self {
        self.member(name, |out| out.push_str(if value { "true" } else { "false" }))
    }

    pub(crate) fn null(self, name: &str) -> Self {
        self.member(name, |out| out.push_str("null"))
    }

    pub(crate) fn object(self, name: &str, value: Self) -> Self {
        self.member(name, |out| out.push_str(&value.finish()))
    }

    /// `write` adds `value`, or it is null.
    pub(crate) fn or_null<T>(
        self,
        name: &str,
        value: Option<T>,
        write: impl FnOnce(Self, &str, T) -> Self,
    ) -> Self {
        match value {
            Some(value) => write(self, name, value),
            None => self.null(name),
        }
    }

    pub(crate) fn finish(mut self) -> String {
        self.0.push('}');
        self.0
    }

    fn member(mut self, name: &str, value: impl FnOnce(&mut String)) -> Self {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        quote(name.chars(), &mut self.0);
        self.0.push(':');
        value(&mut self.0);
        self
    }
}

/// `object`, which is written already, with a member before all others.
pub(crate) fn with_first(object: &str, name: &str, value: &str) -> String {
    let first = Object::new().string(name, value).finish();
    let (first, rest) = (first.trim_end_matches('}'), object.strip_prefix('{').unwrap_or(object));
    format!("{first}{}{rest}", if rest.starts_with('}') { "" } else { "," })
}

fn characters(octets: &[u8]) -> impl Iterator<Item = char> {
    octets.iter().copied().map(char::from)
}

fn quote(text: impl Iterator<Item = char>, out: &mut String) {
    out.push('"');
    for character in text {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            ' '..='~' => out.push(character),
            _ => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    if write!(out, "\\u{unit:04x}").is_err() {
                        return; // a String takes everything
                    }
                }
            }
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r8259_strings_are_escaped() {
        for (text, want) in [
            ("", r#""""#),
            ("plain ~", r#""plain ~""#),
            ("\"\\/", r#""\"\\/""#),
            ("a\r\n\tb", r#""a\r\n\tb""#),
            ("\0\u{1b}[2J\u{7f}", r#""\u0000\u001b[2J\u007f""#),
            ("\u{e9}\u{2028}\u{202e}", r#""\u00e9\u2028\u202e""#),
            ("\u{1f4e7}", r#""\ud83d\udce7""#),
        ] {
            let mut out = String::new();
            quote(text.chars(), &mut out);
            assert_eq!(out, want);
        }
    }

    #[test]
    fn pb_q06_no_octet_is_lost() {
        let all: Vec<u8> = (0..=255).collect();
        let line = Object::new().octets("id", &all).finish();
        assert!(line.is_ascii() && !line.contains(char::is_control));
        assert!(line.starts_with(r#"{"id":"\u0000\u0001"#) && line.ends_with(r#"\u00fe\u00ff"}"#), "{line}");
        assert!(
            line.contains(r##" !\"#$%&'()*"##) && line.contains(r"[\\]") && line.contains(r"~\u007f\u0080")
        );
    }

    #[test]
    fn members_are_separated() {
        let inner = Object::new().null("n").boolean("b", true);
        let line = Object::new()
            .number("a", u64::MAX)
            .or_null("c", None, Object::octets)
            .list("l", [&b"x"[..], b"\""].into_iter())
            .list("e", std::iter::empty())
            .object("o", inner)
            .string("s", "t")
            .finish();
        let want =
            r#"{"a":18446744073709551615,"c":null,"l":["x","\""],"e":[],"o":{"n":null,"b":true},"s":"t"}"#;
        assert_eq!(line, want);
        assert_eq!(Object::new().finish(), "{}");
        assert_eq!(with_first("{}", "a", "}"), r#"{"a":"}"}"#);
        assert_eq!(with_first(r#"{"b":{}}"#, "a", "\""), r#"{"a":"\"","b":{}}"#);
    }
}
