//! The token exchange grant (RFC 8693) for agents of agents: a hop statement or a ticket becomes a child's key.

use super::{
    broken,
    exchange::ACCESS_TOKEN,
    proof::Proof,
    refuse,
    token::{TokenRequest, given, issue},
};
use crate::{
    identity::{
        self,
        delegation::{self, NotDelegated},
    },
    relay::Relay,
};
use axum::response::Response;
use serde_json::json;
use weir_shared::{api::Claims, config::checked::Client};

/// A hop statement, as a `subject_token_type` (RFC 8693, 3).
pub(super) const HOP: &str = "urn:weir:params:oauth:token-type:hop";
/// A ticket.
pub(super) const TICKET: &str = "urn:weir:params:oauth:token-type:ticket";
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

/// A child begins, or lives on. It gets a token as every session does; `agent` and `agent_expires_in` are weir's own.
pub(super) async fn child(relay: &Relay, client: &Client, proof: &Proof, request: &TokenRequest) -> Response {
    let claims = match claims(&request.evidence) {
        Ok(claims) => serde_json::to_string(&claims).unwrap_or_else(|_| "{}".to_owned()),
        Err(refused) => return *refused,
    };
    let token = &request.exchange.subject_token;
    let begun = if request.exchange.subject_token_type == HOP {
        delegation::begin(relay, proof.key, token, &claims).await
    } else {
        delegation::redeem(relay, proof.key, token, &claims).await
    };
    let child = match begun {
        Ok(child) => child,
        Err(NotDelegated::Refused(why)) => return refuse("invalid_grant", &why),
        Err(NotDelegated::Store(error)) => return broken(&error),
    };
    let Ok(principal) = identity::authenticate(&relay.store, proof.key, relay.now()).await else {
        return refuse("invalid_grant", "the child has ended already");
    };
    let of = (principal.user_id(), child.agent);
    let Some(mut body) = issue(relay, client, proof, of, principal.access(), child.expires, None) else {
        return refuse("server_error", "no token can be signed");
    };
    body.extend([
        ("issued_token_type".to_owned(), json!(ACCESS_TOKEN)),
        ("agent".to_owned(), json!(child.agent)),
        ("agent_expires_in".to_owned(), json!((child.expires - relay.now()) / 1_000_000)),
        ("beyond".to_owned(), json!(child.beyond)),
        ("hop".to_owned(), json!(child.hop)),
    ]);
    given(body)
}
