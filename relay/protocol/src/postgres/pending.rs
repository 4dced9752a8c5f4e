//! What the server still owes, in the order in which it was asked.

use super::{Portal, Statement};
use crate::Shape;
use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::{Arc, atomic::Ordering};

#[derive(Debug)]
pub(super) enum Pending {
    /// Until `ReadyForQuery`.
    Query {
        number: u64,
        /// As [`crate::Action::lasting`].
        lasting: bool,
        refused: Option<Bytes>,
        shape: Shape,
    },
    Parse {
        name: Bytes,
        statement: Arc<Statement>,
    },
    /// None when it is not known what runs on the portal.
    Bind {
        name: Bytes,
        portal: Option<Arc<Portal>>,
    },
    /// Of a statement or portal; `swallow` when the client did not ask.
    Describe {
        statement: Option<Arc<Statement>>,
        swallow: bool,
    },
    Execute {
        number: u64,
        /// As [`crate::Action::lasting`].
        lasting: bool,
        portal: Option<Arc<Portal>>,
        refused: Option<Bytes>,
        announced: bool,
    },
    CloseStatement {
        name: Bytes,
    },
    ClosePortal {
        name: Bytes,
    },
    Sync,
    /// The client ended a COPY before the server was seen to begin it.
    CopyEnd,
}

impl Pending {
    /// An execution that fails; the client is told `refused`, or nothing of its own.
    pub(super) fn fails(number: u64, refused: Option<Bytes>) -> Self {
        Self::Execute { number, lasting: false, portal: None, refused, announced: true }
    }
}

/// Whether the server reads COPY data, as far as is known of what was sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum CopyIn {
    #[default]
    No,
    Reads,
    /// Until it reads the request that the client sent inside, by which the COPY fails.
    Intruded,
}

#[derive(Debug, Default)]
pub(super) struct Queue {
    entries: VecDeque<Pending>,
    /// The server skips everything up to a Sync that the client has not sent yet.
    pub(super) skipping: bool,
    pub(super) copy_in: CopyIn,
    /// Syncs inside the COPY that runs: the server ignores them.
    pub(super) ignored: usize,
    /// Those of a COPY that has failed: each that the server read after that is answered by a `ReadyForQuery`, before
    /// anything that came behind it is. How many those are shows when something else is answered.
    pub(super) perhaps: usize,
}

impl Queue {
    pub(super) fn is_empty(&self) -> bool {
        self.entries.iter().all(|entry| matches!(entry, Pending::CopyEnd))
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn push(&mut self, entry: Pending) {
        if self.copy_in == CopyIn::Reads {
            self.copy_in = CopyIn::Intruded;
        }
        self.entries.push_back(entry);
    }

    /// The entry that the server's next answer belongs to.
    pub(super) fn front(&mut self) -> Option<&mut Pending> {
        while matches!(self.entries.front(), Some(Pending::CopyEnd)) {
            self.entries.pop_front();
        }
        self.entries.front_mut()
    }

    pub(super) fn pop(&mut self) -> Option<Pending> {
        self.entries.pop_front()
    }

    /// The statement that the server works on. What is answered before it (a Bind, most often) takes no time, but its
    /// answer may be held back until the statement's.
    pub(super) fn running(&self) -> Option<u64> {
        self.entries.iter().find_map(|entry| match entry {
            Pending::Query { number, .. } | Pending::Execute { number, .. } => Some(*number),
            _ => None,
        })
    }

    /// True when the server says that it is ready without hearing more: it does not wait for COPY data, or for a Sync.
    pub(super) fn owes(&self) -> bool {
        let ends = |entry: &Pending| matches!(entry, Pending::Query { .. } | Pending::Sync);
        self.copy_in != CopyIn::Reads && self.entries.iter().any(ends)
    }

    /// True when the client has ended the segment that the server works on.
    pub(super) fn has_sync(&self) -> bool {
        self.entries.iter().any(|entry| matches!(entry, Pending::Sync))
    }

    /// After an error in the extended protocol: takes what the server skips, up to the Sync.
    pub(super) fn take_skipped(&mut self) -> Vec<Pending> {
        let end = self.entries.iter().position(|entry| matches!(entry, Pending::Sync));
        self.skipping = end.is_none();
        self.entries.drain(..end.unwrap_or(self.entries.len())).collect()
    }

    /// The server begins to read COPY data for the first entry: it ignores every Sync up to the end of the data.
    pub(super) fn begin_copy_in(&mut self) {
        while matches!(self.entries.get(1), Some(Pending::Sync)) {
            self.entries.remove(1);
            self.ignored += 1;
        }
        self.copy_in = match self.entries.get(1) {
            None => CopyIn::Reads,
            Some(Pending::CopyEnd) => {
                self.entries.remove(1);
                CopyIn::No
            }
            Some(_) => CopyIn::Intruded,
        };
    }

    /// The first entry has failed. False when what the server does with the requests behind it cannot be told;
    /// `intruder` says that it may have failed by a request inside COPY.
    pub(super) fn fail(&mut self, intruder: bool) -> bool {
        let intruded = std::mem::take(&mut self.copy_in) == CopyIn::Intruded;
        self.perhaps = std::mem::take(&mut self.ignored);
        if let Some(query @ Pending::Query { .. }) = self.entries.front_mut() {
            if self.perhaps > 0 {
                // Its own end, which comes before theirs.
                *query = Pending::Sync;
            }
            // Up to version 13 the server goes on behind the intruder, not with it.
            return !(intruded && intruder);
        }
        // It skips to one of those Syncs, or to the next that it does not ignore.
        let mut behind = self.entries.iter().skip(1).filter(|entry| !matches!(entry, Pending::CopyEnd));
        self.perhaps == 0 || matches!(behind.next(), None | Some(Pending::Sync))
    }

    /// The server answers something else than an error or `ReadyForQuery`.
    pub(super) fn answers(&mut self) {
        (self.ignored, self.perhaps) = (0, 0);
    }

    /// A `ReadyForQuery` has come. None when none was due, false when it ends nothing but a Sync of a failed COPY.
    pub(super) fn ready(&mut self) -> Option<bool> {
        let due = match self.front() {
            Some(Pending::Sync) => true,
            // Of one that was answered none is left.
            Some(Pending::Query { .. }) => self.perhaps == 0,
            _ => false,
        };
        if due {
            self.pop();
            return Some(true);
        }
        self.perhaps = self.perhaps.checked_sub(1)?;
        self.skipping = false;
        Some(false)
    }
}

/// A Describe that was skipped has described nothing.
pub(super) fn undescribed(statement: Option<&Arc<Statement>>) {
    if let Some(statement) = statement {
        statement.describing.store(false, Ordering::Relaxed);
    }
}
