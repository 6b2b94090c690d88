//! `--limit NAME=N`: what the client puts up with, by name.

use core::time::Duration;

use pop3_blocking::client::{AuthPolicy, ClientOptions};
use pop3_blocking::pop3_proto::sasl::scram::{MAX_ITERATIONS, MIN_ITERATIONS};

/// All that `--limit` sets, with the defaults in place.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    pub(crate) options: ClientOptions,
    /// The most iterations of SCRAM that a server may ask for.
    pub(crate) scram_iterations: u32,
    /// How often a fetch whose connection was lost behind commands that were sent ahead is made again.
    pub(crate) retries: u32,
    /// How long the command of `pipe:` may take for a message.
    pub(crate) mda: Duration,
    /// Octets of a header that is looked at.
    pub(crate) header: usize,
}

impl Default for Limits {
    fn default() -> Self {
        let mda = Duration::from_secs(300);
        Self {
            options: ClientOptions::default(),
            scram_iterations: MAX_ITERATIONS,
            retries: 1,
            mda,
            header: 262_144,
        }
    }
}

/// A limit and the value that it is to have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    /// Its place in [`TABLE`].
    place: usize,
    value: u64,
}

/// How a limit is set.
enum Set {
    Size(fn(&mut Limits) -> &mut usize),
    Count(fn(&mut Limits) -> &mut u32),
    Octets(fn(&mut Limits) -> &mut u64),
    Seconds(fn(&mut Limits) -> &mut Duration),
    /// 0 is for none.
    SecondsOrNone(fn(&mut Limits) -> &mut Option<Duration>),
}

/// A megabyte for a line is more than any server needs, and it is held in memory.
const LINE_MAX: u64 = 1 << 20;
const WEEK: u64 = 7 * 24 * 3600;
const COUNT_MAX: u64 = u32::MAX as u64;

/// Name, least, greatest. A server may send lines of 512 octets, and must take commands of 255 (RFC 2449 section 4).
const TABLE: [(&str, u64, u64, Set); 21] = [
    ("line", 512, LINE_MAX, Set::Size(|limits| &mut limits.options.limits.line)),
    ("list-line", 512, LINE_MAX, Set::Size(|limits| &mut limits.options.limits.list_line)),
    ("sasl-line", 512, LINE_MAX, Set::Size(|limits| &mut limits.options.limits.sasl_line)),
    ("capability-octets", 512, COUNT_MAX, Set::Count(|limits| &mut limits.options.limits.capability_octets)),
    ("message", 1, u64::MAX, Set::Octets(|limits| &mut limits.options.limits.message)),
    ("command", 255, LINE_MAX, Set::Size(|limits| &mut limits.options.limits.command)),
    ("header", 512, LINE_MAX * 16, Set::Size(|limits| &mut limits.header)),
    ("outstanding-octets", 1, 65_536, Set::Size(|limits| &mut limits.options.outstanding_octets)),
    ("capability-lines", 1, COUNT_MAX, Set::Count(|limits| &mut limits.options.limits.capability_lines)),
    ("list-lines", 1, COUNT_MAX, Set::Count(|limits| &mut limits.options.limits.list_lines)),
    ("scram-iterations", MIN_ITERATIONS as u64, COUNT_MAX, Set::Count(|limits| &mut limits.scram_iterations)),
    ("retries", 0, 1, Set::Count(|limits| &mut limits.retries)),
    ("connect", 1, WEEK, Set::Seconds(|limits| &mut limits.options.connect)),
    ("handshake", 1, WEEK, Set::Seconds(|limits| &mut limits.options.handshake)),
    ("write", 1, WEEK, Set::Seconds(|limits| &mut limits.options.write)),
    ("greeting", 1, WEEK, Set::Seconds(|limits| &mut limits.options.limits.greeting)),
    ("reply", 1, WEEK, Set::Seconds(|limits| &mut limits.options.limits.reply)),
    ("login", 1, WEEK, Set::Seconds(|limits| &mut limits.options.limits.login)),
    ("quit", 1, WEEK, Set::Seconds(|limits| &mut limits.options.limits.quit)),
    ("mda", 1, WEEK, Set::Seconds(|limits| &mut limits.mda)),
    ("reply-total", 0, WEEK, Set::SecondsOrNone(|limits| &mut limits.options.reply_total)),
];

/// Reads `NAME=N`.
pub(crate) fn setting(text: &str) -> Result<Setting, String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=N")?;
    let known = TABLE.iter().enumerate().find(|(_, (known, ..))| *known == name);
    let (place, (_, least, greatest, _)) = known.ok_or_else(|| format!("there is no limit {name}"))?;
    let value = value.parse().map_err(|_| format!("{name}: not a number"))?;
    if (least..=greatest).contains(&&value) {
        Ok(Setting { place, value })
    } else {
        Err(format!("{name}: {value} is not from {least} to {greatest}"))
    }
}

impl Limits {
    /// Sets one; a later one goes before an earlier.
    pub(crate) fn set(&mut self, setting: Setting) {
        let Setting { place, value } = setting;
        // What does not fit the type is not in the range.
        let count = u32::try_from(value).unwrap_or(u32::MAX);
        match TABLE.get(place).map(|(.., set)| set) {
            Some(Set::Size(place)) => *place(self) = usize::try_from(value).unwrap_or(usize::MAX),
            Some(Set::Count(place)) => *place(self) = count,
            Some(Set::Octets(place)) => *place(self) = value,
            Some(Set::Seconds(place)) => *place(self) = Duration::from_secs(value),
            Some(Set::SecondsOrNone(place)) => {
                *place(self) = (value > 0).then(|| Duration::from_secs(value));
            }
            None => {}
        }
    }

    /// `policy` with the limit of SCRAM.
    pub(crate) fn apply(&self, policy: AuthPolicy) -> AuthPolicy {
        policy.scram_iterations(MIN_ITERATIONS..=self.scram_iterations)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(limits: &Limits) -> Vec<String> {
        format!("{limits:#?}").lines().map(|line| line.trim().to_owned()).collect()
    }

    #[test]
    fn each_limit_sets_its_own_field_and_no_other() {
        for (name, least, greatest, _) in &TABLE {
            let value = if *greatest == 1 { 0 } else { least + 777 };
            let mut limits = Limits::default();
            limits.set(setting(&format!("{name}={value}")).unwrap());
            let (before, after) = (lines(&Limits::default()), lines(&limits));
            assert_eq!(before.len(), after.len(), "{name}");
            let differ: Vec<(&String, &String)> =
                before.iter().zip(&after).filter(|(before, after)| before != after).collect();
            let [(_, now)] = differ[..] else { panic!("{name}: {differ:?}") };
            assert!(now.contains(&value.to_string()), "{name}: {now}");
            let field = now.split(':').next().unwrap().replace('_', "-");
            // The duration of an option stands in a line of its own.
            assert!(field == *name || *name == "reply-total", "{name}: {now}");
        }
        let mut limits = Limits::default();
        limits.set(setting("reply-total=0").unwrap());
        assert_eq!(limits.options.reply_total, None);
    }

    #[test]
    fn every_field_that_is_a_limit_has_a_name() {
        // What is no limit, and what the two structures are called.
        let others = "Limits ClientOptions ClientLimits ClientTolerances options limits tolerances lenient_lf \
                      lenient_lf_body lenient_banner lenient_sasl_ok pipelining skip_capa utf8 rset_before_quit \
                      keep_alive proxy Some";
        for line in lines(&Limits::default()) {
            let field = line.split([':', ' ', '(', '{']).next().unwrap();
            let is_known = TABLE.iter().any(|(name, ..)| *name == field.replace('_', "-"))
                || others.split_whitespace().any(|other| other == field);
            assert!(is_known || !field.starts_with(|c: char| c.is_ascii_alphabetic()), "{line}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for (name, least, greatest, _) in &TABLE {
            for value in [least.checked_sub(1), greatest.checked_add(1)].into_iter().flatten() {
                let told = setting(&format!("{name}={value}")).unwrap_err();
                assert_eq!(told, format!("{name}: {value} is not from {least} to {greatest}"));
            }
            for value in [least, greatest] {
                assert!(setting(&format!("{name}={value}")).is_ok(), "{name}={value}");
            }
        }
        for (text, told) in [
            ("line", "expected NAME=N"),
            ("line=", "line: not a number"),
            ("line=-1", "line: not a number"),
            ("line=1k", "line: not a number"),
            ("Line=600", "there is no limit Line"),
            ("=600", "there is no limit "),
        ] {
            assert_eq!(setting(text).unwrap_err(), told, "{text}");
        }
    }

    #[test]
    fn the_help_tells_each_limit_and_its_default() {
        let default = Limits::default();
        let told: Vec<Vec<&str>> =
            crate::help::LIMITS.lines().map(|line| line.split_whitespace().collect()).collect();
        let shown = |place: &Set, limits: &mut Limits| match place {
            Set::Size(place) => place(limits).to_string(),
            Set::Count(place) => place(limits).to_string(),
            Set::Octets(place) => place(limits).to_string(),
            Set::Seconds(place) => place(limits).as_secs().to_string(),
            Set::SecondsOrNone(place) => place(limits).unwrap_or_default().as_secs().to_string(),
        };
        let mut rows =
            told.iter().filter(|words| words.len() > 2 && TABLE.iter().any(|row| row.0 == words[0]));
        for (name, _, _, place) in &TABLE {
            let row = rows.next().unwrap();
            assert_eq!((row[0], row[1]), (*name, shown(place, &mut default.clone()).as_str()));
        }
        assert!(rows.next().is_none());
    }
}
