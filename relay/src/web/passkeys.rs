//! The page on which people keep their passkeys, and what the script that talks to passkeys asks for.

use super::{
    asset, broken, scripted,
    session::{Sent, Visitor},
    status_of, time,
};
use crate::{
    api::ApiError,
    identity::passkeys::{self, Answer, Question},
    relay::Relay,
};
use askama::Template;
use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use serde::Deserialize;
use std::sync::Arc;
use weir_shared::error::UserFacing;
use weir_store::passkeys::Passkey;

const SCRIPT: &str = include_str!("passkey.js");

struct Row {
    passkey: Passkey,
    added: String,
    used: String,
}

#[derive(Template)]
#[template(path = "passkeys.html")]
struct List<'a> {
    user: &'a str,
    csrf: &'a str,
    rows: Vec<Row>,
    possible: bool,
    may_add: bool,
    problem: &'a str,
}

/// The script.
pub async fn script() -> Response {
    asset("text/javascript", SCRIPT)
}

async fn shown(relay: &Relay, visitor: &Visitor, status: StatusCode, problem: &str) -> Response {
    let stored = match relay.store.passkeys(visitor.principal.user_id()).await {
        Ok(stored) => stored,
        Err(error) => return broken(&error),
    };
    let row = |passkey: Passkey| Row {
        added: time(passkey.added),
        used: passkey.used.map_or_else(|| "never".to_owned(), time),
        passkey,
    };
    let list = List {
        user: visitor.principal.user(),
        csrf: &visitor.csrf,
        rows: stored.into_iter().map(row).collect(),
        possible: relay.passkeys.are_possible(),
        may_add: passkeys::may_add(relay, &visitor.principal),
        problem,
    };
    scripted(status, list.render())
}

/// The visitor's own.
pub async fn list(State(relay): State<Arc<Relay>>, visitor: Visitor) -> Response {
    shown(&relay, &visitor, StatusCode::OK, "").await
}

/// What its forms send, and the script on their behalf.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct PasskeyForm {
    name: String,
    id: String,
    #[serde(flatten)]
    answer: Answer,
}

/// The question of a passkey that there is: whether to add another, or to remove that of this id.
///
/// # Errors
/// As [`passkeys::ask`].
pub async fn prove(
    State(relay): State<Arc<Relay>>,
    Sent { visitor, form }: Sent<PasskeyForm>,
) -> Result<Json<Question>, ApiError> {
    let meant = if form.id.is_empty() { passkeys::adding() } else { passkeys::removing(&form.id) };
    Ok(Json(passkeys::ask(&relay, &visitor.principal, &meant).await?))
}

/// The question of a new passkey.
///
/// # Errors
/// As [`passkeys::ask_new`].
pub async fn ask_new(
    State(relay): State<Arc<Relay>>,
    Sent { visitor, form }: Sent<PasskeyForm>,
) -> Result<Json<Question>, ApiError> {
    Ok(Json(passkeys::ask_new(&relay, &visitor.principal, &form.answer).await?))
}

async fn done(relay: &Relay, visitor: &Visitor, done: Result<(), UserFacing>) -> Response {
    match done {
        Ok(()) => Redirect::to("/passkeys").into_response(),
        Err(error) => shown(relay, visitor, status_of(&error), &error.message).await,
    }
}

/// A new one.
pub async fn add(State(relay): State<Arc<Relay>>, Sent { visitor, form }: Sent<PasskeyForm>) -> Response {
    let added = passkeys::add(&relay, &visitor.principal, &form.name, &form.answer).await;
    done(&relay, &visitor, added).await
}

/// One less.
pub async fn remove(State(relay): State<Arc<Relay>>, Sent { visitor, form }: Sent<PasskeyForm>) -> Response {
    let removed = passkeys::remove(&relay, &visitor.principal, &form.id, &form.answer).await;
    done(&relay, &visitor, removed).await
}
