//! What happened in many worlds, counted: a simulation in which a kind of fault no longer happens proves nothing.

macro_rules! tallies {
    ($($(#[doc = $group:literal])* $name:ident: $text:literal, one in $often:literal;)*) => {
        /// Something that is counted.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Tally {
            $(#[doc = $text] $(#[doc = $group])* $name,)*
        }

        impl Tally {
            /// All of them, in the order in which they are told.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// What it is.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }

            /// In so many sessions it must happen once, in the mean.
            #[must_use]
            pub const fn one_in(self) -> u64 {
                match self {
                    $(Self::$name => $often,)*
                }
            }
        }

        const TALLIES: usize = [$($text,)*].len();
    };
}

tallies! {
    // What was simulated.
    Sessions: "sessions", one in 1;
    Steps: "steps", one in 1;
    ClearSessions: "sessions in clear text", one in 5;
    ImplicitTls: "sessions with implicit TLS", one in 10;
    StartedTls: "sessions with STLS", one in 10;
    Messages: "messages handed out as complete", one in 5;
    Replies: "replies compared with the model", one in 1;
    Pipelined: "commands sent ahead", one in 2;
    Delivered: "messages delivered to a maildrop", one in 5;
    // Faults of the network.
    CutReset: "connections reset midway", one in 100;
    CutFin: "connections ended midway by a middlebox", one in 200;
    CutSilence: "connections gone silent midway", one in 200;
    Stall: "octets held up for longer than a deadline", one in 200;
    Cuts: "segments cut", one in 1;
    Full: "writes that met a full buffer", one in 1;
    HalfClose: "clients that closed their half", one in 50;
    ResetByClose: "resets by a close before all was read", one in 50;
    ToldTwice: "ends of a stream that were told twice", one in 20;
    TlsTruncated: "ends of TLS without close_notify", one in 200;
    Injected: "octets injected behind STLS or its +OK", one in 100;
    Stripped: "STLS stripped by an attacker", one in 200;
    // Faults of the store.
    OpenFault: "maildrops that could not be opened", one in 200;
    InUse: "maildrops found locked", one in 50;
    ScanFault: "maildrops that could not be listed", one in 200;
    IndexFull: "maildrops with more messages than the index takes", one in 1000;
    MessageFault: "messages that could not be opened", one in 500;
    ReadFault: "messages that could not be read to their end", one in 500;
    SizeFault: "messages of another size than announced", one in 500;
    RemoveFault: "messages that could not be removed", one in 1000;
    SyncFault: "commits that could not be made durable", one in 2000;
    SlowStore: "calls of the store slower than a client waits", one in 1000;
    // Crashes.
    ServerCrash: "sessions in a server that crashed", one in 50;
    CommitCrash: "commits in a server that crashed", one in 2000;
    CameBack: "removed messages that a crash brought back", one in 5000;
    Stopped: "sessions stopped by their server", one in 100;
    ClientCrash: "clients that crashed", one in 50;
    CrashBeforeJournal: "clients that crashed between delivery and journal", one in 5000;
    // What clients do.
    WrongPassword: "logins refused for their password", one in 10;
    TooManyPasswords: "sessions ended for wrong passwords", one in 200;
    NameBeforeTls: "names given before STLS and a password behind it", one in 200;
    UserPass: "logins by USER and PASS", one in 5;
    AuthPlain: "logins by AUTH PLAIN", one in 10;
    AuthLogin: "logins by AUTH LOGIN", one in 20;
    AuthCancelled: "SASL exchanges cancelled", one in 50;
    LeftWithoutQuit: "clients that left without QUIT", one in 100;
    WentSilent: "clients that went silent", one in 200;
    Garbage: "lines that are no command", one in 10;
    Nonsense: "clients that go on with nonsense", one in 500;
    OverLong: "lines over the limit", one in 50;
    QuitWithoutCrlf: "QUIT without CRLF, then the end", one in 200;
    EndlessLine: "lines without an end", one in 200;
    Foreign: "openings of another protocol", one in 200;
    NeverReads: "clients that never read", one in 200;
    // How sessions ended.
    Acknowledged: "commits acknowledged", one in 5;
    AcknowledgedWithMail: "commits acknowledged that removed mail", one in 20;
    PartlyRefused: "commits answered by -ERR", one in 1000;
    Unacknowledged: "commits whose reply was lost", one in 500;
    ServerTimedOutLogin: "server: login timed out", one in 100;
    ServerTimedOutIdle: "server: autologout", one in 200;
    ServerTimedOutCommand: "server: rest of a command timed out", one in 1000;
    ServerTimedOutWrite: "server: client took nothing", one in 500;
    ClientTimedOut: "client: wait timed out", one in 200;
    ClientTruncated: "client: stream ended inside a reply", one in 100;
    ClientMisled: "client: attack noticed", one in 500;
    MessageCut: "messages cut and never handed out", one in 500;
    Reconciled: "messages deleted that an earlier session had fetched", one in 200;
    Duplicates: "messages fetched twice after a crash", one in 5000;
    Unaided: "sessions without a fault that ended as planned", one in 5;
}

/// How often each [`Tally`] was counted.
#[derive(Clone, Debug)]
pub struct Counts([u64; TALLIES]);

impl Default for Counts {
    fn default() -> Self {
        Self([0; TALLIES])
    }
}

impl Counts {
    pub(super) const fn add(&mut self, tally: Tally) {
        self.0[tally as usize] += 1;
    }

    pub(super) const fn add_many(&mut self, tally: Tally, times: u64) {
        self.0[tally as usize] += times;
    }

    /// Adds what `other` has counted.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine += theirs;
        }
    }

    /// How often.
    #[must_use]
    pub const fn of(&self, tally: Tally) -> u64 {
        self.0[tally as usize]
    }

    /// What happened more seldom than it must.
    #[must_use]
    pub fn too_rare(&self) -> Vec<Tally> {
        let sessions = self.of(Tally::Sessions);
        Tally::ALL.iter().copied().filter(|&tally| self.of(tally) < sessions / tally.one_in()).collect()
    }
}
