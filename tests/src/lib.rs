//! What the tests of this package share: real peers, and the programs of this build.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test helper that cannot do its work ends the test"
)]

pub mod matrix;
pub mod names;
pub mod peers;
pub mod player;
pub mod pop3d;
pub mod programs;
pub mod simulation;
pub mod table;
pub mod world;
