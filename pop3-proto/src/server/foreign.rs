//! First lines of other protocols: a browser or a TLS client that was led here must get nothing of use (ALPACA).
//!
//! Rows RP-ALPACA.1, PB-S47, PB-Q66.

/// Openings that need no look behind them.
const OPENINGS: [&[u8]; 13] = [
    b"\x16", // the first octet of a TLS record
    b"GET ",
    b"POST ",
    b"HEAD ",
    b"PUT ",
    b"OPTIONS ",
    b"CONNECT ",
    b"DELETE ",
    b"PATCH ",
    b"TRACE ",
    b"EHLO ",
    b"HELO ",
    b"SSH-",
];

/// Second words of a tagged IMAP command that a client opens with.
const IMAP: [&[u8]; 7] = [b"LOGIN", b"CAPABILITY", b"STARTTLS", b"AUTHENTICATE", b"LOGOUT", b"NOOP", b"ID"];

/// Whether `input`, from the first octet of the connection, is another protocol. `false` while it is too short to tell.
pub(super) fn is_foreign(input: &[u8]) -> bool {
    let starts =
        |opening: &[u8]| input.get(..opening.len()).is_some_and(|head| head.eq_ignore_ascii_case(opening));
    if OPENINGS.iter().any(|opening| starts(opening)) {
        return true;
    }
    let line = input.split(|b| matches!(b, b'\r' | b'\n')).next().unwrap_or(&[]);
    let mut words = line.split(|&b| b == b' ');
    let (Some(tag), Some(second)) = (words.next(), words.next()) else {
        return false;
    };
    let complete = line.len() < input.len();
    complete
        && crate::codec::Verb::from_keyword(tag).is_none()
        && IMAP.iter().any(|w| second.eq_ignore_ascii_case(w))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rp_alpaca_1_foreign_openings_are_known() {
        for line in [
            &b"GET / HTTP/1.1\r\n"[..],
            b"post /x HTTP/1.1\r\n",
            b"EHLO there\r\n",
            b"SSH-2.0-x\r\n",
            b"\x16\x03\x01",
            b"a1 LOGIN x y\r\n",
            b"A001 CAPABILITY\r\n",
        ] {
            assert!(is_foreign(line), "{}", line.escape_ascii());
        }
        for line in [
            &b"CAPA\r\n"[..],
            b"USER login\r\n",
            b"AUTH LOGIN\r\n",
            b"QUIT\r\n",
            b"XYZZ\r\n",
            b"",
            b"a1 LOG",
            b"a1 LOGIN",
        ] {
            assert!(!is_foreign(line), "{}", line.escape_ascii());
        }
    }
}
