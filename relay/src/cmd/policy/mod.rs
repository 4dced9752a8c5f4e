//! `weir-relay policy`: tools for whoever writes policies. None of them changes anything.

mod cases;
mod check;
mod diff;
mod explain;
mod replay;
mod test;

use super::{Output, load};
use crate::policy::{guardrails, shown};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};
use weir_policy::{
    bundle::{Action, Bundle, Decision, Guardrails, Judge, Moment, Outcome},
    sql::{Class, Facts},
};
use weir_shared::{
    config::checked::Config,
    error::{Kind, UserFacing},
};

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Report every problem of the policies, with line, column and a hint.
    Check(check::Args),
    /// Decide the cases of a TOML file, and show those that come out otherwise.
    Test(test::Args),
    /// Show how a request is decided: each hop, each question, what decides, and what nearly did.
    Explain(explain::Args),
    /// Show in which policies two folders differ, and which decisions change.
    Diff(diff::Args),
    /// Judge what was recorded again, and show what would come out otherwise.
    Replay(replay::Args),
}

pub(super) async fn run(command: Command, config: &Path, output: Output) -> Result<(), UserFacing> {
    match command {
        Command::Check(args) => check::run(&args, config, output),
        Command::Test(args) => test::run(&args, config, output),
        Command::Explain(args) => explain::run(args, config, output).await,
        Command::Diff(args) => diff::run(&args, config, output),
        Command::Replay(args) => replay::run(args, &load(config)?, output).await,
    }
}

/// The configuration; none when there is no such file, which is right where a folder of policies was named.
fn configuration(config: &Path) -> Result<Option<Config>, UserFacing> {
    if config.exists() { load(config).map(Some) } else { Ok(None) }
}

/// The folder that was named, else the configured one; with the configured guardrails.
fn place(folder: Option<&Path>, config: &Path) -> Result<(PathBuf, Guardrails), UserFacing> {
    let Some(folder) = folder else {
        let config = load(config)?;
        return Ok((config.policies.clone(), guardrails(&config)));
    };
    let guardrails = configuration(config)?.as_ref().map(guardrails).unwrap_or_default();
    Ok((folder.to_owned(), guardrails))
}

/// The policies of a folder.
fn bundle(folder: &Path, guardrails: &Guardrails) -> Result<Arc<Bundle>, UserFacing> {
    Bundle::load(folder, guardrails).map(Arc::new).map_err(|problems| {
        let lines: Vec<String> = problems.iter().map(shown).collect();
        UserFacing::new(Kind::Config, lines.join("\n"), "run `weir-relay policy check`")
    })
}

/// The action that a statement needs; none when a connection is enough.
pub(crate) fn action_of(facts: &Facts) -> Option<Action> {
    // What a name executes is not known here.
    let class = if facts.executes.is_empty() { facts.class } else { Class::Admin };
    crate::session::facts::action(class)
}

/// What is said of a statement, as a session would be told.
fn decide(judge: &Judge, facts: &Facts, now: Moment) -> Decision {
    match action_of(facts) {
        Some(action) => judge.decide(action, Some(facts), now),
        None => Decision { outcome: Outcome::Allow, ..Decision::default() },
    }
}

fn named(action: &str) -> Option<Action> {
    Action::ALL.into_iter().find(|known| known.as_str() == action)
}
