//! The revocation endpoint (RFC 7009).

use super::{broken, hash};
use crate::relay::Relay;
use axum::{
    Form,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use std::sync::Arc;

/// A revocation request.
#[derive(Deserialize)]
pub struct Revoke {
    #[serde(default)]
    token: String,
}

/// The revocation endpoint: unknown tokens are no error.
pub async fn revoke(State(relay): State<Arc<Relay>>, Form(request): Form<Revoke>) -> Response {
    let revoked = relay.store.login_revoke(&hash(&request.token)).await;
    relay.principals.forget();
    match revoked {
        Ok(()) => StatusCode::OK.into_response(),
        Err(error) => broken(&error),
    }
}
