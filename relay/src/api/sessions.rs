//! Sessions and their recordings. One sees one's own; administrators and auditors see all. Reading a recording is
//! itself audited.

use super::{ApiError, Caller};
use crate::{
    identity::Principal,
    record,
    relay::{Relay, with_chain},
};
use axum::{
    Json,
    body::{Body, Bytes},
    extract::{Path, Query, State},
    http::header,
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use std::sync::Arc;
use weir_shared::{
    api::{Entry, SessionView},
    error::{Kind, UserFacing},
    id::{AgentId, SessionId},
};

#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Filter {
    /// On this resource.
    resource: Option<String>,
    /// Of this user.
    user: Option<String>,
    /// Of this agent and those below it.
    chain: Option<AgentId>,
    /// At most so many; 100 when it is not said, 10,000 at most.
    limit: Option<u32>,
}

/// Whether it sees what others did.
#[must_use]
pub fn sees_all(principal: &Principal) -> bool {
    principal.is("admin") || principal.is("auditor")
}

/// A whole agent sees what its user did; a narrower one what it did, and what is below it.
#[must_use]
pub fn sees(principal: &Principal, session: &SessionView) -> bool {
    let own = if principal.is_whole() {
        session.user == principal.user()
    } else {
        session.chain.contains(&principal.agent())
    };
    (own || sees_all(principal)) && principal.reaches(&session.resource)
}

/// Sessions, newest first.
///
/// One's own; administrators and auditors see all.
#[utoipa::path(
    get, path = "/api/v1/sessions", tag = "sessions", operation_id = "list_sessions",
    params(Filter),
    responses((status = 200, description = "Sessions", body = Vec<SessionView>))
)]
pub(super) async fn list(
    State(relay): State<Arc<Relay>>,
    Caller(principal, _): Caller,
    Query(filter): Query<Filter>,
) -> Result<Json<Vec<SessionView>>, ApiError> {
    let user = if sees_all(&principal) { filter.user.as_deref() } else { Some(principal.user()) };
    relay.index.settled().await;
    let limit = filter.limit.unwrap_or(100).min(10_000);
    let mut found = relay.store.sessions(user, filter.resource.as_deref(), filter.chain, limit).await?;
    found.retain(|session| sees(&principal, session));
    Ok(Json(found))
}

async fn find(relay: &Relay, principal: &Principal, id: &str) -> Result<SessionView, ApiError> {
    let missing = || UserFacing::new(Kind::NotFound, format!("no session {id}"), "run `weir sessions list`");
    let id: SessionId = id.parse().map_err(|_| missing())?;
    relay.index.settled().await;
    let session = relay.store.session(id).await?;
    // One that may not be seen looks like one that is not there.
    let seen = session.filter(|session| sees(principal, session));
    Ok(seen.ok_or_else(missing)?)
}

/// One session.
#[utoipa::path(
    get, path = "/api/v1/sessions/{id}", tag = "sessions", operation_id = "show_session",
    params(("id" = String, Path, description = "Its id")),
    responses((status = 200, description = "The session", body = SessionView))
)]
pub(super) async fn show(
    State(relay): State<Arc<Relay>>,
    Caller(principal, _): Caller,
    Path(id): Path<String>,
) -> Result<Json<SessionView>, ApiError> {
    Ok(Json(find(&relay, &principal, &id).await?))
}

/// A recording, in recorded order. That it is read is audited.
#[utoipa::path(
    get, path = "/api/v1/sessions/{id}/entries", tag = "sessions", operation_id = "read_recording",
    params(("id" = String, Path, description = "Its id")),
    responses((status = 200, description = "JSON lines; an answer that breaks off is not whole", body = Entry, content_type = "application/x-ndjson"))
)]
pub(super) async fn entries(
    State(relay): State<Arc<Relay>>,
    Caller(principal, _): Caller,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let session = find(&relay, &principal, &id).await?;
    let body = serde_json::json!({ "session": session.id });
    let body = with_chain(&principal, body);
    relay.store.audit_append("recording.viewed", principal.user(), body, relay.now()).await?;
    let reader = Arc::clone(&relay);
    let opened = tokio::task::spawn_blocking(move || {
        record::read::entries(&reader.config.recordings, session.id, &reader.sealing_key)
    });
    let opened = opened.await;
    let entries = match opened {
        Ok(Ok(entries)) => entries,
        Ok(Err(error)) => {
            let hint = "tell the relay's administrator";
            return Err(UserFacing::new(Kind::System, error.to_string(), hint).into());
        }
        Err(_) => return Err(UserFacing::new(Kind::Internal, "the recording cannot be read", "").into()),
    };
    let (sender, receiver) = tokio::sync::mpsc::channel::<Result<Bytes, std::io::Error>>(16);
    relay.tasks.spawn_blocking(move || {
        for entry in entries {
            // An error breaks the answer off, so that a reader cannot take a part for the whole.
            let line = match entry {
                Ok(entry) => serde_json::to_vec(&entry).map_err(std::io::Error::other),
                Err(error) => Err(std::io::Error::other(error)),
            };
            let line = line.map(|mut line| {
                line.push(b'\n');
                Bytes::from(line)
            });
            let failed = line.is_err();
            if sender.blocking_send(line).is_err() || failed {
                return;
            }
        }
    });
    let lines = futures_util::stream::unfold(receiver, async |mut receiver| Some((receiver.recv().await?, receiver)));
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(lines)).into_response())
}
