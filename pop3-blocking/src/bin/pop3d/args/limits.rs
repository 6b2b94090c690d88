//! Times and numbers that a server bounds.

use std::collections::BTreeMap;
use std::time::Duration;

use pop3_blocking::server::{LimitError, Limits};

use super::SettingsError;
use super::file::File;

#[derive(Debug, clap::Args)]
pub(crate) struct LimitArgs {
    /// Seconds from the connection to the login, TLS handshake included [default: 60]
    #[arg(long, value_name = "S")]
    preauth_timeout: Option<u64>,

    /// Seconds of silence after the login; RFC 1939 allows no less than 600 [default: 600]
    #[arg(long, value_name = "S")]
    idle_timeout: Option<u64>,

    /// Seconds that a write may stand still because the client does not read, from 30 to 600 [default: 60]
    #[arg(long, value_name = "S")]
    write_timeout: Option<u64>,

    /// Connections at the same time; more are refused [default: 1000]
    #[arg(long, value_name = "N")]
    max_connections: Option<usize>,

    /// Any limit by its name, as "failed-logins=5". May be given more than once. Seconds: login, handshake, command, idle,
    /// write, linger, drain, failed-login-delay. Octets: line, sasl-line, discard, stack. Numbers: failed-logins,
    /// bad-commands-before-login, bad-commands-in-a-row, bad-commands, password-checks, connections,
    /// connections-per-address-before-login, connections-per-address, messages. In the file they are a table `[limits]`
    #[arg(long, value_name = "NAME=N", value_parser = named)]
    limit: Vec<(String, u64)>,
}

/// What the library sets, with what the options set in its place.
#[derive(Debug)]
pub(crate) struct LimitSettings(Limits);

/// How a limit is set.
enum Set {
    /// Octets, or a number.
    Size(fn(&mut Limits) -> &mut usize),
    Count32(fn(&mut Limits) -> &mut u32),
    Seconds(fn(&mut Limits) -> &mut Duration),
}

/// Every limit. Their ranges are the library's: [`Limits::check`].
const TABLE: [(&str, Set); 21] = [
    ("line", Set::Size(|limits| &mut limits.protocol.line)),
    ("sasl-line", Set::Size(|limits| &mut limits.protocol.sasl_line)),
    ("discard", Set::Size(|limits| &mut limits.protocol.discard)),
    ("bad-commands-before-login", Set::Count32(|limits| &mut limits.protocol.bad_commands_before_login)),
    ("bad-commands-in-a-row", Set::Count32(|limits| &mut limits.protocol.bad_commands_in_a_row)),
    ("bad-commands", Set::Count32(|limits| &mut limits.protocol.bad_commands)),
    ("failed-logins", Set::Count32(|limits| &mut limits.protocol.failed_logins)),
    ("login", Set::Seconds(|limits| &mut limits.protocol.login)),
    ("command", Set::Seconds(|limits| &mut limits.protocol.command)),
    ("idle", Set::Seconds(|limits| &mut limits.protocol.idle)),
    ("handshake", Set::Seconds(|limits| &mut limits.handshake)),
    ("write", Set::Seconds(|limits| &mut limits.write)),
    ("linger", Set::Seconds(|limits| &mut limits.linger)),
    ("drain", Set::Seconds(|limits| &mut limits.drain)),
    ("failed-login-delay", Set::Seconds(|limits| &mut limits.failed_login_delay)),
    ("password-checks", Set::Size(|limits| &mut limits.password_checks)),
    ("connections", Set::Size(|limits| &mut limits.connections)),
    (
        "connections-per-address-before-login",
        Set::Size(|limits| &mut limits.connections_per_address_before_login),
    ),
    ("connections-per-address", Set::Size(|limits| &mut limits.connections_per_address)),
    ("messages", Set::Size(|limits| &mut limits.messages)),
    ("stack", Set::Size(|limits| &mut limits.stack)),
];

fn named(text: &str) -> Result<(String, u64), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=N")?;
    let value = value.parse().map_err(|_| format!("{name}: not a number"))?;
    Ok((name.to_owned(), value))
}

fn set(limits: &mut Limits, name: &str, value: u64) -> Result<(), SettingsError> {
    let Some((name, place)) = TABLE.iter().find(|(known, _)| *known == name) else {
        return Err(SettingsError::Limit(name.to_owned()));
    };
    let (mut unit, mut fits) = (1, true);
    match place {
        Set::Seconds(place) => {
            *place(limits) = Duration::from_secs(value);
            unit = 1000;
        }
        Set::Size(place) => match usize::try_from(value) {
            Ok(value) => *place(limits) = value,
            Err(_) => fits = false,
        },
        Set::Count32(place) => match u32::try_from(value) {
            Ok(value) => *place(limits) = value,
            Err(_) => fits = false,
        },
    }
    if !fits {
        return Err(SettingsError::OutOfRange { name, value, least: 1, greatest: u32::MAX.into() });
    }
    // All others are in their ranges.
    limits.check().map_err(|LimitError { least, greatest, .. }| SettingsError::OutOfRange {
        name,
        value,
        least: least.div_ceil(unit),
        greatest: greatest / unit,
    })
}

impl LimitArgs {
    /// The command line goes before the file, and an option of its own before `limit`.
    pub(super) fn settle(self, file: &File, faults: &mut Vec<SettingsError>) -> LimitSettings {
        let mut limits = Limits::default();
        let given: BTreeMap<&str, u64> = file
            .limits
            .iter()
            .map(|(name, value)| (name.as_str(), *value))
            .chain(
                [
                    ("login", file.preauth_timeout),
                    ("idle", file.idle_timeout),
                    ("write", file.write_timeout),
                    ("connections", file.max_connections),
                ]
                .into_iter()
                .filter_map(|(name, value)| Some((name, value?))),
            )
            .chain(self.limit.iter().map(|(name, value)| (name.as_str(), *value)))
            .chain(
                [
                    ("login", self.preauth_timeout),
                    ("idle", self.idle_timeout),
                    ("write", self.write_timeout),
                    ("connections", self.max_connections.and_then(|count| u64::try_from(count).ok())),
                ]
                .into_iter()
                .filter_map(|(name, value)| Some((name, value?))),
            )
            .collect();
        for (name, value) in given {
            let before = limits.clone();
            if let Err(fault) = set(&mut limits, name, value) {
                faults.push(fault);
                limits = before;
            }
        }
        // A handshake that outlasts the login is none.
        limits.handshake = limits.handshake.min(limits.protocol.login);
        LimitSettings(limits)
    }
}

impl LimitSettings {
    /// The limits of the library with these in place.
    pub(crate) fn limits(&self) -> Limits {
        self.0.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names in the table of the library's documentation, as options have them, and the defaults there.
    fn documented() -> Vec<(String, String)> {
        let rows = include_str!("../../../server/limits.rs").lines();
        rows.filter_map(|line| line.strip_prefix("//! | `"))
            .map(|row| {
                let (name, rest) = row.split_once("` | ").unwrap();
                let default = rest.split(" |").next().unwrap();
                (name.trim_start_matches("protocol.").replace('_', "-"), default.to_owned())
            })
            .collect()
    }

    #[test]
    fn every_limit_of_the_library_can_be_set_and_sets_nothing_else() {
        let named: Vec<String> = documented().into_iter().map(|(name, _)| name).collect();
        assert_eq!(named, TABLE.each_ref().map(|(name, ..)| *name));
        for (name, _) in &TABLE {
            let value = match *name {
                "write" => 333,
                "stack" => 333_333,
                _ => 777,
            };
            let mut limits = Limits::default();
            set(&mut limits, name, value).unwrap();
            let (before, after) = (format!("{:#?}", Limits::default()), format!("{limits:#?}"));
            let differ: Vec<(&str, &str)> =
                before.lines().zip(after.lines()).filter(|(before, after)| before != after).collect();
            let [(_, after)] = differ[..] else { panic!("{name}: {differ:?}") };
            let field = after.trim().split(':').next().unwrap().replace('_', "-");
            assert_eq!((field.as_str(), after.contains(&value.to_string())), (*name, true), "{after}");
        }
    }

    #[test]
    fn every_limit_is_named_in_the_help() {
        use clap::CommandFactory;
        let mut command = super::super::Args::command();
        let help = command.render_long_help().to_string();
        let (_, help) = help.split_once("--limit <NAME=N>").unwrap().1.split_once("Seconds:").unwrap();
        let (help, _) = help.split_once("In the file").unwrap();
        let words: Vec<&str> =
            help.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-').collect();
        for (name, _) in &TABLE {
            assert_eq!(words.iter().filter(|word| *word == name).count(), 1, "{name}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for (name, value) in [
            ("line", 254),
            ("failed-logins", 0),
            ("connections", 0),
            ("idle", 599),
            ("login", u64::MAX),
            ("write", 29),
            ("write", 601),
            ("linger", 7 * 24 * 3600 + 1),
            ("sasl-line", 65_537),
            ("password-checks", 0),
            ("stack", 4096),
            ("bad-commands", u64::from(u32::MAX) + 1),
        ] {
            let refused = set(&mut Limits::default(), name, value);
            assert!(matches!(refused, Err(SettingsError::OutOfRange { .. })), "{name}");
        }
        assert!(matches!(set(&mut Limits::default(), "Line", 300), Err(SettingsError::Limit(_))));
        let told = set(&mut Limits::default(), "write", 601).unwrap_err().to_string();
        assert_eq!(told, "limit write: 601 is not from 30 to 600");
        let told = set(&mut Limits::default(), "login", 0).unwrap_err().to_string();
        assert_eq!(told, "limit login: 0 is not from 1 to 604800");
        for (name, value) in [("failed-login-delay", 0), ("write", 30), ("write", 600), ("sasl-line", 65_536)]
        {
            assert!(set(&mut Limits::default(), name, value).is_ok(), "{name} {value}");
        }
        for text in ["line", "line=", "line=x", "line=-1", "=", "line=1.5"] {
            assert!(named(text).is_err(), "{text}");
        }
    }
}
