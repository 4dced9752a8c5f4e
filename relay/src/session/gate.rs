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
mod understand;
mod verdict;

pub use verdict::{Masked, Permit, Unknown, Unplanned, Unresolved, Verdict};

use super::{
    authorize::Grant,
    facts,
    labelled::Labelled,
    limits::SessionLimits,
    meaning::Names,
    refusals::{self, refusal, unrecorded},
    rows::Rows,
    running::{Running, RunningList},
    shown::Shown,
};
use crate::{
    approval::{Held, Outcome, asked::SessionState},
    mask::{About, Counts, Masker},
    record::{RecordError, Recorder},
    relay::Relay,
    telemetry::session::{Judged, SessionMetrics, Traffic},
    upstream::Connected,
};
use std::{collections::HashMap, sync::Arc, time::Instant};
use weir_policy::{
    bundle::{self, Moment, Notice},
    sql::Facts,
};
use weir_protocol::{
    Action, ActionKind, Engine, Excess, Refusal, Shape,
    postgres::{Postgres, startup::SessionStart},
};
use weir_shared::recording::Payload;

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
    /// What it was shown in place of what it may not see.
    shown: Shown,
    /// It dumps the database: an answer with a mask in it is no answer.
    dumps: bool,
    /// The text looked at last, with its facts: what is prepared is most often executed next.
    latest: Option<(Arc<str>, Arc<Facts>)>,
    /// By address: each entry holds the Arc it is keyed by, so an address is never another's.
    decided: HashMap<usize, Arc<Decided>>,
    /// Policy tells one minute from another.
    timed: bool,
    /// The minute that `decided` is of, then.
    moment: Moment,
    names: Names<'a>,
    running: RunningList,
    /// The columns that were recorded last, and of which statement.
    columns: Option<(Shape, u64)>,
    number: u64,
    /// What the session did that may change what a statement means.
    state: SessionState,
    /// Something was set that the end of a transaction may take back.
    unsettled: bool,
    totals: Totals,
    metrics: SessionMetrics,
    /// What policies that only warn say to the client.
    warnings: Vec<String>,
}

impl<'a> Gate<'a> {
    /// A gate for a logged-in session.
    #[expect(clippy::too_many_arguments, reason = "each is a part of the session")]
    pub fn new(
        shared: &'a Relay,
        grant: &'a Grant,
        limits: SessionLimits<'a>,
        recorder: Recorder,
        database: &str,
        start: &SessionStart,
        connected: &Connected,
        metrics: SessionMetrics,
    ) -> Self {
        let (credential, catalog) = (connected.credential.as_deref(), Arc::clone(&connected.catalog));
        let known = credential.map(|lease| Arc::clone(lease.known()));
        let masking = Arc::new(grant.resource().mask.clone());
        let masker = Masker::new(Arc::clone(&shared.detector), known, Arc::clone(&catalog)).with(masking);
        let state = SessionState { database: database.to_owned(), ..SessionState::default() };
        let resolver = shared.upstreams.resolvers.of(grant.resource(), database, &connected.canceller.server);
        let path = start.parameters.iter().rev().find(|(name, _)| name == "search_path").map(|(_, path)| path.as_str());
        let names = Names::new(grant, resolver, path);
        let labelled = Labelled::new(grant, &shared.upstreams.catalogs, catalog);
        Self {
            grant,
            shared,
            limits,
            recorder,
            labelled,
            masker,
            shown: Shown::default(),
            dumps: false,
            latest: None,
            decided: HashMap::new(),
            timed: grant.tells_time(),
            moment: Moment::default(),
            names,
            unsettled: false,
            running: RunningList::default(),
            columns: None,
            number: 0,
            state,
            totals: Totals::default(),
            metrics,
            warnings: Vec::new(),
        }
    }

    /// The same, for a client that began like this.
    #[must_use]
    pub fn begun(mut self, start: &SessionStart) -> Self {
        let agreed = start.parameters.iter().any(|(name, value)| name == MASKED_DUMP && is_on(value));
        self.dumps = matches!(start.application.as_str(), "pg_dump" | "pg_dumpall") && !agreed;
        self
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

    /// Data that the client sends for a COPY: the refusal with which the session ends when there is a mask in it that it was
    /// shown. What came before it is not committed.
    pub(super) fn copied(&mut self, data: &[u8]) -> Option<Refusal> {
        let mask = self.shown.copied(data)?;
        let session = format!("session {}", self.grant.session());
        let refusal = refusals::writes_mask(&mask, &session);
        refusals::count(self.shared, &refusal);
        Some(refusal)
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

    /// Decides about a request whose meaning is known; `text` are the facts that its text alone tells.
    fn weigh(&mut self, engine: &mut Postgres, action: Action, text: Arc<Facts>, facts: Arc<Facts>) -> Verdict {
        self.number += 1;
        let number = self.number;
        let facts = self.with_masks(&action, facts);
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
                let held = Held::new(self.grant, action, number, (facts, text), decision, &self.state, limits);
                Verdict::Hold(Box::new(held))
            }
            bundle::Outcome::Allow | bundle::Outcome::Hold => {
                facts.prepares.iter().for_each(|made| engine.shadow_statement(&made.name));
                self.remember(engine, &action, number, &facts, &text);
                match self.record_intent(&action, number, &facts, decision, Judged::Allow) {
                    Ok(()) => self.permit(action, number, &facts, decided.about.clone()),
                    Err(error) => self.unrecorded(action, number, &error),
                }
            }
        }
    }

    /// Facts that say so when the request would write what its session was shown in place of a value.
    fn with_masks(&self, action: &Action, facts: Arc<Facts>) -> Arc<Facts> {
        match self.shown.written(action, &facts) {
            None => facts,
            Some(mask) => {
                let reason = format!("{} writes {mask}", facts.reason);
                Arc::new(Facts { writes_mask: true, reason, ..Facts::clone(&facts) })
            }
        }
    }

    /// Whether the rows of a COPY FROM may hold masks is asked before they come.
    fn watch_copy(&mut self, facts: &Facts) {
        if !facts.written.copied || self.shown.is_empty() {
            return;
        }
        let writes = Facts { writes_mask: true, ..facts.clone() };
        let decision = facts::action(facts.class).map(|action| self.grant.decide(action, &writes));
        self.shown.begin_copy(decision.is_some_and(|decision| decision.outcome != bundle::Outcome::Allow));
    }

    /// Takes the policies that are in force now, and the newest snapshot of what is labelled; what was decided by others counts
    /// no more.
    fn follow(&mut self, engine: &Postgres) {
        self.names.follow(engine);
        if self.unsettled {
            // Whatever ends a transaction, or goes back in one, may have taken it back.
            self.state.changes += 1;
            self.unsettled = engine.busy() || engine.transaction_status() != b'I';
        }
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
    ///
    /// `changed` is why it may not, although they approved it.
    pub fn resume(&mut self, engine: &mut Postgres, held: Held, outcome: Outcome, changed: Option<Refusal>) -> Verdict {
        let Held { action, number, facts, text, asked } = held;
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
            Outcome::Approved { .. } => changed.or_else(|| self.overtaken(engine, &facts)),
            _ => refusals::unapproved(&asked, facts::name(facts.class), &outcome),
        };
        if let Some(refusal) = refused {
            self.recorder.note(note);
            return self.refused(action, number, refusal);
        }
        facts.prepares.iter().for_each(|made| engine.shadow_statement(&made.name));
        self.remember(engine, &action, number, &facts, &text);
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
        let decision = self.grant.decide(facts::action(facts.class)?, facts);
        (decision.outcome == bundle::Outcome::Deny).then(|| refusals::denial(self.grant, facts, &decision))
    }

    /// The recording and the sums, at the session's end.
    pub fn finish(mut self) -> (Recorder, Totals) {
        self.labelled.end();
        self.names.end();
        self.running.unfinished().into_iter().for_each(|number| self.complete(number, "unfinished".to_owned()));
        (self.recorder, self.totals)
    }

    fn decide(&mut self, facts: &Arc<Facts>) -> Arc<Decided> {
        let key = Arc::as_ptr(facts).addr();
        if let Some(decided) = self.decided.get(&key) {
            return Arc::clone(decided);
        }
        let action = facts::action(facts.class);
        let passing = action.is_some_and(|action| self.grant.narrowed_by(action).is_some());
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

    /// Takes note of what a permitted request may change for those that follow.
    fn remember(&mut self, engine: &Postgres, action: &Action, number: u64, facts: &Facts, text: &Arc<Facts>) {
        let runs = action.kind != ActionKind::Prepare;
        if self.labelled.remember(facts, runs) {
            self.decided.clear();
        }
        if runs {
            if facts.reason == SETS_MASKED_DUMP {
                self.dumps &= !is_on(action.text.rsplit(['=', ' ']).next().unwrap_or_default());
            }
            let changes = facts::changes_meaning(facts);
            self.state.changes += u64::from(changes);
            self.unsettled |= changes;
            self.watch_copy(facts);
        }
        self.names.remember(engine, action, number, facts, text);
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

/// The setting by which a session agrees to a dump with masks in it.
const MASKED_DUMP: &str = "weir.masked_dump";
/// The reason of a statement that sets it.
const SETS_MASKED_DUMP: &str = "SET weir.masked_dump";

fn is_on(value: &str) -> bool {
    let value = value.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    ["on", "true", "yes", "1"].iter().any(|on| value.eq_ignore_ascii_case(on))
}

fn none() -> bundle::Decision {
    bundle::Decision { outcome: bundle::Outcome::Allow, ..bundle::Decision::default() }
}
