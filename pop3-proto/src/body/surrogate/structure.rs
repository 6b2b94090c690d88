//! Where the headers are in a message with parts (RFC 2046 section 5.1): behind each line that parts them, and in messages
//! within messages.
//!
//! What is looked at is bounded: parts within parts to a depth of [`DEPTH`], boundaries of up to 70 octets, as the RFC
//! has them, and [`TYPE_OCTETS`] of a Content-Type field. What is beyond counts as text.

/// How deep parts may lie within parts.
const DEPTH: usize = 8;
/// The longest boundary.
const BOUNDARY_OCTETS: usize = 70;
/// As much of a field as is looked at for its type.
pub(super) const TYPE_OCTETS: usize = 1024;
/// The longest line that can part: the boundary between its hyphens, blanks behind it, and a line end.
pub(super) const DELIMITER_OCTETS: usize = 120;

/// What follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    Header,
    Body,
}

/// The multiparts that are open, and what the header being read has said of its content.
#[derive(Clone, Debug)]
pub(super) struct Structure {
    open: [Boundary; DEPTH],
    depth: usize,
    content: Content,
    /// The header is that of a part, and not of a message within one.
    of_part: bool,
}

#[derive(Clone, Copy, Debug)]
struct Boundary {
    octets: [u8; BOUNDARY_OCTETS],
    length: usize,
    /// Its parts are messages unless they say otherwise.
    digest: bool,
}

#[derive(Clone, Copy, Debug)]
enum Content {
    /// No type was given yet.
    Unknown,
    Text,
    Message,
    Parts(Boundary),
}

impl Structure {
    pub(super) const fn new() -> Self {
        let none = Boundary { octets: [0; BOUNDARY_OCTETS], length: 0, digest: false };
        Self { open: [none; DEPTH], depth: 0, content: Content::Unknown, of_part: false }
    }

    /// Whether there is no header to come any more.
    pub(super) const fn is_flat(&self) -> bool {
        self.depth == 0
    }

    /// Looks at a field of a header; what lies behind [`TYPE_OCTETS`] does not count.
    pub(super) fn field(&mut self, field: &[u8]) {
        let field = field.get(..TYPE_OCTETS).unwrap_or(field);
        if let (Content::Unknown, Some(value)) = (self.content, value_of(field, b"content-type")) {
            self.content = content_of(value);
        }
    }

    /// Takes note of the empty line behind a header.
    pub(super) fn end_of_header(&mut self) -> Next {
        let of_part = core::mem::replace(&mut self.of_part, false);
        let within_digest = of_part && self.innermost().is_some_and(|boundary| boundary.digest);
        match core::mem::replace(&mut self.content, Content::Unknown) {
            Content::Message => Next::Header,
            Content::Unknown if within_digest => Next::Header,
            Content::Unknown | Content::Text => Next::Body,
            Content::Parts(boundary) => {
                if let Some(place) = self.open.get_mut(self.depth) {
                    *place = boundary;
                    self.depth = self.depth.saturating_add(1);
                }
                Next::Body
            }
        }
    }

    /// Looks at a whole line of a body, or of a header: whether it parts, and what then follows.
    pub(super) fn delimiter(&mut self, line: &[u8]) -> Option<Next> {
        let line = line.strip_prefix(b"--").filter(|_| line.len() <= DELIMITER_OCTETS)?.trim_ascii_end();
        // The innermost first: an outer one ends all that lies within.
        for depth in (0..self.depth).rev() {
            let boundary = self.open.get(depth)?;
            let boundary = boundary.octets.get(..boundary.length).unwrap_or_default();
            if line == boundary {
                self.depth = depth.saturating_add(1);
                self.content = Content::Unknown;
                self.of_part = true;
                return Some(Next::Header);
            }
            if line.strip_suffix(b"--") == Some(boundary) {
                self.depth = depth;
                self.content = Content::Unknown;
                return Some(Next::Body);
            }
        }
        None
    }

    fn innermost(&self) -> Option<&Boundary> {
        self.open.get(self.depth.checked_sub(1)?)
    }
}

/// The value of the field if it is called `name`.
fn value_of<'a>(field: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (head, rest) = field.split_at_checked(name.len())?;
    let value = rest.trim_ascii_start().strip_prefix(b":")?;
    head.eq_ignore_ascii_case(name).then_some(value)
}

fn content_of(value: &[u8]) -> Content {
    let value = value.trim_ascii_start();
    let end = value.iter().position(|octet| *octet == b';' || octet.is_ascii_whitespace());
    let (kind, parameters) = value.split_at_checked(end.unwrap_or(value.len())).unwrap_or((value, &[]));
    let is = |text: &[u8]| kind.eq_ignore_ascii_case(text);
    if is(b"message/rfc822") || is(b"message/global") {
        return Content::Message;
    }
    let multipart = kind.get(..10).is_some_and(|head| head.eq_ignore_ascii_case(b"multipart/"));
    match boundary_of(parameters) {
        Some(boundary) if multipart => {
            Content::Parts(Boundary { digest: is(b"multipart/digest"), ..boundary })
        }
        _ => Content::Text,
    }
}

/// The boundary among the parameters of a type.
fn boundary_of(parameters: &[u8]) -> Option<Boundary> {
    let mut rest = parameters;
    loop {
        // To the next parameter: strings are read over as a whole, for they may hold a semicolon.
        let start = rest.iter().position(|octet| matches!(octet, b';' | b'"'))?;
        let found = *rest.get(start)?;
        rest = rest.get(start.checked_add(1)?..)?;
        if found == b'"' {
            rest = behind_string(rest, |_| {})?;
            continue;
        }
        let parameter = rest.trim_ascii_start();
        let Some(value) = parameter
            .split_at_checked(8)
            .filter(|(name, _)| name.eq_ignore_ascii_case(b"boundary"))
            .and_then(|(_, rest)| rest.trim_ascii_start().strip_prefix(b"="))
        else {
            continue;
        };
        return read_boundary(value.trim_ascii_start());
    }
}

fn read_boundary(value: &[u8]) -> Option<Boundary> {
    let mut boundary = Boundary { octets: [0; BOUNDARY_OCTETS], length: 0, digest: false };
    let mut fits = true;
    let mut put = |octet| match boundary.octets.get_mut(boundary.length) {
        Some(place) => {
            *place = octet;
            boundary.length = boundary.length.saturating_add(1);
        }
        None => fits = false,
    };
    match value.strip_prefix(b"\"") {
        Some(string) => {
            behind_string(string, put)?;
        }
        None => value
            .iter()
            .take_while(|octet| !octet.is_ascii_whitespace() && !matches!(octet, b';' | b'('))
            .for_each(|octet| put(*octet)),
    }
    // A blank at its end would be lost to those who strip blanks, and so it is none (RFC 2046 section 5.1.1).
    let last = boundary.length.checked_sub(1).and_then(|last| boundary.octets.get(last));
    (fits && last.is_some_and(|octet| *octet != b' ')).then_some(boundary)
}

/// Reads a quoted string to its end, its octets to `put`; what stands behind it.
fn behind_string(string: &[u8], mut put: impl FnMut(u8)) -> Option<&[u8]> {
    let mut rest = string;
    loop {
        let (octet, after) = rest.split_first()?;
        rest = after;
        match octet {
            b'"' => return Some(rest),
            b'\\' => {
                let (quoted, after) = rest.split_first()?;
                put(*quoted);
                rest = after;
            }
            // A line end within is that of a folded field.
            b'\r' | b'\n' => {}
            octet => put(*octet),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boundary(field: &str) -> Option<std::string::String> {
        match content_of(value_of(field.as_bytes(), b"content-type")?) {
            Content::Parts(boundary) => {
                Some(std::string::String::from_utf8(boundary.octets[..boundary.length].to_vec()).unwrap())
            }
            _ => None,
        }
    }

    #[test]
    fn r6858_2_2_the_boundary_is_found_among_the_parameters() {
        for (field, want) in [
            ("Content-Type: multipart/mixed; boundary=abc\r\n", Some("abc")),
            (
                "content-type:MULTIPART/Mixed;\r\n charset=\"a;boundary=no\"; Boundary=\"a b\\\"c\"\r\n",
                Some("a b\"c"),
            ),
            ("Content-Type: multipart/mixed;boundary=a(comment)\n", Some("a")),
            ("Content-Type: multipart/mixed; boundary=\"\"\n", None),
            ("Content-Type: multipart/mixed; boundary=\"a \"\n", None),
            ("Content-Type: multipart/mixed; boundary=\"open\n", None),
            ("Content-Type: multipart/mixed\n", None),
            ("Content-Type: text/plain; boundary=abc\n", None),
            ("Content-Type : multipart/mixed; x=y; boundary = abc ; z\n", Some("abc")),
        ] {
            assert_eq!(boundary(field).as_deref(), want, "{field}");
        }
        let long =
            |octets: usize| std::format!("Content-Type: multipart/x; boundary={}\n", "b".repeat(octets));
        assert!(boundary(&long(70)).is_some() && boundary(&long(71)).is_none());
    }

    #[test]
    fn r6858_2_2_an_outer_boundary_ends_what_lies_within() {
        let mut structure = Structure::new();
        for name in ["outer", "inner"] {
            structure.field(std::format!("Content-Type: multipart/mixed; boundary={name}\n").as_bytes());
            assert_eq!(structure.end_of_header(), Next::Body);
            assert_eq!(structure.delimiter(std::format!("--{name} \r\n").as_bytes()), Some(Next::Header));
        }
        assert_eq!(structure.delimiter(b"--inner--\n"), Some(Next::Body));
        assert_eq!(structure.delimiter(b"--inner\n"), None);
        assert_eq!(structure.delimiter(b"--outer\n"), Some(Next::Header));
        assert_eq!(structure.delimiter(b"--outerx\n"), None);
        assert!(!structure.is_flat());
        assert_eq!(structure.delimiter(b"--outer--\n"), Some(Next::Body));
        assert!(structure.is_flat());
    }
}
