//! Message-ids in their plain form, as the timestamp of a greeting is one (R1939-7.9, R1939-7.11).

/// The first message-id in a text, brackets included.
pub(crate) fn timestamp(greeting_text: &[u8]) -> Option<&[u8]> {
    let mut rest = greeting_text;
    loop {
        let start = memchr::memchr(b'<', rest)?;
        rest = rest.get(start..)?;
        let end = memchr::memchr(b'>', rest)?.checked_add(1)?;
        let candidate = rest.get(..end)?;
        if is_message_id(candidate) {
            return Some(candidate);
        }
        rest = rest.get(1..)?;
    }
}

fn is_message_id(octets: &[u8]) -> bool {
    let Some(inner) = octets.strip_prefix(b"<").and_then(|rest| rest.strip_suffix(b">")) else {
        return false;
    };
    let Some((left, right)) = memchr::memchr(b'@', inner).and_then(|at| inner.split_at_checked(at)) else {
        return false;
    };
    is_dot_atom(left) && right.strip_prefix(b"@").is_some_and(|right| is_dot_atom(right) || is_literal(right))
}

pub(crate) fn is_dot_atom(octets: &[u8]) -> bool {
    octets.split(|&octet| octet == b'.').all(|atom| {
        !atom.is_empty()
            && atom
                .iter()
                .all(|octet| octet.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(octet))
    })
}

fn is_literal(octets: &[u8]) -> bool {
    let inner = octets.strip_prefix(b"[").and_then(|rest| rest.strip_suffix(b"]"));
    inner.is_some_and(|inner| {
        !inner.is_empty() && inner.iter().all(|octet| octet.is_ascii_graphic() && !b"[]\\<>@".contains(octet))
    })
}
