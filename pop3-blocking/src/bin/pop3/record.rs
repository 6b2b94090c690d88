//! What became of each message, and of the run.

use pop3_blocking::pop3_proto::MessageNumber;

use crate::json::Object;
use crate::plan::{Action, Planned};

/// How a run ended, as far as the messages on the server go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Committed,
    Partial,
    Unknown,
    /// Nothing was to be deleted, or `QUIT` was never sent.
    Kept,
}

impl Ending {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Committed => "committed",
            Self::Partial => "partial",
            Self::Unknown => "unknown",
            Self::Kept => "kept",
        }
    }

    /// Whether it is known which marked messages are gone.
    pub(crate) const fn is_known(self) -> bool {
        matches!(self, Self::Committed | Self::Kept)
    }
}

/// What became of one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Nothing yet.
    Open,
    /// It is here, of so many octets. `safe`: durable, and noted if it can be.
    Delivered { octets: u64, safe: bool },
    /// It was here before.
    Known,
    /// Left alone.
    Left(&'static str),
    /// It should be here and is not.
    Failed(&'static str),
}

/// One message of the maildrop and its fate.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) planned: Planned,
    pub(crate) fate: Fate,
    /// `DELE` was accepted.
    pub(crate) marked: bool,
    /// An earlier attempt of this run has told of it.
    pub(crate) told: bool,
}

impl Record {
    pub(crate) const fn new(planned: Planned) -> Self {
        let fate = match planned.action {
            Action::Fetch { .. } => Fate::Open,
            Action::Known { .. } => Fate::Known,
            Action::TooLarge => Fate::Left("too-large"),
            Action::NotInBothLists => Fate::Left("not-in-both-lists"),
            Action::Left(reason) => Fate::Left(reason),
            Action::Unknown(reason) => Fate::Failed(reason),
        };
        Self { planned, fate, marked: false, told: false }
    }

    pub(crate) const fn number(&self) -> MessageNumber {
        self.planned.number
    }

    /// Whether it may be deleted on the server, if the run is to delete at all.
    pub(crate) const fn is_safe(&self) -> bool {
        match self.fate {
            Fate::Delivered { safe, .. } => safe,
            Fate::Known => matches!(self.planned.action, Action::Known { delete: true }),
            Fate::Open | Fate::Left(_) | Fate::Failed(_) => false,
        }
    }

    pub(crate) fn object(&self, ending: Ending) -> String {
        let (octets, status, reason) = match self.fate {
            Fate::Delivered { octets, .. } => (octets, "delivered", None),
            Fate::Known => (self.planned.octets, "skipped", None),
            Fate::Left(reason) => (self.planned.octets, "skipped", Some(reason)),
            Fate::Failed(reason) => (self.planned.octets, "failed", Some(reason)),
            Fate::Open => (self.planned.octets, "failed", Some("not-delivered")),
        };
        let deleted = if self.marked && !ending.is_known() {
            None
        } else {
            Some(self.marked && ending == Ending::Committed)
        };
        let object = Object::new()
            .number("number", self.number().get())
            .or_null("unique_id", self.planned.unique_id.as_deref(), Object::octets)
            .number("octets", octets)
            .string("status", status)
            .or_null("deleted", deleted, Object::boolean);
        match reason {
            Some(reason) => object.string("reason", reason),
            None => object,
        }
        .finish()
    }
}

/// How many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) delivered: u64,
    pub(crate) octets: u64,
    pub(crate) skipped: u64,
    pub(crate) failed: u64,
    pub(crate) marked: u64,
}

impl Totals {
    pub(crate) fn of(records: &[Record]) -> Self {
        let mut totals = Self::default();
        for record in records {
            match record.fate {
                Fate::Delivered { octets, .. } => {
                    totals.delivered += 1;
                    totals.octets = totals.octets.saturating_add(octets);
                }
                Fate::Known | Fate::Left(_) => totals.skipped += 1,
                Fate::Failed(_) => totals.failed += 1,
                Fate::Open => {}
            }
            totals.marked += u64::from(record.marked);
        }
        totals
    }

    pub(crate) fn text(&self, messages: usize, ending: Ending) -> String {
        let plural = if messages == 1 { "" } else { "s" };
        let Self { delivered, octets, skipped, failed, marked } = self;
        let mut text =
            format!("{messages} message{plural}: {delivered} delivered ({octets} octets), {skipped} skipped");
        if *failed > 0 {
            text.push_str(&format!(", {failed} failed"));
        }
        text.push_str(&match ending {
            Ending::Committed => format!("; {marked} deleted on the server"),
            Ending::Partial => format!("; the server did not delete all of {marked}"),
            Ending::Unknown => format!("; unknown whether {marked} were deleted on the server"),
            Ending::Kept => "; none deleted on the server".to_owned(),
        });
        text
    }
}
