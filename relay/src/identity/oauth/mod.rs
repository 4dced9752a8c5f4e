//! The relay as authorization server (RFC 8414): what its endpoints have in common. Tokens are bound to the TLS client
//! certificate of the token request (RFC 8705): `access_token` is the agent's id, no secret; the proof is the key.
//!
//! - [`metadata`]: RFC 8414
//! - [`authorize`]: authorization code with PKCE S256 over a loopback redirect (RFC 6749, 7636, 8252, 9207)
//! - [`token`]: codes and rotating refresh tokens (RFC 9700) become agents
//!   `delegate`: hop statements and tickets become children (RFC 8693)
//!   `workload`: platforms' tokens become logins
//! - [`revoke`]: RFC 7009

pub mod authorize;
mod delegate;
pub mod metadata;
pub mod revoke;
pub mod token;
mod workload;

use crate::relay::Relay;
use aws_lc_rs::digest::{SHA256, digest};
use axum::{
    Json,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::json;
use weir_shared::secret::Secret;

/// The one client: public, so it proves nothing by its name.
const CLIENT: &str = "weir-cli";

/// A token endpoint's refusal (RFC 6749, 5.2).
fn refuse(error: &str, description: &str) -> Response {
    let status = if error == "server_error" { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::BAD_REQUEST };
    let body = Json(json!({ "error": error, "error_description": description }));
    (status, [(header::CACHE_CONTROL, "no-store")], body).into_response()
}

fn broken(error: &weir_store::StoreError) -> Response {
    tracing::error!(%error, "the token endpoint cannot use the database");
    refuse("server_error", "the relay cannot use its database")
}

pub(super) fn hash(secret: &str) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, secret.as_bytes()).as_ref());
    out
}

/// 256 random bits.
pub(super) fn secret() -> Option<Secret<String>> {
    let mut bytes = [0; 32];
    aws_lc_rs::rand::fill(&mut bytes).ok()?;
    Some(Secret::new(URL_SAFE_NO_PAD.encode(bytes)))
}

fn micros(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX / 4)
}

pub(super) async fn audit(relay: &Relay, event: &str, actor: &str, body: serde_json::Value) {
    if let Err(error) = relay.store.audit_append(event, actor, body, relay.now()).await {
        tracing::error!(%error, "the audit log cannot be written");
    }
}
