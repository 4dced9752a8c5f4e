//! What one session counts, for itself: only its task writes, so adding is a load and a store on a line of memory that
//! no other thread wants. Whoever asks adds up the open sessions and what the ended ones left.

use super::{
    histogram::{self, Histogram},
    session::Judged,
};
use std::sync::atomic::{AtomicU64, Ordering};
use weir_policy::sql::Class;
use weir_shared::api::Counters;

/// Classes by outcomes.
const STATEMENTS: usize = 15;
/// Where the buckets of the statements' time begin.
const BUCKETS: usize = STATEMENTS + 10;
const CELLS: usize = BUCKETS + histogram::BUCKETS;

/// What is counted of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell {
    /// Statements judged.
    Statements(Class, Judged),
    /// Questions that policy answered.
    Evaluations,
    /// Texts whose facts the relay knew.
    FactsKnown,
    /// Texts that had to be parsed for theirs.
    FactsMade,
    /// Rows delivered.
    Rows,
    /// Values masked, by whatever rule.
    Masked,
    /// Bytes read from the client.
    ClientReceived,
    /// Bytes written to the client.
    ClientSent,
    /// Bytes read from the resource.
    UpstreamReceived,
    /// Bytes written to the resource.
    UpstreamSent,
    /// What statements took together, nanoseconds.
    Time,
    /// Statements that took so long, by bucket of the histogram.
    Bucket(usize),
}

impl Cell {
    fn index(self) -> usize {
        match self {
            Self::Statements(class, judged) => class as usize * Judged::ALL.len() + judged as usize,
            Self::Evaluations => STATEMENTS,
            Self::Rows => STATEMENTS + 1,
            Self::Masked => STATEMENTS + 2,
            Self::ClientReceived => STATEMENTS + 3,
            Self::ClientSent => STATEMENTS + 4,
            Self::UpstreamReceived => STATEMENTS + 5,
            Self::UpstreamSent => STATEMENTS + 6,
            Self::Time => STATEMENTS + 7,
            Self::FactsKnown => STATEMENTS + 8,
            Self::FactsMade => STATEMENTS + 9,
            Self::Bucket(bucket) => BUCKETS + bucket,
        }
    }
}

/// One of each, in the order of their indices.
type Cells<T> = [T; CELLS];

/// Adds where only one thread writes.
pub(super) fn add(cell: &AtomicU64, more: u64) {
    cell.store(cell.load(Ordering::Relaxed) + more, Ordering::Relaxed);
}

/// One session's.
#[derive(Debug)]
pub struct Tally {
    cells: Cells<AtomicU64>,
    pub(super) to_client: AtomicU64,
    pub(super) to_upstream: AtomicU64,
    pub(super) in_flight: AtomicU64,
}

impl Default for Tally {
    fn default() -> Self {
        let zero = AtomicU64::default;
        let cells = std::array::from_fn(|_| zero());
        Self { cells, to_client: zero(), to_upstream: zero(), in_flight: zero() }
    }
}

impl Tally {
    /// A statement took so many nanoseconds. By the session's task only.
    pub(super) fn took(&self, nanos: u64) {
        self.add(Cell::Time, nanos);
        self.add(Cell::Bucket(histogram::bucket(nanos)), 1);
    }

    /// By the session's task only.
    pub(super) fn add(&self, cell: Cell, more: u64) {
        if let Some(cell) = self.cells.get(cell.index()).filter(|_| more > 0) {
            add(cell, more);
        }
    }
}

/// What sessions add up to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sums(Cells<u64>);

impl Default for Sums {
    fn default() -> Self {
        Self([0; CELLS])
    }
}

impl Sums {
    /// Shows what statements took.
    pub(super) fn set_time(&self, histogram: &Histogram) {
        histogram.set(self.0.get(BUCKETS..).unwrap_or_default(), self.of(Cell::Time));
    }

    /// One more session's.
    pub fn add(&mut self, tally: &Tally) {
        for (sum, cell) in self.0.iter_mut().zip(&tally.cells) {
            *sum += cell.load(Ordering::Relaxed);
        }
    }

    /// One of them.
    #[must_use]
    pub fn of(&self, cell: Cell) -> u64 {
        self.0.get(cell.index()).copied().unwrap_or_default()
    }

    /// As the API tells them.
    #[must_use]
    pub fn counters(&self) -> Counters {
        let judged = |judged| CLASSES.map(|class| self.of(Cell::Statements(class, judged))).iter().sum::<u64>();
        Counters {
            statements: Judged::ALL.map(judged).iter().sum(),
            denied: judged(Judged::Deny),
            rows: self.of(Cell::Rows),
            masked: self.of(Cell::Masked),
        }
    }
}

/// Every class of statements.
pub(super) const CLASSES: [Class; 5] = [Class::Session, Class::Read, Class::Write, Class::Ddl, Class::Admin];

/// A resource's open sessions, what they have waiting, and what all of its sessions added up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// Sessions open now.
    pub sessions: u64,
    /// Bytes that wait to be written to clients.
    pub to_client: u64,
    /// Bytes that wait to be written to resources.
    pub to_upstream: u64,
    /// Statements sent that have not ended.
    pub in_flight: u64,
    /// Since the relay started.
    pub sums: Sums,
}

impl Census {
    /// One more open session.
    pub fn add(&mut self, tally: &Tally) {
        self.sessions += 1;
        self.to_client += tally.to_client.load(Ordering::Relaxed);
        self.to_upstream += tally.to_upstream.load(Ordering::Relaxed);
        self.in_flight += tally.in_flight.load(Ordering::Relaxed);
        self.sums.add(tally);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cell_is_its_own() {
        let statements = CLASSES.iter().flat_map(|class| Judged::ALL.map(|judged| Cell::Statements(*class, judged)));
        let others = [
            Cell::Evaluations,
            Cell::FactsKnown,
            Cell::FactsMade,
            Cell::Rows,
            Cell::Masked,
            Cell::ClientReceived,
            Cell::ClientSent,
            Cell::UpstreamReceived,
            Cell::UpstreamSent,
            Cell::Time,
        ];
        let buckets = (0..histogram::BUCKETS).map(Cell::Bucket);
        let mut seen: Vec<usize> = statements.chain(others).chain(buckets).map(Cell::index).collect();
        seen.sort_unstable();
        assert_eq!(seen, (0..CELLS).collect::<Vec<_>>());
    }
}
