//! `weir-relay policy test`.

use super::{bundle, cases, place};
use crate::cmd::{Output, say, tell};
use std::path::{Path, PathBuf};
use weir_shared::error::{Kind, UserFacing};

#[derive(clap::Args)]
pub(in crate::cmd) struct Args {
    /// A TOML file of [[case]]s: user, roles, depth, resource, labels; sql or action; expect, policies, terms.
    cases: PathBuf,
    /// The folder of policies; the configured one when none is named.
    #[arg(long)]
    policies: Option<PathBuf>,
}

pub(super) fn run(args: &Args, config: &Path, output: Output) -> Result<(), UserFacing> {
    let (folder, guardrails) = place(args.policies.as_deref(), config)?;
    let (bundle, cases) = (bundle(&folder, &guardrails)?, cases::read(&args.cases)?);
    let mut failed = 0;
    for case in &cases {
        let decision = case.decide(&bundle);
        let differences = case.differences(&decision);
        failed += usize::from(!differences.is_empty());
        if output == Output::Json {
            say(&serde_json::json!({
                "name": case.name, "line": case.line, "passed": differences.is_empty(), "differences": differences,
                "outcome": decision.outcome.as_str(), "policies": *decision.policies, "terms": decision.terms.shown(),
            })
            .to_string())?;
        } else if !differences.is_empty() {
            say(&format!("{}:{}: {}: {}", args.cases.display(), case.line, case.name, differences.join("; ")))?;
            if let Some(explanation) = case.explain(&bundle) {
                explanation.lines().iter().try_for_each(|line| say(&format!("  {line}")))?;
            }
        }
    }
    if failed == 0 {
        tell(&format!("{} cases, all decided as expected", cases.len()));
        return Ok(());
    }
    let message = format!("{failed} of {} cases are decided otherwise", cases.len());
    Err(UserFacing::new(Kind::Conflict, message, "correct the policies, or what is expected"))
}
