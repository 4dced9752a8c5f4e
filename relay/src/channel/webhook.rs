//! Messages to webhooks, as Standard Webhooks says: the same id and the same bytes each time that a message is sent, signed
//! anew with the time of the try. A receiver that does not answer 2xx is tried again, for ten minutes at most; 410 is final.

use super::{
    PATIENCE, key,
    news::{Event, News, count},
    pause, retry_after,
    shown::{Shown, shown},
};
use crate::{outbound, relay::Relay};
use futures_util::StreamExt as _;
use reqwest::{Client, StatusCode};
use serde::Serialize;
use std::sync::Arc;
use tokio::{sync::mpsc, time::Instant};
use weir_shared::config::checked;

/// Messages to one receiver that are on their way at a time.
const AT_ONCE: usize = 8;

/// A receiver.
pub(super) struct Webhook {
    pub(super) config: checked::Webhook,
    client: Client,
    /// What logs call it: its address may hold what is secret.
    host: String,
}

/// The body of a message.
#[derive(Serialize)]
struct Body<'a> {
    /// `requested`, `decided` or `broken-glass`.
    event: &'static str,
    /// The message's id, as in its head.
    id: &'a str,
    /// When it was made, RFC 3339.
    time: String,
    approval: Shown,
}

impl Webhook {
    pub(super) fn new(config: checked::Webhook, client: Client) -> Self {
        let host = config.endpoint.url.split('/').nth(2).unwrap_or_default().to_owned();
        Self { config, client, host }
    }

    pub(super) fn host(&self) -> &str {
        &self.host
    }
}

/// Sends what comes, until it is dropped.
pub(super) async fn send(relay: &Relay, webhook: &Arc<Webhook>, news: mpsc::Receiver<News>) {
    let news = futures_util::stream::unfold(news, async |mut news| news.recv().await.map(|one| (one, news)));
    let wanted = news.filter_map(async |news| match news.event {
        Event::Told(event) if webhook.config.events.contains(&event) => Some((event, news)),
        _ => None,
    });
    let each = wanted.for_each_concurrent(AT_ONCE, async |(event, news)| {
        let id = format!("msg_{}_{}", news.view.request.id, event.as_str());
        let time = jiff::Timestamp::from_microsecond(relay.now()).map(|time| format!("{time:.0}")).unwrap_or_default();
        let approval = shown(&relay.detector, &news.view, &news.chain);
        let body = Body { event: event.as_str(), id: &id, time, approval };
        match serde_json::to_vec(&body) {
            Ok(body) => deliver(relay, webhook, &id, body.into()).await,
            Err(error) => tracing::error!(%error, "a message to a webhook cannot be made"),
        }
    });
    Box::pin(each).await;
}

async fn deliver(relay: &Relay, webhook: &Webhook, id: &str, body: bytes::Bytes) {
    let until = Instant::now() + PATIENCE;
    for tried in 0.. {
        let (why, asked) = match attempt(relay, webhook, id, body.clone()).await {
            Ok(answer) if answer.status.is_success() => return count(relay, "webhook", "sent"),
            Ok(answer) if answer.status == StatusCode::GONE => (answer.status.to_string(), None),
            Ok(answer) => (answer.status.to_string(), Some(retry_after(&answer.headers))),
            Err(why) => (why, Some(None)),
        };
        let pause = asked.map(|asked| pause(tried, asked)).filter(|pause| Instant::now() + *pause < until);
        let Some(pause) = pause else {
            tracing::warn!(host = webhook.host, id, why, "a message to a webhook is given up");
            return count(relay, "webhook", "failed");
        };
        tracing::info!(host = webhook.host, id, why, "a message to a webhook is tried again");
        count(relay, "webhook", "retried");
        tokio::time::sleep(pause).await;
    }
}

async fn attempt(relay: &Relay, webhook: &Webhook, id: &str, body: bytes::Bytes) -> Result<outbound::Answer, String> {
    let time = relay.now() / 1_000_000;
    let signature = key(&webhook.config).await?.sign(id, time, &body);
    let request = webhook.client.post(&webhook.config.endpoint.url).header("content-type", "application/json");
    let request =
        request.header("webhook-id", id).header("webhook-timestamp", time).header("webhook-signature", signature);
    outbound::answer(request.body(body)).await
}
