//! The relay as authorization server (RFC 8414, 9700): what its endpoints have in common. Every token is bound to a key that
//! its holder proves to hold: of the TLS client certificate (RFC 8705), or of a DPoP proof (RFC 9449).
//!
//! - [`metadata`]: RFC 8414, 9728, and the keys that tokens are verified with
//! - [`authorize`]: authorization code with PKCE S256 (RFC 6749, 7636, 8252, 9207)
//! - [`device`]: codes for machines without a browser (RFC 8628)
//! - [`token`]: codes and rotating refresh tokens become agents; [`exchange`]: tokens become others (RFC 8693):
//!   narrower ones, in `delegate` children, in `workload` logins of platforms' workloads
//! - [`revoke`]: RFC 7009; [`introspect`]: RFC 7662
//! - [`clients`]: who asks; [`proof`], [`dpop`]: with which key; [`rates`]: how often
//! - [`signing`]: the keys that sign; [`jwt`]: the tokens (RFC 9068); [`bearer`]: tokens as the API takes them

pub mod authorize;
pub mod bearer;
pub mod clients;
mod delegate;
pub mod device;
pub mod dpop;
pub mod exchange;
pub mod form;
pub mod introspect;
pub mod jwt;
pub mod metadata;
pub mod proof;
pub mod rates;
pub mod revoke;
pub mod signing;
pub mod token;
mod workload;

use aws_lc_rs::digest::{SHA256, digest};
use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::json;
use std::time::Duration;
use weir_shared::{
    config::checked::Config,
    error::{Kind, UserFacing},
    secret::Secret,
};

/// What the endpoints share.
pub struct Server {
    /// The keys that sign.
    pub keys: signing::Keys,
    /// Proofs of possession.
    pub dpop: dpop::Dpop,
    /// How often who asked.
    pub rates: rates::Rates,
}

impl Server {
    /// Reads the keys, or makes them.
    ///
    /// # Errors
    /// They cannot be read or written.
    pub fn open(config: &Config) -> Result<Self, UserFacing> {
        let failed = |error: &dyn std::fmt::Display| {
            let message = format!("the keys that sign tokens cannot be used: {error}");
            UserFacing::new(Kind::Config, message, "correct `token_keys`")
        };
        let now = jiff::Timestamp::now().as_second();
        Ok(Self {
            keys: signing::Keys::open(&config.token_keys, now).map_err(|error| failed(&error))?,
            dpop: dpop::Dpop::new().map_err(|error| failed(&error))?,
            rates: rates::Rates::default(),
        })
    }
}

/// A refusal (RFC 6749, 5.2).
fn refuse(error: &str, description: &str) -> Response {
    let status = if error == "server_error" { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::BAD_REQUEST };
    refuse_with(status, error, description)
}

fn refuse_with(status: StatusCode, error: &str, description: &str) -> Response {
    let body = Json(json!({ "error": error, "error_description": description }));
    (status, [(header::CACHE_CONTROL, "no-store"), (header::PRAGMA, "no-cache")], body).into_response()
}

/// 429 with how long to wait (RFC 6585, 4).
fn too_fast(wait: Duration) -> Response {
    let mut response = refuse_with(StatusCode::TOO_MANY_REQUESTS, "slow_down", "too many requests from this address");
    let seconds = wait.as_secs() + 1;
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    response
}

fn broken(error: &weir_store::StoreError) -> Response {
    tracing::error!(%error, "an OAuth endpoint cannot use the database");
    refuse("server_error", "the relay cannot use its database")
}

pub(crate) fn hash(secret: &str) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, secret.as_bytes()).as_ref());
    out
}

/// 256 random bits.
pub(crate) fn secret() -> Option<Secret<String>> {
    let mut bytes = [0; 32];
    aws_lc_rs::rand::fill(&mut bytes).ok()?;
    Some(Secret::new(URL_SAFE_NO_PAD.encode(bytes)))
}

pub(crate) fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX / 4)
}
