//! Requests for a decision. One sees one's own; reviewers and administrators see all.

use super::{ApiError, Caller};
use crate::{
    approval::{
        decide::{self, Way},
        elevations, wait,
    },
    identity::Principal,
    relay::Relay,
};
use axum::{
    Json,
    extract::{Path, Query, State},
    response::{
        IntoResponse,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures_util::Stream;
use serde::Deserialize;
use std::{convert::Infallible, sync::Arc};
use tokio::sync::broadcast::{Receiver, error::RecvError};
use weir_shared::{
    api::{ApprovalEvent, ApprovalRequest, ApprovalView, AskBody, DecisionBody},
    error::{Kind, UserFacing},
    id::ApprovalId,
};

#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Filter {
    /// Only those in this state: `pending`, `approved`, `denied`, `expired`, `withdrawn`, `consumed`.
    state: Option<String>,
}

fn sees_all(principal: &Principal) -> bool {
    ["admin", "reviewer", "auditor"].iter().any(|role| principal.is(role))
}

fn missing(id: &str) -> UserFacing {
    UserFacing::new(Kind::NotFound, format!("no approval {id}"), "run `weir approvals list`")
}

/// True when the caller may see it: reviewers all, of resources that they have to do with; others their user's; an agent's
/// agent what it and those below it asked for.
#[must_use]
pub fn may_see(principal: &Principal, view: &ApprovalView) -> bool {
    let request = &view.request;
    // What an agent asked for itself it sees, although its scope leaves the resource out.
    let own = request.agent == principal.agent();
    (own || principal.reaches(&request.resource))
        && (sees_all(principal) || request.user == principal.user() || decides(principal, request))
        && (principal.depth() == 0 || request.chain.contains(&principal.agent()))
}

/// A person of a group that is asked.
fn decides(principal: &Principal, request: &ApprovalRequest) -> bool {
    principal.is_person() && principal.roles().iter().any(|role| request.needs.groups.contains(role))
}

/// As the caller may see it.
fn seen(relay: &Relay, principal: &Principal, view: ApprovalView) -> ApprovalView {
    wait::as_seen_by(principal, wait::with_page(relay, view))
}

/// An approval that the caller may see.
async fn find(relay: &Relay, principal: &Principal, id: &str) -> Result<ApprovalView, ApiError> {
    let view = relay.store.approval(id.parse().map_err(|_| missing(id))?).await?;
    let view = view.ok_or_else(|| missing(id))?;
    if may_see(principal, &view) { Ok(seen(relay, principal, view)) } else { Err(missing(id).into()) }
}

/// Requests for a decision, newest first.
///
/// One's own; reviewers, auditors and administrators see all, people of a group what it is asked.
#[utoipa::path(
    get, path = "/api/v1/approvals", tag = "approvals", operation_id = "list_approvals",
    params(Filter),
    responses((status = 200, description = "Requests", body = Vec<ApprovalView>))
)]
pub(super) async fn list(
    State(relay): State<Arc<Relay>>,
    Caller(principal, _): Caller,
    Query(filter): Query<Filter>,
) -> Result<Json<Vec<ApprovalView>>, ApiError> {
    wait::expire(&relay).await?;
    let views = relay.store.approvals(filter.state.as_deref(), None).await?;
    let views = views.into_iter().filter(|view| may_see(&principal, view));
    Ok(Json(views.map(|view| seen(&relay, &principal, view)).collect()))
}

/// One request.
#[utoipa::path(
    get, path = "/api/v1/approvals/{id}", tag = "approvals", operation_id = "show_approval",
    params(("id" = String, Path, description = "Its id")),
    responses((status = 200, description = "The request", body = ApprovalView))
)]
pub(super) async fn show(
    State(relay): State<Arc<Relay>>,
    Caller(principal, _): Caller,
    Path(id): Path<String>,
) -> Result<Json<ApprovalView>, ApiError> {
    Ok(Json(find(&relay, &principal, &id).await?))
}

/// Who may not decide is told so, and the attempt is audited.
async fn found(relay: &Relay, principal: &Principal, id: &str) -> Result<ApprovalId, ApiError> {
    let view = relay.store.approval(id.parse().map_err(|_| missing(id))?).await?;
    let view = view.filter(|view| principal.reaches(&view.request.resource)).ok_or_else(|| missing(id))?;
    Ok(view.request.id)
}

/// An agent asks for more.
#[utoipa::path(
    post, path = "/api/v1/approvals", tag = "approvals", operation_id = "ask",
    request_body = AskBody,
    responses((status = 200, description = "The request", body = ApprovalView))
)]
pub(super) async fn ask(
    State(relay): State<Arc<Relay>>,
    Caller(principal, _): Caller,
    Json(body): Json<AskBody>,
) -> Result<Json<ApprovalView>, ApiError> {
    let id = wait::post(&relay, elevations::ask(&relay, &principal, body)?).await?;
    let view = relay.store.approval(id).await?.ok_or_else(|| missing(&id.to_string()))?;
    Ok(Json(seen(&relay, &principal, view)))
}

/// Approves a request.
///
/// Who may is for policy to say.
#[utoipa::path(
    post, path = "/api/v1/approvals/{id}/approve", tag = "approvals", operation_id = "approve",
    params(("id" = String, Path, description = "Its id")),
    request_body = DecisionBody,
    responses((status = 200, description = "The request", body = ApprovalView))
)]
pub(super) async fn approve(
    State(relay): State<Arc<Relay>>,
    Caller(principal, _): Caller,
    Path(id): Path<String>,
    Json(body): Json<DecisionBody>,
) -> Result<Json<ApprovalView>, ApiError> {
    let id = found(&relay, &principal, &id).await?;
    let view = decide::decide(&relay, id, &principal, Way::CLI, true, body).await?;
    Ok(Json(seen(&relay, &principal, view)))
}

/// Denies a request.
///
/// Who may is for policy to say.
#[utoipa::path(
    post, path = "/api/v1/approvals/{id}/deny", tag = "approvals", operation_id = "deny",
    params(("id" = String, Path, description = "Its id")),
    request_body = DecisionBody,
    responses((status = 200, description = "The request", body = ApprovalView))
)]
pub(super) async fn deny(
    State(relay): State<Arc<Relay>>,
    Caller(principal, _): Caller,
    Path(id): Path<String>,
    Json(body): Json<DecisionBody>,
) -> Result<Json<ApprovalView>, ApiError> {
    let id = found(&relay, &principal, &id).await?;
    let view = decide::decide(&relay, id, &principal, Way::CLI, false, body).await?;
    Ok(Json(seen(&relay, &principal, view)))
}

/// Approves a request of one's own, for others to review afterwards.
///
/// Who may is for policy to say.
#[utoipa::path(
    post, path = "/api/v1/approvals/{id}/break-glass", tag = "approvals", operation_id = "break_glass",
    params(("id" = String, Path, description = "Its id")),
    request_body = DecisionBody,
    responses((status = 200, description = "The request", body = ApprovalView))
)]
pub(super) async fn break_glass(
    State(relay): State<Arc<Relay>>,
    Caller(principal, _): Caller,
    Path(id): Path<String>,
    Json(body): Json<DecisionBody>,
) -> Result<Json<ApprovalView>, ApiError> {
    let id = found(&relay, &principal, &id).await?;
    let view = decide::break_glass(&relay, id, &principal, body).await?;
    Ok(Json(seen(&relay, &principal, view)))
}

/// Reviews broken glass.
///
/// Who may is for policy to say.
#[utoipa::path(
    post, path = "/api/v1/approvals/{id}/review", tag = "approvals", operation_id = "review",
    params(("id" = String, Path, description = "Its id")),
    request_body = DecisionBody,
    responses((status = 200, description = "The request", body = ApprovalView))
)]
pub(super) async fn review(
    State(relay): State<Arc<Relay>>,
    Caller(principal, _): Caller,
    Path(id): Path<String>,
    Json(body): Json<DecisionBody>,
) -> Result<Json<ApprovalView>, ApiError> {
    let id = found(&relay, &principal, &id).await?;
    let view = decide::review(&relay, id, &principal, Way::CLI, body).await?;
    Ok(Json(seen(&relay, &principal, view)))
}

/// What happens to requests that the caller may see.
#[utoipa::path(
    get, path = "/api/v1/approvals/events", tag = "approvals", operation_id = "approval_events",
    responses((status = 200, description = "Server-sent events `approval`", body = ApprovalEvent, content_type = "text/event-stream"))
)]
pub(super) async fn events(State(relay): State<Arc<Relay>>, Caller(principal, _): Caller) -> impl IntoResponse {
    stream(relay, principal)
}

/// What happens to requests that somebody may see, as server-sent events, for as long as they listen and may act.
pub fn stream(relay: Arc<Relay>, principal: Principal) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let events = relay.approvals.listen();
    let next = move |mut events: Receiver<ApprovalEvent>| {
        let (relay, principal) = (Arc::clone(&relay), principal.clone());
        async move {
            loop {
                // A caller whose login ends is told nothing more.
                let event = tokio::select! {
                    () = relay.draining.cancelled() => return None,
                    event = events.recv() => event,
                };
                let event = match event {
                    Ok(event) => event,
                    Err(RecvError::Lagged(_)) => continue,
                    Err(RecvError::Closed) => return None,
                };
                let acting = relay.store.agents_that_may_act(&[principal.agent()], relay.now()).await.ok()?;
                if !acting.contains(&principal.agent()) {
                    return None;
                }
                let view = relay.store.approval(event.id).await.ok().flatten();
                if view.is_some_and(|view| may_see(&principal, &view)) {
                    let event = Event::default().event("approval").json_data(&event).ok()?;
                    return Some((Ok(event), events));
                }
            }
        }
    };
    Sse::new(futures_util::stream::unfold(events, next)).keep_alive(KeepAlive::default())
}
