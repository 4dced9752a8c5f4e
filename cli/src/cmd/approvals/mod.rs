//! `weir approvals`: a human decides, and an agent asks for more.

mod show;
mod watch;

use super::run::duration;
use crate::{api::Session, settings::Settings, ui, ui::Output};
use show::{done, show, table};
use std::{collections::BTreeMap, time::Duration};
use weir_shared::{
    api::{ApprovalView, AskBody, DecisionBody, Extent},
    error::{Kind, UserFacing},
};

/// What to do where nobody can be asked.
const UNASKED: &str = "give --yes to decide without being asked";

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// List requests.
    List {
        /// Only those of this state: pending, approved, denied, expired, withdrawn, consumed; review: glass was broken and
        /// nobody has looked yet.
        #[arg(long)]
        state: Option<String>,
    },
    /// Show a request in full.
    Show {
        /// Its id.
        id: String,
    },
    /// Let a request run, exactly as shown: once, unless you grant more.
    Approve {
        /// Its id.
        id: String,
        /// Why.
        #[arg(long, default_value = "")]
        reason: String,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        extent: ExtentArgs,
    },
    /// Refuse a request.
    Deny {
        /// Its id.
        id: String,
        /// Why; the requester sees it.
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// Show requests as they come, until interrupted.
    Watch,
    /// Ask for more than this agent's scope, for a while.
    Ask {
        /// RESOURCE:ACTION+ACTION, of one resource by its full name.
        #[arg(long)]
        scope: String,
        /// For how long.
        #[arg(long = "for", value_name = "TIME", default_value = "10m", value_parser = duration)]
        window: Duration,
        /// Why; reviewers read it.
        #[arg(long)]
        reason: String,
        /// Do not wait for the decision.
        #[arg(long)]
        no_wait: bool,
    },
    /// Let your own request run in an emergency. Policy must allow it, everybody is told, and somebody else must review it.
    BreakGlass {
        /// Its id.
        id: String,
        /// Why.
        #[arg(long)]
        reason: String,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
    /// Review what somebody broke the glass for.
    Review {
        /// Its id.
        id: String,
        /// What you found.
        #[arg(long)]
        reason: String,
    },
}

/// How far an approval goes.
#[derive(clap::Args)]
pub(super) struct ExtentArgs {
    /// Let it run so often in its session.
    #[arg(long, value_name = "N", default_value_t = 1)]
    uses: u32,
    /// Let whatever differs in its constants only run in its session.
    #[arg(long)]
    template: bool,
    /// For so long: a statement's class in its session, a scope, or a session itself.
    #[arg(long = "for", value_name = "TIME", value_parser = duration)]
    window: Option<Duration>,
    /// Of a request for scope, no more than this.
    #[arg(long)]
    scope: Option<String>,
}

impl ExtentArgs {
    fn extent(self) -> Extent {
        let Self { uses, template, window, scope } = self;
        Extent { uses, template, window: window.map_or(0, |window| window.as_secs().max(1)), scope }
    }
}

impl Default for Command {
    fn default() -> Self {
        Self::List { state: Some("pending".to_owned()) }
    }
}

pub(super) async fn run(settings: &Settings, command: Command, output: Output) -> Result<(), UserFacing> {
    let session = Session::open(settings).await?;
    match command {
        Command::List { state } => {
            let filter = state.map(|state| format!("?state={state}")).unwrap_or_default();
            let views: Vec<ApprovalView> = session.get(&format!("/approvals{filter}")).await?;
            match output {
                Output::Json => ui::json(&views),
                Output::Text => ui::say(&table(&views)),
            }
        }
        Command::Show { id } => show(&session.get(&format!("/approvals/{id}")).await?, output),
        Command::Approve { id, reason, yes, extent } => {
            let view: ApprovalView = session.get(&format!("/approvals/{id}")).await?;
            let extent = extent.extent();
            if output == Output::Text {
                show(&view, output);
            }
            if !yes && !ui::confirmed(&format!("Let this run, {}?", show::extent(&extent)), UNASKED)? {
                return Err(UserFacing::new(Kind::Usage, "not approved", "answer y, or give --yes"));
            }
            let body = DecisionBody { reason, digest: Some(view.request.digest), extent, identical: view.identical };
            done(&session.post(&format!("/approvals/{id}/approve"), &body).await?, output);
        }
        Command::Deny { id, reason } => {
            let body = DecisionBody { reason, ..DecisionBody::default() };
            done(&session.post(&format!("/approvals/{id}/deny"), &body).await?, output);
        }
        Command::Watch => watch::watch(&session, output).await?,
        Command::Ask { scope, window, reason, no_wait } => {
            let body = AskBody { scope, window: window.as_secs().max(1), because: reason };
            let view: ApprovalView = session.post("/approvals", &body).await?;
            let view = if no_wait { view } else { watch::decided(&session, view).await? };
            done(&view, output);
            if !no_wait {
                granted(&view)?;
            }
        }
        Command::BreakGlass { id, reason, yes } => {
            let view: ApprovalView = session.get(&format!("/approvals/{id}")).await?;
            if output == Output::Text {
                show(&view, output);
            }
            if !yes && !ui::confirmed("Break the glass? Everybody is told, and somebody else must review it.", UNASKED)?
            {
                return Err(UserFacing::new(Kind::Usage, "nothing was done", "answer y, or give --yes"));
            }
            let body = DecisionBody { reason, digest: Some(view.request.digest), ..DecisionBody::default() };
            done(&session.post(&format!("/approvals/{id}/break-glass"), &body).await?, output);
        }
        Command::Review { id, reason } => {
            let body = DecisionBody { reason, ..DecisionBody::default() };
            let view: ApprovalView = session.post(&format!("/approvals/{id}/review"), &body).await?;
            match output {
                Output::Json => ui::json(&view),
                Output::Text => ui::say(&format!("{id} is reviewed")),
            }
        }
    }
    Ok(())
}

/// Asks a human for what a new session's scope names beyond the right of those above it, and waits.
pub(super) async fn escalate(session: &Session, window: Duration, reason: &str) -> Result<(), UserFacing> {
    let mut wanted: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (resource, action) in session.standing.beyond.iter().filter_map(|one| one.split_once(':')) {
        wanted.entry(resource).or_default().push(action);
    }
    for (resource, actions) in wanted {
        let scope = format!("{resource}:{}", actions.join("+"));
        let body = AskBody { scope, window: window.as_secs().max(1), because: reason.to_owned() };
        let view: ApprovalView = session.post("/approvals", &body).await?;
        granted(&watch::decided(session, view).await?)?;
    }
    Ok(())
}

fn granted(view: &ApprovalView) -> Result<(), UserFacing> {
    if view.state == "approved" {
        return Ok(());
    }
    let why = view.reason.as_deref().filter(|reason| !reason.is_empty()).unwrap_or("no reason given");
    let message = format!("{}: {}: {why}", view.request.statement, view.state);
    Err(UserFacing::new(Kind::Denied, message, "ask for less, or ask them"))
}
