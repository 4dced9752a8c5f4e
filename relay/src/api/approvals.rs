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

/// An approval of a resource that the caller has to do with.
async fn find(relay: &Relay, principal: &Principal, id: &str) -> Result<ApprovalView, ApiError> {
    let view = relay.store.approval(id.parse().map_err(|_| missing(id))?).await?;
    Ok(view.filter(|view| principal.reaches(&view.resource)).ok_or_else(|| missing(id))?)
}

pub(super) async fn list(
    State(relay): State<Arc<Relay>>,
    Caller(principal, _): Caller,
    Query(filter): Query<Filter>,
) -> Result<Json<Vec<ApprovalView>>, ApiError> {
    relay.store.approvals_expire(relay.now()).await?;
    let user = (!sees_all(&principal)).then_some(principal.user());
    let mut approvals = relay.store.approvals(filter.state.as_deref(), user).await?;
    approvals.retain(|approval| principal.reaches(&approval.resource));
    Ok(Json(approvals))
}

pub(super) async fn show(
    State(relay): State<Arc<Relay>>,
    Caller(principal, _): Caller,
    Path(id): Path<String>,
) -> Result<Json<ApprovalView>, ApiError> {
    let view = find(&relay, &principal, &id).await?;
    let seen = Some(view).filter(|view| view.user == principal.user() || sees_all(&principal));
    Ok(Json(seen.ok_or_else(|| missing(&id))?))
}

async fn decide(
    relay: &Relay,
    principal: &Principal,
    id: &str,
    approve: bool,
    body: DecisionBody,
) -> Result<Json<ApprovalView>, ApiError> {
    let approval = find(relay, principal, id).await?;
    Ok(Json(approval::decide(relay, approval.id, principal, approve, body).await?))
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
