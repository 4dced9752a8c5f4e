//! `weir approvals`: a human decides.

use crate::{api::Session, settings::Settings, ui, ui::Output};
use std::io::{BufRead as _, IsTerminal as _};
use weir_shared::{
    api::{ApprovalView, DecisionBody},
    error::{Kind, UserFacing},
};

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// List requests.
    List {
        /// Only those of this state: pending, approved, denied, expired, withdrawn, consumed.
        #[arg(long)]
        state: Option<String>,
    },
    /// Show a request in full.
    Show {
        /// Its id.
        id: String,
    },
    /// Let a request run, exactly as shown, once.
    Approve {
        /// Its id.
        id: String,
        /// Why.
        #[arg(long, default_value = "")]
        reason: String,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
    /// Refuse a request.
    Deny {
        /// Its id.
        id: String,
        /// Why; the requester sees it.
        #[arg(long, default_value = "")]
        reason: String,
    },
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
            if output == Output::Json {
                ui::json(&views);
                return Ok(());
            }
            let row = |view: &ApprovalView| {
                let statement: String = view.statement.chars().take(60).collect();
                let when = ui::time(view.requested_at / 1_000_000);
                vec![
                    view.id.to_string(),
                    view.state.clone(),
                    when,
                    view.user.clone(),
                    view.resource.to_string(),
                    ui::visible(&statement),
                ]
            };
            let head = ["id", "state", "asked", "user", "resource", "statement"];
            ui::say(&ui::table(&head, views.iter().map(row).collect()));
        }
        Command::Show { id } => show(&session.get(&format!("/approvals/{id}")).await?, output),
        Command::Approve { id, reason, yes } => {
            let view: ApprovalView = session.get(&format!("/approvals/{id}")).await?;
            if output == Output::Text {
                show(&view, output);
            }
            if !yes && !confirmed()? {
                return Err(UserFacing::new(Kind::Usage, "not approved", "answer y, or give --yes"));
            }
            let body = DecisionBody { reason, digest: Some(view.digest) };
            let view: ApprovalView = session.post(&format!("/approvals/{id}/approve"), &body).await?;
            done(&view, output);
        }
        Command::Deny { id, reason } => {
            let body = DecisionBody { reason, digest: None };
            let view: ApprovalView = session.post(&format!("/approvals/{id}/deny"), &body).await?;
            done(&view, output);
        }
    }
    Ok(())
}

fn confirmed() -> Result<bool, UserFacing> {
    if !std::io::stdin().is_terminal() {
        let hint = "give --yes to approve without being asked";
        return Err(UserFacing::new(Kind::Usage, "there is no terminal to ask at", hint));
    }
    ui::tell("Let exactly this run, once? [y/N]");
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).map_err(|error| ui::system("no answer", &error))?;
    Ok(matches!(line.trim(), "y" | "Y" | "yes"))
}

fn done(view: &ApprovalView, output: Output) {
    match output {
        Output::Json => ui::json(view),
        Output::Text => ui::say(&format!("{} is {}", view.id, view.state)),
    }
}

fn show(view: &ApprovalView, output: Output) {
    if output == Output::Json {
        return ui::json(view);
    }
    let line = |name: &str, value: &str| ui::say(&format!("{name:<10} {value}"));
    line("id", &view.id.to_string());
    line("state", &view.state);
    line("user", &view.user);
    line("resource", view.resource.as_str());
    line("class", &view.class);
    line("session", &view.session.to_string());
    line("expires", &ui::time(view.expires_at / 1_000_000));
    line("digest", &view.digest);
    if let Some(by) = &view.decided_by {
        line("decided by", by);
    }
    ui::say("statement (written by the requester, not by weir):");
    ui::visible(&view.statement).lines().for_each(|text| ui::say(&format!("  | {text}")));
    for (index, value) in view.parameters.iter().enumerate() {
        let value = value.as_ref().map_or("NULL".to_owned(), |value| ui::visible(value));
        ui::say(&format!("  | ${} = {value}", index + 1));
    }
}
