//! The relay as authorization server: metadata (RFC 8414), authorization code with PKCE S256 (RFC 6749, 7636, 8252,
//! 9207), rotating refresh tokens (RFC 9700), revocation (RFC 7009). Tokens are bound to the TLS client certificate of
//! the token request (RFC 8705): `access_token` is the agent's id, no secret; the proof is the key.

use super::password;
use crate::{
    api::PeerKey,
    relay::Relay,
    web::{self, LoginForm},
};
use aws_lc_rs::digest::{SHA256, digest};
use axum::{
    Extension, Form, Json,
    extract::{Query, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;
use weir_shared::{id::LoginId, keys::Thumbprint, secret::Secret};
use weir_store::logins::{Code, Refreshed};

/// The one client: public, so it proves nothing by its name.
const CLIENT: &str = "weir-cli";
/// A code is good for this (microseconds).
const CODE_LIFETIME: i64 = 60_000_000;

/// Metadata.
pub async fn metadata(State(relay): State<Arc<Relay>>) -> Response {
    let issuer = &relay.config.public_url;
    Json(json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/oauth/authorize"),
        "token_endpoint": format!("{issuer}/oauth/token"),
        "revocation_endpoint": format!("{issuer}/oauth/revoke"),
        "response_types_supported": ["code"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["none"],
        "tls_client_certificate_bound_access_tokens": true,
        "authorization_response_iss_parameter_supported": true,
    }))
    .into_response()
}

/// What an authorization request says.
#[derive(Clone, Debug, Deserialize)]
pub struct Authorize {
    /// `code`
    #[serde(default)]
    pub response_type: String,
    /// `weir-cli`
    #[serde(default)]
    pub client_id: String,
    /// Loopback.
    #[serde(default)]
    pub redirect_uri: String,
    /// Returned as it came.
    #[serde(default)]
    pub state: String,
    /// PKCE.
    #[serde(default)]
    pub code_challenge: String,
    /// `S256`
    #[serde(default)]
    pub code_challenge_method: String,
}

impl Authorize {
    /// What is wrong with it. Such a request is never redirected: its address may be the attacker's.
    fn problem(&self) -> Option<&'static str> {
        if self.client_id != CLIENT {
            return Some("the client is not known");
        }
        if !loopback(&self.redirect_uri) {
            return Some("the redirect address is not http://127.0.0.1:PORT/callback");
        }
        if self.response_type != "code" || self.code_challenge_method != "S256" || self.code_challenge.len() != 43 {
            return Some("only the authorization code with PKCE S256 is offered");
        }
        (self.state.len() > 512).then_some("the state is too long")
    }
}

/// RFC 8252, 7.3: loopback by address, any port, the one path.
fn loopback(uri: &str) -> bool {
    ["http://127.0.0.1:", "http://[::1]:"].iter().any(|start| {
        let rest = uri.strip_prefix(start).and_then(|rest| rest.strip_suffix("/callback"));
        rest.is_some_and(|port| port.parse::<u16>().is_ok())
    })
}

/// The login form.
pub async fn authorize(Query(request): Query<Authorize>) -> Response {
    match request.problem() {
        Some(problem) => web::failure(StatusCode::BAD_REQUEST, problem),
        None => web::login(&request, ""),
    }
}

/// The login form comes back.
pub async fn log_in(State(relay): State<Arc<Relay>>, headers: HeaderMap, Form(form): Form<LoginForm>) -> Response {
    let (request, user, typed, csrf) = form.into_parts();
    if let Some(problem) = request.problem() {
        return web::failure(StatusCode::BAD_REQUEST, problem);
    }
    if !web::csrf_fits(&headers, &csrf) {
        return web::failure(StatusCode::BAD_REQUEST, "the form has expired: go back, reload it and try again");
    }
    let now = relay.now();
    let user = match password::verify(&relay.store, &user, typed, now).await {
        Ok(user) => user,
        Err(error) => {
            audit(&relay, "login.failed", &user, json!({})).await;
            return web::login(&request, &error.message);
        }
    };
    let Some(code) = secret() else { return web::failure(StatusCode::INTERNAL_SERVER_ERROR, "no randomness") };
    let stored =
        Code { user: user.id, redirect_uri: request.redirect_uri.clone(), challenge: request.code_challenge.clone() };
    if let Err(error) = relay.store.code_add(&hash(code.expose()), &stored, now + CODE_LIFETIME).await {
        tracing::error!(%error, "a code cannot be stored");
        return web::failure(StatusCode::INTERNAL_SERVER_ERROR, "the relay cannot store the login");
    }
    let encode = |text: &str| {
        text.bytes().fold(String::new(), |out, byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out + &char::from(byte).to_string(),
            _ => out + &format!("%{byte:02X}"),
        })
    };
    let location = format!(
        "{}?code={}&state={}&iss={}",
        request.redirect_uri,
        code.expose(),
        encode(&request.state),
        encode(&relay.config.public_url)
    );
    (StatusCode::SEE_OTHER, [(header::LOCATION, location), (header::CACHE_CONTROL, "no-store".into())]).into_response()
}

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
}

/// A token endpoint's refusal (RFC 6749, 5.2).
fn refuse(error: &str, description: &str) -> Response {
    let status = if error == "server_error" { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::BAD_REQUEST };
    let body = Json(json!({ "error": error, "error_description": description }));
    (status, [(header::CACHE_CONTROL, "no-store")], body).into_response()
}

fn broken(error: &weir_store::StoreError) -> Response {
    tracing::error!(%error, "the token endpoint cannot use the database");
    refuse("server_error", "the relay cannot use its database")
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
        _ => return refuse("unsupported_grant_type", "authorization_code and refresh_token are offered"),
    };
    grant(&relay, key, login, &next, now).await
}

async fn grant(relay: &Relay, key: Thumbprint, login: (LoginId, i64), refresh: &Secret<String>, now: i64) -> Response {
    let expires = login.1.min(now + micros(relay.config.agent_lifetime));
    let agent = match relay.store.agent_add(login.0, key, now, expires).await {
        Ok(agent) => agent,
        Err(weir_store::StoreError::Exists(_)) => return refuse("invalid_request", "this key is bound already"),
        Err(error) => return broken(&error),
    };
    audit(relay, "agent.bound", "", json!({ "agent": agent, "login": login.0, "key": key.to_string() })).await;
    let body = Json(json!({
        "access_token": agent,
        "token_type": "Bearer",
        "expires_in": (expires - now) / 1_000_000,
        "refresh_token": refresh.expose(),
        "cnf": { "x5t#S256": URL_SAFE_NO_PAD.encode(key.as_bytes()) },
    }));
    ([(header::CACHE_CONTROL, "no-store")], body).into_response()
}

/// A revocation request.
#[derive(Deserialize)]
pub struct Revoke {
    #[serde(default)]
    token: String,
}

/// The revocation endpoint: unknown tokens are no error.
pub async fn revoke(State(relay): State<Arc<Relay>>, Form(request): Form<Revoke>) -> Response {
    let revoked = relay.store.login_revoke(&hash(&request.token)).await;
    relay.principals.forget();
    match revoked {
        Ok(()) => StatusCode::OK.into_response(),
        Err(error) => broken(&error),
    }
}

fn verifies(code: &Code, verifier: &str) -> bool {
    let challenge = URL_SAFE_NO_PAD.encode(hash(verifier));
    (43..=128).contains(&verifier.len())
        && bool::from(subtle::ConstantTimeEq::ct_eq(challenge.as_bytes(), code.challenge.as_bytes()))
}

fn hash(secret: &str) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, secret.as_bytes()).as_ref());
    out
}

/// 256 random bits.
fn secret() -> Option<Secret<String>> {
    let mut bytes = [0; 32];
    aws_lc_rs::rand::fill(&mut bytes).ok()?;
    Some(Secret::new(URL_SAFE_NO_PAD.encode(bytes)))
}

fn micros(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX / 4)
}

async fn audit(relay: &Relay, event: &str, actor: &str, body: serde_json::Value) {
    if let Err(error) = relay.store.audit_append(event, actor, body, relay.now()).await {
        tracing::error!(%error, "the audit log cannot be written");
    }
}

#[cfg(test)]
mod tests {
    use super::loopback;

    #[test]
    fn only_loopback_addresses_are_redirected_to() {
        assert!(loopback("http://127.0.0.1:4711/callback"));
        assert!(loopback("http://[::1]:4711/callback"));
        for bad in [
            "https://127.0.0.1:1/callback",
            "http://127.0.0.1:1/other",
            "http://127.0.0.1:1@evil.example/callback",
            "http://127.0.0.1.evil.example:1/callback",
            "http://localhost:1/callback",
            "",
        ] {
            assert!(!loopback(bad), "{bad}");
        }
    }
}
