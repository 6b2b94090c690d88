//! `list`: number, octets and unique-id of each message.

use std::collections::HashMap;

use pop3_blocking::client::{Error, Session};
use pop3_blocking::pop3_proto::{MessageNumber, ScanListing};

use crate::args::List;
use crate::connect::{in_session, with_session};
use crate::escape;
use crate::exit::Failure;
use crate::json::Object;
use crate::report::Report;

type Ids = HashMap<MessageNumber, Box<[u8]>>;

pub(crate) fn run(args: &List) -> Result<(), Failure> {
    let report = Report::new(&args.common);
    let (listings, ids) = with_session(&args.common, |session| {
        let listings = session.list().map_err(in_session)?;
        Ok((listings, unique_ids(session)?))
    })?;
    if report.json {
        return listings
            .iter()
            .try_for_each(|listing| report.line(&object(listing, ids.get(&listing.number).map(|id| &**id))));
    }
    let width = |number: fn(&ScanListing) -> u64| {
        listings.iter().map(|listing| number(listing).to_string().len()).max().unwrap_or(1)
    };
    let (numbers, octets) = (width(|listing| listing.number.get().into()), width(|listing| listing.octets));
    listings.iter().try_for_each(|listing| {
        let id = ids.get(&listing.number).map(|id| escape::line(id)).unwrap_or_else(|| "-".into());
        report.line(&format!("{:>numbers$}  {:>octets$}  {id}", listing.number.get(), listing.octets))
    })
}

/// None from a server without them; any other refusal counts.
fn unique_ids(session: &mut Session) -> Result<Ids, Failure> {
    match session.unique_ids() {
        Ok(entries) => Ok(entries.into_iter().map(|entry| (entry.number, entry.unique_id)).collect()),
        Err(Error::Refused(refused)) if !refused.is_temporary() => Ok(Ids::new()),
        Err(error) => Err(in_session(error)),
    }
}

fn object(listing: &ScanListing, id: Option<&[u8]>) -> String {
    Object::new()
        .number("number", listing.number.get())
        .number("octets", listing.octets)
        .or_null("unique_id", id, |object, name, id| object.octets(name, id))
        .finish()
}
