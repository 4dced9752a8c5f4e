//! What a question tells policy, as typed values. Only what the policies at hand look at is made: see [`Needs`].

use super::{Action, Approving, ColumnName, Moment, Subject, needs::Needs};
use crate::sql::{Class, Facts};
use cedar_policy::{Context, RestrictedExpression};

/// One question, without who asks and about what.
#[derive(Clone, Copy)]
pub(super) enum Asked<'a> {
    /// May it be done at all?
    First(Action, Option<&'a Facts>),
    /// May it be done without a human?
    Unattended(Action, Option<&'a Facts>),
    /// May the column be seen?
    Unmasked(&'a ColumnName<'a>),
    /// May the request be decided?
    Approve(&'a Approving<'a>),
    /// May it be done without the approval? The class that was asked for.
    BreakGlass(&'a str),
}

impl Asked<'_> {
    pub(super) fn action(&self) -> &'static str {
        match self {
            Self::First(action, _) => action.as_str(),
            Self::Unattended(..) => "unattended",
            Self::Unmasked(_) => "unmasked",
            Self::Approve(_) => "approve",
            Self::BreakGlass(_) => "break_glass",
        }
    }

    /// The context that the schema gives this action, as far as it is needed. None when it cannot be made.
    pub(super) fn context(&self, needs: Needs, subject: &Subject, depth: u32, now: Moment) -> Option<Context> {
        let mut pairs = Vec::with_capacity(6);
        let mut add = |name: &str, value| pairs.push((name.to_owned(), value));
        if needs.has("agent") {
            add("agent", agent(subject, depth)?);
        }
        if needs.has("time") {
            add("time", time(now)?);
        }
        match *self {
            Self::First(Action::Connect, _) => {}
            Self::First(action, facts) => {
                if needs.has("sql") {
                    add("sql", sql(needs, action, facts)?);
                }
            }
            Self::Unattended(action, facts) => {
                add("action", text(action.as_str()));
                if needs.has("sql") {
                    add("sql", sql(needs, action, facts)?);
                }
            }
            Self::Unmasked(column) => {
                let fields = [("name", column.name), ("relation", column.relation), ("label", column.label)];
                let fields = fields.map(|(name, value)| (name.to_owned(), text(value)));
                add("column", RestrictedExpression::new_record(fields).ok()?);
            }
            Self::Approve(approving) => {
                add("channel", text(approving.channel));
                add("passkey", RestrictedExpression::new_bool(approving.passkey));
                add("class", text(approving.class));
                add("requester", text(approving.requester));
            }
            Self::BreakGlass(class) => add("class", text(class)),
        }
        Context::from_pairs(pairs).ok()
    }
}

fn text(value: &str) -> RestrictedExpression {
    RestrictedExpression::new_string(value.to_owned())
}

/// A set of texts.
pub(super) fn texts<'a>(items: impl IntoIterator<Item = &'a String>) -> RestrictedExpression {
    RestrictedExpression::new_set(items.into_iter().map(|item| text(item)))
}

fn agent(subject: &Subject, depth: u32) -> Option<RestrictedExpression> {
    RestrictedExpression::new_record([
        ("depth".to_owned(), RestrictedExpression::new_long(depth.into())),
        ("user".to_owned(), text(&subject.user)),
        ("ci".to_owned(), RestrictedExpression::new_bool(subject.ci)),
    ])
    .ok()
}

fn time(now: Moment) -> Option<RestrictedExpression> {
    RestrictedExpression::new_record([
        ("hour".to_owned(), RestrictedExpression::new_long(now.hour())),
        ("weekday".to_owned(), RestrictedExpression::new_long(now.weekday())),
        ("minute_of_day".to_owned(), RestrictedExpression::new_long(now.minute_of_day())),
        ("zone".to_owned(), text("UTC")),
    ])
    .ok()
}

/// The facts as policy sees them; those of a plain request of the action when there are none.
fn sql(needs: Needs, action: Action, facts: Option<&Facts>) -> Option<RestrictedExpression> {
    let plain;
    let facts = match facts {
        Some(facts) => facts,
        None => {
            let statements = usize::from(action != Action::Connect);
            plain = Facts { class: class_of(action), statements, has_where: true, ..Facts::default() };
            &plain
        }
    };
    let class = if action == Action::Connect { "connect" } else { facts.class.as_str() };
    let exposure = facts.exposure;
    let bool = RestrictedExpression::new_bool;
    let mut fields = Vec::with_capacity(12);
    let mut add = |name: &str, value: &dyn Fn() -> RestrictedExpression| {
        if needs.has(name) {
            fields.push((name.to_owned(), value()));
        }
    };
    add("class", &|| text(class));
    add("reads", &|| texts(&facts.reads));
    add("writes", &|| texts(&facts.writes));
    add("columns", &|| texts(&facts.columns));
    add("functions", &|| texts(&facts.functions));
    add("statements", &|| RestrictedExpression::new_long(i64::try_from(facts.statements).unwrap_or(i64::MAX)));
    add("multi", &|| bool(facts.statements > 1));
    add("has_where", &|| bool(facts.has_where));
    add("destructive", &|| bool(facts.destructive));
    add("server_program", &|| bool(exposure.server_program));
    add("server_file", &|| bool(exposure.server_file));
    add("exposes_secret", &|| bool(exposure.secret));
    RestrictedExpression::new_record(fields).ok()
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
