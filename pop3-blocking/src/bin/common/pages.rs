//! The manual page and the completions of a program, from the definitions that `--help` is made of.

use std::io::{self, Write};

use clap::builder::EnumValueParser;
use clap::{Arg, ArgMatches, Command};
use clap_complete::Shell;
use clap_mangen::Man;

const MAN: &str = "man";
const COMPLETIONS: &str = "completions";
const SHELL: &str = "shell";

/// `command` with the commands of this file, so that help, page and completions name them too.
pub(crate) fn among(command: Command) -> Command {
    let shell = Arg::new(SHELL)
        .value_name("SHELL")
        .value_parser(EnumValueParser::<Shell>::new())
        .required(true)
        .help("bash, elvish, fish, powershell or zsh")
        .hide_possible_values(true);
    command
        .subcommand(Command::new(MAN).about("Write the manual page, for man, to standard output"))
        .subcommand(
            Command::new(COMPLETIONS)
                .about("Write what completes the command line in a shell to standard output")
                .arg(shell),
        )
}

/// Writes to standard output what `matches`, read by [`among`] of `command`, ask for: the page of `command` with all its
/// commands on it, or what completes its command line. `None`: they ask for something else.
pub(crate) fn asked(command: Command, section: &str, matches: &ArgMatches) -> Option<io::Result<()>> {
    let command = among(command);
    let text = match matches.subcommand()? {
        (MAN, _) => page(command, section),
        (COMPLETIONS, asked) => Ok(script(command, *asked.get_one::<Shell>(SHELL)?)),
        _ => return None,
    };
    Some(text.and_then(|text| {
        let mut out = io::stdout().lock();
        out.write_all(&text)?;
        out.flush()
    }))
}

fn script(mut command: Command, shell: Shell) -> Vec<u8> {
    let (name, mut script) = (command.get_name().to_owned(), Vec::new());
    clap_complete::generate(shell, &mut command, name, &mut script);
    script
}

fn page(mut command: Command, section: &str) -> io::Result<Vec<u8>> {
    command.build();
    let mut page = Vec::new();
    let man = Man::new(command.clone()).section(section);
    // Ragged on the right: lines with long names in them cannot be made even.
    writeln!(page, ".ds AD l")?;
    man.render_title(&mut page)?;
    writeln!(page, ".ad l")?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    for inner in command.get_subcommands().filter(|inner| !inner.is_hide_set()) {
        writeln!(page, ".SH COMMAND {}", inner.get_name().to_uppercase())?;
        let man = Man::new(inner.clone());
        let mut part = Vec::new();
        man.render_synopsis_section(&mut part)?;
        man.render_description_section(&mut part)?;
        man.render_options_section(&mut part)?;
        man.render_extra_section(&mut part)?;
        // Sections of the command become parts of its section.
        for line in String::from_utf8_lossy(&part).lines() {
            match line.strip_prefix(".SH ") {
                Some(title) => writeln!(page, ".SS {title}")?,
                None => writeln!(page, "{line}")?,
            }
        }
    }
    man.render_extra_section(&mut page)?;
    man.render_version_section(&mut page)?;
    Ok(page)
}

/// What tests of both programs look at.
#[cfg(test)]
pub(crate) mod looks {
    use std::process::Stdio;

    use super::*;

    /// Every option that help shows stands on the page, and troff has nothing to say about it.
    pub(crate) fn page_is_whole(command: Command, section: &str) {
        let command = among(command);
        let page = page(command.clone(), section).unwrap();
        let text = String::from_utf8(page.clone()).unwrap().replace("\\-", "-");
        let mut all = command;
        all.build();
        let mut options = 0;
        for command in std::iter::once(&all).chain(all.get_subcommands()).filter(|it| !it.is_hide_set()) {
            for option in command.get_arguments().filter(|option| !option.is_hide_set()) {
                let Some(name) = option.get_long() else { continue };
                assert!(
                    text.contains(&format!("--{name}")),
                    "--{name} of {} is not there",
                    command.get_name()
                );
                options += 1;
            }
            assert!(text.contains(command.get_name()));
        }
        assert!(options > 20);
        let said = run("groff", &["-man", "-ww", "-z", "-Tutf8"], &page);
        assert_eq!(said.unwrap_or_default(), "");
    }

    /// Every shell gets a script with the options in it; bash can read its own.
    pub(crate) fn completions_are_whole(command: Command, option: &str) {
        let command = among(command);
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let script = String::from_utf8(script(command.clone(), shell)).unwrap();
            assert!([option, MAN, COMPLETIONS].iter().all(|word| script.contains(word)), "{shell}");
            if shell == Shell::Bash {
                assert_eq!(run("bash", &["-n"], script.as_bytes()).unwrap_or_default(), "");
            }
        }
    }

    /// What the program says to `input`; `None` if there is no such program.
    fn run(program: &str, args: &[&str], input: &[u8]) -> Option<String> {
        let mut child = std::process::Command::new(program);
        child.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let Ok(mut child) = child.spawn() else {
            eprintln!("skipped: {program} is not installed");
            return None;
        };
        child.stdin.take().unwrap().write_all(input).unwrap();
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        Some(if output.status.success() { said } else { format!("{}: {said}", output.status) })
    }
}
