//! The token exchange grant (RFC 8693) for workloads: a platform's token becomes a login, whose first agent is the key of this
//! connection (RFC 8705). A token is good once, for the first key that shows it. What is refused is `invalid_request`
//! (RFC 8693, 2.2.2), with its reason in the audit log.

use super::{broken, exchange::Exchange, hash, micros, refuse, token::TokenRequest};
use crate::{
    identity::foreign::{
        token::{self, Claims, Expected, SKEW, Unverified},
        workload,
    },
    relay::Relay,
};
use axum::response::Response;
use serde_json::{Map, Value, json};
use weir_shared::{
    config::checked::Workload,
    id::{LoginId, UserId},
    keys::Thumbprint,
};
use weir_store::{StoreError, logins::NewLogin};

/// What a platform's token is called (RFC 8693, 3).
const TYPES: [&str; 2] = ["urn:ietf:params:oauth:token-type:jwt", "urn:ietf:params:oauth:token-type:id_token"];

/// True when the request shows a token that somebody else signed.
pub(super) fn is_shown(request: &TokenRequest) -> bool {
    TYPES.contains(&request.exchange.subject_token_type.as_str())
}

/// A workload comes in: its login, which is `login` but for whose it is and when it ends; and these.
pub(super) async fn log_in(
    relay: &Relay,
    key: Thumbprint,
    request: &TokenRequest,
    login: NewLogin<'_>,
) -> Result<(LoginId, UserId, i64), Box<Response>> {
    let now = login.now;
    let Exchange { subject_token, actor_token, .. } = &request.exchange;
    let broken = |error: &StoreError| Box::new(broken(error));
    if !actor_token.is_empty() {
        return Err(Box::new(refuse("invalid_request", "a workload acts for itself: no actor_token")));
    }
    let mut about = Map::from_iter([("key".to_owned(), json!(key.to_string()))]);

    let (workload, claims, digest) = match verified(relay, subject_token, now).await {
        Ok(verified) => verified,
        Err(why) => return Err(refused(relay, &why, about).await),
    };
    about.insert("issuer".into(), workload.issuer.url.clone().into());
    about.insert("subject".into(), claims.get("sub").cloned().unwrap_or_default());
    let rule = match workload::fit(workload, &claims) {
        Ok(rule) => rule,
        Err(why) => return Err(refused(relay, &why, about).await),
    };
    about.insert("claims".into(), Value::Object(workload::evidence(rule, &claims)));
    let user = match relay.store.foreign_user("", &rule.service, &rule.service, &rule.roles).await {
        Ok(user) if user.disabled => return Err(refused(relay, "the service identity is disabled", about).await),
        Ok(user) => user,
        Err(StoreError::Exists(_)) => return Err(refused(relay, "the service's name is another user's", about).await),
        Err(error) => return Err(broken(&error)),
    };
    let until = token::time(&claims, "exp").ok().flatten().unwrap_or(i64::MAX / 2_000_000);
    let until = until.saturating_add(SKEW).saturating_mul(1_000_000);
    match relay.store.token_redeem(&digest, key, until, now).await {
        Ok(None) => {}
        Ok(Some(first)) => {
            tracing::warn!(issuer = workload.issuer.url, %first, %key, "a workload's token was shown again");
            about.insert("first".into(), first.to_string().into());
            relay.audit("alert.token_replayed", &user.name, about.into()).await;
            return Err(Box::new(refuse("invalid_request", "the token was used before: each is good once")));
        }
        Err(error) => return Err(broken(&error)),
    }
    let ends = now + micros(workload.lifetime);
    let login = NewLogin { user: user.id, expires: ends, ..login };
    let login = relay.store.foreign_login(&login).await.map_err(|error| broken(&error))?;
    about.insert("login".into(), json!(login));
    about.insert("kind".into(), workload.kind.as_str().into());
    relay.audit("login.workload", &user.name, about.into()).await;
    Ok((login, user.id, ends))
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

async fn refused(relay: &Relay, why: &str, about: Map<String, Value>) -> Box<Response> {
    tracing::warn!(why, "a workload was refused");
    relay.audit("workload.refused", "", json!({ "why": why, "about": about })).await;
    Box::new(refuse("invalid_request", "the token is not accepted: the relay's audit log says why"))
}
