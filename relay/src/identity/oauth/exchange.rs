//! Token exchange (RFC 8693): who may ask with what is told by `subject_token_type`.
//!
//! - a weir access token, by who holds its key: a narrower one for the same key and the same session
//! - a hop statement, a ticket: an agent's agent (`delegate`)

use super::{
    bearer, delegate, jwt,
    proof::Proof,
    refuse,
    token::{TokenRequest, given, issue},
};
use crate::{
    api::Peer,
    identity::access::{Access, Beyond},
    relay::Relay,
};
use axum::response::Response;
use serde::Deserialize;
use weir_shared::{config::checked::Client, id::ResourceName};
use zeroize::Zeroizing;

pub(super) const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";

/// What an exchange adds to a token request.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Exchange {
    pub(super) subject_token: Zeroizing<String>,
    pub(super) subject_token_type: String,
    pub(super) actor_token: Zeroizing<String>,
    pub(super) requested_token_type: String,
    audience: String,
    resource: String,
}

/// A token for another.
pub(super) async fn exchange(
    relay: &Relay,
    client: &Client,
    peer: &Peer,
    proof: &Proof,
    request: &TokenRequest,
) -> Response {
    let Exchange { subject_token_type, actor_token, requested_token_type, .. } = &request.exchange;
    if !["", ACCESS_TOKEN, JWT].contains(&requested_token_type.as_str()) {
        return refuse("invalid_request", "only access tokens are given");
    }
    if !actor_token.is_empty() {
        return refuse("invalid_request", "no actor_token is taken with this subject_token_type");
    }
    match subject_token_type.as_str() {
        ACCESS_TOKEN => narrowed(relay, client, peer, proof, request).await,
        delegate::HOP | delegate::TICKET => delegate::child(relay, client, proof, request).await,
        _ => refuse("invalid_request", "this subject_token_type is not taken"),
    }
}

/// The holder's own token, narrowed.
async fn narrowed(relay: &Relay, client: &Client, peer: &Peer, proof: &Proof, request: &TokenRequest) -> Response {
    let token = &request.exchange.subject_token;
    let Some(claims) = jwt::verify(&relay.oauth.keys, &relay.config.public_url, token) else {
        return refuse("invalid_request", "the subject_token is not good, or no longer");
    };
    if claims.cnf != proof.confirmation {
        bearer::stolen(relay, &claims, peer, "exchanged by another key").await;
        return refuse("invalid_request", "the subject_token is bound to another key");
    }
    if claims.client_id != client.id {
        return refuse("invalid_request", "the subject_token is another client's");
    }
    let principal = match bearer::live(relay, &claims, proof.key).await {
        Ok(Some(principal)) => principal,
        Ok(None) => return refuse("invalid_request", "the session of the subject_token has ended"),
        Err(error) => return super::broken(&error),
    };
    let access = match asked(relay, &claims.access(), request) {
        Ok(access) => access,
        Err((code, description)) => return refuse(code, &description),
    };
    let until = principal.expires_at();
    let Some(mut body) = issue(relay, client, proof, (claims.sub, claims.sid), &access, until, Some(&claims)) else {
        return refuse("server_error", "no token can be signed");
    };
    body.insert("issued_token_type".to_owned(), ACCESS_TOKEN.into());
    given(body)
}

/// `audience` is the relay, or the name of a resource: then the token is for that only. `resource` (RFC 8707) is the relay.
fn asked(relay: &Relay, held: &Access, request: &TokenRequest) -> Result<Access, (&'static str, String)> {
    let beyond = |beyond: Beyond| (beyond.code(), beyond.to_string());
    let Exchange { audience, resource, .. } = &request.exchange;
    let own = &relay.config.public_url;
    let target = || ("invalid_target", "the audience is the relay's URL or a resource's name".to_owned());
    if !resource.is_empty() && resource != own {
        return Err(target());
    }
    let access = held.narrowed(&request.scope, &request.authorization_details).map_err(beyond)?;
    if audience.is_empty() || audience == own {
        return Ok(access);
    }
    let name = ResourceName::new(audience).map_err(|_| target())?;
    access.on(&name).ok_or_else(target)
}
