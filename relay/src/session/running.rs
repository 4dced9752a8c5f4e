//! The statements of a session that were permitted and may still say something.

use super::rows::Rows;
use crate::mask::{About, Counts};
use std::{collections::VecDeque, time::Instant};

/// A statement that runs.
pub(super) struct Running {
    pub(super) number: u64,
    pub(super) about: About,
    pub(super) since: Instant,
    pub(super) rows: Rows,
    pub(super) counts: Counts,
    /// It has ended, or one statement of several has.
    pub(super) completed: bool,
    /// It is measured, and has not answered yet.
    pub(super) measured: bool,
}

/// The statements that run, in the order of their numbers.
#[derive(Default)]
pub(super) struct RunningList {
    list: VecDeque<Running>,
    /// The highest number of which a statement has ended.
    last_completed: u64,
    in_flight: u64,
    /// When one did.
    completed_at: Option<Instant>,
}

/// More than the engine lets be in flight; beyond, the oldest can only be a suspended portal that nobody closed.
const MOST_RUNNING: usize = 3 * weir_protocol::postgres::MOST_IN_FLIGHT;

impl RunningList {
    pub(super) fn find(&mut self, number: u64) -> Option<&mut Running> {
        let at = self.list.binary_search_by_key(&number, |running| running.number).ok()?;
        self.list.get_mut(at)
    }

    /// One of the texts of a query, or an execution, has ended.
    pub(super) fn complete(&mut self, number: u64, suspended: bool, now: Instant) -> Option<&mut Running> {
        self.completed_at = Some(now);
        self.last_completed = self.last_completed.max(number);
        let at = self.list.binary_search_by_key(&number, |running| running.number).ok()?;
        let running = self.list.get_mut(at)?;
        if !running.completed && !suspended {
            self.in_flight = self.in_flight.saturating_sub(1);
        }
        running.completed = !suspended;
        Some(running)
    }

    /// Statements of which nothing has ended.
    pub(super) fn in_flight(&self) -> u64 {
        self.in_flight
    }

    /// Since when the resource works on this statement: it began once the one before had ended.
    pub(super) fn since(&mut self, number: u64) -> Option<Instant> {
        let since = self.find(number)?.since;
        Some(self.completed_at.map_or(since, |before| before.max(since)))
    }

    pub(super) fn push(&mut self, running: Running) {
        // Answers come in order: once a later one has ended, an earlier one says no more. Before, it may: a query can hold
        // several statements.
        let over = |first: &Running| first.completed && first.number < self.last_completed;
        while self.list.front().is_some_and(over) {
            self.list.pop_front();
        }
        if self.list.len() >= MOST_RUNNING {
            let forgotten = self.list.pop_front().is_some_and(|first| !first.completed);
            self.in_flight = self.in_flight.saturating_sub(u64::from(forgotten));
        }
        self.in_flight += 1;
        self.list.push_back(running);
    }

    /// Those of which nothing has ended.
    pub(super) fn unfinished(&self) -> Vec<u64> {
        self.list.iter().filter(|running| !running.completed).map(|running| running.number).collect()
    }
}
