//! `weir-relay policy check`.

use super::place;
use crate::cmd::{Output, say, system, tell};
use std::path::{Path, PathBuf};
use weir_policy::bundle::{Bundle, GUARDRAILS};
use weir_shared::error::{Kind, UserFacing};

#[derive(clap::Args)]
pub(in crate::cmd) struct Args {
    /// The folder of policies; the configured one when none is named.
    folder: Option<PathBuf>,
    /// Print the guardrails that ship with the relay instead.
    #[arg(long)]
    guardrails: bool,
}

pub(super) fn run(args: &Args, config: &Path, output: Output) -> Result<(), UserFacing> {
    if args.guardrails {
        return say(GUARDRAILS.trim_end());
    }
    let (folder, guardrails) = place(args.folder.as_deref(), config)?;
    let (hash, problems) = match Bundle::load(&folder, &guardrails) {
        Ok(bundle) => (Some(bundle.hash().to_owned()), Vec::new()),
        Err(problems) => (None, problems),
    };
    if output == Output::Json {
        let problem = |problem: &weir_policy::bundle::PolicyProblem| {
            serde_json::json!({
                "file": problem.file, "line": problem.line, "column": problem.column,
                "message": problem.message, "hint": problem.hint,
            })
        };
        let problems: Vec<_> = problems.iter().map(problem).collect();
        say(&serde_json::to_string(&serde_json::json!({ "hash": hash, "problems": problems }))
            .map_err(|e| system(&e))?)?;
    } else {
        for problem in &problems {
            say(&format!("{problem}\n  hint: {}", problem.hint))?;
        }
    }
    if let Some(hash) = hash {
        tell(&format!("the policies are good: {hash}"));
        return Ok(());
    }
    Err(UserFacing::new(Kind::Config, format!("{} cannot be used", folder.display()), "correct what is listed above"))
}
