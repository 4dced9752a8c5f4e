//! The token exchange grant (RFC 8693) for agents of agents: a hop statement or a ticket becomes a child's key.

use super::{broken, refuse, token::TokenRequest};
use crate::{
    identity::delegation::{self, NotDelegated},
    relay::Relay,
};
use axum::{
    Json,
    http::header,
    response::{IntoResponse, Response},
};
use serde_json::json;
use weir_shared::{api::Claims, keys::Thumbprint};

/// The grant's type.
pub(super) const GRANT: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
/// A hop statement, as a `subject_token_type` (RFC 8693, 3).
const HOP: &str = "urn:weir:params:oauth:token-type:hop";
/// A ticket.
const TICKET: &str = "urn:weir:params:oauth:token-type:ticket";
/// The longest claims, bytes.
const LONGEST_CLAIMS: usize = 4096;

/// What a client says of itself.
pub(super) fn claims(evidence: &str) -> Result<Claims, Box<Response>> {
    if evidence.is_empty() {
        return Ok(Claims::default());
    }
    let claims = (evidence.len() <= LONGEST_CLAIMS).then(|| serde_json::from_str::<Claims>(evidence).ok()).flatten();
    claims.map(Claims::bounded).ok_or_else(|| Box::new(refuse("invalid_request", "the evidence is no claims")))
}

/// A child begins, or lives on.
pub(super) async fn child(relay: &Relay, key: Thumbprint, request: &TokenRequest) -> Response {
    let claims = match claims(&request.evidence) {
        Ok(claims) => serde_json::to_string(&claims).unwrap_or_else(|_| "{}".to_owned()),
        Err(refused) => return *refused,
    };
    let begun = match request.subject_token_type.as_str() {
        HOP => delegation::begin(relay, key, &request.subject_token, &claims).await,
        TICKET => delegation::redeem(relay, key, &request.subject_token, &claims).await,
        _ => return refuse("invalid_request", "subject_token_type is a hop statement's or a ticket's"),
    };
    let child = match begun {
        Ok(child) => child,
        Err(NotDelegated::Refused(why)) => return refuse("invalid_grant", &why),
        Err(NotDelegated::Store(error)) => return broken(&error),
    };
    let body = Json(json!({
        "access_token": child.agent,
        "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
        "token_type": "Bearer",
        "expires_in": (child.expires - relay.now()) / 1_000_000,
        "beyond": child.beyond,
        "hop": child.hop,
    }));
    ([(header::CACHE_CONTROL, "no-store")], body).into_response()
}
