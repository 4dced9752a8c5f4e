//! What two bundles differ in: their policies by name, and what they decide over a grid of plain requests.

use super::{Action, Bundle, Moment, Subject, Target};
use crate::sql::{Facts, facts};
use cedar_policy::Policy;
use serde::Serialize;
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// One plain request for each class, and those that guardrails are about.
const PLAIN: [(&str, &str); 9] = [
    ("connect", ""),
    ("read", "SELECT a FROM t WHERE b = 1"),
    ("write", "UPDATE t SET a = 1 WHERE b = 2"),
    ("write without WHERE", "DELETE FROM t"),
    ("ddl", "CREATE TABLE t (a int)"),
    ("ddl, destructive", "DROP TABLE t"),
    ("admin", "GRANT SELECT ON t TO r"),
    ("admin, server program", "COPY t TO PROGRAM 'p'"),
    ("admin, secrets", "SELECT passwd FROM pg_shadow"),
];
/// Roles and environments that are always in the grid.
const ROLES: [&str; 4] = ["admin", "dba", "reviewer", "user"];
const ENVIRONMENTS: [&str; 3] = ["", "dev", "prod"];

/// A change of one policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum Change {
    /// Only the second bundle has it.
    Added {
        /// Its name.
        id: String,
    },
    /// Only the first one has it.
    Removed {
        /// Its name.
        id: String,
    },
    /// Both have one of this name, with another text.
    Changed {
        /// Its name.
        id: String,
    },
}

/// A plain request that the two bundles decide differently.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GridCase {
    /// The only role of who asks.
    pub role: String,
    /// The resource's label `env`; empty for none.
    pub env: String,
    /// Hops from the root.
    pub depth: u32,
    /// What: `write without WHERE`.
    pub request: &'static str,
    /// What the first bundle says.
    pub before: &'static str,
    /// What the second one says.
    pub after: &'static str,
    /// The policies that decide in the second.
    pub policies: Vec<String>,
}

impl Bundle {
    /// The policies that were added, removed or changed from this bundle to the other, by name.
    #[must_use]
    pub fn changes(&self, other: &Self) -> Vec<Change> {
        let (ours, theirs): (BTreeMap<_, _>, BTreeMap<_, _>) = (self.policies().collect(), other.policies().collect());
        let names: BTreeSet<&str> = ours.keys().chain(theirs.keys()).copied().collect();
        let change = |id: &str| match (ours.get(id), theirs.get(id)) {
            (None, _) => Some(Change::Added { id: id.to_owned() }),
            (_, None) => Some(Change::Removed { id: id.to_owned() }),
            (Some(one), Some(two)) => (one != two).then(|| Change::Changed { id: id.to_owned() }),
        };
        names.into_iter().filter_map(change).collect()
    }

    /// What the two decide differently over a grid of plain requests: by class, environment, role and depth. Roles and
    /// environments are those that either names, beside the usual ones.
    #[must_use]
    pub fn grid(self: &Arc<Self>, other: &Arc<Self>, now: Moment) -> Vec<GridCase> {
        let requests = PLAIN.map(|(name, text)| (name, (!text.is_empty()).then(|| facts(text))));
        let (mut roles, mut environments) =
            (BTreeSet::from(ROLES.map(str::to_owned)), BTreeSet::from(ENVIRONMENTS.map(str::to_owned)));
        for rule in self.rules.iter().chain(&other.rules) {
            name_entities(&rule.policy, &mut roles, &mut environments);
        }
        let mut cases = Vec::new();
        for (role, env) in roles.iter().flat_map(|role| environments.iter().map(move |env| (role, env))) {
            for depth in 0..=1 {
                let subject = Subject { user: "somebody".to_owned(), roles: vec![role.clone()], depth, ci: false };
                let labels = (!env.is_empty()).then(|| ("env".to_owned(), env.clone())).into_iter().collect();
                let target = Target { resource: "some-resource".to_owned(), labels };
                let (before, after) = (self.judge(&subject, &target), other.judge(&subject, &target));
                for (request, facts) in &requests {
                    let action = facts.as_ref().map_or(Action::Connect, |facts: &Facts| Action::of(facts.class));
                    let [one, two] = [&before, &after].map(|judge| judge.decide(action, facts.as_ref(), now));
                    if one.outcome != two.outcome {
                        let (before, after) = (one.outcome.as_str(), two.outcome.as_str());
                        let (role, env, policies) = (role.clone(), env.clone(), two.policies.to_vec());
                        cases.push(GridCase { role, env, depth, request, before, after, policies });
                    }
                }
            }
        }
        cases
    }
}

/// The groups and environments that a policy names.
fn name_entities(policy: &Policy, groups: &mut BTreeSet<String>, environments: &mut BTreeSet<String>) {
    fn look(tree: &Value, found: &mut dyn FnMut(&str, &str)) {
        match tree {
            Value::Array(items) => items.iter().for_each(|item| look(item, found)),
            Value::Object(fields) => {
                let text = |name: &str| fields.get(name).and_then(Value::as_str);
                if let (Some(kind), Some(id)) = (text("type"), text("id")) {
                    found(kind, id);
                }
                fields.values().for_each(|value| look(value, found));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let Ok(tree) = policy.to_json() else { return };
    look(&tree, &mut |kind, id| {
        let names = match kind {
            "Group" => &mut *groups,
            "Env" => &mut *environments,
            _ => return,
        };
        names.insert(id.to_owned());
    });
}
