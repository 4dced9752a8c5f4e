//! What policies look at: the parts of the context that they name anywhere. The others need not be made for a decision.
//!
//! A part that was left out by mistake is an error of the policy that looks at it, and an error denies.

use cedar_policy::Policy;
use serde_json::Value;

/// Names of attributes, as in the schema.
const NAMES: [&str; 18] = [
    "agent",
    "time",
    "sql",
    "class",
    "reads",
    "writes",
    "columns",
    "functions",
    "statements",
    "multi",
    "has_where",
    "estimated_rows",
    "estimated_share",
    "destructive",
    "server_program",
    "server_file",
    "exposes_secret",
    "writes_mask",
];

/// A set of [`NAMES`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Needs(u32);

impl Needs {
    pub(super) const ALL: Self = Self(u32::MAX);

    /// What this policy names, in whatever way it writes it: every text of its syntax tree is looked at.
    pub(super) fn of(policy: &Policy) -> Self {
        policy.to_json().map_or(Self::ALL, |tree| {
            let mut needs = Self::default();
            needs.look(&tree);
            needs
        })
    }

    fn look(&mut self, tree: &Value) {
        match tree {
            Value::String(text) => self.0 |= bit(text),
            Value::Array(items) => items.iter().for_each(|item| self.look(item)),
            Value::Object(fields) => fields.iter().for_each(|(name, value)| {
                self.0 |= bit(name);
                self.look(value);
            }),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    pub(super) fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) fn has(self, name: &str) -> bool {
        self.0 & bit(name) != 0
    }
}

fn bit(name: &str) -> u32 {
    (0..).zip(NAMES).find(|(_, known)| *known == name).map_or(0, |(place, _): (u32, _)| 1 << place)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::str::FromStr as _;

    #[test]
    fn names_are_found_however_they_are_written() {
        let needs = |condition: &str| {
            let text = format!("@id(\"a\") permit (principal, action, resource) when {{ {condition} }};");
            Needs::of(&Policy::from_str(&text).unwrap())
        };
        for condition in [
            "context.agent.depth > 1",
            "context[\"agent\"][\"depth\"] > 1",
            "context[\"\\u{61}gent\"].depth > 1",
            "context has agent",
            "context has agent.depth",
            "context has \"agent\"",
            "context == { agent: { depth: 1 } }",
            "if true then false else context.agent.depth == 1",
        ] {
            assert!(needs(condition).has("agent"), "{condition}");
            assert!(!needs(condition).has("time"), "{condition}");
        }
        assert_eq!(needs("principal in Group::\"x\""), Needs::default());
        assert!(needs("context.sql.has_where").has("has_where"));
    }
}
