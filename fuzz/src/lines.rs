//! Lines: what parses, encodes, and parses back to itself; nothing that encodes holds more than one line.

use pop3_proto::{
    Arg, Base64, Capability, Command, DropListing, InitialResponse, LanguageListing, MechanismName,
    MessageNumber, PopUrl, ReplyLine, ScanListing, Secret, Status, StatusLine, UniqueIdListing, UrlAuth,
    UrlTls, encode_status,
};

/// A line without its end holds no octet of a line end, and so does what was made of it.
fn one_line(line: &[u8]) -> &[u8] {
    let bare = line.strip_suffix(b"\r\n").unwrap_or_else(|| panic!("no CRLF: {}", line.escape_ascii()));
    assert!(!bare.iter().any(|octet| matches!(octet, b'\r' | b'\n' | 0)), "{}", line.escape_ascii());
    bare
}

/// A command that parses encodes to one line, which parses to the same command; `encoded_len` tells its length, and
/// with one octet of room less nothing is written.
pub fn command_line(input: &[u8]) {
    for error in [Arg::new(input).err(), Secret::new(input).err()].into_iter().flatten() {
        assert!(!error.to_string().is_empty());
    }
    let command = match Command::parse(input) {
        Ok(command) => command,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    // What may end in a log is the same whatever the password.
    if let Command::Pass(_) = &command {
        let other = Command::Pass(Secret::new(b"another").expect("a password"));
        assert_eq!(format!("{command:?}"), format!("{other:?}"));
    }
    let mut line = Vec::new();
    command.encode(&mut line).expect("a Vec has room");
    assert_eq!(line.len(), command.encoded_len());
    let bare = one_line(&line);
    assert!(bare.starts_with(command.verb().keyword().as_bytes()));
    assert_eq!(Command::parse(bare), Ok(command));
    assert!(!bare.ends_with(b" ") || matches!(command, Command::Pass(_)), "{}", bare.escape_ascii());
    let mut room = vec![0xa5; line.len()];
    let mut short = &mut room[..line.len() - 1];
    assert!(command.encode(&mut short).is_err());
    assert!(room.iter().all(|&octet| octet == 0xa5), "a part of a command was written");
}

/// The status is decided by the first octets alone; code and text are parts of the line; a line that is encoded fits the
/// protocol and parses to what it was made of.
pub fn status_line(input: &[u8]) {
    let line = StatusLine::parse(input);
    let naive = |indicator: &[u8]| {
        input.strip_prefix(indicator).is_some_and(|rest| rest.is_empty() || rest[0] == b' ')
    };
    assert_eq!(line.is_some(), naive(b"+OK") || naive(b"-ERR"), "{}", input.escape_ascii());
    if let Some(line) = &line {
        assert_eq!(line.is_ok(), input.starts_with(b"+"));
        let code = line.code().map_or(0, |code| code.as_bytes().len());
        assert!(line.human_text().len() + code <= line.text.len());
        if let Some(code) = line.code() {
            assert!(line.text.starts_with(b"["));
            assert!(code.levels().all(|level| !level.is_empty()));
            let mut made = Vec::new();
            if let Some(kind) = code.kind() {
                encode_status(line.status, Some(kind), b"text", &mut made).expect("a Vec has room");
                let again = StatusLine::parse(one_line(&made)).expect("what was made parses");
                assert_eq!(again.code().and_then(|code| code.kind()), Some(kind));
            }
        }
    }
    match ReplyLine::parse(input) {
        Some(ReplyLine::Status(status)) => assert_eq!(Some(status), line),
        Some(_) => assert!(line.is_none() && input.starts_with(b"+")),
        None => assert!(line.is_none()),
    }
    // A text of any octets is made to fit, or is refused, but never makes a second line (R1939-3.5).
    let mut made = Vec::new();
    if encode_status(Status::Err, None, input, &mut made).is_ok() {
        assert!(made.len() <= 512 && made.starts_with(b"-ERR "));
        one_line(&made);
    }
}

/// Scan listings, unique-id listings, the reply to `STAT` and languages: a fixed point behind the first parse, and a naive
/// reading of the numbers.
pub fn list_line(input: &[u8]) {
    if let Some(listing) = ScanListing::parse(input) {
        let mut line = Vec::new();
        listing.encode(&mut line).expect("a Vec has room");
        assert_eq!(ScanListing::parse(one_line(&line)), Some(listing));
        let mut words = input.split(|&octet| octet == b' ').filter(|word| !word.is_empty());
        let number = |word: Option<&[u8]>| -> u64 {
            core::str::from_utf8(word.unwrap_or_default())
                .ok()
                .and_then(|text| text.parse().ok())
                .expect("digits")
        };
        assert_eq!(number(words.next()), u64::from(listing.number.get()));
        assert_eq!(number(words.next()), listing.octets);
    }
    if let Some(listing) = UniqueIdListing::parse(input) {
        let mut line = Vec::new();
        assert!(!listing.unique_id.as_bytes().is_empty());
        // A client keeps what it was given; only conformant ids can be sent.
        assert_eq!(listing.encode(&mut line).is_ok(), listing.unique_id.is_conformant());
        if listing.unique_id.is_conformant() {
            assert_eq!(UniqueIdListing::parse(one_line(&line)), Some(listing));
        } else {
            assert!(line.is_empty());
        }
        if listing.unique_id.is_conformant() {
            assert!((1..=70).contains(&listing.unique_id.as_bytes().len()));
            assert!(listing.unique_id.as_bytes().iter().all(|octet| (0x21..=0x7e).contains(octet)));
        }
    }
    if let Some(number) = MessageNumber::new(1)
        && let Some(listing) = UniqueIdListing::parse_single(input, number)
    {
        assert_eq!(listing.number, number);
    }
    if let Some(totals) = DropListing::parse(input) {
        assert_eq!(DropListing::parse(input), Some(totals));
    }
    if let Some(listing) = LanguageListing::parse(input) {
        assert!(!listing.tag.is_empty());
    }
}

/// A capability that parses encodes to one line, which parses to the same capability.
pub fn capability_line(input: &[u8]) {
    if input.iter().any(|octet| matches!(octet, b'\r' | b'\n' | 0)) {
        return;
    }
    let Some(capability) = Capability::parse(input) else { return };
    let mut line = Vec::new();
    if capability.encode(&mut line).is_ok() {
        assert_eq!(Capability::parse(one_line(&line)), Some(capability), "{}", line.escape_ascii());
    }
}

/// Strict base64: what is taken is exactly what encoding its octets gives.
pub fn base64(input: &[u8]) {
    if let Ok(text) = Base64::new(input) {
        let mut room = vec![0; text.decoded_len()];
        let raw = text.decode(&mut room).expect("the room it asked for").to_vec();
        assert_eq!(raw.len(), text.decoded_len());
        let mut again = Vec::new();
        Base64::encode_to(&raw, &mut again).expect("a Vec has room");
        assert_eq!(again, input);
        assert_eq!(Base64::encoded_len(raw.len()), input.len());
    }
    let mut text = Vec::new();
    Base64::encode_to(input, &mut text).expect("a Vec has room");
    assert!(Base64::new(&text).is_ok());
    match InitialResponse::parse(input) {
        Ok(initial) if input == b"=" => assert!(initial.base64().is_empty()),
        Ok(initial) => assert_eq!(initial.base64().as_bytes(), input),
        Err(_) => assert!(input != b"="),
    }
}

/// A URL that parses prints as one that parses to the same, and never holds a password.
pub fn url(input: &[u8]) {
    let Ok(text) = core::str::from_utf8(input) else { return };
    built_url(text);
    let url = match PopUrl::parse(text) {
        Ok(url) => url,
        Err(error) => {
            let told = error.to_string();
            assert!(
                !told.is_empty() && (!text.contains('@') || !told.contains(text)),
                "the text may hold a password"
            );
            return;
        }
    };
    let printed = url.to_string();
    let again = PopUrl::parse(&printed).expect("what is printed parses");
    assert_eq!(again.to_string(), printed);
    assert_eq!(again, url);
    assert_eq!((again.port(), again.host(), again.tls()), (url.port(), url.host(), url.tls()));
    let user = |url: &PopUrl<'_>| {
        let mut room = [0; 4096];
        url.decode_user(&mut room).ok().flatten().map(str::to_owned)
    };
    if text.len() < 4096 {
        assert_eq!(user(&again), user(&url));
    }
}

/// A URL that is made of parts prints as one that parses to the same parts, or its parts are refused.
fn built_url(text: &str) {
    let mut parts = text.splitn(3, '\n');
    let (host, user, mechanism) = (
        parts.next().unwrap_or_default(),
        parts.next().unwrap_or_default(),
        parts.next().unwrap_or_default(),
    );
    for tls in [UrlTls::Implicit, UrlTls::Unstated] {
        let Ok(mut url) = PopUrl::new(tls, host) else { return };
        let auth = match MechanismName::parse(mechanism.as_bytes()) {
            Ok(name) => UrlAuth::Mechanism(name),
            Err(_) if mechanism.is_empty() => UrlAuth::Any,
            Err(_) => UrlAuth::Apop,
        };
        let with_user = url.with_user(user, auth);
        assert_eq!(with_user.is_ok(), !user.is_empty() && !user.contains(char::is_control));
        url = with_user.unwrap_or(url).with_port(u16::try_from(text.len()).unwrap_or(0));
        let printed = url.to_string();
        let again = PopUrl::parse(&printed).unwrap_or_else(|error| panic!("{printed:?}: {error}"));
        assert_eq!(again, url, "{printed:?}");
        assert_eq!(
            (again.tls(), again.host(), again.port(), again.auth()),
            (tls, url.host(), url.port(), url.auth())
        );
        let decoded: Option<Vec<u8>> = again.user().map(Iterator::collect);
        assert_eq!(decoded.as_deref(), url.user().map(|_| user.as_bytes()));
    }
}
