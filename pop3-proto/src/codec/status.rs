//! The first line of a reply: status indicator, response code, text; and the continuation line of SASL.
//!
//! ```text
//! first     = ( "+OK" / "-ERR" ) [ SP text ] CRLF      ; <= 512 octets with CRLF
//! text      = [ resp-code [SP] ] *( 20-7E / UTF-8 )
//! resp-code = "[" level *( "/" level ) "]"             ; level = 1* printable except "/" and "]", any case
//! continue  = "+" SP [ base64 ] CRLF                   ; "+" CRLF is accepted
//! ```
//!
//! RFC 1939 section 3, RFC 2449 sections 3 and 8, RFC 3206, RFC 5034 section 4. Only the first octets decide
//! (PB-C22); text is octets, of any charset. Allocates nothing, never panics.

use core::fmt;

use nom::branch::alt;
use nom::bytes::complete::{tag, take_while1};
use nom::character::complete::char;
use nom::combinator::{all_consuming, opt, recognize, rest};
use nom::multi::fold_many0;
use nom::sequence::{delimited, preceded};
use nom::{IResult, Parser};

use crate::buffer::{Full, Sink};

/// The longest first line of a reply, CRLF included, that this crate writes (RFC 1939 section 3, R1939-3.5).
pub const FIRST_LINE_OCTETS: usize = 512;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(
    clippy::exhaustive_enums,
    reason = "the protocol has these two, and a caller must be able to match both"
)]
pub enum Status {
    /// `+OK`.
    Ok,
    /// `-ERR`.
    Err,
}

impl Status {
    /// The status indicator as sent: upper case (R1939-3.3).
    pub const fn indicator(self) -> &'static str {
        match self {
            Self::Ok => "+OK",
            Self::Err => "-ERR",
        }
    }
}

/// The first line of a reply.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct StatusLine<'a> {
    /// How the command ended.
    pub status: Status,
    /// All that follows the status indicator and its SP, a response code included.
    pub text: &'a [u8],
}

/// A line that begins a reply or continues a SASL exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the protocol has these two")]
pub enum ReplyLine<'a> {
    /// `+OK` or `-ERR`.
    Status(StatusLine<'a>),
    /// `+` with base64 text, which is not looked at here.
    Continue(&'a [u8]),
}

impl<'a> ReplyLine<'a> {
    /// Reads one line, without its CRLF. `None`: the line begins no reply (R1939-3.4).
    pub fn parse(line: &'a [u8]) -> Option<Self> {
        if let Some(status) = StatusLine::parse(line) {
            return Some(Self::Status(status));
        }
        match line {
            b"+" => Some(Self::Continue(&[])),
            [b'+', b' ', text @ ..] => Some(Self::Continue(text)),
            _ => None,
        }
    }
}

impl<'a> StatusLine<'a> {
    /// Reads one line, without its CRLF. `None`: it does not begin with `+OK` or `-ERR`, then SP or its end.
    pub fn parse(line: &'a [u8]) -> Option<Self> {
        all_consuming(status_line).parse(line).ok().map(|(_, line)| line)
    }

    /// Whether the status is `+OK`.
    pub const fn is_ok(&self) -> bool {
        matches!(self.status, Status::Ok)
    }

    /// The response code at the start of the text, if the text starts with a well-formed one.
    ///
    /// It means something only if the server announced `RESP-CODES`: some servers put other things in brackets
    /// (R2449-8.3).
    pub fn code(&self) -> Option<ResponseCode<'a>> {
        response_code(self.text).ok().map(|(_, code)| code)
    }

    /// The text behind the response code.
    pub fn human_text(&self) -> &'a [u8] {
        match response_code(self.text) {
            Ok((rest, _)) => rest.strip_prefix(b" ").unwrap_or(rest),
            Err(_) => self.text,
        }
    }
}

impl fmt::Debug for StatusLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} \"{}\"", self.status.indicator(), self.text.escape_ascii())
    }
}

/// A response code: what stands between the brackets (RFC 2449 section 8).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ResponseCode<'a>(&'a [u8]);

/// The response codes that have a meaning here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CodeKind {
    /// `IN-USE`: the credentials were right, the maildrop is locked. Try again later.
    InUse,
    /// `LOGIN-DELAY`: too soon after the last login. Wait, then try again.
    LoginDelay,
    /// `AUTH`: a problem with the credentials. Ask the user (RFC 3206).
    Auth,
    /// `SYS/TEMP`: a fault that may pass (RFC 3206).
    SysTemp,
    /// `SYS/PERM`: a fault that needs a human (RFC 3206).
    SysPerm,
    /// `UTF8`: the message needs UTF-8 mode (RFC 6856 section 5).
    Utf8,
}

impl CodeKind {
    /// The code as this crate writes it, without brackets.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InUse => "IN-USE",
            Self::LoginDelay => "LOGIN-DELAY",
            Self::Auth => "AUTH",
            Self::SysTemp => "SYS/TEMP",
            Self::SysPerm => "SYS/PERM",
            Self::Utf8 => "UTF8",
        }
    }
}

impl<'a> ResponseCode<'a> {
    /// The octets between the brackets, as received.
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.0
    }

    /// The levels, from the most general.
    pub fn levels(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.0.split(|&b| b == b'/')
    }

    /// What the code means: compared without case, unknown deeper levels ignored (R2449-8.1, R3206-4.1).
    /// `None`: treat the reply as if it had no code.
    pub fn kind(&self) -> Option<CodeKind> {
        let mut levels = self.levels();
        let first = levels.next()?;
        let is = |name: &str| first.eq_ignore_ascii_case(name.as_bytes());
        if is("SYS") {
            let second = levels.next()?;
            return if second.eq_ignore_ascii_case(b"TEMP") {
                Some(CodeKind::SysTemp)
            } else if second.eq_ignore_ascii_case(b"PERM") {
                Some(CodeKind::SysPerm)
            } else {
                None
            };
        }
        [CodeKind::InUse, CodeKind::LoginDelay, CodeKind::Auth, CodeKind::Utf8]
            .into_iter()
            .find(|kind| is(kind.as_str()))
    }
}

impl fmt::Debug for ResponseCode<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}]", self.0.escape_ascii())
    }
}

/// Writes a first line with its CRLF, or nothing.
///
/// Always a SP and some text behind the indicator: old clients want both (R1957-1). `text` is for humans: octets that
/// cannot stand in a reply become `?`, a leading `[` becomes `(` (R2449-6.4), and what would make the line longer than
/// [`FIRST_LINE_OCTETS`] is left out (R1939-3.5).
///
/// # Errors
///
/// [`Full`]: `out` has not room for the line. [`FIRST_LINE_OCTETS`] is always enough.
pub fn encode_status(
    status: Status,
    code: Option<CodeKind>,
    text: &[u8],
    out: &mut (impl Sink + ?Sized),
) -> Result<(), Full> {
    encode(status, code, text.get(..room_for_text(status, code)).unwrap_or(text), is_ascii_text, out)
}

/// As [`encode_status`], for a connection on which `LANG` has succeeded: UTF-8 in `text` passes, and is cut between
/// characters only (R6856-3.1, R6856-3.2). A text that is no UTF-8 keeps its ASCII.
///
/// # Errors
///
/// [`Full`]: `out` has not room for the line. [`FIRST_LINE_OCTETS`] is always enough.
pub fn encode_status_utf8(
    status: Status,
    code: Option<CodeKind>,
    text: &[u8],
    out: &mut (impl Sink + ?Sized),
) -> Result<(), Full> {
    let kept = match text.get(..room_for_text(status, code)) {
        // A character that is cut is left out; other octets that are no UTF-8 are dealt with below.
        Some(kept) => match core::str::from_utf8(kept) {
            Err(error) if error.error_len().is_none() => kept.get(..error.valid_up_to()).unwrap_or(kept),
            _ => kept,
        },
        None => text,
    };
    if kept.is_ascii() || core::str::from_utf8(kept).is_err() {
        return encode(status, code, kept, is_ascii_text, out);
    }
    encode(status, code, kept, |octet| is_ascii_text(octet) || octet >= 0x80, out)
}

const fn is_ascii_text(octet: u8) -> bool {
    matches!(octet, 0x20..0x7f)
}

/// Octets of a first line that are not text: indicator, SP, code and SP, CRLF.
fn overhead(status: Status, code: Option<CodeKind>) -> usize {
    let code = code.map_or(0, |code| code.as_str().len().saturating_add(3));
    status.indicator().len().saturating_add(code).saturating_add(3)
}

fn room_for_text(status: Status, code: Option<CodeKind>) -> usize {
    FIRST_LINE_OCTETS.saturating_sub(overhead(status, code))
}

/// `text` is short enough; octets of it that may not `stand` become `?`.
fn encode(
    status: Status,
    code: Option<CodeKind>,
    text: &[u8],
    stand: impl Fn(u8) -> bool,
    out: &mut (impl Sink + ?Sized),
) -> Result<(), Full> {
    out.reserve(overhead(status, code).saturating_add(text.len()))?;
    out.put(status.indicator().as_bytes());
    out.put(b" ");
    if let Some(code) = code {
        out.put(b"[");
        out.put(code.as_str().as_bytes());
        out.put(b"] ");
    }
    let mut run = text;
    if let ([b'[', tail @ ..], None) = (text, code) {
        out.put(b"(");
        run = tail;
    }
    for part in run.split_inclusive(|&octet| !stand(octet)) {
        match part.split_last() {
            Some((&last, head)) if !stand(last) => {
                out.put(head);
                out.put(b"?");
            }
            _ => out.put(part),
        }
    }
    out.put(b"\r\n");
    Ok(())
}

fn status_line(input: &[u8]) -> IResult<&[u8], StatusLine<'_>> {
    let status = alt((tag(&b"+OK"[..]).map(|_| Status::Ok), tag(&b"-ERR"[..]).map(|_| Status::Err)));
    (status, opt(preceded(char(' '), rest)))
        .map(|(status, text)| StatusLine { status, text: text.unwrap_or(&[]) })
        .parse(input)
}

fn response_code(input: &[u8]) -> IResult<&[u8], ResponseCode<'_>> {
    let level = || take_while1(|b: u8| (0x21..0x7f).contains(&b) && b != b'/' && b != b']');
    let levels = recognize((level(), fold_many0(preceded(char('/'), level()), || (), |(), _| ())));
    delimited(char('['), levels, char(']')).map(ResponseCode).parse(input)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn written(status: Status, code: Option<CodeKind>, text: &[u8]) -> Vec<u8> {
        let mut storage = [0u8; FIRST_LINE_OCTETS];
        let mut out = &mut storage[..];
        encode_status(status, code, text, &mut out).unwrap();
        let room = out.len();
        storage[..FIRST_LINE_OCTETS - room].to_vec()
    }

    #[test]
    fn r1939_3_4_pb_c22_the_first_octets_decide() {
        let table: [(&[u8], Option<(Status, &[u8])>); 14] = [
            (b"+OK", Some((Status::Ok, b""))),
            (b"+OK ", Some((Status::Ok, b""))),
            (b"+OK x", Some((Status::Ok, b"x"))),
            (b"-ERR", Some((Status::Err, b""))),
            (b"-ERR +OK", Some((Status::Err, b"+OK"))),
            (b"-ERR  two", Some((Status::Err, b" two"))),
            (b"+OKx", None),
            (b"+ERR", None),
            (b" +OK", None),
            (b"+ok", None),
            (b"", None),
            (b"ok", None),
            (b"-ERRx", None),
            (b"* OK IMAP", None),
        ];
        for (line, want) in table {
            let got = StatusLine::parse(line);
            assert_eq!(got.map(|l| (l.status, l.text)), want, "{}", line.escape_ascii());
        }
    }

    #[test]
    fn r5034_4_4_a_bare_plus_is_an_empty_challenge() {
        assert_eq!(ReplyLine::parse(b"+"), Some(ReplyLine::Continue(b"")));
        assert_eq!(ReplyLine::parse(b"+ "), Some(ReplyLine::Continue(b"")));
        assert_eq!(ReplyLine::parse(b"+ dGVzdA=="), Some(ReplyLine::Continue(b"dGVzdA==")));
        assert_eq!(ReplyLine::parse(b"+x"), None);
    }

    #[test]
    fn pb_k07_every_prefix_of_a_reply_is_read_without_panic() {
        for reply in [&b"+OK [SYS/TEMP] gone"[..], b"-ERR [IN-USE] busy", b"+ dGVzdA=="] {
            for end in 0..=reply.len() {
                let _ = ReplyLine::parse(&reply[..end]);
                if let Some(line) = StatusLine::parse(&reply[..end]) {
                    let _ = (line.code(), line.human_text());
                }
            }
        }
    }

    #[test]
    fn r2449_8_1_codes_have_no_case_and_levels() {
        let table: [(&[u8], Option<CodeKind>); 16] = [
            (b"[IN-USE] x", Some(CodeKind::InUse)),
            (b"[in-use]", Some(CodeKind::InUse)),
            (b"[LOGIN-DELAY]", Some(CodeKind::LoginDelay)),
            (b"[AUTH] no", Some(CodeKind::Auth)),
            (b"[AUTH/EXPIRED] no", Some(CodeKind::Auth)),
            (b"[SYS/TEMP] x", Some(CodeKind::SysTemp)),
            (b"[sys/Temp] x", Some(CodeKind::SysTemp)),
            (b"[SYS/TEMP/X] x", Some(CodeKind::SysTemp)),
            (b"[SYS/PERM]", Some(CodeKind::SysPerm)),
            (b"[SYS/OTHER]", None),
            (b"[SYS]", None),
            (b"[UTF8] x", Some(CodeKind::Utf8)),
            (b"[X-NEW] x", None),
            (b"[]", None),
            (b"[A//B]", None),
            (b"x [AUTH]", None),
        ];
        for (text, want) in table {
            let line = StatusLine { status: Status::Err, text };
            assert_eq!(line.code().and_then(|c| c.kind()), want, "{}", text.escape_ascii());
        }
    }

    #[test]
    fn pb_k03_only_a_leading_bracket_can_be_a_code() {
        for text in
            [&b"gone [x]"[..], b"x]", b"[", b"[]", b"[A//B]", "Språk".as_bytes(), b"\xff\xfe", b"[a b] c"]
        {
            let line = StatusLine { status: Status::Err, text };
            assert_eq!(line.code(), None);
            assert_eq!(line.human_text(), text);
        }
        let line = StatusLine { status: Status::Err, text: b"[IN-USE] do you have another session?" };
        assert_eq!(line.human_text(), b"do you have another session?");
        assert_eq!(line.code().unwrap().levels().count(), 1);
    }

    #[test]
    fn r1939_3_5_a_first_line_is_512_octets_at_most_and_keeps_its_code() {
        let long = [b'x'; 600];
        let line = written(Status::Err, Some(CodeKind::SysTemp), &long);
        assert_eq!(line.len(), 512);
        assert!(line.starts_with(b"-ERR [SYS/TEMP] xxx"));
        assert!(line.ends_with(b"x\r\n"));
        assert_eq!(written(Status::Ok, None, &long).len(), 512);
    }

    #[test]
    fn r2449_6_4_pb_s17_text_without_code_never_starts_with_a_bracket() {
        assert_eq!(written(Status::Ok, None, b"[x] y"), b"+OK (x] y\r\n");
        assert_eq!(written(Status::Err, Some(CodeKind::Auth), b"[x] y"), b"-ERR [AUTH] [x] y\r\n");
    }

    #[test]
    fn r1957_1_a_space_always_follows_the_indicator() {
        assert_eq!(written(Status::Ok, None, b""), b"+OK \r\n");
        assert_eq!(written(Status::Err, None, b"no"), b"-ERR no\r\n");
    }

    #[test]
    fn r6856_3_1_r1939_3_5_text_in_utf_8_is_cut_between_characters() {
        let written = |code, text: &[u8]| {
            let mut storage = [0u8; FIRST_LINE_OCTETS];
            let mut out = &mut storage[..];
            encode_status_utf8(Status::Err, code, text, &mut out).unwrap();
            let room = out.len();
            storage[..FIRST_LINE_OCTETS - room].to_vec()
        };
        assert_eq!(written(None, "Språk [x]".as_bytes()), "-ERR Språk [x]\r\n".as_bytes());
        assert_eq!(written(None, "[å]\r\n".as_bytes()), "-ERR (å]??\r\n".as_bytes());
        assert_eq!(written(None, b"a\xffb"), b"-ERR a?b\r\n");
        for lead in 0..4 {
            let text = ["x".repeat(lead), "€".repeat(300)].concat();
            for code in [None, Some(CodeKind::SysTemp)] {
                let line = written(code, text.as_bytes());
                assert!((510..=512).contains(&line.len()) && line.ends_with("€\r\n".as_bytes()), "{lead}");
                assert!(core::str::from_utf8(&line).is_ok());
            }
        }
    }

    #[test]
    fn r1939_3_2_text_cannot_hold_a_line_end() {
        assert_eq!(written(Status::Ok, None, b"a\r\n+OK b\0c\x80"), b"+OK a??+OK b?c?\r\n");
    }

    #[test]
    fn r2449_8_1_a_code_is_shown_in_its_brackets() {
        let line = StatusLine::parse(b"-ERR [sys/temp] try later").unwrap();
        assert_eq!(alloc::format!("{:?}", line.code().unwrap()), "[sys/temp]");
    }

    #[test]
    fn r6856_3_2_r1939_3_5_a_long_text_that_is_no_utf_8_keeps_its_ascii_to_the_end_of_the_line() {
        let text = [&b"a\xffb"[..], &[b'x'; 600]].concat();
        let mut out = Vec::new();
        encode_status_utf8(Status::Ok, None, &text, &mut out).unwrap();
        let want = [&b"+OK a?b"[..], &[b'x'; 503], b"\r\n"].concat();
        assert_eq!((want.len(), out), (512, want));
    }
}
