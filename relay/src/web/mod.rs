//! The pages: plain HTML, nothing from elsewhere.
//!
//! - [`device`]: the one that confirms a device's code
//! - [`session`]: logging in to those below; [`approvals`]: what waits for a decision; [`passkeys`]: what confirms one;
//!   [`sessions`]: what was done

pub mod approvals;
pub mod device;
pub mod passkeys;
pub mod session;
pub mod sessions;

use crate::identity::{
    access::Access,
    foreign::people::Ways,
    oauth::{authorize::Authorize, clients},
};
use askama::Template;
use axum::{
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{Html, IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;
use weir_shared::{config::checked::Client, error::UserFacing, secret::Secret};

/// A form may only go back to the relay; its answer on to where [`login`] says.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'";
/// The same, with the relay's own scripts.
const SCRIPTED: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; frame-ancestors 'none'; \
                        base-uri 'none'; form-action 'self'";
/// `__Host-`: this host, this path, TLS only.
const COOKIE: &str = "__Host-weir-csrf";
const STYLE: &str = include_str!("style.css");

#[derive(Template)]
#[template(path = "login.html")]
struct Login<'a> {
    request: &'a Authorize,
    /// It is weir itself that asks.
    own: bool,
    rights: Vec<String>,
    csrf: &'a str,
    problem: &'a str,
    ways: &'a Ways,
}

#[derive(Template)]
#[template(path = "failure.html")]
struct Failure<'a> {
    problem: &'a str,
}

/// What the login form sends.
#[derive(Deserialize)]
pub struct LoginForm {
    #[serde(flatten)]
    request: Authorize,
    user: String,
    password: String,
    csrf: String,
}

impl LoginForm {
    /// The request, the user's name, the password and the form's token.
    #[must_use]
    pub fn into_parts(self) -> (Authorize, String, Secret<String>, String) {
        (self.request, self.user, Secret::new(self.password), self.csrf)
    }
}

fn page(status: StatusCode, body: Result<String, askama::Error>) -> Response {
    let Ok(body) = body else { return StatusCode::INTERNAL_SERVER_ERROR.into_response() };
    let mut response = (status, Html(body)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A page with the relay's own scripts.
fn scripted(status: StatusCode, body: Result<String, askama::Error>) -> Response {
    let mut response = page(status, body);
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(SCRIPTED));
    response
}

/// The status of a page that shows why something was refused.
fn status_of(error: &UserFacing) -> StatusCode {
    StatusCode::from_u16(error.kind.http_status()).unwrap_or(StatusCode::BAD_REQUEST)
}

/// A page that cannot be made.
fn broken(error: &dyn std::fmt::Display) -> Response {
    tracing::error!(%error, "a page cannot use the database");
    failure(StatusCode::INTERNAL_SERVER_ERROR, "the relay cannot use its database")
}

/// A time (microseconds since 1970) as pages show it.
fn time(micros: i64) -> String {
    jiff::Timestamp::from_microsecond(micros).map_or_else(|_| String::new(), |time| format!("{time:.0}"))
}

/// A file that the pages use.
fn asset(kind: &'static str, text: &'static str) -> Response {
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "max-age=3600")], text).into_response()
}

/// A page with a form: its token stands in it and in a cookie.
fn form(status: StatusCode, render: impl FnOnce(&str) -> Result<String, askama::Error>) -> Response {
    let mut bytes = [0; 16];
    if aws_lc_rs::rand::fill(&mut bytes).is_err() {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    let csrf = URL_SAFE_NO_PAD.encode(bytes);
    let mut response = page(status, render(&csrf));
    let cookie = format!("{COOKIE}={csrf}; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=900");
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}

/// The login page, with what the client would get, and what went wrong the last time.
#[must_use]
pub fn login(request: &Authorize, client: &Client, access: &Access, problem: &str, ways: Ways) -> Response {
    let status = if problem.is_empty() { StatusCode::OK } else { StatusCode::UNAUTHORIZED };
    let (own, rights) = (client.id == clients::OWN, device::rights(access));
    let mut response = form(status, |csrf| Login { request, own, rights, csrf, problem, ways: &ways }.render());
    // Browsers ask the form's policy about the redirect that answers it as well.
    let policy = format!("{POLICY} {}", origin(&request.redirect_uri));
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    with_ways(response, ways)
}

/// What the way to the provider needs the browser to keep.
fn with_ways(mut page: Response, ways: Ways) -> Response {
    if let Some(offer) = ways.provider {
        page.headers_mut().append(header::SET_COOKIE, offer.cookie);
    }
    page
}

/// What a policy calls the place of an address: its scheme and host, or a private scheme alone.
fn origin(uri: &str) -> &str {
    match uri.split_once("://") {
        Some((scheme, rest)) => {
            let host = rest.find(['/', '?']).unwrap_or(rest.len());
            uri.get(..scheme.len() + 3 + host).unwrap_or_default()
        }
        None => uri.find(':').and_then(|colon| uri.get(..=colon)).unwrap_or_default(),
    }
}

/// A page that says what went wrong.
#[must_use]
pub fn failure(status: StatusCode, problem: &str) -> Response {
    page(status, Failure { problem }.render())
}

/// The style sheet.
pub async fn style() -> Response {
    asset("text/css", STYLE)
}

/// True when the form's token is the cookie's.
#[must_use]
pub fn csrf_fits(headers: &HeaderMap, token: &str) -> bool {
    !token.is_empty() && cookie(headers, COOKIE) == Some(token)
}

/// The value of this cookie.
#[must_use]
pub fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(own, _)| *own == name).map(|(_, value)| value)
}
