//! wip
/// wip
#[derive(Debug)]
pub struct MemoryStore;
