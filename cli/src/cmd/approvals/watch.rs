//! Requests as they come.

use super::show::table;
use crate::{api::Session, ui, ui::Output};
use std::{collections::HashMap, time::Duration};
use weir_shared::{
    api::ApprovalView,
    error::{Kind, UserFacing},
    id::ApprovalId,
};

/// Until the relay is asked again when its events break off.
const AGAIN: Duration = Duration::from_secs(1);

/// Shows what waits, and then each change, until interrupted. It comes back when the relay does.
pub(super) async fn watch(session: &Session, output: Output) -> Result<(), UserFacing> {
    let mut known: HashMap<ApprovalId, String> = HashMap::new();
    loop {
        // What happened while nobody listened: asked for once events flow, so that nothing falls between.
        let mut begun = false;
        let listening = session.lines("/approvals/events", async |line| {
            if !begun || line.starts_with("data:") {
                begun = true;
                news(session, &mut known, output).await?;
            }
            Ok(())
        });
        let ended = tokio::select! {
            ended = listening => ended,
            _ = tokio::signal::ctrl_c() => return Ok(()),
        };
        if let Err(error) = ended
            && matches!(error.kind, Kind::Unauthenticated | Kind::Denied | Kind::NotFound | Kind::Incompatible)
        {
            return Err(error);
        }
        tokio::time::sleep(AGAIN).await;
    }
}

async fn news(session: &Session, known: &mut HashMap<ApprovalId, String>, output: Output) -> Result<(), UserFacing> {
    let views: Vec<ApprovalView> = session.get("/approvals").await?;
    let first = known.is_empty();
    let mut changed: Vec<ApprovalView> = Vec::new();
    for view in views.into_iter().rev() {
        let state = format!("{} {}", view.state, view.votes.len());
        let before = known.insert(view.request.id, state.clone());
        // Of what was there before, only what waits is news.
        if before.as_ref() != Some(&state) && (!first || view.state == "pending") {
            changed.push(view);
        }
    }
    match output {
        Output::Json => changed.iter().for_each(ui::json),
        Output::Text if !changed.is_empty() => ui::say(&table(&changed)),
        Output::Text => {}
    }
    Ok(())
}

/// Waits until a request is decided.
pub(super) async fn decided(session: &Session, view: ApprovalView) -> Result<ApprovalView, UserFacing> {
    let id = view.request.id;
    let spinner = ui::spinner(&format!("waiting for approval {id}: {}", view.url));
    let mut view = view;
    while view.state == "pending" {
        tokio::time::sleep(AGAIN).await;
        view = session.get(&format!("/approvals/{id}")).await?;
    }
    spinner.finish_and_clear();
    Ok(view)
}
