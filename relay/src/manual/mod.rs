//! The manual: why weir is as it is. Prose, kept beside the code it speaks of.
//!
//! - [`approvals`]: what a human's yes is bound to, and who may say it
//! - [`threats`]: who attacks, what they want, what stops them
//! - [`decisions`]: what was decided, and why
//! - [`metrics`]: what `/metrics` answers
//! - [`policy`]: how a decision comes about, and what policies may say
//! - [`postgres`]: the protocol line by line, and the tests that hold it
//! - the recording's format is documented at [`crate::record::container`]

pub mod approvals;
pub mod decisions;
pub mod metrics;
pub mod policy;
pub mod postgres;
pub mod threats;
