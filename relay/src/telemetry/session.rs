//! The series of one resource, found once when the relay starts, and what one session adds to them: plain numbers that
//! go into the shared ones when its task has nothing left to move.

use super::{Label, Series, Stages, Telemetry, histogram::Histogram};
use crate::{mask::Counts, session::facts};
use prometheus_client::metrics::{counter::Counter, gauge::Gauge};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use weir_policy::sql::Class;
use weir_shared::{api::Counters, config::checked::Resource, id::SessionId};

/// The stages of one request in so many are measured. A prime, so that what a client repeats does not keep step with it.
pub const SAMPLE: u8 = 17;

/// The classes, as [`ResourceSeries::statements`] orders them.
const CLASSES: [Class; 5] = [Class::Session, Class::Read, Class::Write, Class::Ddl, Class::Admin];

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
    const ALL: [Self; 3] = [Self::Allow, Self::Hold, Self::Deny];

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
    /// Sessions open now; set when somebody asks.
    pub open: Gauge,
    /// By class and outcome.
    statements: [[Counter; 3]; 5],
    /// Questions that policy answered.
    pub evaluations: Counter,
    /// Requests that a human was asked about.
    pub approvals: Counter,
    rows: Counter,
    /// Of every rule.
    masked: AtomicU64,
    client: Side,
    upstream: Side,
    /// Statements sent that have not ended; set when somebody asks.
    pub in_flight: Gauge,
    statement_seconds: Histogram,
}

/// The series of one side.
#[derive(Debug)]
struct Side {
    received: Counter,
    sent: Counter,
    queued: Gauge,
}

impl ResourceSeries {
    pub(super) fn new(all: &Telemetry, resource: &Resource) -> Self {
        let label = Label::from(resource);
        let one = |series: &Series<1, Counter>| series.with([label.clone()]);
        let side = |name: &'static str| Side {
            received: all.session_bytes.with([label.clone(), name.into(), "received".into()]),
            sent: all.session_bytes.with([label.clone(), name.into(), "sent".into()]),
            queued: all.queued_bytes.with([label.clone(), name.into()]),
        };
        let statements = |class: Class| {
            let of = |judged: Judged| [label.clone(), facts::name(class).into(), judged.as_str().into()];
            Judged::ALL.map(|judged| all.statements.with(of(judged)))
        };
        Self {
            opened: one(&all.sessions_opened),
            open: all.sessions_open.with([label.clone()]),
            statements: CLASSES.map(statements),
            evaluations: one(&all.policy_evaluations),
            approvals: one(&all.approvals_requested),
            rows: one(&all.rows),
            masked: AtomicU64::new(0),
            client: side("client"),
            upstream: side("upstream"),
            in_flight: all.statements_in_flight.with([label.clone()]),
            statement_seconds: all.statement_seconds.with([label.clone()]),
            label,
        }
    }

    /// The resource's name, as a label.
    #[must_use]
    pub fn label(&self) -> Label {
        self.label.clone()
    }

    /// What was counted so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        let of = |judged: Judged| -> u64 {
            self.statements.iter().filter_map(|by| by.get(judged as usize)).map(Counter::get).sum()
        };
        let denied = of(Judged::Deny);
        Counters {
            statements: of(Judged::Allow) + of(Judged::Hold) + denied,
            denied,
            rows: self.rows.get(),
            masked: self.masked.load(Ordering::Relaxed),
        }
    }

    /// Sets what is looked at only when somebody asks.
    pub(super) fn set_load(&self, census: Census) {
        let set = |gauge: &Gauge, value: u64| gauge.set(value.cast_signed());
        set(&self.open, census.sessions);
        set(&self.in_flight, census.in_flight);
        set(&self.client.queued, census.to_client);
        set(&self.upstream.queued, census.to_upstream);
    }
}

/// What a session has waiting, told to whoever asks. Only the session's task writes it.
#[derive(Debug, Default)]
pub struct Load {
    to_client: AtomicU64,
    to_upstream: AtomicU64,
    in_flight: AtomicU64,
}

/// Sessions, and what they have waiting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// Sessions.
    pub sessions: u64,
    /// Bytes that wait to be written to clients.
    pub to_client: u64,
    /// Bytes that wait to be written to resources.
    pub to_upstream: u64,
    /// Statements sent that have not ended.
    pub in_flight: u64,
}

impl Census {
    /// One more session.
    pub fn add(&mut self, load: &Load) {
        self.sessions += 1;
        self.to_client += load.to_client.load(Ordering::Relaxed);
        self.to_upstream += load.to_upstream.load(Ordering::Relaxed);
        self.in_flight += load.in_flight.load(Ordering::Relaxed);
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
    load: Arc<Load>,
    by_rule: Series<2, Counter>,
    /// Those of the rules that have matched.
    masked: Vec<(&'static str, Counter)>,
    /// Statements until the next one is measured.
    until: u8,
    /// When judging a measured statement began.
    begun: Option<Instant>,
    /// An intent of a measured statement is not written yet.
    unwritten: bool,
    rows: u64,
}

impl SessionMetrics {
    /// For one session, whose load is told by `load`.
    #[must_use]
    pub fn new(all: &Telemetry, resource: &Resource, session: SessionId, load: Arc<Load>) -> Self {
        Self {
            series: all.resource(resource),
            stages: Arc::clone(&all.stages),
            load,
            by_rule: all.masked_values.clone(),
            masked: Vec::new(),
            // Sessions begin anywhere, so that short ones are measured in proportion.
            until: session.as_bytes().last().copied().unwrap_or(0) % SAMPLE,
            begun: None,
            unwritten: false,
            rows: 0,
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
        if let Some(counter) = self.series.statements.get(class as usize).and_then(|by| by.get(judged as usize)) {
            counter.inc();
        }
    }

    /// Policy answered a question.
    pub fn evaluated(&self) {
        self.series.evaluations.inc();
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
    pub fn delivered(&mut self, rows: u64, since: Option<Instant>) {
        self.rows += rows;
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
        self.series.statement_seconds.took(took);
        for (rule, count) in masked.iter() {
            self.series.masked.fetch_add(count, Ordering::Relaxed);
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
    pub fn publish(&mut self, traffic: Traffic, in_flight: u64) {
        let add = |counter: &Counter, value: u64| {
            if value > 0 {
                counter.inc_by(value);
            }
        };
        let ResourceSeries { client, upstream, rows, .. } = &*self.series;
        add(rows, std::mem::take(&mut self.rows));
        add(&client.received, traffic.client_received);
        add(&client.sent, traffic.client_sent);
        add(&upstream.received, traffic.upstream_received);
        add(&upstream.sent, traffic.upstream_sent);
        self.load.to_client.store(traffic.to_client, Ordering::Relaxed);
        self.load.to_upstream.store(traffic.to_upstream, Ordering::Relaxed);
        self.load.in_flight.store(in_flight, Ordering::Relaxed);
    }
}
