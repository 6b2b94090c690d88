//! What the tests of this package share: real peers, the programs of this build, and both roles in memory.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test helper that cannot do its work ends the test"
)]

pub mod cuts;
pub mod matrix;
pub mod peers;
pub mod player;
pub mod pop3d;
pub mod programs;
pub mod world;
