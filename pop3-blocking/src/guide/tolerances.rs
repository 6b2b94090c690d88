//! Talking to servers and clients that keep no rules.
//!
//! What harms nobody is tolerated always: blanks too many in a listing, data behind the size, capabilities in any case and
//! of any name, no `CAPA` at all, unique-ids of more than 70 octets, sizes that are wrong, messages that another session has
//! removed. What could lose mail, or a secret, is tolerated when it is asked for by name, and some of it never.
//!
//! # Servers
//!
//! | the server | set |
//! |---|---|
//! | ends its lines by LF alone | [`tolerances.lenient_lf`](pop3_proto::ClientTolerances::lenient_lf) |
//! | ends the lines of messages by LF alone | [`tolerances.lenient_lf_body`](pop3_proto::ClientTolerances::lenient_lf_body), and do not delete: a message with a dot in it may be cut |
//! | says something before its greeting | [`tolerances.lenient_banner`](pop3_proto::ClientTolerances::lenient_banner) |
//! | answers `AUTH` with `+OK` where a challenge is due (old Exchange) | [`tolerances.lenient_sasl_ok`](pop3_proto::ClientTolerances::lenient_sasl_ok) |
//! | hangs or closes on `CAPA` | [`skip_capa`](crate::client::ClientOptions::skip_capa) |
//! | announces `PIPELINING` and loses commands | [`pipelining`](crate::client::ClientOptions::pipelining)` = false` |
//! | takes `RETR` for a wish to delete | [`rset_before_quit`](crate::client::ClientOptions::rset_before_quit) |
//! | ends idle sessions before ten minutes are over | [`keep_alive`](crate::client::ClientOptions::keep_alive) |
//! | takes long to list a large maildrop | [`limits`](crate::client::ClientOptions::limits): its waits for the login and for `QUIT` |
//! | knows no `AUTH` | nothing: `USER` and `PASS` under TLS are taken by themselves |
//! | has only CRAM-MD5 or APOP | `AuthPolicy::allow_cram_md5`, `AuthPolicy::allow_apop` (feature `legacy-md5`) |
//! | has a certificate that nobody vouches for | [`pin_spki_sha256`](crate::tls::ClientTlsBuilder::pin_spki_sha256) with [`trust_pins_alone`](crate::tls::ClientTlsBuilder::trust_pins_alone) |
//!
//! ```
//! use pop3_blocking::client::ClientOptions;
//!
//! let mut options = ClientOptions::default();
//! options.tolerances.lenient_banner = true;
//! options.rset_before_quit = true;
//! ```
//!
//! Never tolerated: a message whose last line is missing, replies nobody has asked for, octets from before TLS, and a
//! certificate for another name.
//!
//! # Clients
//!
//! | the client | set |
//! |---|---|
//! | is a person at a terminal, whose lines end in LF | [`lenient_lf`](crate::server::ServerBuilder::lenient_lf) |
//! | sends `UTF8` after its login (Outlook) | [`lenient_utf8`](crate::server::ServerBuilder::lenient_utf8) |
//! | knows only LOGIN, CRAM-MD5 or APOP | [`Policy::mechanisms`](crate::server::Policy::mechanisms), for that listener |
//! | cannot do TLS | [`Policy::allow_cleartext_login`](crate::server::Policy::allow_cleartext_login), on loopback or in a network of your own |
//! | opens more connections than ten | [`Limits::connections_per_address`](crate::server::Limits::connections_per_address) |
//!
//! `pop3 probe URL` tells which of these a server needs; `pop3d` logs what its clients did wrong, one line a session.
