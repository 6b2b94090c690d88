//! Dates: of header fields (RFC 5322 section 3.3, with the obsolete forms), and of `--since`.

/// Seconds since 1970, without leap seconds.
pub(crate) type Seconds = i64;

const DAY: Seconds = 86_400;
const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/// The moment from which on messages are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Since {
    At(Seconds),
    /// So long before now.
    Ago(Seconds),
}

impl Since {
    pub(crate) const fn from(self, now: Seconds) -> Seconds {
        match self {
            Self::At(at) => at,
            Self::Ago(ago) => now.saturating_sub(ago),
        }
    }
}

/// Reads `YYYY-MM-DD` (the beginning of that day in UTC), or a number and `d`, `h` or `m`: so long ago.
pub(crate) fn since(text: &str) -> Result<Since, String> {
    let fault = || "expected YYYY-MM-DD, or as 7d, 12h, 30m: days, hours or minutes ago".to_owned();
    for (unit, seconds) in [('d', DAY), ('h', 3600), ('m', 60)] {
        if let Some(number) = text.strip_suffix(unit) {
            let number = digits(number, 1..=6).ok_or_else(fault)?;
            return Ok(Since::Ago(number * seconds));
        }
    }
    let mut parts = text.split('-');
    let (Some(year), Some(month), Some(day), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(fault());
    };
    let date = (digits(year, 4..=4), digits(month, 2..=2), digits(day, 2..=2));
    let (Some(year), Some(month), Some(day)) = date else { return Err(fault()) };
    days(year, month, day).map(|days| Since::At(days * DAY)).ok_or_else(|| format!("there is no {text}"))
}

/// The moment in the value of a `Date` field. Comments are passed over, a missing or unknown zone is UTC.
pub(crate) fn parse(value: &[u8]) -> Option<Seconds> {
    let text = without_comments(value);
    let mut words = text.split([' ', '\t', '\r', '\n', ',']).filter(|word| !word.is_empty()).peekable();
    // The name of the day tells nothing new.
    words.next_if(|word| word.bytes().all(|octet| octet.is_ascii_alphabetic() || octet == b'.'));
    let day = digits(words.next()?, 1..=2)?;
    let month = words.next()?.to_ascii_lowercase();
    let month = MONTHS.iter().position(|name| month.starts_with(name))?;
    let year = words.next()?;
    let number = digits(year, 2..=4)?;
    let year = match (year.len(), number) {
        (2, 0..=49) => number + 2000,
        (2 | 3, _) => number + 1900,
        _ => number,
    };
    let mut time = words.next()?.split(':').map(|part| digits(part, 1..=2));
    let (hour, minute, second) = (time.next()??, time.next()??, time.next().unwrap_or(Some(0))?);
    // A leap second is the one after it.
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let days = days(year, i64::try_from(month).ok()? + 1, day)?;
    Some(days * DAY + hour * 3600 + minute * 60 + second - zone(words.next().unwrap_or_default()))
}

/// The moment in the value of a `Received` field: behind its last `;`.
pub(crate) fn parse_received(value: &[u8]) -> Option<Seconds> {
    let at = value.iter().rposition(|&octet| octet == b';')?;
    parse(value.get(at.saturating_add(1)..)?)
}

fn zone(word: &str) -> Seconds {
    let hours = match word.to_ascii_uppercase().as_str() {
        "EDT" => -4,
        "EST" | "CDT" => -5,
        "CST" | "MDT" => -6,
        "MST" | "PDT" => -7,
        "PST" => -8,
        _ => 0,
    };
    let offset = |digit: &str| {
        let number = digits(digit, 4..=4)?;
        Some(number / 100 * 3600 + number % 100 * 60)
    };
    match (word.strip_prefix('+'), word.strip_prefix('-')) {
        (Some(east), _) => offset(east).unwrap_or_default(),
        (_, Some(west)) => -offset(west).unwrap_or_default(),
        _ => hours * 3600,
    }
}

fn without_comments(value: &[u8]) -> String {
    let (mut depth, mut text) = (0u32, String::new());
    for character in String::from_utf8_lossy(value).chars() {
        match character {
            '(' => depth = depth.saturating_add(1),
            ')' => depth = depth.saturating_sub(1),
            _ if depth == 0 => text.push(character),
            _ => {}
        }
    }
    text
}

fn digits(text: &str, count: core::ops::RangeInclusive<usize>) -> Option<i64> {
    let is_number = count.contains(&text.len()) && text.bytes().all(|octet| octet.is_ascii_digit());
    if is_number { text.parse().ok() } else { None }
}

/// Days from 1970-01-01 to a day of the Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        2 => 28 + i64::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=length).contains(&day) {
        return None;
    }
    // Years that begin in March have their leap day at the end.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leaps = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    Some(year * 365 + leaps + (month * 153 + 2) / 5 + day - 719_469)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r5322_3_3_dates_of_the_standard_and_of_the_wild() {
        // The numbers are those of `date -d ... +%s`.
        for (text, want) in [
            ("Fri, 21 Nov 1997 09:55:06 -0600", Some(880_127_706)),
            ("Tue, 1 Jul 2003 10:52:37 +0200", Some(1_057_049_557)),
            ("Thu, 13 Feb 1969 23:32:54 -0330", Some(-27_723_426)),
            ("Thu,\t13\t Feb\t 1969\t 23:32\t -0330 (Newfoundland Time)", Some(-27_723_480)),
            ("21 Nov 97 09:55:06 GMT", Some(880_106_106)),
            ("Fri, 21 Nov 1997 09(comment):   55  :  06 -0600", None),
            ("1 Jan 1970 00:00:00 +0000", Some(0)),
            ("29 Feb 2000 00:00 +0000", Some(951_782_400)),
            ("29 Feb 2100 00:00 +0000", None),
            ("Wed, 25 Nov 2026 02:00:00 EST", Some(1_795_590_000)),
            ("Wed 25 November 2026 02:00:00 +0000", Some(1_795_572_000)),
            ("Wed, 25 Nov 126 02:00:00 +0000", Some(1_795_572_000)),
            ("Wed, 25 Nov 2026 02:00:00", Some(1_795_572_000)),
            ("Wed, 25 Nov 2026 24:00:00 +0000", None),
            ("Wed, 32 Nov 2026 02:00:00 +0000", None),
            ("yesterday", None),
            ("", None),
        ] {
            assert_eq!(parse(text.as_bytes()), want, "{text}");
        }
        let received = b"from a (b; c) by d with ESMTP;\r\n\tFri, 21 Nov 1997 09:55:06 -0600 (CST)";
        assert_eq!(parse_received(received), Some(880_127_706));
        assert_eq!(parse_received(b"from a by b"), None);
    }

    #[test]
    fn what_since_takes() {
        for (text, want) in [
            ("1970-01-02", Ok(Since::At(DAY))),
            ("2000-02-29", Ok(Since::At(951_782_400))),
            ("7d", Ok(Since::Ago(7 * DAY))),
            ("12h", Ok(Since::Ago(43_200))),
            ("30m", Ok(Since::Ago(1800))),
        ] {
            assert_eq!(since(text), want, "{text}");
        }
        for text in
            ["", "d", "-1d", "1999999d", "2001-02-29", "2001-2-3", "2001-02-03T00:00", "01-02-2001", "now"]
        {
            assert!(since(text).is_err(), "{text}");
        }
        assert_eq!((Since::At(5).from(100), Since::Ago(5).from(100)), (5, 95));
    }
}
