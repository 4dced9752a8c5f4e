//! The series of one resource, found once when the relay starts, and what one session counts and measures for them.

use super::{
    Label, Series, Stages, Telemetry,
    histogram::{Histogram, nanos},
    tally::{CLASSES, Cell, Census, Sums, Tally},
};
use crate::{mask::Counts, session::facts};
use prometheus_client::metrics::{counter::Counter, gauge::Gauge};
use std::{
    sync::{Arc, Mutex, PoisonError, atomic::Ordering},
    time::{Duration, Instant},
};
use weir_policy::sql::Class;
use weir_shared::{config::checked::Resource, id::SessionId};

/// The stages of one request in so many are measured. A prime, so that what a client repeats does not keep step with it.
pub const SAMPLE: u8 = 17;

/// What was decided about a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judged {
    /// It runs.
    Allow,
    /// A human decides.
    Hold,
    /// It does not run.
    Deny,
}

impl Judged {
    pub(super) const ALL: [Self; 3] = [Self::Allow, Self::Hold, Self::Deny];

    /// As recordings and labels name it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Hold => "hold",
            Self::Deny => "deny",
        }
    }
}

/// The series of one resource.
#[derive(Debug)]
pub struct ResourceSeries {
    label: Label,
    /// Sessions that began.
    pub opened: Counter,
    /// Requests that a human was asked about.
    pub approvals: Counter,
    /// Of the sessions that have ended.
    ended: Mutex<Sums>,
    // What follows is set when somebody asks.
    statement_seconds: Histogram,
    counters: Vec<(Cell, Counter)>,
    open: Gauge,
    in_flight: Gauge,
    to_client: Gauge,
    to_upstream: Gauge,
}

impl ResourceSeries {
    pub(super) fn new(all: &Telemetry, resource: &Resource) -> Self {
        let label = Label::from(resource);
        let one = |series: &Series<1, Counter>| series.with([label.clone()]);
        let bytes = |side: &'static str, direction: &'static str| {
            all.session_bytes.with([label.clone(), side.into(), direction.into()])
        };
        let statements = CLASSES.into_iter().flat_map(|class| {
            let label = label.clone();
            Judged::ALL.map(move |judged| {
                let values = [label.clone(), facts::name(class).into(), judged.as_str().into()];
                (Cell::Statements(class, judged), all.statements.with(values))
            })
        });
        let others = [
            (Cell::Evaluations, one(&all.policy_evaluations)),
            (Cell::Rows, one(&all.rows)),
            (Cell::ClientReceived, bytes("client", "received")),
            (Cell::ClientSent, bytes("client", "sent")),
            (Cell::UpstreamReceived, bytes("upstream", "received")),
            (Cell::UpstreamSent, bytes("upstream", "sent")),
        ];
        Self {
            opened: one(&all.sessions_opened),
            approvals: one(&all.approvals_requested),
            statement_seconds: all.statement_seconds.with([label.clone()]),
            ended: Mutex::default(),
            counters: statements.chain(others).collect(),
            open: all.sessions_open.with([label.clone()]),
            in_flight: all.statements_in_flight.with([label.clone()]),
            to_client: all.queued_bytes.with([label.clone(), "client".into()]),
            to_upstream: all.queued_bytes.with([label.clone(), "upstream".into()]),
            label,
        }
    }

    /// The resource's name, as a label.
    #[must_use]
    pub fn label(&self) -> Label {
        self.label.clone()
    }

    /// What the sessions that have ended added up to.
    #[must_use]
    pub fn ended(&self) -> Sums {
        *self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A session leaves what it counted. Whoever takes a census must not see it here and among the open ones as well.
    pub fn leave(&self, tally: &Tally) {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner).add(tally);
    }

    /// Sets what is told only when somebody asks.
    pub(super) fn set(&self, census: &Census) {
        for (cell, counter) in &self.counters {
            // Two who ask at once may not take it back.
            counter.inner().fetch_max(census.sums.of(*cell), Ordering::Relaxed);
        }
        census.sums.set_time(&self.statement_seconds);
        let set = |gauge: &Gauge, value: u64| gauge.set(value.cast_signed());
        set(&self.open, census.sessions);
        set(&self.in_flight, census.in_flight);
        set(&self.to_client, census.to_client);
        set(&self.to_upstream, census.to_upstream);
    }
}

/// Bytes moved since they were last told, and those that wait now.
#[derive(Clone, Copy, Debug, Default)]
pub struct Traffic {
    /// Read from the client.
    pub client_received: u64,
    /// Written to the client.
    pub client_sent: u64,
    /// Read from the resource.
    pub upstream_received: u64,
    /// Written to the resource.
    pub upstream_sent: u64,
    /// Waiting for the client.
    pub to_client: u64,
    /// Waiting for the resource.
    pub to_upstream: u64,
}

/// What one session counts and measures. Made when it opens; looks nothing up afterwards.
pub struct SessionMetrics {
    series: Arc<ResourceSeries>,
    stages: Arc<Stages>,
    tally: Arc<Tally>,
    by_rule: Series<2, Counter>,
    /// Those of the rules that have matched.
    masked: Vec<(&'static str, Counter)>,
    /// Statements until the next one is measured.
    until: u8,
    /// When judging a measured statement began.
    begun: Option<Instant>,
    /// An intent of a measured statement is not written yet.
    unwritten: bool,
}

impl SessionMetrics {
    /// For one session, which counts in `tally`; nobody else may.
    #[must_use]
    pub fn new(all: &Telemetry, resource: &Resource, session: SessionId, tally: Arc<Tally>) -> Self {
        Self {
            series: all.resource(resource),
            stages: Arc::clone(&all.stages),
            tally,
            by_rule: all.masked_values.clone(),
            masked: Vec::new(),
            // Sessions begin anywhere, so that short ones are measured in proportion.
            until: session.as_bytes().last().copied().unwrap_or(0) % SAMPLE,
            begun: None,
            unwritten: false,
        }
    }

    /// A request is about to be judged.
    pub fn begin(&mut self) {
        self.begun = if self.until == 0 {
            self.until = SAMPLE;
            Some(Instant::now())
        } else {
            None
        };
        self.until -= 1;
    }

    /// It was judged.
    pub fn judged(&mut self) {
        if let Some(begun) = self.begun {
            self.stages.judge.took(begun.elapsed());
        }
    }

    /// It counts as a statement of this class.
    pub fn statement(&self, class: Class, judged: Judged) {
        self.tally.add(Cell::Statements(class, judged), 1);
    }

    /// Policy answered a question.
    pub fn evaluated(&self) {
        self.tally.add(Cell::Evaluations, 1);
    }

    /// The facts of a text were looked up.
    pub fn looked_up(&self, known: bool) {
        self.tally.add(if known { Cell::FactsKnown } else { Cell::FactsMade }, 1);
    }

    /// It goes out. True when it is measured.
    pub fn permitted(&mut self) -> bool {
        let measured = self.begun.take().is_some();
        self.unwritten |= measured;
        measured
    }

    /// Intents are about to be written; the time, when they are measured.
    pub fn writing(&mut self) -> Option<Instant> {
        std::mem::take(&mut self.unwritten).then(Instant::now)
    }

    /// They were.
    pub fn written(&self, since: Option<Instant>) {
        if let Some(since) = since {
            self.stages.record.took(since.elapsed());
        }
    }

    /// The first rows of a measured statement have come; the time.
    #[must_use]
    pub fn answered(&self, since: Instant) -> Instant {
        let now = Instant::now();
        self.stages.answer.took(now - since);
        now
    }

    /// Rows are masked and recorded; the time that [`SessionMetrics::answered`] gave for the first ones.
    pub fn delivered(&self, rows: u64, since: Option<Instant>) {
        self.tally.add(Cell::Rows, rows);
        if let Some(since) = since {
            self.stages.mask.took(since.elapsed());
        }
    }

    /// A human is asked.
    pub fn asked(&self) {
        self.series.approvals.inc();
    }

    /// A human has decided, or will not.
    pub fn approval_ended(&self, all: &Telemetry, outcome: &'static str) {
        all.approvals_ended.with([self.series.label(), outcome.into()]).inc();
    }

    /// A statement has ended.
    pub fn completed(&mut self, took: Duration, masked: &Counts) {
        self.tally.took(nanos(took));
        for (rule, count) in masked.iter() {
            self.tally.add(Cell::Masked, count);
            match self.masked.iter().find(|(name, _)| *name == rule) {
                Some((_, counter)) => counter.inc_by(count),
                None => {
                    let counter = self.by_rule.with([self.series.label(), rule.into()]);
                    counter.inc_by(count);
                    self.masked.push((rule, counter));
                    count
                }
            };
        }
    }

    /// Tells what has moved; called once the task has nothing left to move.
    pub fn publish(&self, traffic: Traffic, in_flight: u64) {
        self.tally.add(Cell::ClientReceived, traffic.client_received);
        self.tally.add(Cell::ClientSent, traffic.client_sent);
        self.tally.add(Cell::UpstreamReceived, traffic.upstream_received);
        self.tally.add(Cell::UpstreamSent, traffic.upstream_sent);
        self.tally.to_client.store(traffic.to_client, Ordering::Relaxed);
        self.tally.to_upstream.store(traffic.to_upstream, Ordering::Relaxed);
        self.tally.in_flight.store(in_flight, Ordering::Relaxed);
    }
}
