//! From a text to what it means: the catalog is asked for its names, the server whether one exists, its planner how much it
//! changes. What cannot be asked is refused.

use super::{Gate, Unknown, Unplanned, Unresolved, Verdict, none};
use crate::{
    approval::Held,
    relay::Relay,
    session::{facts, meaning::Meaning, refusals},
    upstream::{
        UpstreamError,
        resolve::{Known, Question, Resolver},
    },
};
use std::sync::Arc;
use weir_policy::{
    bundle,
    sql::{Class, Estimate, Facts},
};
use weir_protocol::{Action, ActionKind, Refusal, postgres::Postgres};

impl<'a> Gate<'a> {
    /// The same, for a request whose facts had to be found elsewhere.
    pub fn judge(&mut self, engine: &mut Postgres, action: Action, text: Arc<Facts>) -> Verdict {
        self.follow(engine);
        let shared = &self.shared.facts;
        let of = |text: &str| shared.of(text).unwrap_or_else(|| Arc::new(facts::unjudged("a long text")));
        let meaning = self.names.meaning(engine, &of, Arc::clone(&text));
        self.understood(engine, action, text, meaning)
    }

    /// The catalog has answered.
    pub fn resolved(&mut self, engine: &mut Postgres, of: Unresolved, answer: Result<Known, UpstreamError>) -> Verdict {
        let Unresolved { action, text, .. } = of;
        match answer {
            Ok(known) => {
                let meaning = self.names.told(Arc::clone(&text), known);
                self.understood(engine, action, text, meaning)
            }
            Err(error) => self.not_understood(action, &text, &error),
        }
    }

    /// The server has said whether what was missing exists.
    pub fn missed(
        &mut self,
        engine: &mut Postgres,
        of: Unknown,
        does_not_exist: Result<bool, UpstreamError>,
    ) -> Verdict {
        let Unknown { action, text, resolved } = of;
        match does_not_exist {
            // Its own error is the right one: the statement goes there to be told.
            Ok(true) => self.weigh(engine, action, text, Arc::new(resolved.facts)),
            Ok(false) => self.weigh(engine, action, text, Arc::new(resolved.not_understood())),
            Err(error) => self.not_understood(action, &text, &error),
        }
    }

    fn understood(&mut self, engine: &mut Postgres, action: Action, text: Arc<Facts>, meaning: Meaning) -> Verdict {
        match meaning {
            Meaning::Known(facts) if self.asks_planner(&action, &facts) => {
                Verdict::Plan(Box::new(Unplanned { action, text, facts }))
            }
            Meaning::Known(facts) => self.weigh(engine, action, text, facts),
            Meaning::Ask(text, question) => Verdict::Resolve(Box::new(Unresolved { action, text, question })),
            // Preparing runs nothing, and the server says by itself what does not exist.
            Meaning::Missing(resolved) if action.kind == ActionKind::Prepare => {
                self.weigh(engine, action, text, Arc::new(resolved.facts))
            }
            Meaning::Missing(resolved) => Verdict::Exists(Box::new(Unknown { action, text, resolved: *resolved })),
        }
    }

    /// True when what the planner expects may keep a statement from running that nobody else would.
    fn asks_planner(&mut self, action: &Action, facts: &Arc<Facts>) -> bool {
        matches!(action.kind, ActionKind::Query | ActionKind::Execute)
            && !facts.changes.is_empty()
            && facts.class == Class::Write
            && self.grant.estimates()
            && self.decide(facts).decision.outcome == bundle::Outcome::Allow
    }

    /// The planner has answered, or could not: then the text decides alone.
    pub fn planned(
        &mut self,
        engine: &mut Postgres,
        of: Unplanned,
        estimate: Result<Option<Estimate>, String>,
    ) -> Verdict {
        let Unplanned { action, text, facts } = of;
        let estimate = estimate.unwrap_or_else(|why| {
            tracing::debug!(parent: self.grant.span(), why, "there is no estimate");
            None
        });
        let facts = match estimate {
            None => facts,
            Some(estimate @ Estimate { rows, share }) => {
                let reason = format!("{} of about {rows} rows, {share} % of the table", facts.reason);
                Arc::new(Facts { estimate: Some(estimate), reason, ..Facts::clone(&facts) })
            }
        };
        self.weigh(engine, action, text, facts)
    }

    /// What a held request's names mean is asked once more before it runs, since others may have changed that while a human
    /// thought: its facts, and the question. None when nothing is to be asked.
    pub fn ask_anew(&mut self, engine: &Postgres, held: &Held) -> Option<(Arc<Facts>, Question)> {
        self.names.resolver().changed();
        self.follow(engine);
        let shared = &self.shared.facts;
        let of = |text: &str| shared.of(text).unwrap_or_else(|| Arc::new(facts::unjudged("a long text")));
        match self.names.meaning(engine, &of, Arc::clone(&held.text)) {
            Meaning::Ask(text, question) => Some((text, question)),
            Meaning::Known(_) | Meaning::Missing(_) => None,
        }
    }

    /// Why an approved request may not run: its names mean something else now.
    pub fn changed_since(
        &mut self,
        held: &Held,
        text: Arc<Facts>,
        answer: Result<Known, UpstreamError>,
    ) -> Option<Refusal> {
        let Ok(known) = answer else { return Some(refusals::not_understood(self.grant)) };
        let before = held.facts.meaning();
        let same = match self.names.told(text, known) {
            Meaning::Known(now) => now.meaning() == before,
            Meaning::Missing(now) => now.facts.meaning() == before || now.not_understood().meaning() == before,
            Meaning::Ask(..) => false,
        };
        let hint = "run it again: what it means now is asked for then";
        let why = "what the statement's names mean has changed since it was asked for";
        (!same).then(|| refusals::refusal("42501", why, &format!("session {}", self.grant.session()), hint))
    }

    /// What the names mean cannot be asked: then nobody knows what the statement does.
    fn not_understood(&mut self, action: Action, facts: &Facts, error: &UpstreamError) -> Verdict {
        tracing::error!(parent: self.grant.span(), %error, "the catalog cannot be asked");
        self.number += 1;
        let refusal = refusals::not_understood(self.grant);
        self.refuse(action, self.number, facts, &none(), refusal)
    }

    /// Asks the catalog.
    #[must_use]
    pub fn resolver(&self) -> &Arc<Resolver> {
        self.names.resolver()
    }

    /// Its relay, who asks the catalog, and the one path on which its session looks for names; none is what its role begins with.
    #[must_use]
    pub fn place(&self) -> (&'a Relay, Arc<Resolver>, Option<Vec<String>>) {
        (self.shared, Arc::clone(self.resolver()), self.names.search_path().map(<[String]>::to_vec))
    }
}
