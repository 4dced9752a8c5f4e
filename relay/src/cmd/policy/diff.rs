//! `weir-relay policy diff`.

use super::{bundle, cases, configuration};
use crate::{
    cmd::{Output, say, system, tell},
    policy::guardrails,
};
use std::path::{Path, PathBuf};
use weir_policy::bundle::{Change, Decision, Moment};
use weir_shared::error::UserFacing;

#[derive(clap::Args)]
pub(in crate::cmd) struct Args {
    /// The folder of policies as they are.
    before: PathBuf,
    /// The folder of policies as they would be.
    after: PathBuf,
    /// Compare the decisions of these cases, and not those of plain requests by class, environment, role and depth.
    #[arg(long)]
    cases: Option<PathBuf>,
}

pub(super) fn run(args: &Args, config: &Path, output: Output) -> Result<(), UserFacing> {
    let guardrails = configuration(config)?.as_ref().map(guardrails).unwrap_or_default();
    let (before, after) = (bundle(&args.before, &guardrails)?, bundle(&args.after, &guardrails)?);
    let changes = before.changes(&after);
    for change in &changes {
        let (sign, id) = match change {
            Change::Added { id } => ('+', id),
            Change::Removed { id } => ('-', id),
            Change::Changed { id } => ('~', id),
        };
        match output {
            Output::Json => say(&serde_json::to_string(change).map_err(|error| system(&error))?)?,
            Output::Text => say(&format!("{sign} {id}"))?,
        }
    }
    let mut decisions = 0;
    if let Some(file) = &args.cases {
        for case in cases::read(file)? {
            let (one, two) = (case.decide(&before), case.decide(&after));
            if one.outcome == two.outcome && one.terms == two.terms {
                continue;
            }
            decisions += 1;
            let with_terms = |decision: &Decision| {
                let terms = decision.terms.shown();
                [&[decision.outcome.as_str().to_owned()], &*terms].concat().join(" ")
            };
            let (from, to) = (with_terms(&one), with_terms(&two));
            say(&match output {
                Output::Json => {
                    let (name, line, policies) = (&case.name, case.line, &*two.policies);
                    serde_json::json!({ "case": name, "line": line, "before": from, "after": to, "policies": policies })
                        .to_string()
                }
                Output::Text => format!("{from} -> {to}  {}: {} [{}]", case.line, case.name, two.policies.join(", ")),
            })?;
        }
    } else {
        for case in before.grid(&after, Moment::of(jiff::Timestamp::now().as_microsecond())) {
            decisions += 1;
            say(&match output {
                Output::Json => serde_json::to_string(&case).map_err(|error| system(&error))?,
                Output::Text => {
                    let env = if case.env.is_empty() { "-" } else { &case.env };
                    let (before, after, policies) = (case.before, case.after, case.policies.join(", "));
                    format!(
                        "{before} -> {after}  {} env={env} depth={} {} [{policies}]",
                        case.role, case.depth, case.request
                    )
                }
            })?;
        }
    }
    tell(&format!("{} policies differ, {decisions} decisions", changes.len()));
    Ok(())
}
