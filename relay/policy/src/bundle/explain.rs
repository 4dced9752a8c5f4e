//! A decision with everything that led to it: each hop, each question, what decided, and what nearly did.

use super::{
    Action, Decision, Judge, Moment,
    context::{self, Asked},
    judge::{Ready, Slice},
    rule::Enforce,
};
use crate::sql::Facts;
use cedar_policy::{Authorizer, PolicySet, Request};
use weir_shared::api::{Explanation, Hop, NearMiss, QuestionAsked};

impl Judge {
    /// The same as [`Judge::decide`], explained. Slow: every policy is evaluated by itself.
    #[must_use]
    pub fn explain(&self, action: Action, facts: Option<&Facts>, now: Moment) -> Explanation {
        let decision = self.decide(action, facts, now);
        let plain = context::plain(action);
        let facts = facts.unwrap_or(&plain);
        let hops = (0..=self.subject.depth).map(|depth| {
            let first = self.question(Asked::First(action, facts), depth, now);
            let mut questions = vec![first];
            if questions.iter().all(|first| first.permitted && !first.failed) {
                questions.push(self.question(Asked::Unattended(action, facts), depth, now));
            }
            Hop { depth, questions }
        });
        let hops = hops.collect();
        let Decision { outcome, policies, terms, notices, .. } = decision;
        Explanation {
            outcome: outcome.as_str().to_owned(),
            policies: policies.to_vec(),
            terms: if outcome == super::Outcome::Hold { terms.shown() } else { Vec::new() },
            notices: notices.iter().map(ToString::to_string).collect(),
            hops,
        }
    }

    fn question(&self, asked: Asked<'_>, depth: u32, now: Moment) -> QuestionAsked {
        let answer = self.ask(asked, depth, now);
        let near_misses = self.near_misses(asked, depth, now).unwrap_or_default();
        QuestionAsked {
            action: asked.action().to_owned(),
            permitted: answer.permitted,
            failed: answer.failed,
            policies: answer.rules.iter().map(|rule| rule.id.clone()).collect(),
            near_misses,
        }
    }

    fn near_misses(&self, asked: Asked<'_>, depth: u32, now: Moment) -> Option<Vec<NearMiss>> {
        let (ready, slice) = self.ready.as_ref().zip(self.slice(asked))?;
        let request = self.request(ready, slice, slice.needs, asked, depth, now)?;
        Some(misses(slice, ready, &request))
    }
}

fn misses(slice: &Slice, ready: &Ready, request: &Request) -> Vec<NearMiss> {
    let missed = slice.rules.iter().filter(|rule| {
        let alone = PolicySet::from_policies([rule.policy.clone()]);
        let response = alone.map(|alone| Authorizer::new().is_authorized(request, &alone, &ready.entities));
        response.is_ok_and(|response| {
            response.diagnostics().reason().next().is_none() && response.diagnostics().errors().next().is_none()
        })
    });
    let enforced = missed.filter(|rule| rule.says.enforce == Enforce::Fully);
    enforced
        .map(|rule| NearMiss {
            id: rule.id.clone(),
            effect: if rule.forbids() { "forbid" } else { "permit" }.to_owned(),
            text: rule.policy.to_string(),
        })
        .collect()
}
