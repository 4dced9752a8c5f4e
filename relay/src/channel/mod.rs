//! Ways to be told of requests for approval, and to decide them, beside the CLI and the pages: webhooks and Slack.
//!
//! - `news`: follows what happens to requests, and hands it to each channel's queue
//! - `shown`: what of a request leaves the relay
//! - `webhook`: sends it, signed; [`slack`]: posts it, and keeps the message up to date
//! - [`decision`]: what comes back: a signed POST, or a button in Slack; both end in [`crate::approval::decide`]
//! - `sign`: the signatures, both ways
//!
//! Nothing here holds up a session: what does not fit into a channel's queue is lost, counted and logged. A
//! decision that comes over a channel is one only where policy permits that channel; the default policy does not.

pub mod decision;
mod news;
mod shown;
mod sign;
pub mod slack;
mod webhook;

use crate::{credential, outbound, relay::Relay};
use sign::WebhookKey;
use slack::Slack;
use std::{sync::Arc, time::Duration};
use webhook::Webhook;
use weir_shared::{
    config::checked::{self, Config, CredentialSource, Endpoint},
    error::{Kind, UserFacing},
    secret::Secret,
};

/// How long something is tried again before it is given up.
const PATIENCE: Duration = Duration::from_secs(600);
/// The longest pause between two tries, and the longest that a server may ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// The channels of a relay.
#[derive(Default)]
pub struct Channels {
    webhooks: Vec<Arc<Webhook>>,
    slack: Option<Arc<Slack>>,
}

impl Channels {
    /// From the configuration. Secrets are read anew at each use; that they can be is looked at now.
    ///
    /// # Errors
    /// A CA or a secret cannot be read, or is none.
    pub async fn open(config: &Config) -> Result<Self, UserFacing> {
        let channels = &config.channels;
        let mut webhooks = Vec::new();
        for (index, webhook) in channels.webhooks.iter().enumerate() {
            let at = format!("approvals.webhook.{index}");
            key(webhook).await.map_err(|why| unusable(&at, &why))?;
            webhooks.push(Arc::new(Webhook::new(webhook.clone(), client(&webhook.endpoint, &at)?)));
        }
        let slack = match &channels.slack {
            None => None,
            Some(slack) => {
                let at = "approvals.slack";
                for source in [&slack.token, &slack.signing_secret] {
                    secret(source).await.map_err(|why| unusable(at, &why))?;
                }
                Some(Arc::new(Slack::new(slack.clone(), client(&slack.endpoint, at)?)))
            }
        };
        Ok(Self { webhooks, slack })
    }
}

/// Tells of requests until it is dropped. Messages that are on their way then are lost.
pub async fn run(relay: Arc<Relay>) {
    let (webhooks, slack) = (&relay.channels.webhooks, &relay.channels.slack);
    if webhooks.is_empty() && slack.is_none() {
        return;
    }
    let mut queues = Vec::new();
    let mut sending: Vec<futures_util::future::BoxFuture<'_, ()>> = Vec::new();
    for webhook in webhooks {
        let (queue, news) = news::queue("webhook");
        queues.push(queue);
        sending.push(Box::pin(webhook::send(&relay, webhook, news)));
    }
    if let Some(slack) = slack {
        let (queue, news) = news::queue("slack");
        queues.push(queue);
        sending.push(Box::pin(slack::send(&relay, slack, news)));
    }
    let following = news::follow(&relay, &queues);
    futures_util::future::join(futures_util::future::join_all(sending), Box::pin(following)).await;
}

fn unusable(at: &str, why: &str) -> UserFacing {
    UserFacing::new(Kind::Config, format!("{at} cannot be used: {why}"), "correct it, or take it out")
}

fn client(endpoint: &Endpoint, at: &str) -> Result<reqwest::Client, UserFacing> {
    outbound::client(endpoint.ca.as_deref(), endpoint.http).map_err(|why| unusable(at, &why))
}

async fn secret(source: &CredentialSource) -> Result<Secret<String>, String> {
    credential::read(source).await.map_err(|error| error.to_string())
}

async fn key(webhook: &checked::Webhook) -> Result<WebhookKey, String> {
    let secret = secret(&webhook.secret).await?;
    WebhookKey::parse(&secret).ok_or_else(|| "its secret is not whsec_ and the Base64 of 24 to 64 bytes".to_owned())
}

/// How long to wait before the next try: twice as long each time, or as long as the server asks for.
fn pause(tried: u32, asked: Option<u64>) -> Duration {
    let own = Duration::from_secs(1 << tried.min(6));
    asked.map_or(own, |seconds| own.max(Duration::from_secs(seconds))).min(LONGEST_PAUSE)
}

/// `Retry-After` in seconds (RFC 9110, 10.2.3); a date is not looked at.
fn retry_after(headers: &reqwest::header::HeaderMap) -> Option<u64> {
    headers.get(reqwest::header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_are_bounded() {
        assert_eq!([0, 1, 5, 6, 60].map(|tried| pause(tried, None).as_secs()), [1, 2, 32, 60, 60]);
        assert_eq!([0, 30, 9_999_999].map(|asked| pause(1, Some(asked)).as_secs()), [2, 30, 60]);
    }
}
