//! Users in the database: [`PgUsers`].

use core::fmt;
use std::sync::Arc;

use pop3_blocking::auth::{
    AuthError, Authenticator, Decoys, Identity, LoginContext, Mechanisms, ScramKeys, UsersFile,
};
use pop3_blocking::pop3_proto::Base64;
use pop3_blocking::pop3_proto::sasl::prep::{Use, prepare};
use pop3_blocking::pop3_proto::sasl::server::ScramHash;

use crate::link::Sql;
use crate::{Fault, Pool};

/// The scheme of all passwords here, written as in a users file of `pop3d` and of Dovecot. One scheme for all, so that a
/// refusal takes the same work whoever is asked for.
const SCHEME: &str = "{SCRAM-SHA-256}";

/// Users with keys for SCRAM-SHA-256 in the table of maildrops. They log in by that, or by sending the password.
pub struct PgUsers {
    pool: Arc<Pool>,
    secret: Vec<u8>,
    decoys: Decoys,
    iterations: u32,
}

impl PgUsers {
    /// Users that are looked up on connections of `pool`, which should be another one than the maildrops have: those are held
    /// for as long as sessions last. Users who do not exist are made up with keys of `iterations`; let it be what those
    /// who do exist have.
    ///
    /// # Errors
    ///
    /// [`Fault`] of the database: its secret is read now.
    pub fn new(pool: Arc<Pool>, iterations: u32) -> Result<Self, Fault> {
        let (lease, row) = pool.take(|link| link.one(Sql::DecoySecret, &[]))?;
        lease.give_back();
        let secret: Vec<u8> = row.ok_or(Fault::Damaged("the table of settings is empty"))?.try_get(0)?;
        let decoys = Decoys::from_secret(secret.as_slice());
        Ok(Self { pool, secret, decoys, iterations })
    }

    /// The secret that all servers of the database share, for
    /// [`ServerBuilder::decoy_secret`](pop3_blocking::server::ServerBuilder::decoy_secret).
    pub fn decoy_secret(&self) -> &[u8] {
        &self.secret
    }

    /// Adds a user with an empty maildrop, or gives one a new password.
    ///
    /// # Errors
    ///
    /// [`Fault::Refused`]: no login could carry the name or the password; or a fault of the database.
    pub fn set_password(pool: &Arc<Pool>, name: &str, password: &[u8]) -> Result<(), Fault> {
        let name = prepare(name, Use::Stored).map_err(|error| Fault::Refused(format!("name: {error}")))?;
        let entry = UsersFile::scram_entry(ScramHash::Sha256, password)
            .map_err(|error| Fault::Refused(format!("password: {error}")))?;
        let (lease, ()) = pool.take(|link| {
            let sql = "INSERT INTO maildrop (name, password) VALUES ($1, $2) \
                       ON CONFLICT (name) DO UPDATE SET password = excluded.password";
            link.client().execute(sql, &[&name, &entry])?;
            Ok(())
        })?;
        lease.give_back();
        Ok(())
    }

    fn keys(&self, user: &str) -> Result<ScramKeys, AuthError> {
        let (lease, row) = self.pool.take(|link| link.one(Sql::Password, &[&user]))?;
        lease.give_back();
        let entry: Option<String> =
            row.map(|row| row.try_get(0)).transpose().map_err(Fault::Database)?.flatten();
        let made_up = || self.decoys.scram_keys(user, ScramHash::Sha256, self.iterations);
        entry.map_or_else(
            || Ok(made_up()),
            |entry| parse(&entry).ok_or_else(|| Fault::Damaged("a password entry is malformed").into()),
        )
    }
}

/// `{SCRAM-SHA-256}iterations,salt,stored key,server key`
fn parse(entry: &str) -> Option<ScramKeys> {
    let mut parts = entry.strip_prefix(SCHEME)?.split(',');
    let iterations = parts.next()?.parse().ok()?;
    let mut octets = || {
        let mut out = [0; 128];
        let base64 = Base64::new(parts.next()?.as_bytes()).ok()?;
        base64.decode(&mut out).ok().map(|octets| octets.to_vec())
    };
    let (salt, stored_key, server_key) = (octets()?, octets()?, octets()?);
    let length = ScramHash::Sha256.octets();
    let right = stored_key.len() == length && server_key.len() == length && iterations > 0;
    (right && parts.next().is_none()).then(|| ScramKeys::new(salt, iterations, stored_key, server_key))
}

impl Authenticator for PgUsers {
    fn mechanisms(&self) -> Mechanisms {
        Mechanisms::PASSWORDS | Mechanisms::SCRAM_SHA_256 | Mechanisms::SCRAM_SHA_256_PLUS
    }

    fn password(&self, _: &LoginContext<'_>, user: &str, password: &[u8]) -> Result<Identity, AuthError> {
        // Nobody has the password of keys that were made up.
        let keys = self.keys(user)?;
        if keys.verify(ScramHash::Sha256, password) {
            Ok(Identity::new(user))
        } else {
            Err(AuthError::Rejected)
        }
    }

    fn scram_keys(&self, _: &LoginContext<'_>, user: &str, hash: ScramHash) -> Result<ScramKeys, AuthError> {
        if hash == ScramHash::Sha256 { self.keys(user) } else { Err(AuthError::Rejected) }
    }
}

impl fmt::Debug for PgUsers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PgUsers").field("pool", &self.pool).finish_non_exhaustive()
    }
}
