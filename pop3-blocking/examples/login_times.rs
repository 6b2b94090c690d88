//! How long a server takes to refuse a login, for each of some user names: those that exist should not stand out.
//!
//! ```text
//! login_times HOST PORT CA.pem TRIES NAME...
//! ```
//!
//! Logs in over implicit TLS with a wrong password, by each mechanism that the server offers, with one name after the
//! other, on a connection of its own each time. Prints the median time from the first octet of the login to the refusal.
//! Give two names that do not exist: what they differ by is noise. `.ci/login-times` does all this with `pop3d`.

#![allow(clippy::print_stdout, reason = "a program talks to its user")]

use std::error::Error;
use std::time::{Duration, Instant};

use pop3_blocking::client::{AuthPolicy, ClientOptions, Connection, Credentials, Method, Verdict};
use pop3_blocking::tls::ClientTls;

const USAGE: &str = "login_times HOST PORT CA.pem TRIES NAME...";

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [host, port, ca, tries, names @ ..] = arguments.as_slice() else { return Err(USAGE.into()) };
    let (port, tries): (u16, usize) = (port.parse()?, tries.parse()?);
    if tries == 0 || names.is_empty() {
        return Err(USAGE.into());
    }
    let tls = ClientTls::builder().ca_file(ca).build()?;
    let connect = || Connection::connect_tls(host, port, &tls, ClientOptions::default());

    let password = |name: &str, policy| Credentials::password(name, "a wrong password").policy(policy);
    let any = password("x", AuthPolicy::new().only(Method::ALL.iter().copied()));
    let offers = connect()?.offers(&any)?;
    let methods: Vec<Method> = offers
        .iter()
        .filter(|offer| offer.verdict == Verdict::Usable)
        .filter_map(|offer| offer.method)
        .collect();

    print!("{:20}", "median ms");
    for name in names {
        print!(" {name:>10}");
    }
    println!(" {:>10}", "range");
    let mut worst = Duration::ZERO;
    for method in methods {
        let mut times = vec![Vec::with_capacity(tries); names.len()];
        // In turn, so that what else the machine does falls on all names alike.
        for turn in 0..tries * names.len() {
            // The first name is not always the one behind the last.
            let at = (turn + turn / names.len()) % names.len();
            let mut connection = connect()?;
            connection.capabilities()?;
            let credentials = password(&names[at], AuthPolicy::new().force_mechanism(method));
            let began = Instant::now();
            let failed = connection.log_in(&credentials).err().ok_or("that password is right")?;
            let took = began.elapsed();
            if failed.error.refused().is_none() {
                return Err(failed.error.into());
            }
            times[at].push(took);
        }
        let medians: Vec<Duration> = times.iter_mut().map(|times| median(times)).collect();
        print!("{:20}", method.name());
        for median in &medians {
            print!(" {:>10.3}", milliseconds(*median));
        }
        let least = medians.iter().min().copied().unwrap_or_default();
        let range = medians.iter().max().copied().unwrap_or_default() - least;
        worst = worst.max(range);
        println!(" {:>10.3}", milliseconds(range));
    }
    println!("medians of {tries}; the largest range is {:.3} ms", milliseconds(worst));
    Ok(())
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
