//! weir-policy: facts about a statement ([`sql`]) or a shell command ([`shell`]), and the decision over them
//! ([`bundle`]). Sync and pure; the only crate that imports cedar and the only one that parses SQL and shell.

pub mod bundle;
pub mod shell;
pub mod sql;
