//! The token endpoint: codes and rotating refresh tokens become agents (RFC 6749, 9700, 8705).

use super::{CLIENT, audit, broken, delegate, hash, micros, refuse, secret, workload};
use crate::{api::PeerKey, relay::Relay};
use axum::{
    Extension, Form, Json,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;
use weir_shared::{hop::Budget, id::LoginId, keys::Thumbprint, scope::Scope, secret::Secret};
use weir_store::{
    agents::NewAgent,
    logins::{Code, Refreshed},
};

/// A token request.
#[derive(Deserialize)]
pub struct TokenRequest {
    #[serde(default)]
    grant_type: String,
    #[serde(default)]
    client_id: String,
    #[serde(default)]
    code: String,
    #[serde(default)]
    redirect_uri: String,
    #[serde(default)]
    code_verifier: String,
    #[serde(default)]
    refresh_token: String,
    #[serde(default)]
    pub(super) subject_token: String,
    #[serde(default)]
    pub(super) subject_token_type: String,
    pub(super) actor_token: Option<String>,
    #[serde(default)]
    scope: String,
    /// What a root may do at most: a list (RFC 9396), JSON.
    #[serde(default)]
    authorization_details: String,
    /// How long a root lives at most, seconds.
    ttl: Option<u32>,
    /// How deep the chain of a root may become.
    max_depth: Option<u32>,
    /// What a root, and all below it, may use: [`Budget`], JSON.
    #[serde(default)]
    budget: String,
    /// What the client says of itself: [`Claims`], JSON.
    #[serde(default)]
    pub(super) evidence: String,
}

/// The token endpoint.
pub async fn token(
    State(relay): State<Arc<Relay>>,
    Extension(PeerKey(key)): Extension<PeerKey>,
    Form(request): Form<TokenRequest>,
) -> Response {
    let Some(key) = key else { return refuse("invalid_client", "a TLS client certificate is needed (RFC 8705)") };
    if request.client_id != CLIENT {
        return refuse("invalid_client", "the client is not known");
    }
    let workload = workload::is_shown(&request);
    if request.grant_type == delegate::GRANT && !workload {
        return delegate::child(&relay, key, &request).await;
    }
    let Some(next) = secret() else { return refuse("server_error", "no randomness") };
    let now = relay.now();
    let login = match request.grant_type.as_str() {
        "authorization_code" => match relay.store.code_take(&hash(&request.code), now).await {
            Ok(Some(code)) if code.redirect_uri == request.redirect_uri && verifies(&code, &request.code_verifier) => {
                let expires = now + micros(relay.config.login_lifetime);
                match relay.store.login_add(code.user, &hash(next.expose()), now, expires).await {
                    Ok(login) => (login, expires),
                    Err(error) => return broken(&error),
                }
            }
            Ok(_) => return refuse("invalid_grant", "the code is not good, or no longer"),
            Err(error) => return broken(&error),
        },
        "refresh_token" => {
            match relay.store.login_refresh(&hash(&request.refresh_token), &hash(next.expose()), now).await {
                Ok(Refreshed::Rotated(login, expires)) => (login, expires),
                Ok(Refreshed::Reused(login)) => {
                    tracing::warn!(%login, "a spent refresh token was used again: the login has been ended");
                    audit(&relay, "alert.refresh_reused", "", json!({ "login": login })).await;
                    return refuse("invalid_grant", "the login was ended: its token was used twice");
                }
                Ok(Refreshed::Unknown) => return refuse("invalid_grant", "the login is not good, or no longer"),
                Err(error) => return broken(&error),
            }
        }
        delegate::GRANT => match workload::log_in(&relay, key, &request, &hash(next.expose()), now).await {
            Ok(login) => login,
            Err(refused) => return *refused,
        },
        _ => {
            return refuse(
                "unsupported_grant_type",
                "authorization_code, refresh_token and token-exchange are offered",
            );
        }
    };
    // A workload's only when it says that more than one process will need it; it ends with the workload's login.
    let lasting = !workload || request.scope.split(' ').any(|scope| scope == "offline_access");
    grant(&relay, key, login, lasting.then_some(&next), &request, now).await
}

async fn grant(
    relay: &Relay,
    key: Thumbprint,
    login: (LoginId, i64),
    refresh: Option<&Secret<String>>,
    request: &TokenRequest,
    now: i64,
) -> Response {
    let claims = match delegate::claims(&request.evidence) {
        Ok(claims) => claims,
        Err(refused) => return *refused,
    };
    if let Some(supervisor) = claims.supervisor
        && !relay.config.delegation.supervised_roots
    {
        // The login itself stays good: it is the person's, and its next token is in the answer that is not given.
        let body = json!({ "login": login.0, "key": key.to_string(), "supervisor": supervisor });
        audit(relay, "alert.root_under_supervisor", "", body).await;
        return refuse("access_denied", "a process under `weir run` may not open a session of its own from the login");
    }
    let scope = match request.authorization_details.as_str() {
        "" => Scope::WHOLE,
        text => match serde_json::from_str::<Scope>(text) {
            Ok(scope) if scope.is_bounded() => scope,
            _ => return refuse("invalid_authorization_details", "they are not a list of type weir_access (RFC 9396)"),
        },
    };
    let budget = match request.budget.as_str() {
        "" => Budget::default(),
        text => match serde_json::from_str::<Budget>(text) {
            Ok(budget) => budget,
            Err(_) => return refuse("invalid_request", "the budget is no budget"),
        },
    };
    let lifetime = micros(relay.config.agent_lifetime);
    let lifetime = request.ttl.map_or(lifetime, |ttl| lifetime.min(i64::from(ttl) * 1_000_000));
    let expires = login.1.min(now + lifetime);
    let deepest = relay.config.delegation.max_depth;
    let new = NewAgent {
        key,
        expires,
        max_depth: request.max_depth.map_or(deepest, |depth| depth.min(deepest)),
        scope: &scope,
        budget,
        evidence: &serde_json::to_string(&claims).unwrap_or_else(|_| "{}".to_owned()),
    };
    let agent = match relay.store.agent_add(login.0, &new, now).await {
        Ok(agent) => agent,
        Err(weir_store::StoreError::Exists(_)) => return refuse("invalid_request", "this key is bound already"),
        Err(error) => return broken(&error),
    };
    let body = json!({ "chain": [agent], "login": login.0, "key": key.to_string(), "scope": scope.to_string() });
    audit(relay, "agent.bound", "", body).await;
    let mut body = json!({
        "access_token": agent,
        "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
        "token_type": "Bearer",
        "expires_in": (expires - now) / 1_000_000,
        "cnf": { "x5t#S256": URL_SAFE_NO_PAD.encode(key.as_bytes()) },
    });
    if let (Some(body), Some(refresh)) = (body.as_object_mut(), refresh) {
        body.insert("refresh_token".to_owned(), refresh.expose().as_str().into());
    }
    ([(header::CACHE_CONTROL, "no-store")], Json(body)).into_response()
}

fn verifies(code: &Code, verifier: &str) -> bool {
    let challenge = URL_SAFE_NO_PAD.encode(hash(verifier));
    (43..=128).contains(&verifier.len())
        && bool::from(subtle::ConstantTimeEq::ct_eq(challenge.as_bytes(), code.challenge.as_bytes()))
}
