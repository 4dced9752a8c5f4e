//! What the authorization server offers (RFC 8414).

use crate::relay::Relay;
use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use serde_json::json;
use std::sync::Arc;

/// Metadata.
pub async fn metadata(State(relay): State<Arc<Relay>>) -> Response {
    let issuer = &relay.config.public_url;
    let mut grants = vec!["authorization_code", "refresh_token"];
    if !relay.config.identity.workload.is_empty() {
        grants.push(super::delegate::GRANT);
    }
    Json(json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/oauth/authorize"),
        "token_endpoint": format!("{issuer}/oauth/token"),
        "revocation_endpoint": format!("{issuer}/oauth/revoke"),
        "response_types_supported": ["code"],
        "grant_types_supported": grants,
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["none"],
        "tls_client_certificate_bound_access_tokens": true,
        "authorization_response_iss_parameter_supported": true,
    }))
    .into_response()
}
