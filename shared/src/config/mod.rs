//! The relay's configuration: what was typed ([`raw`]) becomes what is used ([`checked`]) in one step that reports
//! every problem together, each with file, line, key, value and the accepted form. [`mod@reference`] documents each key.

pub mod checked;
mod clients;
pub mod raw;
pub mod reference;

pub use raw::{Problem, Severity, duration_of, is_reachable, line_of, parse, parse_resource};
