//! The HTTPS API (see `weir_shared::api` for its calls), the OAuth endpoints, the pages and the WebSocket upgrade: one
//! router, behind one TLS listener.

mod agents;
mod approvals;
mod caller;
mod resources;
mod sessions;

pub use approvals::{may_see, stream as approval_events};
pub use caller::{Caller, Peer};
pub use sessions::{sees as sees_session, sees_all as sees_all_sessions};

use crate::{channel, doors::Visit, identity, relay::Relay, telemetry::tally::Census, tunnel, web};
use axum::{
    Extension, Json, Router,
    extract::{DefaultBodyLimit, Request, State},
    http::{HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use weir_shared::{
    api::{Counters, Problem, ResourceStatus, Status, WhoAmI},
    error::{Kind, UserFacing},
    wire,
};

/// How long a call may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// An error as the API answers it.
pub struct ApiError(UserFacing);

impl From<UserFacing> for ApiError {
    fn from(error: UserFacing) -> Self {
        Self(error)
    }
}

impl From<weir_store::StoreError> for ApiError {
    fn from(error: weir_store::StoreError) -> Self {
        tracing::error!(%error, "a call cannot use the database");
        Self(UserFacing::new(Kind::Internal, "the relay cannot use its database", "tell the relay's administrator"))
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.kind.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(Problem::from(self.0))).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        response
    }
}

/// Everything that is served over HTTPS.
pub fn router(relay: Arc<Relay>) -> Router {
    use identity::oauth;
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/", get(web::approvals::home))
        .route("/login", get(web::session::sign_in).post(web::session::signed_in))
        .route("/logout", post(web::session::sign_out))
        .route("/approvals", get(web::approvals::list))
        .route("/approvals/events", get(web::approvals::events))
        .route("/approvals/{id}", get(web::approvals::show).post(web::approvals::decide))
        .route("/sessions", get(web::sessions::list))
        .route("/sessions/{id}", get(web::sessions::show))
        .route("/agents/{id}", get(web::sessions::of_agent))
        .route("/approvals/webhook", post(channel::decision::by_webhook))
        .route("/slack/interactions", post(channel::slack::interaction::interact))
        .route("/approvals/{id}/passkey", post(web::approvals::ask_passkey))
        .route("/passkeys", get(web::passkeys::list).post(web::passkeys::add))
        .route("/passkeys/prove", post(web::passkeys::prove))
        .route("/passkeys/new", post(web::passkeys::ask_new))
        .route("/passkeys/remove", post(web::passkeys::remove))
        .route("/passkey.js", get(web::passkeys::script))
        .route("/live.js", get(web::approvals::script))
        .route("/style.css", get(web::style))
        .route("/.well-known/oauth-authorization-server", get(oauth::metadata::metadata))
        .route("/.well-known/oauth-protected-resource", get(oauth::metadata::resource))
        .route("/oauth/jwks", get(oauth::metadata::jwks))
        .route("/oauth/authorize", get(oauth::authorize::authorize).post(oauth::authorize::log_in))
        .route("/oauth/provider", get(identity::foreign::people::begin))
        .route("/oauth/callback", get(identity::foreign::people::callback))
        .route("/oauth/token", post(oauth::token::token))
        .route("/oauth/revoke", post(oauth::revoke::revoke))
        .route("/oauth/introspect", post(oauth::introspect::introspect))
        .route("/oauth/device_authorization", post(oauth::device::begin))
        .route("/device", get(oauth::device::page).post(oauth::device::decide))
        .route("/api/v1/whoami", get(whoami))
        .route("/api/v1/status", get(status))
        .route("/api/v1/resources", get(resources::list))
        .route("/api/v1/sessions", get(sessions::list))
        .route("/api/v1/sessions/{id}", get(sessions::show))
        .route("/api/v1/sessions/{id}/entries", get(sessions::entries))
        .route("/api/v1/agents", get(agents::list))
        .route("/api/v1/agents/{id}/end", post(agents::end))
        .route("/api/v1/tickets", post(agents::ticket))
        .route("/api/v1/approvals", get(approvals::list).post(approvals::ask))
        .route("/api/v1/approvals/events", get(approvals::events))
        .route("/api/v1/approvals/{id}", get(approvals::show))
        .route("/api/v1/approvals/{id}/approve", post(approvals::approve))
        .route("/api/v1/approvals/{id}/deny", post(approvals::deny))
        .route("/api/v1/approvals/{id}/break-glass", post(approvals::break_glass))
        .route("/api/v1/approvals/{id}/review", post(approvals::review))
        .route(wire::WEBSOCKET_PATH, get(upgrade))
        .fallback(async || ApiError(UserFacing::new(Kind::NotFound, "no such call", "see the API's documentation")))
        .layer(DefaultBodyLimit::max(64 * 1024))
        .layer(axum::middleware::from_fn_with_state(Arc::clone(&relay), caller::challenged))
        .layer(axum::middleware::from_fn(in_time))
        .with_state(relay)
}

/// A call, its body included, must be over within [`PATIENCE`]; what is streamed as its answer need not.
async fn in_time(request: Request, next: Next) -> Response {
    match tokio::time::timeout(PATIENCE, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            let problem = UserFacing::new(Kind::Usage, "the call took too long", "send its body at once");
            let mut response = ApiError(problem).into_response();
            *response.status_mut() = StatusCode::REQUEST_TIMEOUT;
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            response
        }
    }
}

async fn whoami(State(relay): State<Arc<Relay>>, Caller(principal, key): Caller) -> Result<Json<WhoAmI>, ApiError> {
    Ok(Json(WhoAmI {
        chain: agents::chain(&relay, &principal).await?,
        user: principal.user().to_owned(),
        roles: principal.roles().to_vec(),
        agent: principal.agent(),
        key: key.to_string(),
        expires_at: principal.expires_at() / 1_000_000,
        login_expires_at: principal.login_expires_at() / 1_000_000,
        relay: relay.config.public_url.clone(),
    }))
}

async fn status(State(relay): State<Arc<Relay>>, Caller(principal, _): Caller) -> Result<Json<Status>, ApiError> {
    let census = relay.registry.census(&relay.telemetry);
    let counters = census.values().map(|census| census.sums.counters()).fold(Counters::default(), Counters::plus);
    let mut resources = BTreeMap::new();
    if sessions::sees_all(&principal) {
        for (name, Census { sessions, in_flight, sums, .. }) in census {
            resources.insert(name, ResourceStatus { sessions, in_flight, counters: sums.counters() });
        }
    }
    Ok(Json(Status {
        software: concat!("weir-relay ", env!("CARGO_PKG_VERSION")).to_owned(),
        uptime_seconds: relay.started.elapsed().as_secs(),
        open_sessions: relay.registry.open_sessions(),
        tunnels: relay.registry.tunnels(),
        pending_approvals: relay.store.approvals(Some("pending"), None).await?.len() as u64,
        policy: relay.policy.current().hash().to_owned(),
        policy_problems: if principal.is("admin") { relay.policy.problems() } else { Vec::new() },
        draining: relay.draining.is_cancelled(),
        counters,
        paths: relay.telemetry.tunnels.paths(),
        recorder_lag: u64::try_from(relay.syncer.lag().oldest.as_micros()).unwrap_or(u64::MAX),
        resources,
    }))
}

/// The tunnel's WebSocket upgrade (RFC 6455, 4.2).
async fn upgrade(
    State(relay): State<Arc<Relay>>,
    Extension(Peer { key, .. }): Extension<Peer>,
    Extension(visit): Extension<Arc<Visit>>,
    mut request: Request,
) -> Result<Response, ApiError> {
    let bad = |what: &str| ApiError(UserFacing::new(Kind::Usage, what, "this path is weir's tunnel"));
    let key = key.ok_or_else(|| bad("no client key came with the upgrade"))?;
    let headers = request.headers();
    let says = |name, value: &str| {
        headers.get(name).and_then(|v| v.to_str().ok()).is_some_and(|v| v.to_ascii_lowercase().contains(value))
    };
    let accept = headers.get(header::SEC_WEBSOCKET_KEY).map(|key| derive_accept_key(key.as_bytes()));
    let (Some(accept), true) = (accept, says(header::UPGRADE, "websocket") && says(header::CONNECTION, "upgrade"))
    else {
        return Err(bad("a WebSocket upgrade is expected"));
    };
    let upgraded = hyper::upgrade::on(&mut request);
    let tasks = relay.tasks.clone();
    tasks.spawn(async move {
        if let Ok(upgraded) = upgraded.await {
            tunnel::websocket::connection(relay, key, hyper_util::rt::TokioIo::new(upgraded), visit).await;
        }
    });
    let headers = [
        (header::UPGRADE, "websocket".to_owned()),
        (header::CONNECTION, "Upgrade".to_owned()),
        (header::SEC_WEBSOCKET_ACCEPT, accept),
    ];
    Ok((StatusCode::SWITCHING_PROTOCOLS, headers).into_response())
}
