//! A naive reading of a whole dialogue: which reply belongs to which line, and what it holds.

/// A reply as it stands on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    /// The first line, without its end.
    pub(crate) line: Vec<u8>,
    /// What follows, with the byte-stuffing taken away, if there is more.
    pub(crate) rest: Option<Vec<u8>>,
}

impl Reply {
    pub(crate) fn is_ok(&self) -> bool {
        self.line.starts_with(b"+OK")
    }

    pub(crate) fn is_challenge(&self) -> bool {
        self.line.starts_with(b"+ ")
    }
}

/// Lines that have their end, and what is left; `bare`: LF alone ends one too.
pub(crate) fn lines(wire: &[u8], bare: bool) -> (Vec<&[u8]>, &[u8]) {
    let (mut lines, mut rest) = (Vec::new(), wire);
    loop {
        let crlf = rest.windows(2).position(|pair| pair == b"\r\n").map(|at| (at, at + 2));
        let lf = rest.iter().position(|&octet| octet == b'\n').filter(|_| bare).map(|at| (at, at + 1));
        let Some((end, next)) = crlf.into_iter().chain(lf).min_by_key(|(_, next)| *next) else {
            return (lines, rest);
        };
        lines.push(&rest[..end]);
        rest = &rest[next..];
    }
}

/// Whether a `+OK` to this command has more behind its first line.
fn is_multi_line(command: &[u8]) -> bool {
    // A tab may stand at the end, where that is tolerated.
    let words: Vec<&[u8]> =
        command.split(|octet| b" \t".contains(octet)).filter(|word| !word.is_empty()).collect();
    let Some((verb, arguments)) = words.split_first() else { return false };
    match verb.to_ascii_uppercase().as_slice() {
        b"CAPA" | b"RETR" | b"TOP" => true,
        b"LIST" | b"UIDL" | b"LANG" | b"AUTH" => arguments.is_empty(),
        _ => false,
    }
}

/// Takes the replies to `commands` from what a server said behind its greeting: one to each, as far as there are any.
/// `None` for `exchange` of a line that is no command but a message of SASL.
pub(crate) fn replies<'a>(commands: &[&'a [u8]], said: &[u8]) -> Vec<(&'a [u8], Reply)> {
    let mut rest = said;
    let mut taken = Vec::new();
    let mut exchange = false;
    for command in commands {
        if rest.is_empty() {
            break;
        }
        let line = take_line(&mut rest);
        let mut reply = Reply { line, rest: None };
        if reply.is_ok() && !exchange && is_multi_line(command) {
            let mut text = Vec::new();
            loop {
                let line = take_line(&mut rest);
                if line == b"." {
                    break;
                }
                text.extend(line.strip_prefix(b".").unwrap_or(&line));
                text.extend(b"\r\n");
            }
            reply.rest = Some(text);
        }
        exchange = reply.is_challenge();
        taken.push((*command, reply));
    }
    assert!(rest.is_empty(), "said without being asked: {}", rest.escape_ascii());
    taken
}

fn take_line(rest: &mut &[u8]) -> Vec<u8> {
    let end = rest
        .windows(2)
        .position(|pair| pair == b"\r\n")
        .unwrap_or_else(|| panic!("half a line: {}", rest.escape_ascii()));
    let (line, tail) = rest.split_at(end);
    *rest = &tail[2..];
    line.to_vec()
}
