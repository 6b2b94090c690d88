//! `capa`: what the server announces, before login or after it.

use pop3_blocking::client::{CapabilityList, Method, Offered, Verdict};
use pop3_blocking::pop3_proto::Capability;

use crate::args::Capa;
use crate::connect::{Dialer, in_session, with_session};
use crate::escape;
use crate::exit::{Failure, Stage};
use crate::json::Object;
use crate::password;
use crate::report::Report;

pub(crate) fn run(args: &Capa) -> Result<(), Failure> {
    let report = Report::new(&args.common);
    let dialer = Dialer::new(&args.common)?;
    if password::is_given(&args.common) || dialer.account.auth.method() == Some(Method::External) {
        let list = with_session(&args.common, |session| session.capabilities().map_err(in_session))?;
        return show(&list, &report);
    }
    let (list, offers) = before_login(&dialer)?;
    show(&list, &report)?;
    tell(&offers, &report)
}

fn show(list: &CapabilityList, report: &Report) -> Result<(), Failure> {
    list.iter().try_for_each(|capability| {
        let words = words(&capability)?;
        report.line(&if report.json { object(&words) } else { escape::line(&words.join(&b' ')) })
    })
}

/// Tells what a login would make of it.
fn tell(offers: &[Offered], report: &Report) -> Result<(), Failure> {
    if report.json {
        return offers.iter().try_for_each(|offer| {
            let object = Object::new().octets("login", &offer.name);
            report.line(&object.string("verdict", &offer.verdict.to_string()).finish())
        });
    }
    match offers.iter().find(|offer| offer.verdict == Verdict::Usable) {
        Some(offer) => report.warn(&format!("a login would use {}", escape::line(&offer.name))),
        None => report.warn("no login with these options"),
    }
    Ok(())
}

fn before_login(dialer: &Dialer) -> Result<(CapabilityList, Vec<Offered>), Failure> {
    let mut connection = dialer.connect()?;
    let fault = |error| Failure::by_client(error, Stage::Connecting);
    let list = connection.capabilities().map_err(fault)?;
    let user = dialer.account.user.as_deref().unwrap_or("x");
    let offers = connection.offers(&dialer.credentials(user)).map_err(fault)?;
    if let Err(error) = connection.quit() {
        log::debug!("QUIT: {error}");
    }
    Ok((list, offers))
}

/// The tag, then the arguments.
fn words(capability: &Capability<'_>) -> Result<Vec<Vec<u8>>, Failure> {
    let mut line = Vec::new();
    capability.encode(&mut line).map_err(|error| Failure::configuration(error.to_string()))?;
    let words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    Ok(words.map(<[u8]>::to_vec).collect())
}

fn object(words: &[Vec<u8>]) -> String {
    let (tag, arguments) =
        words.split_first().map_or((&[][..], &[][..]), |(tag, rest)| (tag.as_slice(), rest));
    Object::new().octets("capability", tag).list("arguments", arguments.iter().map(Vec::as_slice)).finish()
}
