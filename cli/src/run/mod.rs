//! What `weir run` does with the command that it runs.
//!
//! - [`environment`]: what it finds in its environment
//! - [`child`]: starts it, passes signals on, ends what it leaves behind
//! - [`isolate`]: a network of its own
//! - [`terminal`]: a terminal of its own, when ours is one; [`scrub`]: what it prints, without secrets

pub(crate) mod child;
pub(crate) mod environment;
pub(crate) mod isolate;
pub(crate) mod scrub;
pub(crate) mod terminal;
