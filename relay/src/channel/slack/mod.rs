//! Slack: a message for each request, kept up to date by `chat.update`, and buttons where policy lets somebody use them.
//!
//! - `message`: what it looks like
//! - [`interaction`]: the buttons
//!
//! Which message is a request's is kept in memory: a relay that restarts learns it again from whoever presses a button.

pub mod interaction;
mod message;

use super::{
    news::{Event, News, count},
    pause, retry_after, secret,
    shown::{Shown, shown},
};
use crate::{
    approval::decide::{self, Way},
    identity::channel::vouched,
    outbound,
    relay::Relay,
};
use message::Buttons;
use reqwest::{Client, StatusCode, Url};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{sync::mpsc, time::Instant};
use weir_shared::{
    api::{AgentView, ApprovalView},
    config::checked::{self, WebhookEvent},
    id::ApprovalId,
};

/// As policy knows it.
const WAY: Way = Way { channel: "slack", passkey: false };
/// How long one message is tried: those behind it wait.
const PATIENCE: Duration = Duration::from_secs(180);
/// Messages that are remembered.
const MOST: usize = 1000;

/// A message in Slack.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Posted {
    channel: String,
    ts: String,
}

/// The Slack of a relay.
pub(super) struct Slack {
    config: checked::Slack,
    client: Client,
    posted: Mutex<VecDeque<(ApprovalId, Posted)>>,
}

impl Slack {
    pub(super) fn new(config: checked::Slack, client: Client) -> Self {
        Self { config, client, posted: Mutex::default() }
    }

    fn posted(&self) -> MutexGuard<'_, VecDeque<(ApprovalId, Posted)>> {
        self.posted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn message_of(&self, id: ApprovalId) -> Option<Posted> {
        self.posted().iter().find(|(own, _)| *own == id).map(|(_, posted)| posted.clone())
    }

    /// Remembers a request's message, unless it has one.
    fn remember(&self, id: ApprovalId, message: Posted) {
        let mut posted = self.posted();
        if !posted.iter().any(|(own, _)| *own == id) {
            posted.push_back((id, message));
            if posted.len() > MOST {
                posted.pop_front();
            }
        }
    }

    /// Whether the relay may send something there that Slack has named: to Slack's own hooks, or where its API is.
    fn owns(&self, address: &Url) -> bool {
        let Ok(base) = Url::parse(&self.config.endpoint.url) else { return false };
        let hooks = base.host_str().map(|host| format!("hooks.{host}"));
        let is_hook = address.scheme() == "https" && address.port().is_none() && address.host_str() == hooks.as_deref();
        let bare = address.username().is_empty() && address.password().is_none();
        bare && (is_hook || address.origin() == base.origin())
    }
}

/// Posts and updates, until it is dropped. In order: a message is there before it is changed.
pub(super) async fn send(relay: &Relay, slack: &Slack, mut news: mpsc::Receiver<News>) {
    while let Some(News { event, view, chain }) = news.recv().await {
        let id = view.request.id;
        let known = slack.message_of(id);
        // What an earlier relay has posted is brought up to date by whoever presses its buttons.
        if known.is_none() && matches!(event, Event::Changed | Event::Told(WebhookEvent::Decided)) {
            continue;
        }
        let body = rendered(relay, slack, &view, &chain).await;
        match put(relay, slack, known.as_ref(), body).await {
            Some(posted) => slack.remember(id, posted),
            None => tracing::warn!(approval = %id, "Slack was not told"),
        }
    }
}

async fn rendered(relay: &Relay, slack: &Slack, view: &ApprovalView, chain: &[AgentView]) -> Value {
    let shown = shown(&relay.detector, view, chain);
    let buttons = buttons(relay, slack, view, &shown).await;
    message::message(&shown, buttons)
}

/// Those that somebody who is mapped may use: for what has to be read elsewhere, or needs more than a button, no approval.
async fn buttons(relay: &Relay, slack: &Slack, view: &ApprovalView, shown: &Shown) -> Buttons {
    if view.state != "pending" {
        return Buttons::default();
    }
    for user in slack.config.users.values() {
        let principal = match vouched(&relay.store, user, relay.now()).await {
            Ok(principal) => principal,
            Err(error) => {
                tracing::error!(%error, "users cannot be read");
                return Buttons::default();
            }
        };
        if principal.is_some_and(|principal| decide::objection(relay, view, &principal, WAY).is_none()) {
            return Buttons { approve: !view.request.needs.reason && message::is_whole(shown), deny: true };
        }
    }
    Buttons::default()
}

/// Posts a message, or changes the one that is there.
async fn put(relay: &Relay, slack: &Slack, known: Option<&Posted>, mut body: Value) -> Option<Posted> {
    let (method, channel) = match known {
        None => ("chat.postMessage", &slack.config.channel),
        Some(posted) => ("chat.update", &posted.channel),
    };
    if let Some(fields) = body.as_object_mut() {
        fields.insert("channel".to_owned(), json!(channel));
        if let Some(posted) = known {
            fields.insert("ts".to_owned(), json!(posted.ts));
        }
    }
    call(relay, slack, method, &body).await
}

#[derive(Deserialize)]
struct Reply {
    ok: bool,
    #[serde(default)]
    error: String,
    #[serde(default)]
    channel: String,
    #[serde(default)]
    ts: String,
}

/// Calls a method of the Web API; what is worth another try is tried again.
async fn call(relay: &Relay, slack: &Slack, method: &str, body: &Value) -> Option<Posted> {
    let until = Instant::now() + PATIENCE;
    for tried in 0.. {
        let (why, asked) = match attempt(slack, method, body).await {
            Ok(Reply { ok: true, channel, ts, .. }) => {
                count(relay, "slack", "sent");
                return Some(Posted { channel, ts });
            }
            Ok(Reply { error, .. }) => {
                let lasting = !matches!(
                    error.as_str(),
                    "ratelimited" | "internal_error" | "fatal_error" | "service_unavailable" | "request_timeout"
                );
                (message::escaped(&error), (!lasting).then_some(None))
            }
            Err((why, asked)) => (why, Some(asked)),
        };
        let pause = asked.map(|asked| pause(tried, asked)).filter(|pause| Instant::now() + *pause < until);
        let Some(pause) = pause else {
            tracing::warn!(method, why, "a call of Slack is given up");
            count(relay, "slack", "failed");
            return None;
        };
        tracing::info!(method, why, "a call of Slack is tried again");
        count(relay, "slack", "retried");
        tokio::time::sleep(pause).await;
    }
    None
}

async fn attempt(slack: &Slack, method: &str, body: &Value) -> Result<Reply, (String, Option<u64>)> {
    let token = secret(&slack.config.token).await.map_err(|why| (why, None))?;
    let request = slack.client.post(format!("{}/{method}", slack.config.endpoint.url));
    let answer = outbound::answer(request.bearer_auth(token.expose()).json(body)).await.map_err(|why| (why, None))?;
    if answer.status != StatusCode::OK {
        return Err((answer.status.to_string(), retry_after(&answer.headers)));
    }
    serde_json::from_slice(&answer.body).map_err(|_| ("it answers no such JSON".to_owned(), None))
}

/// Shows a request as it is now in this message.
async fn refresh(relay: Arc<Relay>, slack: Arc<Slack>, id: ApprovalId, posted: Posted) {
    let view = match relay.store.approval(id).await {
        Ok(Some(view)) => crate::approval::wait::with_page(&relay, view),
        Ok(None) => return,
        Err(error) => return tracing::error!(%error, "an approval cannot be read"),
    };
    let chain = relay.store.agent_views(&view.request.chain, relay.now()).await.unwrap_or_default();
    let body = rendered(&relay, &slack, &view, &chain).await;
    put(&relay, &slack, Some(&posted), body).await;
}

/// Tells the one who pressed a button, where Slack says that they listen.
async fn whisper(slack: Arc<Slack>, address: String, text: String) {
    let Some(address) = Url::parse(&address).ok().filter(|address| slack.owns(address)) else {
        return tracing::warn!("an interaction names an address that is not Slack's: nothing is sent there");
    };
    let body = json!({
        "response_type": "ephemeral", "replace_original": false, "text": message::escaped(&text), "mrkdwn": false,
    });
    if let Err(why) = outbound::answer(slack.client.post(address).json(&body)).await {
        tracing::warn!(why, "Slack cannot be told what went wrong");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_shared::config::checked::{CredentialSource, Endpoint};

    fn slack(url: &str) -> Slack {
        let endpoint = Endpoint { url: url.to_owned(), ca: None, http: true };
        let (token, signing_secret) = (CredentialSource::None, CredentialSource::None);
        let (channel, users) = ("C1".to_owned(), [].into());
        Slack::new(checked::Slack { endpoint, token, signing_secret, channel, users }, Client::new())
    }

    #[test]
    fn what_went_wrong_is_told_to_slack_alone() {
        let owns = |base: &str, address: &str| slack(base).owns(&Url::parse(address).unwrap());
        let (real, local) = ("https://slack.com/api", "http://127.0.0.1:9/api");
        assert!(owns(real, "https://hooks.slack.com/actions/T0/1/x") && owns(local, "http://127.0.0.1:9/response/1"));
        for address in [
            "http://hooks.slack.com/",
            "https://hooks.slack.com:8443/",
            "https://hooks.slack.com.evil.example/",
            "https://hooks.slack.com@evil.example/",
            "https://evil@hooks.slack.com/",
            "https://evil.example/hooks.slack.com",
            "http://127.0.0.1:9/",
            "http://169.254.169.254/",
        ] {
            assert!(!owns(real, address), "{address}");
        }
        assert!(!owns(local, "http://127.0.0.1:10/"));
    }

    #[test]
    fn a_request_has_one_message() {
        let (slack, id) = (slack("https://slack.com/api"), ApprovalId::generate());
        let posted = |ts: &str| Posted { channel: "C1".to_owned(), ts: ts.to_owned() };
        slack.remember(id, posted("1"));
        slack.remember(id, posted("2"));
        assert_eq!(slack.message_of(id), Some(posted("1")));
        (0..MOST).for_each(|_| slack.remember(ApprovalId::generate(), posted("3")));
        assert!(slack.message_of(id).is_none() && slack.posted().len() == MOST);
    }
}
