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

#[derive(Debug, Default)]
pub(super) struct Queue {
    entries: VecDeque<Pending>,
    /// The server skips everything up to a Sync that the client has not sent yet.
    pub(super) skipping: bool,
    /// The server reads COPY data.
    pub(super) copy_in: bool,
}

impl Queue {
    pub(super) fn is_empty(&self) -> bool {
        self.entries.iter().all(|entry| matches!(entry, Pending::CopyEnd))
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn push(&mut self, entry: Pending) {
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

    /// True when the client has ended the segment that the server works on.
    pub(super) fn has_sync(&self) -> bool {
        self.entries.iter().any(|entry| matches!(entry, Pending::Sync))
    }

    /// After an error in the extended protocol: takes what the server skips, up to the Sync.
    pub(super) fn take_skipped(&mut self) -> Vec<Pending> {
        let end = self.entries.iter().position(|entry| matches!(entry, Pending::Sync));
        self.skipping = end.is_none();
        self.copy_in = false;
        self.entries.drain(..end.unwrap_or(self.entries.len())).collect()
    }

    /// The server begins to read COPY data: it ignores every Sync up to the end of the data.
    pub(super) fn begin_copy_in(&mut self) {
        let end = self.entries.iter().position(|entry| matches!(entry, Pending::CopyEnd));
        let mut index = 0;
        self.entries.retain(|entry| {
            let drop = index <= end.unwrap_or(usize::MAX) && matches!(entry, Pending::Sync | Pending::CopyEnd);
            index += 1;
            !drop
        });
        self.copy_in = end.is_none();
    }
}

/// A Describe that was skipped has described nothing.
pub(super) fn undescribed(statement: Option<&Arc<Statement>>) {
    if let Some(statement) = statement {
        statement.describing.store(false, Ordering::Relaxed);
    }
}
