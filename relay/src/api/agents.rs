//! The tree of agents. A whole agent sees and ends those of its user, a narrower one itself and what is below it;
//! administrators all.

use super::{ApiError, Caller};
use crate::{
    identity::{Principal, delegation, delegation::NotDelegated},
    relay::Relay,
};
use axum::{
    Json,
    extract::{Path, Query, State},
};
use serde::Deserialize;
use std::sync::Arc;
use weir_shared::{
    api::{AgentView, TicketBody},
    error::{Kind, UserFacing},
    id::AgentId,
};

/// The most that are listed.
const MOST: u32 = 10_000;

#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Filter {
    /// Of every user.
    #[serde(default)]
    all: bool,
    /// Also those that have ended.
    #[serde(default)]
    ended: bool,
}

/// Agents, oldest first.
///
/// A whole agent sees those of its user, a narrower one itself and those below it, administrators and auditors all.
#[utoipa::path(
    get, path = "/api/v1/agents", tag = "agents", operation_id = "list_agents",
    params(Filter),
    responses((status = 200, description = "Agents", body = Vec<AgentView>))
)]
pub(super) async fn list(
    State(relay): State<Arc<Relay>>,
    Caller(principal, _): Caller,
    Query(filter): Query<Filter>,
) -> Result<Json<Vec<AgentView>>, ApiError> {
    let user = if filter.all && super::sessions::sees_all(&principal) { None } else { Some(principal.user()) };
    let below = (!principal.is_whole()).then_some(principal.agent());
    let mut agents = relay.store.agents(user, below, filter.ended, relay.now(), MOST).await?;
    let open = relay.registry.sessions_by_agent();
    for agent in &mut agents {
        agent.open_sessions = open.get(&agent.id).copied().unwrap_or_default();
    }
    Ok(Json(agents))
}

/// The agents from the root to this one, as people see them.
pub(super) async fn chain(relay: &Relay, principal: &Principal) -> Result<Vec<AgentView>, ApiError> {
    Ok(relay.store.agent_views(&principal.chain_ids(), relay.now()).await?)
}

/// Ends an agent and all below it, with what they have open.
///
/// One's own; administrators end all.
#[utoipa::path(
    post, path = "/api/v1/agents/{id}/end", tag = "agents", operation_id = "end_agent",
    params(("id" = String, Path, description = "Its id; `self` is the caller")),
    responses((status = 200, description = "It and all below it that were alive", body = Vec<AgentId>))
)]
pub(super) async fn end(
    State(relay): State<Arc<Relay>>,
    Caller(principal, _): Caller,
    Path(id): Path<String>,
) -> Result<Json<Vec<AgentId>>, ApiError> {
    let missing = || UserFacing::new(Kind::NotFound, format!("no agent {id}"), "run `weir sessions tree`");
    let agent: AgentId = if id == "self" { principal.agent() } else { id.parse().map_err(|_| missing())? };
    let view = relay.store.agent_view(agent, relay.now()).await?.ok_or_else(missing)?;
    let may = if principal.is_whole() {
        view.user == principal.user() || principal.is("admin")
    } else {
        relay.store.agent_is_below(agent, principal.agent()).await?
    };
    // One that may not be ended looks like one that is not there.
    if !may {
        return Err(missing().into());
    }
    relay.audit_of(&principal, "agent.ended", serde_json::json!({ "agent": agent, "user": view.user })).await;
    let itself = agent == principal.agent();
    let why = if itself { "done".to_owned() } else { format!("revoked by {}", principal.user()) };
    Ok(Json(relay.end_agent(agent, &why).await?))
}

/// Keeps a ticket for a child on another machine.
#[utoipa::path(
    post, path = "/api/v1/tickets", tag = "agents", operation_id = "keep_ticket",
    request_body = TicketBody,
    responses((status = 200, description = "It is kept"))
)]
pub(super) async fn ticket(
    State(relay): State<Arc<Relay>>,
    Caller(principal, _): Caller,
    Json(body): Json<TicketBody>,
) -> Result<Json<()>, ApiError> {
    match delegation::keep_ticket(&relay, &principal, &body.hop, body.redeem_within).await {
        Ok(()) => Ok(Json(())),
        Err(NotDelegated::Refused(why)) => {
            let body = serde_json::json!({ "why": why });
            relay.audit_of(&principal, "alert.ticket_refused", body).await;
            Err(UserFacing::new(Kind::Denied, why, "make the ticket with `weir ticket`").into())
        }
        Err(NotDelegated::Store(error)) => Err(error.into()),
    }
}
