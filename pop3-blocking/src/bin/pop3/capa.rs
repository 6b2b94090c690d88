//! `capa`: what the server announces, before login or after it.

use pop3_blocking::client::CapabilityList;
use pop3_blocking::pop3_proto::Capability;

use crate::account::Auth;
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
    let list = if password::is_given(&args.common) || dialer.account.auth == Auth::External {
        with_session(&args.common, |session| session.capabilities().map_err(in_session))?
    } else {
        before_login(&dialer)?
    };
    list.iter().try_for_each(|capability| {
        let words = words(&capability)?;
        report.line(&if report.json { object(&words) } else { escape::line(&words.join(&b' ')) })
    })
}

fn before_login(dialer: &Dialer) -> Result<CapabilityList, Failure> {
    let mut connection = dialer.connect()?;
    let list = connection.capabilities().map_err(|error| Failure::by_client(error, Stage::Connecting))?;
    if let Err(error) = connection.quit() {
        log::debug!("QUIT: {error}");
    }
    Ok(list)
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
