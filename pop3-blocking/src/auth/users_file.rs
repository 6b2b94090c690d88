//! wip
/// wip
#[derive(Debug)]
pub struct UsersFile;
/// wip
#[derive(Debug)]
pub struct UsersFileError;
