//! A bundle made ready for one subject and one target: [`Judge`]. Entities are built once, and of the policies only those are
//! kept whose scope can apply at all, so that a decision costs the same however many policies there are.

use super::{
    Bundle, Subject, Target,
    context::{Asked, texts},
    needs::Needs,
    rule::{Enforce, Place, Rule},
};
use cedar_policy::{Entities, Entity, EntityId, EntityTypeName, EntityUid, PolicySet};
use std::{
    collections::{HashMap, HashSet},
    str::FromStr as _,
    sync::{Arc, OnceLock},
};

/// Every action of the schema that is ever asked about.
pub(super) const ACTIONS: [&str; 9] =
    ["connect", "sql.read", "sql.write", "sql.ddl", "sql.admin", "unattended", "unmasked", "approve", "break_glass"];

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
    /// By action, each made when it is first asked about: most sessions ask about few.
    slices: [OnceLock<Slice>; ACTIONS.len()],
}

/// The policies that may apply to one action of the judge's subject on its target.
#[derive(Debug)]
pub(super) struct Slice {
    pub(super) action: EntityUid,
    pub(super) rules: Vec<Arc<Rule>>,
    pub(super) enforced: PolicySet,
    /// Those in shadow or warn: permits, and forbids.
    pub(super) aside: [PolicySet; 2],
    pub(super) needs: Needs,
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

    fn needs(&self, action: &'static str) -> Needs {
        self.slice(action).map_or(Needs::ALL, |slice| slice.needs)
    }

    /// The policies for this question; none when it cannot be asked.
    pub(super) fn slice(&self, action: &'static str) -> Option<&Slice> {
        let ready = self.ready.as_ref()?;
        let place = ACTIONS.iter().position(|known| *known == action)?;
        let cell = ready.slices.get(place)?;
        if let Some(slice) = cell.get() {
            return Some(slice);
        }
        let slice = Slice::new(&self.bundle, ready, action)?;
        Some(cell.get_or_init(|| slice))
    }

    /// The depths that must be asked about for this question.
    pub(super) fn depths(&self, asked: &[Asked<'_>]) -> std::ops::RangeInclusive<u32> {
        let told = asked.iter().any(|asked| self.needs(asked.action()).has("agent"));
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
    fn new(bundle: &Bundle, ready: &Ready, action: &str) -> Option<Self> {
        let action = uid("Action", action)?;
        let applies = |rule: &&Arc<Rule>| rule.applies(&ready.principal, &action, &ready.resource);
        let rules: Vec<Arc<Rule>> = bundle.rules.iter().filter(applies).map(Arc::clone).collect();
        let set = |wanted: &dyn Fn(&Rule) -> bool| {
            let chosen = rules.iter().filter(|rule| wanted(rule)).map(|rule| rule.policy.clone());
            PolicySet::from_policies(chosen).ok()
        };
        let is_enforced = |rule: &Rule| rule.says.enforce == Enforce::Fully;
        Some(Self {
            enforced: set(&is_enforced)?,
            aside: [
                set(&|rule| !is_enforced(rule) && !rule.forbids())?,
                set(&|rule| !is_enforced(rule) && rule.forbids())?,
            ],
            needs: rules.iter().fold(Needs::default(), |needs, rule| needs.and(rule.needs)),
            action,
            rules,
        })
    }

    /// What is known of a policy by its name.
    pub(super) fn rule(&self, id: &str) -> Option<&Arc<Rule>> {
        self.rules.iter().find(|rule| rule.id == id)
    }
}
