//! A wrong password and an unknown user: the same work, by every mechanism and every authenticator (R26). Counted, not timed.

use std::os::unix::net::UnixStream;
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use pop3_proto::sasl::server::ScramHash;

use crate::auth::work::{self, Work, note};
use crate::auth::{
    AuthError, Authenticator, Identity, LoginContext, Mechanisms, MemoryUsers, ScramKeys, SharedSecret,
};
use crate::client::{AuthPolicy, ClientOptions, Connection, Credentials, Method};
use crate::server::{Limits, Policy, Server};
use crate::store::MemoryStore;
use crate::tls::{ClientTls, ServerName, ServerTls};
use crate::{Deadline, Transport};

/// Every mechanism by which a name is told before it is proven.
const NAMED: Mechanisms =
    Mechanisms::PASSWORDS.with(Mechanisms::SCRAM).with(Mechanisms::CRAM_MD5).with(Mechanisms::APOP);

/// Notes each question.
struct Asked<A>(Arc<A>);

impl<A: Authenticator> Authenticator for Asked<A> {
    fn mechanisms(&self) -> Mechanisms {
        self.0.mechanisms()
    }

    fn password(&self, cx: &LoginContext<'_>, user: &str, password: &[u8]) -> Result<Identity, AuthError> {
        note(Work::Ask("password"));
        self.0.password(cx, user, password)
    }

    fn scram_keys(&self, cx: &LoginContext<'_>, user: &str, hash: ScramHash) -> Result<ScramKeys, AuthError> {
        note(Work::Ask("keys"));
        self.0.scram_keys(cx, user, hash)
    }

    fn secret(&self, cx: &LoginContext<'_>, user: &str) -> Result<SharedSecret, AuthError> {
        note(Work::Ask("secret"));
        self.0.secret(cx, user)
    }

    fn proven(&self, cx: &LoginContext<'_>, user: &str) -> Result<Identity, AuthError> {
        note(Work::Ask("proven"));
        self.0.proven(cx, user)
    }
}

/// Knows one user, and makes up nothing: that is left to the server.
struct Frank;

impl Authenticator for Frank {
    fn mechanisms(&self) -> Mechanisms {
        NAMED
    }

    fn password(&self, _: &LoginContext<'_>, _: &str, _: &[u8]) -> Result<Identity, AuthError> {
        Err(AuthError::Rejected)
    }

    fn scram_keys(&self, _: &LoginContext<'_>, user: &str, hash: ScramHash) -> Result<ScramKeys, AuthError> {
        let key = vec![0; hash.octets()];
        let known = user == "mrose";
        known.then(|| ScramKeys::new([0; 16], 4096, key.clone(), key)).ok_or(AuthError::Rejected)
    }

    fn secret(&self, _: &LoginContext<'_>, user: &str) -> Result<SharedSecret, AuthError> {
        (user == "mrose").then(|| SharedSecret::new(*b"secret")).ok_or(AuthError::Rejected)
    }
}

fn tls() -> &'static (ServerTls, ClientTls) {
    static TLS: OnceLock<(ServerTls, ClientTls)> = OnceLock::new();
    TLS.get_or_init(|| {
        let made = rcgen::generate_simple_self_signed(["pop.example.org".to_owned()]).unwrap();
        let (chain, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        let server = ServerTls::builder().certificate_pem(&chain, key).build().unwrap();
        (server, ClientTls::builder().ca_pem(chain).build().unwrap())
    })
}

/// What the client is told when it logs in by `method` with a wrong password, and what the server has done for it.
fn refused(server: &Server, policy: &Policy, method: Method, user: &str) -> (String, Vec<Work>) {
    let (near, far) = UnixStream::pair().unwrap();
    thread::scope(|scope| {
        let session = scope.spawn(move || {
            work::take();
            server.serve_connection(near, policy);
            let mut done = work::take();
            done.sort();
            done
        });
        let name = ServerName::parse("pop.example.org").unwrap();
        let deadline = Deadline::after(Duration::from_secs(60));
        let transport = Transport::plain(far).connect_tls(&tls().1, &name, deadline).unwrap();
        let connection = Connection::over(transport, ClientOptions::default()).unwrap();
        let only = AuthPolicy::new().force_mechanism(method);
        let failed = connection.log_in(&Credentials::password(user, "wrong").policy(only)).unwrap_err();
        let told = format!("{:?}", failed.error);
        drop(failed);
        (told, session.join().unwrap())
    })
}

/// Holds `users` against a user whom nobody knows, by each mechanism that `authenticator` serves; returns how many those are.
fn hold(authenticator: impl Authenticator + 'static, users: &[&str]) -> usize {
    let authenticator = Arc::new(authenticator);
    let served = authenticator.mechanisms() & NAMED;
    let limits = Limits { failed_login_delay: Duration::ZERO, ..Limits::default() };
    let server = Server::builder(Asked(authenticator), MemoryStore::new()).limits(limits).bind().unwrap();
    let policy = Policy::implicit_tls(tls().0.clone()).mechanisms(NAMED);
    let mut held = 0;
    for name in served.names() {
        // CRAM-MD5 and APOP are a feature.
        let Some(method) = Method::named(name) else { continue };
        let unknown = refused(&server, &policy, method, "nobody");
        assert!(unknown.0.contains("[AUTH]"), "{name}: {}", unknown.0);
        let is_work = |work: &Work| !matches!(work, Work::Ask("proven"));
        assert!(unknown.1.iter().any(|work| matches!(work, Work::Ask(_))), "{name}: {:?}", unknown.1);
        assert!(unknown.1.iter().all(is_work), "{name}: {:?}", unknown.1);
        for user in users {
            assert_eq!(refused(&server, &policy, method, user), unknown, "{name}, {user}");
        }
        held += 1;
    }
    held
}

/// `USER`, PLAIN and LOGIN.
const BY_PASSWORD: usize = 3;
/// CRAM-MD5 and APOP.
const BY_SECRET: usize = if cfg!(feature = "legacy-md5") { 2 } else { 0 };
/// SCRAM, in six forms.
const SCRAM: usize = 6;

#[test]
fn pb_s48_r4422_3_6_an_unknown_user_is_as_much_work_as_a_wrong_password_users_in_memory() {
    let users = MemoryUsers::new().with_user("mrose", "secret").with_user("empty", "");
    assert_eq!(hold(users.clone(), &["mrose", "empty"]), BY_PASSWORD + SCRAM);
    let users = users.with_secret("old", "tanstaaf");
    assert_eq!(hold(users, &["mrose", "empty", "old"]), BY_PASSWORD + SCRAM + BY_SECRET);
}

#[test]
fn pb_s48_r4422_3_6_an_unknown_user_is_as_much_work_as_a_wrong_password_server_decoys() {
    assert_eq!(hold(Frank, &["mrose"]), BY_PASSWORD + SCRAM + BY_SECRET);
}

#[cfg(feature = "passwd")]
#[test]
fn pb_s48_r4422_3_6_an_unknown_user_is_as_much_work_as_a_wrong_password_users_file() {
    use crate::auth::UsersFile;
    // Made by crypt(3) of libxcrypt 4.4, argon2-cffi 25.1.0 and `doveadm pw` of Dovecot 2.3.19.
    const BCRYPT: &str = "$2b$04$abcdefghijklmnopqrstuuqREtd3VJD2QVZbuFskFSLk6eRIrQoOS";
    const SHA256: &str = "$5$rounds=12345$saltstringsaltst$onlA1ZDnHehtxKus1E2cY8p0sE8joMsrIFn3IEaead3";
    const ARGON2: &str = "{argon2id}$argon2id$v=19$m=256,t=3,p=2$c2FsdHNhbHQ$XsgZusUNOHkLuLAMdSVzDw";
    const SCRAM_256: &str = "{SCRAM-SHA-256}4096,kWBXhWffNbgJG1tL+nxwBA==,woU0tyxYK1x43DXJbSlnbKLz/yK1CmDzLffj64i0LEo=,gDkSsbObuCJsCABzcB6xk5Yq8HUWtuPfd7DP76vkJPE=";
    let one_kind = format!("a:{ARGON2}\nb:{ARGON2}\n");
    let hashes = format!("{one_kind}c:{BCRYPT}\nd:{SHA256}\n");
    let scram = format!("{hashes}e:{SCRAM_256}\nf:{{EXTERNAL}}\n");
    let all = format!("{scram}g:{{PLAIN}}secret\nh:{{SECRET}}tanstaaf\n");
    for (text, users, mechanisms) in [
        (one_kind, "a b", BY_PASSWORD),
        (hashes, "a b c d", BY_PASSWORD),
        (scram, "a b c d e f", BY_PASSWORD + 2),
        (all, "a b c d e f g h", BY_PASSWORD + SCRAM + BY_SECRET),
    ] {
        let path = std::env::temp_dir().join(format!("pop3-equal-work-{}", std::process::id()));
        std::fs::write(&path, text).unwrap();
        let file = UsersFile::load(&path);
        std::fs::remove_file(&path).unwrap();
        let users: Vec<&str> = users.split(' ').collect();
        assert_eq!(hold(file.unwrap(), &users), mechanisms);
    }
}
