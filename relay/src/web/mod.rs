//! The pages: plain HTML, no script, nothing from elsewhere.

use crate::identity::{foreign::people::Offer, oauth::authorize::Authorize};
use askama::Template;
use axum::{
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{Html, IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;
use weir_shared::secret::Secret;

/// The form may only go back to the relay, and its answer on to a loopback address.
const POLICY: &str = "default-src 'none'; style-src 'self'; form-action 'self' http://127.0.0.1:* http://[::1]:*; \
                      frame-ancestors 'none'; base-uri 'none'";
/// `__Host-`: this host, this path, TLS only.
const COOKIE: &str = "__Host-weir-csrf";
const STYLE: &str = include_str!("style.css");

#[derive(Template)]
#[template(path = "login.html")]
struct Login<'a> {
    request: &'a Authorize,
    csrf: &'a str,
    problem: &'a str,
    /// The form of local users is there.
    local: bool,
    offer: &'a Option<Offer>,
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

/// The login page, with what went wrong the last time: the form of local users, the way to the provider.
#[must_use]
pub fn login(request: &Authorize, problem: &str, local: bool, offer: Option<Offer>) -> Response {
    let mut bytes = [0; 16];
    if aws_lc_rs::rand::fill(&mut bytes).is_err() {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    let csrf = URL_SAFE_NO_PAD.encode(bytes);
    let status = if problem.is_empty() { StatusCode::OK } else { StatusCode::UNAUTHORIZED };
    let mut response = page(status, Login { request, csrf: &csrf, problem, local, offer: &offer }.render());
    let cookie = format!("{COOKIE}={csrf}; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=900");
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    if let Some(offer) = offer {
        response.headers_mut().append(header::SET_COOKIE, offer.cookie);
    }
    response
}

/// A page that says what went wrong.
#[must_use]
pub fn failure(status: StatusCode, problem: &str) -> Response {
    page(status, Failure { problem }.render())
}

/// The style sheet.
pub async fn style() -> Response {
    ([(header::CONTENT_TYPE, "text/css"), (header::CACHE_CONTROL, "max-age=3600")], STYLE).into_response()
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
