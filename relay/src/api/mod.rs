//! The HTTPS API (see `weir_shared::api` for its calls), the OAuth endpoints, the pages and the WebSocket upgrade: one
//! router, behind one TLS listener.

mod access;
mod agents;
mod approvals;
mod audit;
mod caller;
mod conditional;
mod openapi;
mod policies;
mod resources;
mod sessions;

pub use approvals::{may_see, stream as approval_events};
pub use caller::{Caller, Peer};
pub use openapi::document;
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
use utoipa_axum::{
    router::{OpenApiRouter, UtoipaMethodRouterExt as _},
    routes,
};
use weir_shared::{
    api::{Counters, Problem, ResourceStatus, Status, WhoAmI},
    error::{Kind, UserFacing},
    wire,
};

/// How long a call may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Policies, in bytes as they are sent: more than is loaded.
const LARGEST_POLICIES: usize = 8 << 20;

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

/// The calls under `/api/v1`: what is routed here is described in [`openapi`], and named in [`access`].
fn calls() -> OpenApiRouter<Arc<Relay>> {
    OpenApiRouter::with_openapi(openapi::head())
        .routes(routes!(openapi::serve))
        .routes(routes!(whoami))
        .routes(routes!(status))
        .routes(routes!(resources::list))
        .routes(routes!(sessions::list))
        .routes(routes!(sessions::show))
        .routes(routes!(sessions::entries))
        .routes(routes!(agents::list))
        .routes(routes!(agents::end))
        .routes(routes!(agents::ticket))
        .routes(routes!(approvals::list, approvals::ask))
        .routes(routes!(approvals::events))
        .routes(routes!(approvals::show))
        .routes(routes!(approvals::approve))
        .routes(routes!(approvals::deny))
        .routes(routes!(approvals::break_glass))
        .routes(routes!(approvals::review))
        .routes(routes!(audit::list))
        .routes(routes!(policies::list))
        .routes(routes!(policies::check).layer(DefaultBodyLimit::max(LARGEST_POLICIES)))
        .routes(routes!(policies::explain))
        .routes(routes!(policies::put, policies::delete).layer(DefaultBodyLimit::max(LARGEST_POLICIES)))
        .routes(routes!(resources::show, resources::put, resources::delete))
        .routes(routes!(resources::all))
}

/// Everything that is served over HTTPS.
pub fn router(relay: Arc<Relay>) -> Router {
    use identity::oauth;

    let (described, _) = calls().split_for_parts();
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
        .merge(described.layer(axum::middleware::from_fn(as_problem)))
        .route(wire::WEBSOCKET_PATH, get(upgrade))
        .fallback(async || ApiError(UserFacing::new(Kind::NotFound, "no such call", "see the API's documentation")))
        .layer(DefaultBodyLimit::max(64 * 1024))
        .layer(axum::middleware::from_fn_with_state(Arc::clone(&relay), caller::challenged))
        .layer(axum::middleware::from_fn(in_time))
        .with_state(relay)
}

/// What axum refuses of itself, a body that does not fit for one, is a problem as well.
async fn as_problem(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let kind = match response.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            // The rest of the body is not read: the connection is good for nothing more, and who called is to know.
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            Kind::Limit
        }
        status if status.is_client_error() => Kind::Usage,
        _ => return response,
    };
    if response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind == "application/problem+json") {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let said = axum::body::to_bytes(body, 4096).await.unwrap_or_default();
    let said = String::from_utf8_lossy(&said);
    let title = if said.is_empty() { "the call is not as it should be".into() } else { said };
    let problem = Problem::from(UserFacing::new(kind, title, "`weir-relay openapi` describes each call"));
    let problem = Json(Problem { status: parts.status.as_u16(), ..problem });
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    (parts, problem).into_response()
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

/// Who the relay takes the caller for.
#[utoipa::path(
    get, path = "/api/v1/whoami", tag = "relay", operation_id = "whoami",
    responses((status = 200, description = "The caller", body = WhoAmI))
)]
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

/// The relay's state.
///
/// What is done on each resource is for administrators and auditors, what is wrong with policies for administrators.
#[utoipa::path(
    get, path = "/api/v1/status", tag = "relay", operation_id = "status",
    responses((status = 200, description = "The state", body = Status))
)]
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
        pending_approvals: relay.store.approvals_pending().await?,
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
