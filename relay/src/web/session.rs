//! Somebody who has logged in to the pages. Their browser keeps a secret in a cookie; to the relay it is a key like any
//! other: its hash is the thumbprint of an agent, which ends, is revoked and is listed as all agents are. It may see and
//! decide; it may not connect.

use super::{cookie, form, page, with_ways};
use crate::{
    api::{ApiError, Peer},
    identity::{
        self, Principal,
        access::Access,
        foreign::people::{self, Asked, Ways},
        oauth::{
            authorize::{Stranger, by_password},
            hash, micros, secret,
        },
    },
    relay::Relay,
};
use askama::Template;
use axum::{
    Extension, Form,
    body::Body,
    extract::{FromRequest, FromRequestParts, Query, RawForm, Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts},
    response::{IntoResponse, Redirect, Response},
};
use serde::{Deserialize, de::DeserializeOwned};
use std::{borrow::Cow, sync::Arc};
use weir_shared::{
    api::Claims,
    config::checked::Scope,
    error::{Kind, UserFacing},
    hop::Budget,
    keys::Thumbprint,
    scope,
    secret::Secret,
};
use weir_store::{agents::NewAgent, logins::NewLogin, users::User};

/// Sent along when a link elsewhere leads here, so not `Strict`; what changes anything needs the form's token too.
const COOKIE: &str = "__Host-weir-pages";
const CLIENT: &str = "weir-pages";

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignIn<'a> {
    csrf: &'a str,
    to: &'a str,
    problem: &'a str,
    ways: &'a Ways,
}

/// Who looks at a page. A request that may change something has none: it has a [`Sent`].
pub struct Visitor {
    /// Who.
    pub principal: Principal,
    /// What their forms must hold.
    pub csrf: String,
}

/// A form that came from one of the visitor's own pages: it holds the token that stands in those and nowhere else.
pub struct Sent<T> {
    /// Who sent it.
    pub visitor: Visitor,
    /// What it says.
    pub form: T,
}

fn thumbprint(secret: &str) -> Thumbprint {
    Thumbprint::from_bytes(hash(&format!("weir pages {secret}")))
}

/// A page's path, which a login may lead to: never another host's.
fn local(to: &str) -> &str {
    let path = to.starts_with('/') && !to.starts_with("//") && !to.contains('\\');
    if path && to.len() <= 512 && to.bytes().all(|byte| byte.is_ascii_graphic()) { to } else { "/approvals" }
}

impl Visitor {
    async fn of(parts: &Parts, relay: &Relay) -> Result<Self, Response> {
        let to = parts.uri.path_and_query().map_or("/approvals", |path| path.as_str());
        let to = if parts.method == Method::GET { local(to) } else { "/approvals" };
        let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("to", to).finish();
        let stranger = || Redirect::to(&format!("/login?{query}")).into_response();
        let Some(secret) = cookie(&parts.headers, COOKIE).filter(|secret| secret.len() == 43) else {
            return Err(stranger());
        };
        let key = thumbprint(secret);
        let Ok(principal) = identity::authenticate(&relay.store, key, relay.now()).await else {
            return Err(stranger());
        };
        relay.principals.heard(principal.chain_ids());
        let csrf = Thumbprint::from_bytes(hash(&format!("weir pages form {secret}"))).to_string();
        Ok(Self { principal, csrf })
    }
}

impl FromRequestParts<Arc<Relay>> for Visitor {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, relay: &Arc<Relay>) -> Result<Self, Response> {
        if parts.method != Method::GET && parts.method != Method::HEAD {
            return Err(stale(&parts.headers));
        }
        Self::of(parts, relay).await
    }
}

impl<T: DeserializeOwned> FromRequest<Arc<Relay>> for Sent<T> {
    type Rejection = Response;

    async fn from_request(request: Request, relay: &Arc<Relay>) -> Result<Self, Response> {
        let (parts, body) = request.into_parts();
        let visitor = Visitor::of(&parts, relay).await?;
        let again = parts.clone();
        let RawForm(bytes) = RawForm::from_request(Request::from_parts(parts, body), relay)
            .await
            .map_err(IntoResponse::into_response)?;
        let token = url::form_urlencoded::parse(&bytes).find(|(name, _)| name == "csrf");
        let own = |(_, token): &(_, Cow<'_, str>)| {
            bool::from(subtle::ConstantTimeEq::ct_eq(visitor.csrf.as_bytes(), token.as_bytes()))
        };
        if !token.as_ref().is_some_and(own) {
            return Err(stale(&again.headers));
        }
        let Form(form) = Form::from_request(Request::from_parts(again, Body::from(bytes)), relay)
            .await
            .map_err(IntoResponse::into_response)?;
        Ok(Self { visitor, form })
    }
}

/// What is sent without the token of a page: in the words of whoever reads the answer, a person or the page's script.
fn stale(headers: &HeaderMap) -> Response {
    const WHY: &str = "the form has expired";
    let reads = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    if reads.is_some_and(|accept| accept.contains("text/html")) {
        return super::failure(StatusCode::BAD_REQUEST, "the form has expired: go back and reload");
    }
    ApiError::from(UserFacing::new(Kind::Usage, WHY, "reload the page")).into_response()
}

/// Where a login leads.
#[derive(Deserialize)]
pub struct Wanted {
    #[serde(default)]
    to: String,
}

fn ask(relay: &Relay, to: &str, problem: &str) -> Response {
    let ways = people::ways(relay, Asked::Pages(to.to_owned()));
    let status = if problem.is_empty() { StatusCode::OK } else { StatusCode::UNAUTHORIZED };
    with_ways(form(status, |csrf| SignIn { csrf, to, problem, ways: &ways }.render()), ways)
}

/// The login page.
pub async fn sign_in(State(relay): State<Arc<Relay>>, Query(wanted): Query<Wanted>) -> Response {
    ask(&relay, local(&wanted.to), "")
}

/// What the login page sends.
#[derive(Deserialize)]
pub struct SignInForm {
    user: String,
    password: String,
    to: String,
    csrf: String,
}

/// Its form comes back.
pub async fn signed_in(
    State(relay): State<Arc<Relay>>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    Form(form): Form<SignInForm>,
) -> Response {
    let (to, password) = (local(&form.to).to_owned(), Secret::new(form.password));
    if !super::csrf_fits(&headers, &form.csrf) {
        return ask(&relay, &to, "the form has expired: try again");
    }
    match by_password(&relay, &peer, &form.user, password).await {
        Ok(user) => begin(&relay, &user, &to).await,
        Err(Stranger::TooFast(response)) => response,
        Err(Stranger::Wrong(why)) => ask(&relay, &to, &why),
    }
}

/// The browser gets its secret, and the page that was wanted.
pub(crate) async fn begin(relay: &Relay, user: &User, to: &str) -> Response {
    let failed = |why: &dyn std::fmt::Display| {
        tracing::error!(%why, "a login to the pages cannot be kept");
        super::failure(StatusCode::INTERNAL_SERVER_ERROR, "the relay cannot store the login")
    };
    let (Some(own), Some(refresh)) = (secret(), secret()) else { return failed(&"no randomness") };
    let now = relay.now();
    let expires = now + micros(relay.config.login_lifetime.min(relay.config.agent_lifetime));
    let access = Access::of([Scope::Read, Scope::Approve]).stored();
    // Nobody holds its refresh token: it ends when it ends.
    let refresh = hash(refresh.expose());
    let login =
        NewLogin { user: user.id, client: CLIENT, access: &access, bound: None, refresh: &refresh, now, expires };
    let login = match relay.store.login_begin(&login).await {
        Ok(login) => login,
        Err(error) => return failed(&error),
    };
    let evidence = Claims { command: Some("browser".to_owned()), ..Claims::default() };
    let evidence = serde_json::to_string(&evidence).unwrap_or_else(|_| "{}".to_owned());
    let key = thumbprint(own.expose());
    let new = NewAgent {
        key,
        expires,
        max_depth: 0,
        scope: &scope::Scope::WHOLE,
        budget: Budget::default(),
        evidence: &evidence,
    };
    let agent = match relay.store.agent_add(login, &new, now).await {
        Ok(agent) => agent,
        Err(error) => return failed(&error),
    };
    relay
        .audit("agent.bound", &user.name, serde_json::json!({ "chain": [agent], "login": login, "client": CLIENT }))
        .await;
    let seconds = (expires - now) / 1_000_000;
    with_cookie(Redirect::to(local(to)).into_response(), own.expose(), seconds)
}

fn with_cookie(mut response: Response, value: &str, seconds: i64) -> Response {
    let cookie = format!("{COOKIE}={value}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={seconds}");
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

/// What a form with nothing but its token says.
#[derive(Deserialize)]
pub struct Nothing {}

#[derive(Template)]
#[template(path = "signed_out.html")]
struct SignedOut;

/// The visitor leaves.
pub async fn sign_out(State(relay): State<Arc<Relay>>, Sent { visitor, .. }: Sent<Nothing>) -> Response {
    if let Err(error) = relay.end_agent(visitor.principal.agent(), "logged out").await {
        tracing::error!(%error, "a login to the pages cannot be ended");
        return super::failure(StatusCode::INTERNAL_SERVER_ERROR, "the relay cannot use its database");
    }
    with_cookie(page(StatusCode::OK, SignedOut.render()), "", 0)
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_login_leads_nowhere_else() {
        for (to, leads) in [
            ("/approvals/apr_1?x=1", "/approvals/apr_1?x=1"),
            ("//evil.example", "/approvals"),
            ("https://evil.example", "/approvals"),
            ("/\\evil.example", "/approvals"),
            ("/a b", "/approvals"),
            ("", "/approvals"),
        ] {
            assert_eq!(super::local(to), leads, "{to}");
        }
    }
}
