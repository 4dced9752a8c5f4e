//! One decision: the two questions, put to Cedar.

use super::{Action, Bundle, Decision, Outcome, Question};
use crate::sql::{Class, Facts};
use cedar_policy::{
    Authorizer, Context, Decision as Cedar, Entities, Entity, EntityId, EntityTypeName, EntityUid, PolicySet, Request,
    RestrictedExpression,
};
use std::{
    collections::{HashMap, HashSet},
    str::FromStr,
};

/// What one question was answered with.
struct Answer {
    permitted: bool,
    /// A policy failed, or the question could not be put: then nothing of the answer holds.
    failed: bool,
    policies: Vec<String>,
}

impl Bundle {
    /// What policy says to `question`, asked for each agent from the root to who asks: the strictest answer counts. Deny when
    /// no rule permits it or any policy fails while it is evaluated; hold when it is permitted, but not unattended.
    #[must_use]
    pub fn decide(&self, question: &Question<'_>) -> Decision {
        let depth = question.subject.depth;
        let own = self.decide_at(question, depth);
        if !self.tells_depths {
            return own;
        }
        let others = (0..depth).map(|depth| self.decide_at(question, depth));
        others.fold(own, |strictest, other| if other.outcome > strictest.outcome { other } else { strictest })
    }

    fn decide_at(&self, question: &Question<'_>, depth: u32) -> Decision {
        let Some(asked) = Asked::new(self, question) else {
            return Decision { outcome: Outcome::Deny, policies: [].into() };
        };
        let first = asked.put(question.action.as_str(), asked.context(question, depth, None));
        if first.failed || !first.permitted {
            return Decision { outcome: Outcome::Deny, policies: first.policies.into() };
        }
        if question.action == Action::Connect {
            return Decision { outcome: Outcome::Allow, policies: first.policies.into() };
        }
        let second = asked.put(super::UNATTENDED, asked.context(question, depth, Some(question.action.as_str())));
        if second.failed {
            return Decision { outcome: Outcome::Deny, policies: second.policies.into() };
        }
        let outcome = if second.permitted { Outcome::Allow } else { Outcome::Hold };
        Decision { outcome, policies: [first.policies, second.policies].concat().into() }
    }
}

struct Asked<'a> {
    bundle: &'a Bundle,
    principal: EntityUid,
    resource: EntityUid,
    entities: Entities,
}

fn uid(kind: &str, id: &str) -> Option<EntityUid> {
    Some(EntityUid::from_type_name_and_id(EntityTypeName::from_str(kind).ok()?, EntityId::new(id)))
}

fn texts<'a>(items: impl IntoIterator<Item = &'a String>) -> RestrictedExpression {
    RestrictedExpression::new_set(items.into_iter().map(|item| RestrictedExpression::new_string(item.clone())))
}

impl<'a> Asked<'a> {
    fn new(bundle: &'a Bundle, question: &Question<'_>) -> Option<Self> {
        let principal = uid("User", &question.subject.user)?;
        let resource = uid("Resource", &question.target.resource)?;
        let mut groups = HashSet::new();
        let mut entities = Vec::new();
        for role in &question.subject.roles {
            groups.insert(uid("Group", role)?);
        }
        let environment = match question.target.labels.get("env") {
            Some(value) => HashSet::from([uid("Env", value)?]),
            None => HashSet::new(),
        };
        entities.extend(groups.iter().chain(&environment).map(|uid| Entity::new_no_attrs(uid.clone(), HashSet::new())));
        let labels: Vec<String> = question.target.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let attributes = HashMap::from([("labels".to_owned(), texts(&labels))]);
        entities.push(Entity::new(resource.clone(), attributes, environment).ok()?);
        entities.push(Entity::new_no_attrs(principal.clone(), groups));
        let entities = Entities::from_entities(entities, Some(&bundle.schema)).ok()?;
        Some(Self { bundle, principal, resource, entities })
    }

    fn context(&self, question: &Question<'_>, depth: u32, unattended: Option<&str>) -> Option<Context> {
        let depth = ("depth".to_owned(), RestrictedExpression::new_long(depth.into()));
        let mut pairs = vec![("agent".to_owned(), RestrictedExpression::new_record([depth]).ok()?)];
        if let Some(action) = unattended {
            pairs.push(("action".to_owned(), RestrictedExpression::new_string(action.to_owned())));
        }
        if question.action != Action::Connect {
            pairs.push(("sql".to_owned(), sql(question)?));
        }
        Context::from_pairs(pairs).ok()
    }

    fn put(&self, action: &str, context: Option<Context>) -> Answer {
        let failed = |policies| Answer { permitted: false, failed: true, policies };
        let empty = PolicySet::new();
        let policies = self.bundle.slices.get(action).unwrap_or(&empty);
        let request = context.zip(uid("Action", action)).and_then(|(context, action)| {
            Request::new(self.principal.clone(), action, self.resource.clone(), context, Some(&self.bundle.schema)).ok()
        });
        let Some(request) = request else { return failed(Vec::new()) };
        let response = Authorizer::new().is_authorized(&request, policies, &self.entities);
        // Cedar leaves out a policy that fails: a failing `forbid` would let pass what it was written to stop.
        let mut errors: Vec<String> = response
            .diagnostics()
            .errors()
            .map(|error| {
                let cedar_policy::AuthorizationError::PolicyEvaluationError(error) = error;
                error.policy_id().to_string()
            })
            .collect();
        if !errors.is_empty() {
            errors.sort();
            return failed(errors);
        }
        let mut policies: Vec<String> = response.diagnostics().reason().map(ToString::to_string).collect();
        policies.sort();
        Answer { permitted: response.decision() == Cedar::Allow, failed: false, policies }
    }
}

/// The facts as policy sees them; those of a plain statement of the class when there are none.
fn sql(question: &Question<'_>) -> Option<RestrictedExpression> {
    let plain;
    let facts = match question.facts {
        Some(facts) => facts,
        None => {
            plain = Facts { class: class_of(question.action), statements: 1, has_where: true, ..Facts::default() };
            &plain
        }
    };
    let field = |name: &str, value| (name.to_owned(), value);
    RestrictedExpression::new_record([
        field("class", RestrictedExpression::new_string(facts.class.as_str().to_owned())),
        field("reads", texts(&facts.reads)),
        field("writes", texts(&facts.writes)),
        field("columns", texts(&facts.columns)),
        field("functions", texts(&facts.functions)),
        field("statements", RestrictedExpression::new_long(i64::try_from(facts.statements).unwrap_or(i64::MAX))),
        field("has_where", RestrictedExpression::new_bool(facts.has_where)),
        field("destructive", RestrictedExpression::new_bool(facts.destructive)),
    ])
    .ok()
}

fn class_of(action: Action) -> Class {
    match action {
        Action::Connect => Class::Session,
        Action::SqlRead => Class::Read,
        Action::SqlWrite => Class::Write,
        Action::SqlDdl => Class::Ddl,
        Action::SqlAdmin => Class::Admin,
    }
}
