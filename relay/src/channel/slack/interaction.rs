//! `POST /slack/interactions`: somebody has pressed a button (<https://docs.slack.dev/interactivity/handling-user-interaction>).
//! Slack's signature says that it was Slack, the payload who it was. Slack waits for three seconds: it is answered at once,
//! what went wrong is told to that person alone, afterwards.

use super::{Posted, Slack, WAY, message, refresh, whisper};
use crate::{
    api::{ApiError, Peer},
    channel::{
        decision::{self, Said},
        secret, sign,
    },
    relay::Relay,
};
use axum::{
    Extension,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
};
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;
use weir_shared::{
    error::{Kind, UserFacing},
    id::ApprovalId,
};

/// What of the payload is looked at.
#[derive(Deserialize)]
struct Payload {
    #[serde(rename = "type")]
    kind: String,
    user: Named,
    channel: Named,
    container: Container,
    #[serde(default)]
    response_url: String,
    actions: Vec<Action>,
}

#[derive(Deserialize)]
struct Named {
    id: String,
}

#[derive(Deserialize)]
struct Container {
    #[serde(default)]
    message_ts: String,
}

#[derive(Deserialize)]
struct Action {
    action_id: String,
    #[serde(default)]
    value: String,
}

/// A button: which request, which of its forms, and how many like it were shown.
struct Pressed {
    approve: bool,
    approval: ApprovalId,
    digest: String,
    identical: u32,
}

impl Payload {
    fn read(body: &[u8]) -> Option<Self> {
        let mut fields = url::form_urlencoded::parse(body).filter(|(name, _)| name == "payload");
        let (Some((_, payload)), None) = (fields.next(), fields.next()) else { return None };
        serde_json::from_str(&payload).ok()
    }

    fn pressed(&self) -> Option<Pressed> {
        let [action] = self.actions.as_slice() else { return None };
        let approve = match action.action_id.as_str() {
            "approve" => true,
            "deny" => false,
            _ => return None,
        };
        let mut parts = action.value.split(' ');
        let (id, digest, identical, end) = (parts.next()?, parts.next()?, parts.next()?, parts.next());
        let (approval, identical) = (id.parse().ok()?, identical.parse().ok()?);
        (self.kind == "block_actions" && end.is_none()).then(|| Pressed {
            approve,
            approval,
            digest: digest.to_owned(),
            identical,
        })
    }
}

/// The endpoint.
///
/// # Errors
/// There is no Slack, or it is not Slack that calls.
pub(crate) async fn interact(
    State(relay): State<Arc<Relay>>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<StatusCode, ApiError> {
    let Some(slack) = relay.channels.slack.clone() else {
        return Err(UserFacing::new(Kind::NotFound, "this relay has no Slack", "configure [approvals.slack]").into());
    };
    decision::not_too_fast(&relay, &peer)?;
    let signing = secret(&slack.config.signing_secret).await.map_err(|why| {
        tracing::error!(why, "Slack's signing secret cannot be read");
        UserFacing::new(Kind::Internal, "the relay cannot verify this", "see its log")
    })?;
    let signature = match sign::slack(&signing, &headers, &body, relay.now() / 1_000_000) {
        Ok(signature) => signature,
        Err(flaw) => return Err(decision::stranger(&relay, WAY.channel, &peer, &flaw.to_string()).await.into()),
    };
    let message = format!("slack {}", blake3::Hash::from_bytes(signature).to_hex());
    if !decision::once(&relay, &message).await? {
        let why = UserFacing::new(Kind::Conflict, "this interaction came before", "press the button again");
        decision::refuse(&relay, WAY.channel, "", &why, json!({ "address": peer.address.to_string() })).await;
        return Err(why.into());
    }
    let Some(payload) = Payload::read(&body) else {
        let why = UserFacing::new(Kind::Usage, "this is no interaction", "it needs a payload");
        decision::refuse(&relay, WAY.channel, "", &why, json!({})).await;
        return Err(why.into());
    };
    if let Err(why) = pressed(&relay, &slack, &payload).await {
        let text = format!("{}. {}", why.message, why.hint);
        drop(relay.tasks.spawn(whisper(slack, payload.response_url, text)));
    }
    Ok(StatusCode::OK)
}

async fn pressed(relay: &Arc<Relay>, slack: &Arc<Slack>, payload: &Payload) -> Result<(), UserFacing> {
    let who = payload.user.id.as_str();
    let known = slack.config.users.get(who).map(String::as_str);
    let refused = async |why: &str, hint: &str| {
        let why = UserFacing::new(Kind::Denied, why, hint);
        decision::refuse(relay, WAY.channel, known.unwrap_or_default(), &why, json!({ "who": cut(who) })).await;
        why
    };
    if payload.channel.id != slack.config.channel {
        return Err(refused("this is not the channel that decides", "use the relay's own message").await);
    }
    let Some(user) = known else {
        return Err(refused("weir does not know you by this Slack user", "see [approvals.slack] users").await);
    };
    let Some(Pressed { approve, approval, digest, identical }) = payload.pressed() else {
        return Err(refused("this is no button of weir's", "use the relay's own message").await);
    };
    let posted = Posted { channel: payload.channel.id.clone(), ts: payload.container.message_ts.clone() };
    let said = Said {
        channel: WAY.channel,
        user,
        who,
        approval,
        digest: digest.clone(),
        approve,
        reason: String::new(),
        identical,
        whole: message::is_whole,
    };
    let decided = decision::take(relay, said).await;
    let genuine = relay.store.approval(approval).await.ok().flatten().is_some_and(|view| view.request.digest == digest);
    if genuine && !posted.ts.is_empty() {
        // One that the relay no longer knew, or that shows what is no longer so.
        let known = slack.message_of(approval);
        slack.remember(approval, posted.clone());
        if known.is_none() || decided.is_err() {
            drop(relay.tasks.spawn(refresh(Arc::clone(relay), Arc::clone(slack), approval, posted)));
        }
    }
    decided.map(drop)
}

fn cut(text: &str) -> String {
    text.chars().take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(value: &str, action: &str) -> Option<Pressed> {
        let payload = json!({
            "type": "block_actions", "user": { "id": "U1" }, "channel": { "id": "C1" }, "container": {},
            "actions": [{ "action_id": action, "value": value }],
        });
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("payload", &payload.to_string());
        Payload::read(form.finish().as_bytes()).unwrap().pressed()
    }

    #[test]
    fn a_button_says_what_it_decides() {
        let id = ApprovalId::generate();
        let pressed = payload(&format!("{id} abc 2"), "approve").unwrap();
        assert!(pressed.approve && pressed.approval == id && pressed.digest == "abc" && pressed.identical == 2);
        for (value, action) in [
            ("", "approve"),
            ("x abc 1", "deny"),
            (&*format!("{id} abc 1 x"), "deny"),
            (&*format!("{id} abc 1"), "open"),
        ] {
            assert!(payload(value, action).is_none(), "{value} {action}");
        }
        assert!(Payload::read(b"payload={}&payload={}").is_none() && Payload::read(b"payload=x").is_none());
    }
}
