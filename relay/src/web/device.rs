//! The page on which a person confirms a device's code. Whoever sends a code to somebody else hopes that it is confirmed
//! without a thought (RFC 8628, 5.4): so it says who asks, from where and for what, and to say no to what one did not begin.

use super::{form, page, with_ways};
use crate::identity::{access::Access, foreign::people::Ways};
use askama::Template;
use axum::{http::StatusCode, response::Response};
use serde::Deserialize;
use weir_shared::{
    config::checked::{Client, Scope},
    secret::Secret,
};
use weir_store::devices::Device;

#[derive(Template)]
#[template(path = "device.html")]
struct Ask<'a> {
    csrf: &'a str,
    problem: &'a str,
}

#[derive(Template)]
#[template(path = "device_confirm.html")]
struct Confirm<'a> {
    csrf: &'a str,
    problem: &'a str,
    code: &'a str,
    client: &'a str,
    rights: Vec<String>,
    device: &'a Device,
    minutes: i64,
    ways: &'a Ways,
}

#[derive(Template)]
#[template(path = "device_done.html")]
struct Done {
    allow: bool,
}

/// What the page sends.
#[derive(Deserialize)]
pub struct DeviceForm {
    user_code: String,
    csrf: String,
    #[serde(default)]
    decision: String,
    #[serde(default)]
    user: String,
    #[serde(default)]
    password: String,
}

impl DeviceForm {
    /// The code as typed, the decision, the user's name, the password and the form's token.
    #[must_use]
    pub fn into_parts(self) -> (String, String, String, Secret<String>, String) {
        (self.user_code, self.decision, self.user, Secret::new(self.password), self.csrf)
    }
}

/// Asks for a code.
#[must_use]
pub fn ask(problem: &str) -> Response {
    let status = if problem.is_empty() { StatusCode::OK } else { StatusCode::NOT_FOUND };
    form(status, |csrf| Ask { csrf, problem }.render())
}

/// Shows what waits, and asks for login and decision.
#[must_use]
pub fn confirm(
    code: &str,
    client: &Client,
    access: &Access,
    device: &Device,
    minutes: i64,
    problem: &str,
    ways: Ways,
) -> Response {
    let status = if problem.is_empty() { StatusCode::OK } else { StatusCode::UNAUTHORIZED };
    let (client, rights) = (client.id.as_str(), rights(access));
    let page =
        form(status, |csrf| Confirm { csrf, problem, code, client, rights, device, minutes, ways: &ways }.render());
    with_ways(page, ways)
}

/// It is decided.
#[must_use]
pub fn done(allow: bool) -> Response {
    page(StatusCode::OK, Done { allow }.render())
}

/// What a client is granted, in words.
#[must_use]
pub fn rights(access: &Access) -> Vec<String> {
    let scopes = Scope::ALL.into_iter().filter(|scope| access.has(*scope)).map(|scope| match scope {
        Scope::Read => "see your resources, sessions and approvals",
        Scope::Approve => "decide others' requests and end sessions in your name",
        Scope::Admin => "change the relay's policies in your name",
        Scope::Connect => "open sessions with resources in your name",
    });
    let mut rights: Vec<String> = scopes.map(str::to_owned).collect();
    if !access.grant().is_whole() {
        rights.push(format!("only: {}", access.grant()));
    }
    rights
}
