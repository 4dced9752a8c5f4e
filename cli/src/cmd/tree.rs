//! `weir sessions tree` and `weir revoke`: who acts for whom, and how to stop it.

use crate::{api::Session, settings::Settings, ui, ui::Output};
use weir_shared::{
    api::AgentView,
    error::{Kind, UserFacing},
    id::AgentId,
};

/// Which agents.
#[derive(clap::Args)]
pub(super) struct Filter {
    /// Of every user (for those who may see others').
    #[arg(long)]
    all: bool,
    /// Also those that have ended.
    #[arg(long)]
    ended: bool,
}

pub(super) async fn show(session: &Session, filter: &Filter, output: Output) -> Result<(), UserFacing> {
    let mut agents: Vec<AgentView> = session.get(&format!("/agents?all={}&ended={}", filter.all, filter.ended)).await?;
    // The one that asks ends with the answer.
    let own = session.who().await?.agent;
    agents.retain(|agent| agent.id != own);
    if output == Output::Json {
        ui::json(&agents);
        return Ok(());
    }
    if agents.is_empty() {
        ui::tell("no agent acts now; --ended shows those that did");
        return Ok(());
    }
    let mut lines = Vec::new();
    for root in agents.iter().filter(|agent| !agents.iter().any(|other| Some(other.id) == agent.parent)) {
        branch(&agents, root, "", "", &mut lines);
    }
    lines.iter().for_each(|line| ui::say(line));
    Ok(())
}

/// One agent and those below it; the tree cannot be deeper than the relay lets it become.
fn branch(agents: &[AgentView], agent: &AgentView, first: &str, rest: &str, lines: &mut Vec<String>) {
    lines.push(format!("{first}{}", line(agent)));
    let below: Vec<&AgentView> = agents.iter().filter(|other| other.parent == Some(agent.id)).collect();
    for (at, child) in below.iter().enumerate() {
        let (fork, on) = if at + 1 == below.len() { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        branch(agents, child, &format!("{rest}{fork}"), &format!("{rest}{on}"), lines);
    }
}

fn line(agent: &AgentView) -> String {
    let command = agent.evidence.command.as_deref().unwrap_or("?");
    let state = match (&agent.ended_why, agent.alive) {
        (Some(why), _) => format!("ended: {}", ui::visible(why)),
        (None, true) => format!("until {}, {} open", ui::time(agent.expires_at), agent.open_sessions),
        (None, false) => "expired".to_owned(),
    };
    format!("{} {} \"{}\" [{}] {state}", agent.id, agent.user, ui::visible(command), agent.scope)
}

pub(super) async fn revoke(settings: &Settings, id: AgentId, output: Output) -> Result<(), UserFacing> {
    let session = Session::open(settings).await?;
    let ended: Vec<AgentId> = session.post(&format!("/agents/{id}/end"), &()).await?;
    if output == Output::Json {
        ui::json(&ended);
        return Ok(());
    }
    match ended.len() {
        0 => Err(UserFacing::new(Kind::Conflict, format!("agent {id} had ended already"), "run `weir sessions tree`")),
        1 => {
            ui::say(&format!("ended {id}"));
            Ok(())
        }
        more => {
            ui::say(&format!("ended {id} and {} below it", more - 1));
            Ok(())
        }
    }
}
