//! A bundle made ready for one subject and one target: [`Judge`]. Entities are built once, and of the policies only those are
//! kept whose scope can apply at all, so that a decision costs the same however many policies there are.

use super::{
    Action, Bundle, Subject, Target,
    context::{Asked, texts},
    guard::Fact,
    needs::Needs,
    rule::{Enforce, Place, Rule},
};
use cedar_policy::{Entities, Entity, EntityId, EntityTypeName, EntityUid, PolicySet};
use std::{
    collections::{HashMap, HashSet},
    str::FromStr as _,
    sync::{Arc, OnceLock},
};

/// Slices of a judge: see [`Asked::slot`].
const SLOTS: usize = 2 * Action::ALL.len() + 3;

/// Decides for one subject and one target. Cheap to ask, and safe to share; made by [`Bundle::judge`].
#[derive(Debug)]
pub struct Judge {
    pub(super) bundle: Arc<Bundle>,
    pub(super) subject: Subject,
    /// None when the names make no entities: then everything is denied.
    pub(super) ready: Option<Ready>,
}

#[derive(Debug)]
pub(super) struct Ready {
    pub(super) principal: Place,
    pub(super) resource: Place,
    pub(super) entities: Entities,
    /// By question, each made when it is first asked about: most sessions ask about few.
    slices: [OnceLock<Slice>; SLOTS],
}

/// The policies that may apply to one action of the judge's subject on its target.
#[derive(Debug)]
pub(super) struct Slice {
    pub(super) action: EntityUid,
    pub(super) rules: Vec<Arc<Rule>>,
    /// Those that are always evaluated, then those behind each fact that must be so.
    enforced: Vec<Guarded>,
    /// Those in shadow or warn: permits, and forbids.
    pub(super) aside: [PolicySet; 2],
    /// What all of them look at.
    pub(super) needs: Needs,
    /// What those in `aside` look at.
    aside_needs: Needs,
}

/// Enforced policies that need not be evaluated unless the fact is so.
#[derive(Debug)]
struct Guarded {
    fact: Option<Fact>,
    needs: Needs,
    policies: PolicySet,
}

fn uid(kind: &str, id: &str) -> Option<EntityUid> {
    Some(EntityUid::from_type_name_and_id(EntityTypeName::from_str(kind).ok()?, EntityId::new(id)))
}

impl Bundle {
    /// Makes the bundle ready for decisions about this subject and target.
    #[must_use]
    pub fn judge(self: &Arc<Self>, subject: &Subject, target: &Target) -> Judge {
        Judge { bundle: Arc::clone(self), subject: subject.clone(), ready: Ready::new(self, subject, target) }
    }
}

impl Judge {
    /// The hash of its bundle.
    #[must_use]
    pub fn hash(&self) -> &str {
        self.bundle.hash()
    }

    /// True when an answer may be another in another minute.
    #[must_use]
    pub fn tells_time(&self) -> bool {
        self.bundle.tells_time
    }

    /// True when an answer may hang on what the server's planner expects.
    #[must_use]
    pub fn estimates(&self) -> bool {
        self.bundle.estimates
    }

    /// The policies for this question; none when it cannot be asked.
    pub(super) fn slice(&self, asked: Asked<'_>) -> Option<&Slice> {
        let ready = self.ready.as_ref()?;
        let cell = ready.slices.get(asked.slot())?;
        if let Some(slice) = cell.get() {
            return Some(slice);
        }
        let slice = Slice::new(&self.bundle, ready, asked)?;
        Some(cell.get_or_init(|| slice))
    }

    /// The depths that must be asked about for this question.
    pub(super) fn depths(&self, asked: &[Asked<'_>]) -> std::ops::RangeInclusive<u32> {
        let told = asked.iter().any(|asked| self.slice(*asked).is_none_or(|slice| slice.needs.has("agent")));
        // The depth is only in `context.agent`: who does not name it cannot tell.
        if told { 0..=self.subject.depth } else { self.subject.depth..=self.subject.depth }
    }
}

impl Ready {
    fn new(bundle: &Bundle, subject: &Subject, target: &Target) -> Option<Self> {
        let groups = subject.roles.iter().map(|role| uid("Group", role)).collect::<Option<HashSet<_>>>()?;
        let environment: HashSet<EntityUid> = match target.labels.get("env") {
            Some(value) => HashSet::from([uid("Env", value)?]),
            None => HashSet::new(),
        };
        let (user, resource) = (uid("User", &subject.user)?, uid("Resource", &target.resource)?);
        let parents = groups.iter().chain(&environment);
        let mut entities: Vec<Entity> = parents.map(|uid| Entity::new_no_attrs(uid.clone(), HashSet::new())).collect();
        let labels: Vec<String> = target.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let attributes = HashMap::from([("labels".to_owned(), texts(&labels))]);
        entities.push(Entity::new(resource.clone(), attributes, environment.clone()).ok()?);
        entities.push(Entity::new_no_attrs(user.clone(), groups.clone()));
        Some(Self {
            principal: Place { uid: user, parents: groups.into_iter().collect() },
            resource: Place { uid: resource, parents: environment.into_iter().collect() },
            entities: Entities::from_entities(entities, Some(&bundle.schema)).ok()?,
            slices: Default::default(),
        })
    }
}

impl Slice {
    fn new(bundle: &Bundle, ready: &Ready, asked: Asked<'_>) -> Option<Self> {
        let action = uid("Action", asked.action())?;
        let applies = |rule: &&Arc<Rule>| {
            let about = match asked {
                Asked::Unattended(action, _) => rule.guard.may_be_about(action),
                _ => true,
            };
            about && rule.applies(&ready.principal, &action, &ready.resource)
        };
        let rules: Vec<Arc<Rule>> = bundle.rules.iter().filter(applies).map(Arc::clone).collect();
        let set = |wanted: &dyn Fn(&Rule) -> bool| {
            let chosen = rules.iter().filter(|rule| wanted(rule)).map(|rule| rule.policy.clone());
            PolicySet::from_policies(chosen).ok()
        };
        let is_enforced = |rule: &Rule| rule.says.enforce == Enforce::Fully;
        let mut facts: Vec<Option<Fact>> = Vec::new();
        for rule in rules.iter().filter(|rule| is_enforced(rule)) {
            if !facts.contains(&rule.guard.fact) {
                facts.push(rule.guard.fact);
            }
        }
        let needs = |wanted: &dyn Fn(&Rule) -> bool| {
            let chosen = rules.iter().filter(|rule| wanted(rule));
            chosen.fold(Needs::default(), |needs, rule| needs.and(rule.needs))
        };
        let behind = |fact: Option<Fact>| {
            let is_behind = |rule: &Rule| is_enforced(rule) && rule.guard.fact == fact;
            Some(Guarded { fact, needs: needs(&is_behind), policies: set(&is_behind)? })
        };
        Some(Self {
            enforced: facts.into_iter().map(behind).collect::<Option<_>>()?,
            aside: [
                set(&|rule| !is_enforced(rule) && !rule.forbids())?,
                set(&|rule| !is_enforced(rule) && rule.forbids())?,
            ],
            needs: needs(&|_| true),
            aside_needs: needs(&|rule| !is_enforced(rule)),
            action,
            rules,
        })
    }

    /// Those that must be evaluated for this question: behind a fact that is not so, nothing can match.
    fn counting<'a>(&'a self, asked: Asked<'a>) -> impl Iterator<Item = &'a Guarded> {
        let facts = asked.facts();
        self.enforced.iter().filter(move |guarded| match (guarded.fact, facts) {
            (Some(fact), Some(facts)) => fact.is_so(facts),
            _ => true,
        })
    }

    /// The same as sets of policies.
    pub(super) fn sets<'a>(&'a self, asked: Asked<'a>) -> impl Iterator<Item = &'a PolicySet> {
        self.counting(asked).map(|guarded| &guarded.policies)
    }

    /// What these look at, and those in `aside`.
    pub(super) fn needs_for(&self, asked: Asked<'_>) -> Needs {
        self.counting(asked).fold(self.aside_needs, |needs, guarded| needs.and(guarded.needs))
    }

    /// What is known of a policy by its name.
    pub(super) fn rule(&self, id: &str) -> Option<&Arc<Rule>> {
        self.rules.iter().find(|rule| rule.id == id)
    }
}
