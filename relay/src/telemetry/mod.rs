//! What the relay counts and measures, and how it is read: every metric stands in [`Telemetry`], once.
//!
//! - [`session`]: the series of a resource, found once, and what one session counts for them; [`tally`]: how
//! - [`histogram`]: without locks; [`tunnels`]: the QUIC connections and their paths; [`process`]: what `/proc` says
//! - [`lookups`]: of what sessions share
//! - [`scrape`]: what is looked at only when somebody asks, and the text that they get; [`serve`]: `/metrics`
//!
//! Nothing here is looked up or locked by a running statement. A label's value is a fixed text or a name of the
//! configuration ([`Label`] cannot be made of anything else), so the number of series is bounded.
//!
//! The reference for administrators is [`crate::manual::metrics`]; a test holds both together.

pub mod histogram;
pub mod lookups;
pub mod process;
pub mod scrape;
pub mod serve;
pub mod session;
pub mod tally;
pub mod tunnels;

#[cfg(test)]
mod tests;

use histogram::Histogram;
use process::Process;
use prometheus_client::{
    encoding::{EncodeLabelValue, EncodeMetric, LabelValueEncoder},
    metrics::{MetricType, TypedMetric, counter::Counter, family::Family, gauge::Gauge},
    registry::{Metric, Registry},
};
use session::ResourceSeries;
use std::{
    borrow::Cow,
    collections::BTreeMap,
    fmt,
    sync::{Arc, PoisonError, RwLock, atomic::AtomicU64},
};
use tunnels::Tunnels;
use weir_shared::{config::checked::Resource, id::ResourceName};

/// A gauge of a fraction.
pub type Fraction = Gauge<f64, AtomicU64>;

/// A label's value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Label(Cow<'static, str>);

impl From<&'static str> for Label {
    fn from(text: &'static str) -> Self {
        Self(Cow::Borrowed(text))
    }
}

impl From<&Resource> for Label {
    fn from(resource: &Resource) -> Self {
        Self(Cow::Owned(resource.name.to_string()))
    }
}

impl From<&Arc<Resource>> for Label {
    fn from(resource: &Arc<Resource>) -> Self {
        Self::from(&**resource)
    }
}

impl EncodeLabelValue for Label {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        self.0.encode(encoder)
    }
}

/// Names and values.
type Labels<const N: usize> = [(&'static str, Label); N];

/// A metric with labels. [`Series::with`] takes a lock: what is hot keeps what it returns.
#[derive(Clone, Debug)]
pub struct Series<const N: usize, M> {
    labels: [&'static str; N],
    family: Family<Labels<N>, M, fn() -> M>,
}

impl<const N: usize, M: Clone> Series<N, M> {
    /// The one with these values, in the order of the labels.
    #[must_use]
    pub fn with(&self, values: [Label; N]) -> M {
        let mut labels = self.labels.into_iter();
        self.family.get_or_create_owned(&values.map(|value| (labels.next().unwrap_or_default(), value)))
    }
}

/// How a metric is exposed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    /// Its name, with unit and suffix.
    pub name: String,
    /// `counter`, `gauge` or `histogram`.
    pub kind: &'static str,
    /// Its labels.
    pub labels: Vec<&'static str>,
    /// What it means.
    pub help: &'static str,
}

/// Every stage of the pipeline whose latency is measured. Those of a statement are measured for one statement in
/// [`session::SAMPLE`], so that the others read no clock for them.
#[derive(Debug)]
pub struct Stages {
    /// Looking up whose key it is; each stream.
    pub authenticate: Histogram,
    /// Asking policy whether a session may begin; each session.
    pub authorize: Histogram,
    /// Credential, dial, TLS, login and labels; each session.
    pub connect: Histogram,
    /// Parsing and deciding; sampled.
    pub judge: Histogram,
    /// Writing the intents to the recording; the writes that hold a sampled statement.
    pub record: Histogram,
    /// From the permit to the first rows; sampled.
    pub answer: Histogram,
    /// Masking and recording those first rows; sampled.
    pub mask: Histogram,
}

/// What recordings do.
#[derive(Clone, Debug)]
pub struct Recordings {
    /// How long an fsync took.
    pub sync: Histogram,
    /// Writes that failed.
    pub write_failures: Counter,
    /// Fsyncs that failed.
    pub sync_failures: Counter,
}

impl Default for Recordings {
    /// Ones that nobody reads.
    fn default() -> Self {
        let (write_failures, sync_failures) = (Counter::default(), Counter::default());
        Self { sync: Histogram::latency(), write_failures, sync_failures }
    }
}

/// Every metric of the relay. Counters begin at zero with the process.
#[derive(Debug)]
pub struct Telemetry {
    registry: Registry,
    described: Vec<Described>,
    resources: RwLock<BTreeMap<ResourceName, Arc<ResourceSeries>>>,
    /// Sessions that began: recorded, not yet connected. By resource.
    pub sessions_opened: Series<1, Counter>,
    /// Sessions that ended. By resource and reason: a fixed text, or the SQLSTATE that the client was told.
    pub sessions_ended: Series<2, Counter>,
    /// Sessions open now, beginning ones and cancel requests included. By resource.
    pub sessions_open: Series<1, Gauge>,
    /// Statements judged. By resource, class and outcome: `allow`, `hold`, `deny`.
    pub statements: Series<3, Counter>,
    /// Questions that policy answered anew, and not from what the session had decided before. By resource.
    pub policy_evaluations: Series<1, Counter>,
    /// Matches of policies that are not enforced. By resource and kind: `shadow`, `warn`, `failed`.
    pub policy_notices: Series<2, Counter>,
    /// Times that the policy files had changed and were loaded. By outcome: `loaded`, `same`, `refused`.
    pub policy_loads: Series<1, Counter>,
    /// Problems of the policy files; an earlier bundle is in force while there are any.
    pub policy_problems: Gauge,
    /// Look-ups in what sessions share. By cache and outcome: `hit`, `miss`.
    pub lookups: Series<2, Counter>,
    /// Whatever was refused. By where (`tunnel`, `session`, `statement`) and SQLSTATE.
    pub refusals: Series<2, Counter>,
    /// Requests that a human was asked about. By resource.
    pub approvals_requested: Series<1, Counter>,
    /// How they ended. By resource and outcome: `approved`, `denied`, `expired`, `withdrawn`, `failed`.
    pub approvals_ended: Series<2, Counter>,
    /// Requests that wait now; each holds up its session.
    pub approvals_pending: Gauge,
    /// Messages about requests. By channel and outcome: `sent`, `retried`, `failed`, `dropped`.
    pub notifications: Series<2, Counter>,
    /// Rows, and lines of COPY, delivered to clients. By resource.
    pub rows: Series<1, Counter>,
    /// Values masked in what was delivered. By resource and rule.
    pub masked_values: Series<2, Counter>,
    /// Bytes moved after both logins. By resource, side (`client`, `upstream`) and direction (`received`, `sent`).
    pub session_bytes: Series<3, Counter>,
    /// Bytes that wait to be written now. By resource and side.
    pub queued_bytes: Series<2, Gauge>,
    /// Statements sent that have not ended. By resource.
    pub statements_in_flight: Series<1, Gauge>,
    /// From a statement's permit to its end, seconds. By resource.
    pub statement_seconds: Series<1, Histogram>,
    /// Latency of each stage, seconds.
    pub stages: Arc<Stages>,
    /// Resources that could not be reached or logged in to. By resource and step.
    pub upstream_failures: Series<2, Counter>,
    /// Tunnels that began. By transport.
    pub tunnels_opened: Series<1, Counter>,
    /// Tunnels open now. By transport.
    pub tunnels_open: Series<1, Gauge>,
    /// QUIC's paths.
    pub tunnels: Tunnels,
    /// Handshakes. By transport (`quic`, `tls`) and outcome (`done`, `failed`, `shed`, `stranger`).
    pub handshakes: Series<2, Counter>,
    /// Connections that ended with an error. By transport; `accept` for those that could not even be accepted.
    pub connection_errors: Series<1, Counter>,
    /// What recordings do.
    pub recordings: Recordings,
    /// Seconds since the oldest write that is not on the disk yet.
    pub recording_lag: Fraction,
    /// Bytes of recordings that are not in their files yet.
    pub recording_pending: Gauge,
    /// The process.
    pub process: Process,
}

impl Telemetry {
    /// Everything at zero, with the series of each of these resources.
    #[must_use]
    pub fn new(resources: &[Arc<Resource>]) -> Self {
        let mut list = List::default();
        let build =
            list.labelled::<1, Gauge>("weir_build_info", ["version"], "1; the version is the label", Gauge::default);
        build.with([env!("CARGO_PKG_VERSION").into()]).set(1);
        let stage = list.labelled("weir_stage_seconds", ["stage"], "latency of a stage", Histogram::latency);
        let stage = |name: &'static str| stage.with([name.into()]);
        let failures = list.labelled::<1, Counter>(
            "weir_recording_failures",
            ["operation"],
            "writes and fsyncs of recordings that failed",
            Counter::default,
        );
        let telemetry = Self {
            sessions_opened: list.counters("weir_sessions_opened", ["resource"], "sessions that began"),
            sessions_ended: list.counters("weir_sessions_ended", ["resource", "reason"], "sessions that ended"),
            sessions_open: list.gauges("weir_sessions_open", ["resource"], "sessions open now"),
            statements: list.counters("weir_statements", ["resource", "class", "outcome"], "statements judged"),
            policy_evaluations: list.counters(
                "weir_policy_evaluations",
                ["resource"],
                "questions that policy answered anew",
            ),
            policy_notices: list.counters(
                "weir_policy_notices",
                ["resource", "kind"],
                "matches of policies that are not enforced",
            ),
            policy_loads: list.counters(
                "weir_policy_loads",
                ["outcome"],
                "times that changed policy files were loaded",
            ),
            policy_problems: list
                .one("weir_policy_problems", "problems of the policy files; an earlier bundle stays in force"),
            lookups: list.counters("weir_cache_lookups", ["cache", "outcome"], "look-ups in what sessions share"),
            refusals: list.counters("weir_refusals", ["at", "sqlstate"], "what was refused"),
            approvals_requested: list.counters(
                "weir_approvals_requested",
                ["resource"],
                "requests that a human was asked about",
            ),
            approvals_ended: list.counters(
                "weir_approvals_ended",
                ["resource", "outcome"],
                "how requests to humans ended",
            ),
            approvals_pending: list.one("weir_approvals_pending", "requests that wait for a human now"),
            notifications: list.counters(
                "weir_notifications",
                ["channel", "outcome"],
                "messages about requests to webhooks and Slack",
            ),
            rows: list.counters("weir_rows", ["resource"], "rows and lines of COPY delivered"),
            masked_values: list.counters("weir_masked_values", ["resource", "rule"], "values masked"),
            session_bytes: list.counters(
                "weir_session_bytes",
                ["resource", "side", "direction"],
                "bytes moved after the logins",
            ),
            queued_bytes: list.gauges("weir_queued_bytes", ["resource", "side"], "bytes that wait to be written now"),
            statements_in_flight: list.gauges(
                "weir_statements_in_flight",
                ["resource"],
                "statements sent that have not ended",
            ),
            statement_seconds: list.labelled(
                "weir_statement_seconds",
                ["resource"],
                "from a statement's permit to its end",
                Histogram::latency,
            ),
            stages: Arc::new(Stages {
                authenticate: stage("authenticate"),
                authorize: stage("authorize"),
                connect: stage("connect"),
                judge: stage("judge"),
                record: stage("record"),
                answer: stage("answer"),
                mask: stage("mask"),
            }),
            upstream_failures: list.counters(
                "weir_upstream_failures",
                ["resource", "step"],
                "resources that could not be reached or logged in to",
            ),
            tunnels_opened: list.counters("weir_tunnels_opened", ["transport"], "tunnels that began"),
            tunnels_open: list.gauges("weir_tunnels_open", ["transport"], "tunnels open now"),
            tunnels: Tunnels::new(&mut list),
            handshakes: list.counters("weir_handshakes", ["transport", "outcome"], "handshakes, and how they ended"),
            connection_errors: list.counters(
                "weir_connection_errors",
                ["transport"],
                "connections that ended with an error",
            ),
            recordings: Recordings {
                sync: list.measured("weir_recording_sync_seconds", "how long an fsync took", Histogram::latency()),
                write_failures: failures.with(["write".into()]),
                sync_failures: failures.with(["sync".into()]),
            },
            recording_lag: list
                .one("weir_recording_unsynced_seconds", "since the oldest write that is not on the disk yet"),
            recording_pending: list.one("weir_recording_pending_bytes", "bytes that are not in their files yet"),
            process: Process::new(&mut list),
            resources: RwLock::default(),
            registry: Registry::default(),
            described: Vec::new(),
        };
        resources.iter().for_each(|resource| drop(telemetry.resource(resource)));
        Self { registry: list.registry, described: list.described, ..telemetry }
    }

    /// The series of a resource.
    #[must_use]
    pub fn resource(&self, resource: &Resource) -> Arc<ResourceSeries> {
        let known = self.resources.read().unwrap_or_else(PoisonError::into_inner).get(&resource.name).map(Arc::clone);
        known.unwrap_or_else(|| {
            let mut resources = self.resources.write().unwrap_or_else(PoisonError::into_inner);
            let new = || Arc::new(ResourceSeries::new(self, resource));
            Arc::clone(resources.entry(resource.name.clone()).or_insert_with(new))
        })
    }

    /// The series of every resource that there was since the relay started.
    #[must_use]
    pub fn resources(&self) -> BTreeMap<ResourceName, Arc<ResourceSeries>> {
        self.resources.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How every metric is exposed.
    #[must_use]
    pub fn described(&self) -> &[Described] {
        &self.described
    }
}

/// The metrics on their way into a [`Telemetry`].
#[derive(Default)]
struct List {
    registry: Registry,
    described: Vec<Described>,
}

impl List {
    fn add<M: Metric + Clone + TypedMetric>(
        &mut self,
        name: &'static str,
        labels: Vec<&'static str>,
        help: &'static str,
        metric: M,
    ) {
        let (kind, suffix) = match M::TYPE {
            MetricType::Counter => ("counter", "_total"),
            MetricType::Histogram => ("histogram", ""),
            _ => ("gauge", ""),
        };
        self.described.push(Described { name: format!("{name}{suffix}"), kind, labels, help });
        self.registry.register(name, help, metric);
    }

    fn measured<M: Metric + Clone + TypedMetric>(&mut self, name: &'static str, help: &'static str, metric: M) -> M {
        self.add(name, Vec::new(), help, metric.clone());
        metric
    }

    fn one<M: Metric + Clone + TypedMetric + Default>(&mut self, name: &'static str, help: &'static str) -> M {
        self.measured(name, help, M::default())
    }

    fn labelled<const N: usize, M>(
        &mut self,
        name: &'static str,
        labels: [&'static str; N],
        help: &'static str,
        make: fn() -> M,
    ) -> Series<N, M>
    where
        M: EncodeMetric + TypedMetric + Clone + fmt::Debug + Send + Sync + 'static,
    {
        let family = Family::new_with_constructor(make);
        self.add(name, labels.to_vec(), help, family.clone());
        Series { labels, family }
    }

    fn counters<const N: usize>(
        &mut self,
        name: &'static str,
        labels: [&'static str; N],
        help: &'static str,
    ) -> Series<N, Counter> {
        self.labelled(name, labels, help, Counter::default)
    }

    fn gauges<const N: usize>(
        &mut self,
        name: &'static str,
        labels: [&'static str; N],
        help: &'static str,
    ) -> Series<N, Gauge> {
        self.labelled(name, labels, help, Gauge::default)
    }
}
