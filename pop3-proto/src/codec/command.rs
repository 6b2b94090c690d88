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
