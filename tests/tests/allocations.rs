//! The core allocates nothing: the sessions that run on bare metal, run here under a counting allocator.
//!
//! The same files: a whole client session and a whole server session, with SASL, listings, a message, deletion and the end.

#[path = "../bare-metal/src/client.rs"]
mod client;
#[path = "../bare-metal/src/server.rs"]
mod server;

#[test]
fn law_1_a_client_session_allocates_nothing() {
    let counted = allocation_counter::measure(|| assert_eq!(client::run(), Ok(())));
    assert_eq!(counted.count_total, 0, "{counted:?}");
}

#[test]
fn law_1_a_server_session_allocates_nothing() {
    let counted = allocation_counter::measure(|| assert_eq!(server::run(), Ok(())));
    assert_eq!(counted.count_total, 0, "{counted:?}");
}

#[test]
fn the_counter_counts() {
    let counted = allocation_counter::measure(|| drop(std::hint::black_box(Box::new(1))));
    assert_eq!(counted.count_total, 1);
}
