//! How one message stands in an mboxrd file: a `From ` line, the message with LF line ends, an empty line.
//!
//! A line of the message that is `From ` behind any number of `>` gets one more `>`. So only a line that begins a
//! message begins with `From `, and a reader that takes one `>` away has the line as it was.

use std::io;
use std::time::SystemTime;

use super::line_ends::LfFilter;

const FROM: &[u8; 5] = b"From ";

/// Turns a message into its form in the file. Holds back at most five octets.
#[derive(Debug, Default)]
pub(super) struct Encoder {
    lf: LfFilter,
    quote: Quote,
}

#[derive(Debug, Default)]
struct Quote {
    at: At,
}

#[derive(Clone, Copy, Debug, Default)]
enum At {
    /// At the start of a line.
    #[default]
    Start,
    /// Behind nothing but `>`, which were passed on.
    Marks,
    /// So many octets of `From ` were seen, and not passed on.
    From(usize),
    /// Somewhere else in a line.
    Inside,
}

/// The line that begins a message in the file. The sender is not known here, so it is the one that reads as "none".
pub(super) fn from_line(now: SystemTime) -> String {
    let seconds = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |time| time.as_secs());
    format!("From MAILER-DAEMON {}\n", ctime(seconds))
}

impl Encoder {
    /// Passes the form of `octets` on to `out`.
    pub(super) fn take(
        &mut self,
        octets: &[u8],
        mut out: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        let Self { lf, quote } = self;
        lf.take(octets, |part| quote.take(part, &mut out))
    }

    /// Ends the message: its last line, if it has no end, and the empty line behind it.
    pub(super) fn finish(&mut self, mut out: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        let Self { lf, quote } = self;
        lf.finish(|part| quote.take(part, &mut out))?;
        if let At::From(seen) = quote.at {
            out(FROM.get(..seen).unwrap_or(FROM))?;
        }
        match quote.at {
            At::Start => out(b"\n"),
            At::Marks | At::From(_) | At::Inside => out(b"\n\n"),
        }
    }
}

impl Quote {
    fn take(&mut self, mut octets: &[u8], out: &mut impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        while let Some(&octet) = octets.first() {
            match self.at {
                At::Inside => {
                    let line = match octets.iter().position(|&b| b == b'\n') {
                        Some(end) => {
                            self.at = At::Start;
                            &octets[..=end]
                        }
                        None => octets,
                    };
                    out(line)?;
                    octets = octets.get(line.len()..).unwrap_or(&[]);
                }
                At::Start | At::Marks if octet == b'>' => {
                    let marks = octets.iter().take_while(|&&b| b == b'>').count();
                    let (marks, rest) = octets.split_at(marks);
                    out(marks)?;
                    self.at = At::Marks;
                    octets = rest;
                }
                At::Start | At::Marks if octet == FROM[0] => {
                    self.at = At::From(1);
                    octets = octets.get(1..).unwrap_or(&[]);
                }
                At::Start | At::Marks => self.at = At::Inside,
                At::From(seen) if FROM.get(seen) == Some(&octet) => {
                    let seen = seen.saturating_add(1);
                    octets = octets.get(1..).unwrap_or(&[]);
                    self.at = At::From(seen);
                    if seen == FROM.len() {
                        out(b">From ")?;
                        self.at = At::Inside;
                    }
                }
                At::From(seen) => {
                    out(FROM.get(..seen).unwrap_or(FROM))?;
                    self.at = At::Inside;
                }
            }
        }
        Ok(())
    }
}

/// The time in UTC as C's `asctime` writes it: `Thu Jan  1 00:00:00 1970`.
fn ctime(seconds: u64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    // A reader of the file expects four digits; no clock is behind the year 9999 by honest means.
    let seconds = seconds.min(253_402_300_799);
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let mut year = 1970;
    let mut day = days;
    let leap = |year: u64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    while day >= 365 + u64::from(leap(year)) {
        day -= 365 + u64::from(leap(year));
        year += 1;
    }
    let mut month = 0;
    for length in [31, 28 + u64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if day < length {
            break;
        }
        day -= length;
        month += 1;
    }
    format!(
        "{} {} {:>2} {:02}:{:02}:{:02} {year}",
        DAYS[(days % 7) as usize],
        MONTHS[month],
        day + 1,
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;
    use std::io::Write;

    fn encode<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
        let mut encoder = Encoder::default();
        let mut got = Vec::new();
        for part in parts {
            encoder.take(part, |octets| got.write_all(octets)).unwrap();
        }
        encoder.finish(|octets| got.write_all(octets)).unwrap();
        got
    }

    #[test]
    fn r19_content_never_begins_a_message_of_the_file() {
        let cases: [(&[u8], &[u8]); 14] = [
            (b"", b"\n"),
            (b"\r\n", b"\n\n"),
            (b"a: b\r\n\r\nc\r\n", b"a: b\n\nc\n\n"),
            (b"no end", b"no end\n\n"),
            (b"From x\r\n", b">From x\n\n"),
            (b">From x\r\n", b">>From x\n\n"),
            (b">>>From x\r\n", b">>>>From x\n\n"),
            (b"> From x\r\n", b"> From x\n\n"),
            (b"From\r\nFrom: x\r\nfrom x\r\n", b"From\nFrom: x\nfrom x\n\n"),
            (b"FFrom x\r\nFroFrom \r\n", b"FFrom x\nFroFrom \n\n"),
            (b"a\nFrom bare LF\r\n", b"a\n>From bare LF\n\n"),
            (b"a\rFrom bare CR\r\n", b"a\rFrom bare CR\n\n"),
            (b">>", b">>\n\n"),
            (b"a\r\nFrom", b"a\nFrom\n\n"),
        ];
        for (input, want) in cases {
            assert_eq!(encode([input]), want, "{}", input.escape_ascii());
            assert_eq!(encode(input.chunks(1)), want, "{} octet by octet", input.escape_ascii());
            for cut in 0..=input.len() {
                assert_eq!(
                    encode([&input[..cut], &input[cut..]]),
                    want,
                    "{} cut at {cut}",
                    input.escape_ascii()
                );
            }
        }
    }

    /// Vectors: `date -u -d @N '+%a %b %e %H:%M:%S %Y'`.
    #[test]
    fn the_date_is_that_of_asctime() {
        for (seconds, want) in [
            (0, "Thu Jan  1 00:00:00 1970"),
            (951_782_400, "Tue Feb 29 00:00:00 2000"),
            (951_868_799, "Tue Feb 29 23:59:59 2000"),
            (1_078_099_200, "Mon Mar  1 00:00:00 2004"),
            (1_735_689_599, "Tue Dec 31 23:59:59 2024"),
            (1_735_689_600, "Wed Jan  1 00:00:00 2025"),
            (4_107_542_400, "Mon Mar  1 00:00:00 2100"),
            (253_402_300_799, "Fri Dec 31 23:59:59 9999"),
            (u64::MAX, "Fri Dec 31 23:59:59 9999"),
        ] {
            assert_eq!(ctime(seconds), want, "{seconds}");
        }
        let day = SystemTime::UNIX_EPOCH + Duration::from_secs(86_400);
        assert_eq!(from_line(day), "From MAILER-DAEMON Fri Jan  2 00:00:00 1970\n");
        let before = SystemTime::UNIX_EPOCH - Duration::from_secs(1);
        assert_eq!(from_line(before), "From MAILER-DAEMON Thu Jan  1 00:00:00 1970\n");
    }
}
