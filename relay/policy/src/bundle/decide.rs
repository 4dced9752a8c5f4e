//! One decision: the questions, put to Cedar.

use super::{
    Action, Approving, ColumnName, Decision, Judge, Moment, Notice, Outcome, Terms,
    context::{self, Asked},
    judge::{Ready, Slice},
    needs::Needs,
    rule::{Enforce, Rule},
};
use crate::sql::Facts;
use cedar_policy::{Authorizer, Decision as Cedar, PolicySet, Request, Response};
use std::sync::Arc;

/// What one question was answered with.
pub(super) struct Answer {
    pub(super) permitted: bool,
    /// A policy failed, or the question could not be put: then nothing of the answer holds.
    pub(super) failed: bool,
    /// The deciding policies; those that failed when any did.
    pub(super) rules: Vec<Arc<Rule>>,
    pub(super) notices: Vec<Notice>,
}

impl Answer {
    fn names(&self) -> impl Iterator<Item = String> {
        self.rules.iter().map(|rule| rule.id.clone())
    }

    fn holds(&self) -> bool {
        self.permitted && !self.failed
    }
}

impl Judge {
    /// What policy says to `action`, asked for each agent from the root to who asks: the strictest answer counts. Deny when
    /// no rule permits it or any policy fails while it is evaluated; hold when it is permitted, but not unattended.
    ///
    /// `facts` are those of the statement; none stands for a plain one of the action, and for `connect`.
    #[must_use]
    pub fn decide(&self, action: Action, facts: Option<&Facts>, now: Moment) -> Decision {
        let plain;
        let facts = match facts {
            Some(facts) => facts,
            None => {
                plain = context::plain(action);
                &plain
            }
        };
        let (first, second) = (Asked::First(action, facts), Asked::Unattended(action, facts));
        let depths = self.depths(&[first, second]);
        depths.rev().map(|depth| self.decide_at(first, second, depth, now)).reduce(Decision::and).unwrap_or_default()
    }

    /// May this column, which is labelled, be seen as it is? Asked for each agent of the chain, as [`Judge::decide`]. Allow
    /// or deny.
    #[must_use]
    pub fn unmasked(&self, column: &ColumnName<'_>, now: Moment) -> Decision {
        self.may(Asked::Unmasked(column), now)
    }

    /// May the subject decide this request, which is held? Allow or deny.
    #[must_use]
    pub fn approve(&self, approving: &Approving<'_>, now: Moment) -> Decision {
        self.may(Asked::Approve(approving), now)
    }

    /// May the subject go on without the approval of what is held, of this class (`sql.write`)? Allow or deny.
    #[must_use]
    pub fn break_glass(&self, class: &str, now: Moment) -> Decision {
        self.may(Asked::BreakGlass(class), now)
    }

    fn may(&self, asked: Asked<'_>, now: Moment) -> Decision {
        let each = self.depths(&[asked]).rev().map(|depth| {
            let answer = self.ask(asked, depth, now);
            let outcome = if answer.holds() { Outcome::Allow } else { Outcome::Deny };
            Decision::of(outcome, &[answer])
        });
        each.reduce(Decision::and).unwrap_or_default()
    }

    fn decide_at(&self, first: Asked<'_>, second: Asked<'_>, depth: u32, now: Moment) -> Decision {
        let first = self.ask(first, depth, now);
        if !first.holds() {
            return Decision::of(Outcome::Deny, &[first]);
        }
        let second = self.ask(second, depth, now);
        if second.failed {
            return Decision::of(Outcome::Deny, &[second]);
        }
        let outcome = if second.permitted { Outcome::Allow } else { Outcome::Hold };
        Decision::of(outcome, &[first, second])
    }

    /// Puts one question for one depth.
    pub(super) fn ask(&self, asked: Asked<'_>, depth: u32, now: Moment) -> Answer {
        let failed = || Answer { permitted: false, failed: true, rules: Vec::new(), notices: Vec::new() };
        let Some((ready, slice)) = self.ready.as_ref().zip(self.slice(asked)) else { return failed() };
        let Some(request) = self.request(ready, slice, slice.needs_for(asked), asked, depth, now) else {
            return failed();
        };
        let authorizer = Authorizer::new();
        let (mut permits, mut forbids, mut errors) = (Vec::new(), Vec::new(), Vec::new());
        for set in slice.sets(asked) {
            let response = authorizer.is_authorized(&request, set, &ready.entities);
            // Cedar leaves out a policy that fails: a failing `forbid` would let pass what it was written to stop.
            errors.extend(failures(&response));
            let reasons = response.diagnostics().reason().map(ToString::to_string);
            match response.decision() {
                Cedar::Allow => permits.extend(reasons),
                Cedar::Deny => forbids.extend(reasons),
            }
        }
        let notices = slice.notices(&request, ready);
        if !errors.is_empty() {
            return Answer { permitted: false, failed: true, rules: slice.named(&errors), notices };
        }
        let permitted = forbids.is_empty() && !permits.is_empty();
        let rules = slice.named(if forbids.is_empty() { &permits } else { &forbids });
        Answer { permitted, failed: false, rules, notices }
    }

    pub(super) fn request(
        &self,
        ready: &Ready,
        slice: &Slice,
        needs: Needs,
        asked: Asked<'_>,
        depth: u32,
        now: Moment,
    ) -> Option<Request> {
        let context = asked.context(needs, &self.subject, depth, now)?;
        let (principal, resource) = (ready.principal.uid.clone(), ready.resource.uid.clone());
        // No schema: the context is made by typed code, which a test holds to it, and validation costs more than the rest.
        Request::new(principal, slice.action.clone(), resource, context, None).ok()
    }
}

fn failures(response: &Response) -> Vec<String> {
    let errors = response.diagnostics().errors().map(|error| {
        let cedar_policy::AuthorizationError::PolicyEvaluationError(error) = error;
        error.policy_id().to_string()
    });
    errors.collect()
}

fn reasons(response: &Response) -> Vec<String> {
    response.diagnostics().reason().map(ToString::to_string).collect()
}

impl Slice {
    /// The rules of these names, in the order of their names.
    fn named(&self, names: &[String]) -> Vec<Arc<Rule>> {
        let mut rules: Vec<_> = names.iter().filter_map(|name| self.rule(name)).map(Arc::clone).collect();
        rules.sort_by(|one, other| one.id.cmp(&other.id));
        rules
    }

    /// What the policies that are not enforced say.
    fn notices(&self, request: &Request, ready: &Ready) -> Vec<Notice> {
        let mut notices = Vec::new();
        let look = |set: &PolicySet, notices: &mut Vec<Notice>| {
            let response = Authorizer::new().is_authorized(request, set, &ready.entities);
            notices.extend(failures(&response).into_iter().map(|id| Notice::Failed { id }));
            for rule in self.named(&reasons(&response)) {
                let id = rule.id.clone();
                notices.push(match rule.says.enforce {
                    Enforce::Warn => {
                        let message = rule.says.message.as_deref().unwrap_or_default().to_owned();
                        Notice::Warn { id, message }
                    }
                    Enforce::Shadow | Enforce::Fully => Notice::Shadow { id },
                });
            }
        };
        self.aside.iter().filter(|set| !set.is_empty()).for_each(|set| look(set, &mut notices));
        notices
    }
}

impl Decision {
    fn of(outcome: Outcome, answers: &[Answer]) -> Self {
        let rules = || answers.iter().flat_map(|answer| &answer.rules);
        let terms = match outcome {
            Outcome::Hold => rules().fold(Terms::default(), |terms, rule| terms.and(&rule.says.terms)),
            Outcome::Allow | Outcome::Deny => Terms::default(),
        };
        let says = |part: fn(&Rule) -> Option<&Arc<str>>| match outcome {
            Outcome::Allow => None,
            Outcome::Hold | Outcome::Deny => {
                rules().filter(|rule| rule.forbids()).find_map(|rule| part(rule).map(Arc::clone))
            }
        };
        Self {
            outcome,
            policies: answers.iter().flat_map(Answer::names).collect(),
            terms,
            notices: answers.iter().flat_map(|answer| answer.notices.iter().cloned()).collect(),
            message: says(|rule| rule.says.message.as_ref()),
            next: says(|rule| rule.says.next.as_ref()),
        }
    }

    /// Both answers at once: the stricter one, with what was noticed of either. Of two holds the terms of both count.
    fn and(self, other: Self) -> Self {
        let (mut strict, mild) = if other.outcome > self.outcome { (other, self) } else { (self, other) };
        if strict.outcome == Outcome::Hold && mild.outcome == Outcome::Hold && strict.policies != mild.policies {
            strict.terms = strict.terms.and(&mild.terms);
            let new = mild.policies.iter().filter(|id| !strict.policies.contains(id));
            strict.policies = strict.policies.iter().chain(new).cloned().collect();
        }
        for notice in mild.notices {
            if !strict.notices.contains(&notice) {
                strict.notices.push(notice);
            }
        }
        strict
    }
}
