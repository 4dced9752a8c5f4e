//! `weir sessions`: what was recorded.

use super::{replay, tree};
use crate::{api::Session, settings::Settings, ui, ui::Output};
use serde::Serialize;
use std::collections::BTreeMap;
use weir_shared::{
    api::{Entry, SessionView},
    error::UserFacing,
    id::AgentId,
};

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// List sessions, newest first.
    List {
        /// Only of this resource.
        #[arg(long)]
        resource: Option<String>,
        /// Only of this user (for those who may see others').
        #[arg(long)]
        user: Option<String>,
        /// Only of this agent and of those below it.
        #[arg(long, value_name = "AGENT")]
        chain: Option<AgentId>,
        /// At most so many.
        #[arg(long, default_value_t = 50)]
        limit: u32,
    },
    /// Show who acts for whom.
    Tree(tree::Filter),
    /// Show one session.
    Show {
        /// Its id.
        id: String,
    },
    /// Show what happened in a session, in its own time.
    Replay {
        /// Its id.
        id: String,
        /// How much faster than it was; 0 does not wait.
        #[arg(long, default_value_t = 0.0)]
        speed: f64,
    },
}

impl Default for Command {
    fn default() -> Self {
        Self::List { resource: None, user: None, chain: None, limit: 50 }
    }
}

pub(super) async fn run(settings: &Settings, command: Command, output: Output) -> Result<(), UserFacing> {
    let session = Session::open(settings).await?;
    match command {
        Command::Tree(filter) => tree::show(&session, &filter, output).await?,
        Command::List { resource, user, chain, limit } => {
            let mut query = format!("/sessions?limit={limit}");
            let chain = chain.map(|agent| agent.to_string());
            for (name, value) in [("resource", resource), ("user", user), ("chain", chain)] {
                if let Some(value) = value {
                    let value: String = url::form_urlencoded::byte_serialize(value.as_bytes()).collect();
                    query.push_str(&format!("&{name}={value}"));
                }
            }
            let views: Vec<SessionView> = session.get(&query).await?;
            if output == Output::Json {
                ui::json(&views);
                return Ok(());
            }
            let row = |view: &SessionView| {
                let state = view.close_reason.clone().unwrap_or_else(|| "open".to_owned());
                let numbers = [view.statements, view.rows, view.masked, view.refused].map(|n| n.to_string());
                let mut row = vec![
                    view.id.to_string(),
                    ui::time(view.started_at / 1_000_000),
                    view.user.clone(),
                    view.resource.to_string(),
                    state,
                ];
                row.extend(numbers);
                row
            };
            let head = ["id", "started", "user", "resource", "ended", "statements", "rows", "masked", "refused"];
            ui::say(&ui::table(&head, views.iter().map(row).collect()));
        }
        Command::Show { id } => {
            let view: SessionView = session.get(&format!("/sessions/{id}")).await?;
            let rules = if view.masked > 0 { masked_by_rule(&session, &id).await? } else { BTreeMap::new() };
            if output == Output::Json {
                ui::json(&Shown { view, masked_by_rule: rules });
                return Ok(());
            }
            ui::say(&format!("session    {}", view.id));
            let agents: Vec<String> = view.chain.iter().map(ToString::to_string).collect();
            ui::say(&format!("agents     {}", agents.join(" > ")));
            ui::say(&format!("user       {} (agent {})", view.user, view.agent));
            ui::say(&format!("resource   {} / {}", view.resource, view.database.unwrap_or_default()));
            ui::say(&format!("started    {}", ui::time(view.started_at / 1_000_000)));
            ui::say(&format!("ended      {}", view.ended_at.map_or("open".to_owned(), |at| ui::time(at / 1_000_000))));
            ui::say(&format!("reason     {}", view.close_reason.unwrap_or_default()));
            ui::say(&format!(
                "statements {}, rows {}, masked {}, refused {}",
                view.statements, view.rows, view.masked, view.refused
            ));
            if !rules.is_empty() {
                let rules: Vec<String> = rules.iter().map(|(rule, count)| format!("{rule} {count}")).collect();
                ui::say(&format!("masked     {}", rules.join(", ")));
            }
        }
        Command::Replay { id, speed } => replay::run(&session, &id, speed, output).await?,
    }
    Ok(())
}

/// A session, with what its recording says of masked values.
#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    view: SessionView,
    masked_by_rule: BTreeMap<String, u64>,
}

/// How many values each rule has masked, from the session's recording.
async fn masked_by_rule(session: &Session, id: &str) -> Result<BTreeMap<String, u64>, UserFacing> {
    let mut rules = BTreeMap::new();
    session
        .lines(&format!("/sessions/{id}/entries"), async |line| {
            // What a newer relay writes beside it is not asked for here.
            if let Ok(Entry::Masked { counts, .. }) = serde_json::from_str(line) {
                for (rule, count) in counts {
                    *rules.entry(rule).or_insert(0) += count;
                }
            }
            Ok(())
        })
        .await?;
    Ok(rules)
}
