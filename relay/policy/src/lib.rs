//! weir-policy: facts about a statement ([`sql`]) and the decision over them ([`bundle`]). Sync and pure; the only
//! crate that imports cedar and the only one that parses SQL.

pub mod bundle;
pub mod sql;
