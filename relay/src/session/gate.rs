//! Every request becomes a [`Permit`] or a refusal, every answer becomes [`Masked`], here and nowhere else.
//!
//! Neither can be made elsewhere:
//! ```compile_fail
//! fn forge(action: weir_protocol::Action) -> weir_relay::session::gate::Permit {
//!     weir_relay::session::gate::Permit { action, number: 1 }
//! }
//! ```
//! ```compile_fail
//! fn forge(bytes: bytes::Bytes) -> weir_relay::session::gate::Masked {
//!     weir_relay::session::gate::Masked(bytes)
//! }
//! ```

mod answer;
mod intent;

use super::{
    authorize::Grant,
    facts,
    labelled::Labelled,
    limits::SessionLimits,
    refusals::{self, refusal, unrecorded},
    rows::Rows,
    running::{Running, RunningList},
};
use crate::{
    approval::{Held, Outcome, asked::SessionState},
    mask::{About, Counts, Masker},
    record::{RecordError, Recorder},
    relay::Relay,
    telemetry::session::{Judged, SessionMetrics, Traffic},
    upstream::Connected,
};
use bytes::Bytes;
use std::{collections::HashMap, sync::Arc, time::Instant};
use weir_policy::{
    bundle::{self, Moment, Notice},
    sql::{Class, Facts},
};
use weir_protocol::{Action, ActionKind, Engine, Excess, Refusal, Shape, postgres::Postgres};
use weir_shared::recording::Payload;

/// The right to send exactly these bytes, once: judged, and recorded as the durability asks.
#[derive(Debug)]
pub struct Permit {
    action: Action,
    number: u64,
}

impl Permit {
    /// Gives the engine what may go upstream: the bytes that were judged.
    pub fn admit(self, engine: &mut Postgres) -> Bytes {
        engine.admit(self.action, self.number)
    }
}

/// Bytes that may be shown to the client: masked and recorded.
#[derive(Debug)]
pub struct Masked(Bytes);

impl Masked {
    /// The bytes.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        self.0
    }
}

/// What became of a request.
#[derive(Debug)]
pub enum Verdict {
    /// It may go upstream.
    Permit(Permit),
    /// It may not.
    Refuse(Action, u64, Refusal),
    /// A human decides first.
    Hold(Box<Held>),
    /// Its text takes long to parse: to be given to [`Gate::judge`] with its facts.
    Parse(Action),
}

/// What a session adds up to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Totals {
    /// Statements recorded.
    pub statements: u64,
    /// Rows delivered.
    pub rows: u64,
    /// Values masked.
    pub masked: u64,
    /// Requests refused.
    pub refused: u64,
    /// Requests that a human was asked about.
    pub asked: u64,
}

/// A decision and what masking must know, kept for as long as the facts they were made about.
struct Decided {
    _facts: Arc<Facts>,
    decision: bundle::Decision,
    about: About,
}

/// One session's gate.
pub struct Gate<'a> {
    grant: &'a Grant,
    shared: &'a Relay,
    limits: SessionLimits<'a>,
    recorder: Recorder,
    labelled: Labelled<'a>,
    masker: Masker,
    /// The text looked at last, with its facts: what is prepared is most often executed next.
    latest: Option<(Arc<str>, Arc<Facts>)>,
    /// By address: each entry holds the Arc it is keyed by, so an address is never another's.
    decided: HashMap<usize, Arc<Decided>>,
    /// Policy tells one minute from another.
    timed: bool,
    /// The minute that `decided` is of, then.
    moment: Moment,
    /// What SQL-level and protocol-level names may run, at worst.
    prepared: HashMap<String, Class>,
    running: RunningList,
    /// The columns that were recorded last, and of which statement.
    columns: Option<(Shape, u64)>,
    number: u64,
    /// What the session did that may change what a statement means.
    state: SessionState,
    totals: Totals,
    metrics: SessionMetrics,
    /// What policies that only warn say to the client.
    warnings: Vec<String>,
}

impl<'a> Gate<'a> {
    /// A gate for a logged-in session.
    pub fn new(
        shared: &'a Relay,
        grant: &'a Grant,
        limits: SessionLimits<'a>,
        recorder: Recorder,
        database: String,
        connected: &Connected,
        metrics: SessionMetrics,
    ) -> Self {
        let (credential, catalog) = (connected.credential.as_deref(), Arc::clone(&connected.catalog));
        let known = credential.map(|lease| Arc::clone(lease.known()));
        let masker = Masker::new(Arc::clone(&shared.detector), known, Arc::clone(&catalog));
        let state = SessionState { database, ..SessionState::default() };
        let labelled = Labelled::new(grant, &shared.upstreams.catalogs, catalog);
        Self {
            grant,
            shared,
            limits,
            recorder,
            labelled,
            masker,
            latest: None,
            decided: HashMap::new(),
            timed: grant.tells_time(),
            moment: Moment::default(),
            prepared: HashMap::new(),
            running: RunningList::default(),
            columns: None,
            number: 0,
            state,
            totals: Totals::default(),
            metrics,
            warnings: Vec::new(),
        }
    }

    /// The relay it works for.
    #[must_use]
    pub fn relay(&self) -> &'a Relay {
        self.shared
    }

    /// What is logged about the session is logged inside this.
    #[must_use]
    pub fn span(&self) -> tracing::Span {
        self.grant.span().clone()
    }

    /// What bounds its session.
    #[must_use]
    pub fn limits(&self) -> &SessionLimits<'a> {
        &self.limits
    }

    /// Since when the resource works on a statement; none when it is not one that was permitted.
    pub(super) fn running_since(&mut self, number: u64) -> Option<Instant> {
        self.running.since(number)
    }

    /// A statement's answer is larger than allowed: why it breaks off. That is recorded, with what was delivered of it.
    pub fn exceeded(&mut self, number: u64, excess: Excess) -> Refusal {
        let refusal = self.limits.exceeded(excess);
        self.complete(number, format!("error {} {}", refusal.code, refusal.message));
        refusal
    }

    /// Tells the metrics what has moved.
    pub fn publish(&mut self, traffic: Traffic) {
        self.metrics.publish(traffic, self.running.in_flight());
    }

    /// What the client is to be told of requests that were judged.
    pub(super) fn warnings(&mut self) -> std::vec::Drain<'_, String> {
        self.warnings.drain(..)
    }

    /// Inspects, asks policy, records the intent.
    pub fn request(&mut self, engine: &mut Postgres, action: Action) -> Verdict {
        self.metrics.begin();
        let facts = match action.kind {
            ActionKind::Query | ActionKind::Prepare | ActionKind::Execute => match self.facts(&action) {
                Some(facts) => facts,
                None => return Verdict::Parse(action),
            },
            ActionKind::Call | ActionKind::Unknown => Arc::new(facts::unjudged(&action.text)),
            ActionKind::TooLarge => {
                let refusal = self.limits.too_large(&action.text);
                self.number += 1;
                return self.refuse(action, self.number, &facts::unjudged(""), &none(), refusal);
            }
        };
        self.judge(engine, action, facts)
    }

    fn facts(&mut self, action: &Action) -> Option<Arc<Facts>> {
        if let Some((text, facts)) = &self.latest
            && Arc::ptr_eq(text, &action.text)
        {
            return Some(Arc::clone(facts));
        }
        let known = self.shared.facts.known(&action.text);
        self.metrics.looked_up(known.is_some());
        let facts = known.or_else(|| self.shared.facts.quick(&action.text))?;
        self.latest = Some((Arc::clone(&action.text), Arc::clone(&facts)));
        Some(facts)
    }

    /// The same, for a request whose facts had to be found elsewhere.
    pub fn judge(&mut self, engine: &mut Postgres, action: Action, facts: Arc<Facts>) -> Verdict {
        self.follow(engine);
        self.number += 1;
        let number = self.number;
        let decided = self.decide(&facts);
        let decision = &decided.decision;
        self.metrics.judged();
        if action.kind != ActionKind::Prepare {
            self.note(number, &decision.notices);
        }
        // Preparing runs nothing.
        if action.kind != ActionKind::Prepare
            && let Err(refusal) = self.limits.take(facts.statements.max(1))
        {
            return self.refuse(action, number, &facts, decision, refusal);
        }
        if let Some(refusal) = self.labelled.objection(&facts) {
            return self.refuse(action, number, &facts, decision, refusal);
        }
        match decision.outcome {
            bundle::Outcome::Deny => {
                let refusal = refusals::denial(self.grant, &facts, decision);
                self.refuse(action, number, &facts, decision, refusal)
            }
            // Preparing runs nothing: the hold comes when it is executed, with its values.
            bundle::Outcome::Hold if action.kind != ActionKind::Prepare => {
                // That it was asked for is recorded whatever becomes of it.
                if let Err(error) = self.record_intent(&action, number, &facts, decision, Judged::Hold) {
                    return self.unrecorded(action, number, &error);
                }
                self.metrics.asked();
                self.totals.asked += 1;
                self.state.in_transaction = engine.transaction_status() != b'I';
                let limits = &self.shared.config.approvals;
                let held = Held::new(self.grant, action, number, facts, decision, &self.state, limits);
                Verdict::Hold(Box::new(held))
            }
            bundle::Outcome::Allow | bundle::Outcome::Hold => {
                if !facts.prepares.is_empty() {
                    facts.prepares.iter().for_each(|(name, _)| engine.shadow_statement(name));
                }
                self.remember(&action, &facts);
                match self.record_intent(&action, number, &facts, decision, Judged::Allow) {
                    Ok(()) => self.permit(action, number, &facts, decided.about.clone()),
                    Err(error) => self.unrecorded(action, number, &error),
                }
            }
        }
    }

    /// Takes the policies that are in force now, and the newest snapshot of what is labelled; what was decided by others counts
    /// no more.
    fn follow(&mut self, engine: &Postgres) {
        let mut ruled_anew = self.grant.follow();
        if ruled_anew {
            self.timed = self.grant.tells_time();
            self.recorder.note(Payload::Policy { hash: self.grant.bundle() });
        }
        if self.timed {
            let now = Moment::of(self.shared.now());
            ruled_anew |= std::mem::replace(&mut self.moment, now) != now;
        }
        if self.labelled.follow(engine, ruled_anew) || ruled_anew {
            self.masker.catalog = Arc::clone(self.labelled.catalog());
            self.decided.clear();
        }
    }

    /// Records and counts what policies say of a statement that are not enforced.
    fn note(&mut self, number: u64, notices: &[Notice]) {
        for notice in notices {
            let (kind, policy) = (notice.kind(), notice.id().to_owned());
            if let Notice::Failed { id } = notice {
                tracing::error!(parent: self.grant.span(), policy = id, "a policy that is not enforced fails");
            }
            self.shared.telemetry.policy_notices.with([self.grant.resource().into(), kind.into()]).inc();
            let message = notice.message().to_owned();
            if let Notice::Warn { id, message } = notice {
                self.warnings.push(format!("weir: rule {id} warns: {message}"));
            }
            self.recorder.note(Payload::Notice { number, kind: kind.into(), policy, message });
        }
    }

    /// What was permitted may go out once this has succeeded: its intent is written then. False when it must also reach
    /// the disk, by [`Gate::reach_disk`].
    ///
    /// # Errors
    /// It could not be written: nothing that was permitted since the last time may go out, and the session must end.
    pub fn commit(&mut self) -> Result<bool, Refusal> {
        let begun = self.metrics.writing();
        let committed = self.recorder.commit();
        self.metrics.written(begun);
        committed.map_err(|error| refusals::lost_intents(self.grant, &error))
    }

    /// Brings what was committed to the disk.
    ///
    /// # Errors
    /// As [`Gate::commit`].
    pub async fn reach_disk(&mut self) -> Result<(), Refusal> {
        self.recorder.reach_disk().await.map_err(|error| refusals::lost_intents(self.grant, &error))
    }

    /// How often its session has changed what statements mean.
    pub(super) fn changes(&self) -> u64 {
        self.state.changes
    }

    /// The resource is about to be asked what its planner expects of a held request: recorded before it is.
    ///
    /// # Errors
    /// It cannot be recorded: it must not be asked.
    pub(super) fn estimates(&mut self, number: u64) -> Result<(), RecordError> {
        self.recorder.intent(Payload::Estimate { number })
    }

    /// A held request goes on as the human decided.
    pub fn resume(&mut self, engine: &mut Postgres, held: Held, outcome: Outcome) -> Verdict {
        let Held { action, number, facts, asked } = held;
        let state = outcome.state();
        let (approval, by) = match &outcome {
            Outcome::Approved { approval, by } => (*approval, Some(by.clone())),
            Outcome::Denied { by, .. } => (asked.id(), Some(by.clone())),
            _ => (asked.id(), None),
        };
        self.metrics.approval_ended(&self.shared.telemetry, state);
        let digest = asked.request.digest.clone();
        let note = Payload::Approval { number, approval, digest, state: state.to_owned(), by };
        let refused = match &outcome {
            Outcome::Approved { .. } => self.overtaken(engine, &facts),
            _ => refusals::unapproved(&asked, facts::name(facts.class), &outcome),
        };
        if let Some(refusal) = refused {
            self.recorder.note(note);
            return self.refused(action, number, refusal);
        }
        facts.prepares.iter().for_each(|(name, _)| engine.shadow_statement(name));
        self.remember(&action, &facts);
        match self.recorder.intent(note) {
            Ok(()) => {
                let about = self.labelled.about(&facts);
                self.permit(action, number, &facts, about)
            }
            Err(error) => self.unrecorded(action, number, &error),
        }
    }

    /// Why what a human approved may not run now: policy, or the login, may have changed while they thought.
    fn overtaken(&mut self, engine: &Postgres, facts: &Facts) -> Option<Refusal> {
        self.follow(engine);
        if self.grant.expires_at() < self.shared.now() {
            return Some(refusal("28000", "your login expired while the request waited", "", "run `weir login`"));
        }
        let decision = self.grant.decide(facts::action(self.effective_class(facts))?, facts);
        (decision.outcome == bundle::Outcome::Deny).then(|| refusals::denial(self.grant, facts, &decision))
    }

    /// The recording and the sums, at the session's end.
    pub fn finish(mut self) -> (Recorder, Totals) {
        self.labelled.end();
        self.running.unfinished().into_iter().for_each(|number| self.complete(number, "unfinished".to_owned()));
        (self.recorder, self.totals)
    }

    fn decide(&mut self, facts: &Arc<Facts>) -> Arc<Decided> {
        let key = Arc::as_ptr(facts).addr();
        // What `EXECUTE` runs may change under the same text.
        let named = !facts.executes.is_empty();
        if !named && let Some(decided) = self.decided.get(&key) {
            return Arc::clone(decided);
        }
        let action = facts::action(self.effective_class(facts));
        let passing = named || action.is_some_and(|action| self.grant.narrowed_by(action).is_some());
        let decision = match action {
            Some(action) => {
                self.metrics.evaluated();
                self.grant.decide(action, facts)
            }
            None => self.grant.barred().unwrap_or_else(none),
        };
        let decided = Arc::new(Decided { _facts: Arc::clone(facts), decision, about: self.labelled.about(facts) });
        if !passing {
            if self.decided.len() >= 1024 {
                self.decided.clear();
            }
            self.decided.insert(key, Arc::clone(&decided));
        }
        decided
    }

    /// `EXECUTE name` is as dangerous as anything that was ever prepared under the name.
    fn effective_class(&self, facts: &Facts) -> Class {
        let named = facts.executes.iter().map(|name| self.prepared.get(name).copied().unwrap_or(Class::Admin));
        named.fold(facts.class, Class::max)
    }

    /// Takes note of what a permitted request may change for those that follow.
    fn remember(&mut self, action: &Action, facts: &Facts) {
        let runs = action.kind != ActionKind::Prepare;
        if self.labelled.remember(facts, runs) {
            self.decided.clear();
        }
        if runs {
            self.state.changes += u64::from(facts::changes_meaning(facts));
        }
        let mut remember = |name: &str, class: Class| {
            if self.prepared.len() >= 10_000 {
                self.prepared.clear();
            }
            let known = self.prepared.entry(name.to_owned()).or_insert(class);
            *known = class.max(*known);
        };
        facts.prepares.iter().for_each(|(name, class)| remember(name, *class));
        if let Some(name) = action.prepared_name() {
            remember(name, facts.class);
        }
    }

    fn permit(&mut self, mut action: Action, number: u64, facts: &Facts, about: About) -> Verdict {
        action.lasting = facts::lasting(facts);
        if action.kind != ActionKind::Prepare {
            self.totals.statements += 1;
            let rows = Rows::new(&self.grant.resource().recording);
            let (since, counts, measured) = (Instant::now(), Counts::new(), self.metrics.permitted());
            self.running.push(Running { number, about, since, rows, counts, completed: false, measured });
        }
        Verdict::Permit(Permit { action, number })
    }

    fn refuse(
        &mut self,
        action: Action,
        number: u64,
        facts: &Facts,
        decision: &bundle::Decision,
        refusal: Refusal,
    ) -> Verdict {
        // A refusal that cannot be recorded is still a refusal.
        if let Err(error) = self.record_intent(&action, number, facts, decision, Judged::Deny) {
            tracing::error!(parent: self.grant.span(), %error, "a refusal was not recorded");
        }
        self.refused(action, number, refusal)
    }

    fn refused(&mut self, action: Action, number: u64, refusal: Refusal) -> Verdict {
        self.totals.refused += 1;
        refusals::count(self.shared, &refusal);
        self.recorder.note(Payload::Complete {
            number,
            status: format!("error {} {}", refusal.code, refusal.message),
            rows: 0,
            micros: 0,
        });
        Verdict::Refuse(action, number, refusal)
    }

    fn unrecorded(&mut self, action: Action, number: u64, error: &RecordError) -> Verdict {
        self.totals.refused += 1;
        tracing::error!(parent: self.grant.span(), %error, "a statement is refused: it cannot be recorded");
        let refusal = unrecorded(self.grant);
        refusals::count(self.shared, &refusal);
        Verdict::Refuse(action, number, refusal)
    }
}

fn none() -> bundle::Decision {
    bundle::Decision { outcome: bundle::Outcome::Allow, ..bundle::Decision::default() }
}
