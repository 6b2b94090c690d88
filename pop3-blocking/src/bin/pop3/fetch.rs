//! `fetch`: one account, or all of the file.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::args::{Fetch, TlsMode};
use crate::config::Config;
use crate::connect::Dialer;
use crate::exit::{Failure, Kind};
use crate::interrupt::Interrupt;
use crate::json::Object;
use crate::progress::Bars;
use crate::report::{NO_TLS, Report};
use crate::run::{Run, journal_file};
use crate::target::Target;
use crate::watch::{Ended, Watch};
use crate::workers::{self, Work};

/// Accounts at once, unless it is said how many.
const JOBS: u8 = 4;

pub(crate) fn run(args: &Fetch) -> Result<(), Failure> {
    if args.all {
        return all(args);
    }
    if args.jobs.is_some() {
        return Err(Failure::usage("--jobs has no meaning without --all"));
    }
    let mut job = Job::new(args.clone(), Report::new(&args.common))?;
    // What is wrong with the target is told before the server hears of us.
    let is_watch = args.watch.is_some();
    job.interrupt = Some(listen(Report::new(&args.common), is_watch)?);
    if !is_watch {
        return job.round();
    }
    let ended = workers::run(vec![job], 1).into_iter().find_map(|job| job.ended);
    // A signal is how a watch ends.
    ended.unwrap_or(Ok(())).or_else(|failure| match failure.kind {
        Kind::Interrupted => Ok(()),
        _ => Err(failure.told()),
    })
}

/// All accounts of the file: one that fails stops no other.
fn all(args: &Fetch) -> Result<(), Failure> {
    if args.state.is_some() || args.common.user.is_some() {
        return Err(Failure::usage("--state and --user are of one account: they have no meaning with --all"));
    }
    let config = Config::read(&args.common)?;
    let names: Vec<&str> = config.names().collect();
    if names.is_empty() {
        return Err(Failure::configuration("--all: the file has no accounts"));
    }
    let bars = Bars::new();
    let mut failures: Vec<(String, Failure)> = Vec::new();
    let mut jobs = Vec::new();
    // Files are read and passwords asked for before the first connection: on one terminal, one after the other.
    for name in &names {
        let report = || Report::of(&args.common, name).beside(&bars);
        let made = config.fetch(name, args).and_then(|args| {
            if args.common.tls == Some(TlsMode::NoneInsecure) {
                report().warn(NO_TLS);
            }
            Job::new(args, report())
        });
        match made {
            Ok(job) if job.target == Target::Stdout => {
                return Err(Failure::usage(
                    "--all needs other targets than -: it would mix the messages of several accounts",
                ));
            }
            Ok(job) => jobs.push(job),
            Err(failure) => {
                report().failure(&failure);
                failures.push(((*name).to_owned(), failure));
            }
        }
    }
    let is_watch = jobs.iter().any(|job| job.args.watch.is_some());
    let interrupt = listen(Report::new(&args.common).beside(&bars), is_watch)?;
    jobs.iter_mut().for_each(|job| job.interrupt = Some(interrupt.clone()));
    let threads = args.jobs.or(config.jobs).unwrap_or(JOBS);
    for job in workers::run(jobs, threads.into()) {
        let ended = job.ended.unwrap_or_else(|| interrupt.check());
        let Err(failure) = ended else { continue };
        if job.args.watch.is_some() && failure.kind == Kind::Interrupted {
            continue;
        }
        failures.push((job.report.account().to_owned(), failure));
    }
    failures.sort_by(|(one, _), (two, _)| one.cmp(two));
    conclude(args, names.len(), &failures)?;
    Failure::of_many(failures.iter().map(|(_, failure)| failure)).map_or(Ok(()), Err)
}

/// Tells how many accounts were done, and which were not.
fn conclude(args: &Fetch, accounts: usize, failures: &[(String, Failure)]) -> Result<(), Failure> {
    let report = Report::new(&args.common);
    let done = accounts.saturating_sub(failures.len());
    if args.common.json {
        let failed = failures.iter().map(|(name, _)| name.as_bytes());
        let line = Object::new().number("accounts", accounts as u64).number("done", done as u64);
        return report.line(&line.list("failed_accounts", failed).finish());
    }
    let plural = if accounts == 1 { "" } else { "s" };
    let mut text = format!("{accounts} account{plural}: {done} done");
    if !failures.is_empty() {
        let failed: Vec<String> =
            failures.iter().map(|(name, failure)| format!("{name} ({})", failure.kind.word())).collect();
        text.push_str(&format!(", {} failed: {}", failures.len(), failed.join(", ")));
    }
    report.summary(&text)
}

fn listen(report: Report, is_the_end: bool) -> Result<Interrupt, Failure> {
    Interrupt::listen(report, is_the_end).map_err(|error| Failure::configuration(error.to_string()))
}

/// Some number; for nothing that must not be guessed.
fn random() -> u32 {
    let number = RandomState::new().build_hasher().finish();
    u32::try_from(number >> 32).unwrap_or_default()
}

/// One account, and how far it is.
struct Job {
    args: Fetch,
    target: Target,
    bottleneck: Option<PathBuf>,
    dialer: Dialer,
    /// The journal; `None` where none is kept.
    state: Option<PathBuf>,
    report: Report,
    interrupt: Option<Interrupt>,
    watch: Watch,
    has_run: bool,
    /// How its last run ended.
    ended: Option<Result<(), Failure>>,
}

impl Job {
    /// Reads files and asks for the password; opens nothing and connects to nothing.
    fn new(args: Fetch, report: Report) -> Result<Self, Failure> {
        let to = args.to.as_ref().ok_or_else(|| {
            Failure::usage("--to is missing: where do messages go? maildir:DIR, mbox:FILE, pipe:COMMAND or -")
        })?;
        let target = Target::parse(to)?;
        if target == Target::Stdout {
            if args.delete {
                return Err(Failure::usage(
                    "--delete needs a Maildir, an mbox or a command: nobody can tell what becomes of standard output",
                ));
            }
            if args.state.is_some() {
                return Err(Failure::usage("--state has no meaning with --to -: the journal is not used"));
            }
        }
        if args.watch.is_some() && (args.dry_run || target == Target::Stdout) {
            return Err(Failure::usage(
                "--watch has no meaning with --dry-run or --to -: everything would come again each time",
            ));
        }
        let dialer = Dialer::for_login(&args.common)?;
        let state = if target == Target::Stdout { None } else { Some(journal_file(&args, &dialer)?) };
        let dialer = dialer.with_password(&args.common)?;
        let report = if target == Target::Stdout { report.aside() } else { report };
        let bottleneck = target.bottleneck();
        let (watch, has_run) = (Watch::default(), false);
        Ok(Self {
            args,
            target,
            bottleneck,
            dialer,
            state,
            report,
            interrupt: None,
            watch,
            has_run,
            ended: None,
        })
    }

    /// One run: everything that is there now.
    fn round(&mut self) -> Result<(), Failure> {
        let Some(interrupt) = &self.interrupt else { return Ok(()) };
        interrupt.check()?;
        if std::mem::replace(&mut self.has_run, true) {
            self.dialer.renew_token(&self.args.common)?;
        }
        let Self { dialer, target, state, report, .. } = self;
        let state = state.as_deref();
        Run::open(dialer, target, state, interrupt, report, &self.args)?.go()
    }
}

impl Work for Job {
    fn bottleneck(&self) -> Option<&PathBuf> {
        self.bottleneck.as_ref()
    }

    fn work(&mut self) -> Option<Instant> {
        let ended = self.round();
        if let Err(failure) = &ended {
            if !(self.args.watch.is_some() && failure.kind == Kind::Interrupted) {
                self.report.failure(failure);
            }
        }
        let how = match &ended {
            Ok(()) => Ended::Well,
            Err(failure) if failure.is_for_good() => Ended::ForGood,
            Err(_) => Ended::ForNow,
        };
        self.ended = Some(ended);
        let interval = Duration::from_secs(self.args.watch?.into());
        let wait = self.watch.next(how, interval, self.dialer.login_delay.get(), random())?;
        if how == Ended::ForNow {
            self.report.warn(&format!("looking again in {} seconds", wait.as_secs()));
        }
        Instant::now().checked_add(wait)
    }

    fn is_over(&self) -> bool {
        self.interrupt.as_ref().is_some_and(|interrupt| interrupt.check().is_err())
    }
}
