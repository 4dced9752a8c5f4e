//! The manual: why weir is as it is. Prose, kept beside the code it speaks of.
//!
//! - [`threats`]: who attacks, what they want, what stops them
//! - [`decisions`]: what was decided, and why
//! - [`metrics`]: what `/metrics` answers
//! - [`policy`]: how a decision comes about, and what policies may say
//! - [`postgres`]: the protocol line by line, and the tests that hold it
//! - the recording's format is documented at [`crate::record::container`]

pub mod decisions;
pub mod metrics;
pub mod policy;
pub mod postgres;
pub mod threats;
