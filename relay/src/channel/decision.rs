//! Decisions that come over a channel. Who sends one has proven to be the channel; whom it speaks for is a weir user that the
//! configuration lets it speak for; whether that user may decide this, so, is [`decide`]'s to say, as for everybody else.
//! Whatever is refused is audited: unsigned calls no faster than an attacker may fill the log.

use super::{
    key,
    shown::{Shown, lasts, shown},
    sign::{Message, WINDOW},
    webhook::Webhook,
};
use crate::{
    api::{ApiError, Peer},
    approval::{
        decide::{self, Way},
        wait,
    },
    identity::{
        channel::vouched,
        oauth::{hash, rates::What},
    },
    relay::Relay,
};
use axum::{Extension, Json, body::Bytes, extract::State, http::HeaderMap};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use weir_shared::{
    api::{ApprovalView, DecisionBody, Extent},
    error::{Kind, UserFacing},
    id::ApprovalId,
};

/// What somebody said over a channel.
pub(super) struct Said<'a> {
    /// As policy knows it.
    pub(super) channel: &'static str,
    /// The weir user.
    pub(super) user: &'a str,
    /// How the channel knows them.
    pub(super) who: &'a str,
    pub(super) approval: ApprovalId,
    pub(super) digest: String,
    pub(super) approve: bool,
    pub(super) reason: String,
    pub(super) identical: u32,
    /// Whether all of what is approved stood in the message.
    pub(super) whole: fn(&Shown) -> bool,
}

/// Nothing came of it, and the audit log says so.
pub(super) async fn refuse(relay: &Relay, channel: &str, user: &str, why: &UserFacing, more: Value) {
    let mut body = json!({ "channel": channel, "why": why.message });
    if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
        body.extend(more);
    }
    tracing::warn!(channel, user, why = why.message, "a decision is refused");
    relay.audit("channel.refused", user, body).await;
}

/// A call that nobody vouches for.
pub(super) async fn stranger(relay: &Relay, channel: &str, peer: &Peer, why: &str) -> UserFacing {
    let why = UserFacing::new(Kind::Unauthenticated, why, "sign it with the secret that the relay has");
    if relay.oauth.rates.take(What::Alert, peer.address).is_ok() {
        refuse(relay, channel, "", &why, json!({ "address": peer.address.to_string() })).await;
    }
    why
}

/// No more calls than this from one address: each costs a hash, and perhaps a file that is read.
pub(super) fn not_too_fast(relay: &Relay, peer: &Peer) -> Result<(), UserFacing> {
    let too_fast = |_| UserFacing::new(Kind::Limit, "too many calls from this address", "call more slowly");
    relay.oauth.rates.take(What::Call, peer.address).map_err(too_fast)
}

/// Counts a message once; false when it came before.
pub(super) async fn once(relay: &Relay, message: &str) -> Result<bool, UserFacing> {
    let (now, kept) = (relay.now(), 2 * WINDOW * 1_000_000);
    relay.store.spend(&hash(message), now, now.saturating_add(kept)).await.map_err(|error| broken(&error))
}

fn broken(error: &dyn std::fmt::Display) -> UserFacing {
    tracing::error!(%error, "a decision cannot use the database");
    UserFacing::new(Kind::Internal, "the relay cannot use its database", "tell the relay's administrator")
}

/// Decides, or refuses and leaves a trace of that.
///
/// # Errors
/// As [`decide::decide`]; also when there is no such person, the digest is another's though they deny, or they approve what
/// they have not seen all of.
pub(super) async fn take(relay: &Relay, said: Said<'_>) -> Result<ApprovalView, UserFacing> {
    let (channel, user, who, approval) = (said.channel, said.user, said.who, said.approval);
    let decided = attempt(relay, said).await;
    if let Err(why) = &decided {
        refuse(relay, channel, user, why, json!({ "approval": approval, "who": who })).await;
    }
    decided
}

async fn attempt(relay: &Relay, said: Said<'_>) -> Result<ApprovalView, UserFacing> {
    let Said { channel, user, who, approval, approve, .. } = said;
    let denied = |why: &str| UserFacing::new(Kind::Denied, why, "correct the configuration's `users`");
    let principal = vouched(&relay.store, user, relay.now()).await.map_err(|error| broken(&error))?;
    let principal = principal.ok_or_else(|| denied("weir has no such person, or they are disabled"))?;
    let view = relay.store.approval(approval).await.map_err(|error| broken(&error))?;
    let view = view.ok_or_else(|| {
        UserFacing::new(Kind::NotFound, format!("no approval {approval}"), "run `weir approvals list`")
    })?;
    // As it was shown.
    let view = wait::with_page(relay, view);
    if view.request.digest != said.digest {
        let hint = "look at the request again";
        return Err(UserFacing::new(Kind::Conflict, "the digest is not this request's", hint));
    }
    if approve && !(said.whole)(&shown(&relay.detector, &view, &[])) {
        return Err(UserFacing::new(Kind::Denied, "not all of it is shown here", "approve it on its page"));
    }
    // The principal's agent is in no list: this is where it is known from.
    let body = json!({ "channel": channel, "approval": approval, "who": who, "chain": principal.chain_ids() });
    relay.audit("channel.vouched", user, body).await;
    let way = Way { channel, passkey: false };
    let body = DecisionBody {
        reason: said.reason,
        digest: Some(said.digest),
        extent: Extent { window: lasts(&view.request), ..Extent::default() },
        identical: said.identical,
    };
    decide::decide(relay, approval, &principal, way, approve, body).await
}

/// What a webhook's receiver sends to decide.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Decision {
    approval: ApprovalId,
    digest: String,
    decision: Word,
    #[serde(default)]
    reason: String,
    by: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Word {
    Approve,
    Deny,
}

/// `POST /approvals/webhook`: a decision, signed as what the relay sends to that webhook is.
///
/// # Errors
/// It is not signed by a webhook that may decide, too old, sent before, or no decision; or as [`decide::decide`].
pub(crate) async fn by_webhook(
    State(relay): State<Arc<Relay>>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Value>, ApiError> {
    const CHANNEL: &str = "webhook";
    not_too_fast(&relay, &peer)?;
    let message = match Message::read(&headers, relay.now() / 1_000_000) {
        Ok(message) => message,
        Err(flaw) => return Err(stranger(&relay, CHANNEL, &peer, &flaw.to_string()).await.into()),
    };
    let Some((index, webhook)) = signer(&relay, &message, &body).await else {
        let why = "no webhook that may decide has signed this";
        return Err(stranger(&relay, CHANNEL, &peer, why).await.into());
    };
    let host = webhook.host();
    let refused = async |user: &str, why: UserFacing| {
        refuse(&relay, CHANNEL, user, &why, json!({ "who": host, "message": message.id })).await;
        ApiError::from(why)
    };
    if !once(&relay, &format!("webhook {index} {}", message.id)).await? {
        let why = UserFacing::new(Kind::Conflict, "this message came before", "send a new one, of another id");
        return Err(refused("", why).await);
    }
    let decision: Decision = match serde_json::from_slice(&body) {
        Ok(decision) => decision,
        Err(_) => {
            let hint = "send { approval, digest, decision: approve or deny, reason, by }";
            return Err(refused("", UserFacing::new(Kind::Usage, "this is no decision", hint)).await);
        }
    };
    if !webhook.config.users.contains(&decision.by) {
        let why = UserFacing::new(Kind::Denied, "this webhook may not speak for that user", "see its `users`");
        return Err(refused(&decision.by, why).await);
    }
    let said = Said {
        channel: CHANNEL,
        user: &decision.by,
        who: host,
        approval: decision.approval,
        digest: decision.digest,
        approve: decision.decision == Word::Approve,
        reason: decision.reason,
        identical: 1,
        whole: |shown| shown.complete,
    };
    let view = take(&relay, said).await?;
    Ok(Json(json!({ "approval": view.request.id, "state": view.state })))
}

/// Which webhook that may decide has signed it.
async fn signer<'a>(relay: &'a Relay, message: &Message<'_>, body: &[u8]) -> Option<(usize, &'a Webhook)> {
    let webhooks = relay.channels.webhooks.iter().enumerate();
    for (index, webhook) in webhooks.filter(|(_, webhook)| !webhook.config.users.is_empty()) {
        match key(&webhook.config).await {
            Ok(key) if key.verify(message, body).is_ok() => return Some((index, webhook)),
            Ok(_) => {}
            Err(why) => tracing::error!(host = webhook.host(), why, "a webhook's secret cannot be used"),
        }
    }
    None
}
