//! Who gets a connection: [`Admission`], the register of all open ones.
//!
//! A connection is counted from `accept` to the end of its thread, whatever it does: handshakes, logins and sessions are
//! one count (R32, PB-S38). One that comes through a proxy counts for its client's address once that is known, and never
//! for the proxy's. The register also holds the way to each socket, so that a shutdown can wake those that wait
//! and, under pressure, the oldest that has not logged in can make room.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Shutdown, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};

use super::Limits;
use crate::Deadline;

/// How many evicted connections may still be on their way out before newcomers are refused all the same: a thread that
/// is in the middle of a password check cannot leave at once.
const LEAVING_MAX: usize = 16;

/// All open connections of a server.
#[derive(Debug)]
pub(super) struct Admission {
    table: Mutex<Table>,
    left: Condvar,
    connections: usize,
    before_login: usize,
    logged_in: usize,
}

#[derive(Debug, Default)]
struct Table {
    /// By number, which is the order in which they came.
    open: BTreeMap<u64, Entry>,
    addresses: HashMap<Address, Count>,
    last: u64,
    leaving: usize,
}

#[derive(Debug)]
struct Entry {
    /// `None`: it is not known, or nobody's.
    address: Option<Address>,
    socket: Weak<TcpStream>,
    logged_in: bool,
    evicted: bool,
}

#[derive(Debug, Default)]
struct Count {
    before_login: usize,
    logged_in: usize,
}

/// What counts as one address: one of IPv4, or the network of a site of IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Address {
    V4([u8; 4]),
    V6Network([u8; 8]),
}

/// Why a connection is not admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Crowded {
    /// All connections are used, and none can make room.
    Server,
    /// This address has as many as it may have.
    Address,
}

/// The place of one connection. Dropping it gives the place back.
#[derive(Debug)]
#[must_use]
pub(super) struct Ticket {
    admission: Arc<Admission>,
    number: u64,
}

impl Admission {
    pub(super) fn new(limits: &Limits) -> Arc<Self> {
        Arc::new(Self {
            table: Mutex::default(),
            left: Condvar::new(),
            connections: limits.connections,
            before_login: limits.connections_per_address_before_login,
            logged_in: limits.connections_per_address,
        })
    }

    /// Admits a connection from `peer`, or from whom is yet to be [told](Ticket::name), and tells whether another had to
    /// go for it.
    pub(super) fn enter(
        self: &Arc<Self>,
        peer: Option<IpAddr>,
        socket: &Arc<TcpStream>,
    ) -> Result<(Ticket, bool), Crowded> {
        let address = peer.map(Address::of);
        let mut table = self.table();
        if address.is_some_and(|address| table.before_login(address) >= self.before_login) {
            return Err(Crowded::Address);
        }
        let full = table.open.len().saturating_sub(table.leaving) >= self.connections;
        if full && !table.evict_oldest() {
            return Err(Crowded::Server);
        }
        if let Some(address) = address {
            table.addresses.entry(address).or_default().before_login += 1;
        }
        table.last += 1;
        let number = table.last;
        let socket = Arc::downgrade(socket);
        table.open.insert(number, Entry { address, socket, logged_in: false, evicted: false });
        Ok((Ticket { admission: Arc::clone(self), number }, full))
    }

    /// How many connections are open.
    pub(super) fn open(&self) -> usize {
        self.table().open.len()
    }

    /// Shuts all sockets down for reading, or for both directions. Who reads from one sees its end.
    pub(super) fn shut_down_all(&self, how: Shutdown) {
        for entry in self.table().open.values() {
            entry.shut_down(how);
        }
    }

    /// Waits until no connection is open, and tells whether that was so before the deadline.
    pub(super) fn wait_until_empty(&self, deadline: Deadline) -> bool {
        let mut table = self.table();
        while !table.open.is_empty() {
            table = match deadline.remaining() {
                None => self.left.wait(table).unwrap_or_else(PoisonError::into_inner),
                Some(left) if left.is_zero() => return false,
                Some(left) => self.left.wait_timeout(table, left).unwrap_or_else(PoisonError::into_inner).0,
            };
        }
        true
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // Nothing in here panics between two changes that belong together.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn evict_oldest(&mut self) -> bool {
        if self.leaving >= LEAVING_MAX {
            return false;
        }
        let Some(entry) = self.open.values_mut().find(|entry| !entry.logged_in && !entry.evicted) else {
            return false;
        };
        entry.evicted = true;
        entry.shut_down(Shutdown::Both);
        self.leaving += 1;
        true
    }

    fn before_login(&self, address: Address) -> usize {
        self.addresses.get(&address).map_or(0, |count| count.before_login)
    }

    /// Changes the count of an address, if it is one; one that has nothing left is forgotten.
    fn count(&mut self, address: Option<Address>, change: impl FnOnce(&mut Count)) {
        let Some(address) = address else { return };
        let count = self.addresses.entry(address).or_default();
        change(count);
        if count.before_login == 0 && count.logged_in == 0 {
            self.addresses.remove(&address);
        }
    }
}

impl Entry {
    fn shut_down(&self, how: Shutdown) {
        if let Some(socket) = self.socket.upgrade() {
            // It fails only if the connection is over already.
            drop(socket.shutdown(how));
        }
    }
}

impl Ticket {
    /// Says from whom the connection is, which was not known when it came in.
    pub(super) fn name(&self, peer: IpAddr) -> Result<(), Crowded> {
        let address = Address::of(peer);
        let mut table = self.admission.table();
        if table.before_login(address) >= self.admission.before_login {
            return Err(Crowded::Address);
        }
        let Some(entry) = table.open.get_mut(&self.number).filter(|entry| !entry.evicted) else {
            return Err(Crowded::Server);
        };
        if entry.address.is_none() {
            entry.address = Some(address);
            table.addresses.entry(address).or_default().before_login += 1;
        }
        Ok(())
    }

    /// Counts the connection among those that have logged in, which are not evicted.
    pub(super) fn log_in(&self) -> Result<(), Crowded> {
        let limit = self.admission.logged_in;
        let mut table = self.admission.table();
        let Table { open, addresses, .. } = &mut *table;
        let Some(entry) = open.get_mut(&self.number).filter(|entry| !entry.evicted && !entry.logged_in)
        else {
            return Err(Crowded::Server);
        };
        if let Some(address) = entry.address {
            let count = addresses.entry(address).or_default();
            if count.logged_in >= limit {
                return Err(Crowded::Address);
            }
            count.before_login = count.before_login.saturating_sub(1);
            count.logged_in += 1;
        }
        entry.logged_in = true;
        Ok(())
    }

    /// Counts the connection as before its login: the login was refused after all, or the session is over.
    pub(super) fn log_out(&self) {
        let mut table = self.admission.table();
        let Some(entry) = table.open.get_mut(&self.number).filter(|entry| entry.logged_in) else { return };
        entry.logged_in = false;
        let address = entry.address;
        table.count(address, |count| {
            count.logged_in = count.logged_in.saturating_sub(1);
            count.before_login += 1;
        });
    }

    /// Whether the connection had to make room.
    pub(super) fn is_evicted(&self) -> bool {
        self.admission.table().open.get(&self.number).is_some_and(|entry| entry.evicted)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut table = self.admission.table();
        if let Some(entry) = table.open.remove(&self.number) {
            table.leaving -= usize::from(entry.evicted);
            table.count(entry.address, |count| {
                let counted = if entry.logged_in { &mut count.logged_in } else { &mut count.before_login };
                *counted = counted.saturating_sub(1);
            });
        }
        drop(table);
        self.admission.left.notify_all();
    }
}

impl Address {
    fn of(peer: IpAddr) -> Self {
        match peer.to_canonical() {
            IpAddr::V4(address) => Self::V4(address.octets()),
            IpAddr::V6(address) => {
                let [a, b, c, d, e, f, g, h, ..] = address.octets();
                Self::V6Network([a, b, c, d, e, f, g, h])
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::TcpListener;
    use std::time::{Duration, Instant};

    use super::*;

    fn admission(connections: usize, before_login: usize, logged_in: usize) -> Arc<Admission> {
        let limits = Limits {
            connections,
            connections_per_address_before_login: before_login,
            connections_per_address: logged_in,
            ..Limits::default()
        };
        Admission::new(&limits)
    }

    fn pair() -> (Arc<TcpStream>, TcpStream) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let far = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (Arc::new(listener.accept().unwrap().0), far)
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_is_one_of_ipv4_or_a_network_of_ipv6() {
        let admission = admission(100, 1, 1);
        let (socket, _far) = pair();
        let enter = |peer| admission.enter(Some(address(peer)), &socket);
        let _tickets = [enter("192.0.2.1"), enter("192.0.2.2"), enter("2001:db8:0:1::1")].map(Result::unwrap);
        assert_eq!(enter("::ffff:192.0.2.1").unwrap_err(), Crowded::Address);
        assert_eq!(enter("2001:db8:0:1:ffff::").unwrap_err(), Crowded::Address);
        assert!(enter("2001:db8:0:2::1").is_ok());
    }

    #[test]
    fn a_place_comes_back_however_its_owner_ends() {
        let admission = admission(100, 1, 1);
        let (socket, _far) = pair();
        let peer = address("192.0.2.1");
        for _ in 0..3 {
            let (first, _) = admission.enter(Some(peer), &socket).unwrap();
            first.log_in().unwrap();
            assert_eq!(first.log_in(), Err(Crowded::Server));
            let (second, _) = admission.enter(Some(peer), &socket).unwrap();
            assert_eq!(second.log_in(), Err(Crowded::Address));
            first.log_out();
            second.log_in().unwrap();
            assert_eq!(admission.open(), 2);
        }
        assert_eq!(admission.open(), 0);
        let table = admission.table();
        assert!(table.addresses.is_empty() && table.leaving == 0);
    }

    #[test]
    fn a_connection_through_a_proxy_counts_for_its_client_and_the_proxy_for_nothing() {
        let admission = admission(5, 1, 1);
        let (socket, _far) = pair();
        let enter = || admission.enter(None, &socket).unwrap().0;
        let (first, second, check) = (enter(), enter(), enter());
        first.name(address("2001:db8::1")).unwrap();
        assert_eq!(second.name(address("2001:db8::2")), Err(Crowded::Address));
        first.log_in().unwrap();
        second.name(address("2001:db8::2")).unwrap();
        assert_eq!(second.log_in(), Err(Crowded::Address));
        // Nobody's: without limits but that of the whole.
        check.log_in().unwrap();
        enter().log_in().unwrap();
        check.log_out();
        drop((first, check));
        second.log_in().unwrap();
        drop(second);
        let table = admission.table();
        assert!(table.addresses.is_empty() && table.open.is_empty());
    }

    #[test]
    fn pb_s38_who_had_to_go_is_not_named() {
        let admission = admission(1, 9, 9);
        let (socket, _far) = pair();
        let (evicted, _) = admission.enter(None, &socket).unwrap();
        let (_next, _) = admission.enter(None, &socket).unwrap();
        assert_eq!(evicted.name(address("192.0.2.1")), Err(Crowded::Server));
        assert!(admission.table().addresses.is_empty());
    }

    #[test]
    fn pb_s38_the_oldest_without_a_login_makes_room() {
        let admission = admission(3, 100, 100);
        let peer = address("192.0.2.1");
        let sockets: Vec<_> = (0..3).map(|_| pair()).collect();
        let tickets: Vec<_> =
            sockets.iter().map(|(socket, _)| admission.enter(Some(peer), socket).unwrap().0).collect();
        tickets[0].log_in().unwrap();
        let (socket, _far) = pair();
        let (last, evicted) = admission.enter(Some(peer), &socket).unwrap();
        assert!(evicted);
        assert_eq!(tickets.iter().map(Ticket::is_evicted).collect::<Vec<_>>(), [false, true, false]);
        assert_eq!((&sockets[1].1).read(&mut [0]).unwrap(), 0);
        assert_eq!(tickets[1].log_in(), Err(Crowded::Server));
        tickets[2].log_in().unwrap();
        last.log_in().unwrap();
        assert_eq!(admission.enter(Some(peer), &socket).unwrap_err(), Crowded::Server);
        drop(tickets);
        assert!(!admission.enter(Some(peer), &socket).unwrap().1);
    }

    #[test]
    fn pb_s38_evicted_threads_do_not_pile_up() {
        let admission = admission(1, 1000, 1000);
        let (socket, _far) = pair();
        let enter = || admission.enter(Some(address("192.0.2.1")), &socket);
        let tickets: Vec<_> = (0..1000).map_while(|_| enter().ok()).collect();
        assert_eq!(tickets.len(), 1 + LEAVING_MAX);
    }

    #[test]
    fn waiting_for_the_last_ends_with_it_or_at_the_deadline() {
        let admission = admission(1, 1, 1);
        let (socket, _far) = pair();
        let ticket = admission.enter(Some(address("192.0.2.1")), &socket).unwrap();
        assert!(!admission.wait_until_empty(Deadline::at(Instant::now())));
        assert!(!admission.wait_until_empty(Deadline::after(Duration::from_millis(5))));
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| admission.wait_until_empty(Deadline::NEVER));
            drop(ticket);
            assert!(waiting.join().unwrap());
        });
    }
}
