//! Cases for `policy test` and `policy diff`: a TOML file of requests, each with what should be decided.
//!
//! ```toml
//! [[case]]
//! name = "nobody drops anything in production"   # all but one of sql and action, and expect, may be left out
//! user = "alice"
//! roles = ["admin"]
//! depth = 1
//! ci = false
//! resource = "shop-prod"
//! labels = { env = "prod" }
//! at = "2026-11-26T10:00:00Z"
//! sql = "DROP TABLE orders"                      # or action = "connect", "sql.read", "unmasked", "approve", "break_glass"
//! expect = "deny"
//! policies = ["guardrail-destructive"]
//! terms = ['@quorum("2")']
//! ```
//! `unmasked` takes `column = "public.customers.ssn"`; `approve` takes `channel`, `passkey`, `class`, `requester`; `break_glass`
//! takes `class`.

use std::{collections::BTreeMap, path::Path, sync::Arc};
use toml_edit::{Document, Item, TableLike};
use weir_policy::{
    bundle::{Approving, Bundle, ColumnName, Decision, Moment, Outcome, Subject, Target},
    sql,
};
use weir_shared::{
    api::Explanation,
    error::{Kind, UserFacing},
};

const KEYS: [&str; 17] = [
    "name",
    "user",
    "roles",
    "depth",
    "ci",
    "resource",
    "labels",
    "at",
    "sql",
    "action",
    "expect",
    "policies",
    "terms",
    "column",
    "channel",
    "class",
    "requester",
];

/// One request, and what is expected of it.
pub(super) struct Case {
    pub(super) name: String,
    pub(super) line: usize,
    pub(super) subject: Subject,
    pub(super) target: Target,
    now: Moment,
    asks: Asks,
    pub(super) expect: Outcome,
    pub(super) policies: Option<Vec<String>>,
    pub(super) terms: Option<Vec<String>>,
}

enum Asks {
    Sql(Box<sql::Facts>),
    Action(weir_policy::bundle::Action),
    Unmasked { name: String, relation: String },
    Approve { channel: String, passkey: bool, class: String, requester: String },
    BreakGlass(String),
}

impl Case {
    /// What the bundle decides.
    pub(super) fn decide(&self, bundle: &Arc<Bundle>) -> Decision {
        let (judge, now) = (bundle.judge(&self.subject, &self.target), self.now);
        match &self.asks {
            Asks::Sql(facts) => super::decide(&judge, facts, now),
            Asks::Action(action) => judge.decide(*action, None, now),
            Asks::Unmasked { name, relation } => judge.unmasked(&ColumnName { name, relation, label: "" }, now),
            Asks::Approve { channel, passkey, class, requester } => {
                judge.approve(&Approving { channel, passkey: *passkey, class, requester }, now)
            }
            Asks::BreakGlass(class) => judge.break_glass(class, now),
        }
    }

    /// How it decides that, for what has the first two questions.
    pub(super) fn explain(&self, bundle: &Arc<Bundle>) -> Option<Explanation> {
        let judge = bundle.judge(&self.subject, &self.target);
        match &self.asks {
            Asks::Sql(facts) => Some(judge.explain(super::action_of(facts)?, Some(facts), self.now)),
            Asks::Action(action) => Some(judge.explain(*action, None, self.now)),
            Asks::Unmasked { .. } | Asks::Approve { .. } | Asks::BreakGlass(_) => None,
        }
    }

    /// How a decision differs from what is expected; empty when it does not.
    pub(super) fn differences(&self, decision: &Decision) -> Vec<String> {
        let mut out = Vec::new();
        if decision.outcome != self.expect {
            out.push(format!("expected {}, decided {}", self.expect.as_str(), decision.outcome.as_str()));
        }
        let sorted = |items: &[String]| {
            let mut items = items.to_vec();
            items.sort();
            items
        };
        let mut compare = |what: &str, expected: &Option<Vec<String>>, decided: &[String]| {
            if let Some(expected) = expected
                && sorted(expected) != sorted(decided)
            {
                out.push(format!("expected {what} [{}], found [{}]", expected.join(", "), decided.join(", ")));
            }
        };
        compare("policies", &self.policies, &decision.policies);
        compare("terms", &self.terms, &decision.terms.shown());
        out
    }
}

/// Reads a file of cases.
pub(super) fn read(file: &Path) -> Result<Vec<Case>, UserFacing> {
    let text = fs_err::read_to_string(file)
        .map_err(|error| UserFacing::new(Kind::NotFound, error.to_string(), "name a TOML file of [[case]]s"))?;
    let wrong = |line: usize, what: String| {
        let hint = "a case: [[case]] user, roles, depth, resource, labels; sql or action; expect = \"allow\", \"hold\", \"deny\"";
        UserFacing::new(Kind::Config, format!("{}:{line}: {what}", file.display()), hint)
    };
    let line = |at: usize| text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1;
    let document = Document::parse(text.as_str())
        .map_err(|error| wrong(error.span().map_or(1, |span| line(span.start)), error.message().to_owned()))?;
    if let Some((name, _)) = document.as_table().iter().find(|(name, _)| *name != "case") {
        return Err(wrong(1, format!("{name} is not known")));
    }
    let tables = document.as_table().get("case").and_then(Item::as_array_of_tables);
    let tables =
        tables.filter(|tables| !tables.is_empty()).ok_or_else(|| wrong(1, "there is no [[case]]".to_owned()))?;
    let read = |table: &toml_edit::Table| {
        let line = table.span().map_or(1, |span| line(span.start));
        case(table, line).map_err(|what| wrong(line, what))
    };
    tables.iter().map(read).collect()
}

fn case(table: &dyn TableLike, line: usize) -> Result<Case, String> {
    if let Some((name, _)) = table.iter().find(|(name, _)| !KEYS.contains(name) && *name != "passkey") {
        return Err(format!("{name} is not known"));
    }
    let of = |name: &str| table.get(name);
    let typed = |name: &str| format!("{name} is not what it should be");
    let text = |name: &str, default: &str| match of(name) {
        None => Ok(default.to_owned()),
        Some(item) => item.as_str().map(str::to_owned).ok_or_else(|| typed(name)),
    };
    let list = |name: &str| match of(name) {
        None => Ok(None),
        Some(item) => {
            let texts =
                item.as_array().and_then(|items| items.iter().map(|item| Some(item.as_str()?.to_owned())).collect());
            texts.map(Some).ok_or_else(|| typed(name))
        }
    };
    let flag = |name: &str| of(name).map_or(Ok(false), |item| item.as_bool().ok_or_else(|| typed(name)));
    let labels = match of("labels") {
        None => BTreeMap::new(),
        Some(item) => {
            let table = item.as_table_like().ok_or_else(|| typed("labels"))?;
            let label = |(name, item): (&str, &Item)| Some((name.to_owned(), item.as_str()?.to_owned()));
            table.iter().map(label).collect::<Option<_>>().ok_or_else(|| typed("labels"))?
        }
    };
    let depth = of("depth").map_or(Some(0), |item| u32::try_from(item.as_integer()?).ok()).filter(|depth| *depth <= 64);
    let at = match of("at") {
        None => jiff::Timestamp::now(),
        Some(item) => item.as_str().and_then(|text| text.parse().ok()).ok_or_else(|| typed("at"))?,
    };
    let outcomes = [Outcome::Allow, Outcome::Hold, Outcome::Deny];
    let expect = text("expect", "")?;
    let expect = outcomes.into_iter().find(|outcome| outcome.as_str() == expect).ok_or_else(|| typed("expect"))?;
    let (user, resource) = (text("user", "somebody")?, text("resource", "some-resource")?);
    Ok(Case {
        name: text("name", "")?,
        line,
        subject: Subject {
            user,
            roles: list("roles")?.unwrap_or_default(),
            depth: depth.ok_or_else(|| typed("depth"))?,
            ci: flag("ci")?,
        },
        target: Target { resource, labels },
        now: Moment::of(at.as_microsecond()),
        asks: asks(&text, flag("passkey")?)?,
        expect,
        policies: list("policies")?,
        terms: list("terms")?,
    })
}

fn asks(text: &dyn Fn(&str, &str) -> Result<String, String>, passkey: bool) -> Result<Asks, String> {
    let (sql, action) = (text("sql", "")?, text("action", "")?);
    match (sql.as_str(), action.as_str()) {
        ("", "unmasked") => {
            let column = text("column", "")?;
            let (relation, name) = column.rsplit_once('.').unwrap_or(("", &column));
            Ok(Asks::Unmasked { name: name.to_owned(), relation: relation.to_owned() })
        }
        ("", "approve") => Ok(Asks::Approve {
            channel: text("channel", "cli")?,
            passkey,
            class: text("class", "sql.write")?,
            requester: text("requester", "somebody-else")?,
        }),
        ("", "break_glass") => Ok(Asks::BreakGlass(text("class", "sql.write")?)),
        ("", action) => super::named(action).map(Asks::Action).ok_or_else(|| "needs sql, or a known action".to_owned()),
        (sql, "") => Ok(Asks::Sql(Box::new(sql::facts(sql)))),
        _ => Err("has both sql and action".to_owned()),
    }
}
