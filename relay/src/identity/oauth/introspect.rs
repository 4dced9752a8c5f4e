//! The introspection endpoint (RFC 7662): what a token stands for, and whether its session lives at this moment. A client that
//! proves who it is asks about its own tokens; a resource server (`introspect = true`) about all; an agent, known by its key,
//! about those of its own session.

use super::{bearer, broken, clients, form::ByClient, hash, jwt, refuse_with, token::given};
use crate::{identity, relay::Relay};
use axum::{extract::State, http::StatusCode, response::Response};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;
use weir_shared::{
    config::checked::{Client, ClientAuth},
    id::AgentId,
};
use weir_store::StoreError;
use zeroize::Zeroizing;

/// An introspection request.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Introspect {
    token: Zeroizing<String>,
}

/// Who asks: what may be told.
struct Asker<'a> {
    client: &'a Client,
    agent: Option<AgentId>,
}

impl Asker<'_> {
    fn may_know(&self, client: &str, agent: Option<AgentId>) -> bool {
        match self.agent {
            Some(own) => agent == Some(own),
            None => self.client.introspect || self.client.id == client,
        }
    }
}

/// RFC 7662, 2.2
#[derive(Serialize)]
struct Active {
    active: bool,
    token_type: &'static str,
    username: String,
    #[serde(flatten)]
    claims: jwt::Claims,
}

/// The introspection endpoint.
pub async fn introspect(State(relay): State<Arc<Relay>>, request: ByClient<Introspect>) -> Response {
    let client = &*request.client;
    let agent = match (&client.auth, request.peer.key) {
        (ClientAuth::None, Some(key)) => match identity::authenticate(&relay.store, key, relay.now()).await {
            Ok(principal) => Some(principal.agent()),
            Err(_) => return nobody(),
        },
        (ClientAuth::None, None) => return nobody(),
        _ => None,
    };
    match about(&relay, &Asker { client, agent }, &request.form.token).await {
        Ok(answer) => given(answer.unwrap_or_else(|| json!({ "active": false }))),
        Err(error) => broken(&error),
    }
}

fn nobody() -> Response {
    let description = "the caller must prove who it is: a confidential client, or the key of an agent";
    refuse_with(StatusCode::UNAUTHORIZED, "invalid_client", description)
}

/// None when it is not active, or not the asker's to know (RFC 7662, 2.2).
async fn about(relay: &Relay, asker: &Asker<'_>, token: &str) -> Result<Option<Value>, StoreError> {
    let Some(claims) = jwt::verify(&relay.oauth.keys, &relay.config.public_url, token) else {
        let known = relay.store.login_of(&hash(token), relay.now()).await?;
        let Some(login) = known.filter(|login| login.client != clients::OWN && asker.may_know(&login.client, None))
        else {
            return Ok(None);
        };
        return Ok(Some(json!({
            "active": true, "client_id": login.client, "username": login.user_name, "sub": login.user,
            "iss": relay.config.public_url, "iat": login.created / 1_000_000, "exp": login.expires / 1_000_000,
            "scope": identity::access::Access::of_stored(&login.access).scope(),
        })));
    };
    if !asker.may_know(&claims.client_id, Some(claims.sid)) || bearer::is_revoked(relay, &claims).await? {
        return Ok(None);
    }
    let Some(user) = relay.store.agent_acts(claims.sid, relay.now()).await? else { return Ok(None) };
    let token_type = claims.cnf.token_type();
    Ok(Some(json!(Active { active: true, token_type, username: user, claims })))
}
