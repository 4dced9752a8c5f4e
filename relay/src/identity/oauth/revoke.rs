//! The revocation endpoint (RFC 7009): a refresh token's login ends, an access token's session does. Only the client that a
//! token was given to revokes it; of others' it learns nothing.

use super::{bearer, broken, form::ByClient, hash, jwt};
use crate::relay::Relay;
use axum::{
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;
use weir_store::StoreError;
use zeroize::Zeroizing;

/// A revocation request. `token_type_hint` is not needed: the two kinds cannot be mistaken.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Revoke {
    token: Zeroizing<String>,
}

/// The revocation endpoint: unknown tokens are no error.
pub async fn revoke(State(relay): State<Arc<Relay>>, request: ByClient<Revoke>) -> Response {
    let (client, token) = (&request.client.id, &request.form.token);
    let revoked = match jwt::verify(&relay.oauth.keys, &relay.config.public_url, token) {
        Some(claims) if claims.client_id == *client => access(&relay, &claims).await,
        Some(_) => Ok(()),
        None => relay.store.login_revoke(&hash(token), client).await.map(drop),
    };
    relay.principals.forget();
    match revoked {
        Ok(()) => (StatusCode::OK, [(header::CACHE_CONTROL, "no-store")]).into_response(),
        Err(error) => broken(&error),
    }
}

/// The token is good no more, nor is what it was exchanged for; the session that it speaks for ends, unless it was itself
/// exchanged for another.
async fn access(relay: &Relay, claims: &jwt::Claims) -> Result<(), StoreError> {
    let now = relay.now();
    relay.store.spend(&bearer::revocation(&claims.jti), now, claims.exp * 1_000_000).await?;
    if claims.parent.is_none() {
        relay.end_agent(claims.sid, "its token was revoked").await?;
    }
    let body = json!({ "agent": claims.sid, "token": claims.jti, "client": claims.client_id });
    relay.audit("token.revoked", "", body).await;
    Ok(())
}
