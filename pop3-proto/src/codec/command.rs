//! Commands: what a client sends.
//!
//! ```text
//! command = keyword *( SP arg ) CRLF      ; keyword of 3 or 4 letters or digits, any case
//! pass    = "PASS" SP *octet CRLF         ; everything behind the first SP is the password
//! ```
//!
//! RFC 1939 section 3, RFC 2449 section 4, RFC 5034 section 4. One SP between tokens, none at the end; both roles hold
//! to it (R1939-3.1, R1939-3.2). What can be built can be encoded and parses back to itself; every octet string is a
//! command or a [`CommandError`]. Allocates nothing, never panics.

use core::fmt;

use nom::bytes::complete::{take_while, take_while1};
use nom::character::complete::char;
use nom::combinator::{all_consuming, map_opt, opt, rest};
use nom::sequence::preceded;
use nom::{IResult, Parser};

use super::arg::{Arg, Digits, MessageNumber, Secret, parse_number};
use super::base64::InitialResponse;
use super::mechanism::MechanismName;
use super::verb::{LineKind, ReplyShape, Verb};
use crate::buffer::{Full, Sink};

/// A command with its arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Command<'a> {
    /// Names the mailbox.
    User(Arg<'a>),
    /// Gives the password, directly after a successful `USER`.
    Pass(Secret<'a>),
    /// Logs in with a digest over the timestamp of the greeting and a shared secret.
    Apop {
        /// The mailbox.
        name: Arg<'a>,
        /// 32 lower-case hexadecimal digits.
        digest: Arg<'a>,
    },
    /// Starts a SASL exchange.
    Auth {
        /// Which mechanism.
        mechanism: MechanismName<'a>,
        /// Its first message, if it goes on this line.
        initial: Option<InitialResponse<'a>>,
    },
    /// Asks for the list of SASL mechanisms, by `AUTH` without arguments.
    Mechanisms,
    /// Asks for the capabilities.
    Capa,
    /// Asks for TLS.
    Stls,
    /// Switches the session to UTF-8.
    Utf8,
    /// Chooses the language of reply texts, or asks for the list of languages.
    Lang(Option<Arg<'a>>),
    /// Asks for the number of messages and their octets.
    Stat,
    /// Asks for the scan listing of one message or all.
    List(Option<MessageNumber>),
    /// Asks for the unique-id of one message or all.
    Uidl(Option<MessageNumber>),
    /// Asks for a message.
    Retr(MessageNumber),
    /// Asks for the header and so many lines of the body.
    Top {
        /// Which message.
        number: MessageNumber,
        /// How many lines of the body. A number over `u64::MAX` on the wire is read as `u64::MAX` (PB-Q57).
        lines: u64,
    },
    /// Marks a message as deleted.
    Dele(MessageNumber),
    /// Asks for nothing but a `+OK`.
    Noop,
    /// Takes all marks back.
    Rset,
    /// Ends the session; in the TRANSACTION state, commits.
    Quit,
}

/// Why a line is no command. The server owes a `-ERR` for it, and nothing else happens (R1939-3.12).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CommandError {
    /// The line holds a NUL, a CR or an LF (PB-S19, PB-S22).
    ForbiddenOctet,
    /// No keyword that this crate knows.
    UnknownKeyword,
    /// The keyword is known but its arguments are missing, too many, badly separated or malformed.
    BadArguments(Verb),
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ForbiddenOctet => f.write_str("command line holds NUL, CR or LF"),
            Self::UnknownKeyword => f.write_str("unknown keyword"),
            Self::BadArguments(verb) => write!(f, "bad arguments to {verb}"),
        }
    }
}

impl core::error::Error for CommandError {}

impl<'a> Command<'a> {
    /// Reads one line, without its CRLF.
    ///
    /// # Errors
    ///
    /// [`CommandError`]: the line is no command. It has been used up all the same: answer `-ERR` and go on.
    pub fn parse(line: &'a [u8]) -> Result<Self, CommandError> {
        if line.iter().any(|b| matches!(b, 0 | b'\r' | b'\n')) {
            return Err(CommandError::ForbiddenOctet);
        }
        let (arguments, keyword) = keyword(line).map_err(|_| CommandError::UnknownKeyword)?;
        let verb = Verb::from_keyword(keyword).ok_or(CommandError::UnknownKeyword)?;
        match all_consuming(|input| arguments_of(verb, input)).parse(arguments) {
            Ok((_, command)) => Ok(command),
            Err(_) => Err(CommandError::BadArguments(verb)),
        }
    }

    /// Writes the command with its CRLF, or nothing.
    ///
    /// # Errors
    ///
    /// [`Full`]: `out` has not room for [`encoded_len`](Self::encoded_len) octets.
    pub fn encode(&self, out: &mut (impl Sink + ?Sized)) -> Result<(), Full> {
        out.reserve(self.encoded_len())?;
        self.pieces(&mut |piece| out.put(piece));
        Ok(())
    }

    /// How many octets the command takes on the wire, CRLF included.
    pub fn encoded_len(&self) -> usize {
        let mut len = 0usize;
        self.pieces(&mut |piece| len = len.saturating_add(piece.len()));
        len
    }

    /// The command without its arguments.
    pub const fn verb(&self) -> Verb {
        match self {
            Self::User(_) => Verb::User,
            Self::Pass(_) => Verb::Pass,
            Self::Apop { .. } => Verb::Apop,
            Self::Auth { .. } => Verb::Auth,
            Self::Mechanisms => Verb::Mechanisms,
            Self::Capa => Verb::Capa,
            Self::Stls => Verb::Stls,
            Self::Utf8 => Verb::Utf8,
            Self::Lang(_) => Verb::Lang,
            Self::Stat => Verb::Stat,
            Self::List(_) => Verb::List,
            Self::Uidl(_) => Verb::Uidl,
            Self::Retr(_) => Verb::Retr,
            Self::Top { .. } => Verb::Top,
            Self::Dele(_) => Verb::Dele,
            Self::Noop => Verb::Noop,
            Self::Rset => Verb::Rset,
            Self::Quit => Verb::Quit,
        }
    }

    /// The message that the command names, if it names one.
    pub const fn message(&self) -> Option<MessageNumber> {
        match self {
            Self::List(number) | Self::Uidl(number) => *number,
            Self::Retr(number) | Self::Dele(number) | Self::Top { number, .. } => Some(*number),
            _ => None,
        }
    }

    /// What a `+OK` to this command brings with it. The one place that knows (PB-S44, PB-C24).
    pub const fn reply_shape(&self) -> ReplyShape {
        match self {
            Self::List(None) => ReplyShape::Lines(LineKind::Scan),
            Self::Uidl(None) => ReplyShape::Lines(LineKind::UniqueId),
            Self::Capa => ReplyShape::Lines(LineKind::Capability),
            Self::Lang(None) => ReplyShape::Lines(LineKind::Language),
            Self::Mechanisms => ReplyShape::Lines(LineKind::Mechanism),
            Self::Retr(_) | Self::Top { .. } => ReplyShape::Body,
            Self::Auth { .. } => ReplyShape::Sasl,
            Self::Stls => ReplyShape::Tls,
            _ => ReplyShape::Single,
        }
    }

    fn pieces(&self, put: &mut dyn FnMut(&[u8])) {
        put(self.verb().keyword().as_bytes());
        let mut arg = |octets: &[u8]| {
            put(b" ");
            put(octets);
        };
        match self {
            Self::User(name) => arg(name.as_bytes()),
            Self::Pass(password) => arg(password.expose()),
            Self::Apop { name, digest } => {
                arg(name.as_bytes());
                arg(digest.as_bytes());
            }
            Self::Auth { mechanism, initial } => {
                arg(mechanism.as_bytes());
                if let Some(initial) = initial {
                    arg(initial.as_bytes());
                }
            }
            Self::Lang(Some(range)) => arg(range.as_bytes()),
            Self::Top { number, lines } => {
                arg(Digits::new(u64::from(number.get())).as_bytes());
                arg(Digits::new(*lines).as_bytes());
            }
            _ => {
                if let Some(number) = self.message() {
                    arg(Digits::new(u64::from(number.get())).as_bytes());
                }
            }
        }
        put(b"\r\n");
    }
}

fn keyword(input: &[u8]) -> IResult<&[u8], &[u8]> {
    take_while1(|b| b != b' ').parse(input)
}

fn arguments_of(verb: Verb, input: &[u8]) -> IResult<&[u8], Command<'_>> {
    match verb {
        Verb::User => arg.map(Command::User).parse(input),
        // Not a token: spaces belong to the password, also the first and the last (R1939-7.7).
        Verb::Pass => {
            map_opt(preceded(char(' '), rest), |p| Secret::new(p).ok()).map(Command::Pass).parse(input)
        }
        Verb::Apop => (arg, arg).map(|(name, digest)| Command::Apop { name, digest }).parse(input),
        Verb::Auth | Verb::Mechanisms => auth(input),
        Verb::Lang => opt(arg).map(Command::Lang).parse(input),
        Verb::List => opt(number).map(Command::List).parse(input),
        Verb::Uidl => opt(number).map(Command::Uidl).parse(input),
        Verb::Retr => number.map(Command::Retr).parse(input),
        Verb::Dele => number.map(Command::Dele).parse(input),
        Verb::Top => (number, line_count).map(|(number, lines)| Command::Top { number, lines }).parse(input),
        Verb::Capa => Ok((input, Command::Capa)),
        Verb::Stls => Ok((input, Command::Stls)),
        Verb::Utf8 => Ok((input, Command::Utf8)),
        Verb::Stat => Ok((input, Command::Stat)),
        Verb::Noop => Ok((input, Command::Noop)),
        Verb::Rset => Ok((input, Command::Rset)),
        Verb::Quit => Ok((input, Command::Quit)),
    }
}

fn token(input: &[u8]) -> IResult<&[u8], &[u8]> {
    preceded(char(' '), take_while1(|b| b != b' ')).parse(input)
}

fn arg(input: &[u8]) -> IResult<&[u8], Arg<'_>> {
    map_opt(token, |t| Arg::new(t).ok()).parse(input)
}

fn number(input: &[u8]) -> IResult<&[u8], MessageNumber> {
    map_opt(token, MessageNumber::parse).parse(input)
}

fn line_count(input: &[u8]) -> IResult<&[u8], u64> {
    map_opt(token, |digits| {
        if digits.iter().all(u8::is_ascii_digit) {
            Some(parse_number(digits).unwrap_or(u64::MAX))
        } else {
            None
        }
    })
    .parse(input)
}

/// `AUTH [SP mechanism [SP initial-response]]`, and `AUTH SP` as Outlook sends it (PB-Q50).
fn auth(input: &[u8]) -> IResult<&[u8], Command<'_>> {
    if input.is_empty() || input == b" " {
        return Ok((&[], Command::Mechanisms));
    }
    let name = map_opt(token, |t| MechanismName::parse(t).ok());
    let initial = map_opt(preceded(char(' '), take_while(|b| b != b' ')), |t| InitialResponse::parse(t).ok());
    (name, opt(initial)).map(|(mechanism, initial)| Command::Auth { mechanism, initial }).parse(input)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Base64;
    use alloc::string::String;
    use alloc::vec;
    use alloc::vec::Vec;
    use std::format;

    fn n(number: u32) -> MessageNumber {
        MessageNumber::new(number).unwrap()
    }

    fn encoded(command: &Command<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        command.encode(&mut out).unwrap();
        out
    }

    /// Every kind of command over these arguments.
    fn commands<'a>(name: &'a [u8], password: &'a [u8], number: u32, lines: u64) -> Vec<Command<'a>> {
        let (name, number) = (Arg::new(name).unwrap(), n(number));
        let mechanism = MechanismName::parse(b"X-MECH_1").unwrap();
        let auth = |initial| Command::Auth { mechanism, initial };
        vec![
            Command::User(name),
            Command::Pass(Secret::new(password).unwrap()),
            Command::Apop { name, digest: Arg::new(b"c4c9334bac560ecc979e58001b3e22fb").unwrap() },
            auth(None),
            auth(Some(InitialResponse::from(Base64::EMPTY))),
            auth(Some(InitialResponse::from(Base64::new(b"AHRlc3QAdGVzdA==").unwrap()))),
            Command::Mechanisms,
            Command::Capa,
            Command::Stls,
            Command::Utf8,
            Command::Lang(None),
            Command::Lang(Some(name)),
            Command::Stat,
            Command::List(None),
            Command::List(Some(number)),
            Command::Uidl(None),
            Command::Uidl(Some(number)),
            Command::Retr(number),
            Command::Top { number, lines },
            Command::Dele(number),
            Command::Noop,
            Command::Rset,
            Command::Quit,
        ]
    }

    #[test]
    fn r1939_3_1_pb_k06_the_octets_of_every_command() {
        let lines: Vec<u8> = commands(b"alice", b" a b ", 7, 3).iter().flat_map(encoded).collect();
        assert_eq!(
            String::from_utf8(lines).unwrap(),
            "USER alice\r\nPASS  a b \r\nAPOP alice c4c9334bac560ecc979e58001b3e22fb\r\nAUTH X-MECH_1\r\n\
            AUTH X-MECH_1 =\r\nAUTH X-MECH_1 AHRlc3QAdGVzdA==\r\nAUTH\r\nCAPA\r\nSTLS\r\nUTF8\r\nLANG\r\nLANG alice\r\n\
            STAT\r\nLIST\r\nLIST 7\r\nUIDL\r\nUIDL 7\r\nRETR 7\r\nTOP 7 3\r\nDELE 7\r\nNOOP\r\nRSET\r\nQUIT\r\n"
        );
    }

    #[test]
    fn pb_c23_pb_c11_pb_k05_what_is_built_encodes_and_parses_back_to_itself() {
        let mut seed = 1u32;
        let mut random = |bound: u32| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 8) % bound
        };
        for _ in 0..2000 {
            let name: Vec<u8> = (0..=random(20)).map(|_| random(256) as u8).collect();
            let password: Vec<u8> = (0..=random(20)).map(|_| random(256) as u8).collect();
            let name = if Arg::new(&name).is_ok() { &name[..] } else { b"n" };
            let password = if Secret::new(&password).is_ok() { &password[..] } else { b" p " };
            let number = [1, 10, random(u32::MAX) + 1, u32::MAX][random(4) as usize];
            let lines = [0, 1, u64::from(random(u32::MAX)), u64::MAX][random(4) as usize];
            for command in commands(name, password, number, lines) {
                let line = encoded(&command);
                let content = line.strip_suffix(b"\r\n").unwrap();
                assert_eq!(Command::parse(content), Ok(command), "{}", line.escape_ascii());
                assert_eq!(line.len(), command.encoded_len());
                assert!(!content.iter().any(|b| matches!(b, b'\r' | b'\n' | 0)));
                // No blank is doubled or last, but in a password.
                if command.verb() != Verb::Pass {
                    assert!(content.last() != Some(&b' ') && !content.windows(2).any(|w| w == b"  "));
                }
                assert_eq!(Verb::from_keyword(content.split(|&b| b == b' ').next().unwrap()), {
                    let verb = command.verb();
                    Some(if verb == Verb::Mechanisms { Verb::Auth } else { verb })
                });
            }
        }
    }

    #[test]
    fn pb_k08_r2449_4_2_every_size_of_room_takes_all_or_nothing() {
        for command in commands(b"alice", b"secret", u32::MAX, u64::MAX) {
            let whole = encoded(&command);
            for room in 0..whole.len() {
                let mut storage = vec![b'-'; room];
                let mut out = &mut storage[..];
                assert_eq!(command.encode(&mut out), Err(Full { needed: whole.len() }));
                assert_eq!(out.len(), room);
                assert!(storage.iter().all(|&b| b == b'-'));
            }
            let mut storage = vec![0; whole.len()];
            command.encode(&mut &mut storage[..]).unwrap();
            assert_eq!(storage, whole);
        }
    }

    #[test]
    fn pb_s20_every_keyword_with_none_to_three_arguments() {
        // How many arguments `1` each takes, from the table of commands.
        let table: [(&str, &[usize]); 21] = [
            ("USER", &[1]),
            ("PASS", &[1, 2, 3]),
            ("APOP", &[2]),
            ("AUTH", &[0, 1]), // a second argument would be base64
            ("CAPA", &[0]),
            ("STLS", &[0]),
            ("UTF8", &[0]),
            ("LANG", &[0, 1]),
            ("STAT", &[0]),
            ("LIST", &[0, 1]),
            ("UIDL", &[0, 1]),
            ("RETR", &[1]),
            ("TOP", &[2]),
            ("DELE", &[1]),
            ("NOOP", &[0]),
            ("RSET", &[0]),
            ("QUIT", &[0]),
            ("LAST", &[]),
            ("RPOP", &[]),
            ("XTND", &[]),
            ("EHLO", &[]),
        ];
        for (keyword, takes) in table {
            for count in 0..=3 {
                let line = format!("{keyword}{}", " 1".repeat(count));
                for line in [line.clone(), line.to_ascii_lowercase()] {
                    let result = Command::parse(line.as_bytes());
                    match Verb::from_keyword(keyword.as_bytes()) {
                        None => assert_eq!(result, Err(CommandError::UnknownKeyword), "{line}"),
                        Some(verb) if !takes.contains(&count) => {
                            assert_eq!(result, Err(CommandError::BadArguments(verb)), "{line}");
                        }
                        Some(_) => assert!(result.is_ok(), "{line}"),
                    }
                    // One blank too many anywhere is an error, but in a password, and behind AUTH alone.
                    for at in line.match_indices(' ').map(|(at, _)| at).chain([0, line.len()]) {
                        let mut blank = line.clone();
                        blank.insert(at, ' ');
                        let fine = match keyword {
                            "PASS" => count > 0 && at > 0,
                            "AUTH" => count == 0 && at > 0,
                            _ => false,
                        };
                        assert_eq!(Command::parse(blank.as_bytes()).is_ok(), fine, "{blank:?}");
                    }
                    assert!(Command::parse(line.replace(' ', "\t").as_bytes()).is_err() || count == 0);
                }
            }
        }
    }

    #[test]
    fn pb_s20_no_string_of_up_to_three_octets_is_a_command() {
        fn check(line: &[u8]) {
            let want = if line.iter().any(|b| matches!(b, 0 | b'\r' | b'\n')) {
                CommandError::ForbiddenOctet
            } else if line.eq_ignore_ascii_case(b"TOP") {
                CommandError::BadArguments(Verb::Top)
            } else {
                CommandError::UnknownKeyword
            };
            assert_eq!(Command::parse(line), Err(want), "{}", line.escape_ascii());
        }
        check(b"");
        for a in 0..=255 {
            check(&[a]);
            for b in 0..=255 {
                check(&[a, b]);
                for c in b"\0\r\n .:*=09APpTtxZ\x7f\x80\xff" {
                    check(&[a, b, *c]);
                }
            }
        }
    }

    #[test]
    fn r1939_3_2_pb_s19_pb_s22_nul_cr_and_lf_at_every_offset() {
        for command in commands(b"alice", b"wonder land", 1, 0) {
            let line = encoded(&command);
            let line = line.strip_suffix(b"\r\n").unwrap();
            for octet in [0, b'\r', b'\n'] {
                for at in 0..=line.len() {
                    let mut bad = line.to_vec();
                    bad.insert(at, octet);
                    assert_eq!(Command::parse(&bad), Err(CommandError::ForbiddenOctet));
                }
            }
        }
    }

    #[test]
    fn r1939_7_7_everything_behind_the_first_blank_is_the_password() {
        for (line, password) in [
            (&b"PASS x"[..], &b"x"[..]),
            (b"pass  x ", b" x "),
            (b"PASS    ", b"   "),
            (b"PASS \xe9\t\x01", b"\xe9\t\x01"),
        ] {
            match Command::parse(line) {
                Ok(Command::Pass(secret)) => assert_eq!(secret.expose(), password),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(Command::parse(b"PASS"), Err(CommandError::BadArguments(Verb::Pass)));
        assert_eq!(Command::parse(b"PASS "), Err(CommandError::BadArguments(Verb::Pass)));
    }

    #[test]
    fn r1939_7_1_pb_q57_the_lines_of_top_saturate() {
        let lines = |text: &str| match Command::parse(format!("TOP 1 {text}").as_bytes()) {
            Ok(Command::Top { lines, .. }) => Some(lines),
            _ => None,
        };
        assert_eq!(lines("0"), Some(0));
        assert_eq!(lines("00"), Some(0));
        assert_eq!(lines("99999999"), Some(99_999_999));
        assert_eq!(lines("18446744073709551615"), Some(u64::MAX));
        assert_eq!(lines("18446744073709551616"), Some(u64::MAX));
        assert_eq!(lines(&"9".repeat(300)), Some(u64::MAX));
        for bad in ["", "-1", "+1", "x", "1x", "0x1", "1.5"] {
            assert_eq!(lines(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn pb_s44_pb_c24_the_shape_of_every_reply() {
        let shapes: Vec<ReplyShape> = commands(b"a", b"b", 1, 0).iter().map(Command::reply_shape).collect();
        let lines = ReplyShape::Lines;
        assert_eq!(
            shapes,
            [
                ReplyShape::Single,          // USER
                ReplyShape::Single,          // PASS
                ReplyShape::Single,          // APOP
                ReplyShape::Sasl,            // AUTH with a mechanism
                ReplyShape::Sasl,            // and an initial response
                ReplyShape::Sasl,            //
                lines(LineKind::Mechanism),  // AUTH alone
                lines(LineKind::Capability), // CAPA
                ReplyShape::Tls,             // STLS
                ReplyShape::Single,          // UTF8
                lines(LineKind::Language),   // LANG
                ReplyShape::Single,          // LANG with a range
                ReplyShape::Single,          // STAT
                lines(LineKind::Scan),       // LIST
                ReplyShape::Single,          // LIST with a number
                lines(LineKind::UniqueId),   // UIDL
                ReplyShape::Single,          // UIDL with a number
                ReplyShape::Body,            // RETR
                ReplyShape::Body,            // TOP
                ReplyShape::Single,          // DELE
                ReplyShape::Single,          // NOOP
                ReplyShape::Single,          // RSET
                ReplyShape::Single,          // QUIT
            ]
        );
    }

    #[test]
    fn r5034_4_2_pb_q50_the_arguments_of_auth() {
        assert_eq!(Command::parse(b"AUTH"), Ok(Command::Mechanisms));
        assert_eq!(Command::parse(b"AUTH "), Ok(Command::Mechanisms));
        for bad in [
            "AUTH  ",
            "AUTH PLAIN ",
            "AUTH PLAIN  =",
            "AUTH PLAIN = =",
            "AUTH PLAIN QQ",
            "AUTH A.B",
            "AUTH PLAIN *",
        ] {
            assert_eq!(Command::parse(bad.as_bytes()), Err(CommandError::BadArguments(Verb::Auth)), "{bad}");
        }
    }

    #[test]
    fn r5034_4_17_pb_s53_pb_c32_no_password_in_the_debug_text() {
        for line in ["PASS canary", "AUTH PLAIN Y2FuYXJ5"] {
            let text = format!("{:?}", Command::parse(line.as_bytes()).unwrap());
            assert!(!text.contains("canary") && !text.contains("Y2FuYXJ5"), "{text}");
        }
    }

    #[test]
    fn r1939_3_12_what_is_wrong_is_told_without_the_arguments() {
        for (line, want) in [
            (&b"NOOP\0"[..], "command line holds NUL, CR or LF"),
            (b"XYZZ secret", "unknown keyword"),
            (b"USER", "bad arguments to USER"),
            (b"RETR secret", "bad arguments to RETR"),
        ] {
            assert_eq!(format!("{}", Command::parse(line).unwrap_err()), want);
        }
    }
}
