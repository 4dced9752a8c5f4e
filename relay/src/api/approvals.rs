//! Requests for a decision. One sees one's own; reviewers and administrators see all.

use super::{ApiError, Caller};
use crate::{approval, identity::Principal, relay::Relay};
use axum::{
    Json,
    extract::{Path, Query, State},
};
use serde::Deserialize;
use std::sync::Arc;
use weir_shared::{
    api::{ApprovalView, DecisionBody},
    error::{Kind, UserFacing},
};

#[derive(Deserialize)]
pub(super) struct Filter {
    state: Option<String>,
}

fn sees_all(principal: &Principal) -> bool {
    principal.is("admin") || principal.is("reviewer") || principal.is("auditor")
}

fn missing(id: &str) -> UserFacing {
    UserFacing::new(Kind::NotFound, format!("no approval {id}"), "run `weir approvals list`")
}

/// True when the caller may see it: reviewers all, of resources that they have to do with; others their user's; an agent's
/// agent what it and those below it asked for.
async fn sees(relay: &Relay, principal: &Principal, view: &ApprovalView) -> Result<bool, ApiError> {
    if !principal.reaches(&view.resource) || !(sees_all(principal) || view.user == principal.user()) {
        return Ok(false);
    }
    if principal.depth() == 0 {
        return Ok(true);
    }
    let session = relay.store.session(view.session).await?;
    Ok(session.is_some_and(|session| session.chain.contains(&principal.agent())))
}

/// An approval that the caller may see.
async fn find(relay: &Relay, principal: &Principal, id: &str) -> Result<ApprovalView, ApiError> {
    let view = relay.store.approval(id.parse().map_err(|_| missing(id))?).await?;
    let view = view.ok_or_else(|| missing(id))?;
    if sees(relay, principal, &view).await? { Ok(view) } else { Err(missing(id).into()) }
}

pub(super) async fn list(
    State(relay): State<Arc<Relay>>,
    Caller(principal, _): Caller,
    Query(filter): Query<Filter>,
) -> Result<Json<Vec<ApprovalView>>, ApiError> {
    relay.store.approvals_expire(relay.now()).await?;
    let user = (!sees_all(&principal)).then_some(principal.user());
    let mut seen = Vec::new();
    for view in relay.store.approvals(filter.state.as_deref(), user).await? {
        if sees(&relay, &principal, &view).await? {
            seen.push(view);
        }
    }
    Ok(Json(seen))
}

pub(super) async fn show(
    State(relay): State<Arc<Relay>>,
    Caller(principal, _): Caller,
    Path(id): Path<String>,
) -> Result<Json<ApprovalView>, ApiError> {
    Ok(Json(find(&relay, &principal, &id).await?))
}

async fn decide(
    relay: &Relay,
    principal: &Principal,
    id: &str,
    approve: bool,
    body: DecisionBody,
) -> Result<Json<ApprovalView>, ApiError> {
    // Who may not decide is told so, and the attempt is audited.
    let view = relay.store.approval(id.parse().map_err(|_| missing(id))?).await?;
    let view = view.filter(|view| principal.reaches(&view.resource)).ok_or_else(|| missing(id))?;
    Ok(Json(approval::decide(relay, view.id, principal, approve, body).await?))
}

pub(super) async fn approve(
    State(relay): State<Arc<Relay>>,
    Caller(principal, _): Caller,
    Path(id): Path<String>,
    Json(body): Json<DecisionBody>,
) -> Result<Json<ApprovalView>, ApiError> {
    decide(&relay, &principal, &id, true, body).await
}

pub(super) async fn deny(
    State(relay): State<Arc<Relay>>,
    Caller(principal, _): Caller,
    Path(id): Path<String>,
    Json(body): Json<DecisionBody>,
) -> Result<Json<ApprovalView>, ApiError> {
    decide(&relay, &principal, &id, false, body).await
}
