//! Measures what a decision of policy costs, for `scripts/bench.sh policy`: by policies, by depth, with what makes it ready.

#![allow(clippy::print_stdout, reason = "its figures are its output")]

use std::{
    error::Error,
    fmt::Write as _,
    sync::Arc,
    time::{Duration, Instant},
};
use weir_policy::{
    bundle::{Action, Bundle, DEFAULT_POLICY, Guardrails, Judge, Moment, Outcome, Subject, Target},
    sql,
};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// What is asked in turn.
const STATEMENTS: [&str; 3] = [
    "SELECT id, status FROM orders WHERE customer = 7",
    "UPDATE orders SET status = 'sent' WHERE id = 7",
    "SELECT o.id, lower(c.name) FROM orders o JOIN customers c ON c.id = o.customer WHERE o.total > 10",
];

fn main() -> Result<()> {
    // cargo adds `--bench`.
    let quick = std::env::args().any(|argument| argument == "quick");
    let rounds = if quick { 200 } else { 20_000 };
    println!("| a decision, of policies: µs | depth 0 | depth 1 | depth 5 |\n|---|---|---|---|");
    for count in [10, 100, 1_000] {
        let bundle = bundle(count)?;
        let took = [0, 1, 5].map(|depth| decisions(&bundle.judge(&subject(depth), &target()), rounds));
        let [one, two, five] = took;
        println!("| {count} | {:.1} | {:.1} | {:.1} |", us(one?), us(two?), us(five?));
    }
    println!("\n| measure | figure |\n|---|---|");
    for count in [10, 1_000] {
        let bundle = bundle(count)?;
        let begun = Instant::now();
        let several = rounds / 100;
        for _ in 0..several {
            let judge = bundle.judge(&subject(0), &target());
            assert_ne!(judge.decide(Action::Connect, None, Moment::default()).outcome, Outcome::Deny);
        }
        let each = begun.elapsed() / u32::try_from(several)?;
        println!("| making ready for a session and its first decision, {count} policies: µs | {:.0} |", us(each));
        let begun = Instant::now();
        self::bundle(count)?;
        println!("| loading and validating {count} policies: ms | {:.1} |", us(begun.elapsed()) / 1000.0);
    }
    // Facts about SQL, by kind of statement, belong here.
    Ok(())
}

fn us(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

fn subject(depth: u32) -> Subject {
    Subject { user: "alice".to_owned(), roles: vec!["user".to_owned(), "team-3".to_owned()], depth, ci: false }
}

fn target() -> Target {
    let labels = [("env".to_owned(), "env-3".to_owned()), ("team".to_owned(), "shop".to_owned())];
    Target { resource: "shop-3".to_owned(), labels: labels.into() }
}

/// The default policy behind the guardrails, and so many rules more as organisations have them: each team its own environment,
/// a rule in five that looks at the depth, a few exceptions for one resource.
fn bundle(count: usize) -> Result<Arc<Bundle>> {
    let mut text = DEFAULT_POLICY.to_owned();
    for number in 0..count {
        let (team, env) = (number % (count / 5).max(2), number % (count / 4).max(2));
        let id = format!("@id(\"rule-{number}\")");
        let scope = format!("principal in Group::\"team-{team}\"");
        match number % 5 {
            0 => writeln!(
                text,
                "{id} permit ({scope}, action == Action::\"sql.write\", resource in Env::\"env-{env}\") \
                 when {{ context.agent.depth <= 5 && context.sql.has_where }};"
            )?,
            1 => writeln!(
                text,
                "{id} permit ({scope}, action == Action::\"unattended\", resource in Env::\"env-{env}\") \
                 when {{ context.action == \"sql.write\" }};"
            )?,
            2 => writeln!(
                text,
                "{id} permit ({scope}, action in Action::\"sql\", resource == Resource::\"shop-{number}\");"
            )?,
            3 => writeln!(
                text,
                "{id} forbid ({scope}, action == Action::\"sql.read\", resource in Env::\"env-{env}\") \
                 when {{ context.sql.columns.contains(\"salary\") && context.agent.depth > 0 }};"
            )?,
            _ => writeln!(
                text,
                "{id} permit ({scope}, action == Action::\"sql.read\", resource in Env::\"env-{env}\") \
                 when {{ context.sql.reads.contains(\"orders\") && !context.sql.multi }};"
            )?,
        }
    }
    Bundle::guarded(&text, &Guardrails::default())
        .map(Arc::new)
        .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n").into())
}

/// The median of batches, each of one statement of each kind.
fn decisions(judge: &Judge, rounds: usize) -> Result<Duration> {
    let facts = STATEMENTS.map(sql::facts);
    let mut all = Vec::with_capacity(rounds);
    for _ in 0..rounds {
        let begun = Instant::now();
        for facts in &facts {
            let decision = judge.decide(Action::of(facts.class), Some(facts), Moment::default());
            assert_ne!(decision.outcome, Outcome::Deny, "{decision:?}");
        }
        all.push(begun.elapsed() / 3);
    }
    all.sort();
    all.get(all.len() / 2).copied().ok_or_else(|| "nothing measured".into())
}
