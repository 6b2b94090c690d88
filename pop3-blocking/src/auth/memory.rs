//! wip
/// wip
#[derive(Debug)]
pub struct MemoryUsers;
