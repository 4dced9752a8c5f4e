//! What a question tells policy, as typed values. Only what the policies at hand look at is made: see [`Needs`].

use super::{Action, Approving, ColumnName, Moment, Subject, needs::Needs};
use crate::sql::{Class, Facts};
use cedar_policy::{Context, RestrictedExpression};

/// The facts that are true or false, by name.
pub(super) const FLAGS: [&str; 7] =
    ["multi", "has_where", "destructive", "server_program", "server_file", "exposes_secret", "writes_mask"];

/// A fact that is there when there is an estimate.
pub(super) const ESTIMATED: &str = "estimated_share";

/// The fact of this name; none when it is no such fact.
pub(super) fn flag(facts: &Facts, name: &str) -> Option<bool> {
    Some(match name {
        "multi" => facts.statements > 1,
        "has_where" => facts.has_where,
        "destructive" => facts.destructive,
        "server_program" => facts.exposure.server_program,
        "server_file" => facts.exposure.server_file,
        "exposes_secret" => facts.exposure.secret,
        "writes_mask" => facts.writes_mask,
        ESTIMATED => facts.estimate.is_some(),
        _ => return None,
    })
}

/// The facts of a plain request of the action, for when there are none.
pub(super) fn plain(action: Action) -> Facts {
    let statements = usize::from(action != Action::Connect);
    Facts { class: class_of(action), statements, has_where: true, ..Facts::default() }
}

/// One question, without who asks and about what.
#[derive(Clone, Copy)]
pub(super) enum Asked<'a> {
    /// May it be done at all?
    First(Action, &'a Facts),
    /// May it be done without a human?
    Unattended(Action, &'a Facts),
    /// May the column be seen?
    Unmasked(&'a ColumnName<'a>),
    /// May the request be decided?
    Approve(&'a Approving<'a>),
    /// May it be done without the approval? The class that was asked for.
    BreakGlass(&'a str),
}

impl<'a> Asked<'a> {
    pub(super) fn action(&self) -> &'static str {
        match self {
            Self::First(action, _) => action.as_str(),
            Self::Unattended(..) => "unattended",
            Self::Unmasked(_) => "unmasked",
            Self::Approve(_) => "approve",
            Self::BreakGlass(_) => "break_glass",
        }
    }

    /// The statement's facts, where the question has any.
    pub(super) fn facts(self) -> Option<&'a Facts> {
        match self {
            Self::First(Action::Connect, _) | Self::Unmasked(_) | Self::Approve(_) | Self::BreakGlass(_) => None,
            Self::First(_, facts) | Self::Unattended(_, facts) => Some(facts),
        }
    }

    /// Which of a judge's slices is for it.
    pub(super) fn slot(&self) -> usize {
        match self {
            Self::First(action, _) => *action as usize,
            Self::Unattended(action, _) => Action::ALL.len() + *action as usize,
            Self::Unmasked(_) => 2 * Action::ALL.len(),
            Self::Approve(_) => 2 * Action::ALL.len() + 1,
            Self::BreakGlass(_) => 2 * Action::ALL.len() + 2,
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

/// The facts as policy sees them.
fn sql(needs: Needs, action: Action, facts: &Facts) -> Option<RestrictedExpression> {
    let class = if action == Action::Connect { "connect" } else { facts.class.as_str() };
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
    if let Some(estimate) = facts.estimate {
        add("estimated_rows", &|| RestrictedExpression::new_long(i64::try_from(estimate.rows).unwrap_or(i64::MAX)));
        add(ESTIMATED, &|| RestrictedExpression::new_long(estimate.share.into()));
    }
    for name in FLAGS {
        add(name, &|| RestrictedExpression::new_bool(flag(facts, name).unwrap_or_default()));
    }
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
