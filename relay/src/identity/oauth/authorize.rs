//! The authorization endpoint: a person logs in, the client gets a code (RFC 6749, 7636, 8252, 9207).

use super::{CLIENT, audit, hash, secret};
use crate::{
    identity::{foreign::people, password},
    relay::Relay,
    web::{self, LoginForm},
};
use axum::{
    Form,
    extract::{Query, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;
use weir_store::{logins::Code, users::User};

/// A code is good for this (microseconds).
const CODE_LIFETIME: i64 = 60_000_000;

/// What an authorization request says.
#[derive(Clone, Debug, Serialize, Deserialize)]
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

/// The login page.
pub async fn authorize(State(relay): State<Arc<Relay>>, Query(request): Query<Authorize>) -> Response {
    match request.problem() {
        Some(problem) => web::failure(StatusCode::BAD_REQUEST, problem),
        None => page(&relay, &request, ""),
    }
}

fn page(relay: &Relay, request: &Authorize, problem: &str) -> Response {
    web::login(request, problem, !relay.config.identity.no_local_users, people::offer(relay, request))
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
    let user = match password::verify(&relay.store, &relay.config.identity, &user, typed, relay.now()).await {
        Ok(user) => user,
        Err(error) => {
            audit(&relay, "login.failed", &user, json!({})).await;
            return page(&relay, &request, &error.message);
        }
    };
    answer(&relay, &request, &user).await
}

/// The client gets its code for the user (RFC 6749, 4.1.2).
pub(in crate::identity) async fn answer(relay: &Relay, request: &Authorize, user: &User) -> Response {
    let Some(code) = secret() else { return web::failure(StatusCode::INTERNAL_SERVER_ERROR, "no randomness") };
    let stored =
        Code { user: user.id, redirect_uri: request.redirect_uri.clone(), challenge: request.code_challenge.clone() };
    if let Err(error) = relay.store.code_add(&hash(code.expose()), &stored, relay.now() + CODE_LIFETIME).await {
        tracing::error!(%error, "a code cannot be stored");
        return web::failure(StatusCode::INTERNAL_SERVER_ERROR, "the relay cannot store the login");
    }
    redirect(relay, request, &[("code", code.expose())])
}

/// The client learns that its user may not log in, and why (RFC 6749, 4.1.2.1).
pub(in crate::identity) fn decline(relay: &Relay, request: &Authorize, why: &str) -> Response {
    redirect(relay, request, &[("error", "access_denied"), ("error_description", why)])
}

/// To the client, with its state and with who answers (RFC 9207).
fn redirect(relay: &Relay, request: &Authorize, parameters: &[(&str, &str)]) -> Response {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(parameters).append_pair("state", &request.state).append_pair("iss", &relay.config.public_url);
    let location = format!("{}?{}", request.redirect_uri, query.finish());
    (StatusCode::SEE_OTHER, [(header::LOCATION, location), (header::CACHE_CONTROL, "no-store".into())]).into_response()
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
