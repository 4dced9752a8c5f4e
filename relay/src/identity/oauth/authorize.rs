//! The authorization endpoint: a person logs in, the client gets a code (RFC 6749, 7636, 8252, 9207).

use super::{clients, hash, rates::What, secret};
use crate::{
    api::Peer,
    identity::{
        access::Access,
        foreign::people::{self, Asked},
        password,
    },
    relay::Relay,
    web::{self, LoginForm},
};
use axum::{
    Extension, Form,
    extract::{Query, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;
use weir_shared::{
    config::checked::{Client, GrantType},
    secret::Secret,
};
use weir_store::{logins::Code, users::User};

/// A code is good for this (microseconds).
const CODE_LIFETIME: i64 = 60_000_000;

/// What an authorization request says.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Authorize {
    /// `code`
    pub response_type: String,
    /// Who asks.
    pub client_id: String,
    /// One of the client's.
    pub redirect_uri: String,
    /// Returned as it came.
    pub state: String,
    /// PKCE.
    pub code_challenge: String,
    /// `S256`
    pub code_challenge_method: String,
    /// What is asked for; nothing: all that the client may be granted.
    pub scope: String,
    /// On which resources (RFC 9396); nothing: all.
    pub authorization_details: String,
}

/// What is wrong with a request.
enum Problem {
    /// Nobody is told but the person: the address may be an attacker's (RFC 9700, 4.11).
    Untold(&'static str),
    /// The client is told (RFC 6749, 4.1.2.1).
    Told(&'static str, String),
}

impl Authorize {
    /// The client, and what it is to be granted.
    fn check(&self, relay: &Relay) -> Result<(Arc<Client>, Access), Problem> {
        let client = clients::find(&relay.config.clients, &self.client_id);
        let client = client.ok_or(Problem::Untold("the client is not known"))?;
        if !clients::redirects(&client, &self.redirect_uri) {
            return Err(Problem::Untold("the redirect address is not one of the client's"));
        }
        if self.state.len() > 512 {
            return Err(Problem::Untold("the state is too long"));
        }
        let told = |code, text: &str| Err(Problem::Told(code, text.to_owned()));
        if !client.grants.contains(&GrantType::AuthorizationCode) {
            return told("unauthorized_client", "the client may not ask for codes");
        }
        if self.response_type != "code" {
            return told("unsupported_response_type", "only codes are given");
        }
        if self.code_challenge_method != "S256" || self.code_challenge.len() != 43 {
            return told("invalid_request", "PKCE with S256 is needed (RFC 7636)");
        }
        match Access::of(client.scopes.iter().copied()).narrowed(&self.scope, &self.authorization_details) {
            Ok(access) => Ok((client, access)),
            Err(beyond) => told(beyond.code(), &beyond.to_string()),
        }
    }
}

/// The login page.
pub async fn authorize(State(relay): State<Arc<Relay>>, Query(request): Query<Authorize>) -> Response {
    match request.check(&relay) {
        Ok((client, access)) => page(&relay, &request, &client, &access, ""),
        Err(problem) => refuse(&relay, &request, problem),
    }
}

fn page(relay: &Relay, request: &Authorize, client: &Client, access: &Access, problem: &str) -> Response {
    let ways = people::ways(relay, Asked::Client(request.clone()));
    web::login(request, client, access, problem, ways)
}

/// The login form comes back.
pub async fn log_in(
    State(relay): State<Arc<Relay>>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    Form(form): Form<LoginForm>,
) -> Response {
    let (request, user, typed, csrf) = form.into_parts();
    let (client, access) = match request.check(&relay) {
        Ok(checked) => checked,
        Err(problem) => return refuse(&relay, &request, problem),
    };
    if !web::csrf_fits(&headers, &csrf) {
        return web::failure(StatusCode::BAD_REQUEST, "the form has expired: go back, reload it and try again");
    }
    match by_password(&relay, &peer, &user, typed).await {
        Ok(user) => answer(&relay, &request, &user).await,
        Err(Stranger::TooFast(response)) => response,
        Err(Stranger::Wrong(why)) => page(&relay, &request, &client, &access, &why),
    }
}

/// Somebody who does not come in by a password.
pub(crate) enum Stranger {
    /// The address tries too often: the page that says so.
    TooFast(Response),
    /// Why, to be shown on the form.
    Wrong(String),
}

/// Who types name and password into a form.
pub(crate) async fn by_password(
    relay: &Relay,
    peer: &Peer,
    name: &str,
    typed: Secret<String>,
) -> Result<User, Stranger> {
    if relay.oauth.rates.take(What::Login, peer.address).is_err() {
        let why = "too many logins from your address: try again in a minute";
        return Err(Stranger::TooFast(web::failure(StatusCode::TOO_MANY_REQUESTS, why)));
    }
    match password::verify(&relay.store, &relay.config.identity, name, typed, relay.now()).await {
        Ok(user) => Ok(user),
        Err(error) => {
            relay.audit("login.failed", name, json!({ "address": peer.address.to_string() })).await;
            Err(Stranger::Wrong(error.message))
        }
    }
}

/// The client gets its code for the user (RFC 6749, 4.1.2).
pub(in crate::identity) async fn answer(relay: &Relay, request: &Authorize, user: &User) -> Response {
    let (client, access) = match request.check(relay) {
        Ok(checked) => checked,
        Err(problem) => return refuse(relay, request, problem),
    };
    let Some(code) = secret() else { return web::failure(StatusCode::INTERNAL_SERVER_ERROR, "no randomness") };
    let stored = Code {
        user: user.id,
        client: client.id.clone(),
        access: access.stored(),
        redirect_uri: request.redirect_uri.clone(),
        challenge: request.code_challenge.clone(),
    };
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

fn refuse(relay: &Relay, request: &Authorize, problem: Problem) -> Response {
    match problem {
        Problem::Untold(text) => web::failure(StatusCode::BAD_REQUEST, text),
        Problem::Told(code, text) => redirect(relay, request, &[("error", code), ("error_description", &text)]),
    }
}

/// To the client, with its state and with who answers (RFC 9207).
fn redirect(relay: &Relay, request: &Authorize, parameters: &[(&str, &str)]) -> Response {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(parameters);
    if !request.state.is_empty() {
        query.append_pair("state", &request.state);
    }
    query.append_pair("iss", &relay.config.public_url);
    let and = if request.redirect_uri.contains('?') { '&' } else { '?' };
    let location = format!("{}{and}{}", request.redirect_uri, query.finish());
    (StatusCode::SEE_OTHER, [(header::LOCATION, location), (header::CACHE_CONTROL, "no-store".into())]).into_response()
}
