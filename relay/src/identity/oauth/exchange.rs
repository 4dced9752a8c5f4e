//! The token-exchange grant (RFC 8693): a workload shows its platform's token and gets an agent, bound to the key of this
//! connection (RFC 8705). A token is good once, for the first key that shows it. What is refused is `invalid_request`
//! (RFC 8693, 2.2.2), with its reason in the audit log.

use super::{audit, broken, hash, micros, refuse, secret};
use crate::{
    identity::foreign::{
        token::{self, Claims, Expected, SKEW, Unverified},
        workload,
    },
    relay::Relay,
};
use axum::{
    Json,
    http::header,
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use weir_shared::{config::checked::Workload, keys::Thumbprint};
use weir_store::StoreError;

/// The grant's name.
pub(super) const GRANT: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
/// What a workload's token is called (RFC 8693, 3).
const TYPES: [&str; 2] = ["urn:ietf:params:oauth:token-type:jwt", "urn:ietf:params:oauth:token-type:id_token"];
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

/// What the grant adds to a token request.
#[derive(Deserialize)]
pub(super) struct Exchange {
    #[serde(default)]
    subject_token: String,
    #[serde(default)]
    subject_token_type: String,
    actor_token: Option<String>,
    #[serde(default)]
    requested_token_type: String,
    #[serde(default)]
    scope: String,
}

/// A workload comes in.
pub(super) async fn exchange(relay: &Relay, key: Thumbprint, request: &Exchange) -> Response {
    if !TYPES.contains(&request.subject_token_type.as_str()) {
        return refuse("invalid_request", "subject_token_type must be that of a jwt or an id_token");
    }
    if request.actor_token.is_some() || !["", ACCESS_TOKEN].contains(&request.requested_token_type.as_str()) {
        return refuse("invalid_request", "only an access token for the token's own subject is given");
    }
    let now = relay.now();
    let mut about = Map::from_iter([("key".to_owned(), json!(key.to_string()))]);

    let (workload, claims, digest) = match verified(relay, &request.subject_token, now).await {
        Ok(verified) => verified,
        Err(why) => return refused(relay, &why, about).await,
    };
    about.insert("issuer".into(), workload.issuer.url.clone().into());
    about.insert("subject".into(), claims.get("sub").cloned().unwrap_or_default());
    let rule = match workload::fit(workload, &claims) {
        Ok(rule) => rule,
        Err(why) => return refused(relay, &why, about).await,
    };
    about.insert("claims".into(), Value::Object(workload::evidence(rule, &claims)));
    let user = match relay.store.foreign_user("", &rule.service, &rule.service, &rule.roles).await {
        Ok(user) if user.disabled => return refused(relay, "the service identity is disabled", about).await,
        Ok(user) => user,
        Err(StoreError::Exists(_)) => return refused(relay, "the service's name is another user's", about).await,
        Err(error) => return broken(&error),
    };
    let until = token::time(&claims, "exp").ok().flatten().unwrap_or(i64::MAX / 2_000_000);
    let until = until.saturating_add(SKEW).saturating_mul(1_000_000);
    match relay.store.token_redeem(&digest, key, until, now).await {
        Ok(None) => {}
        Ok(Some(first)) => {
            tracing::warn!(issuer = workload.issuer.url, %first, %key, "a workload's token was shown again");
            about.insert("first".into(), first.to_string().into());
            audit(relay, "alert.token_replayed", &user.name, about.into()).await;
            return refuse("invalid_request", "the token was used before: each is good once");
        }
        Err(error) => return broken(&error),
    }
    let Some(next) = secret() else { return refuse("server_error", "no randomness") };
    let ends = now + micros(workload.lifetime);
    let login = match relay.store.login_add(user.id, &hash(next.expose()), now, ends).await {
        Ok(login) => login,
        Err(error) => return broken(&error),
    };
    let expires = ends.min(now + micros(relay.config.agent_lifetime));
    let agent = match relay.store.agent_add(login, key, now, expires).await {
        Ok(agent) => agent,
        Err(StoreError::Exists(_)) => return refuse("invalid_request", "this key is bound already"),
        Err(error) => return broken(&error),
    };
    about.insert("agent".into(), json!(agent));
    about.insert("login".into(), json!(login));
    about.insert("kind".into(), workload.kind.as_str().into());
    audit(relay, "login.workload", &user.name, about.into()).await;
    // Only for who says that more than one process will need it; it ends with the workload's login.
    let lasting = request.scope.split(' ').any(|scope| scope == "offline_access");
    let body = json!({
        "access_token": agent,
        "issued_token_type": ACCESS_TOKEN,
        "token_type": "Bearer",
        "expires_in": (expires - now) / 1_000_000,
        "refresh_token": lasting.then(|| next.expose()),
        "cnf": { "x5t#S256": URL_SAFE_NO_PAD.encode(key.as_bytes()) },
    });
    ([(header::CACHE_CONTROL, "no-store")], Json(body)).into_response()
}

/// Whose token it is, its claims, and what it is remembered by: its `jti`, or all that is signed.
async fn verified<'a>(relay: &'a Relay, text: &str, now: i64) -> Result<(&'a Workload, Claims, [u8; 32]), String> {
    let token = Unverified::parse(text).map_err(|why| why.to_string())?;
    let claimed = token.claimed_issuer().ok_or("it names no issuer")?;
    let (issuer, workload) = relay.foreign.platform(relay, &claimed).ok_or("its issuer is not configured")?;
    let audience = &workload.audience;
    let expected = Expected { issuer: issuer.url(), audience, nonce: None, now: now / 1_000_000 };
    let claims = issuer.verify(&token, expected).await.map_err(|why| format!("{why} ({})", issuer.url()))?;
    let id = match claims.get("jti").and_then(Value::as_str).filter(|id| !id.is_empty()) {
        Some(id) => json!(["jti", issuer.url(), id]),
        None => json!(["token", issuer.url(), token.signed_part()]),
    };
    Ok((workload, claims, hash(&id.to_string())))
}

async fn refused(relay: &Relay, why: &str, about: Map<String, Value>) -> Response {
    tracing::warn!(why, "a workload was refused");
    audit(relay, "workload.refused", "", json!({ "why": why, "about": about })).await;
    refuse("invalid_request", "the token is not accepted: the relay's audit log says why")
}
