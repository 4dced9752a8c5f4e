//! Recordings: one sealed, hash-chained file a session, written while it runs.
//!
//! - [`container`]: the file's layout, sealing and chain
//! - [`writer`]: appends frames, by the durability that the resource asks for
//! - [`index`]: which recordings there are, in the store
//! - [`read`]: the way back, to `api::Entry`

pub mod container;
pub mod index;
pub mod read;
mod syncer;
pub mod value;
pub mod writer;

pub use index::Index;
pub use syncer::{Lag, Syncer};
pub use writer::Recorder;

use std::path::{Path, PathBuf};
use weir_shared::id::SessionId;

/// A recording that cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The file system refused.
    #[error("the recording cannot be written or read: {0}")]
    Io(#[from] std::io::Error),
    /// The file is not what was written: which segment, and how.
    #[error("the recording was changed at segment {segment}: {what}")]
    Tampered {
        /// From 0.
        segment: u64,
        /// What does not fit.
        what: &'static str,
    },
    /// A frame does not encode or decode.
    #[error("a frame of the recording does not decode")]
    Frame,
    /// The cipher failed; this is a defect.
    #[error("the recording cannot be sealed")]
    Seal,
    /// No such recording.
    #[error("there is no recording of this session")]
    Missing,
}

/// Where a session's recording lies.
#[must_use]
pub fn path(folder: &Path, session: SessionId) -> PathBuf {
    folder.join(format!("{session}.weir"))
}
