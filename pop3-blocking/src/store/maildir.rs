//! wip
/// wip
#[derive(Debug)]
pub struct MaildirStore;
