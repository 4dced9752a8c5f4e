//! The audit log, for auditors. That it is read leaves no event: it would be read for ever.

use super::{ApiError, Caller};
use crate::relay::Relay;
use axum::{
    Json,
    extract::{Query, State},
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use weir_store::audit::{AuditEvent, AuditSearch};

/// Events of a page when it is not said, and at most.
const USUAL: u32 = 100;
const MOST: u32 = 1_000;

#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Filter {
    /// Names begin so: `policy.`, `alert.`, `agent.ended`.
    #[serde(default)]
    event: String,
    /// Only what this user did.
    actor: Option<String>,
    /// Not older than this, microseconds since 1970.
    since: Option<i64>,
    /// Older than the event of this number: `next` of the page before.
    before: Option<i64>,
    /// Newer than the event of this number: what has come since.
    after: Option<i64>,
    /// At most so many; 100 when it is not said, 1,000 at most.
    limit: Option<u32>,
}

/// Some of the audit log, newest first.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct AuditPage {
    events: Vec<AuditEntry>,
    /// `before` of the next page; none when this is the last.
    next: Option<i64>,
}

/// One event of the audit log.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct AuditEntry {
    /// Its number; each is larger than the one before.
    sequence: i64,
    /// Microseconds since 1970.
    at: i64,
    /// What happened: `approval.approved`, `alert.ticket_refused`, ...
    event: String,
    /// Who: a user, or nobody known.
    actor: String,
    /// More about it.
    body: serde_json::Value,
}

/// The audit log, newest first.
#[utoipa::path(
    get, path = "/api/v1/audit", tag = "audit", operation_id = "read_audit",
    params(Filter),
    responses((status = 200, description = "Events", body = AuditPage))
)]
pub(super) async fn list(
    State(relay): State<Arc<Relay>>,
    _caller: Caller,
    Query(filter): Query<Filter>,
) -> Result<Json<AuditPage>, ApiError> {
    let Filter { event, actor, since, before, after, limit } = filter;
    let limit = limit.unwrap_or(USUAL).clamp(1, MOST);
    let wanted = AuditSearch {
        event: &event,
        actor: actor.as_deref(),
        since: since.unwrap_or(0),
        before: before.unwrap_or(i64::MAX),
        after: after.unwrap_or(0),
        limit: limit + 1,
    };
    let mut found = relay.store.audit_search(&wanted).await?;
    let more = found.len() > limit as usize;
    found.truncate(limit as usize);
    let next = found.last().map(|last| last.sequence).filter(|_| more);
    Ok(Json(AuditPage { events: found.into_iter().map(entry).collect(), next }))
}

fn entry(event: AuditEvent) -> AuditEntry {
    let AuditEvent { sequence, at, event, actor, body } = event;
    AuditEntry { sequence, at, event, actor, body }
}
