//! What a policy asks first. When that is plainly false, Cedar looks at nothing else of the policy, so it need not be evaluated: a
//! rule about `unattended` writes is not put to a read, and a guardrail costs only the statement that touches what it guards.

use super::{Action, context};
use crate::sql::Facts;
use cedar_policy::Policy;
use serde_json::Value;

/// The leftmost condition of a policy's first `when`, where it is of a form that can be told without evaluating it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Guard {
    /// `context.action == "..."`
    action: Option<String>,
    /// `context.sql.name`, or its negation; `context.sql has estimated_share`.
    pub(super) fact: Option<Fact>,
}

/// A fact that must be so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fact {
    name: &'static str,
    value: bool,
}

impl Guard {
    pub(super) fn of(policy: &Policy) -> Self {
        policy.to_json().ok().and_then(|tree| Self::read(&tree)).unwrap_or_default()
    }

    fn read(tree: &Value) -> Option<Self> {
        let first = tree.get("conditions")?.get(0)?;
        if first.get("kind")?.as_str() != Some("when") {
            return None;
        }
        let mut body = first.get("body")?;
        while let Some(and) = body.get("&&") {
            body = and.get("left")?;
        }
        if let Some(equal) = body.get("==") {
            attribute(equal.get("left")?, "action").filter(|of| is_context(of))?;
            return Some(Self { action: text(equal.get("right")?), fact: None });
        }
        if let Some(has) = body.get("has") {
            let sql = attribute(has.get("left")?, "sql")?;
            let asked = has.get("attr")?.as_str() == Some(context::ESTIMATED) && is_context(sql);
            let fact = asked.then_some(Fact { name: context::ESTIMATED, value: true });
            return Some(Self { action: None, fact });
        }
        let (body, value) = match body.get("!") {
            Some(not) => (not.get("arg")?, false),
            None => (body, true),
        };
        let name = context::FLAGS.into_iter().find(|name| attribute(body, name).is_some())?;
        let sql = attribute(attribute(body, name)?, "sql")?;
        Some(Self { action: None, fact: is_context(sql).then_some(Fact { name, value }) })
    }

    /// False when the policy cannot count for `unattended` of this action.
    pub(super) fn may_be_about(&self, action: Action) -> bool {
        self.action.as_deref().is_none_or(|named| named == action.as_str())
    }
}

impl Fact {
    pub(super) fn is_so(self, facts: &Facts) -> bool {
        // What is not known may be so.
        context::flag(facts, self.name).is_none_or(|value| value == self.value)
    }
}

/// What the attribute `name` is taken of.
fn attribute<'a>(tree: &'a Value, name: &str) -> Option<&'a Value> {
    let access = tree.get(".")?;
    (access.get("attr")?.as_str()? == name).then(|| access.get("left"))?
}

fn is_context(tree: &Value) -> bool {
    tree.get("Var").and_then(Value::as_str) == Some("context")
}

fn text(tree: &Value) -> Option<String> {
    tree.get("Value")?.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::str::FromStr as _;

    #[test]
    fn only_what_is_asked_first_and_plainly_guards() {
        let guard = |conditions: &str| {
            Guard::of(
                &Policy::from_str(&format!("@id(\"a\") permit (principal, action, resource) {conditions};")).unwrap(),
            )
        };
        let action = |name: &str| Guard { action: Some(name.to_owned()), fact: None };
        let fact = |name, value| Guard { action: None, fact: Some(Fact { name, value }) };
        for (conditions, expected) in [
            ("when { context.action == \"sql.read\" }", action("sql.read")),
            (
                "when { context.action == \"sql.read\" && context.sql.multi && 1 < 2 } unless { true }",
                action("sql.read"),
            ),
            ("when { context[\"action\"] == \"sql.read\" }", action("sql.read")),
            ("when { context.sql.destructive }", fact("destructive", true)),
            ("when { !context.sql.has_where && context.sql.multi }", fact("has_where", false)),
            ("when { context.sql has estimated_share && 1 < 2 }", fact("estimated_share", true)),
            // Something before it could fail, or the whole be true without it.
            ("when { context.sql.multi || context.action == \"sql.read\" }", Guard::default()),
            ("when { 1 < 2 && context.sql.destructive }", Guard::default()),
            ("unless { context.sql.destructive }", Guard::default()),
            ("when { if context.sql.destructive then true else true }", Guard::default()),
            ("when { context.action == \"a\" || context.action == \"b\" }", Guard::default()),
            ("when { !(context.action == \"a\") }", Guard::default()),
            ("when { context.action != \"a\" }", Guard::default()),
            ("when { resource.action == \"a\" }", Guard::default()),
            ("when { resource.sql.destructive }", Guard::default()),
            ("when { context.column.destructive }", Guard::default()),
            ("", Guard::default()),
        ] {
            assert_eq!(guard(conditions), expected, "{conditions}");
        }
    }
}
