//! What the authorization server offers (RFC 8414), what the API wants (RFC 9728), and the keys that tokens are verified with
//! (RFC 7517).

use super::{clients, dpop, signing};
use crate::{identity::access::DETAILS, relay::Relay};
use axum::{
    Json,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use serde_json::json;
use std::sync::Arc;
use weir_shared::config::checked::{GrantType, Scope};

/// How long others may keep it, in seconds; a new key is published for far longer than this before it signs.
const KEEP: &str = "public, max-age=300";

fn kept(body: serde_json::Value) -> Response {
    ([(header::CACHE_CONTROL, KEEP), (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*")], Json(body)).into_response()
}

/// `/.well-known/oauth-authorization-server`
pub async fn metadata(State(relay): State<Arc<Relay>>) -> Response {
    let issuer = &relay.config.public_url;
    let at = |path: &str| format!("{issuer}{path}");
    let algorithms = clients::ALGORITHMS.map(|(_, name)| name);
    kept(json!({
        "issuer": issuer,
        "authorization_endpoint": at("/oauth/authorize"),
        "token_endpoint": at("/oauth/token"),
        "device_authorization_endpoint": at("/oauth/device_authorization"),
        "revocation_endpoint": at("/oauth/revoke"),
        "introspection_endpoint": at("/oauth/introspect"),
        "jwks_uri": at("/oauth/jwks"),
        "scopes_supported": Scope::ALL.map(Scope::as_str),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": GrantType::ALL.map(GrantType::uri),
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": clients::METHODS,
        "token_endpoint_auth_signing_alg_values_supported": algorithms,
        "revocation_endpoint_auth_methods_supported": clients::METHODS,
        "revocation_endpoint_auth_signing_alg_values_supported": algorithms,
        "introspection_endpoint_auth_methods_supported": clients::METHODS,
        "introspection_endpoint_auth_signing_alg_values_supported": algorithms,
        "dpop_signing_alg_values_supported": dpop::ALGORITHMS.map(|(_, name)| name),
        "tls_client_certificate_bound_access_tokens": true,
        "authorization_details_types_supported": [DETAILS],
        "authorization_response_iss_parameter_supported": true,
        "protected_resources": [issuer],
    }))
}

/// `/.well-known/oauth-protected-resource`
pub async fn resource(State(relay): State<Arc<Relay>>) -> Response {
    let issuer = &relay.config.public_url;
    kept(json!({
        "resource": issuer,
        "authorization_servers": [issuer],
        "scopes_supported": Scope::ALL.map(Scope::as_str),
        "bearer_methods_supported": ["header"],
        "tls_client_certificate_bound_access_tokens": true,
        "dpop_signing_alg_values_supported": dpop::ALGORITHMS.map(|(_, name)| name),
        "authorization_details_types_supported": [DETAILS],
        "resource_name": "weir",
    }))
}

/// `/oauth/jwks`: the keys that sign, signed, and will sign.
pub async fn jwks(State(relay): State<Arc<Relay>>) -> Response {
    let ring = relay.oauth.keys.ring();
    kept(json!({ "keys": ring.all().iter().map(|key: &signing::SigningKey| &key.jwk).collect::<Vec<_>>() }))
}
