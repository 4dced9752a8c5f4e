//! `/metrics`, on a listener of its own: plain HTTP without authentication, so meant for loopback or a network that only
//! the monitoring reaches. One request a connection.

use super::scrape::{self, Form};
use crate::relay::Relay;
use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use std::{sync::Arc, time::Duration};
use tokio::{net::TcpListener, sync::Semaphore};

/// Connections at a time; the next ones wait.
const CONNECTIONS: usize = 16;
/// A request's head must be there within this.
const HEAD: Duration = Duration::from_secs(5);
/// A connection is over within this, answer included.
const PATIENCE: Duration = Duration::from_secs(20);
/// Most bytes of a head.
const BUFFER: usize = 16 * 1024;

/// Serves scrapes for as long as the relay runs.
pub async fn serve(relay: Arc<Relay>, listener: TcpListener) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let router = router(Arc::clone(&relay));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let tcp = match listener.accept().await {
            Ok((tcp, _)) => tcp,
            Err(error) => {
                tracing::warn!(%error, "a scrape cannot be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let service = TowerToHyperService::new(router.clone());
        let connection = http1::Builder::new()
            .keep_alive(false)
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD)
            .max_buf_size(BUFFER)
            .serve_connection(TokioIo::new(tcp), service);
        relay.tasks.spawn(async move {
            if let Ok(Err(error)) = tokio::time::timeout(PATIENCE, connection).await {
                tracing::debug!(%error, "a scrape ended badly");
            }
            drop(place);
        });
    }
}

fn router(relay: Arc<Relay>) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .fallback(async || (StatusCode::NOT_FOUND, "there is only /metrics\n"))
        .with_state(relay)
}

async fn metrics(State(relay): State<Arc<Relay>>, headers: HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    let form = Form::accepted(accept.unwrap_or_default());
    // Sessions may be served by this thread: the text is made on another.
    match tokio::task::spawn_blocking(move || scrape::text(&relay, form)).await {
        Ok(Ok(text)) => ([(header::CONTENT_TYPE, form.content_type())], text).into_response(),
        _ => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
