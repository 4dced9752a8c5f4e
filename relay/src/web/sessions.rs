//! The pages of sessions: what an agent and those below it did, and one session with its statements. What may be seen is
//! what the API shows.

use super::{broken, failure, page, session::Visitor, time};
use crate::{api, record, relay::Relay};
use askama::Template;
use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};
use std::sync::Arc;
use weir_shared::{
    api::{AgentView, Entry, SessionView},
    id::{AgentId, SessionId},
};

/// Sessions of a page.
const MOST: u32 = 200;
/// Entries of a page; `weir sessions replay` shows all.
const ENTRIES: usize = 1_000;

struct Row {
    view: SessionView,
    began: String,
}

#[derive(Template)]
#[template(path = "sessions.html")]
struct List<'a> {
    user: &'a str,
    csrf: &'a str,
    agent: Option<AgentView>,
    rows: Vec<Row>,
}

/// What is shown of an entry.
struct Line {
    at: String,
    what: &'static str,
    text: String,
    more: String,
}

#[derive(Template)]
#[template(path = "session.html")]
struct One<'a> {
    user: &'a str,
    csrf: &'a str,
    view: &'a SessionView,
    began: String,
    lines: Vec<Line>,
    cut: bool,
}

fn unreadable(error: &dyn std::fmt::Display) -> Response {
    tracing::error!(%error, "a recording cannot be shown");
    failure(StatusCode::INTERNAL_SERVER_ERROR, "the relay cannot read the recording")
}

fn missing() -> Response {
    failure(StatusCode::NOT_FOUND, "there is no such session or agent, or it is not yours to see")
}

/// The newest sessions that the visitor may see.
pub async fn list(State(relay): State<Arc<Relay>>, visitor: Visitor) -> Response {
    listed(&relay, &visitor, None).await
}

/// What an agent did, and all below it.
pub async fn of_agent(State(relay): State<Arc<Relay>>, visitor: Visitor, Path(id): Path<String>) -> Response {
    let Ok(id) = id.parse::<AgentId>() else { return missing() };
    match relay.store.agent_view(id, relay.now()).await {
        Ok(Some(agent)) if agent.user == visitor.principal.user() || api::sees_all_sessions(&visitor.principal) => {
            listed(&relay, &visitor, Some(agent)).await
        }
        Ok(_) => missing(),
        Err(error) => broken(&error),
    }
}

async fn listed(relay: &Relay, visitor: &Visitor, agent: Option<AgentView>) -> Response {
    relay.index.settled().await;
    let user = (!api::sees_all_sessions(&visitor.principal)).then(|| visitor.principal.user());
    let views = match relay.store.sessions(user, None, agent.as_ref().map(|agent| agent.id), MOST).await {
        Ok(views) => views,
        Err(error) => return broken(&error),
    };
    let rows = views.into_iter().filter(|view| api::sees_session(&visitor.principal, view));
    let rows = rows.map(|view| Row { began: time(view.started_at), view }).collect();
    let list = List { user: visitor.principal.user(), csrf: &visitor.csrf, agent, rows };
    page(StatusCode::OK, list.render())
}

/// One session, with what was asked of it. Looking at it is audited.
pub async fn show(State(relay): State<Arc<Relay>>, visitor: Visitor, Path(id): Path<String>) -> Response {
    let Ok(id) = id.parse::<SessionId>() else { return missing() };
    relay.index.settled().await;
    let view = match relay.store.session(id).await {
        Ok(Some(view)) if api::sees_session(&visitor.principal, &view) => view,
        Ok(_) => return missing(),
        Err(error) => return broken(&error),
    };
    let body = serde_json::json!({ "session": id, "chain": visitor.principal.chain_ids() });
    if let Err(error) = relay.store.audit_append("recording.viewed", visitor.principal.user(), body, relay.now()).await
    {
        return broken(&error);
    }
    let reader = Arc::clone(&relay);
    let read = tokio::task::spawn_blocking(move || {
        let entries = record::read::entries(&reader.config.recordings, id, &reader.sealing_key)?;
        entries.take(ENTRIES + 1).collect::<Result<Vec<_>, _>>()
    });
    let entries = match read.await {
        Ok(Ok(entries)) => entries,
        Ok(Err(error)) => return unreadable(&error),
        Err(error) => return unreadable(&error),
    };
    let cut = entries.len() > ENTRIES;
    let lines = entries.into_iter().take(ENTRIES).filter_map(line).collect();
    let began = time(view.started_at);
    let one = One { user: visitor.principal.user(), csrf: &visitor.csrf, view: &view, began, lines, cut };
    page(StatusCode::OK, one.render())
}

fn line(entry: Entry) -> Option<Line> {
    let seconds = |at: u64| format!("{}.{:03} s", at / 1_000_000, at / 1_000 % 1_000);
    Some(match entry {
        Entry::Statement { at, text, class, outcome, policies, .. } => {
            let more = format!("{class}: {outcome} ({})", policies.join(", "));
            Line { at: seconds(at), what: "asked", text, more }
        }
        Entry::Approval { at, approval, state, by, digest, .. } => {
            let by = by.map(|by| format!(" by {by}")).unwrap_or_default();
            Line {
                at: seconds(at),
                what: "approval",
                text: format!("{state}{by}"),
                more: format!("{approval}, digest {digest}"),
            }
        }
        Entry::Estimate { at, .. } => {
            let text = "EXPLAIN asked of the resource, for whoever decides".to_owned();
            Line { at: seconds(at), what: "estimate", text, more: String::new() }
        }
        Entry::Complete { at, status, rows, micros, .. } => {
            Line { at: seconds(at), what: "ended", text: status, more: format!("{rows} rows, {micros} us") }
        }
        Entry::Gap { at, why } => Line { at: seconds(at), what: "gap", text: why, more: String::new() },
        Entry::Close { at, reason } => Line { at: seconds(at), what: "closed", text: reason, more: String::new() },
        _ => return None,
    })
}
